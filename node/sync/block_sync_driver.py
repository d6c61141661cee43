"""Catching up: decided blocks with their certificates from peers, verified, executed, imported in order.

What to ask from whom is `network.block_sync`'s plan; here it meets sockets and the ledger. A node that
takes part in consensus is often one block behind for some milliseconds: it syncs only when it stays
behind, or is behind by several blocks.

A block is imported only if a quorum of the height's validators sealed it and the roots that we compute
ourselves; other roots than a quorum's mean that this node is broken, and halt it.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import Final

from consensus.trust import NotCertified
from consensus.types import Candidate, Certificate
from consensus.validation import candidate_fault
from consensus.verification import Verifier
from network.block_sync import BlockSync, RangeRequest, ReadyBlocks
from network.errors import RequestError
from network.messages import GetBlocks
from network.peers import PeerManager
from network.scoring import Offence
from node.chain.ledger import Ledger
from node.light_client.canonical_reading import read_block, read_certificate
from node.light_client.chain import TrustedChain
from node.validator.block_processor import BlockProcessor
from node.validator.consensus_driver import ConsensusDriver
from vm.transaction import TransactionError, parse_transaction

_log = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.1
PATIENCE_SECONDS: Final = 1.5
"""So long may consensus itself take to bring the next block before we ask a peer for it."""

SHORT_PATIENCE_SECONDS: Final = 0.25
"""The same, where no block is being executed here: messages overtake each other by no more."""

TELL_SECONDS: Final = 10.0
"""How often the log tells how far catching up is."""

FAR_BEHIND_BLOCKS: Final = 3


def believable_height(claims: Sequence[int], f: int) -> int:
    """Return the greatest height that f + 1 validators claim; where fewer claim any, what all of them do."""
    ranked = sorted(claims, reverse=True)
    return ranked[min(f, len(ranked) - 1)] if ranked else 0


class BadBlock(Exception):
    """What a peer sent is not the certified block of that height."""


class SyncDriver:
    """Keeps this node's head close to its peers'."""

    def __init__(
        self,
        ledger: Ledger,
        processor: BlockProcessor,
        driver: ConsensusDriver,
        peers: Callable[[], PeerManager],
        verifier: Verifier,
    ) -> None:
        self._ledger = ledger
        self._processor = processor
        self._driver = driver
        self._peers = peers
        self._verifier = verifier
        self._plan = BlockSync(ledger.height)
        self._behind_since: float | None = None
        self._told_at: float | None = None
        self._requests: set[asyncio.Task[None]] = set()
        self.syncing = False
        self.paused = False
        """While a snapshot is fetched, which will make the blocks up to its height superfluous."""
        self.yields_to: Callable[[], bool] = lambda: False
        """Whether a snapshot is to be tried first."""

    def peer_at(self, key: bytes, height: int) -> None:
        """A peer claims to have decided up to `height`."""
        self._plan.peer_at(key, height)
        if self._plan.target - self._ledger.height >= FAR_BEHIND_BLOCKS:
            self.syncing = True  # at once: a node that has just connected must not call itself ready

    def peer_gone(self, key: bytes) -> None:
        """A peer is disconnected."""
        self._plan.peer_gone(key)

    def head_moved(self) -> None:
        """This node's head has moved, by whatever way."""
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
            while self._driver.halted is None:
                await asyncio.sleep(pause)
                behind = self._seconds_behind()
                self.syncing = behind >= PATIENCE_SECONDS
                self._tell()
                if self.paused or self.yields_to():
                    pause = TICK_SECONDS
                    continue
                patience = PATIENCE_SECONDS if self._driver.is_executing else SHORT_PATIENCE_SECONDS
                # A peer may claim much and answer nothing: without progress there is no hurry.
                pause = 0 if behind >= patience and await self._catch_up() else TICK_SECONDS
        finally:
            for task in self._requests:
                task.cancel()

    def _tell(self) -> None:
        """Let the log say that this node catches up, how far it is, and that it is done."""
        now = asyncio.get_running_loop().time()
        if self.syncing and (self._told_at is None or now - self._told_at >= TELL_SECONDS):
            _log.info("syncing: height %d of %d, which a peer claims", self._ledger.height, self._plan.target)
            self._told_at = now
        elif not self.syncing and self._told_at is not None:
            _log.info("in step with its peers at height %d", self._ledger.height)
            self._told_at = None

    def _seconds_behind(self) -> float:
        """Return for how long a peer has been ahead of us; for ever, if by several blocks."""
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
        while self._driver.halted is None and (ready := self._plan.take_ready()) is not None:
            await self._import(ready)
        return self._ledger.height > before

    async def _ask(self, request: RangeRequest) -> None:
        peer = self._peers().peer(request.peer)
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
                await self.import_block(height, block_bytes, certificate_bytes)
            except BadBlock as error:
                _log.warning("bad block from %s: %s", ready.peer.hex()[:16], error)
                self._peers().penalise(ready.peer, Offence.BAD_DATA)
                self._plan.rejected(ready, self._now_ms())
                return
            if self._driver.halted is not None:
                return
            await asyncio.sleep(0)  # importing a small block waits for nothing, and there may be hundreds

    async def import_block(self, height: int, block_bytes: bytes, certificate_bytes: bytes) -> None:
        """Verify, execute and commit the block of a height; a height that is here already is passed over.

        Raises:
            BadBlock: it is not the certified block of that height.
        """
        if height <= self._ledger.height:
            return
        try:
            block, certificate = read_block(block_bytes), read_certificate(certificate_bytes)
            if block.header.height != height:
                # Were an old block passed over here, the plan would take this height for imported.
                raise BadBlock(f"height {block.header.height}, asked for {height}")
            transactions = [parse_transaction(raw) for raw in block.transactions]
        except (NotCertified, TransactionError) as error:
            raise BadBlock(str(error)) from None
        candidate = Candidate(block.header, block.parent_certificate, tuple(tx.hash for tx in transactions))
        self._check(candidate, certificate)
        executed = self._processor.executed(certificate.digest)
        if executed is None:
            executed = await self._processor.execute_body(candidate, transactions)
        if executed is None or self._ledger.height != block.header.height - 1:
            return  # consensus has decided this height meanwhile
        if executed.roots != certificate.roots:
            self._driver.halt(
                "a quorum has sealed other roots than ours",
                {
                    "height": str(block.header.height),
                    "ours": f"{executed.roots.state_root.hex()} {executed.roots.receipts_root.hex()}",
                    "certified": f"{certificate.state_root.hex()} {certificate.receipts_root.hex()}",
                },
            )
            return
        self._driver.commit(executed, certificate)

    def _check(self, candidate: Candidate, certificate: Certificate) -> None:
        """Check that a block is certified and follows the head; the sets are those of this node's own state."""
        context = self._driver.state.context  # consensus has one for this height already
        if context is None or context.height != self._ledger.height + 1:
            context = self._ledger.height_context()
        if candidate.header.height != context.height:
            raise BadBlock(f"height {candidate.header.height}, expected {context.height}")
        try:
            TrustedChain(context.chain, context.validators, self._verifier).require_block(candidate, certificate)
        except NotCertified as error:
            raise BadBlock(str(error)) from None
        fault = candidate_fault(candidate, context, None)
        if fault is not None:
            raise BadBlock(fault)

    @staticmethod
    def _now_ms() -> int:
        return int(asyncio.get_running_loop().time() * 1_000)
