"""Ordered sets and bags against naive twins: a sorted list, a list."""

from __future__ import annotations

from bisect import insort
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from vm.errors import InvariantBroken
from vm.state_view import BlockOverlay, EmptyState
from vm.tables import SLUG, Bag, OrderedMap, OrderedSet, Stored, Tree

Number = Annotated[int, Meta(ge=0, le=1_000_000)]
SMALL: OrderedSet[int] = OrderedSet("test/small", [("owner", SLUG)], Number, page_items=4)
WIDE: OrderedSet[int] = OrderedSet("test/wide", [("owner", SLUG)], Number, page_items=7)
MAP: OrderedMap[int, int] = OrderedMap("test/map", [("owner", SLUG)], Number, Number, page_items=5)
BAG: Bag[int] = Bag("test/bag", [("owner", SLUG)], Number, page_items=3)

steps = st.lists(
    st.tuples(st.sampled_from(["add", "discard", "discard", "add", "mark", "rollback"]), st.integers(0, 60)),
    max_size=300,
)


class NaiveSet:
    """A sorted list without repetitions."""

    def __init__(self) -> None:
        self.items: list[int] = []

    def add(self, item: int) -> bool:
        if item in self.items:
            return False
        insort(self.items, item)
        return True

    def discard(self, item: int) -> bool:
        if item not in self.items:
            return False
        self.items.remove(item)
        return True


def check_pages(tree: Tree, root_key: str, overlay: BlockOverlay) -> None:
    """Invariant 2 of `vm.tables.tree`: no page is empty, none is lost."""
    reached = set()

    def walk(key: str) -> int:
        cell = overlay.cell(key, tree.stored)
        assert cell is not None
        reached.add(key)
        level, _, items, pages, values = cell[0]
        assert 0 < len(items) <= tree.page_items
        assert len(pages) == (len(items) if level else 0)
        assert len(values) in ((0,) if level else (0, len(items)))
        for page in pages:
            assert walk(f"{root_key}/{page}") == level - 1
        return level

    if overlay.cell(root_key, tree.stored) is not None:
        walk(root_key)
    assert reached == {key for key, cell in overlay.changes.items() if cell is not None}


@given(steps, st.sampled_from([SMALL, WIDE]))
@settings(max_examples=300, deadline=None)
def test_an_ordered_set_is_a_sorted_list(history: list[tuple[str, int]], ordered: OrderedSet[int]) -> None:
    overlay, naive = BlockOverlay(EmptyState()), NaiveSet()
    mark, marked = overlay.mark(), list(naive.items)
    for step, item in history:
        if step == "mark":
            mark, marked = overlay.mark(), list(naive.items)
        elif step == "rollback":
            overlay.rollback(mark)
            naive.items = list(marked)
        else:
            done = getattr(ordered, step)(overlay, "ann", item=item)
            assert done == getattr(naive, step)(item)
    assert list(ordered.iterate(overlay, "ann")) == naive.items
    check_pages(ordered.tree, ordered.keys.key(("ann",)), overlay)


map_steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 60), st.integers(0, 9)),
        st.tuples(st.just("change"), st.integers(0, 60), st.integers(0, 60)),
        st.tuples(st.just("cut"), st.integers(0, 60), st.integers(0, 60)),
    ),
    max_size=200,
)


@given(map_steps)
@settings(max_examples=300, deadline=None)
def test_an_ordered_map_is_a_sorted_dictionary(history: list[tuple[str, int, int]]) -> None:
    overlay = BlockOverlay(EmptyState())
    naive: dict[int, int] = {}
    for step, first, second in history:
        if step == "put":
            MAP.put(overlay, second, "ann", item=first)
            naive[first] = second
        else:
            touched = [item for item in sorted(naive) if first <= item <= second]
            kept = step == "change"
            changes = [(item, naive[item] + 1 if kept and item % 3 else None) for item in touched]
            MAP.change(overlay, changes, "ann")
            for item, value in changes:
                if value is None:
                    del naive[item]
                else:
                    naive[item] = value
    assert list(MAP.entries(overlay, "ann")) == sorted(naive.items())
    assert all(MAP.get(overlay, "ann", item=item) == naive.get(item) for item in range(62))
    check_pages(MAP.tree, MAP.keys.key(("ann",)), overlay)


def test_many_changes_of_one_page_write_it_once() -> None:
    overlay = BlockOverlay(EmptyState())
    for item in range(100):
        MAP.put(overlay, 1, "ann", item=item)
    writes: list[str] = []

    class Counting(BlockOverlay):
        def put_cell(self, key: str, stored: Stored[Any], value: Any) -> None:
            writes.append(key)
            super().put_cell(key, stored, value)

    counting = Counting(overlay)
    MAP.change(counting, [(item, 2) for item in range(100)], "ann")

    assert len(writes) == len(set(writes)) <= 20
    assert [value for _, value in MAP.entries(counting, "ann")] == [2] * 100


def test_what_is_not_there_cannot_be_changed() -> None:
    overlay = BlockOverlay(EmptyState())
    MAP.put(overlay, 1, "ann", item=5)

    with pytest.raises(InvariantBroken):
        MAP.change(overlay, [(5, 2), (6, 3)], "ann")


@given(st.sets(st.integers(0, 1_000)), st.integers(0, 1_000), st.integers(1, 20))
@settings(max_examples=200, deadline=None)
def test_ranges_and_pages_are_slices(items: set[int], start: int, limit: int) -> None:
    overlay = BlockOverlay(EmptyState())
    for item in items:
        SMALL.add(overlay, "ann", item=item)
    ordered = sorted(items)

    assert list(SMALL.iterate(overlay, "ann", start=start)) == [item for item in ordered if item >= start]
    assert list(SMALL.iterate(overlay, "ann", after=start)) == [item for item in ordered if item > start]
    assert all(SMALL.contains(overlay, "ann", item=item) == (item in items) for item in range(0, 1_000, 7))
    shown, cursor = [], None
    while True:
        page = SMALL.page(overlay, "ann", cursor=cursor, limit=limit)
        shown += page.items
        if page.next is None:
            break
        cursor = page.next
        assert len(page.items) == limit
    assert shown == ordered


@given(st.lists(st.one_of(st.integers(0, 100), st.none()), max_size=120))
@settings(max_examples=200, deadline=None)
def test_what_goes_into_a_bag_comes_out_once(history: list[int | None]) -> None:
    overlay = BlockOverlay(EmptyState())
    inside: list[int] = []
    for item in history:
        if item is None:
            drained = list(BAG.drain(overlay, "ann"))
            assert drained == inside[: len(drained)]
            assert bool(drained) == bool(inside)
            inside = inside[len(drained) :]
        else:
            BAG.put(overlay, "ann", item=item)
            inside.append(item)
        assert BAG.is_empty(overlay, "ann") == (not inside)
    while drained := list(BAG.drain(overlay, "ann")):
        inside = inside[len(drained) :]
    assert inside == []
    assert all(cell is None for cell in overlay.changes.values())


def test_a_bag_fills_a_page_before_it_begins_another() -> None:
    overlay = BlockOverlay(EmptyState())
    for item in range(7):
        BAG.put(overlay, "ann", item=item)

    assert [BAG.drain(overlay, "ann") for _ in range(4)] == [(0, 1, 2), (3, 4, 5), (6,), ()]


def test_a_lost_page_is_no_empty_page() -> None:
    overlay = BlockOverlay(EmptyState())
    for item in range(40):
        SMALL.add(overlay, "ann", item=item)
    page = next(key for key in overlay.changes if key.count("/") == 3)
    overlay.drop(page)

    with pytest.raises(InvariantBroken, match="has no page"):
        list(SMALL.iterate(overlay, "ann"))
