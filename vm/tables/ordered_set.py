"""Ordered sets and maps, one for each key; `vm.tables.tree` tells how they are kept.

Both are read in pages whose cursor is the last item shown: what is added or removed between two pages makes none be
skipped or shown twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from vm.metering import STEP
from vm.tables.page import Page, as_cursor, as_it_is, from_cursor, paged
from vm.tables.parts import Part
from vm.tables.stored import Readable, Stored, Writable
from vm.tables.table import Keys
from vm.tables.tree import EMPTY, GONE, Root, Tree

I = TypeVar("I")  # noqa: E741 (an item)
V = TypeVar("V")


class _Ordered(Generic[I]):
    """What sets and maps have in common.

    Attributes:
        keys: how the root's key is made; another page's has its number behind.
        tree: how pages are kept.
        words: what the items are, for the page of the state layout.
    """

    def __init__(self, path: str, parts: Sequence[tuple[str, Part]], tree: Tree, words: str) -> None:
        self.keys = Keys(path, parts)
        self.tree = tree
        self.words = words

    @property
    def item(self) -> Stored[I]:
        """The type of the items."""
        return self.tree.item

    def _root(self, state: Readable, own: str) -> tuple[Any, ...]:
        cell = state.cell(own, self.tree.stored)
        return EMPTY if cell is None else cell[0]

    def _put_root(self, state: Writable, own: str, before: tuple[Any, ...], after: Root) -> None:
        if after == before:
            return
        if after.items:
            state.put_cell(own, self.tree.stored, tuple(after))
        else:
            state.drop(own)

    def _entries(self, state: Readable, key: tuple[Any, ...], start: I | None) -> Iterator[tuple[I, Any]]:
        own = self.keys.key(key)
        root = self._root(state, own)
        if root[2]:  # Most sets that a purchase asks for are empty.
            for entry in self.tree.walk(state, own, root, start):
                state.charge(STEP)
                yield entry

    def contains(self, state: Readable, *key: Any, item: I) -> bool:
        """Tell whether the item is there."""
        own = self.keys.key(key)
        return self.tree.find(state, own, self._root(state, own), item) is not GONE

    def first(self, state: Readable, *key: Any) -> I | None:
        """Return the smallest item, None where there is none."""
        return next((item for item, _ in self._entries(state, key, None)), None)

    def iterate(self, state: Readable, *key: Any, start: I | None = None, after: I | None = None) -> Iterator[I]:
        """Yield the items in order, from `start` on, or those above `after`; nothing must change meanwhile."""
        for item, _ in self._entries(state, key, start if after is None else after):
            if item != after:
                yield item

    def page(
        self, state: Readable, *key: Any, cursor: str | None, limit: int, show: Callable[[I], Any] = as_it_is
    ) -> Page[Any]:
        """Return the items behind those that an earlier page has shown; see `paged`.

        Raises:
            Refused: INVALID_ARGS, the cursor is not one of ours.
        """
        after = None if cursor is None else from_cursor(self.item, cursor)
        return paged(self.iterate(state, *key, after=after), limit, show, lambda _, last: as_cursor(last))


class OrderedSet(_Ordered[I]):
    """Sets of items in order, one for each key.

    Args:
        path, parts: as of a table.
        item: the type of the items: what may be stored and compares (int, str, bytes, tuples of these).
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
        super().__init__(path, parts, Tree(path, item, page_items=page_items), words)

    def add(self, state: Writable, *key: Any, item: I) -> bool:
        """Put an item into the set; False where it is there already.

        Raises:
            Refused: LIMIT_EXCEEDED, the item is not within its declared bounds.
        """
        own = self.keys.key(key)
        root = self._root(state, own)
        after = self.tree.add(state, own, root, item)
        if after is None:
            return False
        self._put_root(state, own, root, after)
        return True

    def discard(self, state: Writable, *key: Any, item: I) -> bool:
        """Take an item out of the set; False where it is not there."""
        own = self.keys.key(key)
        root = self._root(state, own)
        after = self.tree.remove(state, own, root, item)
        if after is None:
            return False
        self._put_root(state, own, root, after)
        return True

    def discard_all(self, state: Writable, items: Sequence[I], *key: Any) -> None:
        """Take items that are there, ascending, out of the set; one write per page that is touched."""
        if items:
            own = self.keys.key(key)
            root = self._root(state, own)
            self._put_root(state, own, root, self.tree.change(state, own, root, [(item, GONE) for item in items]))


class OrderedMap(_Ordered[I], Generic[I, V]):
    """Maps from items to values, in the order of the items, one for each key; arguments as of `OrderedSet`."""

    def __init__(
        self,
        path: str,
        parts: Sequence[tuple[str, Part]],
        item: Any,
        value: Any,
        words: str = "",
        *,
        page_items: int | None = None,
    ) -> None:
        super().__init__(path, parts, Tree(path, item, value, page_items=page_items), words)

    def get(self, state: Readable, *key: Any, item: I) -> V | None:
        """Return the item's value, or None."""
        own = self.keys.key(key)
        found = self.tree.find(state, own, self._root(state, own), item)
        return None if found is GONE else found

    def entries(self, state: Readable, *key: Any, start: I | None = None) -> Iterator[tuple[I, V]]:
        """Yield (item, value) in order, from `start` on; nothing must change meanwhile."""
        return self._entries(state, key, start)

    def put(self, state: Writable, value: V, *key: Any, item: I) -> None:
        """Set an item's value.

        Raises:
            Refused: LIMIT_EXCEEDED, item or value is not within its declared bounds.
        """
        own = self.keys.key(key)
        root = self._root(state, own)
        self._put_root(state, own, root, self.tree.put(state, own, root, item, value))

    def change(
        self,
        state: Writable,
        changes: Sequence[tuple[I, V | None]],
        *key: Any,
        combine: Callable[[V, V], V | None] | None = None,
    ) -> None:
        """Give items that are there other values, or None to remove them; one write per page that is touched.

        Args:
            changes: by item, ascending.
            combine: makes the new value, or None, of the old one and what stands in `changes`.
        """
        own = self.keys.key(key)
        root = self._root(state, own)

        def combined(old: V, change: V) -> Any:
            value = change if combine is None else combine(old, change)
            return GONE if value is None else value

        self._put_root(state, own, root, self.tree.change(state, own, root, changes, combined))
