"""RocksDB by rocksdict, as an engine of the store, for Pythons without plyvel.

RocksDB compares the checksum of each block that it reads. Its log is read so that a torn end is cut off, as a kill
or a power cut leaves it, and that a wrong checksum before refuses the database; its default would drop everything
from there on, which loses blocks that were synced.

Three things of rocksdict 0.3 are not used, because they are wrong:
    Rdict.items     ends without an error where RocksDB's iterator met one; `Rdict.iter` tells by `status`.
    Rdict.snapshot  its iterators read what is written after it. An iterator of `Rdict.iter` reads one moment.
    lower bounds    `set_iterate_lower_bound` sets the upper one.
It holds Python's lock while it reads and writes, also while the disk syncs; it gives it away while it compacts.
What goes wrong in a compaction is told by the next write.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

import rocksdict

from node.store.engine import EngineBatch, EngineDamaged, EngineError, Entries, Keys
from node.store.refused_log import refused_log

_log = logging.getLogger(__name__)

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
        self._closed = False
        self._offered: WeakSet[Generator[tuple[bytes, bytes]]] = WeakSet()
        self.get: Callable[[bytes], bytes | None] = database.get
        self.put: Callable[[bytes, bytes], None] = database.put
        self._synced = rocksdict.WriteOptions()
        self._synced.sync = True
        self._unsynced = rocksdict.WriteOptions()

    def iterator(
        self, *, start: bytes, stop: bytes, reverse: bool = False, include_start: bool = True, once: bool = False
    ) -> AbstractContextManager[Entries]:
        """See `Engine.iterator`."""
        options = rocksdict.ReadOptions()
        options.fill_cache(not once)
        options.set_iterate_upper_bound(stop)
        iterator = self._database.iter(options)
        first = start if include_start else start + b"\0"
        if reverse:
            iterator.seek_to_last()
            return self._offer(_down_to(_entries(iterator, iterator.prev), first))
        iterator.seek(first)
        return self._offer(_entries(iterator, iterator.next))

    def snapshot(self) -> AbstractContextManager[Entries]:
        """See `Engine.snapshot`."""
        options = rocksdict.ReadOptions()
        options.fill_cache(False)
        iterator = self._database.iter(options)
        iterator.seek_to_first()
        return self._offer(_entries(iterator, iterator.next))

    @contextmanager
    def _offer(self, entries: Generator[tuple[bytes, bytes]]) -> Iterator[Entries]:
        """Offer entries until the database is closed, which ends them."""
        self._offered.add(entries)
        try:
            yield entries
        finally:
            entries.close()
        if self._closed:
            raise rocksdict.DbClosedError("the database was closed while it was read")

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
        """See `Engine.close`.

        RocksDB first writes its memory table. Where the disk refuses that, its log has what was in it.
        """
        if self._closed:
            return
        self._closed = True
        for entries in list(self._offered):
            entries.close()
        try:
            self._database.close()
        except Exception as error:
            _log.warning("RocksDB left its last entries in its log when it was closed: %s", self.explain(error))


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


def _entries(iterator: Any, step: Callable[[], None]) -> Generator[tuple[bytes, bytes]]:
    """Yield what an iterator stands on and comes to; raise its error, where it ends for one.

    RocksDB stays open, and its folder locked, as long as there is an iterator. So none is left in a traceback.
    """
    valid, key, value = iterator.valid, iterator.key, iterator.value
    try:
        while valid():
            yield key(), value()
            step()
        iterator.status()
    finally:
        del iterator, step, valid, key, value


def _down_to(entries: Generator[tuple[bytes, bytes]], floor: bytes) -> Generator[tuple[bytes, bytes]]:
    """Yield entries that come backwards, as long as their keys are not below `floor`."""
    try:
        for entry in entries:
            if entry[0] < floor:
                return
            yield entry
    finally:
        entries.close()


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
    if type(error) is not Exception and not isinstance(error, (rocksdict.DbClosedError, OSError)):
        raise error
    text = str(error)
    if not text.startswith("Corruption"):
        return EngineError(text)
    named = sorted(set(re.findall(re.escape(str(path)) + r"/[\w.-]+", text)))
    return EngineDamaged(text, named or [str(path)])
