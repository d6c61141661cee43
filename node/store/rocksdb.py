"""RocksDB by rocksdict, as an engine of the store, for Pythons without plyvel.

RocksDB compares the checksum of each block that it reads. Its log is read so that a torn end is cut off, as a kill
or a power cut leaves it, and that a wrong checksum before refuses the database; its default would drop everything
from there on, which loses blocks that were synced.

Three things of rocksdict 0.3 are not used, because they are wrong:
    Rdict.items     ends without an error where RocksDB's iterator met one; `Rdict.iter` tells by `status`.
    Rdict.snapshot  its iterators read what is written after it. An iterator of `Rdict.iter` reads one moment.
    lower bounds    `set_iterate_lower_bound` sets the upper one.
It holds Python's lock while it reads and writes, as `fdatasync` takes its time; it gives it away while it compacts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from re import findall
from typing import Any, Final

import rocksdict

from node.store.engine import EngineBatch, EngineDamaged, EngineError, Entries, Keys
from node.store.refused_log import refused_log

TABLE_BYTES: Final = 16 << 20
"""As LevelDB's, and for the same reason."""

BLOOM_BITS: Final = 10
LOG_FILES: Final = 2
"""RocksDB's own notes, which nobody reads unless something is wrong: the present ones and those before."""
LOG_FILE_BYTES: Final = 1 << 20
MANIFEST_BYTES: Final = 64 << 10
"""Taken from the disk in advance; RocksDB's 4 MiB would be more than a small chain has."""


class RocksDb:
    """One open RocksDB: see `node.store.engine.Engine`."""

    faults: tuple[type[Exception], ...] = (Exception,)
    """rocksdict raises Exception itself; `explain` lets everything else pass."""

    def __init__(self, database: Any, path: Path) -> None:
        self._database = database
        self._path = path
        self.get: Callable[[bytes], bytes | None] = database.get
        self.put: Callable[[bytes, bytes], None] = database.put
        self._synced = rocksdict.WriteOptions()
        self._synced.sync = True
        self._unsynced = rocksdict.WriteOptions()

    @contextmanager
    def iterator(
        self, *, start: bytes, stop: bytes, reverse: bool = False, include_start: bool = True, once: bool = False
    ) -> Iterator[Entries]:
        """See `Engine.iterator`."""
        options = rocksdict.ReadOptions()
        options.fill_cache(not once)
        options.set_iterate_upper_bound(stop)
        iterator = self._database.iter(options)
        if reverse:
            iterator.seek_to_last()
            entries = _entries(iterator, iterator.prev)
            floor = start if include_start else start + b"\0"
            entries = _down_to(entries, floor)
        else:
            iterator.seek(start if include_start else start + b"\0")
            entries = _entries(iterator, iterator.next)
        try:
            yield entries
        finally:
            entries.close()

    @contextmanager
    def snapshot(self) -> Iterator[Entries]:
        """See `Engine.snapshot`."""
        options = rocksdict.ReadOptions()
        options.fill_cache(False)
        iterator = self._database.iter(options)
        iterator.seek_to_first()
        entries = _entries(iterator, iterator.next)
        del iterator  # the entries alone hold it; while it lives, the database is not closed
        try:
            yield entries
        finally:
            entries.close()

    def batch(self, *, sync: bool) -> EngineBatch:
        """See `Engine.batch`."""
        return _Batch(self._database.write, self._synced if sync else self._unsynced)

    def compact(self, start: bytes, stop: bytes) -> None:
        """See `Engine.compact`."""
        options = rocksdict.CompactOptions()
        options.set_exclusive_manual_compaction(False)  # blocks that come meanwhile are compacted as well
        self._database.compact_range(start, stop, options)

    def explain(self, error: Exception, keys: Keys | None = None) -> EngineError:
        """See `Engine.explain`."""
        return _explained(error, self._path)

    def close(self) -> None:
        """See `Engine.close`."""
        self._database.close()


class _Batch:
    """See `node.store.engine.EngineBatch`."""

    __slots__ = ("_batch", "_options", "_write", "delete", "put")

    def __init__(self, write: Callable[[Any, Any], None], options: Any) -> None:
        self._batch = rocksdict.WriteBatch(raw_mode=True)
        self._write = write
        self._options = options
        self.put: Callable[[bytes, bytes], None] = self._batch.put
        self.delete: Callable[[bytes], None] = self._batch.delete

    def write(self) -> None:
        self._write(self._batch, self._options)


def _entries(iterator: Any, step: Callable[[], None]) -> Any:
    """Yield what an iterator stands on and comes to; its error, where it ends for one."""
    valid, key, value = iterator.valid, iterator.key, iterator.value
    while valid():
        yield key(), value()
        step()
    iterator.status()


def _down_to(entries: Any, floor: bytes) -> Any:
    """Yield entries that come backwards, as long as their keys are not below `floor`."""
    for entry in entries:
        if entry[0] < floor:
            return
        yield entry


def open_rocksdb(
    path: str,
    *,
    create: bool,
    block_cache_bytes: int,
    write_buffer_bytes: int,
    max_open_files: int,
    lenient: bool = False,
) -> RocksDb:
    """Open a RocksDB; see `OpenEngine`.

    Args:
        lenient: leave out what is damaged of the log; only a copy of what was refused is opened so.
    """
    options = _options(create, block_cache_bytes, write_buffer_bytes, max_open_files, lenient)
    try:
        # With the column family named, rocksdict does not take its options from a file in the folder.
        database = rocksdict.Rdict(path, options, {"default": options})
    except Exception as error:
        refused = _explained(error, Path(path))
        if isinstance(refused, EngineDamaged) and refused.files == (path,):
            refused = EngineDamaged(str(refused), [str(refused_log(Path(path)))])
        raise refused from error
    return RocksDb(database, Path(path))


def _options(create: bool, cache_bytes: int, buffer_bytes: int, max_open_files: int, lenient: bool) -> Any:
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(create)
    options.set_paranoid_checks(True)
    mode = rocksdict.DBRecoveryMode
    options.set_wal_recovery_mode(
        mode.skip_any_corrupted_record() if lenient else mode.tolerate_corrupted_tail_records()
    )
    tables = rocksdict.BlockBasedOptions()
    tables.set_block_cache(rocksdict.Cache(cache_bytes))
    tables.set_bloom_filter(BLOOM_BITS, False)
    options.set_block_based_table_factory(tables)
    options.set_compression_type(rocksdict.DBCompressionType.none())
    options.set_write_buffer_size(buffer_bytes)
    options.set_target_file_size_base(TABLE_BYTES)
    options.set_max_open_files(max_open_files)
    options.set_stats_dump_period_sec(0)
    options.set_keep_log_file_num(LOG_FILES)
    options.set_max_log_file_size(LOG_FILE_BYTES)
    options.set_manifest_preallocation_size(MANIFEST_BYTES)
    return options


def _explained(error: Exception, path: Path) -> EngineError:
    """Return our error for one that rocksdict raised, which begins with the name of RocksDB's status."""
    if isinstance(error, EngineError):
        return error
    if type(error) is not Exception and not isinstance(error, rocksdict.DbClosedError):
        raise error
    text = str(error)
    if not text.startswith("Corruption"):
        return EngineError(text)
    named = sorted(set(findall(rf"{path}/[\w.-]+", text)))
    return EngineDamaged(text, named or [str(path)])
