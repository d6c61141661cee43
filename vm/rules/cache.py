"""Checked rules that are kept, bounded by the bytes of their sources, which make the size of a compiled rule."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

MAX_CACHED_BYTES: Final = 256 * 1024
"""Of sources: 2,600 rules of 100 bytes, some 35 MB. The worst sources take 600 bytes for each of theirs: 160 MB."""

Kept = TypeVar("Kept")


class SourceCache(Generic[Kept]):
    """What was made of sources, the least recently used first to go. It changes times, never results."""

    def __init__(self, max_bytes: int = MAX_CACHED_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[Hashable, tuple[int, Kept]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> Kept | None:
        """Return what is kept under a key."""
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, key: Hashable, size: int, kept: Kept) -> None:
        """Keep something new that was made of `size` bytes."""
        self._kept[key] = size, kept
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._bytes -= self._kept.popitem(last=False)[1][0]

    def clear(self) -> None:
        """Forget everything, for measurements."""
        self._kept.clear()
        self._bytes = 0
