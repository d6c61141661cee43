"""What a contract's context promises: attempts that leave nothing, budgets that hold, views that cannot write."""

from __future__ import annotations

from typing import Annotated, Final

import pytest

from tests.unit.vm.toy_ledger import NUMBERS, Reader, Told, runtime
from vm.contract_api import SLUG, Context, Count, Meta, OrderedSet, Table
from vm.errors import InvariantBroken, Refused
from vm.metering import EVENT, OPERATION, READ, READ_BYTES_PER_UNIT, STEP, WRITE, WRITE_BYTES_PER_UNIT
from vm.params import Params
from vm.primitives.codec import encode
from vm.state_view import BlockOverlay

TEXTS: Final[Table[str]] = Table("toy-text", (("key", SLUG),), Annotated[str, Meta(max_length=2_000)], "texts")
QUEUE: Final[OrderedSet[int]] = OrderedSet("toy-queue", (), Count, "numbers in order")


def context(limit: int = 10**6, *, read_only: bool = False) -> Context:
    return Context(BlockOverlay(Reader(Params())), "toy-chain", 5, 1_000, limit, read_only=read_only)


def test_a_refused_attempt_leaves_neither_writes_nor_events_and_is_paid_for() -> None:
    ctx = context()
    NUMBERS.put(ctx, 1, "aa")
    ctx.emit(Told("before"))

    def refused() -> None:
        NUMBERS.put(ctx, 2, "aa")
        NUMBERS.put(ctx, 2, "bb")
        NUMBERS.delete(ctx, "aa")
        ctx.emit(Told("within"))
        raise Refused("NOT_ELIGIBLE", "never")

    refusal = ctx.attempt(refused)
    assert refusal is not None
    assert (refusal.code, NUMBERS.get(ctx, "aa"), NUMBERS.get(ctx, "bb")) == ("NOT_ELIGIBLE", 1, None)
    assert [event.data.text for event in ctx.events] == ["before"]
    assert ctx.cost == 4 * WRITE + 2 * READ + 2 * EVENT


def test_an_attempt_within_an_attempt_takes_back_its_own_part_only() -> None:
    ctx = context()

    def inner() -> None:
        NUMBERS.put(ctx, 2, "bb")
        raise Refused("NOT_ELIGIBLE", "never")

    def outer() -> None:
        NUMBERS.put(ctx, 1, "aa")
        assert ctx.attempt(inner) is not None
        NUMBERS.put(ctx, 3, "cc")

    assert ctx.attempt(outer) is None
    assert [NUMBERS.get(ctx, key) for key in ("aa", "bb", "cc")] == [1, None, 3]


def test_a_rehearsal_answers_what_would_come_of_it_and_leaves_nothing() -> None:
    ctx = context(read_only=True)

    def would() -> int:
        NUMBERS.put(ctx, 2, "aa")
        ctx.emit(Told("within"))
        assert ctx.attempt(lambda: NUMBERS.put(ctx, 3, "bb")) is None
        return (NUMBERS.get(ctx, "aa") or 0) + (NUMBERS.get(ctx, "bb") or 0)

    assert ctx.rehearse(would) == 5
    assert (NUMBERS.get(ctx, "aa"), NUMBERS.get(ctx, "bb"), ctx.events) == (None, None, [])
    with pytest.raises(InvariantBroken, match="a view wrote"):
        NUMBERS.put(ctx, 1, "aa")


def test_a_rehearsal_that_is_refused_leaves_nothing_either() -> None:
    ctx = context(read_only=True)

    def would() -> None:
        NUMBERS.put(ctx, 2, "aa")
        raise Refused("NOT_ELIGIBLE", "never")

    with pytest.raises(Refused, match="never"):
        ctx.rehearse(would)
    assert NUMBERS.get(ctx, "aa") is None
    assert ctx.read_only


def test_a_transaction_that_fails_after_a_refused_attempt_leaves_nothing() -> None:
    """What the attempt wrote has been taken back once: a second time it would not be there."""
    overlay = BlockOverlay(Reader(Params()))
    ctx = Context(overlay, "toy-chain", 5, 1_000, 10**6)
    NUMBERS.put(ctx, 1, "aa")

    def refused() -> None:
        NUMBERS.put(ctx, 2, "aa")
        NUMBERS.put(ctx, 2, "bb")
        raise Refused("NOT_ELIGIBLE", "never")

    assert ctx.attempt(refused) is not None
    assert {key: cell and cell[0] for key, cell in overlay.changes.items()} == {"toy/aa": 1}
    overlay.rollback()
    assert overlay.changes == {}


def test_a_spent_budget_ends_the_transaction_through_an_attempt() -> None:
    """Else whoever attempts once more after each refusal would work without an end, at no further cost."""
    ctx = context(limit=WRITE)
    with pytest.raises(Refused, match="OUT_OF_BUDGET"):
        ctx.attempt(lambda: ctx.charge(WRITE + 1))


def test_no_allowance_lets_a_transaction_pass_its_own_limit() -> None:
    ctx = context(limit=100)
    ctx.limit_to(10, lambda: 10**6)
    ctx.charge(100)
    with pytest.raises(Refused, match="OUT_OF_BUDGET"):
        ctx.charge(1)


def test_what_is_beyond_the_free_share_is_asked_for_once() -> None:
    asked = []
    ctx = context()

    def beyond() -> int:
        asked.append(ctx.cost)
        return 5

    ctx.limit_to(10, beyond)
    ctx.charge(10)
    assert asked == []
    ctx.charge(5)
    with pytest.raises(Refused, match="OUT_OF_BUDGET"):
        ctx.charge(1)
    assert asked == [15]


def test_an_unknown_call_is_paid_for() -> None:
    ctx = context()
    with pytest.raises(Refused, match="UNKNOWN_CALL"):
        runtime().invoke_call(ctx, "toy.nothing", {})
    assert ctx.cost == OPERATION


def test_a_refusal_repeats_of_an_unknown_calls_name_no_more_than_a_name_can_have() -> None:
    with pytest.raises(Refused, match="UNKNOWN_CALL") as caught:
        runtime().invoke_call(context(), "x" * 100_000, {})
    assert caught.value.details == {"call": "x" * 65}


def test_no_way_of_writing_is_open_to_a_view() -> None:
    ctx = context(read_only=True)
    for write in (lambda: NUMBERS.put(ctx, 1, "aa"), lambda: NUMBERS.delete(ctx, "aa"), lambda: ctx.drop("toy/aa")):
        with pytest.raises(InvariantBroken):
            write()


def test_a_write_and_a_read_are_paid_for_by_bytes() -> None:
    ctx = context()
    TEXTS.put(ctx, "x" * 1_000, "aa")
    size = len(encode("x" * 1_000))
    assert ctx.cost == WRITE + size // WRITE_BYTES_PER_UNIT
    before = ctx.cost
    TEXTS.get(ctx, "aa")
    assert ctx.cost == before + READ + size // READ_BYTES_PER_UNIT
    assert TEXTS.get(context(), "aa") is None


def test_each_item_that_is_walked_over_is_paid_for() -> None:
    ctx = context()
    for number in range(20):
        QUEUE.add(ctx, item=number)
    before = ctx.cost
    assert QUEUE.first(ctx) == 0
    one = ctx.cost - before
    assert list(QUEUE.iterate(ctx)) == list(range(20))
    assert ctx.cost - before == 2 * one + 19 * STEP
