"""Opens what a home holds, and puts a node together on it.

    snapshot that waits → store → vote log → are they of one life? → Node

The process (node/assembly/process.py) and the simulator of whole nodes start a node here, and nowhere else.
"""

from __future__ import annotations

import logging
from pathlib import Path

from genesis.document import Genesis
from node.assembly.machine import Machine
from node.assembly.node import Node, NodeSettings
from node.runtime.config import NodeConfig
from node.runtime.descriptors import LEAST_DATABASE
from node.runtime.errors import ConfigError
from node.store import IndexLevel, Store, StoreOptions
from node.store.records import MEBIBYTE
from node.sync.snapshot_folders import SnapshotFolders
from node.votes.signing_guard import compare_with_store
from node.votes.write_ahead_log import WriteAheadLog
from vm.errors import GenesisError
from vm.runtime import Runtime

_log = logging.getLogger(__name__)


def open_node(
    genesis: Genesis,
    runtime: Runtime,
    settings: NodeSettings,
    max_open_files: int = LEAST_DATABASE,
    node_class: type[Node] = Node,
) -> Node:
    """Open store and vote log, a waiting snapshot first, and return the node that owns them from now on.

    Args:
        node_class: of which class the node is; tests run one that lies.

    Raises:
        ConfigError: the genesis cannot be executed, or the folder holds another chain.
        StoreError, WriteAheadLogError, DiskFull, OSError: the disk refuses, or holds what cannot be read.
    """
    machine, home = settings.machine, settings.home
    settings.disk.check()
    if SnapshotFolders(home, machine.files, machine.engine).install_ready():
        _log.info("the snapshot that was fetched has become the store")
    store = open_store(home, settings.config, genesis, runtime, max_open_files, machine)
    wal = WriteAheadLog(home / "wal", machine.files, machine.entropy)
    compare_with_store(wal, store, settings.key.public_key)
    if wal.bytes_cut_off:
        _log.warning("cut %d bytes of a torn record off the write-ahead log", wal.bytes_cut_off)
    return node_class(genesis, runtime, store, wal, settings)


def open_store(
    home: Path,
    config: NodeConfig,
    genesis: Genesis,
    runtime: Runtime,
    max_open_files: int = LEAST_DATABASE,
    machine: Machine | None = None,
) -> Store:
    """Open the node's store; a new one gets the genesis state.

    Args:
        max_open_files: what the database may open at once.

    Raises:
        ConfigError: the genesis cannot be executed, or the folder holds another chain.
        StoreError: the database cannot be opened.
    """
    history = config.state_history_blocks
    # Twice within what is kept: else a snapshot, or the blocks behind it, could leave before it is fetched.
    kept = history if config.retain_blocks is None else min(history, config.retain_blocks)
    interval = min(config.snapshot_interval, max(1, kept // 2))
    machine = machine or Machine()
    options = StoreOptions(
        history,
        page_cache_bytes=config.store.page_cache_mib * MEBIBYTE,
        value_cache_bytes=config.store.value_cache_mib * MEBIBYTE,
        snapshot_interval=interval,
        max_open_files=max_open_files,
        index=IndexLevel(config.store.index),
        engine=machine.engine,
        files=machine.files,
    )
    store = Store.open(home / "data", options)
    if not store.is_initialised:
        try:
            state = genesis.genesis_state(runtime)
        except GenesisError as error:
            store.close()
            raise ConfigError(f"genesis: {error}") from None
        store.initialise(genesis.canonical, state.values, 16**genesis.document.state_depth, state.once)
    elif store.genesis_bytes != genesis.canonical:
        store.close()
        raise ConfigError(f"{home / 'data'} holds another chain than {home / 'genesis.json'}")
    return store
