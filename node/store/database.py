"""An engine as the store uses it: one owner process, atomic synced batches, our own error type.

An engine writes a batch to its log as one record, so after a crash either all of it is there or nothing
(a torn record fails its checksum and is dropped).

A node that catches up would wait for the disk once per block. So its batches may be *held*: they go to one batch of
the engine, which is written and synced as a whole, and reads see them meanwhile. Unsynced writes would not do:
LevelDB does not sync an old log when it begins a new one, so an older write could be lost while a later one stays.

Invariants:
    1. What a held batch says is in every read from `write` on, and on the disk after `flush`, whole or not at all.
    2. What is held is written before any scan, snapshot and other write, and by `close`.
    3. Nothing is read whose checksum is wrong: opening refuses a damaged log, each read compares the checksum of
       the block that it takes from the disk. Both engines have to be told so (node/store/engine.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from node.store.engine import Engine, EngineDamaged, EngineError, Keys, OpenEngine, WrongEngine
from node.store.engines import open_engine
from node.store.errors import OtherEngine, StoreCorrupt, StoreFailure

RESTORE_CACHE_BYTES: Final = 8 << 20
RESTORE_BUFFER_BYTES: Final = 32 << 20
FEW_FILES: Final = 80
"""What a database may open that is not the node's store (node.runtime.descriptors); LevelDB takes 74 at least."""


class Batch(Protocol):
    """Puts and deletes that are written together or not at all."""

    def put(self, key: bytes, value: bytes, /) -> None:
        """Set a key when the batch is written."""
        ...

    def delete(self, key: bytes, /) -> None:
        """Delete a key when the batch is written."""
        ...


HELD_BYTES: Final = 4 << 20
"""Held batches are written when they are as large as one full block's."""

_ABSENT: Final = object()


class HeldBatch:
    """A batch that becomes a part of a greater one."""

    def __init__(self) -> None:
        self.changes: dict[bytes, bytes | None] = {}

    def put(self, key: bytes, value: bytes, /) -> None:
        self.changes[key] = value

    def delete(self, key: bytes, /) -> None:
        self.changes[key] = None


class Database:
    """One open database.

    Args:
        engine: opens what it is kept in.

    Raises:
        StoreCorrupt: a checksum is wrong, or a file is missing; the message names the file.
        OtherEngine: another engine wrote it, and is not to open it, or cannot.
        StoreFailure: the database is in use, or the disk refuses.
    """

    def __init__(
        self,
        path: str,
        block_cache_bytes: int,
        write_buffer_bytes: int,
        create: bool = True,
        max_open_files: int = FEW_FILES,
        engine: OpenEngine = open_engine,
    ) -> None:
        try:
            self._engine: Engine = engine(
                path,
                create=create,
                block_cache_bytes=block_cache_bytes,
                write_buffer_bytes=write_buffer_bytes,
                max_open_files=max_open_files,
            )
        except EngineDamaged as error:
            raise _corrupt(error) from error
        except WrongEngine as error:
            raise OtherEngine(str(error)) from error
        except (EngineError, OSError) as error:
            raise StoreFailure(
                f"cannot open the database at {path}: {error} (is another process using it? If a node runs, "
                "stop the node first)"
            ) from error
        self._get = self._engine.get
        self._faults = self._engine.faults
        self._on_damage: Callable[[StoreCorrupt], None] | None = None
        self._failure: str | None = None
        self._holding = False
        self._held: dict[bytes, bytes | None] = {}
        self._held_bytes = 0

    def get(self, key: bytes) -> bytes | None:
        """Return a value, or None."""
        if self._held:
            held: Any = self._held.get(key, _ABSENT)
            if held is not _ABSENT:
                return held  # type: ignore[no-any-return]
        try:
            value: bytes | None = self._get(key)
        except self._faults as error:
            raise self._fault("cannot read from the database", error, (key, key)) from error
        return value

    def scan(self, start: bytes, stop: bytes, once: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Return the entries with start ≤ key < stop, in order.

        Args:
            once: what is read for a stranger, and soon not again, does not take the place of what is in use here.
        """
        self._write_held()
        at = start
        try:
            with self._engine.iterator(start=start, stop=stop, once=once) as iterator:
                for key, value in iterator:
                    yield key, value
                    at = key
        except self._faults as error:
            raise self._fault("cannot read from the database", error, (at, stop)) from error

    def last(self, start: bytes, stop: bytes) -> tuple[bytes, bytes] | None:
        """Return the last entry with start < key < stop, None where there is none.

        Not from `start` itself on: read backwards, plyvel 1.5 shows nothing where the only entry is at `start`.
        """
        self._write_held()
        try:
            with self._engine.iterator(start=start, stop=stop, reverse=True, include_start=False) as iterator:
                found: tuple[bytes, bytes] | None = next(iterator, None)
        except self._faults as error:
            raise self._fault("cannot read from the database", error, (start, stop)) from error
        return found

    @contextmanager
    def snapshot(self) -> Iterator[Iterator[tuple[bytes, bytes]]]:
        """Offer all entries in order, as they are now, unaffected by later writes."""
        self._write_held()
        try:
            with self._engine.snapshot() as entries:
                yield entries
        except self._faults as error:
            raise self._fault("cannot read from the database", error) from error

    def batch(self) -> Batch:
        """Return an empty batch."""
        if self._holding:
            return HeldBatch()
        batch: Batch = self._engine.batch(sync=True)
        return batch

    def hold(self) -> None:
        """From now on let batches wait for `flush`, which the caller owes."""
        self._holding = True

    def flush(self) -> None:
        """Write what is held, and wait until it is on the disk; then nothing is held any more."""
        self._holding = False
        self._write_held()

    def _write_held(self) -> None:
        if not self._held:
            return
        batch = self._engine.batch(sync=True)
        for key, value in self._held.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        self._write(batch)
        self._held = {}
        self._held_bytes = 0

    def write(self, batch: Any) -> None:
        """Write a batch and wait until it is on the disk, or hold it."""
        if isinstance(batch, HeldBatch):
            self._check_writable()
            self._held.update(batch.changes)
            self._held_bytes += sum(len(key) + len(value or b"") for key, value in batch.changes.items())
            if self._held_bytes >= HELD_BYTES or not self._holding:
                self._write_held()
            return
        self._write_held()
        self._write(batch)

    def _write(self, batch: Any) -> None:
        self._check_writable()
        try:
            batch.write()
        except self._faults as error:
            self._failure = str(error)
            raise self._fault("cannot write to the database, nothing was written", error) from error

    def _check_writable(self) -> None:
        # After a failed write the engine's log may end in half a record. A new start cuts that off; written
        # on, it would take the records behind it along.
        if self._failure is not None:
            raise StoreFailure(f"the database takes nothing until a new start, as a write failed: {self._failure}")

    def unsynced_batch(self) -> Batch:
        """Return an empty batch that may be lost, whole, in a crash of the machine."""
        if self._holding:
            return HeldBatch()
        batch: Batch = self._engine.batch(sync=False)
        return batch

    def compact(self, start: bytes, stop: bytes) -> None:
        """Rewrite the tables of a range without what was deleted; other threads may go on meanwhile."""
        try:
            self._engine.compact(start, stop)
        except self._faults as error:
            raise self._fault("cannot compact the database", error) from error

    def put_unsynced(self, key: bytes, value: bytes) -> None:
        """Set one key that may be lost in a crash of the machine."""
        self._write_held()
        self._check_writable()
        try:
            self._engine.put(key, value)
        except self._faults as error:
            self._failure = str(error)
            raise self._fault("cannot write to the database", error) from error

    def watch(self, on_damage: Callable[[StoreCorrupt], None]) -> None:
        """Call `on_damage`, on any thread, when any reader meets a wrong checksum."""
        self._on_damage = on_damage

    def _fault(self, what: str, error: Exception, keys: Keys | None = None) -> StoreCorrupt | StoreFailure:
        """Return our error for one of the engine's; tell who watches of damage.

        Args:
            keys: the first and the last of what was still to be read; they tell in which files the damage can be.
        """
        explained = self._engine.explain(error, keys)
        if not isinstance(explained, EngineDamaged):
            return StoreFailure(f"{what}: {explained}")
        corrupt = _corrupt(explained)
        if self._on_damage is not None:
            self._on_damage(corrupt)
        return corrupt

    def close(self) -> None:
        """Close the database; everything else fails afterwards."""
        try:
            if self._failure is None:
                self.flush()
        finally:
            self._engine.close()


def _corrupt(damage: EngineDamaged) -> StoreCorrupt:
    return StoreCorrupt(f"{' or '.join(damage.files)} is damaged: {damage}")


def write_database(
    path: Path, chunks: Iterable[Iterable[tuple[bytes, bytes]]], engine: OpenEngine = open_engine
) -> None:
    """Make a new database of these entries; on the disk when it returns.

    Raises:
        StoreFailure: it exists already, or the disk refuses.
    """
    path.mkdir(parents=True)
    database = Database(str(path), RESTORE_CACHE_BYTES, RESTORE_BUFFER_BYTES, engine=engine)
    try:
        for chunk in chunks:
            batch = database.unsynced_batch()
            for key, value in chunk:
                batch.put(key, value)
            database.write(batch)
        database.write(database.batch())  # a synced batch takes along what was written before
    finally:
        database.close()
