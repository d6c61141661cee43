"""A backup: one file that holds a node's whole database as of one block, and says what it is.

    "entente-backup/1\\n", then frames:  length (4 bytes, big-endian) | CRC-32 of the payload (4) | payload

Each payload is a compressed canonical value: first the `Manifest`, then lists of [key, value] in the order of the
database, at last the `Trailer` with the number of entries and the SHA-256 of all payloads before it. A file without
its trailer is not whole and is refused. The node's key is not in it.

`frames` reads from a snapshot of the database, so blocks may be committed meanwhile; whoever drives it lets the
event loop turn between frames. What the file holds is verified when it is restored (node/restore.py).

Source: LevelDB keeps a snapshot's entries until it is released; a backup that is never ended would hold them.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Generator, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from node.errors import NodeError
from node.store import Store
from vm.primitives.codec import CodecError, TypedDecoder, encode

MAGIC: Final = b"entente-backup/1\n"
FRAME_BYTES: Final = 128 * 1024
"""Before compression: about 3 ms of a node's event loop."""

MAX_FRAME_BYTES: Final = 64 * 1024 * 1024
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
    height: int
    digest: bytes
    state_root: bytes
    signed: int


class Trailer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The end of a backup."""

    entries: int
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

    def __init__(self, path: Path) -> None:
        """Open a file and read its manifest.

        Raises:
            BackupError: it is not a backup.
        """
        self._path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise BackupError(f"{path} cannot be read: {error.strerror}") from None
        self._total = sha256()
        try:
            if self._file.read(len(MAGIC)) != MAGIC:
                raise BackupError(f"{path} is not a backup")
            self.manifest = self._decode(_manifest_decoder, self._next())
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def entries(self) -> Iterator[Entries]:
        """Yield the entries in order; returns only if the trailer agrees with all that was read.

        Raises:
            BackupError: the file is damaged, or its end is missing.
        """
        count = 0
        while True:
            before = self._total.digest()
            value = self._next()
            if not value[:1] or value[0] & 0xF0 == 0x80:  # a map: the trailer
                trailer = self._decode(_trailer_decoder, value)
                break
            found = self._decode(_entries_decoder, value)
            count += len(found)
            yield found
        if trailer != Trailer(count, before) or self._file.read(1):
            raise BackupError(f"{self._path} is damaged: its end does not agree with what it holds")

    def _next(self) -> bytes:
        head = self._file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise BackupError(f"{self._path} is not whole: its end is missing")
        length, checksum = _HEAD.unpack(head)
        payload = self._file.read(length) if length <= MAX_FRAME_BYTES else b""
        if len(payload) < length:
            raise BackupError(f"{self._path} is not whole: its end is missing")
        if zlib.crc32(payload) != checksum:
            raise BackupError(f"{self._path} is damaged at byte {self._file.tell() - length}")
        self._total.update(payload)
        try:
            return zlib.decompress(payload)
        except zlib.error as error:
            raise BackupError(f"{self._path} is damaged: {error}") from None

    def _decode(self, decoder: TypedDecoder[T], value: bytes) -> T:
        try:
            return decoder.decode(value)
        except CodecError as error:
            raise BackupError(f"{self._path} cannot be read: {error}") from None


def write_file(path: Path, pieces: Iterable[bytes]) -> int:
    """Write a backup beside `path`, sync it, and rename it into place; return its size.

    Raises:
        BackupError: the pieces are no whole backup.
        OSError: the disk refuses.
    """
    beside = path.with_name(path.name + ".partial")
    try:
        size = 0
        with beside.open("wb") as file:
            for piece in pieces:
                file.write(piece)
                size += len(piece)
            file.flush()
            os.fsync(file.fileno())
        reader = BackupReader(beside)
        try:
            for _ in reader.entries():
                pass
        finally:
            reader.close()
        os.rename(beside, path)
        return size
    finally:
        beside.unlink(missing_ok=True)
