"""Once-records in a block: found at once, appended as they were executed, gone with a transaction that fails."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
import pytest

from tests.unit.vm.toy_ledger import Reader
from vm.contract_api import TEXT, Context, Count, Meta, OnceTable, once_family_of
from vm.errors import InvariantBroken, Refused
from vm.metering import ONCE_WRITE, READ, READ_BYTES_PER_UNIT, WRITE_BYTES_PER_UNIT
from vm.once_log import EMPTY, LOGS, append, append_records, leaf_of
from vm.params import Params
from vm.primitives.codec import encode
from vm.primitives.merkle import leaf_hash
from vm.state_view import BlockOverlay


class Paid(msgspec.Struct, frozen=True):
    """What was paid."""

    amount: Count


ORDERS: Final[OnceTable[Paid]] = OnceTable("once-test/order", (("ref", TEXT),), Paid, "orders that were paid")


class Written(msgspec.Struct, frozen=True):
    """What is longer than a read's base pays for."""

    words: Annotated[str, Meta(max_length=2_000)]


LETTERS: Final[OnceTable[Written]] = OnceTable("once-test/letter", (("ref", TEXT),), Written, "long records")
CODES: Final[OnceTable[Paid]] = OnceTable("once-test/code", (("ref", TEXT),), Paid, "codes that were used")


@pytest.fixture
def overlay() -> BlockOverlay:
    return BlockOverlay(Reader(Params()))


def context(overlay: BlockOverlay, limit: int = 10**6, *, read_only: bool = False) -> Context:
    return Context(overlay, "toy-chain", 5, 1_000, limit, read_only=read_only)


def test_a_record_is_found_at_once_and_under_its_own_key(overlay: BlockOverlay) -> None:
    ctx = context(overlay)
    assert ORDERS.get(ctx, "a") is None
    ORDERS.put(ctx, Paid(5), "a")
    assert ORDERS.get(ctx, "a") == Paid(5)
    assert ORDERS.get(ctx, "b") is None
    assert CODES.get(ctx, "a") is None
    assert overlay.changes == {}


def test_reading_and_writing_is_paid_for_by_bytes(overlay: BlockOverlay) -> None:
    ctx = context(overlay)
    ORDERS.put(ctx, Paid(5), "a" * 64)
    size = len(encode(Paid(5)))
    assert ctx.cost == ONCE_WRITE + (len("once-test/order/") + 64 + size) // WRITE_BYTES_PER_UNIT
    before = ctx.cost
    ORDERS.get(ctx, "a" * 64)
    assert ctx.cost == before + READ + size // READ_BYTES_PER_UNIT
    with pytest.raises(Refused, match="OUT_OF_BUDGET"):
        ORDERS.put(context(overlay, 10), Paid(5), "b")


def test_a_long_record_costs_more_to_read(overlay: BlockOverlay) -> None:
    ctx = context(overlay)
    letter = Written("x" * 1_000)
    LETTERS.put(ctx, letter, "a")
    before = ctx.cost
    LETTERS.get(ctx, "a")
    assert ctx.cost == before + READ + len(encode(letter)) // READ_BYTES_PER_UNIT > before + READ + 10


def test_what_fails_leaves_no_record(overlay: BlockOverlay) -> None:
    ctx = context(overlay)
    ORDERS.put(ctx, Paid(1), "stays")
    mark = overlay.mark()
    ORDERS.put(ctx, Paid(2), "goes")
    overlay.rollback(mark)
    assert ORDERS.get(ctx, "goes") is None
    assert ORDERS.get(ctx, "stays") == Paid(1)
    (appended,) = append_records(overlay)
    assert [key for key, _ in appended.records] == ["once-test/order/stays"]


def test_a_record_is_written_once(overlay: BlockOverlay) -> None:
    ctx = context(overlay)
    ORDERS.put(ctx, Paid(1), "a")
    with pytest.raises(InvariantBroken, match="written twice"):
        ORDERS.put(ctx, Paid(2), "a")


def test_a_view_writes_none(overlay: BlockOverlay) -> None:
    with pytest.raises(InvariantBroken, match="a view wrote"):
        ORDERS.put(context(overlay, read_only=True), Paid(1), "a")


def test_a_value_beyond_its_bounds_is_refused(overlay: BlockOverlay) -> None:
    with pytest.raises(Refused, match="LIMIT_EXCEEDED"):
        ORDERS.put(context(overlay), Paid(-1), "a")


def test_logs_grow_in_the_order_of_execution_one_value_of_the_state_for_each(overlay: BlockOverlay) -> None:
    ctx = context(overlay)
    for number, ref in enumerate(("z", "a", "m")):
        ORDERS.put(ctx, Paid(number), ref)
        CODES.put(ctx, Paid(number), ref)
    codes, orders = append_records(overlay)
    assert (codes.family, orders.family) == ("once-test.code", "once-test.order")
    assert [key for key, _ in orders.records] == [f"once-test/order/{ref}" for ref in "zam"]
    assert orders.first == 0
    leaves = [leaf_of(f"once-test/order/{ref}", encode(Paid(n))) for n, ref in enumerate("zam")]
    expected = append(EMPTY, map(leaf_hash, leaves)).log
    assert LOGS.get(overlay, "once-test.order") == expected
    assert sorted(overlay.changes) == ["once/once-test.code", "once/once-test.order"]


def test_keys_tell_their_family() -> None:
    assert once_family_of("once-test/order/a") == "once-test.order"
    assert once_family_of("once-test/orders/a") is None
    assert once_family_of("once/once-test.order") is None
