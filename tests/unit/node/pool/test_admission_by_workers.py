"""Admission while workers verify: order, what changes meanwhile, who waits, and workers that stop or die."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from node.pool.admission import MAX_SENT, Admission, AdmissionQueue, Outcome, SendingPeer
from node.pool.mempool import Mempool
from node.pool.slices import SLICE
from node.runtime.config import NodeConfig
from node.runtime.errors import NotReady, TransactionRefused
from node.verification import verifier as verifier_module
from node.verification import worker as worker_module
from node.verification.verifier import TransactionVerifier
from node.verification.worker import MAX_FRAMES, VerificationWorker
from tests.support.ledger import START_MS, LocalChain, ManualClock, program_op
from tests.support.workers import eventually, flipped, send_signal, verifier_with, with_signature
from vm.transaction import Transaction, parse_transaction

OPS = [program_op("miles", "aurora")]


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    chain = LocalChain(tmp_path)
    yield chain
    chain.close()


@pytest.fixture(autouse=True)
def _as_the_test_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything goes to the worker, which is late only where a test wants it."""
    monkeypatch.setattr(verifier_module, "LEAST_CHECKS", 1)
    monkeypatch.setattr(worker_module, "LATE_SECONDS", 600.0)
    monkeypatch.setattr(worker_module, "FIRST_PAUSE_SECONDS", 0.01)


class Desk:
    """An admission queue at work with one worker, which a test may stop; `admitted` is what it announced."""

    def __init__(self, chain: LocalChain, verifier: TransactionVerifier, **limits: int) -> None:
        self.mempool = Mempool(NodeConfig(**limits))  # type: ignore[arg-type]
        self.clock = ManualClock(START_MS)
        self.verifier = verifier
        self.admitted: list[tuple[bytes, bytes | None]] = []
        self.penalties: list[bytes] = []
        self.queue = AdmissionQueue(chain.ledger, self.mempool, self.clock, verifier)
        self.queue.on_admitted(self._admitted)

    def _admitted(self, transactions: Sequence[Transaction], source: SendingPeer | None) -> None:
        self.admitted += [(tx.raw, None if source is None else source.key) for tx in transactions]

    @property
    def worker(self) -> VerificationWorker:
        return self.verifier.workers[0]

    def stop_worker(self) -> None:
        send_signal(self.worker, signal.SIGSTOP)

    def go_on(self) -> None:
        send_signal(self.worker, signal.SIGCONT)

    def source(self, key: bytes) -> SendingPeer:
        return SendingPeer(key, True, lambda: self.penalties.append(key))

    async def sent(self, slices: int) -> None:
        """Wait until so many slices are on their way."""
        await eventually(lambda: len(self.queue._sent) == slices)


@asynccontextmanager
async def desk_of(chain: LocalChain, **limits: int) -> AsyncIterator[Desk]:
    async with verifier_with(1) as verifier:
        desk = Desk(chain, verifier, **limits)
        task = asyncio.create_task(desk.queue.run())
        yield desk
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        desk.queue.close()


@pytest.fixture
async def desk(chain: LocalChain) -> AsyncIterator[Desk]:
    async with desk_of(chain) as desk:
        yield desk


def reason(outcome: Outcome) -> str:
    return outcome.reason if isinstance(outcome, TransactionRefused) else "admitted"


def forged(raw: bytes) -> bytes:
    return with_signature(parse_transaction(raw), flipped).raw


def submitted(desk: Desk, raws: Sequence[bytes], client: str = "") -> asyncio.Task[list[Outcome]]:
    return asyncio.create_task(desk.queue.submit(raws, client))


async def test_outcomes_and_order_are_those_without_workers(chain: LocalChain, desk: Desk) -> None:
    raws = [chain.sign(f"till-{number % 7}", OPS) for number in range(5 * SLICE)]
    sent = [forged(raw) if place % 5 == 2 else raw for place, raw in enumerate(raws)]
    sent[17] = b"\0" * 200
    outcomes = await desk.queue.submit(sent)
    alone = Desk(chain, TransactionVerifier())
    task = asyncio.create_task(alone.queue.run())
    assert list(map(reason, outcomes)) == list(map(reason, await alone.queue.submit(sent)))
    assert desk.admitted == alone.admitted
    assert [tx.raw for tx in desk.mempool.in_order()] == [tx.raw for tx in alone.mempool.in_order()]
    assert desk.verifier.inline == 0
    task.cancel()


async def test_slices_of_several_sources_are_on_their_way_at_once_and_conclude_in_order(
    chain: LocalChain, desk: Desk
) -> None:
    desk.stop_worker()
    mine = [chain.sign("till", OPS) for _ in range(2 * SLICE)]
    other = [chain.sign("other", OPS) for _ in range(SLICE)]
    waiting = submitted(desk, mine, "192.0.2.1")
    desk.queue.take_from_peer(other, desk.source(b"peer"))
    await desk.sent(3)
    assert not desk.admitted
    assert not waiting.done()
    desk.go_on()
    await waiting
    await desk.queue.settle()
    assert [raw for raw, key in desk.admitted if key is None] == mine
    assert [raw for raw, key in desk.admitted if key is not None] == other


async def test_no_more_slices_are_on_their_way_than_the_bound_and_none_is_lost(
    chain: LocalChain, desk: Desk
) -> None:
    desk.stop_worker()
    flood = [submitted(desk, [chain.sign(f"till-{n}", OPS)] * 2, f"192.0.2.{n}") for n in range(2 * MAX_SENT)]
    await desk.sent(min(MAX_SENT, MAX_FRAMES))
    assert desk.worker.frames_waiting == MAX_FRAMES
    desk.go_on()
    outcomes = [one for outcomes in await asyncio.gather(*flood) for one in outcomes]
    assert list(map(reason, outcomes)) == ["admitted"] * (4 * MAX_SENT)
    assert len(desk.admitted) == 2 * MAX_SENT, "each is in the pool once"


async def test_what_is_forged_is_refused_and_its_peer_pays(chain: LocalChain, desk: Desk) -> None:
    raw = chain.sign("aurora-admin", OPS)
    desk.queue.take_from_peer([forged(raw), raw], desk.source(b"peer"))
    await desk.queue.settle()
    assert desk.penalties == [b"peer"]
    assert desk.admitted == [(raw, b"peer")]
    assert desk.verifier.by_workers == 2


# -- what changes while a worker verifies ----------------------------------------------------------


async def test_the_same_transaction_from_two_sources_is_admitted_once(chain: LocalChain, desk: Desk) -> None:
    desk.stop_worker()
    raw = chain.sign("aurora-admin", OPS)
    first = submitted(desk, [raw], "192.0.2.1")
    await desk.sent(1)
    desk.queue.take_from_peer([raw, raw], desk.source(b"peer"))
    await desk.sent(2)
    desk.go_on()
    await first
    await desk.queue.settle()
    assert desk.admitted == [(raw, None)]
    assert desk.penalties == []


async def test_what_became_final_meanwhile_is_not_admitted_again(chain: LocalChain, desk: Desk) -> None:
    desk.stop_worker()
    raw = chain.sign("aurora-admin", OPS)
    waiting = submitted(desk, [raw])
    await desk.sent(1)
    chain.commit([raw])
    desk.go_on()
    assert await waiting == [Admission(parse_transaction(raw).id, committed=True)]
    assert desk.admitted == []


async def test_what_expired_meanwhile_is_not_admitted(chain: LocalChain, desk: Desk) -> None:
    desk.stop_worker()
    expires = START_MS + 1_000
    waiting = submitted(desk, [chain.sign("aurora-admin", OPS, expires=expires)])
    await desk.sent(1)
    chain.commit(time=expires)
    desk.go_on()
    assert list(map(reason, await waiting)) == ["EXPIRED"]
    assert desk.admitted == []


async def test_room_is_judged_when_a_transaction_enters_the_pool(chain: LocalChain) -> None:
    async with desk_of(chain, mempool_per_sender=3) as desk:
        desk.stop_worker()
        waiting = [submitted(desk, [chain.sign("till", OPS) for _ in range(2)], f"192.0.2.{n}") for n in (1, 2)]
        await desk.sent(2)
        desk.go_on()
        outcomes = [one for outcomes in await asyncio.gather(*waiting) for one in outcomes]
        assert list(map(reason, outcomes)) == ["admitted"] * 3 + ["POOL_FULL"]
        assert len(desk.mempool) == 3


# -- those who wait --------------------------------------------------------------------------------


async def test_closing_answers_those_whose_slices_are_on_their_way(chain: LocalChain, desk: Desk) -> None:
    desk.stop_worker()
    waiting = submitted(desk, [chain.sign("till", OPS)])
    desk.queue.take_from_peer([chain.sign("other", OPS)], desk.source(b"peer"))
    settling = asyncio.create_task(desk.queue.settle())
    await eventually(lambda: len(desk.queue._sent) >= 2 and not desk.queue._queues)
    desk.queue.close()
    for task in (waiting, settling):
        with pytest.raises(NotReady):
            await asyncio.wait_for(task, 10)
    desk.go_on()
    await desk.sent(0)
    assert desk.admitted == [], "a node that has stopped admits nothing"


async def test_a_halt_that_an_admission_leads_to_ends_the_queue_quietly(chain: LocalChain, desk: Desk) -> None:
    desk.stop_worker()
    desk.queue.on_admitted(lambda _, source: desk.queue.close("the node has halted"))
    waiting = [submitted(desk, [chain.sign("till", OPS)]) for _ in range(3)]
    await desk.sent(1)
    desk.go_on()
    async with asyncio.timeout(10):
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [NotReady] * 3
    await desk.sent(0)
    assert len(desk.admitted) == 1


async def test_where_admission_dies_those_whose_slices_are_on_their_way_hear_of_it(
    chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with verifier_with(1) as verifier:
        desk = Desk(chain, verifier)
        desk.stop_worker()
        waiting = [submitted(desk, [chain.sign("till", OPS)], name) for name in "ab"]

        def broken(self: object, *args: object) -> bool:
            raise AssertionError("our own fault")

        monkeypatch.setattr(Mempool, "add", broken)
        running = asyncio.create_task(desk.queue.run())
        await desk.sent(2)
        desk.go_on()
        with pytest.raises(AssertionError):
            await running
        for task in waiting:
            with pytest.raises(NotReady, match="halted"):
                await asyncio.wait_for(task, 10)


# -- workers in trouble ----------------------------------------------------------------------------


async def test_a_worker_killed_in_the_middle_of_its_frames_loses_nothing(chain: LocalChain, desk: Desk) -> None:
    desk.stop_worker()
    raws = [chain.sign("till", OPS) for _ in range(3 * SLICE)]
    waiting = submitted(desk, [*raws, forged(raws[0])])
    await desk.sent(4)
    send_signal(desk.worker, signal.SIGKILL)
    assert list(map(reason, await waiting))[:-1] == ["admitted"] * len(raws)
    assert [raw for raw, _ in desk.admitted] == raws
    assert desk.verifier.inline >= len(raws)
    await eventually(lambda: desk.worker.has_room)
    before = desk.verifier.by_workers
    assert list(map(reason, await desk.queue.submit([chain.sign("till", OPS)]))) == ["admitted"]
    assert desk.verifier.by_workers == before + 1, "the new one works"


async def test_a_stopped_worker_delays_once_and_is_then_passed_over(
    chain: LocalChain, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "LATE_SECONDS", 0.02)
    desk.stop_worker()
    raws = [chain.sign("till", OPS) for _ in range((MAX_FRAMES + 3) * SLICE)]
    assert list(map(reason, await desk.queue.submit(raws))) == ["admitted"] * len(raws)
    assert [raw for raw, _ in desk.admitted] == raws
    assert desk.verifier.by_workers == 0
    assert desk.worker.frames_waiting == MAX_FRAMES
    desk.go_on()
    await eventually(lambda: desk.worker.has_room)
    monkeypatch.setattr(worker_module, "LATE_SECONDS", 600.0)
    await desk.queue.submit([chain.sign("till", OPS)])
    assert desk.verifier.by_workers == 1


async def test_a_job_that_begins_inline_and_goes_on_by_a_worker_is_finished(
    chain: LocalChain, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The worker has no room for the first slice of each job, and room for the second.
    monkeypatch.setattr(AdmissionQueue, "_may_send", property(lambda queue: len(queue._mempool) % (2 * SLICE) > 0))
    raws = [chain.sign("till", OPS) for _ in range(2 * SLICE)]
    async with asyncio.timeout(10):
        outcomes = await desk.queue.submit(raws)
        assert list(map(reason, outcomes)) == ["admitted"] * len(raws)
    desk.queue.take_from_peer([chain.sign("other", OPS) for _ in range(2 * SLICE)], desk.source(b"peer"))
    await eventually(lambda: len(desk.admitted) == 4 * SLICE)
    await eventually(lambda: not desk.queue._queued_bytes)


async def test_who_waits_is_answered_where_a_check_behind_it_fails_by_our_error(
    chain: LocalChain, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = chain.sign("second", OPS)
    check = AdmissionQueue._check_admissible

    def failing(queue: AdmissionQueue, tx: Transaction, now: int) -> object:
        if tx.raw == broken:
            raise RuntimeError("a defect of ours")
        return check(queue, tx, now)

    monkeypatch.setattr(AdmissionQueue, "_check_admissible", failing)
    waiting = [submitted(desk, [raw]) for raw in (chain.sign("first", OPS), broken)]
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [NotReady, NotReady]
