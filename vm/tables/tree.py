"""Ordered items in pages: the B+ tree under `OrderedSet` and `OrderedMap`.

A tree has a *root*, which its owner keeps (under a key of its own, or as a field of a record), and below `own`
the other pages:

    <own>/<n>    [level, 0, items, pages, values]

A page of level 0 holds items in order, and for a map their values. One above it holds page numbers in `pages`,
and in `items` a lower bound of what is in each of them; the first page takes whatever is below the second's
bound. While all items fit into one page, that is the root.

Functions that change a tree write its pages and return the new root, which the owner writes.

Invariants:
    1. The items of a tree, walked page by page, ascend strictly.
    2. No page is empty but the root of an empty tree, which is EMPTY but for its numbering.
    3. Adding or removing an item reads one page per level, and one neighbour per level where pages merge; it
       writes one page where none splits or merges.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any, Final, NamedTuple

from msgspec import Meta

from vm.errors import InvariantBroken
from vm.primitives.units import MAX_INT
from vm.tables.stored import Readable, Stored, Writable

PAGE_BYTES: Final = 1_024
"""About as much as one page may hold: rewriting it costs as much as a few hashes more."""

MIN_PAGE_ITEMS: Final = 8
MAX_PAGE_ITEMS: Final = 64
MAX_LEVEL: Final = 16
"""Half-full pages of 4 children make 2^32 items at this height."""

GONE: Final[Any] = object()
"""In place of a value: the item is to be removed."""

_NUMBER = Annotated[int, Meta(ge=0, le=MAX_INT)]
_LEVEL = Annotated[int, Meta(ge=0, le=MAX_LEVEL)]


class Root(NamedTuple):
    """A page as it is stored; `next` is the number of the next new page, and 0 in all pages but the root.

    As a field of a record it is declared by `Tree.root_type`, and comes back as a plain tuple.
    """

    level: int
    next: int
    items: tuple[Any, ...]
    pages: tuple[int, ...]
    values: tuple[Any, ...]


EMPTY: Final = Root(0, 0, (), (), ())
"""The root of a tree without items."""


class _Step(NamedTuple):
    """A page on the way from the root to a leaf: its number, None for the root, and the next one's place in it."""

    number: int | None
    node: Root
    place: int


def page_items_for(*stored: Stored[Any]) -> int:
    """Return how many entries of these types a page holds."""
    return max(MIN_PAGE_ITEMS, min(MAX_PAGE_ITEMS, PAGE_BYTES // sum(part.max_bytes for part in stored)))


class Tree:
    """How the pages of one kind of tree are read, changed and written.

    Args:
        where: what declares it, for errors.
        item, value: annotations of what may be stored; no value for a set.
        page_items: entries of a page at most.
    """

    def __init__(self, where: str, item: Any, value: Any = None, *, page_items: int | None = None) -> None:
        self.item: Stored[Any] = Stored(item, where)
        parts = [self.item] if value is None else [self.item, Stored(value, where)]
        self.page_items = page_items_for(*parts) if page_items is None else page_items
        if self.page_items < 4:
            raise TypeError(f"{where}: a page holds at least 4 items, so that halves of it can be merged")
        self._has_values = value is not None
        most = Meta(max_length=self.page_items)
        values: Any = Annotated[tuple[value, ...], most] if value is not None else tuple[()]
        self.root_type: Any = tuple[
            _LEVEL,
            _NUMBER,
            Annotated[tuple[item, ...], most],
            Annotated[tuple[_NUMBER, ...], most],
            values,
        ]
        self.stored: Stored[Any] = Stored(self.root_type, where)

    # -- reading -----------------------------------------------------------------------------------

    def find(self, state: Readable, own: str, root: tuple[Any, ...], item: Any) -> Any:
        """Return the item's value, None in a set, GONE where the item is not there."""
        _, node, place = self._way(state, own, Root(*root), item)[-1]
        if place == len(node.items) or node.items[place] != item:
            return GONE
        return node.values[place] if self._has_values else None

    def walk(
        self, state: Readable, own: str, root: tuple[Any, ...], start: Any = None
    ) -> Iterator[tuple[Any, Any]]:
        """Yield (item, value) in order, from `start` on; the tree must not change meanwhile."""
        level, _, items, pages, values = root
        if level:
            place = 0 if start is None else max(0, bisect_right(items, start) - 1)
            for number in pages[place:]:
                yield from self.walk(state, own, self._page(state, own, number), start)
                start = None
            return
        place = 0 if start is None else bisect_left(items, start)
        if self._has_values:
            yield from zip(items[place:], values[place:], strict=True)
        else:
            for item in items[place:]:
                yield item, None

    def items(self, state: Readable, own: str, root: tuple[Any, ...], start: Any) -> Iterable[Any]:
        """Return the items in order, from `start` on, like `walk`; at once where the root is the only page."""
        level, _, items, _, _ = root
        if level:
            return (item for item, _ in self.walk(state, own, root, start))
        found: tuple[Any, ...] = items[bisect_left(items, start) :]
        return found

    def _page(self, state: Readable, own: str, number: int) -> Root:
        cell = state.cell(f"{own}/{number}", self.stored)
        if cell is None:
            raise InvariantBroken(f"{own} has no page {number}: was it changed while it was iterated?")
        return Root(*cell[0])

    def _way(self, state: Readable, own: str, root: Root, item: Any) -> list[_Step]:
        """Return the pages from the root to the leaf where an item belongs, with the place in each."""
        number, node, way = None, root, []
        while node.level:
            place = max(0, bisect_right(node.items, item) - 1)
            way.append(_Step(number, node, place))
            number = node.pages[place]
            node = self._page(state, own, number)
        way.append(_Step(number, node, bisect_left(node.items, item)))
        return way

    # -- changing ----------------------------------------------------------------------------------

    def add(self, state: Writable, own: str, root: tuple[Any, ...], item: Any) -> Root | None:
        """Add an item to a set; return the new root, None where the item is there already."""
        before = Root(*root)
        way = self._way(state, own, before, item)
        place, items = way[-1].place, way[-1].node.items
        if place < len(items) and items[place] == item:
            return None
        return self._insert(state, own, before, way, item, None)

    def put(self, state: Writable, own: str, root: tuple[Any, ...], item: Any, value: Any) -> Root:
        """Give an item of a map a value, whether it is there or not; return the new root."""
        before = Root(*root)
        way = self._way(state, own, before, item)
        number, node, place = way[-1]
        if place == len(node.items) or node.items[place] != item:
            return self._insert(state, own, before, way, item, value)
        node = node._replace(values=(*node.values[:place], value, *node.values[place + 1 :]))
        return self._write(state, own, before, number, node)

    def _insert(self, state: Writable, own: str, root: Root, way: list[_Step], item: Any, value: Any) -> Root:
        number, node, place = way.pop()
        items, values = node.items, node.values
        at_end = place == len(items) and all(step.place == len(step.node.pages) - 1 for step in way)
        node = node._replace(items=(*items[:place], item, *items[place:]))
        if self._has_values:
            node = node._replace(values=(*values[:place], value, *values[place:]))
        return self._put_grown(state, own, root, way, number, node, at_end)

    def remove(self, state: Writable, own: str, root: tuple[Any, ...], item: Any) -> Root | None:
        """Remove an item; return the new root, None where the item is not there."""
        before = Root(*root)
        way = self._way(state, own, before, item)
        number, node, place = way.pop()
        if place == len(node.items) or node.items[place] != item:
            return None
        items, values = node.items, node.values
        node = node._replace(items=items[:place] + items[place + 1 :], values=values[:place] + values[place + 1 :])
        return self._put_shrunk(state, own, before, way, number, node)

    def change(
        self,
        state: Writable,
        own: str,
        root: tuple[Any, ...],
        changes: Sequence[tuple[Any, Any]],
        combine: Callable[[Any, Any], Any] | None = None,
    ) -> Root:
        """Give items that are there other values, or remove them; a page is written once for all its changes.

        Args:
            changes: (item, new value or GONE), ascending.
            combine: makes the new value, or GONE, of the old one and what stands in `changes`.
        """
        current, at = Root(*root), 0
        while at < len(changes):
            way = self._way(state, own, current, changes[at][0])
            number, node, _ = way.pop()
            end = _end_of_leaf(way)
            new = dict(zip(node.items, node.values if self._has_values else (None,) * len(node.items), strict=True))
            while at < len(changes) and (end is GONE or changes[at][0] < end):
                item, value = changes[at]
                if item not in new:
                    raise InvariantBroken(f"{own} has no item {item}")
                if combine is not None:
                    value = combine(new[item], value)
                if value is GONE:
                    del new[item]
                else:
                    new[item] = value
                at += 1
            changed = node._replace(items=tuple(new), values=tuple(new.values()) if self._has_values else ())
            current = self._put_shrunk(state, own, current, way, number, changed)
        return current

    def _write(self, state: Writable, own: str, root: Root, number: int | None, node: Root) -> Root:
        """Write a page, unless it is the root; return the root."""
        if number is None:
            return node._replace(next=root.next)
        state.put_cell(f"{own}/{number}", self.stored, tuple(node._replace(next=0)))
        return root

    def _put_grown(
        self, state: Writable, own: str, root: Root, way: list[_Step], number: int | None, node: Root, at_end: bool
    ) -> Root:
        """Write a page that has got one more entry, and split as far up as pages are too full; return the root."""
        new = root.next
        while len(node.items) > self.page_items:
            # What comes in order leaves full pages behind; elsewhere both halves get room.
            left, right = _divided(node, self.page_items if at_end else len(node.items) // 2)
            if number is None:
                self._write(state, own, root, new, left)
                self._write(state, own, root, new + 1, right)
                return Root(node.level + 1, new + 2, (left.items[0], right.items[0]), (new, new + 1), ())
            self._write(state, own, root, number, left)
            self._write(state, own, root, new, right)
            number, node, place = way.pop()
            node = node._replace(
                items=(*node.items[: place + 1], right.items[0], *node.items[place + 1 :]),
                pages=(*node.pages[: place + 1], new, *node.pages[place + 1 :]),
            )
            new += 1
        return self._write(state, own, root._replace(next=new), number, node)

    def _put_shrunk(
        self, state: Writable, own: str, root: Root, way: list[_Step], number: int | None, node: Root
    ) -> Root:
        """Write a page that may have lost entries, and merge as far up as pages are too empty; return the root."""
        while number is not None and len(node.items) <= self.page_items // 4:
            parent = way.pop()
            merged = self._merged(state, own, root, parent, number, node)
            if merged is None:
                break
            number, node = parent.number, merged
        if number is None:
            node = self._lowered(state, own, node)
        return self._write(state, own, root, number, node)

    def _merged(self, state: Writable, own: str, root: Root, parent: _Step, number: int, node: Root) -> Root | None:
        """Merge a page with a neighbour, or drop an empty one; return the parent without it, or None."""
        above, place = parent.node, parent.place
        if not node.items:
            state.drop(f"{own}/{number}")
            return _without(above, place)
        other = place + 1 if place + 1 < len(above.pages) else place - 1
        if other < 0:
            return None
        neighbour = self._page(state, own, above.pages[other])
        left_place, right_place = min(place, other), max(place, other)
        left, right = (node, neighbour) if place < other else (neighbour, node)
        if len(left.items) + len(right.items) > self.page_items * 3 // 4:
            return None
        # The right page takes anything from the parent's bound on, which may be less than what it says itself.
        bounds = (above.items[right_place], *right.items[1:]) if node.level else right.items
        whole = Root(node.level, 0, left.items + bounds, left.pages + right.pages, left.values + right.values)
        self._write(state, own, root, above.pages[left_place], whole)
        state.drop(f"{own}/{above.pages[right_place]}")
        return _without(above, right_place)

    def _lowered(self, state: Writable, own: str, node: Root) -> Root:
        """Return the root with its only child taken in, as often as there is only one."""
        while node.level and len(node.pages) == 1:
            number = node.pages[0]
            node = self._page(state, own, number)
            state.drop(f"{own}/{number}")
        return EMPTY if node.level and not node.pages else node


def _end_of_leaf(way: Sequence[_Step]) -> Any:
    """Return the lower bound of the leaf after the one that a way leads to, GONE where it is the last."""
    for step in reversed(way):
        if step.place + 1 < len(step.node.items):
            return step.node.items[step.place + 1]
    return GONE


def _divided(node: Root, place: int) -> tuple[Root, Root]:
    left = Root(node.level, 0, node.items[:place], node.pages[:place], node.values[:place])
    return left, Root(node.level, 0, node.items[place:], node.pages[place:], node.values[place:])


def _without(node: Root, place: int) -> Root:
    return node._replace(
        items=node.items[:place] + node.items[place + 1 :], pages=node.pages[:place] + node.pages[place + 1 :]
    )
