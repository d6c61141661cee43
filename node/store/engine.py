"""The key-value engine below the store, as `node.store.database` uses it, and LevelDB by plyvel as one.

The interface is plyvel's own, so that no call in production passes through another layer. An engine raises
`plyvel.Error`, OSError or RuntimeError where it refuses, and `plyvel.CorruptionError` for a wrong checksum where it
was asked to verify. The simulator of whole nodes has an engine in memory, which has no checksums.

Invariants that every engine keeps:
    1. A batch is written whole or not at all, also over a crash.
    2. Once a synced batch is written, it and the batches before it in the same log survive a power cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Final, Protocol, cast

import plyvel

Entries = Iterator[tuple[bytes, bytes]]

TABLE_BYTES: Final = 16 << 20
"""Size of LevelDB's tables. With its default of 2 MiB a chain of 50 million purchases has some 6,700 of them, more
than are kept open, and a purchase took 55 µs more (docs/decisions/once-records.md, Cost).
"""


class EngineBatch(Protocol):
    """Puts and deletes that are written together."""

    def put(self, key: bytes, value: bytes, /) -> None:
        """Set a key when the batch is written."""
        ...

    def delete(self, key: bytes, /) -> None:
        """Delete a key when the batch is written."""
        ...

    def write(self) -> None:
        """Write the batch."""
        ...


class EngineSnapshot(Protocol):
    """All entries of one moment."""

    def iterator(
        self, *, fill_cache: bool = True, verify_checksums: bool = False
    ) -> AbstractContextManager[Entries]:
        """Offer all entries in order."""
        ...


class Engine(Protocol):
    """One open database."""

    def get(self, key: bytes, /, *, verify_checksums: bool = False) -> bytes | None:
        """Return a value, or None."""
        ...

    def put(self, key: bytes, value: bytes, /) -> None:
        """Set a key, without waiting for the disk."""
        ...

    def iterator(
        self,
        *,
        start: bytes,
        stop: bytes,
        reverse: bool = False,
        include_start: bool = True,
        fill_cache: bool = True,
        verify_checksums: bool = False,
    ) -> AbstractContextManager[Entries]:
        """Offer the entries with start ≤ key < stop in order, or backwards."""
        ...

    def snapshot(self) -> AbstractContextManager[EngineSnapshot]:
        """Offer all entries as they are now, whatever is written meanwhile."""
        ...

    def write_batch(self, *, sync: bool) -> EngineBatch:
        """Return an empty batch; if `sync`, writing it waits for the disk."""
        ...

    def compact_range(self, *, start: bytes, stop: bytes) -> None:
        """Give back the space of what was deleted in a range; another thread may call it."""
        ...

    def get_property(self, name: bytes, /) -> bytes | None:
        """Return what the engine tells of itself; `node.store.damage` asks for LevelDB's tables."""
        ...

    def close(self) -> None:
        """Close the database."""
        ...


class OpenEngine(Protocol):
    """Opens the database of a path."""

    def __call__(
        self, path: str, *, create: bool, block_cache_bytes: int, write_buffer_bytes: int, max_open_files: int
    ) -> Engine:
        """Open the database.

        Args:
            create: make one where there is none.
        """
        ...


def open_leveldb(
    path: str,
    *,
    create: bool,
    block_cache_bytes: int,
    write_buffer_bytes: int,
    max_open_files: int,
    paranoid: bool = True,
) -> Engine:
    """Open a LevelDB; see `OpenEngine`. The folder above it must exist.

    Args:
        paranoid: refuse a damaged log; only a copy of what was refused is opened without.
    """
    return cast(
        Engine,
        plyvel.DB(
            path,
            create_if_missing=create,
            paranoid_checks=paranoid,
            compression=None,
            bloom_filter_bits=10,
            lru_cache_size=block_cache_bytes,
            write_buffer_size=write_buffer_bytes,
            max_open_files=max_open_files,
            max_file_size=TABLE_BYTES,
        ),
    )
