"""Once-records in a block: found at once, appended as they were executed, gone with a transaction that fails."""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

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
from vm.tables.stored import Stored

T = TypeVar("T")


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
    size = len(encode(Paid(5)))
    written = ONCE_WRITE + (len("once-test/order/") + 64 + size) // WRITE_BYTES_PER_UNIT
    ORDERS.put_new(ctx, Paid(5), "a" * 64)
    assert ctx.cost == READ + written
    ORDERS.put(ctx, Paid(5), "b" * 64)
    assert ctx.cost == 2 * (READ + written), "who has not looked pays for being looked for"
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


class Later(Reader):
    """A state in which an order was paid in an earlier block."""

    def once(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        data = encode(Paid(1))
        return (stored.decode(data), data) if key == "once-test/order/early" else None


@pytest.mark.parametrize("ref", ["early", "now"])
@pytest.mark.parametrize("has_looked", [False, True])
def test_a_record_is_written_once_in_this_block_or_an_earlier_one(ref: str, has_looked: bool) -> None:
    overlay = BlockOverlay(Later(Params()))
    ORDERS.put(context(overlay), Paid(1), "now")
    overlay.begin()
    ctx = context(overlay)
    if has_looked:
        assert ORDERS.get(ctx, ref) == Paid(1)
    with pytest.raises(Refused) as caught:
        ORDERS.put(ctx, Paid(2), ref)
    assert (caught.value.code, caught.value.details) == ("ALREADY_EXISTS", {"key": f"once-test/order/{ref}"})
    with pytest.raises(Refused) as caught:
        ORDERS.put_new(ctx, Paid(2), ref)
    assert (caught.value.code, caught.value.message) == ("ALREADY_EXISTS", "the record exists")
    assert caught.value.details == {"ref": ref}
    assert ORDERS.get(ctx, ref) == Paid(1)


def test_what_a_former_transaction_saw_is_looked_for_again(overlay: BlockOverlay) -> None:
    assert ORDERS.get(context(overlay), "a") is None
    overlay.begin()
    assert not overlay.is_known_absent("once-test/order/a")
    ORDERS.put(context(overlay), Paid(1), "a")
    assert not overlay.is_known_absent("once-test/order/a")


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
