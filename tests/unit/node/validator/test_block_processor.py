"""Resolving, judging and executing blocks: each rule of "Before PREPARE" that needs transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from consensus.types import header_digest
from node.runtime.clock import TOLERANCE_MS
from node.validator.block_processor import VERIFY_SLICE
from tests.support.driver import LocalDriver, until
from tests.support.ledger import START_MS, LocalChain, key_of, program_op
from vm.params import Params
from vm.primitives.codec import decode, encode
from vm.primitives.hashing import sha256
from vm.transaction import Transaction, encode_body, parse_transaction, sign_body

TIME = START_MS + 500
TTL = Params().max_tx_ttl_ms
OPS = [program_op("miles", "aurora")]


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    chain = LocalChain(tmp_path / "data", params=Params(max_block_bytes=256 * 1024))
    yield chain
    chain.close()


@pytest.fixture
async def local(chain: LocalChain, tmp_path: Path) -> AsyncIterator[LocalDriver]:
    local = LocalDriver(chain, tmp_path / "wal", 0)
    yield local
    local.close()


def transaction(chain: LocalChain, expires: int = TIME + 1, memo: str | None = None) -> Transaction:
    return parse_transaction(chain.sign("aurora-admin", OPS, expires=expires, memo=memo))


def large(chain: LocalChain, nonce: int) -> Transaction:
    """A valid transaction of some 100 KiB."""
    admin = parse_transaction(chain.sign("aurora-admin", OPS))
    key = key_of("aurora-admin")
    ops = [("token.issue", {f"n{i}": "x" * 1_000}) for i in range(100)]
    body = encode_body(chain.genesis.chain, admin.body.sender, nonce, TIME + 1, ops)
    return parse_transaction(sign_body(body, [key]))


async def judged(
    local: LocalDriver, transactions: Sequence[Transaction], sources: Sequence[int] = ()
) -> str | None:
    candidate = local.candidate(transactions, TIME)
    return await asyncio.wait_for(local.processor.judge(candidate, sources, judge_time=True), 10)


async def test_valid_transactions_make_a_valid_block(chain: LocalChain, local: LocalDriver) -> None:
    transactions = [transaction(chain, TIME + 1), transaction(chain, TIME + TTL)]
    for tx in transactions:
        local.mempool.add(tx)
    assert await judged(local, transactions) is None


@pytest.mark.parametrize("expires", [TIME, TIME + TTL + 1])
async def test_expiry_is_judged_by_the_blocks_time(chain: LocalChain, local: LocalDriver, expires: int) -> None:
    tx = transaction(chain, expires)
    local.mempool.add(tx)
    assert "is not valid at" in str(await judged(local, [tx]))


async def test_a_transaction_twice_makes_a_block_invalid(chain: LocalChain, local: LocalDriver) -> None:
    tx = transaction(chain)
    local.mempool.add(tx)
    assert "stands twice" in str(await judged(local, [tx, tx]))


async def test_a_transaction_that_has_been_in_the_chain_makes_a_block_invalid(
    chain: LocalChain, local: LocalDriver
) -> None:
    tx = transaction(chain, START_MS + 60_000)
    chain.commit([tx.raw])
    fresh = LocalDriver(chain, Path(local.wal._path.parent) / "again", 0)
    fresh.mempool.add(tx)
    candidate = fresh.candidate([tx], TIME)
    assert "has been in the chain" in str(await fresh.processor.judge(candidate, (), judge_time=True))
    fresh.close()


async def test_another_chains_transaction_makes_a_block_invalid(chain: LocalChain, local: LocalDriver) -> None:
    body = encode_body("other-0123456789abcdef", transaction(chain).body.sender, 1, TIME + 1, OPS)
    tx = parse_transaction(sign_body(body, [key_of("aurora-admin")]))
    local.mempool.add(tx)
    assert "another chain" in str(await judged(local, [tx]))


async def test_authority_is_no_rule_of_validity(chain: LocalChain, local: LocalDriver) -> None:
    stranger = parse_transaction(chain.sign("stranger", OPS, expires=TIME + 1))
    local.mempool.add(stranger)
    assert await judged(local, [stranger]) is None


async def test_a_bad_signature_makes_a_block_invalid(chain: LocalChain, local: LocalDriver) -> None:
    envelope = decode(transaction(chain).raw)
    key, _ = envelope["sigs"][0]
    tx = parse_transaction(encode({"body": envelope["body"], "sigs": [[key, bytes(64)]]}))
    local.network.raws = {1: [tx.raw]}
    assert "signature" in str(await judged(local, [tx], sources=(1,)))


@pytest.mark.parametrize("raw", [b"\x00", b"\x80" * 200, bytes(128 * 1024 + 1)])
async def test_bytes_that_are_no_transaction_make_a_block_that_names_them_invalid(
    chain: LocalChain, local: LocalDriver, raw: bytes
) -> None:
    honest = transaction(chain)
    named = msgspec.structs.replace(honest, raw=raw, hash=sha256(raw))
    local.network.raws = {1: [honest.raw], 2: [raw]}
    # The first peer has not got them and is not to blame; whoever has them proves the block invalid for all.
    assert "malformed" in str(await judged(local, [honest, named], sources=(1, 2)))


async def test_more_bytes_than_a_block_may_hold_make_it_invalid(chain: LocalChain, local: LocalDriver) -> None:
    transactions = [large(chain, nonce) for nonce in range(3)]
    for tx in transactions:
        local.mempool.add(tx)
    assert "bytes of transactions" in str(await judged(local, transactions))


async def test_a_proposer_cannot_feed_us_more_than_a_block(chain: LocalChain, local: LocalDriver) -> None:
    transactions = [large(chain, nonce) for nonce in range(3)]
    missing = transaction(chain)  # which the proposer never gives, so that size would never be judged
    local.network.raws = {1: [tx.raw for tx in transactions]}
    assert "more than a block may hold" in str(await judged(local, [*transactions, missing], sources=(1,)))


async def test_a_block_ahead_of_our_clock_is_held_back_and_not_dropped(
    chain: LocalChain, local: LocalDriver
) -> None:
    local.clock.now = TIME - TOLERANCE_MS - 1
    candidate = local.candidate([], TIME)
    judging = asyncio.create_task(local.processor.judge(candidate, (), judge_time=True))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not judging.done()
    assert await local.processor.judge(candidate, (), judge_time=False) is None  # a quorum has prepared it
    local.clock.now += 1
    assert await asyncio.wait_for(judging, 10) is None


async def test_tolerance_scales_with_the_clocks_rate(chain: LocalChain, local: LocalDriver) -> None:
    local.clock.rate = 1_000
    local.clock.now = TIME - 1_000 * TOLERANCE_MS
    assert await judged(local, []) is None


async def test_what_is_missing_comes_from_several_peers(chain: LocalChain, local: LocalDriver) -> None:
    here, first, second = [transaction(chain) for _ in range(3)]
    local.mempool.add(here)
    local.network.raws = {1: [first.raw, b"\x00" * 200, here.raw], 2: [second.raw]}
    body = await local.processor.resolve(local.candidate([second, here, first], TIME), (1, 2))
    assert body == [second, here, first]
    assert local.processor.raw_transactions([first.hash, bytes(32)]) == [first.raw]  # served on


@pytest.mark.parametrize("signers", [1, 8])
async def test_between_turns_of_the_loop_only_a_slice_of_signatures_is_checked(
    chain: LocalChain, local: LocalDriver, signers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [key_of(f"signer-{number}") for number in range(signers)]
    raws = [chain.sign(keys[0], [("a.b", {})], cosigners=keys[1:]) for _ in range(2 * VERIFY_SLICE)]
    checked = 0

    def count(tx: Transaction, roots: object) -> bool:
        nonlocal checked
        checked += len(tx.sigs)
        return True

    monkeypatch.setattr("node.verification.verifier.signatures_valid", count)
    taking = asyncio.create_task(local.processor._take({parse_transaction(raw).hash for raw in raws}, raws))
    per_turn = []
    while not taking.done():
        before = checked
        await asyncio.sleep(0)
        per_turn.append(checked - before)
    assert taking.result()
    assert checked == signers * len(raws)
    assert max(per_turn) <= VERIFY_SLICE + signers


async def test_what_gossip_brings_meanwhile_is_not_waited_for(chain: LocalChain, local: LocalDriver) -> None:
    late = transaction(chain)
    local.network.withheld = {1}
    resolving = asyncio.create_task(local.processor.resolve(local.candidate([late], TIME), (1,)))
    await until(lambda: local.network.asked == [(1, "transactions")])
    local.mempool.add(late)
    assert await asyncio.wait_for(resolving, 10) == [late]
    local.network.answer.set()


async def test_a_block_executed_while_the_head_moves_has_no_outcome(chain: LocalChain, local: LocalDriver) -> None:
    transactions = [transaction(chain) for _ in range(200)]
    candidate = local.candidate(transactions, TIME)
    executing = asyncio.create_task(local.processor.execute_body(candidate, transactions))
    await asyncio.sleep(0)
    chain.commit()
    await until(executing.done)
    assert executing.result() is None


async def test_nonces_of_one_sender_need_no_order_and_may_have_gaps(chain: LocalChain, local: LocalDriver) -> None:
    transactions = [
        parse_transaction(chain.sign("aurora-admin", OPS, nonce=nonce, expires=TIME + 1))
        for nonce in (9, 2, 2**53 - 1, 0)
    ]
    for tx in transactions:
        local.mempool.add(tx)
    assert await judged(local, transactions) is None


async def test_a_block_of_exactly_the_largest_size_is_valid(chain: LocalChain, local: LocalDriver) -> None:
    most = chain.ledger.params.max_block_bytes
    one = transaction(chain)
    sized = [
        msgspec.structs.replace(one, raw=bytes(size), id=sha256(bytes([size % 251]))) for size in (most - 7, 7)
    ]
    header = local.candidate(sized, TIME).header
    assert chain.ledger.fault_in(header, sized) is None
    sized[0] = msgspec.structs.replace(sized[0], raw=bytes(most - 6))
    assert chain.ledger.fault_in(header, sized) == f"{most + 1} bytes of transactions, at most {most}"


async def test_outcomes_end_with_their_height(chain: LocalChain, local: LocalDriver) -> None:
    candidate = local.candidate([], TIME)
    assert await local.processor.execute_body(candidate, []) is not None
    local.processor.clear()
    assert local.processor.executed(header_digest(candidate.header)) is None


async def test_a_block_is_not_executed_where_the_head_has_moved_already(
    chain: LocalChain, local: LocalDriver
) -> None:
    candidate = local.candidate([], TIME)
    chain.commit()
    assert await local.processor.execute_body(candidate, []) is None
    assert local.processor.executed(header_digest(candidate.header)) is None


async def test_bodies_end_with_their_height(chain: LocalChain, local: LocalDriver) -> None:
    """Else a node would hold, for ever, all transactions that ever came too late for its pool."""
    tx = transaction(chain)
    local.network.raws = {1: [tx.raw]}
    candidate = local.candidate([tx], TIME)
    assert await local.processor.resolve(candidate, (1,)) == [tx]
    assert local.processor.raw_transactions([tx.hash]) == [tx.raw]
    local.processor.clear()
    assert local.processor.body(header_digest(candidate.header)) is None
    assert local.processor.raw_transactions([tx.hash]) == []
    assert await local.processor.resolve(candidate, (1,)) == [tx]
    assert local.network.asked == [(1, "transactions")] * 2
