"""Getting, judging and executing the blocks that consensus talks about.

Consensus knows a block by its digest and its transactions by their hashes. Here are the bytes: from the
mempool, from peers that are asked for what is missing, or from the write-ahead log after a restart. Long
work runs in slices, between which the event loop turns, so that votes are never delayed for long.

Invariants:
    1. Bodies and outcomes kept here are of the height in progress; a new head clears them.
    2. A transaction taken from a peer is parsed, its hash compared, and its signatures verified, before
       a block that holds it is called valid.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence, Set
from typing import Final, Protocol

from consensus.types import Candidate, header_digest
from network.stages import STAGES
from node.chain.ledger import Executed, Ledger
from node.pool.mempool import Mempool
from node.runtime.clock import TOLERANCE_MS, BlockClock
from node.verification.verifier import TransactionVerifier
from vm.primitives.hashing import sha256
from vm.transaction import Transaction, TransactionError, parse_transaction

_log = logging.getLogger(__name__)

EXECUTE_SLICE: Final = 64
"""Transactions executed before the event loop may turn: about 3 ms, if each has one operation."""

EXECUTE_SLICE_COST: Final = 40_000
"""Work units after which it may turn before: a transaction may have a thousand operations."""

VERIFY_SLICE: Final = 64
"""Signatures checked before the event loop may turn: about 5 ms (docs/performance.md, point 2)."""

BYTES_PER_CHECK: Final = 4 * 1024
"""So many bytes to hash and parse take about as long as one signature, at most."""

RETRY_SECONDS: Final = 0.25
REQUEST_TIMEOUT_SECONDS: Final = 2.0
ARRIVAL_SECONDS: Final = 0.01
"""How often it is looked whether gossip has brought what a peer was asked for."""


class Fetcher(Protocol):
    """Asks peers for what consensus needs; failures are empty answers."""

    async def transactions(self, source: int, hashes: Sequence[bytes]) -> Sequence[bytes]:
        """Ask the validator at index `source` for transactions by hash."""
        ...

    async def settle(self) -> None:
        """Wait, for a short time, until the transactions that have come already are admitted."""
        ...


class BlockProcessor:
    """The bodies and outcomes of the candidates of one height."""

    def __init__(
        self,
        ledger: Ledger,
        mempool: Mempool,
        fetcher: Fetcher,
        clock: BlockClock,
        verifier: TransactionVerifier | None = None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._mempool = mempool
        self._fetcher = fetcher
        self._bodies: dict[bytes, list[Transaction]] = {}
        self._verified: dict[bytes, Transaction] = {}
        self._executed: dict[bytes, Executed] = {}
        self._verifier = TransactionVerifier() if verifier is None else verifier
        self._asked: set[asyncio.Future[Sequence[bytes]]] = set()
        self._in_progress = 0

    def clear(self) -> None:
        """Forget everything: the head has moved."""
        self._bodies.clear()
        self._verified.clear()
        self._executed.clear()

    def remember_body(self, digest: bytes, transactions: Iterable[Transaction]) -> None:
        """Keep the transactions of a candidate that we built, or logged."""
        self._bodies[digest] = list(transactions)

    def body(self, digest: bytes) -> list[Transaction] | None:
        """Return a candidate's transactions, if all are here."""
        return self._bodies.get(digest)

    def executed(self, digest: bytes) -> Executed | None:
        """Return a candidate's outcome, if it has been executed."""
        return self._executed.get(digest)

    def raw_transactions(self, hashes: Iterable[bytes]) -> list[bytes]:
        """Return those of the transactions that are here, for a peer that asks."""
        by_hash = {tx.hash: tx for body in self._bodies.values() for tx in body}
        found = []
        for tx_hash in hashes:
            tx = self._mempool.by_hash(tx_hash) or by_hash.get(tx_hash)
            if tx is not None:
                found.append(tx.raw)
        return found

    async def resolve(self, candidate: Candidate, sources: Sequence[int]) -> list[Transaction] | None:
        """Return a candidate's transactions, asking the sources in turn; None where they make it invalid.

        Runs until everything is here; the caller cancels it when the height is over.
        """
        digest = header_digest(candidate.header)
        attempt = 0
        while (body := self._bodies.get(digest)) is None:
            with STAGES.judge:
                missing = self._missing(candidate.tx_hashes)
            if missing and attempt == 0:
                # Under load they are mostly here, waiting for their signatures to be checked.
                await self._fetcher.settle()
                missing = self._missing(candidate.tx_hashes)
            if not missing:
                with STAGES.judge:
                    self._bodies[digest] = [self._known(tx_hash) for tx_hash in candidate.tx_hashes]
                continue
            if attempt >= len(sources):
                await asyncio.sleep(RETRY_SECONDS)
            if sources:
                raws = await self._ask(sources[attempt % len(sources)], missing)
                if not await self._take(set(missing), raws) or self._is_too_large(candidate):
                    return None
            attempt += 1
        return body

    async def _ask(self, source: int, missing: Sequence[bytes]) -> Sequence[bytes]:
        """Ask a validator for transactions, unless they come by gossip first: then nothing is waited for.

        A proposer sends a block at once and its transactions some milliseconds later; to wait for an answer
        would cost the way there and back.
        """
        asked = asyncio.ensure_future(self._fetcher.transactions(source, missing))
        self._asked.add(asked)
        asked.add_done_callback(self._asked.discard)
        while not asked.done():
            await asyncio.wait({asked}, timeout=ARRIVAL_SECONDS)
            if not self._missing(missing):
                return ()  # the answer, which may be under way, is no offence as long as somebody waits for it
        return asked.result()

    def _missing(self, hashes: Iterable[bytes]) -> list[bytes]:
        by_hash, verified = self._mempool.by_hash, self._verified
        return [tx_hash for tx_hash in hashes if by_hash(tx_hash) is None and tx_hash not in verified]

    def _known(self, tx_hash: bytes) -> Transaction:
        tx = self._mempool.by_hash(tx_hash)
        return self._verified[tx_hash] if tx is None else tx

    async def _take(self, wanted: set[bytes], raws: Sequence[bytes]) -> bool:
        """Verify transactions from a peer; False where a wanted one can never be valid."""
        left = deque(raws)
        while left:
            try:
                slice_ = _parsed_slice(left, wanted)
            except TransactionError:
                return False  # the block names these very bytes: there are no others that would make it whole
            if not all(await self._verifier.verdicts(slice_)):
                return False
            self._verified.update({tx.hash: tx for tx in slice_})
            if left:
                await asyncio.sleep(0)
        return True

    def _is_too_large(self, candidate: Candidate) -> bool:
        """Tell whether what came from peers for a candidate is more than a block may hold.

        Its proposer could feed us gigabytes if size were judged only once everything is here.
        """
        got = (self._verified.get(tx_hash) for tx_hash in candidate.tx_hashes)
        return sum(len(tx.raw) for tx in got if tx is not None) > self._ledger.params.max_block_bytes

    async def judge(self, candidate: Candidate, sources: Sequence[int], judge_time: bool) -> str | None:
        """Return why a candidate's transactions make it invalid; None for a valid one.

        A candidate too far ahead of our clock is not invalid: its answer waits until its time has come.
        """
        transactions = await self.resolve(candidate, sources)
        if transactions is None:
            return "a transaction is malformed or has no valid signature, or they are more than a block may hold"
        with STAGES.judge:
            fault = self._ledger.fault_in(candidate.header, transactions)
        if fault is None and judge_time:
            await self._hold_back(candidate.header.time)
        return fault

    async def _hold_back(self, time: int) -> None:
        # The clock may be set meanwhile, so it is asked again after each wait; there is no event for it.
        while (early_ms := self._early_ms(time)) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(early_ms / self._clock.rate / 1_000, 1.0))

    def _early_ms(self, time: int) -> int:
        """Return by how much block time a header is beyond the tolerance, which scales with the clock's rate."""
        return time - self._clock.now_ms() - TOLERANCE_MS * self._clock.rate

    @property
    def is_executing(self) -> bool:
        """Whether a block of the height in progress is being executed: then this node is busy, not stuck.

        In any other case nothing may come by itself while others have decided the height: what they said of it
        was here before the news that they are ahead, they do not repeat it, and they serve candidates and
        transactions of their own height only.
        """
        return self._in_progress > 0

    async def execute(self, candidate: Candidate, sources: Sequence[int]) -> Executed | None:
        """Get and execute a candidate on the head, once; None where the head has moved meanwhile."""
        self._in_progress += 1
        try:
            return await self._execute(candidate, sources)
        finally:
            self._in_progress -= 1

    async def _execute(self, candidate: Candidate, sources: Sequence[int]) -> Executed | None:
        digest = header_digest(candidate.header)
        done = self._executed.get(digest)
        if done is not None:
            return done
        transactions = await self.resolve(candidate, sources)
        if transactions is None:
            _log.error("a block that a quorum prepared holds invalid transactions: %s", digest.hex())
            return None
        return await self.execute_body(candidate, transactions)

    async def execute_body(self, candidate: Candidate, transactions: Sequence[Transaction]) -> Executed | None:
        """Execute a candidate whose transactions are here; None where the head has moved meanwhile."""
        height = candidate.header.height
        if self._ledger.height != height - 1:
            return None
        with STAGES.execute:
            execution = self._ledger.execute(candidate, transactions)
            done = execution.run(EXECUTE_SLICE, EXECUTE_SLICE_COST)
        while not done:
            await asyncio.sleep(0)
            if self._ledger.height != height - 1:
                return None
            with STAGES.execute:
                done = execution.run(EXECUTE_SLICE, EXECUTE_SLICE_COST)
        with STAGES.execute:
            executed = execution.finish()
        self._executed[header_digest(candidate.header)] = executed
        return executed


def _parsed_slice(raws: deque[bytes], wanted: Set[bytes]) -> list[Transaction]:
    """Take as much of what a peer sent as may be checked at once, and parse what is wanted of it.

    Raises:
        TransactionError: a wanted one is malformed.
    """
    slice_: list[Transaction] = []
    done = 0
    while raws and done < VERIFY_SLICE:
        raw = raws.popleft()
        done += 1 + len(raw) // BYTES_PER_CHECK
        if sha256(raw) in wanted:
            tx = parse_transaction(raw)
            done += len(tx.sigs) - 1
            slice_.append(tx)
    return slice_
