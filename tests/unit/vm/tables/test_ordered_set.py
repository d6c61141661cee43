"""Ordered sets: the shapes that a random walk may miss; tests/properties compares them with a sorted list."""

from __future__ import annotations

from typing import Annotated

import pytest
from msgspec import Meta

from vm.arguments import Address, Slug
from vm.errors import Refused
from vm.state_view import BlockOverlay, EmptyState
from vm.tables import SLUG, OrderedSet

Number = Annotated[int, Meta(ge=0, le=1_000_000)]
SET: OrderedSet[int] = OrderedSet("test/set", [("owner", SLUG)], Number, page_items=4)


def state() -> BlockOverlay:
    return BlockOverlay(EmptyState())


def filled(numbers: list[int]) -> BlockOverlay:
    overlay = state()
    for number in numbers:
        assert SET.add(overlay, "ann", item=number)
    return overlay


def stored_pages(overlay: BlockOverlay) -> int:
    return sum(cell is not None for cell in overlay.changes.values())


def test_a_small_set_is_one_value() -> None:
    overlay = filled([3, 1, 2])

    assert list(SET.iterate(overlay, "ann")) == [1, 2, 3]
    assert stored_pages(overlay) == 1


def test_what_comes_in_order_fills_its_pages() -> None:
    overlay = filled(list(range(64)))

    # 16 full leaves, 4 pages above them at most half full, a root.
    assert stored_pages(overlay) <= 16 + 6 + 1
    assert list(SET.iterate(overlay, "ann")) == list(range(64))


def test_what_comes_backwards_is_in_order() -> None:
    overlay = filled(list(range(63, -1, -1)))

    assert list(SET.iterate(overlay, "ann")) == list(range(64))


def test_nothing_is_stored_of_an_emptied_set() -> None:
    overlay = filled(list(range(100)))

    for number in [*range(0, 100, 2), *range(99, 0, -2)]:
        assert SET.discard(overlay, "ann", item=number)

    assert stored_pages(overlay) == 0
    assert SET.first(overlay, "ann") is None


def test_pages_that_are_nearly_empty_are_merged() -> None:
    overlay = filled(list(range(64)))

    for number in range(64):
        if number % 4:
            SET.discard(overlay, "ann", item=number)

    # 16 items were left alone on 16 leaves: where three neighbours meet, they share one.
    assert stored_pages(overlay) <= 17
    assert list(SET.iterate(overlay, "ann")) == list(range(0, 64, 4))


def test_a_tree_that_shrinks_becomes_lower() -> None:
    overlay = filled(list(range(64)))

    for number in range(2, 64):
        SET.discard(overlay, "ann", item=number)

    assert stored_pages(overlay) == 1
    assert list(SET.iterate(overlay, "ann")) == [0, 1]


def test_pages_above_the_leaves_keep_their_bounds_when_they_merge() -> None:
    """The first child of a page takes what is below its own first item: after a merge it still finds that."""
    overlay = filled(list(range(0, 640, 10)))

    for number in range(100, 250, 10):
        SET.discard(overlay, "ann", item=number)
    SET.add(overlay, "ann", item=237)
    for number in range(40, 100, 10):
        SET.discard(overlay, "ann", item=number)

    assert SET.contains(overlay, "ann", item=237)
    assert list(SET.iterate(overlay, "ann")) == [0, 10, 20, 30, 237, *range(250, 640, 10)]


def test_sets_of_different_keys_do_not_mix() -> None:
    overlay = filled([1, 2])
    SET.add(overlay, "bob", item=7)

    assert list(SET.iterate(overlay, "ann")) == [1, 2]
    assert list(SET.iterate(overlay, "bob")) == [7]


def test_an_item_is_there_once() -> None:
    overlay = filled([5])

    assert not SET.add(overlay, "ann", item=5)
    assert SET.contains(overlay, "ann", item=5)
    assert not SET.discard(overlay, "ann", item=6)


def test_ranges_begin_where_they_are_asked_to() -> None:
    overlay = filled(list(range(0, 100, 10)))

    assert list(SET.iterate(overlay, "ann", start=35)) == [40, 50, 60, 70, 80, 90]
    assert next(SET.iterate(overlay, "ann", start=40)) == 40
    assert next(SET.iterate(overlay, "ann", after=40)) == 50


def test_a_page_goes_on_behind_the_last_item_whatever_changed() -> None:
    overlay = filled(list(range(20)))

    first = SET.page(overlay, "ann", cursor=None, limit=5)
    SET.discard(overlay, "ann", item=4)
    SET.discard(overlay, "ann", item=0)
    second = SET.page(overlay, "ann", cursor=first.next, limit=100)

    assert first.items == [0, 1, 2, 3, 4]
    assert (second.items, second.next) == (list(range(5, 20)), None)


@pytest.mark.parametrize("cursor", ["", "zz", "c0", "00 ", "0A", "cd0005", "930102"])
def test_a_cursor_that_is_none_of_ours_is_refused(cursor: str) -> None:
    with pytest.raises(Refused) as caught:
        SET.page(filled([1]), "ann", cursor=cursor, limit=5)

    assert caught.value.details == {"field": "cursor"}


def test_an_item_beyond_its_bounds_is_refused_and_nothing_changes() -> None:
    overlay = filled([1])

    with pytest.raises(Refused) as caught:
        SET.add(overlay, "ann", item=1_000_001)

    assert caught.value.code == "LIMIT_EXCEEDED"
    assert list(SET.iterate(overlay, "ann")) == [1]


def test_a_page_holds_about_a_kibibyte() -> None:
    accounts: OrderedSet[str] = OrderedSet("test/accounts", [], Address)
    pairs: OrderedSet[tuple[int, str]] = OrderedSet("test/pairs", [], tuple[Number, Slug])

    assert accounts.tree.page_items * accounts.item.max_bytes <= 1_024
    assert pairs.tree.page_items * pairs.item.max_bytes <= 1_024
