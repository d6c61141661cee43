"""How declarations are described: the notation of types, and one row for each kind of key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from vm.arguments import Address, Amount, Name, PublicKey, Ref, Slug
from vm.tables import EMPTY, NUMBER, SLUG, Bag, OrderedMap, OrderedSet, Schedule, Sequence, Stored, Table, Tree
from vm.tables.layout import NUMBERED, Row, Shapes, rows, words_of
from vm.tables.table import Keys

DATES = Tree("layout/held", Amount, page_items=8)


class Point(msgspec.Struct, frozen=True, array_like=True):
    """A point.

    Nothing else of this is told.
    """

    x: Annotated[int, Meta(ge=-90, le=1_000)]
    y: Amount


class Square(msgspec.Struct, frozen=True, tag_field="kind", tag="square", omit_defaults=True):
    """A square
    in the plane.
    """

    from_: Point = msgspec.field(name="from")
    side: Amount | None = None
    is_filled: bool = False


class Circle(msgspec.Struct, frozen=True, tag_field="kind", tag="circle"):
    """A circle."""

    centre: Point | None = None


class Held(msgspec.Struct, frozen=True, omit_defaults=True):
    """What has a tree's root in it."""

    dates: DATES.root_type = EMPTY  # type: ignore[name-defined]


class OnceTable:
    """A kind of declaration that is not known to the description."""

    def __init__(self, path: str, record: Any, words: str) -> None:
        self.keys = Keys(path, (("ref", SLUG),))
        self.stored: Stored[Any] = Stored(record, path)
        self.words = words


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Amount, "1…max"),
        (Annotated[int, Meta(ge=-(2**53) + 1, le=0)], "−max…0"),
        (Slug, "slug"),
        (Address, "address"),
        (PublicKey, "hex 64"),
        (Ref, "code ≤64"),
        (Name, "text ≤128"),
        (Annotated[str, Meta(max_length=9)], "text ≤9 characters"),
        (Annotated[bytes, Meta(min_length=32, max_length=32)], "bytes 32"),
        (Annotated[bytes, Meta(max_length=32)], "bytes ≤32"),
        (Literal["yes", "no"], '"yes" / "no"'),
        (bool, "bool"),
        (tuple[Slug, bool], "[slug, bool]"),
        (Annotated[tuple[Slug, ...], Meta(max_length=4_096)], "[slug × ≤4,096]"),
        (Square | Circle, "Square / Circle"),
        (Slug | None, "slug / null"),
    ],
)
def test_a_type_is_written_in_the_pages_notation(annotation: Any, expected: str) -> None:
    assert Shapes().of(annotation) == expected


def test_a_record_is_written_out_with_its_tag_its_encoded_names_and_what_is_left_out() -> None:
    shapes = Shapes()
    assert shapes.written_out(Point) == "[x: −90…1,000, y: 1…max]"
    assert shapes.written_out(Square) == '{kind: "square", from: Point, side?: 1…max, is_filled?: bool}'
    assert shapes.written_out(Circle) == '{kind: "circle", centre: Point / null}'
    assert shapes.records == {"Point": Point}
    assert (words_of(Point), words_of(Square)) == ("A point.", "A square in the plane.")


def rows_of(declaration: Any, *trees: Tree) -> list[Row]:
    return list(rows(declaration, Shapes(trees)))


def test_a_table_has_one_row() -> None:
    table: Table[str] = Table("layout/table", (("brand", SLUG), ("n", NUMBER)), Slug, "what it is")
    assert rows_of(table) == [Row("layout/table/<brand>/<n>", "what it is", "slug", 34)]


def test_a_record_with_the_root_of_a_tree_has_the_trees_pages_behind() -> None:
    table: Table[Held] = Table("layout/held", (("brand", SLUG),), Held, "dates")
    own, page = rows_of(table, DATES)
    assert own.stored == "{dates?: the root of a tree of 1…max, 8 to a page}"
    assert own.max_bytes == table.stored.max_bytes
    assert page == Row(NUMBERED, "a further page of `dates`", "as the root", DATES.stored.max_bytes)


def test_sets_maps_sequences_and_bags_have_numbered_keys_behind() -> None:
    set_: OrderedSet[str] = OrderedSet("layout/set", (), Slug, "names", page_items=5)
    longest = set_.tree.stored.max_bytes
    assert rows_of(set_) == [
        Row("layout/set", "names (ordered set)", "the root page, of slug, 5 to a page", longest),
        Row(NUMBERED, "a further page", "as the root", longest),
    ]
    map_: OrderedMap[str, int] = OrderedMap("layout/map", (), Slug, Amount, "sums", page_items=5)
    assert rows_of(map_)[0].stored == "the root page, of slug → 1…max, 5 to a page"
    sequence: Sequence[str] = Sequence("layout/sequence", (), Slug, "a list")
    assert rows_of(sequence) == [
        Row("layout/sequence", "a list (sequence)", "how many items: 0…max", 9),
        Row(NUMBERED, "the n-th item, from 0 on", "slug", 34),
    ]
    bag: Bag[str] = Bag("layout/bag", (), Slug, "work", page_items=5)
    assert [(row.stored, row.max_bytes) for row in rows_of(bag)] == [
        ("first and last page: [0…max, 0…max]", bag.ends.max_bytes),
        ("[slug × ≤5]", bag.stored.max_bytes),
    ]


def test_a_schedule_stores_nothing_of_its_own() -> None:
    schedule = Schedule("layout/schedule", (("brand", SLUG),), "an end")
    stored = "nothing: it is an item of `chain/agenda`"
    assert rows_of(schedule) == [Row("layout/schedule/<brand>", "an end (schedule)", stored, None)]


def test_a_kind_that_is_not_known_is_described_as_a_table_and_named() -> None:
    assert rows_of(OnceTable("layout/once", Amount, "what was paid")) == [
        Row("layout/once/<ref>", "what was paid (once table)", "1…max", 9)
    ]
