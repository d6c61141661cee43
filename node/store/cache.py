"""A least-recently-used cache bounded by bytes.

Invariant: after each `put` the sizes of all entries add up to at most the limit (one entry that is larger
than the limit is not kept).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """A cache of entries that have a size."""

    def __init__(
        self, limit_bytes: int, size_of: Callable[[V], int], on_eviction: Callable[[K, V], None] | None = None
    ) -> None:
        """Make an empty cache.

        Args:
            on_eviction: called with each entry that has to give way.
        """
        self._on_eviction = on_eviction
        self._limit_bytes = limit_bytes
        self._size_of = size_of
        self._entries: OrderedDict[K, V] = OrderedDict()
        self.bytes_held = 0
        self.peek = self._entries.get
        """Returns an entry, or None, without renewing it: for hot paths."""

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return an entry, which thereby becomes the most recently used, or None."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def clear(self) -> None:
        """Forget all entries."""
        self._entries.clear()
        self.bytes_held = 0

    def put(self, key: K, entry: V) -> None:
        """Set an entry, which thereby becomes the most recently used."""
        entries, size_of = self._entries, self._size_of
        known = entries.get(key)
        if known is not None:
            self.bytes_held -= size_of(known)
            entries.move_to_end(key)
        entries[key] = entry
        self.bytes_held += size_of(entry)
        self._shrink()

    def put_all(self, items: Iterable[tuple[K, V]]) -> None:
        """Set entries as `put` does, one after the other: for a block's changes."""
        entries, size_of, renew = self._entries, self._size_of, self._entries.move_to_end
        peek, grown = entries.get, 0
        for key, entry in items:
            known = peek(key)
            if known is not None:
                grown -= size_of(known)
                renew(key)
            entries[key] = entry
            grown += size_of(entry)
        self.bytes_held += grown
        self._shrink()

    def _shrink(self) -> None:
        while self.bytes_held > self._limit_bytes:
            evicted = self._entries.popitem(last=False)
            self.bytes_held -= self._size_of(evicted[1])
            if self._on_eviction is not None:
                self._on_eviction(*evicted)

    def drop(self, key: K) -> None:
        """Take an entry out, if it is there."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes_held -= self._size_of(entry)
