"""Ordered sets: per key a set of items in order, as a B+ tree of pages (docs/contract-floor.md).

    <path>/<key>        the root: [level, next page, items, pages]
    <path>/<key>/<n>    another page: [level, 0, items, pages]

A page of level 0 holds the items. One above it holds page numbers in `pages`, and in `items` a lower bound of what is in each of
them; the first page takes whatever is below the second's bound. While all items fit into one page, that is the root.

Invariants:
    1. The items of a set, walked page by page, ascend strictly.
    2. No page but the root is empty, and no set without items has a root.
    3. Adding or removing an item reads one page per level, and one neighbour per level where pages merge; it writes one page
       where none splits or merges.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeVar

from msgspec import Meta, MsgspecError

from vm.arguments import refuse
from vm.errors import InvariantBroken
from vm.metering import STEP
from vm.primitives.codec import encode
from vm.primitives.units import MAX_INT
from vm.tables.parts import Part
from vm.tables.stored import Readable, Stored, Writable
from vm.tables.table import Keys

I = TypeVar("I")  # noqa: E741 (an item)

PAGE_BYTES: Final = 1_024
"""About as much as one page may hold: rewriting it costs as much as a few hashes more."""

MIN_PAGE_ITEMS: Final = 8
MAX_PAGE_ITEMS: Final = 64
MAX_LEVEL: Final = 16
"""Half-full pages of 4 children make 2^32 items at this height."""

_ROOT: Final = 0
"""Number of the root; other pages are numbered from 1 on."""


class Page(NamedTuple, Generic[I]):
    """What one read of a set answers: some items, and the cursor from which to go on, None at the end."""

    items: list[I]
    next: str | None


class _Node(NamedTuple):
    level: int
    next: int
    items: tuple[Any, ...]
    pages: tuple[int, ...]


class _Step(NamedTuple):
    """One page on the way from the root to an item's leaf, and the place of the next one in it."""

    number: int
    node: _Node
    place: int


_EMPTY: Final = _Node(0, 1, (), ())


class OrderedSet(Generic[I]):
    """Sets of items, one for each key.

    Args:
        path, parts: as of a table; one number is added to the key for a page.
        item: the type of the items: what may be stored and compares (int, str, bytes, tuples of these).
        words: what the items are, for the page of the state layout.
        page_items: how many items a page holds; from the size of an item by default.
    """

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
        fitting = max(MIN_PAGE_ITEMS, min(MAX_PAGE_ITEMS, PAGE_BYTES // self.item.max_bytes))
        self.page_items = fitting if page_items is None else page_items
        if self.page_items < 4:
            raise TypeError(f"{path}: a page holds at least 4 items, so that halves of it can be merged")
        self.words = words
        number = Annotated[int, Meta(ge=0, le=MAX_INT)]
        level = Annotated[int, Meta(ge=0, le=MAX_LEVEL)]
        most = Meta(max_length=self.page_items)
        node = tuple[level, number, Annotated[tuple[item, ...], most], Annotated[tuple[number, ...], most]]  # type: ignore[valid-type]
        self.stored: Stored[tuple[int, int, tuple[I, ...], tuple[int, ...]]] = Stored(node, path)

    # -- reading -----------------------------------------------------------------------------------

    def contains(self, state: Readable, *key: Any, item: I) -> bool:
        """Tell whether the item is in the set."""
        root_key = self.keys.key(key)
        leaf = self._way(state, root_key, item)[-1]
        return leaf.place < len(leaf.node.items) and leaf.node.items[leaf.place] == item

    def first(self, state: Readable, *key: Any) -> I | None:
        """Return the smallest item, None where the set is empty."""
        return next(self.iterate(state, *key), None)

    def iterate(self, state: Readable, *key: Any, start: I | None = None, after: I | None = None) -> Iterator[I]:
        """Yield the items in order, from `start` on, or those above `after`; the set must not change meanwhile."""
        root_key = self.keys.key(key)
        begin = start if after is None else after
        for item in self._walk(state, root_key, self._node(state, root_key, _ROOT), begin):
            state.charge(STEP)
            if item != after:
                yield item

    def page(self, state: Readable, *key: Any, cursor: str | None, limit: int) -> Page[I]:
        """Return up to `limit` items behind those that an earlier page has shown.

        Raises:
            Refused: INVALID_ARGS, the cursor is not one of ours.
        """
        items: list[I] = []
        for item in self.iterate(state, *key, after=None if cursor is None else self._item_of(cursor)):
            if len(items) == limit:
                return Page(items, encode(items[-1]).hex())
            items.append(item)
        return Page(items, None)

    def _item_of(self, cursor: str) -> I:
        try:
            data = bytes.fromhex(cursor)
            item = self.item.decode(data)
        except (ValueError, MsgspecError):
            refuse("cursor", "a cursor that an earlier page has answered")
        if encode(item).hex() != cursor:
            refuse("cursor", "a cursor that an earlier page has answered")
        return item

    # -- changing ----------------------------------------------------------------------------------

    def add(self, state: Writable, *key: Any, item: I) -> bool:
        """Put an item into the set; False where it is there already.

        Raises:
            Refused: LIMIT_EXCEEDED, the item is not within its declared bounds.
        """
        root_key = self.keys.key(key)
        way = self._way(state, root_key, item)
        number, node, place = way.pop()
        items = node.items
        if place < len(items) and items[place] == item:
            return False
        at_end = place == len(items) and all(step.place == len(step.node.pages) - 1 for step in way)
        grown = node._replace(items=(*items[:place], item, *items[place:]))
        self._put_grown(state, root_key, way, number, grown, at_end)
        return True

    def discard(self, state: Writable, *key: Any, item: I) -> bool:
        """Take an item out of the set; False where it is not there."""
        root_key = self.keys.key(key)
        way = self._way(state, root_key, item)
        number, node, place = way.pop()
        items = node.items
        if place == len(items) or items[place] != item:
            return False
        shrunk = node._replace(items=items[:place] + items[place + 1 :])
        self._put_shrunk(state, root_key, way, number, shrunk)
        return True

    # -- the tree ----------------------------------------------------------------------------------

    def _node(self, state: Readable, root_key: str, number: int) -> _Node:
        cell = state.cell(root_key if number == _ROOT else f"{root_key}/{number}", self.stored)
        if cell is None:
            if number == _ROOT:
                return _EMPTY
            raise InvariantBroken(f"the set {root_key} has no page {number}")
        return _Node(*cell[0])

    def _put(self, state: Writable, root_key: str, number: int, node: _Node) -> None:
        if number != _ROOT:
            state.put_cell(f"{root_key}/{number}", self.stored, (node.level, 0, node.items, node.pages))
        elif node.items:
            state.put_cell(root_key, self.stored, tuple(node))
        else:
            state.drop(root_key)

    def _way(self, state: Readable, root_key: str, item: I) -> list[_Step]:
        """Return the pages from the root to the leaf where an item belongs, with the place in each."""
        number, node = _ROOT, self._node(state, root_key, _ROOT)
        way = []
        while node.level:
            place = max(0, bisect_right(node.items, item) - 1)
            way.append(_Step(number, node, place))
            number = node.pages[place]
            node = self._node(state, root_key, number)
        way.append(_Step(number, node, bisect_left(node.items, item)))
        return way

    def _walk(self, state: Readable, root_key: str, node: _Node, start: I | None) -> Iterator[I]:
        if not node.level:
            yield from node.items if start is None else node.items[bisect_left(node.items, start) :]
            return
        place = 0 if start is None else max(0, bisect_right(node.items, start) - 1)
        for number in node.pages[place:]:
            yield from self._walk(state, root_key, self._node(state, root_key, number), start)
            start = None

    def _put_grown(
        self, state: Writable, root_key: str, way: list[_Step], number: int, node: _Node, at_end: bool
    ) -> None:
        """Write a page that has got one more entry, and split as far up as pages are too full."""
        root = way[0].node if way else node
        while len(node.items) > self.page_items:
            # What comes in order leaves full pages behind; elsewhere both halves get room.
            left, right = _divided(node, self.page_items if at_end else len(node.items) // 2)
            if number == _ROOT:
                first, second = root.next, root.next + 1
                self._put(state, root_key, first, left)
                self._put(state, root_key, second, right)
                bounds = (left.items[0], right.items[0])
                self._put(state, root_key, _ROOT, _Node(node.level + 1, second + 1, bounds, (first, second)))
                return
            self._put(state, root_key, number, left)
            new, root = root.next, root._replace(next=root.next + 1)
            self._put(state, root_key, new, right)
            number, node, place = way.pop()
            node = node._replace(
                items=(*node.items[: place + 1], right.items[0], *node.items[place + 1 :]),
                pages=(*node.pages[: place + 1], new, *node.pages[place + 1 :]),
            )
            if number == _ROOT:
                node = node._replace(next=root.next)
        self._put(state, root_key, number, node)
        if number != _ROOT and root.next != way[0].node.next:
            self._put(state, root_key, _ROOT, root)

    def _put_shrunk(self, state: Writable, root_key: str, way: list[_Step], number: int, node: _Node) -> None:
        """Write a page that has lost an entry, and merge as far up as pages are too empty."""
        while number != _ROOT and len(node.items) <= self.page_items // 4:
            parent = way.pop()
            merged = self._merge(state, root_key, parent, number, node)
            if merged is None:
                self._put(state, root_key, number, node)
                return
            number, node = parent.number, merged
        if number == _ROOT:
            node = self._lowered(state, root_key, node)
        self._put(state, root_key, number, node)

    def _merge(self, state: Writable, root_key: str, parent: _Step, number: int, node: _Node) -> _Node | None:
        """Put a page and a neighbour together, or drop an empty one; return the parent without it, None if neither."""
        above, place = parent.node, parent.place
        if not node.items:
            state.drop(f"{root_key}/{number}")
            return _without(above, place)
        other = place + 1 if place + 1 < len(above.pages) else place - 1
        if other < 0:
            return None
        neighbour = self._node(state, root_key, above.pages[other])
        left_place, right_place = min(place, other), max(place, other)
        left, right = (node, neighbour) if place < other else (neighbour, node)
        if len(left.items) + len(right.items) > self.page_items * 3 // 4:
            return None
        # The right page takes anything from the parent's bound on, which may be less than what it says itself.
        bounds = (above.items[right_place], *right.items[1:]) if node.level else right.items
        whole = _Node(node.level, 0, left.items + bounds, left.pages + right.pages)
        self._put(state, root_key, above.pages[left_place], whole)
        state.drop(f"{root_key}/{above.pages[right_place]}")
        return _without(above, right_place)

    def _lowered(self, state: Writable, root_key: str, root: _Node) -> _Node:
        """Return the root with its only child taken in, as often as there is only one."""
        while root.level and len(root.pages) == 1:
            child = self._node(state, root_key, root.pages[0])
            state.drop(f"{root_key}/{root.pages[0]}")
            root = child._replace(next=root.next)
        return root


def _divided(node: _Node, place: int) -> tuple[_Node, _Node]:
    left = _Node(node.level, 0, node.items[:place], node.pages[:place])
    return left, _Node(node.level, 0, node.items[place:], node.pages[place:])


def _without(node: _Node, place: int) -> _Node:
    return node._replace(
        items=node.items[:place] + node.items[place + 1 :], pages=node.pages[:place] + node.pages[place + 1 :]
    )
