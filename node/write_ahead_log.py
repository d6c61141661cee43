"""The consensus write-ahead log: what this validator has bound itself to, durable before it is sent.

One append-only file:

    head    magic (8) | identity (16) | first sequence (8) | floor (8) | standing (1) | pad (3) | owner (16)
            | CRC-32 (4)
    record  0xEB | length (4, big-endian) | CRC-32 of the payload (4) | CRC-32 of these nine bytes (4) | payload

The payload is canonical [vote record, transactions' bytes or nil]. `append` returns only after the data has been
synced. A record matters while its height is undecided; once a height is decided in the store and the file is larger
than ROTATE_BYTES, the next append begins a new file beside it and renames it into place. The head's `floor` says
what was left behind: for heights up to it votes may be missing, above it the file holds every vote.

A crash may leave a torn last record: it was never synced, so nothing was sent for it, and it is cut off. A
torn record is short, or sectors of it that never reached the disk read as zeros. Anything else that does not
match its checksum is damage: votes that were sent could be missing, and signing on could equivocate.
Then opening fails and names `entente node recover` (docs/operations-recovery.md).

The identity (random, made with the file) and the sequence number of the last record make a `mark`, which the store
notes with each block. A log whose mark is behind the store's is not the log that this validator last signed with.
`standing` in the head says whether the validator may sign, and if not, why (node/signing_guard.py). `owner` is the
key whose votes these are: what another key has signed is unknown here.

Invariants:
    1. After `append` returns, `votes_above` of a later process yields the record.
    2. A record is never changed; a file is replaced only by a whole one, and only when none of its records matters.
       Where no descriptor is free to open the new one, nothing has changed yet, and the present file goes on.
    3. Sequence numbers never go back within one identity; `highest` and `floor` do so by `accept` only, which is
       the operator's word.
    4. For every height above `floor` the file holds all votes that were signed with this log; `append` takes no
       vote for another height.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import zlib
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from consensus.messages import VoteRecord
from node.descriptors import OUT_OF_DESCRIPTORS
from node.errors import NodeError
from node.store import LogMark
from vm.primitives.codec import CodecError, TypedDecoder, encode
from vm.primitives.hashing import sha256

_log = logging.getLogger(__name__)

FILE_NAME: Final = "consensus.wal"
ROTATE_BYTES: Final = 4 * 1024 * 1024
"""About the votes of one full block, or of some thousand empty ones: a start reads it in milliseconds."""

_MAGIC = b"ENTWAL3\n"
_FILE_HEAD = struct.Struct(">8s16sQQB3x16sI")
_FORMER_MAGIC = b"ENTWAL2\n"
_FORMER_HEAD = struct.Struct(">8s16sQQB3xI")
"""Without owner; and rotation left its floor as it was, so that the first record tells it."""

_OWNER_BYTES = 16
_UNKNOWN_OWNER = bytes(_OWNER_BYTES)
_RECORD_HEAD = struct.Struct(">BIII")
_RECORD_MARK = 0xEB
"""Not zero, and one flipped bit does not make it zero: a zero here means that the head was never written."""

_SECTOR_BYTES = 512
"""What a disk writes whole or not at all."""

_MAX_RECORD_BYTES = 64 * 1024 * 1024
"""Far above a block of max_block_bytes; a longer length is damage, not data."""


class WriteAheadLogError(NodeError):
    """The log cannot be read or written; the node must not sign."""


class SignedBefore(NodeError):
    """A vote is for a height of which this log does not hold all former votes; it must not be signed."""


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


class Standing(IntEnum):
    """Whether this log's validator may sign; the numbers stand in the file."""

    SIGNS = 0
    RECOVERING = 1
    """It may have signed more than the log knows."""
    NEW = 2
    """There was no log: whether the key has signed before is not known yet."""
    SILENCED = 3
    """Another process signs with the key; an operator must end one of them."""


class _FileHead(NamedTuple):
    identity: bytes
    first_sequence: int
    floor: int
    standing: Standing
    owner: bytes

    def pack(self) -> bytes:
        fields = (_MAGIC, self.identity, self.first_sequence, self.floor, self.standing, self.owner)
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
        rotate_bytes: the size beyond which a file is replaced; the simulator sets a small one.
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
                head = _FileHead(os.urandom(16), 0, 0, Standing.NEW, _UNKNOWN_OWNER)
                os.close(_replace_file(self._path, head.pack()))
            self._descriptor = os.open(self._path, os.O_RDWR)
            data = self._path.read_bytes()
            self._head, start = _read_head(data, self._path)
            scan = _scan(data, self._path, start)
            if scan.valid_bytes < len(data):
                os.ftruncate(self._descriptor, scan.valid_bytes)
                os.fsync(self._descriptor)
        except OSError as error:
            raise WriteAheadLogError(f"{self._path}: {error.strerror}") from None
        self.rotate_bytes = ROTATE_BYTES
        self._head = _with_true_floor(self._head, scan.votes)
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
    def floor(self) -> int:
        """The height up to which votes may be missing; above it the log holds all that were signed."""
        return self._head.floor

    @property
    def standing(self) -> Standing:
        """Whether this log's validator may sign, and if not, why."""
        return self._head.standing

    @property
    def recovering(self) -> bool:
        """Whether the validator may have signed more than the log knows."""
        return self._head.standing is Standing.RECOVERING

    @property
    def holds_votes(self) -> bool:
        """Whether anything was ever signed with this log, or it has recovered."""
        return self._sequence > 0 or self._head.floor > 0

    def votes_above(self, height: int) -> list[LoggedVote]:
        """Return the logged votes for heights above `height`, oldest first."""
        return [vote for vote in self._votes if vote.record.message.height > height]

    # -- writing -----------------------------------------------------------------------------------

    def append(self, record: VoteRecord, transactions: Sequence[bytes] | None) -> None:
        """Write a vote and sync it.

        Raises:
            WriteAheadLogError: the disk refuses; the vote must not be sent.
            SignedBefore: the log does not hold all former votes of that height; the vote must not be sent.
        """
        vote = LoggedVote(record, None if transactions is None else tuple(transactions))
        framed = _frame(encode(vote))
        height = record.message.height
        if height <= self._head.floor:
            raise SignedBefore(f"a vote for height {height}: votes up to {self._head.floor} may be missing here")
        try:
            is_full = height > self._highest and self._size + len(framed) > self.rotate_bytes and self._votes
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
        self._set_standing(Standing.RECOVERING, max(floor, self.highest))

    def begin_signing(self, past: int = 0) -> None:
        """Note, durably, that this validator signs from now on, above `past` and all that is known to be signed.

        Raises:
            WriteAheadLogError: the disk refuses.
        """
        self._set_standing(Standing.SIGNS, max(past, self.highest))

    def accept(self, height: int) -> None:
        """Note, durably, that an operator answers for it that nothing above a height was signed.

        Raises:
            WriteAheadLogError: the disk refuses.
        """
        self._set_standing(Standing.SIGNS, height)

    def silence(self) -> None:
        """Note, durably, that another process signs with this key, so that this one must not.

        Raises:
            WriteAheadLogError: the disk refuses.
        """
        self._set_standing(Standing.SILENCED, self.highest)

    def claim(self, key: bytes) -> bool:
        """Note whose log this is, where that is not known; return False where it is another key's.

        Raises:
            WriteAheadLogError: the disk refuses.
        """
        owner = sha256(key)[:_OWNER_BYTES]
        if self._head.owner == _UNKNOWN_OWNER:
            content = b"".join(_frame(encode(vote)) for vote in self._votes)
            first = self._sequence - len(self._votes)
            self._replace_head(self._head._replace(owner=owner, first_sequence=first), content)
        return self._head.owner == owner

    def give_to(self, key: bytes) -> None:
        """Note, durably, that another key signs from now on; what it has signed is not known here.

        Raises:
            WriteAheadLogError: the disk refuses.
        """
        self._head = self._head._replace(owner=sha256(key)[:_OWNER_BYTES])
        self._set_standing(Standing.RECOVERING, self.highest)

    def _set_standing(self, standing: Standing, floor: int) -> None:
        """Begin a file without votes: they are for heights up to the floor, which are never signed again."""
        self._replace_head(
            self._head._replace(standing=standing, floor=floor, first_sequence=self._sequence), content=b""
        )
        self._votes.clear()
        self._highest = floor

    def _replace_head(self, head: _FileHead, content: bytes) -> None:
        try:
            self._rotate(head, content)
        except OSError as error:
            raise WriteAheadLogError(f"{self._path}: {error.strerror}") from None

    def _rotated(self, framed: bytes) -> bool:
        """Begin a new file with this record; False, and nothing has changed, where no descriptor is free for it."""
        try:
            self._rotate(self._head._replace(first_sequence=self._sequence, floor=self.highest), framed)
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


def _read_head(data: bytes, path: Path) -> tuple[_FileHead, int]:
    """Return the head, and where the records begin."""
    # The head is renamed into place with the file, so a crash never leaves a part of it.
    layout = _FORMER_HEAD if data.startswith(_FORMER_MAGIC) else _FILE_HEAD
    if len(data) < layout.size or not data.startswith((_MAGIC, _FORMER_MAGIC)):
        raise WriteAheadLogDamaged(path, "it does not begin as a log", 0)
    _, identity, first_sequence, floor, standing, *owner, checksum = layout.unpack_from(data)
    if zlib.crc32(data[: layout.size - 4]) != checksum:
        raise WriteAheadLogDamaged(path, "at byte 0, its head", 0)
    if standing > max(Standing):
        raise WriteAheadLogDamaged(path, f"its head says {standing}, which no release until this one writes", 0)
    head = _FileHead(identity, first_sequence, floor, Standing(standing), owner[0] if owner else _UNKNOWN_OWNER)
    return head, layout.size


def _with_true_floor(head: _FileHead, votes: Sequence[LoggedVote]) -> _FileHead:
    """Return the head with the floor that follows from the first record of a file that is not the first.

    A file of ENTWAL2 does not tell what its rotation dropped: votes of heights below its first record's.
    """
    if head.first_sequence == 0 or not votes:
        return head
    return head._replace(floor=max(head.floor, votes[0].record.message.height - 1))


def _scan(data: bytes, path: Path, offset: int) -> _Scan:
    votes: list[LoggedVote] = []
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
