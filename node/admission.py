"""Taking transactions in: from clients and from peers, verified once, in slices.

Both ways end in one queue and one task, so that signature checks never hold up the event loop for longer
than one slice, however much comes in. Clients wait for their outcome; peers' transactions are
taken silently, and a peer that sends what nobody could have admitted (malformed, or with a bad
signature) is penalised.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from node.backend import Admission
from node.clock import BlockClock
from node.errors import NotReady, TransactionRefused
from node.ledger import Ledger
from node.mempool import Mempool, check_admissible
from vm.transaction import Transaction, TransactionError, parse_transaction, signatures_valid

SLICE: Final = 48
"""Transactions per slice: about 4 ms with their signatures, if each has one."""

SLICE_BYTES: Final = 24 * 1024
"""Bytes after which a slice ends before: a transaction may have eight signatures, or 128 KiB to parse."""

MAX_QUEUED_BYTES_PER_PEER: Final = 8 * 1024 * 1024
"""What a peer sends beyond this while we are busy is dropped; it stays in its pool and in blocks. Each has a
share of its own, so that a flooding one cannot crowd out the others."""

MAX_QUEUED_CLIENT_TRANSACTIONS: Final = 20_000

Outcome = Admission | TransactionRefused


@dataclass(frozen=True, slots=True)
class Source:
    """The peer that sent transactions, and whether it said that it had them from its clients."""

    key: bytes
    from_origin: bool
    on_invalid: Callable[[], None]


@dataclass(slots=True)
class _Job:
    raws: Sequence[bytes]
    outcomes: list[Outcome]
    done: asyncio.Future[list[Outcome]] | None
    source: Source | None


def slices(raws: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Divide transactions into slices that each take a few milliseconds."""
    start = size = 0
    for place, raw in enumerate(raws):
        size += len(raw)
        if size >= SLICE_BYTES or place - start == SLICE - 1:
            yield raws[start : place + 1]
            start, size = place + 1, 0
    if start < len(raws):
        yield raws[start:]


class AdmissionQueue:
    """Parses, checks and verifies transactions into the mempool.

    Args:
        on_admitted: called with each slice's newly admitted transactions, and the peer that sent
            them (None: a client).
    """

    def __init__(
        self,
        ledger: Ledger,
        mempool: Mempool,
        clock: BlockClock,
        on_admitted: Callable[[Sequence[Transaction], Source | None], None],
    ) -> None:
        self._ledger = ledger
        self._mempool = mempool
        self._clock = clock
        self._on_admitted = on_admitted
        self._jobs: deque[_Job] = deque()
        self._queued_bytes: dict[bytes, int] = {}
        self._queued_from_clients = 0
        self._wake = asyncio.Event()
        self.dropped_from_peers = 0

    async def submit(self, raws: Sequence[bytes]) -> list[Outcome]:
        """Admit a client's transactions, in order; one outcome each."""
        if self._queued_from_clients + len(raws) > MAX_QUEUED_CLIENT_TRANSACTIONS:
            return [TransactionRefused("POOL_FULL", "too many transactions wait for admission")] * len(raws)
        self._queued_from_clients += len(raws)
        done: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        self._jobs.append(_Job(raws, [], done, None))
        self._wake.set()
        try:
            return await done
        finally:
            self._queued_from_clients -= len(raws)

    def take_from_peer(self, raws: Sequence[bytes], source: Source) -> None:
        """Queue transactions that a peer sent."""
        queued = self._queued_bytes.get(source.key, 0) + sum(map(len, raws))
        if queued > MAX_QUEUED_BYTES_PER_PEER:
            self.dropped_from_peers += len(raws)
            return
        self._queued_bytes[source.key] = queued
        self._jobs.append(_Job(raws, [], None, source))
        self._wake.set()

    async def run(self) -> None:
        """Work through the queue until cancelled."""
        while True:
            while self._jobs:
                job = self._jobs.popleft()
                await self._work(job)
                if job.source is not None:
                    self._forget_queued(job.source.key, sum(map(len, job.raws)))
                if job.done is not None and not job.done.done():
                    job.done.set_result(job.outcomes)
            self._wake.clear()
            await self._wake.wait()

    def _forget_queued(self, key: bytes, size: int) -> None:
        remaining = self._queued_bytes[key] - size
        if remaining:
            self._queued_bytes[key] = remaining
        else:
            del self._queued_bytes[key]

    def close(self) -> None:
        """Answer everyone who still waits."""
        for job in self._jobs:
            if job.done is not None and not job.done.done():
                job.done.set_exception(NotReady("the node stops"))
        self._jobs.clear()

    async def _work(self, job: _Job) -> None:
        for slice_ in slices(job.raws):
            now = max(self._ledger.head_time, self._clock.now_ms())
            admitted: list[Transaction] = []
            for raw in slice_:
                outcome = self._admit(raw, now, job, admitted)
                job.outcomes.append(outcome)
            if admitted:
                self._on_admitted(admitted, job.source)
            await asyncio.sleep(0)

    def _admit(self, raw: bytes, now: int, job: _Job, admitted: list[Transaction]) -> Outcome:
        try:
            tx = parse_transaction(raw)
            if self._ledger.store.contains_transaction(tx.id):
                return Admission(tx.id, committed=True)
            if self._mempool.by_id(tx.id) is not None:
                return Admission(tx.id, committed=False)
            check_admissible(tx, self._ledger, now)
            self._mempool.check_room(tx)
            if not signatures_valid(tx):
                raise TransactionError("BAD_SIGNATURE", "a signature is not valid")
        except TransactionError as error:
            if job.source is not None:
                job.source.on_invalid()
            return TransactionRefused(error.reason, str(error))
        except TransactionRefused as refusal:
            return refusal
        self._mempool.add(tx)
        admitted.append(tx)
        return Admission(tx.id, committed=False)
