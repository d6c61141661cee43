"""Sequences: per key, items in the order in which they were appended.

    <path>/<key>        how many items there are; nothing of an empty sequence
    <path>/<key>/<n>    the n-th item, from 0 on

Appending writes two keys however long the sequence is, and a page reads only what it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Sequence as _Sequence
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta

from vm.arguments.rules import refuse
from vm.errors import InvariantBroken
from vm.primitives.units import MAX_INT
from vm.tables.page import Page, as_it_is, paged
from vm.tables.parts import Part
from vm.tables.stored import Readable, Stored, Writable
from vm.tables.table import Keys

I = TypeVar("I")  # noqa: E741 (an item)

_MAX_CURSOR = 15


class Sequence(Generic[I]):
    """Items in order, one sequence for each key; arguments as of `Table`."""

    def __init__(self, path: str, parts: _Sequence[tuple[str, Part]], item: type[I] | Any, words: str = "") -> None:
        self.keys = Keys(path, parts)
        self.stored: Stored[I] = Stored(item, path)
        self.count: Stored[int] = Stored(Annotated[int, Meta(ge=0, le=MAX_INT)], path)
        self.words = words

    def length(self, state: Readable, *key: Any) -> int:
        """Return how many items there are."""
        found = state.cell(self.keys.key(key), self.count)
        return 0 if found is None else found[0]

    def at(self, state: Readable, *key: Any, place: int) -> I:
        """Return the item at a place below the length."""
        return self._at(state, self.keys.key(key), place)

    def _at(self, state: Readable, own: str, place: int) -> I:
        found = state.cell(f"{own}/{place}", self.stored)
        if found is None:
            raise InvariantBroken(f"the sequence {own} has no item {place}")
        return found[0]

    def append(self, state: Writable, item: I, *key: Any) -> int:
        """Put an item at the end; return its place."""
        own = self.keys.key(key)
        count = self.length(state, *key)
        state.put_cell(f"{own}/{count}", self.stored, item)
        state.put_cell(own, self.count, count + 1)
        return count

    def replace_last(self, state: Writable, item: I, *key: Any) -> None:
        """Put another item in the place of the last one."""
        own = self.keys.key(key)
        state.put_cell(f"{own}/{self.length(state, *key) - 1}", self.stored, item)

    def drop_last(self, state: Writable, *key: Any) -> None:
        """Remove the last item."""
        own = self.keys.key(key)
        place = self.length(state, *key) - 1
        state.drop(f"{own}/{place}")
        if place:
            state.put_cell(own, self.count, place)
        else:
            state.drop(own)

    def iterate(self, state: Readable, *key: Any, start: int = 0) -> Iterator[I]:
        """Yield the items from a place on."""
        own = self.keys.key(key)
        for place in range(start, self.length(state, *key)):
            yield self._at(state, own, place)

    def page(
        self, state: Readable, *key: Any, cursor: str | None, limit: int, show: Callable[[I], Any] = as_it_is
    ) -> Page[Any]:
        """Return the items behind those that an earlier page has shown; see `paged`.

        Raises:
            Refused: INVALID_ARGS, the cursor is not one of ours.
        """
        start = 0 if cursor is None else _place_of(cursor)
        return paged(self.iterate(state, *key, start=start), limit, show, lambda count, _: str(start + count))


def _place_of(cursor: str) -> int:
    """Return the place at which a page begins.

    Raises:
        Refused: INVALID_ARGS, the cursor is not one of ours.
    """
    if (
        len(cursor) > _MAX_CURSOR
        or not (cursor.isascii() and cursor.isdigit())
        or (cursor[0] == "0" and cursor != "0")
    ):
        refuse("cursor", "a cursor that an earlier page has answered")
    return int(cursor)
