"""Declarations: what may stand in the state, how keys are made, and what tables refuse."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from vm.arguments import Address, Amount, Count, Hash, Name, Slug
from vm.errors import InvariantBroken, Refused
from vm.primitives.codec import encode
from vm.state_view import BlockOverlay, EmptyState
from vm.tables import ADDRESS, HEX, NUMBER, SLUG, TEXT, Sequence, Table
from vm.tables.parts import escape, unescape
from vm.tables.stored import Stored

Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]


class Lot(msgspec.Struct, frozen=True, array_like=True):
    date: Count
    amount: Amount


class Purse(msgspec.Struct, frozen=True, omit_defaults=True):
    owner: Address
    lots: Annotated[tuple[Lot, ...], Meta(max_length=3)] = ()
    note: Name | None = None


class Open(msgspec.Struct, frozen=True, tag_field="kind", tag="open"):
    since: Count


class Closed(msgspec.Struct, frozen=True, tag_field="kind", tag="closed"):
    reason: Literal["sold", "expired"]


class Mutable(msgspec.Struct):
    amount: Amount


class Holds(msgspec.Struct, frozen=True):
    inner: Mutable


class HasList(msgspec.Struct, frozen=True):
    items: Annotated[list[Amount], Meta(max_length=3)]


class HasDict(msgspec.Struct, frozen=True):
    items: Annotated[dict[Slug, Amount], Meta(max_length=3)]


@pytest.mark.parametrize(
    "annotation",
    [
        Mutable,
        Holds,
        HasList,
        HasDict,
        dict[str, int],
        list[int],
        set[int],
        int,
        str,
        bytes,
        float,
        Any,
        tuple[Amount, ...],
        Annotated[int, Meta(ge=0)],
        Annotated[int, Meta(ge=0, le=2**53)],
        Annotated[str, Meta(min_length=1)],
        Literal[1, 2],
    ],
)
def test_what_is_mutable_or_unbounded_cannot_be_declared(annotation: Any) -> None:
    with pytest.raises(TypeError):
        Table("test/wrong", (), annotation)


@pytest.mark.parametrize(
    ("annotation", "longest"),
    [
        (bool, True),
        (Amount, 2**53 - 1),
        (Hash, "ab" * 32),
        (Bytes32, bytes(32)),
        (Name, "€" * 42 + "xx"),
        (Annotated[str, Meta(max_length=10)], "\U0001f600" * 10),
        (tuple[Amount, Slug], (2**53 - 1, "a" * 32)),
        (Purse, Purse("e" * 42, (Lot(2**53 - 1, 2**53 - 1),) * 3, "é" * 64)),
        (Open | Closed, Closed("expired")),
    ],
)
def test_no_value_is_longer_than_the_declared_bound(annotation: Any, longest: Any) -> None:
    stored: Stored[Any] = Stored(annotation)
    data = encode(longest)

    assert stored.decode(data) == longest
    assert len(data) <= stored.max_bytes <= 2 * len(data) + 16


@pytest.mark.parametrize("annotation", [float, Annotated[float, Meta(ge=0, le=1)]])
def test_of_a_float_it_is_said_that_it_is_one(annotation: Any) -> None:
    with pytest.raises(TypeError, match="a float cannot be stored"):
        Table("test/wrong", (), annotation)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (("survey", SLUG), "test/wrong: part 0 is 'survey'.*is a comma missing"),
        ((("survey", Slug),), "test/wrong: the part survey is .*, which is no Part"),
        (((SLUG, "survey"),), "test/wrong: part 0 needs a name of its own"),
        ((("survey", SLUG), ("survey", SLUG)), "test/wrong: part 1 needs a name of its own"),
        ((("Survey one", SLUG),), "test/wrong: part 0 needs a name of its own"),
    ],
)
def test_parts_of_a_key_that_are_none_are_named(parts: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        Table("test/wrong", parts, Amount)


def test_a_part_that_is_missing_is_named() -> None:
    table = Table("test/named", (("from", SLUG), ("survey", SLUG)), Amount)
    assert table.key("a", "b") == "test/named/a/b"
    with pytest.raises(TypeError, match=r"the key of test/named\(\) missing 1 required .* 'survey'"):
        table.key("a")


PURSES = Table("test/purse", (("program", SLUG), ("owner", ADDRESS)), Purse, missing="there is no purse")
OWNER = "ent1ve584t0cv27hwmy0cx9ca8uwyqyfw9y9tamh7u"


def state() -> BlockOverlay:
    return BlockOverlay(EmptyState())


def test_a_record_comes_back_as_it_was_put() -> None:
    overlay = state()
    purse = Purse(OWNER, (Lot(1, 2),))

    PURSES.put(overlay, purse, "sun", OWNER)

    assert PURSES.get(overlay, "sun", OWNER) == purse
    assert PURSES.get(overlay, "sea", OWNER) is None
    assert overlay.changes == {f"test/purse/sun/{OWNER}": (purse, encode(purse))}
    PURSES.delete(overlay, "sun", OWNER)
    assert PURSES.get(overlay, "sun", OWNER) is None


def test_what_is_missing_or_present_is_refused_with_its_key() -> None:
    overlay = state()
    with pytest.raises(Refused) as missing:
        PURSES.require(overlay, "sun", OWNER)
    assert (missing.value.code, missing.value.message) == ("NOT_FOUND", "there is no purse")
    assert missing.value.details == {"program": "sun", "owner": OWNER}

    PURSES.require_absent(overlay, "sun", OWNER)
    PURSES.put(overlay, Purse(OWNER), "sun", OWNER)
    with pytest.raises(Refused) as present:
        PURSES.require_absent(overlay, "sun", OWNER)
    assert present.value.code == "ALREADY_EXISTS"
    assert PURSES.require(overlay, "sun", OWNER) == Purse(OWNER)


@pytest.mark.parametrize(
    "wrong",
    [
        Purse(OWNER, tuple(Lot(1, 1) for _ in range(4))),
        Purse(OWNER, (Lot(-1, 1),)),
        Purse(OWNER, (Lot(1, 2**53),)),
        Purse(OWNER, (Lot(1, 2**80),)),
        Purse(OWNER, note="x" * 129),
        Purse(OWNER, note="\ud800"),
        Purse(7),  # type: ignore[arg-type]
        Purse(object()),  # type: ignore[arg-type]
    ],
)
def test_what_is_beyond_its_bounds_is_refused_and_not_stored(wrong: Purse) -> None:
    overlay = state()
    with pytest.raises(Refused) as caught:
        PURSES.put(overlay, wrong, "sun", OWNER)

    assert caught.value.code == "LIMIT_EXCEEDED"
    assert caught.value.message == "a value of test/purse is beyond what may be stored"
    assert caught.value.__cause__ is not None, "tests see why; the words are a library's, so no receipt has them"
    assert overlay.changes == {}


def test_the_contracts_own_object_is_not_what_is_read() -> None:
    """A list in a tuple's place would be shared, and change behind the back of the state."""
    overlay = state()
    lots = [Lot(1, 1)]
    PURSES.put(overlay, Purse(OWNER, lots), "sun", OWNER)  # type: ignore[arg-type]
    lots.append(Lot(2, 2))

    assert PURSES.require(overlay, "sun", OWNER).lots == (Lot(1, 1),)


def test_rollback_restores_the_former_object() -> None:
    overlay = state()
    PURSES.put(overlay, Purse(OWNER, note="first"), "sun", OWNER)
    mark = overlay.mark()
    PURSES.put(overlay, Purse(OWNER, note="second"), "sun", OWNER)
    PURSES.put(overlay, Purse(OWNER), "sea", OWNER)
    overlay.rollback(mark)

    assert PURSES.require(overlay, "sun", OWNER).note == "first"
    assert PURSES.get(overlay, "sea", OWNER) is None


MIXED = Table("test/mixed", (("brand", SLUG), ("ref", TEXT), ("date", NUMBER), ("key", HEX)), Amount)


@pytest.mark.parametrize("path", ["", "/", "Toy", "toy//a", "toy/", "toy/{part0}", "toy'", "toy/ä", "toy\n"])
def test_a_path_is_of_lower_case_words(path: str) -> None:
    with pytest.raises(TypeError, match="no path"):
        Table(path, (), Amount)


def test_parts_are_escaped_and_read_back() -> None:
    key = MIXED.keys.key(("aurora", "a/b%2f", 7, b"\xab"))

    assert key == "test/mixed/aurora/a%2fb%252f/7/ab"
    assert MIXED.keys.values(key) == ("aurora", "a/b%2f", 7, b"\xab")
    assert MIXED.keys.pattern == "test/mixed/<brand>/<ref>/<date>/<key>"


codes = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)


@given(codes, codes, codes, codes)
def test_no_two_keys_collide(first: str, second: str, third: str, fourth: str) -> None:
    table = Table("test/pairs", (("a", TEXT), ("b", TEXT)), Amount)

    same = table.keys.key((first, second)) == table.keys.key((third, fourth))

    assert same == ((first, second) == (third, fourth))
    assert unescape(escape(first)) == first
    assert "/" not in escape(first)
    assert len(escape(first)) <= TEXT.max_bytes


def test_only_numbers_from_zero_on_stand_in_keys() -> None:
    with pytest.raises(InvariantBroken):
        MIXED.keys.key(("aurora", "ref", -1, b""))


def test_nothing_is_left_of_a_sequence_whose_items_are_dropped() -> None:
    overlay = state()
    items: Sequence[int] = Sequence("test/items", (("owner", SLUG),), Amount)
    for item in (5, 6):
        items.append(overlay, item, "ann")
    items.drop_last(overlay, "ann")
    assert (items.length(overlay, "ann"), list(items.iterate(overlay, "ann"))) == (1, [5])
    items.drop_last(overlay, "ann")
    assert [cell for cell in overlay.changes.values() if cell is not None] == []
