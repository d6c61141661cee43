"""Once-records in the database (docs/decisions/once-records.md).

    o SHA-256(key)[:20]          family (8 bytes) and index of the record with this key
    w family index               its leaf: canonical [key, record]
    v family level index         hash of a complete subtree of 2^level leaves, for the levels that are kept (tiles)

A family is named by the first 8 bytes of the SHA-256 of its path. Leaves are written in ascending order and never
again, so the database never moves them together with others; a key that is new is answered by bloom filters alone.

Invariants:
    1. Leaves 0 … size − 1 of a family are there, where its log in the state has that size; none is above.
    2. Each leaf has exactly one record `o`, under the key that the leaf names.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256 as _sha256
from typing import Final, NamedTuple

import msgspec

from node.store.database import Batch, Database
from node.store.errors import StoreCorrupt
from node.store.layout import ONCE_KEY, ONCE_LEAF, ONCE_TILE, number
from vm import once_log
from vm.once_log import Appended, OnceProof
from vm.primitives.merkle import leaf_hash

_KEY_BYTES: Final = 20
"""Of a hash of the key: 2^80 tries for two keys with one, and then the leaf's own key tells them apart."""

_FAMILY_BYTES: Final = 8


class OnceRecord(NamedTuple):
    """A record that was found: its family's id, its place, and its canonical bytes."""

    family: bytes
    index: int
    record: bytes


_leaf_decoder = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])


def family_id(family: str) -> bytes:
    """Return what stands for a family's path in the database's keys."""
    return _sha256(family.encode()).digest()[:_FAMILY_BYTES]


def _key_of(key: str) -> bytes:
    return ONCE_KEY + _sha256(key.encode()).digest()[:_KEY_BYTES]


def _leaf_key(family: bytes, index: int) -> bytes:
    return ONCE_LEAF + family + number(index)


def _tile_key(family: bytes, level: int, index: int) -> bytes:
    return ONCE_TILE + family + bytes([level]) + number(index)


class OnceRecords:
    """Writes and finds once-records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, batch: Batch, append: Appended) -> None:
        """Put a block's records of one family into its batch."""
        family = family_id(append.family)
        for index, (key, leaf) in enumerate(append.records, start=append.first):
            batch.put(_key_of(key), family + number(index))
            batch.put(_leaf_key(family, index), leaf)
        for (level, index), hash_ in append.tiles.items():
            batch.put(_tile_key(family, level, index), hash_)

    def find(self, key: str) -> OnceRecord | None:
        """Return the record of a key, or None.

        Raises:
            StoreCorrupt: the leaf is not there, or is another key's.
        """
        place = self._database.get(_key_of(key))
        if place is None:
            return None
        family, index = place[:_FAMILY_BYTES], int.from_bytes(place[_FAMILY_BYTES:], "big")
        leaf = self._database.get(_leaf_key(family, index))
        if leaf is None:
            raise StoreCorrupt(f"the once-record {key} should be leaf {index} of its log, which is not there")
        named, record = _leaf_decoder.decode(leaf)
        if named != key:
            raise StoreCorrupt(f"leaf {index} of the log of {key} is the record of {named}")
        return OnceRecord(family, index, bytes(record))

    def leaves(self, family: bytes, first: int, count: int) -> list[bytes]:
        """Return so many leaves of a family, from `first` on.

        Raises:
            StoreCorrupt: they are not all there.
        """
        scan = self._database.scan(_leaf_key(family, first), _leaf_key(family, first + count), once=True)
        found = [leaf for _, leaf in scan]
        if len(found) != count:
            raise StoreCorrupt(f"{len(found)} of the {count} leaves from {first} on are there")
        return found

    def tile(self, family: bytes, level: int, index: int) -> bytes:
        """Return the kept hash of a complete subtree.

        Raises:
            StoreCorrupt: it is not there.
        """
        found = self._database.get(_tile_key(family, level, index))
        if found is None:
            raise StoreCorrupt(f"the hash of subtree {index} of level {level} is not there")
        return found

    def tiles(self, family: bytes, first: int, count: int) -> Iterator[bytes]:
        """Yield the hashes of the first kept level, from `first` on, as far as they are there."""
        level = once_log.TILE_LEVELS
        start, stop = _tile_key(family, level, first), _tile_key(family, level, first + count)
        for _, hash_ in self._database.scan(start, stop, once=True):
            yield hash_

    def prove(self, family: str, found: OnceRecord, size: int) -> OnceProof:
        """Return the proof of a record in its log when that had `size` leaves."""

        def hashes(first: int, count: int) -> list[bytes]:
            return [leaf_hash(leaf) for leaf in self.leaves(found.family, first, count)]

        node_hash = once_log.computed(hashes, lambda level, index: self.tile(found.family, level, index))
        return OnceProof(family, found.index, size, tuple(once_log.prove(found.index, size, node_hash)))

    def count(self, family: str) -> int:
        """Return how many leaves of a family are there, by the last one's place."""
        own = family_id(family)
        start, stop = _leaf_key(own, 0), ONCE_LEAF + own + b"\xff" * 9
        last = next(self._database.scan(start, stop, reverse=True), None)
        return 0 if last is None else int.from_bytes(last[0][-8:], "big") + 1
