"""Admission: its slices, what clients hear, what peers pay for, and that nobody crowds out the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from node.pool.admission import (
    MAX_QUEUED_BYTES_PER_PEER,
    Admission,
    AdmissionQueue,
    Outcome,
    SendingPeer,
)
from node.pool.mempool import Mempool
from node.pool.slices import SLICE, SLICE_BYTES
from node.runtime.config import NodeConfig
from node.runtime.errors import NotReady, TransactionRefused
from tests.support.ledger import START_MS, LocalChain, ManualClock, key_of, program_op
from vm.primitives.codec import decode, encode
from vm.transaction import Transaction, encode_body, parse_transaction, sign_body

OPS = [program_op("miles", "aurora")]


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    chain = LocalChain(tmp_path)
    yield chain
    chain.close()


class Desk:
    """An admission queue at work; `admitted` is what it announced, with the peer that sent it."""

    def __init__(self, chain: LocalChain) -> None:
        self.mempool = Mempool(NodeConfig())
        self.clock = ManualClock(START_MS)
        self.admitted: list[tuple[Transaction, bytes | None]] = []
        self.penalties: list[bytes] = []
        self.queue = AdmissionQueue(chain.ledger, self.mempool, self.clock)
        self.queue.on_admitted(self._admitted)

    def _admitted(self, transactions: Sequence[Transaction], source: SendingPeer | None) -> None:
        self.admitted += [(tx, None if source is None else source.key) for tx in transactions]

    def source(self, key: bytes) -> SendingPeer:
        return SendingPeer(key, True, lambda: self.penalties.append(key))

    async def drained(self) -> None:
        """Wait until everything that peers have sent is done."""
        await self.queue.settle()


@pytest.fixture
async def desk(chain: LocalChain) -> AsyncIterator[Desk]:
    desk = Desk(chain)
    task = asyncio.create_task(desk.queue.run())
    yield desk
    task.cancel()
    desk.queue.close()


def reason(outcome: Outcome) -> str:
    return outcome.reason if isinstance(outcome, TransactionRefused) else "admitted"


def with_bad_signature(raw: bytes) -> bytes:
    envelope = decode(raw)
    key, signature = envelope["sigs"][0]
    envelope["sigs"] = [[key, bytes([signature[0] ^ 1]) + signature[1:]]]
    return encode(envelope)


async def test_a_transaction_is_admitted_once_and_the_same_bytes_are_answered_alike(
    chain: LocalChain, desk: Desk
) -> None:
    raw = chain.sign("aurora-admin", OPS)
    tx = parse_transaction(raw)
    outcomes = await desk.queue.submit([raw, raw])
    assert outcomes == [Admission(tx.id, committed=False)] * 2
    assert [admitted for admitted, _ in desk.admitted] == [tx]
    chain.commit([raw])
    desk.mempool.remove_committed([tx.id])
    desk.clock.now += 10**9  # also after it has expired
    assert await desk.queue.submit([raw]) == [Admission(tx.id, committed=True)]


async def test_a_halt_that_an_admission_leads_to_ends_the_queue_quietly(chain: LocalChain, tmp_path: Path) -> None:
    """What is admitted may lead to a block at once, its vote to a disk that refuses, and that to a halt."""
    clock = ManualClock(START_MS)
    queue = AdmissionQueue(chain.ledger, Mempool(NodeConfig()), clock)
    queue.on_admitted(lambda _, source: queue.close("the node has halted"))
    task = asyncio.create_task(queue.run())
    submitted = [asyncio.create_task(queue.submit([chain.sign("aurora-admin", OPS)])) for _ in range(2)]
    outcomes = await asyncio.gather(*submitted, return_exceptions=True)
    await asyncio.sleep(0)
    assert not task.done()
    assert [type(outcome) for outcome in outcomes] == [NotReady, NotReady]
    task.cancel()


async def test_of_two_transactions_with_one_id_the_first_stays(chain: LocalChain, desk: Desk) -> None:
    raw = chain.sign("aurora-admin", OPS)
    await desk.queue.submit([raw])
    forged = with_bad_signature(raw)
    assert parse_transaction(forged).id == parse_transaction(raw).id
    await desk.queue.submit([forged])
    assert [tx.raw for tx in desk.mempool.in_order()] == [raw]


async def test_a_forged_signature_first_does_not_keep_the_true_one_out(chain: LocalChain, desk: Desk) -> None:
    raw = chain.sign("aurora-admin", OPS)
    outcomes = await desk.queue.submit([with_bad_signature(raw), raw])
    assert [reason(outcome) for outcome in outcomes] == ["BAD_SIGNATURE", "admitted"]


async def test_expiry_is_judged_by_the_later_of_head_and_clock(chain: LocalChain, desk: Desk) -> None:
    expires = START_MS + 1_000
    raw = chain.sign("aurora-admin", OPS, expires=expires)
    desk.clock.now = expires
    assert [reason(outcome) for outcome in await desk.queue.submit([raw])] == ["EXPIRED"]
    desk.clock.now = START_MS
    chain.commit(time=expires)
    assert [reason(outcome) for outcome in await desk.queue.submit([raw])] == ["EXPIRED"]


async def test_nobody_acts_for_another(chain: LocalChain, desk: Desk) -> None:
    stranger = key_of("stranger")
    body = encode_body(
        chain.genesis.chain,
        parse_transaction(chain.sign("aurora-admin", OPS)).body.sender,
        1,
        START_MS + 60_000,
        OPS,
        signers=[stranger.public_key],
    )
    raw = sign_body(body, [stranger])
    assert [reason(outcome) for outcome in await desk.queue.submit([raw])] == ["NOT_AUTHORISED"]


@pytest.mark.parametrize("nonsense", ["garbage", "signature"])
async def test_a_peer_pays_for_what_nobody_could_have_admitted(
    chain: LocalChain, desk: Desk, nonsense: str
) -> None:
    raw = chain.sign("aurora-admin", OPS)
    bad = b"\x00" * 200 if nonsense == "garbage" else with_bad_signature(raw)
    desk.queue.take_from_peer([bad, raw], desk.source(b"peer"))
    await desk.drained()
    assert desk.penalties == [b"peer"]
    assert desk.admitted == [(parse_transaction(raw), b"peer")]


async def test_a_peer_does_not_pay_for_a_late_or_repeated_transaction(chain: LocalChain, desk: Desk) -> None:
    late = chain.sign("aurora-admin", OPS, expires=START_MS)
    raw = chain.sign("aurora-admin", OPS)
    desk.queue.take_from_peer([late, raw, raw], desk.source(b"peer"))
    await desk.drained()
    assert desk.penalties == []
    assert len(desk.admitted) == 1


async def test_a_flooding_peer_does_not_crowd_out_another(chain: LocalChain, desk: Desk) -> None:
    flood = [bytes(64 * 1024)] * (MAX_QUEUED_BYTES_PER_PEER // (64 * 1024))
    raw = chain.sign("aurora-admin", OPS)
    desk.queue.take_from_peer(flood, desk.source(b"flooder"))
    desk.queue.take_from_peer([raw], desk.source(b"flooder"))
    assert desk.queue.dropped_from_peers == 1
    desk.queue.take_from_peer([raw], desk.source(b"other"))
    await desk.drained()
    assert desk.admitted == [(parse_transaction(raw), b"other")]
    again = chain.sign("aurora-admin", OPS)
    desk.queue.take_from_peer([again], desk.source(b"flooder"))  # its share is free again
    await desk.drained()
    assert desk.admitted[-1] == (parse_transaction(again), b"flooder")


async def test_closing_answers_who_still_waits(chain: LocalChain) -> None:
    desk = Desk(chain)
    waiting = asyncio.create_task(desk.queue.submit([chain.sign("aurora-admin", OPS)]))
    await asyncio.sleep(0)
    desk.queue.close()
    with pytest.raises(NotReady):
        await waiting


def signed_by_many(chain: LocalChain, signers: int) -> bytes:
    """Return a transaction of the first of many signers."""
    keys = [key_of(f"signer-{number}") for number in range(signers)]
    return chain.sign(keys[0], OPS, cosigners=keys[1:])


@pytest.mark.parametrize(("signers", "expected"), [(1, [SLICE, SLICE, 4]), (8, [SLICE // 8] * 16 + [4])])
async def test_between_turns_of_the_loop_only_a_slice_of_signatures_is_checked(
    chain: LocalChain, desk: Desk, signers: int, expected: list[int]
) -> None:
    raws = [signed_by_many(chain, signers) for _ in range(100)]
    waiting = asyncio.create_task(desk.queue.submit(raws))
    per_turn = []
    while not waiting.done():
        before = len(desk.admitted)
        await asyncio.sleep(0)
        per_turn.append(len(desk.admitted) - before)
    assert [count for count in per_turn if count] == expected
    assert all(isinstance(outcome, Admission) for outcome in waiting.result())


async def test_a_slice_ends_at_its_bytes_too(chain: LocalChain, desk: Desk) -> None:
    raws = [chain.sign("stranger", [("a.b", {"x": "y" * SLICE_BYTES})]) for _ in range(3)]
    waiting = asyncio.create_task(desk.queue.submit(raws))
    turns = 0
    while not waiting.done():
        before = len(desk.admitted)
        await asyncio.sleep(0)
        assert len(desk.admitted) - before <= 1
        turns += 1
    assert turns >= 3


async def test_nobody_waits_behind_a_flood(chain: LocalChain, desk: Desk) -> None:
    flood = [chain.sign(f"stranger-{number}", OPS) for number in range(5 * SLICE)]
    raw = chain.sign("aurora-admin", OPS)
    flooding = asyncio.create_task(desk.queue.submit(flood, "198.51.100.1"))
    desk.queue.take_from_peer([bytes(300)] * 5 * SLICE, desk.source(b"flooder"))
    await asyncio.sleep(0)
    assert reason((await desk.queue.submit([raw], "192.0.2.1"))[0]) == "admitted"
    assert len(desk.admitted) <= 2 * SLICE + 1
    assert len(await flooding) == len(flood)
    assert [tx.raw for tx, _ in desk.admitted if tx.raw != raw] == flood  # in its order


async def test_a_client_leaves_room_in_the_queue_for_others(
    chain: LocalChain, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.pool.admission.MAX_QUEUED_CLIENT_TRANSACTIONS", 8)
    flood = [chain.sign("aurora-admin", OPS) for _ in range(8)]
    tasks = [asyncio.create_task(desk.queue.submit([raw], "198.51.100.1")) for raw in flood]
    other = asyncio.create_task(desk.queue.submit([chain.sign("basil-admin", OPS)] * 2, "192.0.2.1"))
    outcomes = [reason(outcome) for outcomes in await asyncio.gather(*tasks) for outcome in outcomes]
    assert outcomes == ["admitted"] * 4 + ["POOL_FULL"] * 4
    assert [reason(outcome) for outcome in await other] == ["admitted"] * 2
    assert [reason(outcome) for outcome in await desk.queue.submit(flood[4:], "198.51.100.1")] == ["admitted"] * 4


async def test_free_accounts_do_not_push_tills_out(chain: LocalChain, desk: Desk) -> None:
    desk.mempool = desk.queue._mempool = Mempool(NodeConfig(mempool_transactions=40))
    for number in range(40):
        raws = [chain.sign(f"free-{number}-{i}", OPS) for i in range(3)]
        await desk.queue.submit(raws, f"198.51.100.{number}")
    assert desk.mempool.count(has_brand_role=False) == 20
    outcomes = await desk.queue.submit([chain.sign("free", OPS), chain.sign("aurora-admin", OPS)], "203.0.113.1")
    assert [reason(outcome) for outcome in outcomes] == ["POOL_FULL", "admitted"]


async def test_where_admission_dies_everyone_who_waits_hears_of_it(
    chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(chain)
    waiting = [asyncio.create_task(desk.queue.submit([chain.sign("aurora-admin", OPS)], name)) for name in "ab"]
    settling = asyncio.create_task(desk.queue.settle())
    await asyncio.sleep(0)

    def broken(tx: Transaction, roots: object) -> bool:
        raise AssertionError("our own fault")

    monkeypatch.setattr("node.verification.verifier.signatures_valid", broken)
    with pytest.raises(AssertionError):
        await desk.queue.run()
    for task in waiting:
        with pytest.raises(NotReady, match="halted"):
            await task
    await settling
    with pytest.raises(NotReady, match="halted"):
        await desk.queue.submit([chain.sign("aurora-admin", OPS)])
    desk.queue.take_from_peer([b"raw"], desk.source(b"peer"))
    assert desk.queue.dropped_from_peers == 1
