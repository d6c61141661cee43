"""A backup: one file that holds a node's whole database as of one block, and says what it is.

    "entente-backup/1\\n", then frames:  length (4 bytes, big-endian) | CRC-32 of the payload (4) | payload

Each payload is a compressed canonical value: first the `Manifest`, then lists of [key, value] in the order of the
database, at last the `Trailer` with the number of entries and the SHA-256 of all payloads before it. A file without
its trailer is not whole and is refused. The node's key is not in it. It holds the primary families of the store
(node/store/layout.py), as a restore makes the others afresh; files that hold those too are read as well.

A file may come from anyone. So what a frame inflates to is bounded, and so is the number of its entries, whose
objects take more memory than their bytes; how much all frames together may fill is the restore's to bound.

`frames` reads from a snapshot of the database, so blocks may be committed meanwhile; its caller lets the
event loop turn between frames. What the file holds is verified when it is restored (node/maintenance/restore.py).

Source: LevelDB keeps a snapshot's entries until it is released; a backup that is never ended would hold them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO, Final, Protocol, TypeVar

import msgspec

from genesis.durable_files import durable_file
from node.runtime.errors import NodeError
from node.runtime.inflate import InflateError, inflate
from node.store import Store
from node.store.layout import PRIMARY
from vm.primitives.codec import CodecError, TypedDecoder, encode
from vm.primitives.units import Count

MAGIC: Final = b"entente-backup/1\n"
FRAME_BYTES: Final = 128 * 1024
"""Before compression: about 3 ms of a node's event loop."""

MAX_FRAME_BYTES: Final = FRAME_BYTES + 64 * 1024 * 1024
"""A frame is written when it holds FRAME_BYTES, so it is at most that and one record; the largest records are
blocks and receipts, far below the 64 MiB that a vote log's record may have (node/votes/write_ahead_log.py)."""

MAX_MANIFEST_BYTES: Final = 64 * 1024
"""A manifest has some 300 bytes."""

MAX_FRAME_ENTRIES: Final = FRAME_BYTES // 8
"""The smallest entry of a store has more than 16 bytes."""

_HEAD = struct.Struct(">II")
_COMPRESSION_LEVEL = 1

T = TypeVar("T")

Entries = list[tuple[bytes, bytes]]


class Digest(Protocol):
    """A running hash, as hashlib makes them."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes in."""
        ...


class BackupError(NodeError):
    """The file is not a whole backup, or what it holds does not follow from the genesis document."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup is of.

    Attributes:
        signed: the greatest height that the validator is known to have signed for.
    """

    chain: str
    genesis: bytes
    height: Count
    digest: bytes
    state_root: bytes
    signed: Count


class Trailer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The end of a backup."""

    entries: Count
    digest: bytes


_manifest_decoder = TypedDecoder(Manifest)
_entries_decoder = TypedDecoder(Entries)
_trailer_decoder = TypedDecoder(Trailer)


def frames(store: Store, chain: str, signed: int) -> Generator[bytes]:
    """Yield the bytes of a backup of the store as it is at the first step, piece by piece.

    Raises:
        StoreFailure: the database cannot be read.
    """
    head = store.head
    total = sha256()
    count = 0
    with store.snapshot() as snapshot:
        yield MAGIC
        manifest = Manifest(
            chain, sha256(store.genesis_bytes).digest(), head.height, head.digest, head.state_root, signed
        )
        yield _frame(encode(manifest), total)
        entries: Entries = []
        size = 0
        for key, value in snapshot:
            if key[:1] not in PRIMARY:
                continue
            entries.append((key, value))
            size += len(key) + len(value)
            count += 1
            if size >= FRAME_BYTES:
                yield _frame(encode(entries), total)
                entries, size = [], 0
        if entries:
            yield _frame(encode(entries), total)
    yield _frame(encode(Trailer(count, total.digest())), None)


def _frame(value: bytes, total: Digest | None) -> bytes:
    payload = zlib.compress(value, _COMPRESSION_LEVEL)
    if total is not None:
        total.update(payload)
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


class BackupReader:
    """Reads a backup from a file, checking every frame.

    Attributes:
        manifest: what it is of; not verified yet.
    """

    def __init__(self, path: Path, file: IO[bytes] | None = None) -> None:
        """Open a file and read its manifest.

        Args:
            file: read this in place of opening `path`: one that does not have its name yet.

        Raises:
            BackupError: it is not a backup.
        """
        self._path = path
        try:
            self._file = path.open("rb") if file is None else file
        except OSError as error:
            raise BackupError(f"{path} cannot be read: {error.strerror}") from None
        self._total = sha256()
        try:
            if self._file.read(len(MAGIC)) != MAGIC:
                raise BackupError(f"{path} is not a backup")
            self.manifest = self._decode(_manifest_decoder, self._next(MAX_MANIFEST_BYTES))
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def entries(self) -> Iterator[Entries]:
        """Yield the entries in ascending order of keys; returns only if the trailer agrees with all that was read.

        Raises:
            BackupError: the file is damaged, or its end is missing.
        """
        count, last = 0, b""
        while True:
            before = self._total.digest()
            value = self._next(MAX_FRAME_BYTES)
            if not value[:1] or value[0] & 0xF0 == 0x80:  # a map: the trailer
                trailer = self._decode(_trailer_decoder, value)
                break
            if _length_of_list(value) > MAX_FRAME_ENTRIES:
                raise BackupError(f"{self._path}: a frame holds more than {MAX_FRAME_ENTRIES} entries")
            found = self._decode(_entries_decoder, value)
            for key, _ in found:
                if key <= last:
                    raise BackupError(f"{self._path} cannot be used: its keys do not ascend at {key[:40]!r}")
                last = key
            count += len(found)
            yield found
        if trailer != Trailer(count, before) or self._file.read(1):
            raise BackupError(f"{self._path} is damaged: its end does not agree with what it holds")

    def _next(self, limit: int) -> bytes:
        """Return what the next frame inflates to, at most `limit` bytes."""
        head = self._file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise BackupError(f"{self._path} is not whole: its end is missing")
        length, checksum = _HEAD.unpack(head)
        at = self._file.tell()
        if length > limit:
            raise BackupError(f"{self._path} cannot be used: its frame at byte {at} is longer than {limit} bytes")
        payload = self._file.read(length)
        if len(payload) < length:
            raise BackupError(f"{self._path} is not whole: its end is missing")
        if zlib.crc32(payload) != checksum:
            raise BackupError(f"{self._path} is damaged at byte {at}")
        self._total.update(payload)
        try:
            return inflate(payload, limit)
        except InflateError as error:
            raise BackupError(f"{self._path} cannot be used: its frame at byte {at} {error}") from None

    def _decode(self, decoder: TypedDecoder[T], value: bytes) -> T:
        try:
            return decoder.decode(value)
        except CodecError as error:
            raise BackupError(f"{self._path} cannot be read: {error}") from None


def _length_of_list(value: bytes) -> int:
    """Return how many items a MessagePack list says that it has, before any of them takes memory."""
    kind = value[0]
    if kind & 0xF0 == 0x90:
        return kind & 0x0F
    return int.from_bytes(value[1 : 3 if kind == 0xDC else 5], "big")


def write_file(path: Path, pieces: Iterable[bytes]) -> int:
    """Write a backup, the owner's only, read it back, and give it its name; return its size.

    Raises:
        BackupError: the pieces are no whole backup.
        OSError: the disk refuses.
    """
    size = 0
    with durable_file(path) as file:
        for piece in pieces:
            size += file.write(piece)
        file.seek(0)
        for _ in BackupReader(path, file).entries():
            pass
    return size
