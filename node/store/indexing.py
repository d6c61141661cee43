"""Which blocks of a store are indexed, and the ids that are known without an index.

    none    nothing: a transaction is found by its id until it has expired, by ids that are kept in memory
    basic   transactions by id
    full    also by account, brand and call

The store notes from which height on it has each index without a gap (`IndexCoverage`). A node that lowers its
setting stops writing; one that raises it writes from the next block on, and knows that it has nothing below. A
restore of a backup makes both indexes for all blocks that are kept.

Invariants:
    1. All kept blocks from a noted height on are in the index.
    2. Every transaction that has not expired is in the index of ids, in `RecentIds`, or is foreign
       (node/store/snapshot_records.py): so none is executed twice, whatever the setting is and was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from node.store.database import Database
from node.store.layout import INDEXED_KEY, REPLAY_IDS, read
from vm.primitives.codec import TypedDecoder, encode
from vm.primitives.hashing import HASH_BYTES
from vm.primitives.units import Count


class IndexLevel(StrEnum):
    """What a node indexes, as node.toml names it."""

    NONE = "none"
    BASIC = "basic"
    FULL = "full"


class IndexCoverage(msgspec.Struct, frozen=True, array_like=True):
    """From which height on transactions are indexed without a gap; None: not any more, or never.

    Attributes:
        ids: by id.
        names: by account, brand and call.
    """

    ids: Count | None
    names: Count | None

    def under(self, level: IndexLevel | None, following: int) -> IndexCoverage:
        """Return what is covered from now on; None goes on as before.

        Args:
            following: the next block's height.
        """
        if level is None:
            return self
        ids = None if level is IndexLevel.NONE else (following if self.ids is None else self.ids)
        names = None if level is not IndexLevel.FULL else (following if self.names is None else self.names)
        return IndexCoverage(ids, names)


ALL: Final = IndexCoverage(1, 1)
"""Of a store without a note: all that it keeps."""

_decoder = TypedDecoder(IndexCoverage)
_NO_INDEX: Final = -1


def coverage_of(database: Database) -> IndexCoverage:
    """Return what a store notes.

    Raises:
        StoreCorrupt: the note cannot be read.
    """
    record = database.get(INDEXED_KEY)
    return ALL if record is None else read(_decoder, record, "note of what is indexed")


def note_indexed(database: Database, level: IndexLevel | None, head: int) -> IndexCoverage:
    """Return from which height on a store is indexed under a setting; note it, synced, where it changes."""
    known = coverage_of(database)
    wanted = known.under(level, head + 1)
    if wanted != known:
        batch = database.batch()
        batch.put(INDEXED_KEY, encode(wanted))
        database.write(batch)
    return wanted


class RecentIds:
    """Where transactions are that have not expired and are not in the index of ids: some 200 bytes for each.

    Args:
        database: holds the ids by the slot in which they expire, from which this begins.
        below: the first height of the index of ids; None: there is none, and each block is added.
        ids_in: returns the ids of a block's transactions, in order; asked for blocks from before the start.
    """

    def __init__(self, database: Database, below: int | None, ids_in: Callable[[int], Sequence[bytes]]) -> None:
        self._ids_in = ids_in
        self._places: dict[bytes, tuple[int, int]] = {}
        self._slots: dict[int, list[bytes]] = {}
        stop = bytes([REPLAY_IDS[0] + (below is None or below > 1)])
        for key, joined in database.scan(REPLAY_IDS, stop):
            slot, height = int.from_bytes(key[1:9], "big"), int.from_bytes(key[9:], "big")
            if below is None or height < below:
                ids = split_ids(joined)
                self._slots.setdefault(slot, []).extend(ids)
                self._places.update(dict.fromkeys(ids, (height, _NO_INDEX)))

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, transaction_id: bytes) -> bool:
        return transaction_id in self._places

    def find(self, transaction_id: bytes) -> tuple[int, int] | None:
        """Return height and index of a transaction, None for one that is not here."""
        place = self._places.get(transaction_id)
        if place is not None and place[1] == _NO_INDEX:
            height = place[0]
            ids = enumerate(self._ids_in(height))
            self._places.update({found: (height, at) for at, found in ids if found in self._places})
            place = self._places[transaction_id]
        return None if place is None or place[1] == _NO_INDEX else place

    def add(self, height: int, ids: Sequence[bytes], by_slot: Mapping[int, bytes]) -> None:
        """A block is committed.

        Args:
            ids: its transactions', in order.
            by_slot: the same, joined, by the slot in which they expire.
        """
        self._places.update({found: (height, at) for at, found in enumerate(ids)})
        for slot, joined in by_slot.items():
            self._slots.setdefault(slot, []).extend(split_ids(joined))

    def expire(self, first_slot: int) -> None:
        """Forget the ids of slots below `first_slot`, which have passed."""
        for slot in [slot for slot in self._slots if slot < first_slot]:
            for gone in self._slots.pop(slot):
                self._places.pop(gone, None)


def split_ids(joined: bytes) -> list[bytes]:
    """Return the ids that are joined."""
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
