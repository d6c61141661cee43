"""The process: opens a node's home folder, runs the node and its gateway, and ends cleanly.

It ends on a signal with exit code 0, and with EXIT_DISK once the disk has refused a write or is nearly full:
nothing final is lost, and it can be started again when there is room. Where a part that the node cannot do without
has failed by our own fault it ends with EXIT_FAILURE (docs/decisions/halting.md).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from genesis.document import Genesis
from genesis.errors import GenesisDocumentError
from genesis.protocol import build_runtime
from node.admin import AdminSocket
from node.backup import frames
from node.clock import make_clock
from node.config import NodeConfig, load_config
from node.descriptors import LEAST_DATABASE, plan_descriptors, raise_descriptor_limit
from node.disk_space import DiskFull, DiskSpace
from node.errors import ConfigError
from node.failures import EXIT_FAILURE
from node.gateway import Gateway
from node.log_setup import set_up_logging
from node.node import Node, NodeSettings
from node.signing_guard import compare_with_store
from node.snapshot_folders import install_ready
from node.store import Store, StoreCorrupt, StoreError, StoreOptions, advice
from node.write_ahead_format import WriteAheadLogError
from node.write_ahead_log import WriteAheadLog
from vm.errors import GenesisError
from vm.primitives.keys import SigningKey
from vm.runtime import Runtime

_log = logging.getLogger(__name__)

EXIT_DISK: Final = 74
"""EX_IOERR of sysexits.h."""


def run(home: Path, key: SigningKey) -> int:
    """Run the node of a home folder until SIGINT or SIGTERM.

    Returns:
        The process's exit code.

    Raises:
        ConfigError: an operator's mistake, in one sentence.
    """
    config = load_config(home)
    set_up_logging(config.log_level)
    try:
        genesis = Genesis.load(home / "genesis.json")
    except GenesisDocumentError as error:
        raise ConfigError(f"genesis: {error}") from None
    return asyncio.run(_serve(home, config, genesis, key))


def open_store(
    home: Path, config: NodeConfig, genesis: Genesis, runtime: Runtime, max_open_files: int = LEAST_DATABASE
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
    options = StoreOptions(history, snapshot_interval=interval, max_open_files=max_open_files)
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


async def _serve(home: Path, config: NodeConfig, genesis: Genesis, key: SigningKey) -> int:
    """Run the node; once it has fetched a snapshot, put it together anew on that."""
    stopping = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stopping.set)
    while True:
        code = await _run_once(home, config, genesis, key, stopping)
        if code is not None:
            return code
        gc.unfreeze()
        gc.collect()


async def _run_once(
    home: Path, config: NodeConfig, genesis: Genesis, key: SigningKey, stopping: asyncio.Event
) -> int | None:
    """Run the node until it ends, with an exit code, or until a snapshot is to be installed: None."""
    runtime = build_runtime()
    disk = DiskSpace(home, config.min_free_disk_mib)
    plan = plan_descriptors(raise_descriptor_limit(), config.rpc.max_connections)
    config = replace(config, rpc=replace(config.rpc, max_connections=plan.connections))
    try:
        disk.check()
        if install_ready(home):
            _log.info("the snapshot that was fetched has become the store")
        store = open_store(home, config, genesis, runtime, plan.database)
        wal = WriteAheadLog(home / "wal")
        compare_with_store(wal, store, key.public_key)
    except StoreCorrupt as error:
        raise ConfigError(f"the store is damaged: {error}. {advice(str(home))}") from None
    except (StoreError, WriteAheadLogError, DiskFull, OSError) as error:
        raise ConfigError(str(error)) from None
    if wal.bytes_cut_off:
        _log.warning("cut %d bytes of a torn record off the write-ahead log", wal.bytes_cut_off)
    node = Node(genesis, runtime, store, wal, NodeSettings(config, key, make_clock(config.clock), disk, home))
    gateway = Gateway(node, config)
    admin = AdminSocket(home, lambda: frames(store, genesis.chain, wal.highest))
    try:
        try:
            await node.start()
        except OSError as error:
            raise ConfigError(
                f"cannot listen for peers on {config.p2p_host}:{config.p2p_port}: {error.strerror}"
            ) from None
        await gateway.start()
        await admin.start()
        await _first_of(stopping, node.disk_failed, node.failed, node.snapshot_ready)
        _log.info("stopping")
    finally:
        await admin.stop()
        await gateway.stop()
        await node.stop()
    if not node.disk_failed.is_set():
        if node.failed.is_set():
            return EXIT_FAILURE
        return None if node.snapshot_ready.is_set() and not stopping.is_set() else 0
    _forget_unwritable_output()
    return EXIT_DISK


async def _first_of(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def _forget_unwritable_output() -> None:
    """Drop log lines that a full disk does not take: Python would end with 120 in place of our code."""
    try:
        sys.stderr.flush()
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
