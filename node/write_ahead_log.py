"""The consensus write-ahead log: what this validator has bound itself to, durable before it is sent.

One append-only file of records, each `length (4 bytes, big-endian) | CRC-32 of the payload (4) | payload`;
the payload is canonical [vote record, transactions' bytes or nil]. `append` returns only after the
data has been synced. A record matters while its height is undecided; once a height is decided in the
store, the file is cut to nothing at the next append, so it stays as small as one height.

A crash may leave a torn last record: it was never synced, so nothing was sent for it, and it is cut off.
Damage before the last record is another matter: votes that were sent could be missing, and signing
on could equivocate. Then opening fails and says so.

Invariants:
    1. After `append` returns, `records` of a later process yields the record.
    2. A record is never changed; the file shrinks only when none of its records matters.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from consensus.messages import VoteRecord
from node.errors import NodeError
from vm.primitives.codec import CodecError, TypedDecoder, encode

_HEAD = struct.Struct(">II")
_MAX_RECORD_BYTES = 64 * 1024 * 1024
"""Far above a block of max_block_bytes; a longer length is damage, not data."""


class WriteAheadLogError(NodeError):
    """The log cannot be read or written; the node must not sign."""


class LoggedVote(msgspec.Struct, frozen=True, array_like=True):
    """A vote and, where the vote binds a block, its transactions' bytes in order."""

    record: VoteRecord
    transactions: tuple[bytes, ...] | None


class _Scan(NamedTuple):
    votes: list[LoggedVote]
    valid_bytes: int


_decoder = TypedDecoder(LoggedVote)


class WriteAheadLog:
    """The log of one validator; one owner process, one thread."""

    def __init__(self, folder: Path) -> None:
        """Open or create <folder>/consensus.wal and read what it holds.

        Raises:
            WriteAheadLogError: damage that is not a torn tail, or the disk refuses.
        """
        self._path = folder / "consensus.wal"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            data = self._read_all()
            scan = _scan(data, self._path)
            self._votes = scan.votes
            self._size = scan.valid_bytes
            if scan.valid_bytes < len(data):
                os.ftruncate(self._descriptor, scan.valid_bytes)
                os.fsync(self._descriptor)
            _sync_folder(folder)
        except OSError as error:
            raise WriteAheadLogError(f"{self._path}: {error.strerror}") from None
        self._highest = max((vote.record.message.height for vote in self._votes), default=0)
        self.bytes_cut_off = len(data) - scan.valid_bytes

    def _read_all(self) -> bytes:
        with open(self._path, "rb") as file:
            return file.read()

    def votes_above(self, height: int) -> list[LoggedVote]:
        """Return the logged votes for heights above `height`, oldest first."""
        return [vote for vote in self._votes if vote.record.message.height > height]

    def append(self, record: VoteRecord, transactions: Sequence[bytes] | None) -> None:
        """Write a vote and sync it.

        Raises:
            WriteAheadLogError: the disk refuses; the vote must not be sent.
        """
        vote = LoggedVote(record, None if transactions is None else tuple(transactions))
        payload = encode(vote)
        framed = _HEAD.pack(len(payload), zlib.crc32(payload)) + payload
        height = record.message.height
        try:
            if height > self._highest:
                self._drop_below(height)
            self._write(framed)
            os.fdatasync(self._descriptor)
        except OSError as error:
            self._cut_back()
            raise WriteAheadLogError(f"{self._path}: {error.strerror}") from None
        self._size += len(framed)
        self._highest = height
        self._votes.append(vote)

    def _drop_below(self, height: int) -> None:
        """Forget decided heights: a vote for `height` is signed only when all below are in the store."""
        self._votes = [vote for vote in self._votes if vote.record.message.height >= height]
        if not self._votes and self._size:
            os.ftruncate(self._descriptor, 0)
            self._size = 0

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


def _sync_folder(folder: Path) -> None:
    """Make the file's existence durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _scan(data: bytes, path: Path) -> _Scan:
    votes: list[LoggedVote] = []
    offset = 0
    while offset < len(data):
        if offset + _HEAD.size > len(data):
            break
        length, checksum = _HEAD.unpack_from(data, offset)
        end = offset + _HEAD.size + length
        if length > _MAX_RECORD_BYTES or end > len(data):
            _refuse_unless_torn(data, offset, path)
            break
        payload = data[offset + _HEAD.size : end]
        if zlib.crc32(payload) != checksum:
            if end < len(data):
                raise WriteAheadLogError(_damaged(path, offset))
            break
        try:
            votes.append(_decoder.decode(payload))
        except CodecError as error:
            raise WriteAheadLogError(f"{_damaged(path, offset)} ({error})") from None
        offset = end
    return _Scan(votes, offset)


def _refuse_unless_torn(data: bytes, offset: int, path: Path) -> None:
    """A length beyond the file is a torn record, unless a whole record stands somewhere behind it."""
    for start in range(offset + 1, len(data) - _HEAD.size):
        length, checksum = _HEAD.unpack_from(data, start)
        end = start + _HEAD.size + length
        if length > 0 and end == len(data) and zlib.crc32(data[start + _HEAD.size : end]) == checksum:
            raise WriteAheadLogError(_damaged(path, offset))


def _damaged(path: Path, offset: int) -> str:
    return (
        f"{path} is damaged at byte {offset}, before its end: votes that were sent may be missing, "
        "and signing again could contradict them"
    )
