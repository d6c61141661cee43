"""Which part of a node sets which metric: gauges when they are scraped, counters with each final block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from consensus.state import State
from consensus.types import Certificate
from network.peers import PeerManager
from network.stages import STAGES
from node.assembly.health import Health
from node.assembly.metrics import Metrics
from node.chain.feed import BlockFeed
from node.chain.ledger import Executed, Ledger
from node.gateway_process import GatewayProcess
from node.pool.admission import AdmissionQueue
from node.pool.mempool import Mempool
from node.runtime.disk_space import DiskSpace
from node.runtime.loop_turns import TURNS
from node.runtime.supervisor import Supervisor
from node.sync.block_sync_driver import SyncDriver
from node.validator.accusations import Accusations
from node.validator.liveness import Liveness
from node.verification.verifier import TransactionVerifier
from node.votes.signing_guard import SigningGuard
from vm.receipt import STATUS_FAILED

Reader = Callable[[], None]


class BlockCounters:
    """Counts final blocks and what they hold."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._last_commit = 0.0

    def started(self) -> None:
        """The node begins to run: the first interval is counted from now."""
        self._last_commit = asyncio.get_running_loop().time()

    def block_final(self, executed: Executed, certificate: Certificate) -> None:
        """Count a block."""
        metrics = self._metrics
        now = asyncio.get_running_loop().time()
        metrics.block_interval.observe(now - self._last_commit)
        self._last_commit = now
        metrics.blocks.inc()
        metrics.block_transactions.observe(len(executed.transactions))
        metrics.transactions.inc(len(executed.transactions))
        metrics.failed.inc(sum(receipt.status == STATUS_FAILED for receipt in executed.result.receipts))


def chain_gauges(metrics: Metrics, ledger: Ledger, feed: BlockFeed, disk: DiskSpace) -> Reader:
    """Return what reads the chain, its consumers and the disk that holds it."""

    def read() -> None:
        metrics.height.set(ledger.height)
        metrics.block_time_ms.set(ledger.head_time)
        metrics.disk_free.set(disk.free_bytes)
        metrics.feed_lag.clear()
        for consumer, lag in feed.lags().items():
            metrics.feed_lag.labels(consumer=consumer).set(lag)

    return read


def pool_gauges(metrics: Metrics, mempool: Mempool, admission: AdmissionQueue) -> Reader:
    """Return what reads the pool."""

    def read() -> None:
        metrics.mempool_transactions.set(len(mempool))
        metrics.mempool_bytes.set(mempool.size_bytes)
        metrics.dropped.set(admission.dropped_from_peers)

    return read


def verification_gauges(metrics: Metrics, signatures: TransactionVerifier) -> Reader:
    """Return what reads who verifies transactions' signatures."""

    def read() -> None:
        workers = signatures.workers
        metrics.verification_workers.set(sum(worker.is_running for worker in workers))
        metrics.verification_restarts.set(sum(worker.restarts for worker in workers))
        metrics.verification_waiting.set(sum(worker.frames_waiting for worker in workers))
        metrics.verified.labels(by="node").set(signatures.inline)
        metrics.verified.labels(by="workers").set(signatures.by_workers)

    return read


def peer_gauges(metrics: Metrics, manager: PeerManager, sync: SyncDriver) -> Reader:
    """Return what reads the connections, and what peers claim."""

    def read() -> None:
        metrics.peers.set(len(manager.connected()))
        metrics.sync_target.set(sync.target)

    return read


def health_gauges(metrics: Metrics, health: Health, liveness: Liveness, supervisor: Supervisor) -> Reader:
    """Return what reads whether the node can serve."""

    def read() -> None:
        metrics.ready.set(health.told()["ready"])
        metrics.halted.set(supervisor.halted is not None)
        metrics.head_ahead.set(liveness.head_ahead_ms / 1_000)
        metrics.work_waiting.set(liveness.waiting_seconds)

    return read


def gateway_gauges(metrics: Metrics, gateway: GatewayProcess) -> Reader:
    """Return what reads the gateway's process."""

    def read() -> None:
        seconds, resident = gateway.usage()
        metrics.gateway_up.set(gateway.is_serving)
        metrics.gateway_restarts.set(gateway.restarts)
        metrics.gateway_cpu.set(seconds)
        metrics.gateway_memory.set(resident)

    return read


def stage_gauges(metrics: Metrics) -> Reader:
    """Return what reads where the process's CPU goes."""

    def read() -> None:
        for stage, seconds in STAGES.seconds().items():
            metrics.stages.labels(stage=stage).set(seconds)

    return read


def loop_gauges(metrics: Metrics) -> Reader:
    """Return what reads how long the event loop's turns are."""

    def read() -> None:
        for bound, count in TURNS.by_length().items():
            metrics.loop_turns.labels(ms=bound).set(count)

    return read


def consensus_gauges(
    metrics: Metrics, ledger: Ledger, guard: SigningGuard, accusations: Accusations, state: Callable[[], State]
) -> Reader:
    """Return what reads consensus, and what validators have done wrong."""

    def read() -> None:
        metrics.round.set(state().round)
        metrics.recovering.set(guard.reason is not None)
        metrics.silenced.set(guard.silenced)
        metrics.evidence.set(len(accusations.evidence))
        for validator in ledger.next_validators().validators:
            for fault, count in accusations.counts.of(validator.public_key).items():
                metrics.validator_faults.labels(brand=validator.brand, fault=fault).set(count)

    return read
