"""What an open store holds in memory of its head, from its genesis on, and the depth of its tree."""

from __future__ import annotations

from dataclasses import dataclass

from node.store.bucket_roots import BucketRootLog
from node.store.errors import CommitRefused
from node.store.history import StateHistory
from node.store.indexing import IndexCoverage, RecentIds
from node.store.layout import Head
from node.store.snapshot_records import SnapshotRecords
from vm.state_proof import FANOUT
from vm.state_tree import MAX_DEPTH, StateTree


@dataclass(slots=True)
class OpenState:
    """What exists once there is a genesis."""

    genesis: bytes
    bucket_count: int
    tree: StateTree
    roots: BucketRootLog
    history: StateHistory
    snapshots: SnapshotRecords
    indexed: IndexCoverage
    recent: RecentIds
    head: Head
    oldest_block: int


def depth_of(bucket_count: int) -> int:
    """Return log16 of a bucket count.

    Raises:
        CommitRefused: it is not a power of 16 that the tree supports.
    """
    for depth in range(1, MAX_DEPTH + 1):
        if FANOUT**depth == bucket_count:
            return depth
    raise CommitRefused(f"{bucket_count} buckets: not a power of {FANOUT} up to {FANOUT**MAX_DEPTH}")
