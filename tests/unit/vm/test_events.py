"""Events: what their declaration tells."""

from __future__ import annotations

import msgspec
import pytest

from vm.arguments import Address, Amount, Slug
from vm.events import EVENTS, BrandId, event, type_of
from vm.primitives.codec import encode


@event("test.moved")
class Moved(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something moved."""

    brand: BrandId
    from_: Address = msgspec.field(name="from")
    amount: Amount
    shop: Slug
    to: Address | None = None
    at_brand: BrandId | None = None


ANN, BOB = "ent1ve584t0cv27hwmy0cx9ca8uwyqyfw9y9tamh7u", "ent1ae7ntflnntl3cjqvhnuemj57r39fd9xmy6z44j"


def test_accounts_and_brands_are_known_from_the_types() -> None:
    moved = Moved("sun", ANN, 3, "shop-1", BOB, "sea")

    assert type_of(moved) is EVENTS["test.moved"]
    assert set(type_of(moved).names_of(moved)) == {
        ("account", ANN),
        ("account", BOB),
        ("brand", "sun"),
        ("brand", "sea"),
    }


def test_what_is_not_there_is_left_out() -> None:
    moved = Moved("sun", ANN, 3, "shop-1")

    assert msgspec.msgpack.decode(encode(moved)) == {"brand": "sun", "from": ANN, "amount": 3, "shop": "shop-1"}
    assert set(type_of(moved).names_of(moved)) == {("account", ANN), ("brand", "sun")}


def test_a_name_is_declared_once_and_bounded() -> None:
    with pytest.raises(TypeError, match="twice"):
        event("test.moved")(Moved)

    class Loose(msgspec.Struct, frozen=True, omit_defaults=True):
        words: str

    with pytest.raises(TypeError):
        event("test.loose")(Loose)

    class Soft(msgspec.Struct, omit_defaults=True):
        amount: Amount

    with pytest.raises(TypeError, match="frozen"):
        event("test.soft")(Soft)
    assert "test.loose" not in EVENTS
    assert "test.soft" not in EVENTS
