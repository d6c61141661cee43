"""Making a database of primary records into a store: what can be derived is derived, the rest is verified.

`node.maintenance.restore` writes the primary families of a backup (layout.PRIMARY) into a new database, verifies
the chain, and then lets this module do what concerns the state. Nothing that the database says is taken without a
reason:

    s  values          every record stands at its key's hash; together they have the certified state root
    p, g               built from the values; no record of changed roots (l) is needed
    u, t, j history     from the head down, putting a block's old values back must give the state root that was
                       certified one height below; their tree hashes are computed, not read
    w     once-records the leaves of each log are hashed onto each other and must lead to the size and peaks that
                       the state has of it; o and v are made afresh
    q, y  replay ids   the ids of each slot in the state hash to what the state says of the slot; those that no kept
                       block holds are marked as foreign

Records of u, t, j and q that belong to nothing are deleted, with the history of a backup of format 2. Offered
snapshots (k) are not carried over: the next one is offered after `snapshot_interval` blocks.

Cost: a pass over all values, which hashes each; then for each height of the history what that block's commit has
cost the tree. Memory: the leaves of one bucket, the roots, the pages that the history touches (100 bytes a key).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256 as _sha256
from itertools import groupby
from pathlib import Path

from node.store.blocks import BlockRecords
from node.store.bucket_roots import BucketRootLog, pack_nodes
from node.store.database import RESTORE_BUFFER_BYTES, RESTORE_CACHE_BYTES, Database
from node.store.errors import StoreCorrupt
from node.store.history import (
    TOP_LEVELS,
    OldValues,
    PartUndo,
    TopUndo,
    contents_of,
    decode_part,
    part_key,
    part_places,
    parts_in,
    split_nodes,
)
from node.store.incoming_snapshot import IncomingSlot, replay_slot_of
from node.store.layout import (
    BLOCK,
    CHANGED_KEYS,
    FOREIGN_ID,
    PART_UNDO,
    REPLAY_IDS,
    SPLIT_PAGE,
    STATE,
    TOP_UNDO,
    TRANSACTION,
    Meta,
    at_height,
    number,
    read,
    split_record,
)
from node.store.once import OnceRecords, key_in
from node.store.tree_pages import PageStore
from node.store.values import StateValues
from vm.once_log import EMPTY, LOGS, Appended, OnceLog, append
from vm.primitives.codec import TypedDecoder, encode
from vm.primitives.hashing import HASH_BYTES, ZERO_HASH
from vm.primitives.merkle import leaf_hash as merkle_leaf_hash
from vm.state_pages import Change, PageEdits, PageId, children_hashes, is_split
from vm.state_proof import FANOUT, leaf_hash
from vm.state_tree import StateTree

_PAGE_CACHE_BYTES = 32 << 20
_LEAVES_AT_ONCE = 4_096
_LOG_PREFIX = LOGS.keys.path.encode() + b"/"
_log_decoder = TypedDecoder(OnceLog)


class StoreRebuild:
    """A new database of primary records, until it is a store; or a store, `InPlace`, that is checked.

    Attributes:
        state: what concerns the state.
        reader: the values, verified once `state.build_tree` has returned the certified root.
    """

    def __init__(self, database: Database, depth: int) -> None:
        self.database = database
        self.state = StateRebuild(self.database, depth)
        self.reader = StateValues(self.database, RESTORE_CACHE_BYTES)

    @classmethod
    def open(cls, path: Path, depth: int) -> StoreRebuild:
        """Open a new database of primary records."""
        return cls(Database(str(path), RESTORE_CACHE_BYTES, RESTORE_BUFFER_BYTES, create=False), depth)

    def certified_root(self, height: int) -> bytes:
        """Return the state root of a height whose head has been written.

        Raises:
            StoreCorrupt: the chain does not have that height.
        """
        head = BlockRecords(self.database).head(height)
        if head is None:
            raise StoreCorrupt(f"the history goes back to height {height}, which the chain does not have")
        return head.state_root

    def finish(self, meta: Meta) -> None:
        """Write the meta data, with which the database is a store; synced.

        Raises:
            StoreCorrupt: they do not fit what is here.
        """
        if meta.bucket_count != FANOUT**self.state.depth:
            raise StoreCorrupt(f"{meta.bucket_count} buckets are not those of the genesis document")
        if meta.head.height and self.database.get(at_height(BLOCK, meta.head.height)) is None:
            raise StoreCorrupt("the head's block is missing")
        batch = self.database.batch()
        for key, record in meta.records().items():
            batch.put(key, record)
        self.database.write(batch)

    def close(self) -> None:
        """Close the database."""
        self.database.close()


class StateRebuild:
    """The state of one database, while it becomes a store."""

    def __init__(self, database: Database, depth: int) -> None:
        self._database = database
        self._pages = _RolledBackPages(PageStore(database, _PAGE_CACHE_BYTES))
        self._tree = StateTree(depth, self._pages)
        self._slots: list[IncomingSlot] = []
        self._logs: dict[str, OnceLog] = {}
        self.depth = depth

    def build_tree(self) -> bytes:
        """Build split pages and bucket roots from the values; return the state root that they have.

        Raises:
            StoreCorrupt: a value does not stand where its key belongs.
        """
        depth = self._tree.depth
        roots = bytearray(FANOUT**depth * HASH_BYTES)
        batch = self._database.unsynced_batch()
        for bucket, leaves in groupby(self._leaves(), lambda leaf: leaf[0].hex()[:depth]):
            edits = PageEdits({})
            at = int(bucket, 16) * HASH_BYTES
            roots[at : at + HASH_BYTES] = edits.change(bucket, list(leaves))
            for page_id, page in edits.pages.items():
                if is_split(page):
                    batch.put(SPLIT_PAGE + page_id.encode(), page)
        BucketRootLog(self._database, FANOUT**depth).write_all(batch, bytes(roots))
        self._database.write(batch)
        self._tree = StateTree(depth, self._pages, bytes(roots))
        return self._tree.root

    def _leaves(self) -> Iterator[Change]:
        """Yield the leaf of every value; notes the replay slots and the logs of once-records on the way."""
        for stored_key, record in self._database.scan(STATE, bytes([STATE[0] + 1])):
            key_hash = stored_key[len(STATE) :]
            key, value = _checked(key_hash, record)
            slot = replay_slot_of(key, value)
            if slot is not None:
                self._slots.append(slot)
            if key.startswith(_LOG_PREFIX):
                self._logs[key[len(_LOG_PREFIX) :].decode()] = read(_log_decoder, value, key.decode())
            yield key_hash, leaf_hash(key, _sha256(value).digest())

    # -- history -----------------------------------------------------------------------------------

    def verify_history(self, root_at: Callable[[int], bytes], floor: int, head: int) -> None:
        """Put back what each block above `floor` replaced, and compare; delete what belongs to no such block.

        Args:
            root_at: the certified state root of each height from `floor` on.

        Raises:
            StoreCorrupt: a record of the history is missing, or is not what the block replaced.
        """
        expected = 0
        for height in range(head, floor, -1):
            expected += 2 + self._undo(height, root_at(height - 1))
        letters = (PART_UNDO, TOP_UNDO, CHANGED_KEYS)
        if expected != sum(1 for letter in letters for _ in self._keys(letter)):
            self._delete_foreign_history(floor, head)

    def _delete_foreign_history(self, floor: int, head: int) -> None:
        batch = self._database.unsynced_batch()
        heights = range(floor + 1, head + 1)
        parts = {height: set(parts_in(self._contents(height))) for height in heights}
        for letter, width in ((TOP_UNDO, 9), (CHANGED_KEYS, 9), (PART_UNDO, 10)):
            for key in self._keys(letter):
                known = parts.get(int.from_bytes(key[1:9], "big"))
                if len(key) != width or known is None or (letter == PART_UNDO and key[9] not in known):
                    batch.delete(key)
        self._database.write(batch)

    def _keys(self, letter: bytes) -> Iterator[bytes]:
        return (key for key, _ in self._database.scan(letter, bytes([letter[0] + 1])))

    def _contents(self, height: int) -> bytes:
        contents = self._database.get(at_height(CHANGED_KEYS, height))
        if contents is None:
            raise StoreCorrupt(f"the history of block {height} is missing")
        return contents

    def _undo(self, height: int, root_before: bytes) -> int:
        """Roll the tree back over one block, make its records what its commit wrote, and return how many parts."""
        contents = self._contents(height)
        hashes: list[bytes] = []
        values: list[tuple[str, bytes | None]] = []
        for part in parts_in(contents):
            for key, old in self._old_values(part, height):
                hashes.append(_sha256(key.encode()).digest())
                values.append((key, old))
        if sorted(set(hashes)) != hashes or contents_of(hashes) != contents:
            raise StoreCorrupt(f"the history of block {height} does not hold the values that it names, in order")
        leaves = zip(hashes, values, strict=True)
        update = self._tree.update_leaves([(key_hash, _leaf_of(*value)) for key_hash, value in leaves])
        if update.root != root_before:
            raise StoreCorrupt(f"the history of block {height} does not lead back to the state before it")
        self._write_undo(height, contents, values, update.nodes)
        self._tree.apply(update)
        self._pages.changed.update(update.pages)
        return len(parts_in(contents))

    def _write_undo(
        self, height: int, contents: bytes, values: OldValues, nodes: Sequence[Mapping[int, bytes]]
    ) -> None:
        """Write the records with the tree's own hashes, where they differ from those that are there."""
        top = TopUndo([pack_nodes(level) for level in nodes[:TOP_LEVELS]])
        lower = []
        for level, changed in enumerate(nodes[TOP_LEVELS:], start=TOP_LEVELS + 1):
            indices = sorted(changed)
            lower.append(split_nodes(level, indices, [changed[index] for index in indices]))
        records = {at_height(TOP_UNDO, height): encode(top)}
        for part in parts_in(contents):
            places = part_places(contents, part)
            own = list(values[places.start : places.stop])
            records[part_key(height, part)] = encode(PartUndo(own, [level[part] for level in lower]))
        batch = self._database.unsynced_batch()
        for key, record in records.items():
            if self._database.get(key) != record:
                batch.put(key, record)
        self._database.write(batch)

    def _old_values(self, part: int, height: int) -> OldValues:
        record = self._database.get(part_key(height, part))
        if record is None:
            raise StoreCorrupt(f"a part of the history of block {height} is missing")
        return decode_part(record).values

    # -- once-records ------------------------------------------------------------------------------

    def rebuild_once(self) -> None:
        """Make the places and tiles of once-records from their leaves, which must be those of the state's logs.

        Raises:
            StoreCorrupt: they are not.
        """
        records = OnceRecords(self._database)
        for family in sorted({*self._logs, *records.families()}):
            wanted, log = self._logs.get(family, EMPTY), EMPTY
            while True:
                leaves = records.leaves_here(family, log.size, _LEAVES_AT_ONCE)
                if not leaves:
                    break
                growth = append(log, [merkle_leaf_hash(leaf) for leaf in leaves])
                batch = self._database.unsynced_batch()
                named = [(key_in(leaf), leaf) for leaf in leaves]
                records.write(batch, Appended(family, log.size, named, growth.tiles))
                self._database.write(batch)
                log = growth.log
            if log != wanted or records.count(family) != log.size:
                raise StoreCorrupt(f"the records of the log {family} are not those that the state commits to")

    # -- replay ids --------------------------------------------------------------------------------

    def verify_replay_ids(self, head: int) -> None:
        """Make sure that every transaction is known which could be replayed.

        Raises:
            StoreCorrupt: the ids of a slot are not those that the state commits to.
        """
        batch = self._database.unsynced_batch()
        wanted: set[bytes] = set()
        for slot in self._slots:
            running, count = ZERO_HASH, 0
            for key, ids in self._database.scan(_ids_key(slot.slot, 0), _ids_key(slot.slot, head + 1)):
                wanted.add(key)
                for at in range(0, len(ids), HASH_BYTES):
                    tx_id = ids[at : at + HASH_BYTES]
                    running, count = _sha256(running + tx_id).digest(), count + 1
                    if self._database.get(TRANSACTION + tx_id) is None:
                        batch.put(FOREIGN_ID + tx_id, number(slot.slot))
            if (count, running) != (slot.count, slot.running):
                raise StoreCorrupt(
                    f"the transaction ids of slot {slot.slot} are not those that the state commits to"
                )
        for key, _ in self._database.scan(REPLAY_IDS, bytes([REPLAY_IDS[0] + 1])):
            if key not in wanted:
                batch.delete(key)
        self._database.write(batch)


class _RolledBackPages:
    """The pages at the head, below those that the history has changed back."""

    def __init__(self, head: PageStore) -> None:
        self._head = head
        self.changed: dict[PageId, bytes] = {}

    def get(self, page_id: PageId, /) -> bytes:
        page = self.changed.get(page_id)
        if page is not None:
            return page
        parent = self.changed.get(page_id[:-1])
        if parent is not None and not (is_split(parent) and int(page_id[-1], 16) in children_hashes(parent)):
            return b""  # the head's values below it were not there then
        return self._head.get(page_id)


def _leaf_of(key: str, old: bytes | None) -> bytes | None:
    return None if old is None else leaf_hash(key.encode(), _sha256(old).digest())


def _checked(key_hash: bytes, record: bytes) -> tuple[bytes, bytes]:
    """Return the key and the value of a state record that stands where it belongs."""
    key, value = split_record(record)
    if 4 + int.from_bytes(record[:4], "big") > len(record) or _sha256(key).digest() != key_hash:
        raise StoreCorrupt(f"the state value {key[:100]!r} does not stand where its key belongs")
    return key, value


def _ids_key(slot: int, height: int) -> bytes:
    return REPLAY_IDS + number(slot) + number(height)
