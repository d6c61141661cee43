"""The consensus write-ahead log: what this validator has bound itself to, durable before it is sent.

One append-only file:

    head    magic (8) | identity (16) | first sequence (8) | floor (8) | recovering (1) | pad (3) | CRC-32 (4)
    record  0xEB | length (4, big-endian) | CRC-32 of the payload (4) | CRC-32 of these nine bytes (4) | payload

The payload is canonical [vote record, transactions' bytes or nil]. `append` returns only after the data
has been synced. A record matters while its height is undecided; once a height is decided in the store and the
file is larger than ROTATE_BYTES, the next append begins a new file beside it and renames it into place.

A crash may leave a torn last record: it was never synced, so nothing was sent for it, and it is cut off. A
torn record is short, or sectors of it that never reached the disk read as zeros. Anything else that does not
match its checksum is damage: votes that were sent could be missing, and signing on could equivocate.
Then opening fails and names `entente node recover` (docs/operations-recovery.md).

The identity (random, made with the file) and the sequence number of the last record make a `mark`, which the
store notes with each block. A log whose mark is behind the store's is not the log that this validator last signed
with. `recovering` in the head says that it may have signed more than the log knows (node/signing_guard.py).

Invariants:
    1. After `append` returns, `votes_above` of a later process yields the record.
    2. A record is never changed; a file is replaced only by a whole one, and only when none of its records matters.
       Where no descriptor is free to open the new one, nothing has changed yet, and the present file goes on.
    3. Sequence numbers and `highest` never go back within one identity.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from consensus.messages import VoteRecord
from node.descriptors import OUT_OF_DESCRIPTORS
from node.errors import NodeError
from node.store import LogMark
from vm.primitives.codec import CodecError, TypedDecoder, encode

_log = logging.getLogger(__name__)

FILE_NAME: Final = "consensus.wal"
ROTATE_BYTES: Final = 4 * 1024 * 1024
"""About the votes of one full block, or of some thousand empty ones: a start reads it in milliseconds."""

_MAGIC = b"ENTWAL2\n"
_FILE_HEAD = struct.Struct(">8s16sQQB3xI")
_RECORD_HEAD = struct.Struct(">BIII")
_RECORD_MARK = 0xEB
"""Not zero, and one flipped bit does not make it zero: a zero here means that the head was never written."""

_SECTOR_BYTES = 512
"""What a disk writes whole or not at all."""

_MAX_RECORD_BYTES = 64 * 1024 * 1024
"""Far above a block of max_block_bytes; a longer length is damage, not data."""


class WriteAheadLogError(NodeError):
    """The log cannot be read or written; the node must not sign."""


class WriteAheadLogDamaged(WriteAheadLogError):
    """What was synced is not what is read.

    Attributes:
        highest: the greatest height among the votes before the damage.
    """

    def __init__(self, path: Path, what: str, highest: int) -> None:
        super().__init__(
            f"{path} is damaged ({what}): votes that were sent may be missing, and signing again could contradict "
            f"them; `entente node recover --home {path.parent.parent}` sets it aside (docs/operations-recovery.md)"
        )
        self.what = what
        self.highest = highest


class LoggedVote(msgspec.Struct, frozen=True, array_like=True):
    """A vote and, where the vote binds a block, its transactions' bytes in order."""

    record: VoteRecord
    transactions: tuple[bytes, ...] | None


class _FileHead(NamedTuple):
    identity: bytes
    first_sequence: int
    floor: int
    recovering: bool

    def pack(self) -> bytes:
        fields = (_MAGIC, self.identity, self.first_sequence, self.floor, self.recovering)
        checksum = zlib.crc32(_FILE_HEAD.pack(*fields, 0)[:-4])
        return _FILE_HEAD.pack(*fields, checksum)


class _Scan(NamedTuple):
    votes: list[LoggedVote]
    valid_bytes: int


_decoder = TypedDecoder(LoggedVote)


class WriteAheadLog:
    """The log of one validator; one owner process, one thread.

    Attributes:
        bytes_cut_off: of a torn record, when the log was opened.
        is_new: whether there was no file.
    """

    def __init__(self, folder: Path) -> None:
        """Open or create <folder>/consensus.wal and read what it holds.

        Raises:
            WriteAheadLogDamaged: damage that is not a torn tail.
            WriteAheadLogError: the disk refuses.
        """
        self._path = folder / FILE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.is_new = not self._path.exists()
            if self.is_new:
                head = _FileHead(os.urandom(16), 0, 0, False)
                os.close(_replace_file(self._path, head.pack()))
            self._descriptor = os.open(self._path, os.O_RDWR)
            data = self._path.read_bytes()
            self._head = _read_head(data, self._path)
            scan = _scan(data, self._path)
            if scan.valid_bytes < len(data):
                os.ftruncate(self._descriptor, scan.valid_bytes)
                os.fsync(self._descriptor)
        except OSError as error:
            raise WriteAheadLogError(f"{self._path}: {error.strerror}") from None
        self._votes = scan.votes
        self._size = scan.valid_bytes
        self._sequence = self._head.first_sequence + len(scan.votes)
        self._highest = max((vote.record.message.height for vote in scan.votes), default=self._head.floor)
        self.bytes_cut_off = len(data) - scan.valid_bytes

    # -- reading -----------------------------------------------------------------------------------

    @property
    def mark(self) -> LogMark:
        """Which log this is, and how many votes it has taken."""
        return LogMark(self._head.identity, self._sequence)

    @property
    def highest(self) -> int:
        """The greatest height that this validator is known to have signed for."""
        return max(self._highest, self._head.floor)

    @property
    def recovering(self) -> bool:
        """Whether the validator may have signed more than the log knows."""
        return self._head.recovering

    def votes_above(self, height: int) -> list[LoggedVote]:
        """Return the logged votes for heights above `height`, oldest first."""
        return [vote for vote in self._votes if vote.record.message.height > height]

    # -- writing -----------------------------------------------------------------------------------

    def append(self, record: VoteRecord, transactions: Sequence[bytes] | None) -> None:
        """Write a vote and sync it.

        Raises:
            WriteAheadLogError: the disk refuses; the vote must not be sent.
        """
        vote = LoggedVote(record, None if transactions is None else tuple(transactions))
        framed = _frame(encode(vote))
        height = record.message.height
        try:
            is_full = height > self._highest and self._size + len(framed) > ROTATE_BYTES and self._votes
            # A vote for `height` is signed only when all below are decided in the store.
            if not is_full or not self._rotated(framed):
                self._write(framed)
                os.fdatasync(self._descriptor)
                self._size += len(framed)
        except OSError as error:
            self._cut_back()
            raise WriteAheadLogError(f"{self._path}: {error.strerror}") from None
        if height > self._highest:
            self._votes.clear()
        self._highest = max(self._highest, height)
        self._sequence += 1
        self._votes.append(vote)

    def begin_recovery(self, floor: int) -> None:
        """Note, durably, that votes may be missing here, the greatest known height of one being `floor`.

        Raises:
            WriteAheadLogError: the disk refuses.
        """
        self._set_head(recovering=True, floor=max(floor, self.highest))

    def end_recovery(self) -> None:
        """Note, durably, that this validator signs again.

        Raises:
            WriteAheadLogError: the disk refuses.
        """
        self._set_head(recovering=False, floor=self.highest)

    def _set_head(self, *, recovering: bool, floor: int) -> None:
        head = self._head._replace(recovering=recovering, floor=floor, first_sequence=self._sequence)
        try:
            self._rotate(head, b"")
        except OSError as error:
            raise WriteAheadLogError(f"{self._path}: {error.strerror}") from None
        self._votes.clear()

    def _rotated(self, framed: bytes) -> bool:
        """Begin a new file with this record; False, and nothing has changed, where no descriptor is free for it."""
        try:
            self._rotate(self._head._replace(first_sequence=self._sequence), framed)
        except _OutOfDescriptors as error:
            _log.error("%s goes on beyond its size, as no new file can be opened: %s", self._path, error.strerror)
            return False
        return True

    def _rotate(self, head: _FileHead, content: bytes) -> None:
        """Replace the file by a new one, whole at any moment."""
        data = head.pack() + content
        descriptor = _replace_file(self._path, data)
        os.close(self._descriptor)
        self._descriptor = descriptor
        self._head = head
        self._size = len(data)

    def _write(self, framed: bytes) -> None:
        view = memoryview(framed)
        offset = self._size
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            offset += written
            view = view[written:]

    def _cut_back(self) -> None:
        """Remove a half-written record, so that a later one does not stand behind damage."""
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError as error:
            raise WriteAheadLogError(f"{self._path}: a half-written record remains: {error.strerror}") from None

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)


def set_aside(folder: Path) -> Path:
    """Rename the log of a folder, so that the next opening begins a new one; return its new path.

    Raises:
        WriteAheadLogError: the disk refuses.
    """
    path = folder / FILE_NAME
    count = 1
    while (aside := path.with_name(f"{FILE_NAME}.damaged-{count}")).exists():
        count += 1
    try:
        os.rename(path, aside)
        _sync_folder(folder)
    except OSError as error:
        raise WriteAheadLogError(f"{path}: {error.strerror}") from None
    return aside


class _OutOfDescriptors(OSError):
    """No file can be opened now; nothing has been written."""


def _replace_file(path: Path, data: bytes) -> int:
    """Write a file beside `path`, sync it, rename it into place, and return its descriptor.

    All that is opened is opened before anything is written: once the new file has its name, a missing descriptor
    could leave the log with the old one.

    Raises:
        _OutOfDescriptors: nothing has changed.
        OSError: the disk refuses.
    """
    beside = path.with_name(path.name + ".new")
    with contextlib.ExitStack() as opened:
        folder = _open(path.parent, os.O_RDONLY)
        opened.callback(os.close, folder)
        descriptor = _open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
            os.rename(beside, path)
            os.fsync(folder)
        except OSError:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise
        return descriptor


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno in OUT_OF_DESCRIPTORS:
            raise _OutOfDescriptors(error.errno, error.strerror, str(path)) from None
        raise


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _frame(payload: bytes) -> bytes:
    head = _RECORD_HEAD.pack(_RECORD_MARK, len(payload), zlib.crc32(payload), 0)[:-4]
    return head + zlib.crc32(head).to_bytes(4, "big") + payload


def _read_head(data: bytes, path: Path) -> _FileHead:
    # The head is renamed into place with the file, so a crash never leaves a part of it.
    if len(data) < _FILE_HEAD.size or not data.startswith(_MAGIC):
        raise WriteAheadLogDamaged(path, "it does not begin as a log", 0)
    _, identity, first_sequence, floor, recovering, checksum = _FILE_HEAD.unpack_from(data)
    if zlib.crc32(data[: _FILE_HEAD.size - 4]) != checksum:
        raise WriteAheadLogDamaged(path, "at byte 0, its head", 0)
    return _FileHead(identity, first_sequence, floor, bool(recovering))


def _scan(data: bytes, path: Path) -> _Scan:
    votes: list[LoggedVote] = []
    offset = _FILE_HEAD.size
    while offset < len(data):
        start = offset + _RECORD_HEAD.size
        length = _record_length(data, offset)
        payload = b"" if length is None else data[start : start + length]
        whole = length is not None and start + length <= len(data)
        if whole and zlib.crc32(payload) == _RECORD_HEAD.unpack_from(data, offset)[2]:
            try:
                votes.append(_decoder.decode(payload))
            except CodecError as error:
                raise _damage(path, offset, votes, f"; {error}") from None
            offset = start + len(payload)
            continue
        if not _is_torn(data, offset, length):
            raise _damage(path, offset, votes)
        break
    return _Scan(votes, offset)


def _record_length(data: bytes, offset: int) -> int | None:
    """Return the length in a record's head; None where the head is short or does not match its checksum."""
    if offset + _RECORD_HEAD.size > len(data):
        return None
    mark, length, _, checksum = _RECORD_HEAD.unpack_from(data, offset)
    head = data[offset : offset + _RECORD_HEAD.size - 4]
    if mark != _RECORD_MARK or length > _MAX_RECORD_BYTES or zlib.crc32(head) != checksum:
        return None
    return int(length)


def _is_torn(data: bytes, offset: int, length: int | None) -> bool:
    """Tell whether what stands at `offset` is what a crash leaves of the last record, and no more."""
    if _whole_record_behind(data, offset):
        return False
    if offset + _RECORD_HEAD.size > len(data) or data[offset] == 0:
        return True
    if length is None:
        return _head_is_cut_by_unwritten_sector(data, offset)
    end = offset + _RECORD_HEAD.size + length
    return end > len(data) or (end == len(data) and _has_unwritten_sector(data, offset))


def _whole_record_behind(data: bytes, offset: int) -> bool:
    """Tell whether a record with a good head stands somewhere behind `offset`: then not the last one is broken."""
    start = data.find(_RECORD_MARK, offset + 1)
    while start >= 0:
        if _record_length(data, start) is not None:
            return True
        start = data.find(_RECORD_MARK, start + 1)
    return False


def _head_is_cut_by_unwritten_sector(data: bytes, offset: int) -> bool:
    """Tell whether a record's head stands across two sectors of which the second reads as zeros."""
    border = -(-offset // _SECTOR_BYTES) * _SECTOR_BYTES
    return border < offset + _RECORD_HEAD.size and not any(data[border : border + _SECTOR_BYTES])


def _has_unwritten_sector(data: bytes, offset: int) -> bool:
    """Tell whether a sector of the file from `offset` to its end reads as zeros."""
    first = -(-offset // _SECTOR_BYTES) * _SECTOR_BYTES
    return any(not any(data[at : at + _SECTOR_BYTES]) for at in range(first, len(data), _SECTOR_BYTES))


def _damage(path: Path, offset: int, votes: Sequence[LoggedVote], detail: str = "") -> WriteAheadLogDamaged:
    highest = max((vote.record.message.height for vote in votes), default=0)
    return WriteAheadLogDamaged(path, f"at byte {offset}{detail}", highest)
