"""A host's disk: the production write-ahead log on a memory file system, its crashes and its slowness.

What a crash leaves of the record being written is drawn: nothing, its beginning, all of it, or all but some
sectors, which read as zeros. The log must then open again with every record before it. Where the append begins a
new file, a crash leaves the old file or the new one, whole: it is renamed into place."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from consensus.messages import VoteRecord
from node.votes.write_ahead_log import WriteAheadLog

from .world import World

Write = Callable[[VoteRecord, Sequence[bytes] | None], None]

SECTOR_BYTES = 512
"""What a disk writes whole or not at all."""

_MEMORY = Path("/dev/shm")
"""Where the system has one, nothing is ever written to a real disk."""


class Disks:
    """The folder of one run; removed with it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(
            prefix="entente-simulation-", dir=_MEMORY if _MEMORY.is_dir() else None
        )

    def folder(self, ident: int) -> Path:
        """Return a host's own folder."""
        return Path(self._folder.name) / str(ident)

    def remove(self) -> None:
        """Delete everything."""
        self._folder.cleanup()


class Disk:
    """One host's write-ahead log.

    Attributes:
        slowest_ms: a write takes up to this long; nothing after it is performed meanwhile.
        left_of_torn: so many bytes are left of a record that is torn, where that is not drawn.
        rotate_bytes: the log begins a new file beyond this size; None for the production's.
        write: what writes a vote in production: the signing guard, where the host has one.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._folder = folder
        self._path = folder / "consensus.wal"
        self._log: WriteAheadLog | None = None
        self.slowest_ms = 0
        self.left_of_torn: int | None = None
        self.torn = 0
        self.rotate_bytes: int | None = None
        self.write: Write = self._append_to_log

    @property
    def log(self) -> WriteAheadLog:
        """The log of the present life."""
        assert self._log is not None
        return self._log

    def open(self) -> WriteAheadLog:
        """Open the log as a new process does."""
        self.close()
        self._log = WriteAheadLog(self._folder)
        if self.rotate_bytes is not None:
            self._log.rotate_bytes = self.rotate_bytes
        self.write = self._append_to_log
        return self._log

    def _append_to_log(self, record: VoteRecord, transactions: Sequence[bytes] | None) -> None:
        self.log.append(record, transactions)

    def content(self) -> bytes | None:
        """Return what a copy of the log holds."""
        return self._path.read_bytes() if self._path.exists() else None

    def put_back(self, content: bytes | None) -> None:
        """Put a copy of the log back, or none."""
        self.close()
        if content is None:
            self._path.unlink(missing_ok=True)
        else:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._path.write_bytes(content)

    def close(self) -> None:
        """Let go of the file, as the end of a process does."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def append(self, record: VoteRecord) -> int:
        """Write and sync; return how long it took."""
        block = record.block
        self.write(record, None if block is None else block.tx_hashes)
        return self._world.below(self.slowest_ms + 1)

    def crash_while_appending(self, record: VoteRecord) -> None:
        """Leave what a power cut may leave of the record that is being written."""
        before = self._path.read_bytes()
        self.append(record)
        self.close()
        data = self._path.read_bytes()
        if not data.startswith(before):
            self._path.write_bytes(data if self._world.below(2) else before)
            return
        whole = data[len(before) :]
        kept = self._world.below(len(whole) + 1)
        ways = [whole, b"", whole[:kept], self._without_some_sectors(whole, len(before))]
        if self.left_of_torn is not None:
            ways = [whole[: self.left_of_torn]]
        self._path.write_bytes(before + ways[self._world.below(len(ways))])
        self.torn += 1

    def _without_some_sectors(self, written: bytes, offset: int) -> bytes:
        """Return what is read where the file has its length and some of its sectors were never written."""
        left = bytearray(written)
        for start in range(-(offset % SECTOR_BYTES), len(written), SECTOR_BYTES):
            if self._world.below(2):
                first, end = max(0, start), min(len(written), start + SECTOR_BYTES)
                left[first:end] = bytes(end - first)
        return bytes(left)

    def forget(self) -> None:
        """Lose the log whole."""
        self.put_back(None)
