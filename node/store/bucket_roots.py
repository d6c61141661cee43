"""The bucket roots on disk: slices, and a log of the changes since each slice was written.

A full block changes some 6,000 of 65,536 roots; a put for each would cost as much as the values. Instead
each block writes one record with all the roots it changed, and one slice of all the roots in turn.
Whatever a record says has reached its slices after `slice_count` blocks, and the record goes.

Invariants:
    1. The slices with the kept records written over them in order of height are the roots at the head.
    2. At most slice_count records are kept.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence

from node.store.database import Batch, Database
from node.store.errors import StoreCorrupt
from node.store.layout import ROOT_CHANGES, ROOT_SLICE, at_height, number
from vm.primitives.hashing import HASH_BYTES
from vm.state_tree import TreeUpdate

MAX_SLICES = 128
"""At 65,536 buckets a slice is 16 KiB; a start reads at most 128 records of changes."""


class BucketRootLog:
    """Reads and writes the roots of all buckets."""

    def __init__(self, database: Database, bucket_count: int) -> None:
        self._database = database
        self._bucket_count = bucket_count
        self._slice_count = min(bucket_count, MAX_SLICES)
        self._per_slice = bucket_count // self._slice_count
        self._dirty: set[int] = set()

    def load(self) -> bytes:
        """Return the roots at the head, 32 bytes per bucket."""
        roots = bytearray()
        for _, part in self._database.scan(ROOT_SLICE, bytes([ROOT_SLICE[0] + 1])):
            roots += part
        if len(roots) != self._bucket_count * HASH_BYTES:
            raise StoreCorrupt(f"{len(roots)} bytes of bucket roots for {self._bucket_count} buckets")
        for _, record in self._database.scan(ROOT_CHANGES, bytes([ROOT_CHANGES[0] + 1])):
            for index, root in unpack_nodes(record).items():
                roots[index * HASH_BYTES : (index + 1) * HASH_BYTES] = root
                self._dirty.add(index // self._per_slice)
        return bytes(roots)

    def write_all(self, batch: Batch, roots: bytes) -> None:
        """Put every slice, and drop the log: for genesis and for a state that came by snapshot."""
        size = self._per_slice * HASH_BYTES
        for i in range(self._slice_count):
            batch.put(ROOT_SLICE + number(i), roots[i * size : (i + 1) * size])
        for key, _ in self._database.scan(ROOT_CHANGES, bytes([ROOT_CHANGES[0] + 1])):
            batch.delete(key)

    def write(self, batch: Batch, height: int, update: TreeUpdate, roots: bytearray) -> None:
        """Put what a block changes.

        Args:
            batch: the block's batch.
            height: the block's height.
            update: what it changes.
            roots: the roots before it.
        """
        changed = update.bucket_roots
        batch.put(at_height(ROOT_CHANGES, height), pack_nodes(changed))
        turn = height % self._slice_count
        if turn in self._dirty or turn in self._slices_of(update):
            first, size = turn * self._per_slice, self._per_slice * HASH_BYTES
            part = roots[first * HASH_BYTES : first * HASH_BYTES + size]
            for index in range(first, first + self._per_slice):
                root = changed.get(index)
                if root is not None:
                    part[(index - first) * HASH_BYTES : (index - first + 1) * HASH_BYTES] = root
            batch.put(ROOT_SLICE + number(turn), bytes(part))
        if height > self._slice_count:
            batch.delete(at_height(ROOT_CHANGES, height - self._slice_count))

    def applied(self, height: int, update: TreeUpdate) -> None:
        """Take over a block that has been written."""
        self._dirty |= self._slices_of(update)
        self._dirty.discard(height % self._slice_count)

    def _slices_of(self, update: TreeUpdate) -> set[int]:
        per_slice = self._per_slice
        return {index // per_slice for index in update.bucket_roots}


def pack_nodes(nodes: Mapping[int, bytes]) -> bytes:
    """Return one record of hashes by index."""
    indices = sorted(nodes)
    return pack_hashes(indices, [nodes[index] for index in indices])


def pack_hashes(indices: Sequence[int], hashes: Iterable[bytes | bytearray]) -> bytes:
    """Return one record of hashes and their indices, which ascend: all indices (4 bytes each), then all hashes."""
    return struct.pack(f">{len(indices)}I", *indices) + b"".join(hashes)


def unpack_nodes(record: bytes) -> dict[int, bytes]:
    """Return the hashes by index of a record."""
    return dict(nodes_between(record, 0, 1 << 32))


def nodes_between(record: bytes, first: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """Yield the indices from `first` to below `stop` that a record has, with their hashes."""
    count = len(record) // (4 + HASH_BYTES)
    indices = struct.unpack_from(f">{count}I", record)
    for place in range(bisect_left(indices, first), bisect_left(indices, stop)):
        at = 4 * count + HASH_BYTES * place
        yield indices[place], record[at : at + HASH_BYTES]
