"""The node's database: blocks, receipts, state, the state tree and its history (docs/state.md)."""

from node.store.blocks import IndexPage, Position, PrunedBlock
from node.store.database import write_database
from node.store.engines import EngineName, opener
from node.store.errors import (
    HEALING,
    CommitRefused,
    HeightAhead,
    OtherEngine,
    StatePruned,
    StateUnavailable,
    StoreCorrupt,
    StoreError,
    StoreFailure,
    advice,
)
from node.store.indexing import IndexCoverage, IndexLevel
from node.store.layout import Head, LogMark
from node.store.reads import ChainStore
from node.store.rebuild import StoreRebuild
from node.store.records import BlockCommit, ProvedRecord, ProvedValue, StoreOptions
from node.store.store import Store
from node.store.values import StateValues

__all__ = [
    "HEALING",
    "BlockCommit",
    "ChainStore",
    "CommitRefused",
    "EngineName",
    "Head",
    "HeightAhead",
    "IndexCoverage",
    "IndexLevel",
    "IndexPage",
    "LogMark",
    "OtherEngine",
    "Position",
    "ProvedRecord",
    "ProvedValue",
    "PrunedBlock",
    "StatePruned",
    "StateUnavailable",
    "StateValues",
    "Store",
    "StoreCorrupt",
    "StoreError",
    "StoreFailure",
    "StoreOptions",
    "StoreRebuild",
    "advice",
    "opener",
    "write_database",
]
