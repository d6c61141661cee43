"""Catching up: decided blocks with their certificates from peers, verified, executed, imported in order.

What to ask from whom is `network.block_sync`'s plan; here it meets sockets and the ledger. A node that
takes part in consensus is often one block behind for some milliseconds: it syncs only when it stays
behind, or is behind by several blocks.

What comes is verified, executed and made final by `node.sync.block_importer`.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import Final

from network.block_sync import BlockSync, RangeRequest, ReadyBlocks
from network.errors import RequestError
from network.messages import GetBlocks
from network.peers import PeerManager
from network.scoring import Offence
from node.chain.ledger import Ledger
from node.runtime.supervisor import Supervisor
from node.sync.block_importer import BadBlock, BlockImporter

_log = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.1
PATIENCE_SECONDS: Final = 1.5
"""So long may consensus itself take to bring the next block before we ask a peer for it."""

SHORT_PATIENCE_SECONDS: Final = 0.25
"""The same, where no block is being executed here: messages overtake each other by no more."""

TELL_SECONDS: Final = 10.0
"""How often the log tells how far catching up is."""

FAR_BEHIND_BLOCKS: Final = 3

NAMED_PEERS: Final = 3
"""So many peers a log line names; as many as the smallest alliance has besides this node."""


def believable_height(claims: Sequence[int], f: int) -> int:
    """Return the greatest height that f + 1 validators claim; where fewer claim any, what all of them do."""
    ranked = sorted(claims, reverse=True)
    return ranked[min(f, len(ranked) - 1)] if ranked else 0


def _named(peers: Sequence[bytes]) -> str:
    """Return the peers that blocks are asked from, as the log names them."""
    names = ", ".join(peer.hex()[:16] for peer in peers[:NAMED_PEERS])
    more = f" and {len(peers) - NAMED_PEERS} more" if len(peers) > NAMED_PEERS else ""
    return f"{'peer' if len(peers) == 1 else 'peers'} {names}{more}"


class SyncDriver:
    """Keeps this node's head close to its peers'."""

    def __init__(
        self, ledger: Ledger, importer: BlockImporter, plan: BlockSync, manager: PeerManager, supervisor: Supervisor
    ) -> None:
        self._ledger = ledger
        self._importer = importer
        self._plan = plan
        self._manager = manager
        self._supervisor = supervisor
        self._behind_since: float | None = None
        self._told_at: float | None = None
        self._requests: set[asyncio.Task[None]] = set()
        self._is_behind = False
        self._pauses: list[Callable[[], bool]] = []

    def pause_while(self, condition: Callable[[], bool]) -> None:
        """Ask for no blocks while a condition holds: a snapshot is fetched, which will make them superfluous."""
        self._pauses.append(condition)

    @property
    def syncing(self) -> bool:
        """Whether this node catches up with its peers.

        True as soon as a peer claims several blocks more: a node that has just connected must not call itself
        ready.
        """
        return self._is_behind or self._plan.target - self._ledger.height >= FAR_BEHIND_BLOCKS

    def head_moved(self) -> None:
        """This node's head has moved, by consensus or by sync."""
        self._plan.advanced(self._ledger.height)
        self._behind_since = None

    @property
    def target(self) -> int:
        """The greatest height that a peer claims."""
        return self._plan.target

    @property
    def is_stuck(self) -> bool:
        """Whether peers are ahead, but all of them have pruned the block after our head."""
        return self._plan.is_stuck

    async def run(self) -> None:
        """Watch and catch up until cancelled or halted."""
        try:
            pause = TICK_SECONDS
            while self._supervisor.halted is None:
                await asyncio.sleep(pause)
                behind = self._seconds_behind()
                self._is_behind = behind >= PATIENCE_SECONDS
                self._tell()
                if any(condition() for condition in self._pauses):
                    pause = TICK_SECONDS
                    continue
                patience = PATIENCE_SECONDS if self._importer.is_executing else SHORT_PATIENCE_SECONDS
                # A peer may claim much and answer nothing: without progress there is no hurry.
                pause = 0 if behind >= patience and await self._catch_up() else TICK_SECONDS
        finally:
            for task in self._requests:
                task.cancel()

    def _tell(self) -> None:
        """Let the log say that this node catches up, how far it is, and that it is done."""
        now = asyncio.get_running_loop().time()
        if self.syncing and (self._told_at is None or now - self._told_at >= TELL_SECONDS):
            sources = _named(self._plan.ahead)
            _log.info("syncing from %s: height %d of %d", sources, self._ledger.height, self._plan.target)
            self._told_at = now
        elif not self.syncing and self._told_at is not None:
            _log.info("in step with its peers at height %d", self._ledger.height)
            self._told_at = None

    def _seconds_behind(self) -> float:
        """Return for how long a peer has been ahead of us; infinity, if by several blocks."""
        gap = self._plan.target - self._ledger.height
        if gap <= 0:
            self._behind_since = None
            return 0.0
        now = asyncio.get_running_loop().time()
        if self._behind_since is None:
            self._behind_since = now
        return math.inf if gap >= FAR_BEHIND_BLOCKS else now - self._behind_since

    async def _catch_up(self) -> bool:
        """Ask, wait a little, import; tell whether the head has moved."""
        before = self._ledger.height
        for request in self._plan.next_requests(self._now_ms()):
            task = asyncio.get_running_loop().create_task(self._ask(request))
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)
        if self._requests:
            await asyncio.wait(self._requests, timeout=TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        while self._supervisor.halted is None and (ready := self._plan.take_ready()) is not None:
            await self._import(ready)
        return self._ledger.height > before

    async def _ask(self, request: RangeRequest) -> None:
        peer = self._manager.peer(request.peer)
        if peer is None:
            self._plan.failed(request.id, self._now_ms())
            return
        timeout = max(0.1, (request.deadline_ms - self._now_ms()) / 1_000)
        try:
            reply = await peer.request(GetBlocks(id=0, first=request.first, count=request.count), timeout)
        except RequestError as error:
            _log.info("blocks from %d were not answered: %s", request.first, error)
            self._plan.failed(request.id, self._now_ms())
            return
        self._plan.received(request.id, reply.items, self._now_ms(), reply.oldest)

    async def _import(self, ready: ReadyBlocks) -> None:
        """Import blocks in order, with one wait for the disk for all of them."""
        store = self._ledger.store
        try:
            if len(ready.blocks) > FAR_BEHIND_BLOCKS:
                store.hold()
            await self._import_blocks(ready)
        finally:
            store.flush()

    async def _import_blocks(self, ready: ReadyBlocks) -> None:
        for height, (block_bytes, certificate_bytes) in enumerate(ready.blocks, start=ready.first):
            try:
                await self._importer.import_block(height, block_bytes, certificate_bytes)
            except BadBlock as error:
                _log.warning("bad block from %s: %s", ready.peer.hex()[:16], error)
                self._manager.penalise(ready.peer, Offence.BAD_DATA)
                self._plan.rejected(ready, self._now_ms())
                return
            if self._supervisor.halted is not None:
                return
            await asyncio.sleep(0)  # importing a small block waits for nothing, and there may be hundreds

    @staticmethod
    def _now_ms() -> int:
        return int(asyncio.get_running_loop().time() * 1_000)
