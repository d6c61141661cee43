"""A snapshot on its way in: a database of its own beside the node's, until it is whole.

It is written as the store that it will be: state values, split pages and bucket roots under the store's own keys,
so that finishing it is one batch of what belongs to its height. Until then `m incoming` tells what it is for, and a
bit for each bucket whether all of it is here; each chunk and its bits are one synced batch. Without the
store's format key nobody can take an unfinished one for a store.

When peers offer that height no more, `begin` with a later one keeps the buckets whose root is the same, and clears
the others; complete tiles of once-records stay (node/store/incoming_snapshot_once.py).

Invariants:
    1. A bucket whose bit is set holds exactly the records that its root commits to.
    2. `finish` is the last batch; before it the database is no store, after it a whole one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from node.runtime.files import SYSTEM_FILES, Files
from node.store.blocks import BlockRecords
from node.store.bucket_roots import BucketRootLog
from node.store.database import Batch, Database
from node.store.engine import OpenEngine
from node.store.engines import open_engine
from node.store.errors import CommitRefused, OtherEngine, StoreCorrupt
from node.store.incoming_snapshot_once import IncomingLogs
from node.store.layout import (
    BLOCK,
    CERTIFICATE,
    FOREIGN_ID,
    HEADER,
    REPLAY_IDS,
    SPLIT_PAGE,
    STATE,
    Head,
    Meta,
    at_height,
    number,
    read,
    split_record,
)
from node.store.tree_pages import hash_range
from vm.chain_records import REPLAY_SLOTS, ReplaySlot
from vm.primitives.codec import TypedDecoder, encode
from vm.primitives.hashing import HASH_BYTES, sha256
from vm.primitives.units import Count
from vm.state_chunks import ChunkMismatch, VerifiedChunk, verify_chunk
from vm.state_proof import FANOUT

INCOMING_KEY = b"mincoming"
DONE_KEY = b"mincoming_done"
SLOT_KEY = b"mincoming_slot"

_CLEAR_BATCH = 10_000
_CACHE_BYTES = 8 << 20
_WRITE_BUFFER_BYTES = 16 << 20


class IncomingTarget(msgspec.Struct, frozen=True, array_like=True):
    """Which snapshot is being fetched: a certified height and what the genesis document says of the tree."""

    head: Head
    depth: Count


class IncomingSlot(msgspec.Struct, frozen=True, array_like=True):
    """A replay slot of the state: how many ids, their running hash, and whether they are here."""

    slot: Count
    count: Count
    running: bytes
    fetched: bool


class CertifiedBlock(msgspec.Struct, frozen=True, array_like=True):
    """What makes a height certain, canonical: its header (of an earlier height) or whole block, and certificate."""

    head: Head
    body: bytes
    certificate: bytes


_target_decoder = TypedDecoder(IncomingTarget)
_slot_decoder = TypedDecoder(IncomingSlot)


class IncomingSnapshot:
    """The unfinished store; one owner."""

    def __init__(self, path: Path, engine: OpenEngine = open_engine, files: Files = SYSTEM_FILES) -> None:
        """Open or create it; what is there is kept for `begin`.

        Raises:
            StoreFailure: the database cannot be opened.
        """
        self._path = path
        self._engine = engine
        self._files = files
        try:
            self._database = self._open()
        except (StoreCorrupt, OtherEngine):
            files.remove_tree(path)  # nothing depends on it yet
            self._database = self._open()
        record = self._database.get(INCOMING_KEY)
        try:
            self.target = None if record is None else read(_target_decoder, record, "incoming snapshot")
        except StoreCorrupt:
            self._start_afresh()
        self._done = bytearray(self._database.get(DONE_KEY) or b"")

    @property
    def once(self) -> IncomingLogs:
        """The logs of once-records."""
        return IncomingLogs(self._database)

    def _open(self) -> Database:
        return Database(str(self._path), _CACHE_BYTES, _WRITE_BUFFER_BYTES, engine=self._engine)

    def close(self) -> None:
        """Close the database; it can be opened again."""
        self._database.close()

    # -- beginning ---------------------------------------------------------------------------------

    def begin(self, target: IncomingTarget, roots: bytes) -> None:
        """Go on towards a target whose bucket roots have been verified.

        Raises:
            StoreError: the database refuses.
        """
        count = FANOUT**target.depth
        kept = bytearray((count + 7) // 8)
        goes_on = self.target is not None and self.target.depth == target.depth
        if goes_on:
            before = BucketRootLog(self._database, count).load()
            for bucket in range(count):
                at = bucket * HASH_BYTES
                if self._is_done(bucket) and before[at : at + HASH_BYTES] == roots[at : at + HASH_BYTES]:
                    kept[bucket >> 3] |= 1 << (bucket & 7)
        if not goes_on or (not any(kept) and self.once.is_empty):
            self._start_afresh()  # quicker than deleting what lies in all buckets
        self._done = kept
        batch = self._database.batch()
        batch.put(DONE_KEY, bytes(kept))
        self._database.write(batch)  # first, so that a crash while clearing leaves no bucket that only seems whole
        self._clear_missing(target.depth)
        batch = self._database.batch()
        if self.target != target:
            for slot in self.slots():
                self._forget_ids(batch, slot, target.depth)
            self.once.retarget(batch, lambda key: self._is_done(_bucket_of(key, target.depth)))
        batch.put(INCOMING_KEY, encode(target))
        BucketRootLog(self._database, count).write_all(batch, roots)
        self._database.write(batch)
        self.target = target

    def _start_afresh(self) -> None:
        self._database.close()
        self._files.remove_tree(self._path)
        self._database = self._open()
        self.target = None

    def _clear_missing(self, depth: int) -> None:
        """Delete what lies in buckets that are not done: the parts of a bucket that never became whole."""
        batch, count = self._database.batch(), 0
        for first, after in _runs(self.missing_of(FANOUT**depth)):
            low, _ = hash_range(f"{first:0{depth}x}")
            _, high = hash_range(f"{after - 1:0{depth}x}")
            for key, _ in self._database.scan(low, high):
                batch.delete(key)
                count += 1
                if count % _CLEAR_BATCH == 0:
                    self._database.write(batch)
                    batch = self._database.batch()
        for key, _ in self._database.scan(SPLIT_PAGE, bytes([SPLIT_PAGE[0] + 1])):
            if not self._is_done(int(key[1 : 1 + depth], 16)):
                batch.delete(key)
        self._database.write(batch)

    def _forget_ids(self, batch: Batch, slot: IncomingSlot, depth: int) -> None:
        """Drop the ids of a slot, which are those up to another height; and the slot, if its bucket has changed."""
        for key, ids in self._database.scan(REPLAY_IDS + number(slot.slot), REPLAY_IDS + number(slot.slot + 1)):
            batch.delete(key)
            for at in range(0, len(ids), HASH_BYTES):
                batch.delete(FOREIGN_ID + ids[at : at + HASH_BYTES])
        if self._is_done(_bucket_of(REPLAY_SLOTS.keys.key((slot.slot,)), depth)):
            batch.put(SLOT_KEY + number(slot.slot), encode(msgspec.structs.replace(slot, fetched=False)))
        else:
            batch.delete(SLOT_KEY + number(slot.slot))

    # -- chunks ------------------------------------------------------------------------------------

    def _is_done(self, bucket: int) -> bool:
        return bucket >> 3 < len(self._done) and bool(self._done[bucket >> 3] >> (bucket & 7) & 1)

    def missing_of(self, count: int) -> list[int]:
        """Return which of `count` buckets are not whole, ascending."""
        return [bucket for bucket in range(count) if not self._is_done(bucket)]

    def missing(self) -> list[int]:
        """Return the buckets that are not whole, ascending."""
        return [] if self.target is None else self.missing_of(FANOUT**self.target.depth)

    def write_chunk(self, chunk: VerifiedChunk, whole: Iterable[int]) -> None:
        """Write a verified chunk, and note which buckets are whole with it.

        Raises:
            StoreFailure: the database refuses; nothing was written.
        """
        batch, logs = self._database.batch(), self.once
        for key_hash, key, value in chunk.records:
            batch.put(STATE + key_hash, len(key).to_bytes(4, "big") + key + value)
            self._note_slot(batch, key, value)
            logs.note(batch, key, value)
        for page_id, page in chunk.split_pages.items():
            batch.put(SPLIT_PAGE + page_id.encode(), page)
        done = bytearray(self._done)
        for bucket in whole:
            done[bucket >> 3] |= 1 << (bucket & 7)
        if done != self._done:
            batch.put(DONE_KEY, bytes(done))
        self._database.write(batch)
        self._done = done

    def close_bucket(self, bucket: int, root: bytes) -> None:
        """A bucket that came in parts is whole: check it, and build its pages.

        Raises:
            StoreCorrupt: what was written is not what was verified.
        """
        if self.target is None:
            raise CommitRefused("there is no snapshot to take chunks for")
        name = f"{bucket:0{self.target.depth}x}"
        records = [split_record(record) for _, record in self._database.scan(*hash_range(name))]
        try:
            pages = verify_chunk(name, root, records).split_pages
        except ChunkMismatch as error:
            raise StoreCorrupt(f"bucket {name} of the incoming snapshot: {error}") from None
        self.write_chunk(VerifiedChunk([], pages), [bucket])

    # -- replay ids --------------------------------------------------------------------------------

    def _note_slot(self, batch: Batch, key: bytes, value: bytes) -> None:
        slot = replay_slot_of(key, value)
        if slot is not None:
            batch.put(SLOT_KEY + number(slot.slot), encode(slot))

    def slots(self) -> list[IncomingSlot]:
        """Return the replay slots that the state names, as far as it is here."""
        scan = self._database.scan(SLOT_KEY, SLOT_KEY + b"\xff" * 9)
        return [read(_slot_decoder, record, "incoming slot") for _, record in scan]

    def write_replay_ids(self, slot: IncomingSlot, ids: bytes) -> None:
        """Write the ids of a slot, verified by the caller."""
        if self.target is None:
            raise CommitRefused("there is no snapshot to take ids for")
        batch = self._database.batch()
        batch.put(REPLAY_IDS + number(slot.slot) + number(self.target.head.height), ids)
        for at in range(0, len(ids), HASH_BYTES):
            batch.put(FOREIGN_ID + ids[at : at + HASH_BYTES], number(slot.slot))
        batch.put(SLOT_KEY + number(slot.slot), encode(msgspec.structs.replace(slot, fetched=True)))
        self._database.write(batch)

    # -- the end -----------------------------------------------------------------------------------

    def finish(
        self, genesis_bytes: bytes, genesis_head: Head, newest: CertifiedBlock, changes: Sequence[CertifiedBlock]
    ) -> None:
        """Make it a store whose head is the target.

        Args:
            genesis_bytes: as the node's own store holds them, and its height 0.
            newest: the target's block and certificate.
            changes: certified headers of the heights that announced another validator set.

        Raises:
            CommitRefused: something is missing.
        """
        target = self.target
        if target is None or target.head != newest.head or self.missing():
            raise CommitRefused("the snapshot is not whole")
        if not all(slot.fetched for slot in self.slots()):
            raise CommitRefused("replay ids are missing")
        self.once.check_whole()
        height = target.head.height
        batch = self._database.batch()
        blocks = BlockRecords(self._database)
        blocks.write_head(batch, genesis_head)
        for change in changes:
            blocks.write_head(batch, change.head)
            batch.put(at_height(HEADER, change.head.height), change.body)
            batch.put(at_height(CERTIFICATE, change.head.height), change.certificate)
        blocks.write_head(batch, target.head)
        batch.put(at_height(BLOCK, height), newest.body)
        batch.put(at_height(CERTIFICATE, height), newest.certificate)
        # The target's block is here, its receipts are not: nobody certified more than their root to us.
        meta = Meta(genesis_bytes, FANOUT**target.depth, target.head, history_floor=height, oldest_block=height + 1)
        for key, record in meta.records().items():
            batch.put(key, record)
        for slot in self.slots():
            batch.delete(SLOT_KEY + number(slot.slot))
        self.once.forget(batch)
        batch.delete(INCOMING_KEY)
        batch.delete(DONE_KEY)
        self._database.write(batch)


def _bucket_of(key: str, depth: int) -> int:
    return int(sha256(key.encode()).hex()[:depth], 16)


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return the runs of neighbours in ascending numbers, as first and after-last."""
    runs: list[tuple[int, int]] = []
    for value in numbers:
        if runs and runs[-1][1] == value:
            runs[-1] = runs[-1][0], value + 1
        else:
            runs.append((value, value + 1))
    return runs


_SLOT_PREFIX = REPLAY_SLOTS.keys.path.encode() + b"/"
_slot_value_decoder = TypedDecoder(ReplaySlot)


def replay_slot_of(key: bytes, value: bytes) -> IncomingSlot | None:
    """Return the replay slot that a state record is, None for other records."""
    if not key.startswith(_SLOT_PREFIX):
        return None
    content = read(_slot_value_decoder, value, key.decode())
    return IncomingSlot(int(key[len(_SLOT_PREFIX) :]), content.count, content.hash, False)
