"""Keys and records of the database (docs/state.md lists them).

A key is one letter and fixed-width big-endian numbers or hashes, so that ranges scan in order:

    m name                    meta data: format, genesis, bucket_count, head, history_floor, log_mark,
                              oldest_block, indexed (node/store/indexing.py)
    h height                  the Head after that height
    d digest                  height of a block
    b height / c / r          block, certificate, receipts (one list)
    e height                  canonical header of a pruned block
    x transaction id          height and index
    i kind NUL name NUL height    indexes of the transactions of an account, brand, …
    s key hash                a state value: length of the key, key, value
    p page id                 a split page of the tree
    n page id                 the head of a bucket's page, as of some stop of the node
    g slice                   bucket roots of one slice of the tree, as of some height
    l height                  bucket roots changed at a height
    u height nibble           what the state and the tree were before a height, by first nibble of the key hash
    t height                  the same for the two topmost levels of the tree
    j height                  which keys a height changed: the first bytes of their hashes
    k height, q slot height, y id    snapshots (node/store/snapshot_records.py)
    o key hash, w family index, v family level index    once-records (node/store/once.py)

Invariant: everything the store writes for a height is in one batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from node.store.errors import StoreCorrupt
from vm.primitives.codec import CodecError, TypedDecoder, encode
from vm.primitives.units import Count

FORMAT = b"entente-store/3"
FORMAT_2 = b"entente-store/2"
"""As it was until the history was kept by height; `node.store.upgrade` makes it this one."""

FORMAT_KEY = b"mformat"
GENESIS_KEY = b"mgenesis"
BUCKET_COUNT_KEY = b"mbucket_count"
HEAD_KEY = b"mhead"
HISTORY_FLOOR_KEY = b"mhistory_floor"
LOG_MARK_KEY = b"mlog_mark"
OLDEST_BLOCK_KEY = b"moldest_block"
INDEXED_KEY = b"mindexed"

HEAD = b"h"
DIGEST = b"d"
BLOCK = b"b"
CERTIFICATE = b"c"
RECEIPTS = b"r"
HEADER = b"e"
TRANSACTION = b"x"
INDEX = b"i"
STATE = b"s"
SPLIT_PAGE = b"p"
PAGE_HEAD = b"n"
ROOT_SLICE = b"g"
ROOT_CHANGES = b"l"
PART_UNDO = b"u"
TOP_UNDO = b"t"
CHANGED_KEYS = b"j"
SNAPSHOT = b"k"
REPLAY_IDS = b"q"
FOREIGN_ID = b"y"
ONCE_KEY = b"o"
ONCE_LEAF = b"w"
ONCE_TILE = b"v"

PRIMARY: Final = frozenset(
    {b"m", BLOCK, CERTIFICATE, RECEIPTS, HEADER, STATE, PART_UNDO, CHANGED_KEYS, REPLAY_IDS, ONCE_LEAF}
)
"""Families that a backup must hold: nothing else tells what they say."""

DERIVED: Final = frozenset(
    {
        HEAD,
        DIGEST,
        TRANSACTION,
        INDEX,
        SPLIT_PAGE,
        PAGE_HEAD,
        ROOT_SLICE,
        ROOT_CHANGES,
        TOP_UNDO,
        SNAPSHOT,
        FOREIGN_ID,
        ONCE_KEY,
        ONCE_TILE,
    }
)
"""Families that follow from the primary ones; a restore makes them afresh (node/store/rebuild.py)."""

META_KEYS: Final = frozenset(
    {
        FORMAT_KEY,
        GENESIS_KEY,
        BUCKET_COUNT_KEY,
        HEAD_KEY,
        HISTORY_FLOOR_KEY,
        LOG_MARK_KEY,
        OLDEST_BLOCK_KEY,
        INDEXED_KEY,
    }
)

T = TypeVar("T")


class LogMark(msgspec.Struct, frozen=True, array_like=True):
    """Which write-ahead log this validator signs with, and how many votes have ever been appended to it."""

    identity: bytes
    sequence: Count


class Head(msgspec.Struct, frozen=True, array_like=True):
    """A decided height and what it led to; height 0 is genesis, its digest that of the genesis bytes."""

    height: Count
    digest: bytes
    state_root: bytes
    receipts_root: bytes


head_decoder = TypedDecoder(Head)


class Meta(msgspec.Struct, frozen=True):
    """The meta data of a store, the mark of the write-ahead log and the note of what is indexed apart."""

    genesis: bytes
    bucket_count: int
    head: Head
    history_floor: int
    oldest_block: int

    @classmethod
    def read(cls, records: Mapping[bytes, bytes]) -> Meta:
        """Return the meta data that records hold.

        Those of format 2 have no history, as theirs is not carried over: past states begin at the head.

        Raises:
            StoreCorrupt: one is missing, or cannot be read.
        """
        form = records.get(FORMAT_KEY)
        if form not in (FORMAT, FORMAT_2):
            raise StoreCorrupt(f"the database has the format {form!r}, not {FORMAT!r}")
        genesis, count, head = map(records.get, (GENESIS_KEY, BUCKET_COUNT_KEY, HEAD_KEY))
        if genesis is None or count is None or head is None:
            raise StoreCorrupt("the database has no genesis, bucket count or head")
        last = read(head_decoder, head, "head")
        floor = int.from_bytes(records.get(HISTORY_FLOOR_KEY, b""), "big") if form == FORMAT else last.height
        oldest = int.from_bytes(records.get(OLDEST_BLOCK_KEY, number(1)), "big")
        return cls(genesis, int.from_bytes(count, "big"), last, floor, oldest)

    def records(self) -> dict[bytes, bytes]:
        """Return the records that a store has of them."""
        records = {
            FORMAT_KEY: FORMAT,
            GENESIS_KEY: self.genesis,
            BUCKET_COUNT_KEY: number(self.bucket_count),
            HEAD_KEY: encode(self.head),
        }
        if self.history_floor:
            records[HISTORY_FLOOR_KEY] = number(self.history_floor)
        if self.oldest_block > 1:
            records[OLDEST_BLOCK_KEY] = number(self.oldest_block)
        return records


def number(value: int) -> bytes:
    """Return a height or index as 8 bytes, so that bytes sort as numbers do."""
    return value.to_bytes(8, "big")


def at_height(letter: bytes, height: int) -> bytes:
    """Return the key of a record that exists once per height."""
    return letter + number(height)


def index_key(kind: str, name: str, height: int) -> bytes:
    """Return the key of one index record."""
    return INDEX + kind.encode() + b"\0" + name.encode() + b"\0" + number(height)


def state_record(key: str, value: bytes) -> bytes:
    """Return the record of a state value; it names its key, as the database knows hashes only."""
    raw = key.encode()
    return len(raw).to_bytes(4, "big") + raw + value


def split_record(record: bytes) -> tuple[bytes, bytes]:
    """Return the key (UTF-8) and the value of a state record."""
    end = 4 + int.from_bytes(record[:4], "big")
    return record[4:end], record[end:]


def read(decoder: TypedDecoder[T], data: bytes, what: str) -> T:
    """Decode a stored record.

    Raises:
        StoreCorrupt: it is not what the store writes.
    """
    try:
        return decoder.decode(data)
    except CodecError as error:
        raise StoreCorrupt(f"the stored {what} cannot be read: {error}") from error
