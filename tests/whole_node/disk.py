"""The disk of one machine: files and databases in memory, and what a power cut leaves of them.

Two views are kept. The *present* one is what processes see; it survives the end of a process. The *stable* one is
what was synced; a power cut goes back to it, and draws what else has reached the platter:

* of a file, what was written since its last sync: whole, not at all, its beginning, or some of its sectors;
* of names, changes since their folder was synced: the first few, in order. A new file's name is stable once the
  file is synced, as on ext4, xfs and btrfs; a rename or a deletion only once the folder is;
* of a database, batches since its last synced one: the first few, each whole, as LevelDB's log is read. When it
  begins a new log, batches of the former one are safe only after its memory table was written, some batches later.

The model keeps no more promises than POSIX and LevelDB do: what production forgets to sync is lost here at times.
"""

from __future__ import annotations

import errno
import os
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.world import World

SECTOR_BYTES = 512
"""What a disk writes whole or not at all."""

LOG_SWITCH_PERCENT = 3
"""How often a database begins a new log; production does so after some MiB, which no run writes."""

TABLE_BATCHES = 5
"""After so many further batches the former log's table is written."""

Changes = dict[bytes, bytes | None]


class StoredFile:
    """A file's content, and what of it is stable."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.stable = b""

    def write(self, offset: int, data: bytes) -> None:
        """Write at a place; a gap before it reads as zeros."""
        self.data += bytes(max(0, offset - len(self.data)))
        self.data[offset : offset + len(data)] = data

    def truncate(self, size: int) -> None:
        """Cut off, or fill up with zeros."""
        del self.data[size:]
        self.data += bytes(size - len(self.data))

    def sync(self) -> None:
        """Make the content stable."""
        self.stable = bytes(self.data)

    def cut_power(self, world: World) -> bool:
        """Go back to what is stable, or to a part of what is not; tell whether anything was lost."""
        present = bytes(self.data)
        if present == self.stable:
            return False
        grown = max(0, len(present) - len(self.stable))
        ways = (self.stable, present, present[: len(present) - world.below(grown + 1)], self._some_sectors(world))
        self.data = bytearray(ways[world.below(len(ways))])
        self.sync()
        return self.stable != present

    def _some_sectors(self, world: World) -> bytes:
        """Return what is read where the file has its length, and only some sectors were written since the sync."""
        present = bytes(self.data)
        former = self.stable[: len(present)].ljust(len(present), b"\0")
        sectors = (slice(at, at + SECTOR_BYTES) for at in range(0, len(present), SECTOR_BYTES))
        return b"".join(present[at] if world.below(2) else former[at] for at in sectors)


class StoredDatabase:
    """The entries of a key-value database, and which of its batches are stable."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.keys: list[bytes] = []
        self.is_open = False
        self._stable: dict[bytes, bytes] = {}
        self._unsynced: list[Changes] = []
        self._former_log: list[Changes] = []
        self._until_table = 0

    def write(self, world: World, changes: Changes, sync: bool) -> None:
        """Write a batch; a synced one takes those before it in its log along."""
        for key, value in changes.items():
            if value is None:
                if self.entries.pop(key, None) is not None:
                    del self.keys[bisect_left(self.keys, key)]
            else:
                if key not in self.entries:
                    insort(self.keys, key)
                self.entries[key] = value
        self._unsynced.append(changes)
        if sync:
            self._make_stable(self._unsynced)
        self._turn_logs(world)

    def _turn_logs(self, world: World) -> None:
        if self._former_log:
            self._until_table -= 1
            if self._until_table <= 0:
                self._make_stable(self._former_log)
        elif self._unsynced and world.happens(LOG_SWITCH_PERCENT):
            self._former_log, self._unsynced = self._unsynced, []
            self._until_table = TABLE_BATCHES

    def _make_stable(self, batches: list[Changes]) -> None:
        for changes in batches:
            for key, value in changes.items():
                _set(self._stable, key, value)
        batches.clear()

    def recover(self) -> None:
        """A process opens it: LevelDB writes what its logs hold into a table, and syncs that."""
        self.is_open = True
        self._make_stable(self._former_log)
        self._make_stable(self._unsynced)

    def cut_power(self, world: World) -> int:
        """Go back to what is stable, and to the first few of the other batches; return how many were lost."""
        lost = 0
        for log in (self._former_log, self._unsynced):
            kept = world.below(len(log) + 1)
            lost += len(log) - kept
            del log[kept:]
            self._make_stable(log)
        self.entries = dict(self._stable)
        self.keys = sorted(self.entries)
        self.is_open = False
        return lost

    def between(self, start: bytes, stop: bytes, include_start: bool = True) -> list[tuple[bytes, bytes]]:
        """Return the entries with start ≤ key < stop."""
        first, last = bisect_left(self.keys, start), bisect_left(self.keys, stop)
        if not include_start and first < last and self.keys[first] == start:
            first += 1
        return [(key, self.entries[key]) for key in self.keys[first:last]]


def _set(entries: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    if value is None:
        entries.pop(key, None)
    else:
        entries[key] = value


Stored = StoredFile | StoredDatabase
Names = dict[Path, Stored]


@dataclass(frozen=True)
class _NameChange:
    """A change of names that is not stable yet.

    Attributes:
        names: which names it changes; their folder's sync makes it stable.
        apply: makes the change in the stable view.
        made: what got its first name by it; its own sync makes that stable as well.
    """

    names: tuple[Path, ...]
    apply: Callable[[Names], None]
    made: Stored | None = None


@dataclass
class Disk:
    """One machine's disk, over all lives of its processes.

    Attributes:
        names: what processes see.
        is_full: writes are refused.
        slowest_ms: a sync takes up to this long.
        crash_in: the power fails, or the process dies, at the so-manieth operation from now on; None: not at all.
        lost: how many writes, batches and renames power cuts have taken or torn.
    """

    world: World
    names: Names = field(default_factory=dict)
    stable: Names = field(default_factory=dict)
    pending: list[_NameChange] = field(default_factory=list)
    is_full: bool = False
    slowest_ms: int = 0
    crash_in: int | None = None
    lost: int = 0

    def make(self, path: Path, stored: Stored) -> None:
        """Give something new a name."""
        self.names[path] = stored
        self.pending.append(_NameChange((path,), lambda names: names.update({path: stored}), stored))

    def rename(self, path: Path, to: Path) -> None:
        """Give a file, or a folder with all that is in it, another name."""
        if not self.exists(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        if isinstance(self.names.get(to), StoredDatabase):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(to))
        _rename(self.names, path, to)
        self.pending.append(_NameChange((path, to), lambda names: _rename(names, path, to)))

    def remove(self, path: Path) -> None:
        """Delete a file, or a folder with all that is in it."""
        _remove(self.names, path)
        self.pending.append(_NameChange((path,), lambda names: _remove(names, path)))

    def exists(self, path: Path) -> bool:
        """Tell whether there is a file, or something in a folder, of that name."""
        return any(name == path or path in name.parents for name in self.names)

    def sync_names(self, folder: Path) -> None:
        """Make the changes of names in a folder stable."""
        self._settle(lambda change: change.names[-1].parent == folder)

    def sync_made(self, stored: Stored) -> None:
        """Make the first name of a file or database stable, and what that name stood for before: it was synced."""
        made = {change.names[0] for change in self.pending if change.made is stored}
        self._settle(lambda change: not made.isdisjoint(change.names))

    def _settle(self, is_stable: Callable[[_NameChange], bool]) -> None:
        left: list[_NameChange] = []
        for change in self.pending:
            if is_stable(change):
                change.apply(self.stable)
            else:
                left.append(change)
        self.pending = left

    def cut_power(self) -> None:
        """Lose what is not stable, or a part of it."""
        kept = self.world.below(len(self.pending) + 1)
        self.lost += len(self.pending) - kept
        for change in self.pending[:kept]:
            change.apply(self.stable)
        self.pending.clear()
        for stored in self.stable.values():
            self.lost += stored.cut_power(self.world)
        self.names = dict(self.stable)

    def end_process(self) -> None:
        """The process is gone, with the locks of its databases; the system keeps what it wrote."""
        for stored in self.names.values():
            if isinstance(stored, StoredDatabase):
                stored.is_open = False

    def stable_content(self, path: Path) -> bytes:
        """Return what a file surely holds after a power cut."""
        stored = self.stable.get(path)
        return stored.stable if isinstance(stored, StoredFile) else b""

    def remove_now(self, path: Path) -> None:
        """Lose one file for good."""
        self.names.pop(path, None)
        self.stable.pop(path, None)

    def wipe(self) -> None:
        """Lose everything: another disk was put in."""
        self.names, self.stable, self.pending = {}, {}, []


def _rename(names: Names, path: Path, to: Path) -> None:
    for name in [name for name in names if name == path or path in name.parents]:
        names[to / name.relative_to(path) if name != path else to] = names.pop(name)


def _remove(names: Names, path: Path) -> None:
    for name in [name for name in names if name == path or path in name.parents]:
        del names[name]
