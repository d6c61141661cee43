"""Blocks: system step, slices, receipts, replay slots, block budget."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from tests.support.steps import finished
from tests.unit.vm.toy_ledger import NUMBERS, Reader, account_of, runtime, transaction
from vm.allowance import BlockAllowances, Payer
from vm.apply import base_cost
from vm.block_execution import BlockContext, BlockExecution, BlockResult, simulation_steps, system_receipt_id
from vm.chain_records import (
    REPLAY_SLOTS,
    VALIDATOR_RECORDS,
    VALIDATORS,
    ReplaySlot,
    ValidatorEntry,
    ValidatorList,
    ValidatorRecord,
)
from vm.contract_api import Context
from vm.errors import InvariantBroken, Refused
from vm.params import MAX_REPLAY_SLOTS, Params
from vm.primitives import merkle
from vm.primitives.codec import decode, encode
from vm.receipt import ReceiptError
from vm.state_view import BlockOverlay, EmptyState
from vm.transaction import Transaction

CONTEXT = BlockContext("toy-chain", 5, 1_000_000, 999_000)


def executed(transactions: list[Transaction], slice_size: int = 100, reader: Reader | None = None) -> BlockResult:
    execution = BlockExecution(runtime(), reader or Reader(Params()), CONTEXT, transactions)
    while not execution.run(slice_size):
        pass
    return execution.result()


def sets(count: int) -> list[Transaction]:
    return [transaction("ann", ("toy.set", {"key": f"k{i % 3}", "value": i}), nonce=i) for i in range(count)]


def test_slices_make_no_difference() -> None:
    whole = executed(sets(10))
    for size in (1, 3, 10):
        sliced = executed(sets(10), size)
        assert (sliced.changes, sliced.receipt_bytes, sliced.cost) == (
            whole.changes,
            whole.receipt_bytes,
            whole.cost,
        )


def test_a_slice_ends_after_its_work_units_and_makes_no_difference() -> None:
    whole = executed(sets(10))
    execution = BlockExecution(runtime(), Reader(Params()), CONTEXT, sets(10))
    one = whole.receipts[0].cost
    slices = 1
    while not execution.run(100, one + 1):
        slices += 1
    assert slices == 5
    result = execution.result()
    assert (result.changes, result.receipt_bytes, result.cost) == (whole.changes, whole.receipt_bytes, whole.cost)


def test_receipts_and_the_system_receipt() -> None:
    result = executed(sets(2))
    assert [receipt.index for receipt in result.receipts] == [0, 1, 2]
    system = result.receipts[-1]
    assert system.id == system_receipt_id("toy-chain", 5)
    assert system.events == []
    assert result.receipts_root == merkle.root(result.receipt_bytes)
    assert decode(result.receipt_bytes[0])["results"] == [None]
    assert result.cost == sum(receipt.cost for receipt in result.receipts[:-1])


def test_changes_are_canonical_bytes() -> None:
    result = executed([*sets(2), transaction("bob", ("toy.remove", {"key": "k0"}))])
    assert result.changes["toy/k0"] is None
    assert result.changes["toy/k1"] == encode(1)


def test_replay_slots_run_over_failed_transactions_too() -> None:
    txs = [
        transaction("ann", ("toy.refuse", {"key": "kk"}), expires=60_001),
        transaction("ann", ("toy.set", {"key": "kk", "value": 1}), expires=119_999),
        transaction("ann", ("toy.set", {"key": "kk", "value": 1}), expires=120_000),
    ]
    reader = Reader(Params())
    reader.values[REPLAY_SLOTS.keys.key((1,))] = ReplaySlot(4, b"\x07" * 32)
    changes = executed(txs, reader=reader).changes
    running = sha256(sha256(b"\x07" * 32 + txs[0].id).digest() + txs[1].id).digest()
    assert changes[REPLAY_SLOTS.keys.key((1,))] == encode(ReplaySlot(6, running))
    assert changes[REPLAY_SLOTS.keys.key((2,))] == encode(ReplaySlot(1, sha256(bytes(32) + txs[2].id).digest()))


def test_slots_are_pruned_once_nothing_in_them_can_be_valid() -> None:
    reader = Reader(Params())
    for slot in (9, 10, 11, 12):
        reader.values[REPLAY_SLOTS.keys.key((slot,))] = ReplaySlot(1, bytes(32))
    context = BlockContext("toy-chain", 5, 12 * 60_000, 10 * 60_000)
    execution = BlockExecution(runtime(), reader, context, [])
    execution.run(1)
    changes = execution.result().changes
    # Slot 9 was pruned by an earlier block; slot 12 may still hold what expires at 12:00.001.
    assert {key for key, value in changes.items() if value is None} == {
        REPLAY_SLOTS.keys.key((10,)),
        REPLAY_SLOTS.keys.key((11,)),
    }


def test_slots_of_a_longer_life_are_pruned_after_transactions_live_shorter() -> None:
    """max_tx_ttl_ms has been lowered, and then the chain stood still over the slots that are left."""
    reader = Reader(Params(max_tx_ttl_ms=60_000))
    for slot in (10, 19, 20):
        reader.values[REPLAY_SLOTS.keys.key((slot,))] = ReplaySlot(1, bytes(32))
    execution = BlockExecution(runtime(), reader, BlockContext("toy-chain", 5, 40 * 60_000, 10 * 60_000), [])
    execution.run(1)
    changes = execution.result().changes
    assert {key for key, value in changes.items() if value is None} == {
        REPLAY_SLOTS.keys.key((n,)) for n in (10, 19, 20)
    }


def test_the_newest_slot_that_there_can_be_is_pruned() -> None:
    """A transaction of the parent block that lives as long as any parameter allows; then the chain stood still."""
    params = Params()
    parent = 10 * params.replay_slot_ms
    newest = (parent + MAX_REPLAY_SLOTS * params.replay_slot_ms) // params.replay_slot_ms
    reader = Reader(params)
    reader.values[REPLAY_SLOTS.keys.key((newest,))] = ReplaySlot(1, bytes(32))
    after = (newest + 1) * params.replay_slot_ms
    for time, pruned in ((after - 1, False), (after, True), (after + 10**12, True)):
        execution = BlockExecution(runtime(), reader, BlockContext("toy-chain", 5, time, parent), [])
        execution.run(1)
        assert (REPLAY_SLOTS.keys.key((newest,)) in execution.result().changes) is pruned


@pytest.mark.parametrize("cost", [1, 100, 350, 1_000])
def test_a_heavy_transaction_is_sliced_between_its_operations(cost: int) -> None:
    heavy = [("toy.set", {"key": f"k{i}", "value": i}) for i in range(20)]
    failing = [*heavy[:10], ("toy.refuse", {"key": "aa"}), *heavy[10:]]
    txs = [transaction("till", *ops, nonce=nonce) for nonce, ops in enumerate((heavy, failing, heavy[:1]))]
    execution = BlockExecution(runtime(), Reader(Params()), CONTEXT, txs)
    slices = 1
    while not execution.run(len(txs), cost):
        slices += 1
    whole = executed(txs)
    result = execution.result()
    assert (result.receipt_bytes, result.changes) == (whole.receipt_bytes, whole.changes)
    assert slices > whole.cost // (cost + 200)


def test_seals_and_skips_are_recorded() -> None:
    one, two = bytes(32), b"\1" * 32
    gone = b"\2" * 32
    context = BlockContext("toy-chain", 5, 1_000, 900, sealed=(one, two, gone), skipped=(two, gone))
    reader = Reader(Params())
    reader.values[VALIDATORS.keys.path] = ValidatorList(
        (ValidatorEntry(one, "aurora"), ValidatorEntry(two, "basil"))
    )
    execution = BlockExecution(runtime(), reader, context, [])
    execution.run(1)
    changes = execution.result().changes
    assert changes[VALIDATOR_RECORDS.keys.key((one,))] == encode(ValidatorRecord(4, 0))
    assert changes[VALIDATOR_RECORDS.keys.key((two,))] == encode(ValidatorRecord(4, 5))
    assert VALIDATOR_RECORDS.keys.key((gone,)) not in changes, "who has left gets no record any more"


@pytest.mark.parametrize(
    ("part", "expected"), [("sealed", ValidatorRecord(4, 3)), ("skipped", ValidatorRecord(2, 5))]
)
def test_a_seal_leaves_the_last_skip_and_a_skip_the_last_seal(part: str, expected: ValidatorRecord) -> None:
    key = bytes(32)
    reader = Reader(Params())
    reader.values[VALIDATORS.keys.path] = ValidatorList((ValidatorEntry(key, "aurora"),))
    reader.values[VALIDATOR_RECORDS.keys.key((key,))] = ValidatorRecord(2, 3)
    who: Any = {part: (key,)}
    execution = BlockExecution(runtime(), reader, BlockContext("toy-chain", 5, 1_000, 900, **who), [])
    execution.run(1)
    assert execution.result().changes[VALIDATOR_RECORDS.keys.key((key,))] == encode(expected)


def test_a_system_receipt_has_an_id_of_its_chain_and_height() -> None:
    ids = [system_receipt_id(chain, height) for chain in ("toy-chain", "toy-twin") for height in (5, 6)]
    assert len(set(ids)) == 4


def test_records_of_allowances_that_are_over_leave_the_state() -> None:
    params = Params(window_blocks=2)
    overlay = BlockOverlay(Reader(params))
    BlockAllowances(overlay, params, 3).spend(Payer("brand", "aurora", 1_000), 800)
    reader = Reader(params)
    reader.values |= {key: decode(cell[1]) for key, cell in overlay.changes.items() if cell is not None}
    assert executed([], reader=reader).changes == {
        "chain/brand-allowance/aurora": None,
        "chain/allowance-ends": None,
    }


def burning(units: int, nonce: int) -> Transaction:
    return transaction("till", ("toy.burn_units", {"units": units}), nonce=nonce)


def test_a_block_spends_what_it_may_and_no_unit_more() -> None:
    """A transaction may use what is left (docs/decisions/block-budget.md); one that cannot begin costs nothing."""
    one = executed([burning(500, 0)]).cost
    limit = 2 * one + one // 2
    params = Params(max_tx_cost=limit, max_block_cost=limit)
    result = executed([burning(500, nonce) for nonce in range(4)], reader=Reader(params))
    assert [receipt.status for receipt in result.receipts] == ["ok", "ok", "failed", "failed", "ok"]
    assert [receipt.cost for receipt in result.receipts] == [one, one, limit - 2 * one, 0, 0]
    assert result.cost == limit
    for receipt in result.receipts[2:4]:
        assert receipt.error == ReceiptError("OUT_OF_BUDGET", "the block has no work units left", -1)


@pytest.mark.parametrize("spare", [0, 1])
def test_the_last_transaction_may_use_the_very_last_unit(spare: int) -> None:
    one = executed([burning(500, 0)]).cost
    params = Params(max_tx_cost=2 * one, max_block_cost=2 * one - 1 + spare)
    result = executed([burning(500, nonce) for nonce in range(2)], reader=Reader(params))
    assert [receipt.status for receipt in result.receipts[:2]] == ["ok", "ok" if spare else "failed"]
    assert result.cost == params.max_block_cost


def test_a_smaller_transaction_has_what_a_larger_one_cannot_begin_with() -> None:
    large = transaction("till", ("toy.set", {"key": "aa", "value": 1}), nonce=1, signers=["till", "ann", "bob"])
    first, small = burning(500, 0), burning(1, 2)
    cost = executed([first]).cost + executed([small]).cost
    assert base_cost(large) > executed([small]).cost
    result = executed([first, large, small], reader=Reader(Params(max_tx_cost=cost, max_block_cost=cost)))
    assert [receipt.status for receipt in result.receipts[:3]] == ["ok", "failed", "ok"]


def test_a_block_is_filled_to_its_very_last_unit() -> None:
    """Where one transaction may use a whole block, an empty block has room for it."""
    result = executed(sets(1), reader=Reader(Params(max_tx_cost=1_000, max_block_cost=1_000)))
    assert result.receipts[0].status == "ok"


def test_the_result_is_not_to_be_had_early() -> None:
    execution = BlockExecution(runtime(), Reader(Params()), CONTEXT, sets(2))
    execution.run(1)
    with pytest.raises(InvariantBroken):
        execution.result()


def test_a_state_without_parameters_is_our_own_fault() -> None:
    with pytest.raises(InvariantBroken):
        BlockExecution(runtime(), EmptyState(), CONTEXT, [])


def test_simulation_leaves_nothing_behind() -> None:
    reader = Reader(Params())
    before = dict(reader.values)
    receipt = finished(simulation_steps(runtime(), reader, CONTEXT, sets(1)[0]))
    assert receipt.status == "ok"
    assert reader.values == before


def test_views_are_bound_like_calls_and_cannot_write() -> None:
    overlay = BlockOverlay(Reader(Params()))
    NUMBERS.put(overlay, 4, "aa")
    ctx = Context(overlay, "toy-chain", 5, 1_000, 10_000, read_only=True)
    views: Any = runtime()
    assert views.invoke_view(ctx, "toy_number", {"key": "aa"}) == 4
    with pytest.raises(Refused, match="INVALID_ARGS"):
        views.invoke_view(ctx, "toy_number", {"key": account_of("ann")})
    with pytest.raises(KeyError):
        views.invoke_view(ctx, "toy_set", {})
    with pytest.raises(InvariantBroken):
        views.invoke_view(ctx, "toy_writing", {})
