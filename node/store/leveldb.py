"""LevelDB by plyvel, as an engine of the store.

LevelDB compares no checksum unless it is told to: it drops a damaged record of its log, which loses blocks that
were synced, and gives out a damaged table's bytes. So it is opened with paranoid checks, and each read compares the
checksum of the block that it takes from the disk.

LevelDB's errors name no file. Its list of tables tells in which of them a key can be; nothing is decided from that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import plyvel

from node.store.engine import EngineBatch, EngineDamaged, EngineError, Entries, Keys
from node.store.refused_log import refused_log

TABLE_BYTES: Final = 16 << 20
"""Size of LevelDB's tables. With its default of 2 MiB a chain of 50 million purchases has some 6,700 of them, more
than are kept open, and a purchase took 55 µs more (docs/decisions/once-records.md, Cost).
"""

_TABLE: Final = re.compile(rb"^ (\d+):\d+\['(.*)' @ \d+ : \d+ \.\. '(.*)' @ \d+ : \d+\]$", re.DOTALL)
_ESCAPED: Final = re.compile(rb"\\x([0-9a-f]{2})")


class LevelDb:
    """One open LevelDB: see `node.store.engine.Engine`."""

    faults: tuple[type[Exception], ...] = (plyvel.Error, OSError, RuntimeError)
    """RuntimeError once the database is closed."""

    def __init__(self, database: Any, path: Path) -> None:
        self._database = database
        self._path = path
        self.get: Callable[[bytes], bytes | None] = partial(database.get, verify_checksums=True)
        self.put: Callable[[bytes, bytes], None] = database.put
        self._iterator = partial(database.iterator, verify_checksums=True)

    def iterator(
        self, *, start: bytes, stop: bytes, reverse: bool = False, include_start: bool = True, once: bool = False
    ) -> AbstractContextManager[Entries]:
        """See `Engine.iterator`."""
        found: AbstractContextManager[Entries] = self._iterator(
            start=start, stop=stop, reverse=reverse, include_start=include_start, fill_cache=not once
        )
        return found

    @contextmanager
    def snapshot(self) -> Iterator[Entries]:
        """See `Engine.snapshot`."""
        with (
            self._database.snapshot() as snapshot,
            snapshot.iterator(fill_cache=False, verify_checksums=True) as iterator,
        ):
            yield iterator

    def batch(self, *, sync: bool) -> EngineBatch:
        """See `Engine.batch`."""
        batch: EngineBatch = self._database.write_batch(sync=sync)
        return batch

    def compact(self, start: bytes, stop: bytes) -> None:
        """See `Engine.compact`."""
        self._database.compact_range(start=start, stop=stop)

    def explain(self, error: Exception, keys: Keys | None = None) -> EngineError:
        """See `Engine.explain`."""
        if not isinstance(error, plyvel.CorruptionError):
            return EngineError(_text(error))
        listing = b"" if keys is None else self._database.get_property(b"leveldb.sstables") or b""
        files = tables_at(listing, *keys) if keys is not None else []
        return EngineDamaged(_text(error), [str(self._path / name) for name in files] or [str(self._path)])

    def close(self) -> None:
        """See `Engine.close`."""
        self._database.close()


def open_leveldb(
    path: str,
    *,
    create: bool,
    block_cache_bytes: int,
    write_buffer_bytes: int,
    max_open_files: int,
    lenient: bool = False,
) -> LevelDb:
    """Open a LevelDB; see `OpenEngine`. The folder above it must exist.

    Args:
        lenient: leave out what is damaged of the log; only a copy of what was refused is opened so.
    """
    try:
        database = plyvel.DB(
            path,
            create_if_missing=create,
            paranoid_checks=not lenient,
            compression=None,
            bloom_filter_bits=10,
            lru_cache_size=block_cache_bytes,
            write_buffer_size=write_buffer_bytes,
            max_open_files=max_open_files,
            max_file_size=TABLE_BYTES,
        )
    except plyvel.CorruptionError as error:
        raise EngineDamaged(_text(error), [str(refused_log(Path(path)))]) from error
    except (plyvel.Error, OSError) as error:
        raise EngineError(_text(error)) from error
    return LevelDb(database, Path(path))


def _text(error: Exception) -> str:
    """Return LevelDB's message, which plyvel hands on as bytes."""
    told = error.args[0] if isinstance(error, plyvel.Error) and error.args else error
    return told.decode(errors="replace") if isinstance(told, bytes) else str(told)


def tables_at(listing: bytes, at: bytes, stop: bytes) -> list[str]:
    """Return the names of the tables in which the first keys from `at` up to `stop` can be.

    Args:
        listing: LevelDB's property `leveldb.sstables`, in which the tables of a level above 0 stand in order.
    """
    found: list[str] = []
    is_sorted = has_one = False
    for line in listing.split(b"\n"):
        if line.startswith(b"--- level "):
            is_sorted, has_one = not line.startswith(b"--- level 0 "), False
        match = _TABLE.match(line)
        if match is None or (is_sorted and has_one):
            continue
        if _unescaped(match[2]) <= stop and at <= _unescaped(match[3]):
            found.append(f"{int(match[1]):06d}.ldb")
            has_one = True
    return found


def _unescaped(key: bytes) -> bytes:
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), key)
