"""What the write-ahead log's file holds, byte by byte, and what of it is torn or damaged.

    head    magic (8) | identity (16) | first sequence (8) | floor (8) | standing (1) | pad (3) | owner (16)
            | CRC-32 (4)
    record  0xEB | length (4, big-endian) | CRC-32 of the payload (4) | CRC-32 of these nine bytes (4) | payload

The payload is canonical [vote record, transactions' bytes or nil].

A crash may leave a torn last record: it was never synced, so nothing was sent for it, and it is cut off. A
torn record is short, or sectors of it that never reached the disk read as zeros. Anything else that does not
match its checksum is damage: votes that were sent could be missing, and signing on could equivocate.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from consensus.messages import VoteRecord
from node.runtime.errors import DiskRefused
from vm.primitives.codec import CodecError, TypedDecoder

_MAGIC = b"ENTWAL3\n"
_FILE_HEAD = struct.Struct(">8s16sQQB3x16sI")
_FORMER_MAGIC = b"ENTWAL2\n"
_FORMER_HEAD = struct.Struct(">8s16sQQB3xI")
"""Without owner; and rotation left its floor as it was, so that the first record tells it."""

OWNER_BYTES: Final = 16
UNKNOWN_OWNER: Final = bytes(OWNER_BYTES)
_RECORD_HEAD = struct.Struct(">BIII")
_RECORD_MARK = 0xEB
"""Not zero, and one flipped bit does not make it zero: a zero here means that the head was never written."""

_SECTOR_BYTES = 512
"""What a disk writes whole or not at all."""

_MAX_RECORD_BYTES = 64 * 1024 * 1024
"""Far above a block of max_block_bytes; a longer length is damage, not data."""


class WriteAheadLogError(DiskRefused):
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


class Standing(IntEnum):
    """Whether this log's validator may sign; the numbers stand in the file."""

    SIGNS = 0
    RECOVERING = 1
    """It may have signed more than the log knows."""
    NEW = 2
    """There was no log: whether the key has signed before is not known yet."""
    SILENCED = 3
    """Another process signs with the key; an operator must end one of them."""


class FileHead(NamedTuple):
    """The head of a file; `node.votes.write_ahead_log` says what each field is for."""

    identity: bytes
    first_sequence: int
    floor: int
    standing: Standing
    owner: bytes

    def pack(self) -> bytes:
        """Return the head as it is written."""
        fields = (_MAGIC, self.identity, self.first_sequence, self.floor, self.standing, self.owner)
        checksum = zlib.crc32(_FILE_HEAD.pack(*fields, 0)[:-4])
        return _FILE_HEAD.pack(*fields, checksum)


class Scan(NamedTuple):
    """The votes of a file, and where behind the last of them a torn record may begin."""

    votes: list[LoggedVote]
    valid_bytes: int


_decoder = TypedDecoder(LoggedVote)


def frame(payload: bytes) -> bytes:
    """Return a record as it is written."""
    head = _RECORD_HEAD.pack(_RECORD_MARK, len(payload), zlib.crc32(payload), 0)[:-4]
    return head + zlib.crc32(head).to_bytes(4, "big") + payload


def read_head(data: bytes, path: Path) -> tuple[FileHead, int]:
    """Return the head, and where the records begin.

    Raises:
        WriteAheadLogDamaged: it is not a whole head of a release until this one.
    """
    # The head is renamed into place with the file, so a crash never leaves a part of it.
    layout = _FORMER_HEAD if data.startswith(_FORMER_MAGIC) else _FILE_HEAD
    if len(data) < layout.size or not data.startswith((_MAGIC, _FORMER_MAGIC)):
        raise WriteAheadLogDamaged(path, "it does not begin as a log", 0)
    _, identity, first_sequence, floor, standing, *owner, checksum = layout.unpack_from(data)
    if zlib.crc32(data[: layout.size - 4]) != checksum:
        raise WriteAheadLogDamaged(path, "at byte 0, its head", 0)
    if standing > max(Standing):
        raise WriteAheadLogDamaged(path, f"its head says {standing}, which no release until this one writes", 0)
    head = FileHead(identity, first_sequence, floor, Standing(standing), owner[0] if owner else UNKNOWN_OWNER)
    return head, layout.size


def with_true_floor(head: FileHead, votes: Sequence[LoggedVote]) -> FileHead:
    """Return the head with the floor that follows from the first record of a file that is not the first.

    A file of ENTWAL2 does not tell what its rotation dropped: votes of heights below its first record's.
    """
    if head.first_sequence == 0 or not votes:
        return head
    return head._replace(floor=max(head.floor, votes[0].record.message.height - 1))


def scan_records(data: bytes, path: Path, offset: int) -> Scan:
    """Return the votes in a file's records, of which the last may be torn.

    Raises:
        WriteAheadLogDamaged: what was synced is not what is read.
    """
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
    return Scan(votes, offset)


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
