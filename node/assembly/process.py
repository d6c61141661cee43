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
from network.tasks import start_task
from node.assembly.admin import AdminSocket
from node.assembly.machine import Machine
from node.assembly.node import Node, NodeSettings
from node.assembly.opening import open_node
from node.assembly.serving import gateway_of
from node.maintenance.backup import frames
from node.runtime.clock import make_clock
from node.runtime.config import NodeConfig, load_config
from node.runtime.descriptors import plan_descriptors, raise_descriptor_limit
from node.runtime.disk_space import DiskFull, DiskSpace
from node.runtime.errors import ConfigError
from node.runtime.log_setup import set_up_logging
from node.runtime.loop_turns import TURNS
from node.runtime.memory import give_back_memory
from node.runtime.supervisor import EXIT_DISK, EXIT_FAILURE
from node.store import StoreCorrupt, StoreError, advice, opener
from node.votes.write_ahead_format import WriteAheadLogError
from vm.primitives.keys import SigningKey

_log = logging.getLogger(__name__)

GC_THRESHOLDS: Final = (50_000, 20, 50)
"""Rarer collections: blocks allocate much and leave little garbage in cycles."""


def run(home: Path, key: SigningKey, node_class: type[Node] = Node) -> int:
    """Run the node of a home folder until SIGINT or SIGTERM.

    Args:
        node_class: of which class the node is; tests run one that lies.

    Returns:
        The process's exit code.

    Raises:
        ConfigError: an operator's mistake, in one sentence.
    """
    config = load_config(home)
    set_up_logging(config.log_level, config.log_format)
    try:
        genesis = Genesis.load(home / "genesis.json")
    except GenesisDocumentError as error:
        raise ConfigError(f"genesis: {error}") from None
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(TURNS.watched())) as runner:
        return runner.run(_serve(home, config, genesis, key, node_class))


async def _serve(home: Path, config: NodeConfig, genesis: Genesis, key: SigningKey, node_class: type[Node]) -> int:
    """Run the node; once it has fetched a snapshot, put it together anew on that."""
    stopping = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stopping.set)
    while True:
        code = await _run_once(home, config, genesis, key, node_class, stopping)
        if code is not None:
            return code
        gc.unfreeze()
        gc.collect()


async def _run_once(
    home: Path,
    config: NodeConfig,
    genesis: Genesis,
    key: SigningKey,
    node_class: type[Node],
    stopping: asyncio.Event,
) -> int | None:
    """Run the node until it ends, with an exit code, or until a snapshot is to be installed: None."""
    disk = DiskSpace(home, config.min_free_disk_mib)
    plan = plan_descriptors(raise_descriptor_limit(), config.rpc.max_connections)
    config = replace(config, rpc=replace(config.rpc, max_connections=plan.connections))
    machine = Machine(engine=opener(config.store.engine))
    settings = NodeSettings(config, key, make_clock(config.clock), disk, home, machine)
    try:
        node = open_node(genesis, build_runtime(), settings, plan.database, node_class)
    except StoreCorrupt as error:
        raise ConfigError(f"the store is damaged: {error}. {advice(str(home))}") from None
    except (StoreError, WriteAheadLogError, DiskFull, OSError) as error:
        raise ConfigError(str(error)) from None
    gateway = gateway_of(node, config)
    admin = AdminSocket(home, lambda: frames(node.store, genesis.chain, node.guard.highest_vote))
    memory = start_task(give_back_memory(), "memory")
    try:
        try:
            await node.start()
        except OSError as error:
            raise ConfigError(
                f"cannot listen for peers on {config.p2p_host}:{config.p2p_port}: {error.strerror}"
            ) from None
        await gateway.start()
        await admin.start()
        gc.set_threshold(*GC_THRESHOLDS)
        gc.freeze()
        await _first_of(stopping, node.supervisor.disk_failed, node.supervisor.failed, node.snapshot_ready)
        _log.info("stopping")
    finally:
        memory.cancel()
        await admin.stop()
        await gateway.stop()
        await node.stop()
    if not node.supervisor.disk_failed.is_set():
        if node.supervisor.failed.is_set():
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
