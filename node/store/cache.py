"""A bounded cache that costs a hit nothing but a dict lookup.

Two generations: entries are put into the young one; when that is full it becomes the old one, and what was
in the old one is dropped. A hit in the old generation moves to the young one, so what is in use stays,
which comes close to least-recently-used without any bookkeeping on a hit.

Invariant: the bytes of all entries never exceed the limit by more than one entry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class GenerationalCache(Generic[K, V]):
    """A cache of entries with a size; a hot path may read `young`, but not change it."""

    def __init__(self, limit_bytes: int, size_of: Callable[[V], int]) -> None:
        self._half = max(limit_bytes // 2, 1)
        self._size_of = size_of
        self._young_bytes = 0
        self._old: dict[K, V] = {}
        self.young: dict[K, V] = {}

    def __len__(self) -> int:
        """Return the number of entries, of which a few may be counted twice."""
        return len(self.young) + len(self._old)

    def get(self, key: K) -> V | None:
        """Return the entry, or None."""
        entry = self.young.get(key)
        if entry is None:
            entry = self._old.pop(key, None)
            if entry is not None:
                self.put(key, entry)
        return entry

    def put(self, key: K, entry: V) -> None:
        """Set an entry."""
        if self._young_bytes >= self._half:
            self._old, self.young, self._young_bytes = self.young, {}, 0
        # An overwritten entry is counted again: the cache turns a little earlier than it must.
        self._young_bytes += self._size_of(entry)
        self.young[key] = entry

    def clear(self) -> None:
        """Drop everything."""
        self._old, self.young, self._young_bytes = {}, {}, 0
