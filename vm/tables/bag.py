"""Bags: per key, items that are put in one by one and later drained, some at a time.

    <path>/<key>        [first page, last page]
    <path>/<key>/<n>    the items of a page

For work lists: what is put in twice comes out twice, and nothing is looked up. Putting in rewrites the last
page only, so that many items of one block change few keys.

Invariants:
    1. Pages first … last are there and not empty; without items nothing of the bag is stored.
    2. Every item that was put in comes out of exactly one `drain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta

from vm.errors import InvariantBroken
from vm.primitives.units import MAX_INT
from vm.tables.parts import Part
from vm.tables.stored import Readable, Stored, Writable
from vm.tables.table import Keys
from vm.tables.tree import page_items_for

I = TypeVar("I")  # noqa: E741 (an item)

_Number = Annotated[int, Meta(ge=0, le=MAX_INT)]


class Bag(Generic[I]):
    """Bags of items, one for each key; arguments as of `OrderedSet`."""

    def __init__(
        self,
        path: str,
        parts: Sequence[tuple[str, Part]],
        item: Any,
        words: str = "",
        *,
        page_items: int | None = None,
    ) -> None:
        self.keys = Keys(path, parts)
        self.item: Stored[I] = Stored(item, path)
        self.page_items = page_items_for(self.item) if page_items is None else page_items
        self.words = words
        page = Annotated[tuple[item, ...], Meta(max_length=self.page_items)]
        self.ends: Stored[tuple[int, int]] = Stored(tuple[_Number, _Number], path)
        self.stored: Stored[tuple[I, ...]] = Stored(page, path)

    def put(self, state: Writable, *key: Any, item: I) -> bool:
        """Put an item in; tell whether the bag was empty."""
        own = self.keys.key(key)
        ends = state.cell(own, self.ends)
        if ends is None:
            state.put_cell(own, self.ends, (0, 0))
            state.put_cell(f"{own}/0", self.stored, (item,))
            return True
        first, last = ends[0]
        items = self._page(state, own, last)
        if len(items) < self.page_items:
            state.put_cell(f"{own}/{last}", self.stored, (*items, item))
            return False
        state.put_cell(own, self.ends, (first, last + 1))
        state.put_cell(f"{own}/{last + 1}", self.stored, (item,))
        return False

    def drain(self, state: Writable, *key: Any) -> tuple[I, ...]:
        """Take out the oldest page of items; empty where none is left."""
        own = self.keys.key(key)
        ends = state.cell(own, self.ends)
        if ends is None:
            return ()
        first, last = ends[0]
        items = self._page(state, own, first)
        state.drop(f"{own}/{first}")
        if first == last:
            state.drop(own)
        else:
            state.put_cell(own, self.ends, (first + 1, last))
        return items

    def iterate(
        self, state: Readable, *key: Any, start: tuple[int, int] = (0, 0)
    ) -> Iterator[tuple[tuple[int, int], I]]:
        """Yield (place, item) from a place on, the oldest first; a place is the number of a page, and an index
        there.
        """
        own = self.keys.key(key)
        ends = state.cell(own, self.ends)
        if ends is None:
            return
        first, last = ends[0]
        page, index = start if start[0] >= first else (first, 0)
        for number in range(page, last + 1):
            items = self._page(state, own, number)
            for place in range(index, len(items)):
                yield (number, place), items[place]
            index = 0

    def is_empty(self, state: Readable, *key: Any) -> bool:
        """Tell whether nothing is in the bag."""
        return state.cell(self.keys.key(key), self.ends) is None

    def _page(self, state: Readable, own: str, number: int) -> tuple[I, ...]:
        cell = state.cell(f"{own}/{number}", self.stored)
        if cell is None:
            raise InvariantBroken(f"the bag {own} has no page {number}")
        return cell[0]
