"""What goes into the store and comes out of it: options, a block's commit, values and records with proofs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from node.runtime.files import SYSTEM_FILES, Files
from node.store.blocks import IndexEntries
from node.store.engine import OpenEngine
from node.store.engines import open_engine
from node.store.indexing import IndexLevel
from node.store.layout import LogMark
from vm.block_execution import Written
from vm.once_log import Appended, OnceProof
from vm.state_proof import StateProof
from vm.state_tree import TreeUpdate

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How much the store may keep.

    Attributes:
        state_history_blocks: heights below the head whose state can be asked for, at least 1; None keeps all.
        page_cache_bytes: pages of the state tree, about 80 bytes per key; others are derived anew.
        value_cache_bytes: state values, decoded.
        block_cache_bytes: the engine's cache of its own blocks.
        write_buffer_bytes: the engine's memory table, of which there may be two; replayed at a start, for which the
            reserve of the disk must have room (`min_free_disk_mib`, docs/decisions/halting.md).
        snapshot_interval: offer a snapshot of each height that is a multiple of it; None: of none.
        max_open_files: what the engine keeps open; beyond it a table is opened again to be read.
        index: what is indexed from the next block on; None: what was before, everything in a new store.
        engine: opens what the store is kept in.
        files: holds the folder of the store.
    """

    state_history_blocks: int | None = 1_000
    page_cache_bytes: int = 256 * MEBIBYTE
    value_cache_bytes: int = 128 * MEBIBYTE
    block_cache_bytes: int = 64 * MEBIBYTE
    write_buffer_bytes: int = 64 * MEBIBYTE
    snapshot_interval: int | None = None
    max_open_files: int = 256
    index: IndexLevel | None = None
    engine: OpenEngine = open_engine
    files: Files = SYSTEM_FILES

    def __post_init__(self) -> None:
        if self.state_history_blocks is not None and self.state_history_blocks < 1:
            raise ValueError("state_history_blocks must be at least 1")


@dataclass(frozen=True, slots=True)
class BlockCommit:
    """All that a decided block leads to.

    Attributes:
        height: the head's height + 1.
        digest: of the header.
        block: canonical bytes.
        certificate: canonical bytes.
        state_root: the root that the certificate seals; `update` must lead to it.
        receipts_root: the root that the certificate seals.
        receipts: canonical bytes in order, the system receipt last.
        transaction_ids: 32 bytes each, in order.
        update: from `store.tree.update(changes)`.
        changes: canonical value bytes by key, None for a deleted key.
        written: the changes as the block's execution decoded them, where it was this node that executed it.
        once: what the block appends to logs of once-records.
        index_entries: (kind, name) to ascending indexes; see `Store.transactions_of`.
        log_mark: how far the write-ahead log is; None for a node that does not vote.
        replay_ids: the transaction ids, joined in order, by the slot in which they expire.
        first_slot: the first slot that has not passed at the block's time.
    """

    height: int
    digest: bytes
    block: bytes
    certificate: bytes
    state_root: bytes
    receipts_root: bytes
    receipts: Sequence[bytes]
    transaction_ids: Sequence[bytes]
    update: TreeUpdate
    changes: Mapping[str, bytes | None]
    written: Written | None = None
    once: Sequence[Appended] = ()
    index_entries: IndexEntries = field(default_factory=dict)
    log_mark: LogMark | None = None
    replay_ids: Mapping[int, bytes] = field(default_factory=dict)
    first_slot: int = 0


class ProvedValue(msgspec.Struct, frozen=True):
    """A value, or None, after `height`, with its proof under `state_root`."""

    height: int
    state_root: bytes
    value: bytes | None
    proof: StateProof


class ProvedRecord(msgspec.Struct, frozen=True):
    """A once-record, its proof in its log, and the state key of the log."""

    record: bytes
    proof: OnceProof
    log_key: str
