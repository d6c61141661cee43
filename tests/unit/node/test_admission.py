"""Admission: its slices, what clients hear, what peers pay for, and that nobody crowds out the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from node.admission import (
    MAX_QUEUED_BYTES_PER_PEER,
    SLICE,
    SLICE_BYTES,
    AdmissionQueue,
    Outcome,
    Source,
    slices,
)
from node.backend import Admission
from node.config import NodeConfig
from node.errors import NotReady, TransactionRefused
from node.mempool import Mempool
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
        self.queue = AdmissionQueue(chain.ledger, self.mempool, self.clock, self._admitted)

    def _admitted(self, transactions: Sequence[Transaction], source: Source | None) -> None:
        self.admitted += [(tx, None if source is None else source.key) for tx in transactions]

    def source(self, key: bytes) -> Source:
        return Source(key, True, lambda: self.penalties.append(key))

    async def drained(self) -> None:
        """Wait until everything queued before is done: the queue is worked through in order."""
        await self.queue.submit([])


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


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([300] * SLICE, [SLICE]),
        ([300] * (2 * SLICE + 1), [SLICE, SLICE, 1]),
        ([128 * 1024] * 3, [1, 1, 1]),
        ([1_200] * 48, [21, 21, 6]),
        ([300, SLICE_BYTES, 300], [2, 1]),
    ],
)
def test_slices_are_bounded_by_count_and_by_bytes(sizes: list[int], expected: list[int]) -> None:
    raws = [bytes(size) for size in sizes]
    found = list(slices(raws))
    assert [len(part) for part in found] == expected
    assert [raw for part in found for raw in part] == raws
