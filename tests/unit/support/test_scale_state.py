"""The large states of the benches are those that genesis operations would make."""

from __future__ import annotations

from pathlib import Path

from contracts_py.token.deeds import ISSUES
from genesis.protocol import build_runtime
from node.store import Store
from tests.bench.bench_once import ref_of
from tests.bench.bench_stages import PARAMS
from tests.bench.scale_state import (
    PROGRAM_OP,
    Scale,
    copy_store,
    issue_op,
    kept_store,
    member,
    state_values,
)
from tests.support.ledger import local_genesis
from vm.once_log import LOGS
from vm.state_tree import StateTree

MEMBERS = 47
"""More than two pages of the holders, the last one not full."""


def operations_values() -> dict[str, bytes]:
    """Return the state after an issue to each member."""
    issues = [issue_op(member(number)) for number in range(MEMBERS)]
    return local_genesis([PROGRAM_OP, *issues], PARAMS).genesis_state(build_runtime()).values


def test_members_are_those_of_operations() -> None:
    assert dict(state_values(MEMBERS)) == operations_values()


def test_a_kept_store_has_the_state_of_operations_and_the_log_of_purchases(tmp_path: Path) -> None:
    scale = Scale(MEMBERS, 70_000, 2)
    kept = kept_store(tmp_path, scale)
    assert kept_store(tmp_path, scale) == kept
    copy_store(kept, tmp_path / "data")
    with_log = dict(state_values(MEMBERS))
    store = Store.open(tmp_path / "data")
    values = dict(store.state_values())
    assert set(values) - set(with_log) == {LOGS.keys.key((ISSUES.family,))}
    assert store.head.state_root == StateTree(2, {}).update(dict(values)).root
    assert store.reader.once(ISSUES.keys.key(("miles", ref_of(69_999))), ISSUES.stored) is not None
    assert {key: values[key] for key in with_log} == operations_values()
    store.close()
