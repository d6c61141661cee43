"""Taking transactions in: from clients and from peers, verified once, in slices.

Every source, a client or a peer, has a queue of its own, and one task takes a slice of each in turn. So signature
checks never hold up the event loop for longer than one slice, however much comes in, and no client waits behind
a flood. Clients wait for their outcome; peers' transactions are taken silently, and a peer that sends what no node
could have admitted (malformed, or with a bad signature) is penalised.

Where a verification worker has room, a slice is checked but for its signatures and sent to it; several may be on
their way. They conclude in the order in which they were sent, and what may have changed meanwhile is checked again.

Invariants:
    1. What a source sends is taken in order.
    2. Everyone who waits is answered, also when the task ends by an error of ours.
    3. At most MAX_SENT slices are on their way to workers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

import msgspec

from network.stages import STAGES
from node.chain.ledger import Ledger
from node.chain.pruning import MAY_BE_PRUNED
from node.pool.mempool import Mempool, check_admissible
from node.pool.mempool_lanes import Brands, Origin
from node.pool.slices import Budget, Slice, parse_some
from node.runtime.clock import BlockClock
from node.runtime.errors import NotReady, TransactionRefused, kept
from node.verification.verifier import Sent, TransactionVerifier
from vm.transaction import Transaction, TransactionError

MAX_QUEUED_BYTES_PER_PEER: Final = 8 * 1024 * 1024
"""What a peer sends beyond this while we are busy is dropped; it stays in its pool and in blocks. Each has a
share of its own, so that a flooding one cannot crowd out the others."""

MAX_QUEUED_CLIENT_TRANSACTIONS: Final = 20_000
"""Of all clients together; each may queue as many as that leaves free (as in `node.pool.mempool_lanes`)."""

MAX_SENT: Final = 8
"""Slices on their way to workers: as many frames as two workers take."""


class Admission(msgspec.Struct, frozen=True, gc=False):
    """A transaction that the node has: pending in the mempool, or committed."""

    id: bytes
    committed: bool


Outcome = Admission | TransactionRefused


@dataclass(frozen=True, slots=True)
class SendingPeer:
    """The peer that sent transactions, and whether it said that it had them from its clients."""

    key: bytes
    from_origin: bool
    on_invalid: Callable[[], None]


Admitted = Callable[[Sequence[Transaction], SendingPeer | None], None]


@dataclass(slots=True)
class _Job:
    """What a source has sent at once.

    Attributes:
        taken: how many of `raws` have been worked on, be it by sending them to a worker.
        concluded: how many have come back from workers.
        outcomes: one for each that has been, where somebody waits for them.
    """

    raws: Sequence[bytes]
    done: asyncio.Future[list[Outcome]] | None = None
    source: SendingPeer | None = None
    taken: int = 0
    concluded: int = 0
    outcomes: list[Outcome] = field(default_factory=list)


class _Checked(msgspec.Struct, frozen=True, gc=False):
    """A transaction that only its signatures can still keep out."""

    tx: Transaction
    origin: Origin
    size: int


@dataclass(slots=True)
class _SentSlice:
    """A slice of a source's jobs on its way to a worker, and the height at whose state it was checked."""

    height: int
    parts: list[tuple[_Job, list[Outcome | _Checked]]]
    sent: Sent


class AdmissionQueue:
    """Parses, checks and verifies transactions into the mempool.

    Args:
        verifier: verifies signatures, by workers or in this process.

    Attributes:
        dropped_from_peers: transactions that peers sent while their queue was full.
    """

    def __init__(
        self, ledger: Ledger, mempool: Mempool, clock: BlockClock, verifier: TransactionVerifier | None = None
    ) -> None:
        self._ledger = ledger
        self._mempool = mempool
        self._clock = clock
        self._verifier = TransactionVerifier() if verifier is None else verifier
        self._listeners: list[Admitted] = []
        self._queues: dict[str | bytes, deque[_Job]] = {}
        self._sent: deque[_SentSlice] = deque()
        self._queued_bytes: dict[bytes, int] = {}
        self._queued_of_client: dict[str, int] = {}
        self._queued_from_clients = 0
        self._wake = asyncio.Event()
        self._closed: str | None = None
        self.dropped_from_peers = 0

    def on_admitted(self, *listeners: Admitted) -> None:
        """Call functions with what each slice admits, and the peer that sent it (None: a client)."""
        self._listeners += listeners

    async def submit(self, raws: Sequence[bytes], client: str = "") -> list[Outcome]:
        """Admit a client's transactions, in order; one outcome each.

        Args:
            client: who shares a part of the queue and of the pool; none for this node itself.

        Raises:
            NotReady: the node stops, or has halted.
        """
        self._check_open()
        queued = self._queued_of_client.get(client, 0) + len(raws)
        if queued > MAX_QUEUED_CLIENT_TRANSACTIONS - self._queued_from_clients:
            return [TransactionRefused("POOL_FULL", "too many transactions wait for admission")] * len(raws)
        self._queued_of_client[client] = queued
        self._queued_from_clients += len(raws)
        try:
            return await self._queue(client, _Job(raws, done=asyncio.get_running_loop().create_future()))
        finally:
            self._queued_from_clients -= len(raws)
            self._queued_of_client[client] -= len(raws)
            if not self._queued_of_client[client]:
                del self._queued_of_client[client]

    def pending(self) -> list[Transaction]:
        """Return what is admitted and not final, in order of arrival."""
        return list(self._mempool.in_order())

    async def settle(self) -> None:
        """Wait until everything that peers have sent so far is admitted.

        Raises:
            NotReady: the node stops, or has halted.
        """
        self._check_open()
        loop = asyncio.get_running_loop()
        peers = list(self._queued_bytes)  # all that have something queued
        await asyncio.gather(*(self._queue(key, _Job((), done=loop.create_future())) for key in peers))

    async def _queue(self, key: str | bytes, job: _Job) -> list[Outcome]:
        self._queues.setdefault(key, deque()).append(job)
        self._wake.set()
        assert job.done is not None
        return await job.done

    def take_from_peer(self, raws: Sequence[bytes], source: SendingPeer) -> None:
        """Queue transactions that a peer sent."""
        queued = self._queued_bytes.get(source.key, 0) + sum(map(len, raws))
        if queued > MAX_QUEUED_BYTES_PER_PEER or self._closed is not None:
            self.dropped_from_peers += len(raws)
            return
        self._queued_bytes[source.key] = queued
        self._queues.setdefault(source.key, deque()).append(_Job(raws, source=source))
        self._wake.set()

    async def run(self) -> None:
        """Take a slice of each source in turn, until cancelled."""
        try:
            while True:
                self._wake.clear()
                if self._sent and self._sent[0].sent.is_due:
                    self._conclude(self._sent[0])
                    await asyncio.sleep(0)
                elif self._queues and (self._may_send or not self._sent):
                    self._take_slice()
                    await asyncio.sleep(0)
                else:
                    await self._happening()
        except Exception:
            self.close("the node has halted")
            raise

    async def _happening(self) -> None:
        """Wait until something comes in, or the slice that was sent first is due."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._sent[0].sent.late_at if self._sent else None):
                await self._wake.wait()

    def _take_slice(self) -> None:
        """Work on the source whose turn it is, or have a worker do its part."""
        key, jobs = next(iter(self._queues.items()))
        if self._may_send:
            self._send(key, jobs)
        else:
            self._work(key, jobs)
        # What was admitted may have led to a block, and its vote to a halt, which empties the queues.
        if self._queues.pop(key, None) is not None and jobs:
            self._queues[key] = jobs  # behind the others

    def _work(self, key: str | bytes, jobs: deque[_Job]) -> None:
        """Work on a source's jobs as far as a slice goes."""
        now = self._now()
        budget = Budget()
        while jobs and not budget.spent:
            job = jobs[0]
            self._announce(self._admit_some(key, job, now, budget), job)
            if job.taken == len(job.raws):
                self._finish(jobs.popleft())

    def _admit_some(self, key: str | bytes, job: _Job, now: int, budget: Budget) -> list[Transaction]:
        """Go on with a job as far as a slice goes; return what has been admitted."""
        part = Slice(now, key)
        before, begun = STAGES.admission.seconds, perf_counter()
        with STAGES.admission:
            parsed = parse_some(job.raws, job.taken, budget)
            job.taken += len(parsed)
            job.concluded += len(parsed)  # a job may go on by a worker that has room again
            parsing = perf_counter() - begun
            answers = job.outcomes if job.done is not None else None
            for tx in parsed:
                outcome = self._admit(tx, part, job.source, told=answers is not None)
                if answers is not None and outcome is not None:
                    answers.append(outcome)
        parts = {STAGES.parse: parsing, STAGES.verify: part.verifying}
        STAGES.admission.hand_over(before, perf_counter() - begun, parts)
        return part.admitted

    # -- by workers --------------------------------------------------------------------------------

    @property
    def _may_send(self) -> bool:
        return len(self._sent) < MAX_SENT and self._verifier.has_room

    def _send(self, key: str | bytes, jobs: deque[_Job]) -> None:
        """Check a source's jobs as far as a slice goes, and have a worker verify the signatures."""
        part, height = Slice(self._now(), key), self._ledger.height
        budget = Budget()
        parts: list[tuple[_Job, list[Outcome | _Checked]]] = []
        before, begun, parsing = STAGES.admission.seconds, perf_counter(), 0.0
        with STAGES.admission:
            while len(parts) < len(jobs) and not budget.spent:
                job = jobs[len(parts)]
                started = perf_counter()
                parsed = parse_some(job.raws, job.taken, budget)
                job.taken += len(parsed)
                parsing += perf_counter() - started
                parts.append((job, [self._check(tx, part, job.source) for tx in parsed]))
        STAGES.admission.hand_over(before, perf_counter() - begun, {STAGES.parse: parsing})
        checked = [one.tx for _, found in parts for one in found if isinstance(one, _Checked)]
        sent = self._verifier.send(checked)
        sent.on_settled(self._wake.set)
        self._sent.append(_SentSlice(height, parts, sent))
        while jobs and jobs[0].taken == len(jobs[0].raws):
            jobs.popleft()  # only now: whoever waits is answered also where a check has failed by our error

    def _check(
        self, tx: Transaction | TransactionError, part: Slice, peer: SendingPeer | None
    ) -> Outcome | _Checked:
        """Look at all of a transaction but its signatures."""
        if isinstance(tx, TransactionError):
            return _invalid(tx, peer)
        known = self._known(tx)
        if known is not None:
            return known
        try:
            origin = part.origin(self._check_admissible(tx, part.now))
            return _Checked(tx, origin, self._mempool.check_room(tx, origin))
        except TransactionRefused as refusal:
            return kept(refusal)

    def _conclude(self, slice_: _SentSlice) -> None:
        """Admit what was sent first, now that its signatures are verified."""
        verdicts = iter(slice_.sent.found())
        for job, found in slice_.parts:
            if self._closed is not None:
                break  # everyone who waits has been answered
            admitted: list[Transaction] = []
            with STAGES.admission:
                for one in found:
                    if isinstance(one, _Checked):
                        outcome = self._admit_sent(one, next(verdicts), slice_.height, job, admitted)
                    else:
                        outcome = one
                    if job.done is not None:
                        job.outcomes.append(outcome)
            job.concluded += len(found)
            self._announce(admitted, job)
            if job.concluded == len(job.raws):
                self._finish(job)
        self._sent.popleft()

    def _admit_sent(
        self, checked: _Checked, valid: bool, height: int, job: _Job, admitted: list[Transaction]
    ) -> Outcome:
        """Admit a transaction that was checked some time ago, at the state of a height."""
        tx = checked.tx
        try:
            if self._ledger.height != height:
                known = self._known(tx)
                if known is not None:
                    return known
                self._check_admissible(tx, self._now())
            elif self._mempool.holds(tx.id):
                return Admission(tx.id, committed=False)
            self._mempool.check_room(tx, checked.origin)
            self._take_valid(tx, checked.origin, checked.size, valid)
        except TransactionError as error:
            return _invalid(error, job.source)
        except TransactionRefused as refusal:
            return kept(refusal)
        admitted.append(tx)
        return Admission(tx.id, committed=False)

    # -- outcomes ----------------------------------------------------------------------------------

    def _announce(self, admitted: Sequence[Transaction], job: _Job) -> None:
        if admitted:
            for listener in self._listeners:
                listener(admitted, job.source)

    def _finish(self, job: _Job) -> None:
        if job.source is not None:
            self._forget_queued(job.source.key, sum(map(len, job.raws)))
        if job.done is not None and not job.done.done():
            job.done.set_result(job.outcomes)

    def _forget_queued(self, key: bytes, size: int) -> None:
        remaining = self._queued_bytes[key] - size
        if remaining:
            self._queued_bytes[key] = remaining
        else:
            del self._queued_bytes[key]

    def close(self, why: str = "the node stops") -> None:
        """Answer every client that still waits, and those that come after."""
        self._closed = self._closed or why
        queued = [job for jobs in self._queues.values() for job in jobs]
        sent = [job for slice_ in self._sent for job, _ in slice_.parts]
        for job in queued + sent:
            if job.done is not None and not job.done.done():
                job.done.set_exception(NotReady(self._closed))
        self._queues.clear()

    def _check_open(self) -> None:
        if self._closed is not None:
            raise NotReady(self._closed)

    # -- one transaction ---------------------------------------------------------------------------

    def _now(self) -> int:
        return max(self._ledger.head_time, self._clock.now_ms())

    def _admit(
        self, tx: Transaction | TransactionError, part: Slice, peer: SendingPeer | None, *, told: bool
    ) -> Outcome | None:
        """Take a transaction into the pool unless something is wrong with it.

        Args:
            told: somebody waits for the outcome; else None will do where nothing is wrong.
        """
        if isinstance(tx, TransactionError):
            return _invalid(tx, peer)
        known = self._known(tx)
        if known is not None:
            return known
        try:
            self._take(tx, part)
        except TransactionError as error:
            return _invalid(error, peer)
        except TransactionRefused as refusal:
            return kept(refusal)
        return Admission(tx.id, committed=False) if told else None

    def _known(self, tx: Transaction) -> Admission | None:
        """Return what there is to say of a transaction that the node has already."""
        if self._mempool.holds(tx.id):
            return Admission(tx.id, committed=False)
        return Admission(tx.id, committed=True) if self._ledger.is_committed(tx) else None

    def _take(self, tx: Transaction, part: Slice) -> None:
        """Check a transaction that is new, its signatures last, and put it into the pool.

        Raises:
            TransactionRefused, TransactionError: it has no place there.
        """
        origin = part.origin(self._check_admissible(tx, part.now))
        size = self._mempool.check_room(tx, origin)
        begun = perf_counter()
        valid = self._verifier.is_valid(tx)
        part.verifying += perf_counter() - begun
        self._take_valid(tx, origin, size, valid)
        part.admitted.append(tx)

    def _take_valid(self, tx: Transaction, origin: Origin, size: int, valid: bool) -> None:
        if not valid:
            raise TransactionError("BAD_SIGNATURE", "a signature is not valid")
        self._mempool.add(tx, origin, size)

    def _check_admissible(self, tx: Transaction, now: int) -> Brands:
        try:
            return check_admissible(tx, self._ledger, now)
        except TransactionRefused as refusal:
            if refusal.reason == "EXPIRED" and self._ledger.queries.may_be_pruned(tx.body.expires):
                # A client that repeats what has been executed must not be told that it is too late for it.
                raise TransactionRefused("BLOCK_PRUNED", MAY_BE_PRUNED) from None
            raise


def _invalid(error: TransactionError, peer: SendingPeer | None) -> TransactionRefused:
    """Return the outcome of what no node could have admitted; a peer that sent it pays."""
    if peer is not None:
        peer.on_invalid()
    return TransactionRefused(error.reason, str(error))
