"""A least-recently-used cache bounded by bytes.

Invariant: after each `put` the sizes of all entries add up to at most the limit (one entry that is larger
than the limit is not kept).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """A cache of entries that have a size."""

    def __init__(self, limit_bytes: int, size_of: Callable[[V], int]) -> None:
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
        while self.bytes_held > self._limit_bytes:
            self.bytes_held -= size_of(entries.popitem(last=False)[1])
