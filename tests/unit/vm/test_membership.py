"""Scheduled versions and the genesis state: from which height on, and in which order."""

from __future__ import annotations

import pytest

from tests.unit.vm.toy_ledger import Reader, runtime
from vm.chain_records import NODES, VALIDATORS, ValidatorEntry, ValidatorList
from vm.contract_api import Context
from vm.errors import GenesisError
from vm.genesis_state import genesis_changes
from vm.membership import (
    VERSION,
    ProtocolVersion,
    change_nodes,
    change_validators,
    current_nodes,
    schedule_version,
    version_at,
)
from vm.params import Params
from vm.primitives.codec import decode
from vm.state_view import BlockOverlay


def context(overlay: BlockOverlay, height: int) -> Context:
    return Context(overlay, "toy-chain", height, 1_000, 10**6, governance=True)


@pytest.mark.parametrize(
    ("decided_at", "before"),
    [(8, 1), (9, 2), (10, 2)],  # the block after height 9 is the first that carries version 2
)
def test_a_schedule_that_has_come_by_the_next_block_stays_what_comes_before(decided_at: int, before: int) -> None:
    overlay = BlockOverlay(Reader(Params()))
    schedule_version(context(overlay, 5), 2, 10)
    schedule_version(context(overlay, decided_at), 3, 20)
    assert [version_at(overlay, height, 1) for height in (decided_at + 1, 19, 20)] == [before, before, 3]


def test_a_schedule_holds_from_its_very_height_on() -> None:
    overlay = BlockOverlay(Reader(Params()))
    assert version_at(overlay, 10, 7) == 7
    schedule_version(context(overlay, 5), 8, 10)
    assert [version_at(overlay, height, 7) for height in (9, 10, 11)] == [7, 8, 8]
    assert VERSION.get(overlay) == ProtocolVersion(8, 10, 0)


def test_the_state_lists_keys_in_order_whoever_gives_them() -> None:
    one, two = bytes(32), b"\1" * 32
    entries = [ValidatorEntry(two, "basil"), ValidatorEntry(one, "aurora")]
    state = genesis_changes(runtime(), "toy-chain", 1_000, Params(), entries, [two, one], []).values
    assert decode(state[VALIDATORS.keys.path]) == {"validators": [[one, "aurora"], [two, "basil"]]}
    assert decode(state[NODES.keys.path]) == {"nodes": [one, two]}
    ctx = context(BlockOverlay(Reader(Params())), 5)
    change_nodes(ctx, [two, one])
    assert current_nodes(ctx) == (one, two)


def test_a_refused_operation_of_genesis_is_named_with_its_place() -> None:
    ops = [("toy.set", {"key": "aa", "value": 1}), ("toy.refuse", {"key": "aa"})]
    with pytest.raises(GenesisError, match=r"operation 1, toy\.refuse: NOT_ELIGIBLE: never"):
        genesis_changes(runtime(), "toy-chain", 1_000, Params(), [], [], ops)


def test_the_same_set_is_no_change() -> None:
    reader = Reader(Params())
    entries = (ValidatorEntry(bytes(32), "aurora"), ValidatorEntry(b"\1" * 32, "basil"))
    reader.values[VALIDATORS.keys.path] = ValidatorList(entries)
    overlay = BlockOverlay(reader)
    change_validators(context(overlay, 5), reversed(entries))
    assert overlay.changes == {}
