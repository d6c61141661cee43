"""The agenda: what falls due happens before a block's transactions, each item by itself, in bounded work."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.vm.toy_ledger import CHORES, NUMBERS, Reader, runtime, transaction
from vm.agenda import POSTPONED_MS, POSTPONING, AgendaRun, agenda_budget, is_anything_due
from vm.block_execution import BlockContext, BlockExecution, BlockResult
from vm.contract_api import MAX_INT, Context
from vm.errors import InvariantBroken
from vm.metering import READ
from vm.params import Params
from vm.primitives.codec import decode
from vm.receipt import Event
from vm.state_view import BlockOverlay
from vm.tables import TEXT
from vm.tables.schedule import AGENDA, Schedule
from vm.transaction import Transaction

NOW = 1_000_000
PARAMS = Params()


def planned(*items: tuple[int, str], params: Params = PARAMS) -> Reader:
    """Return a state with an agenda of (due, key)."""
    reader = Reader(params)
    overlay = BlockOverlay(reader)
    for at, key in items:
        CHORES.put(overlay, at, key)
    return after(reader, overlay_changes(overlay))


def overlay_changes(overlay: BlockOverlay) -> dict[str, bytes | None]:
    return {key: None if cell is None else cell[1] for key, cell in overlay.changes.items()}


def after(reader: Reader, changes: dict[str, bytes | None]) -> Reader:
    """Return the state after a block's changes."""
    following = Reader(PARAMS)
    following.values = dict(reader.values)
    for key, data in changes.items():
        if data is None:
            following.values.pop(key, None)
        else:
            following.values[key] = decode(data)
    return following


def run(
    reader: Reader, transactions: list[Transaction] | None = None, time: int = NOW, cost: int = 10**9
) -> BlockResult:
    """Execute a block, in slices of so many work units."""
    execution = BlockExecution(runtime(), reader, BlockContext("toy-chain", 5, time, time - 1), transactions or [])
    while not execution.run(1, cost):
        pass
    return execution.result()


def agenda_after(reader: Reader, result: BlockResult) -> list[tuple[int, str]]:
    following = after(reader, dict(result.changes))
    return [(at, key.removeprefix("toy-chore/")) for at, key in AGENDA.iterate(BlockOverlay(following))]


def told(events: list[Event]) -> list[str]:
    return [f"{event.type} {event.data.key if event.type == 'toy.done' else event.data.item}" for event in events]


def test_what_is_due_is_done_in_order_and_what_is_not_waits() -> None:
    reader = planned((NOW, "bb"), (NOW - 5, "zz"), (NOW, "aa"), (NOW + 1, "later"))
    result = run(reader)
    assert told(result.receipts[-1].events) == ["toy.done zz", "toy.done aa", "toy.done bb"]
    assert agenda_after(reader, result) == [(NOW + 1, "later")]
    first = result.receipts[-1].events[0]
    assert (first.op, first.data.at, first.data.sender, first.data.governance) == (-1, NOW - 5, "", True)


def test_a_duty_sees_the_digest_of_the_block_before_and_a_transaction_does_not() -> None:
    context = BlockContext("toy-chain", 5, NOW, NOW - 1, parent=b"\x01\x02\x03\x04" + bytes(28))
    execution = BlockExecution(
        runtime(), planned((NOW, "parent-digest")), context, [transaction("ann", ("toy.parent", {}))]
    )
    execution.run(1)
    result = execution.result()
    assert decode(result.changes["toy/parent-digest"] or b"") == 0x01020304
    assert result.receipts[0].results == ["00" * 32]


def test_it_comes_before_the_blocks_transactions_which_see_it() -> None:
    result = run(planned((NOW, "aa")), [transaction("ann", ("toy.set", {"key": "aa", "value": 7}))])
    assert result.receipts[0].results == [1]


def test_its_cost_counts_in_the_block_and_in_the_system_receipt() -> None:
    idle, busy = run(planned()), run(planned((NOW, "aa"), (NOW, "bb")))
    assert idle.cost == 0
    assert busy.cost == busy.receipts[-1].cost > 0


def test_an_item_of_many_steps_stays_in_front_until_it_is_done() -> None:
    reader = planned((NOW - 1, "3-steps"), (NOW, "aa"))
    result = run(reader)
    assert told(result.receipts[-1].events) == ["toy.done 3-steps"] * 3 + ["toy.done aa"]
    assert agenda_after(reader, result) == []


def test_a_refused_item_leaves_nothing_is_told_and_comes_again_later() -> None:
    reader = planned((NOW - 1, "refused-one"), (NOW, "aa"))
    result = run(reader)
    postponed, done = result.receipts[-1].events
    assert (postponed.type, postponed.data.item) == ("chain.postponed", "toy-chore/refused-one")
    assert (postponed.data.code, postponed.data.message) == ("NOT_ELIGIBLE", "not today")
    assert postponed.data.due == NOW + POSTPONED_MS
    assert done.data.key == "aa"
    assert "toy/refused-one" not in result.changes
    assert agenda_after(reader, result) == [(NOW + POSTPONED_MS, "refused-one")]
    again = run(after(reader, dict(result.changes)), time=NOW + POSTPONED_MS)
    assert [event.type for event in again.receipts[-1].events] == ["chain.postponed"]


def test_an_item_that_tells_what_no_receipt_can_hold_is_put_off() -> None:
    reader = planned((NOW, "overflow"), (NOW, "zz"))
    result = run(reader)
    assert told(result.receipts[-1].events) == ["chain.postponed toy-chore/overflow", "toy.done zz"]
    assert result.receipts[-1].events[0].data.code == "LIMIT_EXCEEDED"
    assert agenda_after(reader, result) == [(NOW + POSTPONED_MS, "overflow")]
    assert "toy/overflow" not in result.changes


def test_an_item_that_costs_more_than_a_blocks_agenda_may_is_put_off() -> None:
    reader = planned((NOW - 1, "costly-one"), (NOW, "aa"))
    result = run(reader)
    assert result.receipts[-1].events[0].data.code == "OUT_OF_BUDGET"
    assert agenda_after(reader, result) == [(NOW + POSTPONED_MS, "costly-one")]
    # The attempt is paid for, and together with the refusal it costs no more than the budget.
    alone = run(planned((NOW - 1, "costly-one"))).cost
    assert agenda_budget(PARAMS) - POSTPONING < alone <= agenda_budget(PARAMS)


def test_a_block_begins_nothing_once_the_budget_is_spent_and_the_next_one_goes_on() -> None:
    params = Params(max_block_cost=200_000, max_tx_cost=100_000)
    reader = planned(*[(NOW, f"chore-{number:03}") for number in range(400)], params=params)
    done: list[str] = []
    blocks = 0
    while is_anything_due(BlockOverlay(reader), NOW):
        result = run(reader)
        budget = agenda_budget(params)
        assert result.cost < 2 * budget
        if agenda_after(reader, result):
            assert result.cost >= budget
        done += [event.data.key for event in result.receipts[-1].events]
        reader = after(reader, dict(result.changes))
        blocks += 1
    assert done == [f"chore-{number:03}" for number in range(400)]
    assert blocks > 1


@pytest.mark.parametrize("cost", [1, 100, 250, 10_000])
def test_slices_make_no_difference(cost: int) -> None:
    items = [(NOW - 3, "refused-one"), (NOW - 2, "3-steps"), *[(NOW, f"chore-{number}") for number in range(20)]]
    txs = [transaction("ann", ("toy.set", {"key": "aa", "value": n}), nonce=n) for n in range(5)]
    whole, sliced = run(planned(*items), txs), run(planned(*items), txs, cost=cost)
    assert (sliced.changes, sliced.receipt_bytes, sliced.cost) == (whole.changes, whole.receipt_bytes, whole.cost)


def test_a_slice_may_end_between_two_items() -> None:
    reader = planned((NOW, "aa"), (NOW, "bb"))
    execution = BlockExecution(runtime(), reader, BlockContext("toy-chain", 5, NOW, NOW - 1), [])
    assert [execution.run(1, cost=1) for _ in range(3)] == [False, False, True]
    assert told(execution.result().receipts[-1].events) == ["toy.done aa", "toy.done bb"]


def test_the_agenda_leaves_room_for_the_most_costly_transaction() -> None:
    params = Params(max_block_cost=100_000, max_tx_cost=75_000)
    assert 4 * params.max_tx_cost == 3 * params.max_block_cost, "the most that parameters may say"
    chores = [(NOW - 1, f"chore-{number:03}") for number in range(80)]
    ops = [transaction("ann", ("toy.set", {"key": "aa", "value": 7}))]
    results = [run(planned(*chores[:count], (NOW, "costly-one"), params=params), ops) for count in range(80)]
    # The most costly agenda: its last item begins just before the budget is spent, and uses up all that one may.
    result = max(results, key=lambda result: result.receipts[-1].cost)
    assert result.receipts[-1].cost > 18 * agenda_budget(params) // 10
    assert result.receipts[0].status == "ok"


def test_a_step_that_does_nothing_pays_for_being_found() -> None:
    overlay = BlockOverlay(planned((NOW, "idle")))
    ctx = Context(overlay, "toy-chain", 5, NOW, MAX_INT, governance=True)
    agenda = AgendaRun(runtime().duties, overlay, ctx, PARAMS)
    assert (agenda.step(), agenda.cost, agenda.is_over) == (READ, READ, False)


def test_a_duty_that_does_nothing_and_is_never_done_ends_a_block_all_the_same() -> None:
    reader = planned((NOW, "idle"), (NOW, "zz"))
    result = run(reader)
    budget = agenda_budget(PARAMS)
    assert budget <= result.receipts[-1].cost < budget + READ
    assert agenda_after(reader, result) == [(NOW, "idle"), (NOW, "zz")]


def test_what_is_broken_halts() -> None:
    with pytest.raises(InvariantBroken, match="a broken chore"):
        run(planned((NOW, "broken-one")))


def test_an_item_of_no_contract_halts() -> None:
    reader = planned()
    overlay = BlockOverlay(reader)
    AGENDA.add(overlay, item=(NOW, "nobody/is-this"))
    with pytest.raises(InvariantBroken, match="nobody/is-this"):
        run(after(reader, overlay_changes(overlay)))


def test_planning_twice_is_planning_once_and_another_time_is_another_item() -> None:
    overlay = BlockOverlay(Reader(PARAMS))
    assert CHORES.put(overlay, 5, "aa")
    assert not CHORES.put(overlay, 5, "aa")
    assert CHORES.put(overlay, 6, "aa")
    assert CHORES.cancel(overlay, 5, "aa")
    assert not CHORES.cancel(overlay, 5, "aa")
    assert not CHORES.is_due(overlay, 5, "aa")
    assert CHORES.is_due(overlay, 6, "aa")


def test_a_schedules_keys_fit_into_an_item() -> None:
    parts = [(f"part{number}", TEXT) for number in range(2)]
    with pytest.raises(TypeError, match="longer than"):
        Schedule("toy-long", parts)
    Schedule("toy-long", parts[:1])


KINDS = st.sampled_from(["refused", "costly", "2", "3", "plain"])


@given(st.lists(st.tuples(st.integers(0, 3), KINDS), max_size=12), st.integers(1, 4))
def test_whatever_is_planned_nothing_is_lost_and_each_is_done_as_often_as_it_wants(
    plans: list[tuple[int, str]], blocks: int
) -> None:
    names = {f"{kind}-x{number}": NOW + at for number, (at, kind) in enumerate(plans)}
    reader = planned(*[(at, name) for name, at in names.items()])
    for block in range(blocks):
        result = run(reader, time=NOW + block)
        left = {key: at for at, key in agenda_after(reader, result)}
        reader = after(reader, dict(result.changes))
    for name, at in names.items():
        kind = name.partition("-")[0]
        done = NUMBERS.get(BlockOverlay(reader), name) or 0
        if kind in ("refused", "costly"):
            assert name in left
            assert done == 0
        elif name not in left:
            assert done == (int(kind) if kind.isdigit() else 1)
        else:
            assert at > NOW + blocks - 1 or any(kind == "costly" for _, kind in plans)
