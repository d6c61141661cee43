"""Whose nodes may connect: those on the chain's list, or configured ones while this node cannot know that list.

A node that has been away, or is new, holds an old list, on which there may be no key left that it could ask for
the new one. Until it has caught up, its operator's word counts for those in node.toml.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from node.chain.ledger import Ledger
from node.runtime.clock import BlockClock

OLD_HEAD_HEARTBEATS: Final = 3
"""A chain that lives makes a block per heartbeat; one or two may be late."""


class Permissions:
    """Follows the chain's list of validators and nodes.

    Args:
        configured: the keys of the peers in node.toml.
    """

    def __init__(self, ledger: Ledger, clock: BlockClock, configured: Iterable[bytes]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._permitted = ledger.permitted_keys()
        self._configured = frozenset(configured)
        self._trusts_configuration = False

    def may_connect(self, key: bytes) -> bool:
        """Tell whether a key may connect."""
        if key in self._permitted:
            return True
        if key not in self._configured or not self._is_out_of_date():
            return False
        self._trusts_configuration = True
        return True

    def have_changed(self) -> bool:
        """Look at the chain's list again; tell whether connections are to be judged anew."""
        permitted = self._ledger.permitted_keys()
        caught_up = self._trusts_configuration and not self._is_out_of_date()
        if permitted == self._permitted and not caught_up:
            return False
        self._permitted = permitted
        self._trusts_configuration = self._trusts_configuration and not caught_up
        return True

    def _is_out_of_date(self) -> bool:
        """Tell whether the head is older than heartbeats would leave it."""
        age_ms = self._clock.now_ms() - self._ledger.head_time
        return age_ms > OLD_HEAD_HEARTBEATS * self._ledger.params.empty_block_interval_ms * self._clock.rate
