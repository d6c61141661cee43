"""The key-value engine below the store, as `node.store.database` uses it.

    engine.py     what an engine offers, and its errors
    leveldb.py    LevelDB, by plyvel
    rocksdb.py    RocksDB, by rocksdict
    engines.py    which of them opens a folder

`docs/decisions/store-engine.md` says why there are two. The simulator of whole nodes has a third, in memory, which
has no checksums.

The calls that a block makes by the thousand (`get`, and `put` and `delete` of a batch) are the library's own, so
that they pass through no other layer. They therefore raise what the library raises, one of `Engine.faults`, and
`Engine.explain` makes one of our errors of it, where there is time.

Invariants that every engine keeps:
    1. A batch is written whole or not at all, also over a crash.
    2. Once a synced batch is written, it and the batches before it in the same log survive a power cut.
    3. No read returns bytes whose checksum is wrong, and no iterator ends before its last entry without an error.
    4. A database whose log has a wrong checksum before its torn end is not opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

Entries = Iterator[tuple[bytes, bytes]]

Keys = tuple[bytes, bytes]
"""The first and the last key of what was still to be read."""


class EngineError(Exception):
    """The engine, or the disk below it, refuses."""


class EngineDamaged(EngineError):
    """A checksum is wrong, or a file is missing.

    Attributes:
        files: where the damage can be; the database's folder where the engine cannot tell.
    """

    def __init__(self, message: str, files: Sequence[str]) -> None:
        super().__init__(message)
        self.files = tuple(files)


class WrongEngine(EngineError):
    """The folder was written by an engine that is not to open it, or cannot; the message says what to do."""


class EngineBatch(Protocol):
    """Puts and deletes that are written together."""

    @property
    def put(self) -> Callable[[bytes, bytes], None]:
        """Set a key when the batch is written."""
        ...

    @property
    def delete(self) -> Callable[[bytes], None]:
        """Delete a key when the batch is written."""
        ...

    def write(self) -> None:
        """Write the batch."""
        ...


class Engine(Protocol):
    """One open database."""

    @property
    def faults(self) -> tuple[type[Exception], ...]:
        """What the calls raise where the engine refuses; the caller hands it to `explain`."""
        ...

    @property
    def get(self) -> Callable[[bytes], bytes | None]:
        """Return a value whose checksum is right, or None."""
        ...

    @property
    def put(self) -> Callable[[bytes, bytes], None]:
        """Set a key, without waiting for the disk."""
        ...

    def iterator(
        self, *, start: bytes, stop: bytes, reverse: bool = False, include_start: bool = True, once: bool = False
    ) -> AbstractContextManager[Entries]:
        """Offer the entries with start ≤ key < stop in order, or backwards.

        Args:
            once: what is read does not take the place of what is in use, where the engine can help it.
        """
        ...

    def snapshot(self) -> AbstractContextManager[Entries]:
        """Offer all entries in order, as they are now, whatever is written meanwhile."""
        ...

    def batch(self, *, sync: bool) -> EngineBatch:
        """Return an empty batch; if `sync`, writing it waits for the disk."""
        ...

    def compact(self, start: bytes, stop: bytes) -> None:
        """Give back the space of what was deleted in a range; another thread may call it."""
        ...

    def explain(self, error: Exception, keys: Keys | None = None) -> EngineError:
        """Return our error for one of `faults`, which a call raised.

        Args:
            keys: what was still to be read; they tell in which files the damage can be.

        Raises:
            Exception: the error itself, where it is none of the engine's.
        """
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

        Raises:
            EngineError: it cannot be opened.
        """
        ...
