"""One process on a simulated machine: its files, its databases, its chance; and its sudden end.

Every operation that reaches the disk counts. At the one that the disk's `crash_in` names the process ends, before
the operation or just after it, by `Killed`; from then on nothing that it does has any effect.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from node.store.engine import EngineError, Entries, Keys

from .disk import Changes, Disk, StoredDatabase, StoredFile
from .loop import Killed


class Process:
    """What a process has of its machine.

    Args:
        stall: lets the process wait.
    """

    def __init__(self, disk: Disk, stall: Callable[[int], None]) -> None:
        self.disk = disk
        self.world = disk.world
        self.alive = True
        self._stall = stall

    def end(self) -> None:
        """No operation has an effect from now on."""
        if self.alive:
            self.alive = False
            self.disk.end_process()

    def entropy(self, size: int) -> bytes:
        """As os.urandom."""
        return self.world.random.randbytes(size)

    @contextmanager
    def operation(self, *, syncs: bool = False, takes_room: bool = False) -> Iterator[None]:
        """Surround what changes the disk.

        Raises:
            Killed: the process ends here.
            OSError: the disk is full.
        """
        dies_after = False
        if self.disk.crash_in is not None:
            self.disk.crash_in -= 1
            if self.disk.crash_in < 0:
                self.disk.crash_in = None
                dies_after = True
                if self.world.below(2):
                    raise Killed
        if takes_room and self.disk.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield
        if dies_after:
            raise Killed
        if syncs and self.disk.slowest_ms:
            self._stall(self.world.below(self.disk.slowest_ms + 1))


class MemoryFiles:
    """The files of a process: a `node.runtime.files.Files`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._disk = process.disk
        self._opened: dict[int, Path | StoredFile] = {}
        self._last = 2

    def make_folder(self, path: Path) -> None:
        """Folders are there when something is in them."""

    def exists(self, path: Path) -> bool:
        """See `Files.exists`."""
        return self._disk.exists(path)

    def open(self, path: Path, flags: int) -> int:
        """See `Files.open`."""
        stored = self._disk.names.get(path)
        if stored is None and flags & os.O_CREAT:
            stored = StoredFile()
            if self._process.alive:
                with self._process.operation():
                    self._disk.make(path, stored)
        elif isinstance(stored, StoredFile) and flags & os.O_TRUNC and self._process.alive:
            with self._process.operation():
                stored.truncate(0)
        self._last += 1
        self._opened[self._last] = stored if isinstance(stored, StoredFile) else path
        return self._last

    def read(self, path: Path) -> bytes:
        """See `Files.read`."""
        stored = self._disk.names.get(path)
        if not isinstance(stored, StoredFile):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return bytes(stored.data)

    def write(self, descriptor: int, data: memoryview, offset: int) -> int:
        """See `Files.write`; sometimes a part is taken only."""
        if not self._process.alive:
            return len(data)
        world = self._process.world
        taken = len(data) if world.below(8) else 1 + world.below(len(data))
        with self._process.operation(takes_room=True):
            self._file(descriptor).write(offset, bytes(data[:taken]))
        return taken

    def truncate(self, descriptor: int, size: int) -> None:
        """See `Files.truncate`."""
        if self._process.alive:
            with self._process.operation():
                self._file(descriptor).truncate(size)

    def sync(self, descriptor: int) -> None:
        """See `Files.sync`."""
        if not self._process.alive:
            return
        opened = self._opened[descriptor]
        with self._process.operation(syncs=True):
            if isinstance(opened, StoredFile):
                opened.sync()
                self._disk.sync_made(opened)
            else:
                self._disk.sync_names(opened)

    sync_data = sync

    def close(self, descriptor: int) -> None:
        """See `Files.close`."""
        del self._opened[descriptor]

    def rename(self, path: Path, to: Path) -> None:
        """See `Files.rename`."""
        if self._process.alive:
            with self._process.operation():
                self._disk.rename(path, to)

    def remove(self, path: Path) -> None:
        """See `Files.remove`."""
        if self._process.alive:
            with self._process.operation():
                self._disk.remove(path)

    remove_tree = remove

    def _file(self, descriptor: int) -> StoredFile:
        opened = self._opened[descriptor]
        if not isinstance(opened, StoredFile):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        return opened


class MemoryEngine:
    """An open database of a process: a `node.store.engine.Engine`; nothing in it rots, so it has no checksums."""

    faults: tuple[type[Exception], ...] = (OSError, RuntimeError)

    def __init__(self, process: Process, stored: StoredDatabase) -> None:
        self._process = process
        self._stored: StoredDatabase | None = stored
        self._get = stored.entries.get

    def get(self, key: bytes) -> bytes | None:
        """See `Engine.get`."""
        self._check_open()
        return self._get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """See `Engine.put`."""
        self.write({key: value}, sync=False)

    def write(self, changes: Changes, sync: bool) -> None:
        """Write a batch."""
        stored = self._check_open()
        if not self._process.alive:
            return
        with self._process.operation(syncs=sync, takes_room=True):
            stored.write(self._process.world, changes, sync)
            if sync:
                self._process.disk.sync_made(stored)

    @contextmanager
    def iterator(
        self,
        *,
        start: bytes,
        stop: bytes,
        reverse: bool = False,
        include_start: bool = True,
        once: bool = False,
    ) -> Iterator[Entries]:
        """See `Engine.iterator`."""
        found = self._check_open().between(start, stop, include_start)
        yield iter(reversed(found) if reverse else found)

    @contextmanager
    def snapshot(self) -> Iterator[Entries]:
        """See `Engine.snapshot`."""
        stored = self._check_open()
        yield iter([(key, stored.entries[key]) for key in stored.keys])

    def batch(self, *, sync: bool) -> MemoryBatch:
        """See `Engine.batch`."""
        return MemoryBatch(self, sync)

    def compact(self, start: bytes, stop: bytes) -> None:
        """See `Engine.compact`."""
        self._check_open()

    def explain(self, error: Exception, keys: Keys | None = None) -> EngineError:
        """See `Engine.explain`."""
        return EngineError(str(error))

    def close(self) -> None:
        """See `Engine.close`."""
        if self._stored is not None and self._process.alive:
            self._stored.is_open = False
        self._stored = None

    def _check_open(self) -> StoredDatabase:
        if self._stored is None:
            raise RuntimeError("Database is closed")
        return self._stored


class MemoryBatch:
    """Changes that are written together."""

    def __init__(self, engine: MemoryEngine, sync: bool) -> None:
        self._engine = engine
        self._sync = sync
        self._changes: Changes = {}

    def put(self, key: bytes, value: bytes) -> None:
        """See `EngineBatch.put`."""
        self._changes[key] = value

    def delete(self, key: bytes) -> None:
        """See `EngineBatch.delete`."""
        self._changes[key] = None

    def write(self) -> None:
        """See `EngineBatch.write`."""
        self._engine.write(self._changes, self._sync)
        self._changes = {}


def engine_of(process: Process) -> Callable[..., MemoryEngine]:
    """Return what opens the databases of a process: a `node.store.engine.OpenEngine`."""

    def open_engine(path: str, *, create: bool, **_: int) -> MemoryEngine:
        stored = process.disk.names.get(Path(path))
        if stored is None:
            if not create:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            stored = StoredDatabase()
            if process.alive:
                with process.operation():
                    process.disk.make(Path(path), stored)
        if not isinstance(stored, StoredDatabase) or stored.is_open:
            raise OSError(errno.EAGAIN, "the database is locked", path)
        stored.recover()
        return MemoryEngine(process, stored)

    return open_engine
