"""One node: its parts assembled, started, stopped, and shown to the gateway.

    Peering ⇄ PeerManager      what comes from and goes to other nodes
    AdmissionQueue → Mempool   what clients and peers hand in
    ConsensusDriver            decides blocks; BlockProcessor gets, checks and executes them
    SyncDriver                 imports blocks that others have decided
    Ledger → Store             the chain at its head, and LevelDB

Everything runs on one event loop. This class wires and observes; it decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from consensus.state import State
from consensus.verification import Verifier
from genesis.document import Genesis
from network.config import NetworkConfig, PeerAddress, Timing
from network.peers import INSTANCE_BYTES, PeerManager
from node.assembly.machine import Machine
from node.assembly.metrics import Metrics
from node.chain.ledger import Executed, Ledger
from node.chain.pruning import Pruner
from node.peers.peering import Peering
from node.pool.admission import Admission, AdmissionQueue, SendingPeer
from node.pool.mempool import Mempool
from node.runtime.clock import BlockClock
from node.runtime.config import NodeConfig
from node.runtime.disk_space import DiskSpace
from node.runtime.errors import NotReady, TransactionRefused
from node.runtime.failures import handler
from node.store import Store, StoreCorrupt
from node.sync.block_sync_driver import SyncDriver, believable_height
from node.sync.snapshot_driver import SnapshotDriver
from node.sync.snapshot_folders import SnapshotFolders
from node.sync.snapshot_server import SnapshotServer
from node.validator.block_builder import BlockBuilder, Proposer
from node.validator.block_processor import BlockProcessor
from node.validator.consensus_driver import DISK_ERRORS, ConsensusDriver
from node.validator.evidence_reporter import EvidenceReporter
from node.validator.liveness import Liveness
from node.validator.recovery_marker import RecoveryMarker
from node.validator.work_schedule import WorkSchedule
from node.votes.write_ahead_log import WriteAheadLog
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey
from vm.receipt import STATUS_FAILED
from vm.runtime import Runtime
from vm.transaction import Transaction

_log = logging.getLogger(__name__)

MEMPOOL_SECONDS: Final = 5.0
"""How often expired transactions are dropped and those that wait are offered to peers again."""
SETTLED_MS: Final = 50
"""Beyond the way to the farthest peer and back, so long after a height began others have what was here then."""
HALTED: Final = "the node has halted"
OLD_HEAD_HEARTBEATS: Final = 3
"""A chain that lives makes a block per heartbeat; one or two may be late."""


class Node:
    """A validator or full node; implements `node.gateway.backend.Backend`."""

    def __init__(
        self, genesis: Genesis, runtime: Runtime, store: Store, wal: WriteAheadLog, settings: NodeSettings
    ) -> None:
        self.genesis = genesis
        self.runtime = runtime
        self.store = store
        self.clock = settings.clock
        self._disk = settings.disk
        self._config = settings.config
        self._key = settings.key
        self._wal = wal
        self._ledger = Ledger(genesis, runtime, store, settings.key.public_key)
        self.queries = self._ledger.queries
        self._mempool = Mempool(settings.config)
        self._metrics = Metrics()
        self._waiters: dict[bytes, list[asyncio.Future[bool]]] = {}
        self.failed = asyncio.Event()
        """Set once something that the node cannot do without has ended by our own fault: the process should end."""

        self._tasks: list[asyncio.Task[None]] = []
        self._started_at = 0.0
        self._last_commit = 0.0
        self._permitted = self._ledger.permitted_keys()
        self._configured = frozenset(bytes.fromhex(peer.public_key) for peer in settings.config.peers)
        self._trusts_configuration = False
        self._assemble(wal, settings)

    @property
    def highest_vote(self) -> int:
        """The greatest height that this validator is known to have signed for."""
        return self._wal.highest

    @property
    def snapshot_ready(self) -> asyncio.Event:
        """Set once the node is to be stopped and put together anew, on the snapshot that it has fetched."""
        return self._snapshots.installed

    @property
    def _is_validator(self) -> bool:
        """Whether this node decides the next height; governance changes it while the node runs."""
        return self._ledger.next_validators().index_of(self._key.public_key) is not None

    def _assemble(self, wal: WriteAheadLog, settings: NodeSettings) -> None:
        machine = settings.machine
        verifier = Verifier(self.genesis.chain)
        self._peering = Peering(self._ledger, verifier)
        self._processor = BlockProcessor(self._ledger, self._mempool, self._peering, self.clock)
        self._builder = BlockBuilder(self._ledger, self._mempool, self._key.public_key)
        self._proposer = Proposer(self._builder, self.clock, lambda: self._schedule.heartbeat_due())
        self._driver = ConsensusDriver(
            self._ledger,
            self._processor,
            self._proposer,
            wal,
            self._peering,
            self._key,
            self._committed,
            lambda evidence: self._reporter.found(evidence),
        )
        self._driver.on_halt = self._halted
        self._schedule = WorkSchedule(self._proposer.has_work, self._work_began)
        self._liveness = Liveness(self._ledger, self.clock, self._schedule, lambda: self._driver.state)
        self._admission = AdmissionQueue(self._ledger, self._mempool, self.clock, self._admitted)
        self._reporter = EvidenceReporter(self._ledger, self._key, self.clock, self._admission.submit)
        guard = self._driver.guard
        submit = self._admission.submit
        self._marker = RecoveryMarker(self._ledger, self._key, self.clock, guard, submit, machine.entropy)
        network = self._network_config(machine)
        wire = machine.wire(network, self._key)
        self._manager = PeerManager(network, self._key, self._peering, self._is_permitted, wire)
        self._pruner: Pruner | None = None
        if self._config.retain_blocks is not None:
            self._pruner = Pruner(
                self.store, self._config.retain_blocks, lambda: self._ledger.head_time, self.runtime.calls
            )
        self._sync = SyncDriver(self._ledger, self._processor, self._driver, lambda: self._manager, verifier)
        self._snapshot_server = SnapshotServer(self._ledger)
        self._snapshots = SnapshotDriver(
            self._ledger,
            lambda: self._manager,
            self._sync,
            SnapshotFolders(settings.home, machine.files, machine.engine),
            self._config.snapshot_distance,
            lambda: self._driver.halted,
        )
        self._snapshots.check_disk = self._disk.check
        self._sync.yields_to = self._snapshots.is_due
        self._peering.attach(
            self._manager, self._processor, self._driver, self._sync, self._admission, self._snapshot_server
        )

    def _network_config(self, machine: Machine) -> NetworkConfig:
        config = self._config
        return NetworkConfig(
            chain=self.genesis.chain,
            listen_host=config.p2p_host,
            listen_port=config.p2p_port,
            peers=tuple(PeerAddress(bytes.fromhex(p.public_key), p.host, p.port) for p in config.peers),
            timing=Timing(jitter=machine.jitter),
            instance=machine.entropy(INSTANCE_BYTES),
        )

    def _is_permitted(self, key: bytes) -> bool:
        """Tell whether a key may connect: it is on the chain's list, or configured while we cannot know that list.

        A node that has been away, or is new, holds an old list, on which nobody may be left whom it could ask for
        the new one. Until it has caught up, its operator's word counts for those in node.toml.
        """
        if key in self._permitted:
            return True
        if key not in self._configured or not self._is_out_of_date():
            return False
        self._trusts_configuration = True
        return True

    def _is_out_of_date(self) -> bool:
        """Tell whether the head is older than heartbeats would leave it."""
        age_ms = self.clock.now_ms() - self._ledger.head_time
        return age_ms > OLD_HEAD_HEARTBEATS * self._ledger.params.empty_block_interval_ms * self.clock.rate

    def _enforce_membership(self) -> None:
        """Let the network follow the chain's list of validators and nodes."""
        permitted = self._ledger.permitted_keys()
        caught_up = self._trusts_configuration and not self._is_out_of_date()
        if permitted != self._permitted or caught_up:
            self._permitted = permitted
            self._trusts_configuration = self._trusts_configuration and not caught_up
            self._manager.enforce_permissions()

    # -- starting and stopping ---------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, connect, and take part.

        Raises:
            OSError: the network address cannot be had.
        """
        loop = asyncio.get_running_loop()
        self._started_at = self._last_commit = loop.time()
        loop.set_exception_handler(handler(self._fail))
        self.store.watch(lambda damage: _on_loop(loop, self._driver.halt_for, damage))
        self._peering.tell_head()  # so that the first HELLO, too, says where we stand
        await self._manager.start()
        self._schedule.height_started(self._ledger.params)
        self._driver.start()
        self._run(self._sync.run(), self._driver.halt_for)
        for work in (self._admission.run(), self._reporter.run(), self._marker.run(), self._tend_mempool()):
            self._run(work, self._fail)
        for work in (self._snapshot_server.run(), self._snapshots.run(), self._liveness.run()):
            self._run(work, self._fail)
        if self._pruner is not None:
            self._run(self._pruner.run(), self._fail)
        head = self.store.head
        _log.info("chain %s at height %d, state root %s", self.genesis.chain, head.height, head.state_root.hex())

    def _run(self, work: Coroutine[Any, Any, None], on_error: Callable[[BaseException], None]) -> None:
        """Run what lasts as long as the node. Block sync executes blocks: its errors halt as those of consensus."""

        def done(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                on_error(error)

        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(done)
        self._tasks.append(task)

    def _fail(self, error: BaseException) -> None:
        """Stop taking part, and let the process end: by our own fault, or because the disk refuses."""
        self._driver.halt_for(error)
        if not isinstance(error, (*DISK_ERRORS, StoreCorrupt)):  # a restart heals no damage: stay, and say so
            self.failed.set()

    def _halted(self) -> None:
        """Let everyone who waits know that nothing will become final here."""
        self._admission.close(HALTED)
        for waiters in self._waiters.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(False)
        self._waiters.clear()

    async def stop(self) -> None:
        """Stop taking part, close connections and files. Nothing final is lost, stopped or killed."""
        self._driver.stop()
        self._schedule.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._admission.close()
        self._peering.close()
        await self._manager.stop()
        if self._pruner is not None:
            await self._pruner.finished()
        self._wal.close()
        self.store.close()

    async def _tend_mempool(self) -> None:
        before: set[bytes] = set()
        while True:
            await asyncio.sleep(MEMPOOL_SECONDS)
            self._mempool.remove_expired(self._ledger.head_time)
            pending = list(self._mempool.in_order())
            # What has been waiting for so long may have been lost on its way to whoever proposes.
            self._peering.offer_again([tx for tx in pending if tx.hash in before])
            before = {tx.hash for tx in pending}

    @property
    def disk_failed(self) -> asyncio.Event:
        """Set once the disk has refused: the process should end."""
        return self._driver.disk_failed

    # -- what happens ------------------------------------------------------------------------------

    def _admitted(self, transactions: Sequence[Transaction], source: SendingPeer | None) -> None:
        self._peering.gossip(transactions, source)
        self._schedule.transactions_arrived()

    def _committed(self, executed: Executed) -> None:
        transactions = executed.transactions
        self._builder.learn_costs(transactions, executed.result.receipts)
        self._mempool.remove_committed([tx.id for tx in transactions])
        for tx in transactions:
            for waiter in self._waiters.pop(tx.id, ()):
                if not waiter.done():
                    waiter.set_result(True)
        self._driver.fault_counts.height_began(self._mempool.in_order())
        self._count(executed)
        self._enforce_membership()
        self._peering.head_moved()
        self._schedule.height_started(self._ledger.params)
        if self._pruner is not None:
            self._pruner.head_moved()
        self._disk.check()

    def _work_began(self) -> None:
        elapsed = asyncio.get_running_loop().time() - self._last_commit
        slowest_ms = max((peer.rtt_ms or 0 for peer in self._manager.connected()), default=0)
        self._driver.fault_counts.work_began(self._driver.state, settled=elapsed * 1_000 >= slowest_ms + SETTLED_MS)
        self._driver.work_available()

    def _count(self, executed: Executed) -> None:
        metrics = self._metrics
        now = asyncio.get_running_loop().time()
        metrics.block_interval.observe(now - self._last_commit)
        self._last_commit = now
        metrics.blocks.inc()
        metrics.block_transactions.observe(len(executed.transactions))
        metrics.transactions.inc(len(executed.transactions))
        metrics.failed.inc(sum(receipt.status == STATUS_FAILED for receipt in executed.result.receipts))

    # -- Backend -----------------------------------------------------------------------------------

    async def submit(self, raws: Sequence[bytes], client: str = "") -> list[Admission | TransactionRefused]:
        """Admit signed transactions; see `node.gateway.backend.Backend.submit`."""
        if self._driver.halted is not None:
            raise NotReady(HALTED)
        outcomes = await self._admission.submit(raws, client)
        self._metrics.refused.inc(sum(isinstance(outcome, TransactionRefused) for outcome in outcomes))
        return outcomes

    async def wait_committed(self, tx_ids: Sequence[bytes], timeout_ms: int) -> list[bool]:
        """Wait for transactions to become final; see `node.gateway.backend.Backend.wait_committed`."""
        loop = asyncio.get_running_loop()
        waiting: dict[bytes, asyncio.Future[bool]] = {}
        for tx_id in tx_ids:
            if tx_id not in waiting and not self.store.contains_transaction(tx_id):
                waiting[tx_id] = loop.create_future()
                self._waiters.setdefault(tx_id, []).append(waiting[tx_id])
        try:
            if waiting and self._driver.halted is None:
                await asyncio.wait(waiting.values(), timeout=timeout_ms / 1_000)
            if waiting and self._driver.halted is not None:
                raise NotReady(HALTED)
            return [tx_id not in waiting or waiting[tx_id].done() for tx_id in tx_ids]
        finally:
            for tx_id, future in waiting.items():
                if not future.done():
                    self._forget_waiter(tx_id, future)

    def _forget_waiter(self, tx_id: bytes, future: asyncio.Future[bool]) -> None:
        waiters = self._waiters.get(tx_id, [])
        with contextlib.suppress(ValueError):
            waiters.remove(future)
        if not waiters:
            self._waiters.pop(tx_id, None)

    def is_pending(self, tx_id: bytes) -> bool:
        """Tell whether the mempool holds a transaction with this id."""
        return self._mempool.by_id(tx_id) is not None

    def pending_transaction(self, tx_id: bytes) -> bytes | None:
        """Return the canonical transaction with this id from the mempool."""
        tx = self._mempool.by_id(tx_id)
        return None if tx is None else tx.raw

    def node_info(self) -> dict[str, Any]:
        """Return who this node is and where its chain stands."""
        return {
            "chain": self.genesis.chain,
            "version": self._ledger.version_at(self._ledger.height + 1),
            "address": address_of_key(self._key.public_key),
            "public_key": self._key.public_key,
            "role": "validator" if self._is_validator else "full",
            "height": self._ledger.height,
            "oldest_block": self.store.oldest_block,
            "time": self._ledger.head_time,
            "clock": self.clock.now_ms(),
            "syncing": self._syncing_to() is not None,
            "uptime_ms": int((asyncio.get_running_loop().time() - self._started_at) * 1_000),
            "p2p_port": self._manager.listen_port,
        }

    def node_health(self) -> dict[str, Any]:
        """Return whether the node lives, and whether clients should use it."""
        reasons = []
        if self._driver.halted is not None:
            reasons.append(f"halted: {self._driver.halted}")
        else:
            reasons += self._liveness.reasons()
        if self._driver.unready is not None:
            reasons.append(self._driver.unready)
        recovering = self._driver.guard.reason
        if recovering is not None:
            reasons.append(recovering)
        target = self._syncing_to()
        if target is not None:
            reasons.append(f"syncing: height {self._ledger.height} of {target}")
            if self._snapshots.progress is not None:
                reasons.append(self._snapshots.progress)
            elif self._sync.is_stuck:
                reasons.append(f"every peer has pruned block {self._ledger.height + 1}: restore a newer backup")
        validators = self._ledger.next_validators()
        connected = sum(validators.index_of(peer.key) is not None for peer in self._manager.connected())
        if connected + self._is_validator < validators.quorum:
            reasons.append(f"connected to {connected} of {validators.n - self._is_validator} validators")
        return {"live": True, "ready": not reasons, "reasons": reasons}

    def _syncing_to(self) -> int | None:
        """Return the height that this node catches up to, None where it does not; no single liar decides it."""
        validators = self._ledger.next_validators()
        claims = [p.height for p in self._manager.connected() if validators.index_of(p.key) is not None]
        target = believable_height(claims, validators.f)
        return target if self._sync.syncing and target > self._ledger.height else None

    def node_peers(self) -> list[dict[str, Any]]:
        """Return one line for each connected peer."""
        return [{name: getattr(peer, name) for name in peer.__struct_fields__} for peer in self._manager.peers()]

    def node_consensus(self) -> dict[str, Any]:
        """Return where consensus stands, here and at each validator."""
        state = self._driver.state
        validators = self._ledger.next_validators().validators
        seen = self._peering.last_seen
        return {
            "height": self._ledger.height + 1,
            "round": state.round,
            "step": "halted" if self._driver.halted is not None else _step_name(state),
            "validators": [
                {
                    "public_key": validator.public_key,
                    "brand": validator.brand,
                    "height": seen.get(validator.public_key, (0, 0))[0],
                    "round": seen.get(validator.public_key, (0, 0))[1],
                    "faults": dict(self._driver.fault_counts.of(validator.public_key)),
                }
                for validator in validators
            ],
            "evidence": [
                {
                    "validator": found.first.sender,
                    "public_key": self._ledger.validators_at(found.first.height).key(found.first.sender),
                    "height": found.first.height,
                    "round": found.first.round,
                    "step": found.first.__struct_config__.tag,
                }
                for found in self._driver.evidence
            ],
        }

    def metrics(self) -> bytes:
        """Return the Prometheus text of all metrics."""
        metrics = self._metrics
        metrics.height.set(self._ledger.height)
        metrics.round.set(self._driver.state.round)
        metrics.block_time_ms.set(self._ledger.head_time)
        metrics.peers.set(len(self._manager.connected()))
        metrics.mempool_transactions.set(len(self._mempool))
        metrics.mempool_bytes.set(self._mempool.size_bytes)
        metrics.ready.set(self.node_health()["ready"])
        metrics.head_ahead.set(self._liveness.head_ahead_ms / 1_000)
        metrics.work_waiting.set(self._liveness.waiting_seconds)
        metrics.disk_free.set(self._disk.free_bytes)
        metrics.recovering.set(self._driver.guard.reason is not None)
        metrics.silenced.set(self._driver.guard.silenced)
        metrics.halted.set(self._driver.halted is not None)
        metrics.evidence.set(len(self._driver.evidence))
        for validator in self._ledger.next_validators().validators:
            for fault, count in self._driver.fault_counts.of(validator.public_key).items():
                metrics.validator_faults.labels(brand=validator.brand, fault=fault).set(count)
        metrics.sync_target.set(self._sync.target)
        metrics.dropped.set(self._admission.dropped_from_peers)
        return metrics.text()


def _on_loop(loop: asyncio.AbstractEventLoop, act: Callable[[StoreCorrupt], None], damage: StoreCorrupt) -> None:
    """Let the event loop act on what any thread has found; a loop that is closed needs nothing any more."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(act, damage)


def _step_name(state: State) -> str:
    """Return what the round in progress waits for."""
    if state.decided:
        return "decided"
    if state.accepted is None:
        return "proposal"
    return "commit" if state.lock is not None and state.lock.round == state.round else "prepare"


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What an operator gives a node: its configuration, its key, and where it runs."""

    config: NodeConfig
    key: SigningKey
    clock: BlockClock
    disk: DiskSpace
    home: Path
    machine: Machine = field(default_factory=Machine)
