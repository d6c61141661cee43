"""The store: everything a node must still know after a crash, in one database.

One process owns it and calls it from one thread. `commit_block` writes everything that a block leads to in
one synced batch: the block, its certificate, receipts and indexes, state values, tree, history and the
head. So at any moment the database shows the state after some block, whole.

Invariants:
    1. Heights are committed one after the other; a height that is there is never replaced.
    2. The head's state root is the root of the tree, which is checked at each start.
    3. Nothing in memory changes before the batch is on the disk, or held (`hold`) until a flush.
    4. A store in which damage was found is not opened again (`DamageNote`), until a check finds it whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final

from network.stages import STAGES
from node.store.blocks import BlockRecords, IndexPage, Position, PrunedBlock
from node.store.bucket_roots import BucketRootLog
from node.store.damage_note import DamageNote, make_store_folder
from node.store.database import Database
from node.store.errors import CommitRefused, HeightAhead, StatePruned, StoreCorrupt, StoreError, StoreFailure
from node.store.history import StateHistory
from node.store.indexing import IndexCoverage, RecentIds, note_indexed
from node.store.layout import (
    CERTIFICATE,
    FORMAT_KEY,
    HEAD_KEY,
    LOG_MARK_KEY,
    META_KEYS,
    Head,
    LogMark,
    Meta,
    at_height,
    read,
)
from node.store.open_state import OpenState, depth_of
from node.store.records import BlockCommit, ProvedRecord, ProvedValue, StoreOptions
from node.store.snapshot_records import SnapshotRecords
from node.store.tree_pages import PageStore
from node.store.upgrade import upgrade
from node.store.values import StateValues
from vm.once_log import EMPTY, LOGS, Appended
from vm.primitives.codec import TypedDecoder, encode
from vm.primitives.hashing import ZERO_HASH, sha256
from vm.receipt import decode_receipt
from vm.state_proof import verify_state_proof
from vm.state_tree import StateTree

_mark_decoder = TypedDecoder(LogMark)

HEADS_CHECKED: Final = 100_000
"""Heights below the head that are looked at when a store is opened; some 0.1 s. A block that is lost although its
sync returned was in one of the engine's two logs, which hold the newest 128 MiB, some 34,000 empty blocks of 4 KB
each; older ones are in tables with checksums."""


class Store:
    """The open database; use `Store.open`."""

    def __init__(self, database: Database, options: StoreOptions, path: Path) -> None:
        self._database = database
        self._note = DamageNote(path, options.files)
        self._on_damage: Callable[[StoreCorrupt], None] | None = None
        database.watch(self._note_damage)
        self._options = options
        self._blocks = BlockRecords(database)
        self._values = StateValues(database, options.value_cache_bytes)
        self._pages = PageStore(database, options.page_cache_bytes)
        self._state: OpenState | None = None
        if database.get(FORMAT_KEY) is not None:
            self._load()

    @classmethod
    def open(cls, path: Path | str, options: StoreOptions | None = None) -> Store:
        """Open the store at `path`, or create it empty; it must be initialised before anything else.

        Raises:
            StoreFailure: the database cannot be opened.
            StoreCorrupt: what it holds contradicts itself.
        """
        options = options or StoreOptions()
        path = Path(path)
        make_store_folder(path, options.files)
        DamageNote(path, options.files).require_none()
        database = Database(
            str(path),
            options.block_cache_bytes,
            options.write_buffer_bytes,
            max_open_files=options.max_open_files,
            engine=options.engine,
        )
        try:
            return cls(database, options, path)
        except StoreError:
            database.close()
            raise

    def close(self) -> None:
        """Close the database."""
        # Heads save time only, and where the disk refuses them the close must not fail.
        with suppress(StoreFailure):
            self._pages.save_heads()
        self._database.close()

    def watch(self, on_damage: Callable[[StoreCorrupt], None]) -> None:
        """Call `on_damage`, on any thread, when any reader meets damage."""
        self._on_damage = on_damage

    def _note_damage(self, damage: StoreCorrupt) -> None:
        self._note.write(damage)
        if self._on_damage is not None:
            self._on_damage(damage)

    def snapshot(self) -> AbstractContextManager[Iterator[tuple[bytes, bytes]]]:
        """Offer everything that is stored, in order of keys, as of the last commit; commits may go on meanwhile."""
        return self._database.snapshot()

    # -- genesis ----------------------------------------------------------------------------------

    @property
    def is_initialised(self) -> bool:
        """Tell whether there is a genesis."""
        return self._state is not None

    def initialise(
        self, genesis_bytes: bytes, changes: Mapping[str, bytes], bucket_count: int, once: Sequence[Appended] = ()
    ) -> Head:
        """Write the genesis state as height 0, whose digest is SHA-256(genesis_bytes).

        Args:
            genesis_bytes: the canonical genesis document.
            changes: canonical value bytes by key.
            bucket_count: the genesis parameter, a power of 16.
            once: the once-records of genesis.

        Raises:
            CommitRefused: the store has a genesis already.
        """
        if self._state is not None:
            raise CommitRefused("the store has a genesis already")
        depth = depth_of(bucket_count)
        tree = StateTree(depth, {})
        update = tree.update(changes)
        tree.apply(update)
        head = Head(0, sha256(genesis_bytes), update.root, ZERO_HASH)
        batch = self._database.batch()
        for key, record in Meta(genesis_bytes, bucket_count, head, 0, 1).records().items():
            batch.put(key, record)
        self._values.write(batch, changes, update.key_hashes)
        for append in once:
            self._values.once_records.write(batch, append)
        self._pages.write(batch, update)
        BucketRootLog(self._database, bucket_count).write_all(batch, bytes(tree.bucket_roots))
        self._blocks.write_head(batch, head)
        self._database.write(batch)
        self._load()
        return head

    def _load(self) -> None:
        database = self._database
        found = {key: value for key in META_KEYS if (value := database.get(key)) is not None}
        meta = Meta.read(found)
        genesis, bucket_count, head = meta.genesis, meta.bucket_count, meta.head
        upgrade(database, head.height)
        roots = BucketRootLog(database, bucket_count)
        tree = StateTree(depth_of(bucket_count), self._pages, roots.load(), heads=self._pages)
        if tree.root != head.state_root:
            raise StoreCorrupt(
                f"the tree's root {tree.root.hex()} is not the head's state root {head.state_root.hex()}"
                f" at height {head.height}"
            )
        self._blocks.require_heads(max(meta.oldest_block, head.height - HEADS_CHECKED + 1), head)
        self._pages.check_against(
            lambda page_id: tree.node(tree.depth, int(page_id, 16)) if len(page_id) == tree.depth else None
        )
        self._values.once_records.check_against(self._log_size)
        history = StateHistory(database, self._values, self._pages, tree, self._options.state_history_blocks)
        snapshots = SnapshotRecords(database, tree, history, self._options.snapshot_interval)
        indexed = note_indexed(database, self._options.index, head.height)
        recent = RecentIds(database, indexed.ids, self._ids_in)
        self._state = OpenState(
            genesis, bucket_count, tree, roots, history, snapshots, indexed, recent, head, meta.oldest_block
        )

    def _ids_in(self, height: int) -> list[bytes]:
        """Return the ids of a block's transactions, in order; none where its receipts are not kept."""
        return [bytes.fromhex(decode_receipt(raw).id) for raw in self.receipts(height)[:-1]]

    def _log_size(self, family: str) -> int:
        return (LOGS.get(self._values, family) or EMPTY).size

    @property
    def _open(self) -> OpenState:
        if self._state is None:
            raise CommitRefused("the store has no genesis yet")
        return self._state

    @property
    def genesis_bytes(self) -> bytes:
        """The canonical genesis document."""
        return self._open.genesis

    @property
    def bucket_count(self) -> int:
        """Buckets of the state tree."""
        return self._open.bucket_count

    @property
    def log_mark(self) -> LogMark | None:
        """The write-ahead log that this store was last used with, as of its last commit."""
        record = self._database.get(LOG_MARK_KEY)
        return None if record is None else read(_mark_decoder, record, "mark of the write-ahead log")

    def note_log(self, mark: LogMark) -> None:
        """Note another write-ahead log; synced."""
        batch = self._database.batch()
        batch.put(LOG_MARK_KEY, encode(mark))
        self._database.write(batch)

    # -- the head and its state -------------------------------------------------------------------

    @property
    def head(self) -> Head:
        """The last committed height."""
        return self._open.head

    @property
    def database(self) -> Database:
        """The records as they are stored, for reading alone: for a process that follows this one."""
        return self._database

    @property
    def tree(self) -> StateTree:
        """The state tree at the head; only the store applies updates."""
        return self._open.tree

    @property
    def reader(self) -> StateValues:
        """The state at the head, decoded: a vm.state_view.StateReader."""
        return self._values

    def commit_block(self, commit: BlockCommit) -> bool:
        """Write a block in one synced batch; return False if it was there already.

        Raises:
            CommitRefused: the height is not the next one, another block is there, or the update does not
                lead from the head to the block's state root.
            StoreFailure: the batch could not be written; nothing has changed.
        """
        state = self._open
        if not self._is_next(commit, state):
            return False
        update, height = commit.update, commit.height
        head = Head(height, commit.digest, commit.state_root, commit.receipts_root)
        batch = self._database.batch()
        self._blocks.write(batch, head, commit.block, commit.certificate, commit.receipts)
        with STAGES.index:
            if state.indexed.ids is not None:
                self._blocks.write_ids(batch, height, commit.transaction_ids)
            if state.indexed.names is not None:
                self._blocks.write_names(batch, height, commit.index_entries)
        self._values.write(batch, commit.changes, update.key_hashes)
        for append in commit.once:
            self._values.once_records.write(batch, append)
        self._pages.write(batch, update)
        state.roots.write(batch, height, update, state.tree.bucket_roots)
        with STAGES.undo:
            floor = state.history.write(batch, height, update)
        state.snapshots.write(batch, height, update, commit.replay_ids, commit.first_slot)
        batch.put(HEAD_KEY, encode(head))
        if commit.log_mark is not None:
            batch.put(LOG_MARK_KEY, encode(commit.log_mark))
        with STAGES.write:
            self._database.write(batch)
        state.tree.apply(update)
        state.roots.applied(height, update)
        state.history.applied(floor)
        state.snapshots.applied()
        if state.indexed.ids is None:
            state.recent.add(height, commit.transaction_ids, commit.replay_ids)
        state.recent.expire(commit.first_slot)
        self._pages.applied(update)
        self._values.applied(commit.changes, commit.written)
        state.head = head
        return True

    def hold(self) -> None:
        """Let commits wait for a common sync, until `flush`: for blocks that others have decided long ago."""
        self._database.hold()

    def flush(self) -> None:
        """Wait until all commits are on the disk; returns at once where none is held.

        Raises:
            StoreFailure: the disk refuses; none of the commits held is written.
        """
        self._database.flush()

    def _is_next(self, commit: BlockCommit, state: OpenState) -> bool:
        """Tell whether to write a block (False: it is there); refuse what does not fit the head."""
        head, height = state.head, commit.height
        if height <= head.height:
            known = self._blocks.head(height)
            if known is not None and known.digest == commit.digest:
                return False
            raise CommitRefused(f"another block than {commit.digest.hex()} is committed at height {height}")
        if height != head.height + 1:
            raise CommitRefused(f"block {height} does not follow the head {head.height}")
        update = commit.update
        if update.base_root != head.state_root:
            raise CommitRefused(f"the update of block {height} was not made from the head's state")
        if update.root != commit.state_root:
            raise CommitRefused(f"block {height} leads to {update.root.hex()}, not to {commit.state_root.hex()}")
        if commit.changes.keys() != update.key_hashes.keys():
            raise CommitRefused(f"the update of block {height} is of other changes")
        return True

    @property
    def snapshots(self) -> SnapshotRecords:
        """The snapshots that this node can offer."""
        return self._open.snapshots

    def state_values(self) -> Iterator[tuple[str, bytes]]:
        """Yield every key with its canonical value at the head, in the order of key hashes.

        Raises:
            StoreCorrupt: a value does not stand where its key belongs.
        """
        return self._values.every()

    # -- state at a height ------------------------------------------------------------------------

    @property
    def oldest_state_height(self) -> int:
        """The lowest height whose state can be asked for."""
        return self._open.history.floor

    def state_value(self, key: str, height: int | None = None) -> bytes | None:
        """Return the canonical bytes of a value after `height` (None: the head), None if there is none.

        Raises:
            StatePruned, HeightAhead: that state is not here.
        """
        if self._height(height) == self._open.head.height:
            return self._values.value(key)
        return self._open.history.value(key, self._height(height))

    def state_proof(self, key: str, height: int | None = None) -> ProvedValue:
        """Return a value after `height` (None: the head) with its proof.

        Raises:
            StatePruned, HeightAhead: that state is not here.
            StoreCorrupt: the proof does not lead to the root that was decided.
        """
        at = self._height(height)
        head = self.head_at(at)
        if head is None:
            raise StoreCorrupt(f"the head of height {at} is missing")
        value = self.state_value(key, at)
        state = self._open
        proof = state.history.prove(sha256(key.encode()), at)
        if not verify_state_proof(head.state_root, state.tree.depth, key, value, proof):
            raise StoreCorrupt(f"the proof of {key} at height {at} does not lead to the state root")
        return ProvedValue(at, head.state_root, value, proof)

    def once_record(self, key: str, height: int | None = None) -> ProvedRecord | None:
        """Return the once-record of a key as of `height` (None: the head), with its proof in its log, or None.

        Raises:
            StatePruned, HeightAhead: the state of that height is not here.
        """
        at = self._height(height)
        return self._values.once_records.proved(key, lambda log_key: self.state_value(log_key, at))

    def _height(self, height: int | None) -> int:
        state = self._open
        if height is None:
            return state.head.height
        if height > state.head.height:
            raise HeightAhead(height, f"height {height} is ahead of the head {state.head.height}")
        if height < state.history.floor:
            raise StatePruned(
                height, f"the state of height {height} is pruned; the oldest kept is {state.history.floor}"
            )
        return height

    # -- blocks -----------------------------------------------------------------------------------

    def head_at(self, height: int) -> Head | None:
        """Return digest and roots of a committed height, None above the head."""
        return self._blocks.head(height)

    def block_bytes(self, height: int) -> bytes | None:
        """Return a canonical block, None for height 0, below `oldest_block` and above the head."""
        return self._blocks.block(height)

    @property
    def oldest_block(self) -> int:
        """The lowest height whose block and receipts are kept; 1 where nothing has been pruned."""
        return self._open.oldest_block

    def pruned_header(self, height: int) -> bytes | None:
        """Return the canonical header of a pruned block."""
        return self._blocks.pruned_header(height)

    def prune_block(self, pruned: PrunedBlock) -> None:
        """Delete the oldest kept block, its receipts and indexes; header and certificate stay.

        Not synced: a crash of the machine may bring the block back, whole.

        Raises:
            CommitRefused: it is not the oldest kept block, or is the head.
        """
        state = self._open
        if pruned.height != state.oldest_block or pruned.height >= state.head.height:
            raise CommitRefused(f"block {pruned.height} is not the oldest kept, {state.oldest_block}")
        batch = self._database.unsynced_batch()
        self._blocks.prune(batch, pruned)
        self._database.write(batch)
        state.oldest_block = pruned.height + 1

    def compact_pruned(self) -> None:
        """Give the disk space of pruned blocks back; takes long, any thread may call it.

        Raises:
            StoreFailure: the database refuses.
        """
        self._blocks.compact(self._open.oldest_block)

    def height_of_digest(self, digest: bytes) -> int | None:
        """Return the height of a block (of genesis: 0) by its digest."""
        return self._blocks.height_of(digest)

    def certificate_bytes(self, height: int) -> bytes | None:
        """Return the canonical certificate of a height."""
        return self._blocks.certificate(height)

    def put_certificate(self, height: int, certificate: bytes) -> None:
        """Replace the certificate of a committed height by a fuller one.

        Raises:
            CommitRefused: no block is committed at that height.
        """
        if not 1 <= height <= self.head.height:
            raise CommitRefused(f"no block is committed at height {height}")
        # Not worth a sync: the certificate that was committed with the block would do as well.
        self._database.put_unsynced(at_height(CERTIFICATE, height), certificate)

    def receipts(self, height: int) -> list[bytes]:
        """Return the canonical receipts of a height, the system receipt last; none for genesis."""
        return self._blocks.receipts(height) or []

    def find_transaction(self, transaction_id: bytes) -> Position | None:
        """Return height and index of a transaction that is indexed, or has not expired."""
        return self._open.recent.find(transaction_id) or self._blocks.find(transaction_id)

    def contains_transaction(self, transaction_id: bytes) -> bool:
        """Tell whether a transaction is in the chain, for one that has not expired or whose block is indexed."""
        state = self._open
        if transaction_id in state.recent:
            return True
        if state.indexed.ids is not None and self._blocks.find(transaction_id) is not None:
            return True
        return state.snapshots.is_foreign(transaction_id)

    @property
    def indexed(self) -> IndexCoverage:
        """From which height on blocks are indexed."""
        return self._open.indexed

    def transactions_of(
        self,
        kind: str,
        name: str,
        from_height: int = 0,
        to_height: int | None = None,
        after: Position | None = None,
        limit: int = 100,
    ) -> IndexPage:
        """Return positions of transactions in ascending order.

        Args:
            kind: as in the committed index_entries: account, brand, call, …
            name: the address, slug, call, …
            from_height: the first height.
            to_height: the last height; the head without.
            after: where the last page ended (`IndexPage.next`).
            limit: positions at most, 1 or more.
        """
        to_height = self.head.height if to_height is None else min(to_height, self.head.height)
        return self._blocks.positions(kind, name, from_height, to_height, after, limit)
