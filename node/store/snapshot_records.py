"""What a node keeps so that it can offer snapshots, and how it reads one (docs/decisions/snapshots.md).

Every `interval` blocks the commit writes the bucket roots of that height beside everything else. As long as the
state history reaches back to it, that height is offered: its values are the head's with what later blocks
replaced put back, so a snapshot costs no copy, survives a restart, and is the same at every node.

Transaction ids that can still be replayed travel along. They are written with each block, by the slot in which
they expire, and deleted once no kept snapshot has the slot.

    k height          first live slot (8 bytes), then the bucket roots after that height
    q slot height     ids of that block's transactions that expire in the slot, in order
    y id              a transaction that was in the chain before the snapshot that this store began with

Invariants:
    1. The ids under a slot up to a kept height hash to that height's `chain/replay/<slot>`.
    2. A commit deletes at most SWEPT_PER_COMMIT records of ids.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256 as _sha256

from node.runtime.pauses import pause_point
from node.store.database import Batch, Database
from node.store.history import StateHistory
from node.store.layout import FOREIGN_ID, REPLAY_IDS, SNAPSHOT, STATE, at_height, number, split_record
from node.store.once import OnceRecords
from node.store.tree_pages import hash_range
from vm.once_log import TILE_LEVELS
from vm.primitives.hashing import HASH_BYTES, ZERO_HASH
from vm.state_chunks import StateRecord
from vm.state_pages import group_entries, trie_hash
from vm.state_proof import FANOUT, leaf_hash
from vm.state_tree import StateTree, TreeUpdate

KEPT_SNAPSHOTS = 3
"""At most so many heights are offered; an archive would keep 2 MiB of roots for each otherwise."""

SWEPT_PER_COMMIT = 512
MAX_CHUNK_BYTES = 512 * 1024
"""A chunk ends after so many bytes: building it takes some 10 ms of the event loop, sending it little of a link."""

MAX_CHUNK_SECONDS = 0.04
"""A chunk ends after so long as well, with the rests between its slices: where much has been replaced since the
height, reading is slower."""


@dataclass(frozen=True, slots=True)
class StateSlice:
    """What lies below the first `covered` nodes asked for; where one alone is too much, 0 and its children."""

    covered: int
    records: list[StateRecord]
    children: tuple[bytes, ...] = ()


class SnapshotRecords:
    """Writes and reads the records of snapshots.

    Args:
        interval: offer each height that is a multiple of it; None: offer none.
    """

    def __init__(self, database: Database, tree: StateTree, history: StateHistory, interval: int | None) -> None:
        self._database = database
        self._tree = tree
        self._history = history
        self._once = OnceRecords(database)
        self._interval = interval
        self._first_slots = {
            int.from_bytes(key[1:], "big"): int.from_bytes(record[:8], "big")
            for key, record in database.scan(SNAPSHOT, bytes([SNAPSHOT[0] + 1]))
        }
        foreign = database.scan(FOREIGN_ID, bytes([FOREIGN_ID[0] + 1]))
        self._began_with_snapshot = next(foreign, None) is not None
        self._swept_slot = 0
        self._written = (self._first_slots, 0)
        self._replaced: tuple[int, int, int, dict[bytes, bytes | None]] = (-1, -1, -1, {})

    # -- writing -----------------------------------------------------------------------------------

    def write(
        self, batch: Batch, height: int, update: TreeUpdate, ids: Mapping[int, bytes], first_slot: int
    ) -> None:
        """Put a block's ids and, where it is its turn, its bucket roots; delete what is not needed any more.

        Args:
            ids: transaction ids, joined, by the slot in which they expire.
            first_slot: the first slot that has not passed at the block's time.
        """
        kept = dict(self._first_slots)
        for slot, joined in ids.items():
            batch.put(_ids_key(slot, height), joined)
        if self._interval is not None and height % self._interval == 0:
            roots = bytearray(self._tree.bucket_roots)
            for bucket, root in update.bucket_roots.items():
                roots[bucket * HASH_BYTES : (bucket + 1) * HASH_BYTES] = root
            batch.put(at_height(SNAPSHOT, height), number(first_slot) + bytes(roots))
            kept[height] = first_slot
        newest = sorted(kept)[-KEPT_SNAPSHOTS:]
        for old in [old for old in kept if old < self._history.floor or old not in newest]:
            batch.delete(at_height(SNAPSHOT, old))
            del kept[old]
        self._written = kept, self._sweep(batch, min([first_slot, *kept.values()]))

    def applied(self) -> None:
        """Take over what the last `write` put, now that it is written."""
        self._first_slots, self._swept_slot = self._written

    def _sweep(self, batch: Batch, below: int) -> int:
        """Delete ids of slots below one, not all at once; return the first slot that may have some left."""
        if below <= self._swept_slot:
            return self._swept_slot
        scan = self._database.scan(REPLAY_IDS + number(self._swept_slot), REPLAY_IDS + number(below))
        for count, (key, _) in enumerate(scan, start=1):
            batch.delete(key)
            if count == SWEPT_PER_COMMIT:
                return int.from_bytes(key[1:9], "big")
        return below

    # -- reading -----------------------------------------------------------------------------------

    def heights(self) -> list[int]:
        """Return the heights whose state can be read, ascending."""
        return sorted(height for height in self._first_slots if height >= self._history.floor)

    def bucket_roots(self, height: int, first: int, count: int) -> bytes | None:
        """Return bucket roots after an offered height, None if it is not offered."""
        if height not in self.heights():
            return None
        record = self._database.get(at_height(SNAPSHOT, height)) or b""
        return record[8 + first * HASH_BYTES : 8 + (first + count) * HASH_BYTES]

    def replay_ids(self, height: int, slot: int, skip: int, limit: int) -> bytes | None:
        """Return ids of a slot, up to a height, in the order of the chain; None if the height is not offered."""
        if height not in self.heights():
            return None
        scan = self._database.scan(_ids_key(slot, 0), _ids_key(slot, height + 1), once=True)
        joined = b"".join([ids for _, ids in scan])
        return joined[skip * HASH_BYTES : (skip + limit) * HASH_BYTES]

    def live_ids(self, first_slot: int) -> Iterator[tuple[int, bytes]]:
        """Yield slots from one on, ascending, with ids that expire in them, joined; a slot may come in parts."""
        for key, ids in self._database.scan(REPLAY_IDS + number(first_slot), bytes([REPLAY_IDS[0] + 1])):
            yield int.from_bytes(key[1:9], "big"), ids

    def once_tiles(self, height: int, family: str, first: int, limit: int) -> bytes | None:
        """Return hashes of a log's tiles, joined; None if the height is not offered.

        Logs only grow: what is there of a later height is the same for this one.
        """
        if height not in self.heights():
            return None
        return b"".join(self._once.tiles(family, TILE_LEVELS, first, limit))

    def once_leaves(
        self, height: int, family: str, first: int, count: int, max_bytes: int = MAX_CHUNK_BYTES
    ) -> list[bytes] | None:
        """Return leaves of a log, as many as one reply holds, one at least; None if the height is not offered."""
        if height not in self.heights():
            return None
        return self._once.leaves_here(family, first, count, max_bytes)

    def is_foreign(self, transaction_id: bytes) -> bool:
        """Tell whether a transaction was in the chain before this store's first block."""
        return self._began_with_snapshot and self._database.get(FOREIGN_ID + transaction_id) is not None

    def state_slice(
        self,
        height: int,
        prefix: str,
        count: int,
        max_bytes: int = MAX_CHUNK_BYTES,
        now: Callable[[], float] = time.monotonic,
    ) -> StateSlice | None:
        """Return the state after an offered height below neighbouring nodes of the tree; None if it is not offered.

        Args:
            height: one of `heights()`.
            prefix: the first node's name, of `depth` nibbles or more.
            count: nodes wanted; fewer may be answered, at least one.
            now: seconds, by which the answer ends after MAX_CHUNK_SECONDS.

        Raises:
            StatePruned: it was offered, and at a pause point the height has been pruned.
        """
        level = len(prefix)
        if height not in self.heights() or level < self._tree.depth:
            return None
        first = int(prefix, 16)
        count = min(count, FANOUT**level - first)
        deadline = now() + MAX_CHUNK_SECONDS
        records: list[StateRecord] = []
        size = node_at = 0
        node = first
        for key_hash, record in self._records(height, prefix, count):
            pause_point()
            index = _node_of(key_hash, level)
            if index != node:
                if size >= max_bytes or now() > deadline:
                    return StateSlice(index - first, records)
                node, node_at = index, len(records)
            records.append(split_record(record))
            size += len(record)
            if size > max_bytes and len(records) - node_at > 1:
                if node > first:
                    return StateSlice(node - first, records[:node_at])
                return StateSlice(0, [], self._children(height, prefix))
        return StateSlice(count, records)

    def _children(self, height: int, prefix: str) -> tuple[bytes, ...]:
        """Return the hashes of the 16 children of a node inside a bucket."""
        entries = []
        for key_hash, record in self._records(height, prefix, 1):
            key, value = split_record(record)
            entries.append(key_hash + leaf_hash(key, _sha256(value).digest()))
        level = len(prefix)
        hashes = {own: trie_hash(group, level + 1) for own, group in group_entries(b"".join(entries), level)}
        return tuple(hashes.get(own, ZERO_HASH) for own in range(FANOUT))

    def _records(self, height: int, prefix: str, count: int) -> Iterator[tuple[bytes, bytes]]:
        """Return (key hash, record) after a height below neighbouring nodes, ascending."""
        start, _ = hash_range(prefix)
        _, stop = hash_range(f"{int(prefix, 16) + count - 1:0{len(prefix)}x}")
        ends_all = stop[:1] != STATE
        for shard in range(start[1], 256 if ends_all else stop[1] + 1):
            low = max(start, STATE + bytes([shard]))
            high = bytes([STATE[0] + 1]) if shard == 255 else STATE + bytes([shard + 1])
            high = min(high, stop)
            if low < high:
                yield from self._shard_records(height, shard, low, high)

    def _shard_records(self, height: int, shard: int, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        replaced = self._replaced_in(shard, height)
        at_head = ((key[1:], record) for key, record in self._database.scan(low, high, once=True))
        if not replaced:
            yield from at_head
            return
        old = sorted(key_hash for key_hash in replaced if low <= STATE + key_hash < high)
        at = 0
        for key_hash, record in at_head:
            while at < len(old) and old[at] < key_hash:
                if (before := replaced[old[at]]) is not None:
                    yield old[at], before
                at += 1
            if at < len(old) and old[at] == key_hash:
                continue  # its old record comes with the next step, or there was none
            yield key_hash, record
        for key_hash in old[at:]:
            if (before := replaced[key_hash]) is not None:
                yield key_hash, before

    def _replaced_in(self, shard: int, height: int) -> dict[bytes, bytes | None]:
        """Return what later blocks replaced in a shard; the last answer is kept, and carried on by newer blocks."""
        known_shard, known_height, until, replaced = self._replaced
        if (known_shard, known_height) != (shard, height):
            until, replaced = height, {}
        until = self._history.replaced_in_shard(shard, until, replaced)
        self._replaced = shard, height, until, replaced
        return replaced


def _ids_key(slot: int, height: int) -> bytes:
    return REPLAY_IDS + number(slot) + number(height)


def _node_of(key_hash: bytes, level: int) -> int:
    """Return the place of the node at a level on a key's path."""
    count = (level + 1) // 2
    index = int.from_bytes(key_hash[:count], "big")
    return index >> 4 if level & 1 else index
