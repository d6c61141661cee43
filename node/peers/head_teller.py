"""Tells peers where this node stands: in HELLO, in a STATUS after each block, and to those who seem not to know.

Invariant: a node that catches up makes no flood: all peers are told every STATUS_PAUSE_SECONDS at most, one that
asks for decided heights every STATUS_AGAIN_SECONDS.
"""

from __future__ import annotations

import asyncio
from typing import Final

from network.messages import Status
from network.peers import PeerManager
from network.tasks import start_timer
from node.chain.ledger import Ledger

STATUS_PAUSE_SECONDS: Final = 0.1
"""A node that catches up makes hundreds of blocks a second; to peers, 100 STATUS a second are a flood."""

STATUS_AGAIN_SECONDS: Final = 1.0
"""A peer that asks for decided heights is told where we are at most so often."""


class HeadTeller:
    """Knows what peers have been told of this node's head."""

    def __init__(self, ledger: Ledger, manager: PeerManager) -> None:
        self._ledger = ledger
        self._manager = manager
        self._round = (0, 0)
        self._told: dict[bytes, float] = {}
        self._due: asyncio.TimerHandle | None = None
        self._height_told = 0

    def round_began(self, height: int, round_: int) -> None:
        """A round begins here; peers hear of it with the next STATUS."""
        self._round = (height, round_)

    def head_moved(self) -> None:
        """Tell every peer where we are, now or after the pause."""
        if self._due is None:
            self.tell_all()
            self._due = start_timer(STATUS_PAUSE_SECONDS, self._pause_over)

    def tell_all(self) -> None:
        """Tell every peer, and those to come in HELLO, where we are."""
        status = self._status()
        self._height_told = status.height
        self._manager.set_status(status.height, status.round, status.digest)

    def tell(self, key: bytes) -> None:
        """Tell one peer that does not seem to know where we are."""
        now = asyncio.get_running_loop().time()
        peer = self._manager.peer(key)
        if peer is None or now - self._told.get(key, -STATUS_AGAIN_SECONDS) < STATUS_AGAIN_SECONDS:
            return
        self._told[key] = now
        peer.send_message(self._status())

    def forget(self, key: bytes) -> None:
        """A peer is gone."""
        self._told.pop(key, None)

    def close(self) -> None:
        """Tell nothing any more."""
        if self._due is not None:
            self._due.cancel()

    def _pause_over(self) -> None:
        self._due = None
        if self._ledger.height > self._height_told:
            self.head_moved()

    def _status(self) -> Status:
        head = self._ledger.store.head
        height, round_ = self._round
        return Status(height=head.height, round=round_ if height == head.height + 1 else 0, digest=head.digest)
