"""The state at past heights, from records of what each block replaced.

The commit of height h writes, sharded by the first byte of the key hash, the old records of the keys that
it changes and the old hashes of the upper tree nodes from level 3 on; the two topmost levels go into a record
of their own, which also names the shards. What held after height g is the oldest such record above g,
and the head's where there is none. A shard's records lie in order of height, so a look-up skips the blocks
that did not touch the shard. Inside a bucket the tree at g is the tree at the head with the bucket's
old values put back.

Invariants:
    1. The state after every height from `floor` to the head can be had, value and proof.
    2. A commit deletes the records of at most PRUNED_PER_COMMIT heights.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256 as _sha256

import msgspec

from node.store.bucket_roots import pack_nodes, unpack_nodes
from node.store.database import Batch, Database
from node.store.layout import (
    HISTORY_FLOOR_KEY,
    SHARD_UNDO,
    TOP_UNDO,
    at_height,
    number,
    read,
    split_record,
)
from node.store.tree_pages import PageStore
from node.store.values import StateValues
from vm.primitives.codec import TypedDecoder, encode
from vm.primitives.hashing import HASH_BYTES
from vm.state_pages import PageEdits
from vm.state_proof import FANOUT, StateProof, leaf_hash
from vm.state_tree import StateTree, TreeUpdate, build_proof

PRUNED_PER_COMMIT = 4
"""Bounds the work of catching up after `state_history_blocks` was lowered."""

TOP_LEVELS = 2
"""Levels whose nodes lie above the shards: a shard is one byte, two nibbles."""


class ShardUndo(msgspec.Struct, frozen=True, array_like=True):
    """What a block replaced below one first byte: [key hash, old record], old nodes of levels 3 … depth."""

    values: list[tuple[bytes, bytes | None]]
    levels: list[bytes]


class TopUndo(msgspec.Struct, frozen=True, array_like=True):
    """Old nodes of levels 1 and 2, and the shards that the block touched."""

    levels: list[bytes]
    shards: bytes


_shard_decoder = TypedDecoder(ShardUndo)
_top_decoder = TypedDecoder(TopUndo)


def decode_shard(record: bytes) -> ShardUndo:
    """Return what a block replaced in a shard.

    Raises:
        StoreCorrupt: it is no such record.
    """
    return read(_shard_decoder, record, "history")


def decode_top(record: bytes) -> TopUndo:
    """Return what a block replaced in the topmost levels.

    Raises:
        StoreCorrupt: it is no such record.
    """
    return read(_top_decoder, record, "history")


class PastValues:
    """The values of past heights, from what later blocks replaced."""

    def __init__(self, database: Database, values: StateValues) -> None:
        self._database = database
        self._values = values

    def record(self, key_hash: bytes, height: int) -> bytes | None:
        """Return the record (key and value) that a key hash had after `height`."""
        for undo in self._shard_after(key_hash[0], height):
            for changed, old in undo.values:
                if changed == key_hash:
                    return old
        return self._values.record(key_hash)

    def _shard_after(self, shard: int, height: int) -> Iterator[ShardUndo]:
        """Return what the blocks above `height` replaced in a shard, oldest first."""
        stop = SHARD_UNDO + bytes([shard]) + b"\xff" * 8
        for _, record in self._database.scan(shard_key(shard, height + 1), stop):
            yield decode_shard(record)


class StateHistory(PastValues):
    """Writes the records of replaced state, and answers from them."""

    def __init__(
        self, database: Database, values: StateValues, pages: PageStore, tree: StateTree, kept_blocks: int | None
    ) -> None:
        super().__init__(database, values)
        self._pages = pages
        self._tree = tree
        self._kept_blocks = kept_blocks
        self.floor = int.from_bytes(database.get(HISTORY_FLOOR_KEY) or b"", "big")

    def write(self, batch: Batch, height: int, update: TreeUpdate) -> int:
        """Put the records of a block, delete those past the history; return the new floor."""
        values: dict[int, list[tuple[bytes, bytes | None]]] = {}
        old_record = self._values.record_at_head
        for key, key_hash in update.key_hashes.items():
            values.setdefault(key_hash[0], []).append((key_hash, old_record(key, key_hash)))
        nodes = self._old_nodes(update)
        for shard, replaced in values.items():
            levels = [pack_nodes(level.get(shard, {})) for level in nodes[TOP_LEVELS:]]
            batch.put(shard_key(shard, height), encode(ShardUndo(replaced, levels)))
        top = [pack_nodes(level[0]) for level in nodes[:TOP_LEVELS]]
        batch.put(at_height(TOP_UNDO, height), encode(TopUndo(top, bytes(sorted(values)))))
        return self._prune(batch, height)

    def _old_nodes(self, update: TreeUpdate) -> list[dict[int, dict[int, bytearray]]]:
        """Return for each level from 1 on, by shard (0 for the top levels), the hashes before the update."""
        old = []
        for level, changed in enumerate(update.nodes, start=1):
            shift = 4 * (level - TOP_LEVELS)
            by_shard: dict[int, dict[int, bytearray]] = {} if shift > 0 else {0: {}}
            hashes = self._tree.level(level)
            for index in changed:
                shard = index >> shift if shift > 0 else 0
                by_shard.setdefault(shard, {})[index] = hashes[index << 5 : (index + 1) << 5]
            old.append(by_shard)
        return old

    def _prune(self, batch: Batch, height: int) -> int:
        if self._kept_blocks is None:
            return self.floor
        floor = max(self.floor, min(height - self._kept_blocks, self.floor + PRUNED_PER_COMMIT))
        for gone in range(self.floor + 1, floor + 1):
            record = self._database.get(at_height(TOP_UNDO, gone))
            if record is not None:
                for shard in decode_top(record).shards:
                    batch.delete(shard_key(shard, gone))
                batch.delete(at_height(TOP_UNDO, gone))
        if floor != self.floor:
            batch.put(HISTORY_FLOOR_KEY, number(floor))
        return floor

    def replaced_in_shard(self, shard: int, height: int, replaced: dict[bytes, bytes | None]) -> int:
        """Add the records that the blocks above `height` replaced, where none is known; return the last such block.

        Args:
            shard: the first byte of the key hashes.
            height: what `replaced` shows already ends here.
            replaced: old records by key hash, None for a key that was absent.
        """
        last = height
        stop = SHARD_UNDO + bytes([shard]) + b"\xff" * 8
        for key, record in self._database.scan(shard_key(shard, height + 1), stop):
            for key_hash, old in decode_shard(record).values:
                replaced.setdefault(key_hash, old)
            last = int.from_bytes(key[-8:], "big")
        return last

    def prove(self, key_hash: bytes, height: int) -> StateProof:
        """Return the proof of a key hash in the state after `height`."""
        tree = self._tree
        bucket = key_hash.hex()[: tree.depth]
        edits = PageEdits(self._pages)
        replaced = self._replaced_in_bucket(bucket, height)
        if replaced:
            edits.change(bucket, [(changed, _leaf_of(record)) for changed, record in replaced.items()])

        def leaf_of(other: bytes) -> tuple[str, bytes]:
            record = replaced[other] if other in replaced else self._values.record(other)
            key, value = split_record(record or b"")
            return key.decode(), value

        def children_of(level: int, index: int) -> bytes:
            return self._children_of(level, index, height)

        return build_proof(tree.depth, key_hash, children_of, edits, leaf_of)

    def _replaced_in_bucket(self, bucket: str, height: int) -> dict[bytes, bytes | None]:
        """Return the records after `height` of all the bucket's keys that have changed since."""
        depth = self._tree.depth
        shards = [int(bucket[:2], 16)] if depth > 1 else range(int(bucket, 16) << 4, (int(bucket, 16) + 1) << 4)
        replaced: dict[bytes, bytes | None] = {}
        for shard in shards:
            for undo in self._shard_after(shard, height):
                for key_hash, record in undo.values:
                    if key_hash not in replaced and key_hash.hex()[:depth] == bucket:
                        replaced[key_hash] = record
        return replaced

    def _children_of(self, level: int, index: int, height: int) -> bytes:
        """Return the 16 hashes below an upper node after `height`."""
        wanted = range(index * FANOUT, (index + 1) * FANOUT)
        found: dict[int, bytes] = {}
        for record in self._levels_after(level + 1, index, height):
            for child, hash_ in unpack_nodes(record).items():
                if child in wanted:
                    found.setdefault(child, hash_)
            if len(found) == FANOUT:
                break
        block = bytearray(self._tree.children_of(level, index))
        for child, hash_ in found.items():
            at = (child % FANOUT) * HASH_BYTES
            block[at : at + HASH_BYTES] = hash_
        return bytes(block)

    def _levels_after(self, level: int, parent: int, height: int) -> Iterator[bytes]:
        """Return the packed old nodes of `level` near `parent` that later blocks replaced, oldest first."""
        if level <= TOP_LEVELS:
            start, stop = at_height(TOP_UNDO, height + 1), bytes([TOP_UNDO[0] + 1])
            for _, record in self._database.scan(start, stop):
                yield decode_top(record).levels[level - 1]
            return
        shard = parent >> 4 * (level - 1 - TOP_LEVELS)
        for undo in self._shard_after(shard, height):
            yield undo.levels[level - 1 - TOP_LEVELS]


def shard_key(shard: int, height: int) -> bytes:
    """Return the key of what a block replaced in a shard."""
    return SHARD_UNDO + bytes([shard]) + number(height)


def _leaf_of(record: bytes | None) -> bytes | None:
    if record is None:
        return None
    key, value = split_record(record)
    return leaf_hash(key, _sha256(value).digest())
