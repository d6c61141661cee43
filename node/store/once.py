"""Once-records in the database (docs/decisions/once-records.md).

    o SHA-256(key)[:20]          family NUL index: where the record with this key is
    w family NUL index           its leaf: canonical [key, record]
    v family NUL level index     hash of a complete subtree of 2^level leaves, for the levels that are kept: a tile
    v family NUL                 a byte: there is a log of this name, even if its leaves are pruned

Leaves are written in ascending order and never again, so the database never moves them together with others; a key
that is new is answered by bloom filters alone.

Invariants:
    1. Leaves 0 … size − 1 of a family are there, where its log in the state has that size; none is above.
    2. Each leaf has exactly one record `o`, under the key that the leaf names.
    3. Each log that has ever had a leaf is named under `v`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256 as _sha256
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from node.store.database import Batch, Database
from node.store.errors import StoreCorrupt
from node.store.layout import ONCE_KEY, ONCE_LEAF, ONCE_TILE, number
from node.store.records import ProvedRecord
from vm import once_log
from vm.once_log import LOGS, Appended, OnceProof
from vm.primitives.merkle import leaf_hash
from vm.tables.stored import Stored

_KEY_BYTES: Final = 20
"""Of a hash of the key: 2^80 tries for two keys with one, and then the leaf's own key tells them apart."""

_END: Final = b"\0"
"""Ends a family's name, which holds none."""

HERE: Final = b"\x01"
"""What stands where a log is named."""

T = TypeVar("T")


class OnceRecord(NamedTuple):
    """A record that was found: its family, its place in the log, and its canonical bytes."""

    family: str
    place: int
    record: bytes


_leaf_decoder: msgspec.msgpack.Decoder[tuple[str, Any]] = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])


def key_of(key: str) -> bytes:
    """Return the database's key of the place of a record."""
    return ONCE_KEY + _sha256(key.encode()).digest()[:_KEY_BYTES]


def leaf_key(family: str, index: int) -> bytes:
    """Return the database's key of a leaf."""
    return ONCE_LEAF + family.encode() + _END + number(index)


def tile_key(family: str, level: int, index: int) -> bytes:
    """Return the database's key of the hash of a tile."""
    return ONCE_TILE + family.encode() + _END + bytes([level]) + number(index)


def name_key(family: str) -> bytes:
    """Return the database's key that tells that a log is there."""
    return ONCE_TILE + family.encode() + _END


def key_in(leaf: bytes) -> str:
    """Return the key that a leaf names.

    Raises:
        StoreCorrupt: it is no leaf.
    """
    try:
        return _leaf_decoder.decode(leaf)[0]
    except msgspec.MsgspecError as error:
        raise StoreCorrupt(f"a leaf of a log cannot be read: {error}") from None


class OnceRecords:
    """Writes and finds once-records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, batch: Batch, append: Appended) -> None:
        """Put a block's records of one family into its batch."""
        family = append.family
        place = family.encode() + _END
        for index, (key, leaf) in enumerate(append.records, start=append.first):
            batch.put(key_of(key), place + number(index))
            batch.put(leaf_key(family, index), leaf)
        if append.first == 0:
            batch.put(name_key(family), HERE)
        self.write_tiles(batch, append)

    def write_tiles(self, batch: Batch, append: Appended) -> None:
        """Put the hashes of the tiles that have become complete into a batch."""
        for (level, index), hash_ in append.tiles.items():
            batch.put(tile_key(append.family, level, index), hash_)

    def find(self, key: str) -> OnceRecord | None:
        """Return the record of a key, or None.

        Raises:
            StoreCorrupt: the leaf is not there, or is another key's.
        """
        place = self._database.get(key_of(key))
        if place is None:
            return None
        family, index = place[: -8 - len(_END)].decode(), int.from_bytes(place[-8:], "big")
        leaf = self._database.get(leaf_key(family, index))
        if leaf is None:
            raise StoreCorrupt(f"the once-record {key} should be leaf {index} of its log, which is not there")
        named, record = _leaf_decoder.decode(leaf)
        if named != key:
            raise StoreCorrupt(f"leaf {index} of the log of {key} is the record of {named}")
        return OnceRecord(family, index, bytes(record))

    def cell(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return the record of a key, decoded, with its canonical bytes, or None.

        Raises:
            StoreCorrupt: it is not of this type.
        """
        found = self.find(key)
        if found is None:
            return None
        try:
            return stored.decode(found.record), found.record
        except msgspec.MsgspecError as error:
            raise StoreCorrupt(f"the once-record {key} is not a {stored.annotation}: {error}") from error

    def leaves(self, family: str, first: int, count: int) -> list[bytes]:
        """Return so many leaves of a family, from `first` on.

        Raises:
            StoreCorrupt: they are not all there.
        """
        scan = self._database.scan(leaf_key(family, first), leaf_key(family, first + count), once=True)
        found = [leaf for _, leaf in scan]
        if len(found) != count:
            raise StoreCorrupt(f"{len(found)} of the {count} leaves of {family} from {first} on are there")
        return found

    def leaves_here(self, family: str, first: int, most: int, max_bytes: int | None = None) -> list[bytes]:
        """Return the leaves of a family from `first` on, as far as they are there without a gap, `most` of them.

        Args:
            max_bytes: of all of them, but one leaf may be longer; None: no such bound.
        """
        scan = self._database.scan(leaf_key(family, first), leaf_key(family, first + most), once=True)
        found: list[bytes] = []
        size = 0
        for key, leaf in scan:
            size += len(leaf)
            if key != leaf_key(family, first + len(found)):
                break
            if max_bytes is not None and found and size > max_bytes:
                break
            found.append(leaf)
        return found

    def tiles(self, family: str, level: int, first: int, count: int) -> list[bytes]:
        """Return kept hashes of complete subtrees of one level, from `first` on, as far as they are there."""
        start, stop = tile_key(family, level, first), tile_key(family, level, first + count)
        return [hash_ for _, hash_ in self._database.scan(start, stop, once=True)]

    def proved(self, key: str, value_of: Callable[[str], bytes | None]) -> ProvedRecord | None:
        """Return the record of a key with its proof, None where its log did not have it yet.

        Args:
            value_of: returns the state value of a log's key as of the height that is asked for.
        """
        found = self.find(key)
        if found is None:
            return None
        log_key = LOGS.keys.key((found.family,))
        value = value_of(log_key)
        size = 0 if value is None else LOGS.stored.decode(value).size
        if found.place >= size:
            return None
        return ProvedRecord(found.record, self.prove(found, size), log_key)

    def prove(self, found: OnceRecord, size: int) -> OnceProof:
        """Return the proof of a record in its log when that had `size` leaves.

        Raises:
            StoreCorrupt: leaves or hashes that it needs are not all there.
        """
        family = found.family

        def kept(level: int, first: int, count: int) -> list[bytes]:
            if not level:
                return [leaf_hash(leaf) for leaf in self.leaves(family, first, count)]
            hashes = self.tiles(family, level, first, count)
            if len(hashes) != count:
                raise StoreCorrupt(
                    f"{len(hashes)} of the hashes of subtrees {first} to {first + count - 1} of level {level} "
                    f"of {family} are there"
                )
            return hashes

        path = once_log.prove(found.place, size, once_log.computed(kept))
        return OnceProof(family, found.place, size, tuple(path))

    def count(self, family: str) -> int:
        """Return how many leaves of a family are there, by the last one's place."""
        start = ONCE_LEAF + family.encode() + _END
        last = self._database.last(start, start + b"\xff" * 9)
        return 0 if last is None else int.from_bytes(last[0][-8:], "big") + 1

    def families(self) -> list[str]:
        """Return the names of the families that have a leaf, or have had one, ascending.

        Raises:
            StoreCorrupt: a leaf or a tile stands where none belongs.
        """
        return sorted({*self._named(ONCE_LEAF, (8,)), *self._named(ONCE_TILE, (0, 9))})

    def _named(self, letter: bytes, widths: Sequence[int]) -> Iterator[str]:
        """Yield the names in keys of one letter, by a look at the first key of each.

        Args:
            widths: how many bytes may follow a name.
        """
        start, stop = letter, bytes([letter[0] + 1])
        while True:
            first = next(self._database.scan(start, stop), None)
            if first is None:
                return
            key = first[0]
            name, end, place = key[len(letter) :].partition(_END)
            if end != _END or len(place) not in widths or not name.isascii():
                raise StoreCorrupt(f"a record of a log stands at {key[:100]!r}, where none belongs")
            yield name.decode("ascii")
            start = letter + name + bytes([_END[0] + 1])

    def check_against(self, size_of: Callable[[str], int]) -> None:
        """Make sure that the logs have the sizes that the state says.

        Args:
            size_of: the size of a family's log by the state, 0 for one that it does not have.

        Raises:
            StoreCorrupt: one has not.
        """
        for family in self.families():
            wanted, here = size_of(family), self.count(family)
            if wanted != here:
                raise StoreCorrupt(
                    f"the log {family} has {here} records, and {wanted} by the state: restore a backup"
                )
