"""State values at the head: the reader for execution, and their records in the database.

The cache holds, by key, the canonical bytes and, once somebody has asked for it, the decoded object. A
commit puts the objects that the block's execution wrote: `vm.state_view.cell_of` decodes each from the very bytes
that the state root commits to, so a node that has just restarted and one that has run for months read the same.

Invariants:
    1. An entry shows the value at the head: commits replace the entries of all changed keys.
    2. A decoded object is shared by all readers, who must not change it (frozen structs, tuples, int, …).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256 as _sha256
from typing import Any, Final, TypeVar

import msgspec

from node.store.cache import LruCache
from node.store.database import Batch, Database
from node.store.errors import StoreCorrupt
from node.store.layout import STATE, split_record, state_record
from node.store.once import OnceRecords
from vm.block_execution import Written
from vm.tables.stored import Stored

T = TypeVar("T")

_Entry = tuple[Any, Any, bytes | None]
"""The stored type that the value was decoded as (None: not yet), its cell, the value (None: absent)."""

_NOTHING: Final[_Entry] = (None, None, None)
"""The entry of a key without a value."""

_ENTRY_BYTES = 400
"""What an entry costs beside its value: key, tuple, dict slot, a small object (sys.getsizeof)."""


_LARGE_VALUE: Final = 1_024
_DECODED_FACTOR: Final = 16
"""What a byte of a large value costs once it is decoded: a struct of two small integers is 3 bytes encoded, and
48 as an object. Small values are within _ENTRY_BYTES."""


def _entry_size(entry: _Entry) -> int:
    length = len(entry[2] or b"")
    decoded = entry[0] is not None and length > _LARGE_VALUE
    return _ENTRY_BYTES + (1 + _DECODED_FACTOR if decoded else 2) * length


class StateValues:
    """The values at the head, and the once-records; satisfies vm.state_view.StateReader."""

    def __init__(self, database: Database, cache_bytes: int) -> None:
        self._database = database
        self.once_records = OnceRecords(database)
        self.once = self.once_records.cell
        self._cache: LruCache[str, _Entry] = LruCache(cache_bytes, _entry_size)
        self._peek = self._cache.peek

    def cell(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return the value of `key` with its canonical bytes, None if there is none.

        Raises:
            StoreCorrupt: the value is not of this type.
        """
        entry = self._peek(key)
        if entry is not None and (entry[0] is stored or entry[2] is None):
            found: tuple[T, bytes] | None = entry[1]  # None where it is known that there is no value
            return found
        return self._decode(key, stored, entry)

    def _decode(self, key: str, stored: Stored[T], entry: _Entry | None) -> tuple[T, bytes] | None:
        """Read what the cache does not hold, or holds as bytes or as another type."""
        value = self._stored(_sha256(key.encode()).digest()) if entry is None else entry[2]
        if value is None:
            self._cache.put(key, _NOTHING)
            return None
        try:
            cell = stored.decode(value), value
        except msgspec.MsgspecError as error:
            raise StoreCorrupt(f"the state value {key} is not a {stored.annotation}: {error}") from error
        self._cache.put(key, (stored, cell, value))
        return cell

    def charge(self, units: int) -> None:
        """Do nothing: what the machine itself reads is not metered."""

    def value(self, key: str, key_hash: bytes | None = None) -> bytes | None:
        """Return the canonical bytes of a value, None if there is none."""
        entry = self._cache.get(key)
        if entry is not None:
            return entry[2]
        value = self._stored(key_hash or _sha256(key.encode()).digest())
        self._cache.put(key, (None, None, value))
        return value

    def _stored(self, key_hash: bytes) -> bytes | None:
        """Return the value of a key hash, as the database has it."""
        record = self._database.get(STATE + key_hash)
        return None if record is None else record[4 + int.from_bytes(record[:4], "big") :]

    def record(self, key_hash: bytes) -> bytes | None:
        """Return the stored record (key and value) of a key hash."""
        return self._database.get(STATE + key_hash)

    def every(self) -> Iterator[tuple[str, bytes]]:
        """Yield every key with its value, as stored, in the order of key hashes."""
        for stored_key, record in self._database.scan(STATE, bytes([STATE[0] + 1])):
            key, value = split_record(record)
            if stored_key[1:] != _sha256(key).digest():
                raise StoreCorrupt(f"the state value {key!r} does not stand where its key belongs")
            yield key.decode(), value

    def value_at_head(self, key: str, key_hash: bytes) -> bytes | None:
        """Return what `value` does, and leave the cache as it is: for a key that is not going to be read again."""
        entry = self._peek(key)
        if entry is not None:
            return entry[2]
        record = self.record(key_hash)
        return None if record is None else split_record(record)[1]

    def values_at_head(self, keys: Iterable[tuple[bytes, str]]) -> list[tuple[str, bytes | None]]:
        """Return keys with their canonical bytes; takes their hashes along."""
        peek, found = self._peek, []
        for key_hash, key in keys:
            entry = peek(key)
            found.append((key, self.value_at_head(key, key_hash) if entry is None else entry[2]))
        return found

    def write(self, batch: Batch, changes: Mapping[str, bytes | None], key_hashes: Mapping[str, bytes]) -> None:
        """Put the changed values into a batch."""
        put, delete = batch.put, batch.delete
        for key, value in changes.items():
            if value is None:
                delete(STATE + key_hashes[key])
            else:
                put(STATE + key_hashes[key], state_record(key, value))

    def applied(self, changes: Mapping[str, bytes | None], written: Written | None = None) -> None:
        """Take over changes that have been written, decoded where they are; the next block reads many of them."""
        if written is None:
            entries: list[tuple[str, _Entry]] = [(key, (None, None, value)) for key, value in changes.items()]
        else:
            cells, types = written
            entries = [
                (key, _NOTHING if value is None else (types[key], cells[key], value))
                for key, value in changes.items()
            ]
        self._cache.put_all(entries)

    def follow(self, changes: Mapping[str, bytes | None] | None) -> None:
        """Take over changes that another process has written, of what is held here; None: forget all."""
        if changes is None:
            self._cache.clear()
            return
        peek, put = self._peek, self._cache.put
        for key, value in changes.items():
            if peek(key) is not None:
                put(key, (None, None, value))
