"""One node, put together from its rooms, started and stopped. What happens in it is decided by its parts.

    PeerFrames ← PeerManager → ConsensusLink, Gossiper     what comes from and goes to other nodes
    AdmissionQueue → Mempool                               what clients and peers hand in
    ConsensusDriver → BlockTasks → BlockProcessor          decides blocks; gets, checks and executes them
    SyncDriver → BlockImporter                             imports blocks that others have decided
    Finalizer → Ledger → Store                             the one way to a final block, and who hears of it
    BlockFeed                                              final blocks, for consumers
    Supervisor                                             what lasts as long as the node, what an exception ends

Parts are made bottom up, and each is whole once it is made. What leads upwards is an event to which a part that
is made later listens: `finalizer.on_final`, `admission.on_admitted`, `supervisor.on_halt`, and the handlers with
which the network starts. Everything runs on one event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consensus.types import Certificate
from consensus.verification import Verifier
from genesis.document import Genesis
from network.block_sync import BlockSync
from network.config import NetworkConfig, PeerAddress, Timing
from network.gossip_streams import GossipStreams
from network.gossiper import Gossiper
from network.peers import INSTANCE_BYTES, PeerManager
from network.stages import STAGES
from node.assembly.health import Connections, ConsensusReport, Health, Information, Syncing
from node.assembly.machine import Machine
from node.assembly.measures import (
    BlockCounters,
    chain_gauges,
    consensus_gauges,
    health_gauges,
    loop_gauges,
    peer_gauges,
    pool_gauges,
    stage_gauges,
    verification_gauges,
)
from node.assembly.metrics import Metrics
from node.chain.feed import BlockFeed
from node.chain.ledger import Executed, Ledger
from node.chain.pruning import Pruner
from node.peers.consensus_link import ConsensusLink
from node.peers.frames import ConsensusFrames, PeerFrames
from node.peers.head_teller import HeadTeller
from node.peers.permissions import Permissions
from node.peers.proposal_reader import ProposalReader
from node.peers.proposals import ProposalLink, is_large
from node.peers.questions import Questions
from node.peers.transaction_fetcher import TransactionFetcher
from node.pool.admission import Admission, AdmissionQueue, SendingPeer
from node.pool.mempool import Mempool
from node.pool.tender import PoolTender
from node.pool.waiters import FinalityWaiters
from node.runtime.clock import BlockClock
from node.runtime.config import NodeConfig
from node.runtime.disk_space import DiskSpace
from node.runtime.errors import NotReady, TransactionRefused
from node.runtime.supervisor import HALTED, Ends, Supervisor
from node.store import Store, StoreCorrupt
from node.sync.block_importer import BlockImporter
from node.sync.block_sync_driver import SyncDriver
from node.sync.snapshot_driver import SnapshotDriver
from node.sync.snapshot_folders import SnapshotFolders
from node.sync.snapshot_server import SnapshotServer
from node.validator.accusations import Accusations
from node.validator.block_builder import BlockBuilder, Proposer
from node.validator.block_processor import BlockProcessor
from node.validator.block_tasks import BlockTasks, Proposals
from node.validator.consensus_driver import ConsensusDriver, ConsensusPort
from node.validator.evidence_reporter import EvidenceReporter
from node.validator.fault_counts import FaultCounts
from node.validator.fault_watch import FaultWatch
from node.validator.finalizer import Finalizer
from node.validator.liveness import Liveness
from node.validator.recovery_marker import RecoveryMarker
from node.validator.work_schedule import Heartbeat, WorkSchedule
from node.verification.verifier import TransactionVerifier, worker_count
from node.verification.worker import VerificationWorker
from node.votes.signing_guard import SigningGuard
from node.votes.write_ahead_log import WriteAheadLog
from vm.primitives.keys import SigningKey
from vm.runtime import Runtime
from vm.transaction import Transaction

_log = logging.getLogger(__name__)


StateFollower = Callable[[Mapping[str, bytes | None]], None]
"""Told the state values that a final block changes, None for a deleted one, by key."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What an operator gives a node: its configuration, its key, and where it runs."""

    config: NodeConfig
    key: SigningKey
    clock: BlockClock
    disk: DiskSpace
    home: Path
    machine: Machine = field(default_factory=Machine)


class Node:
    """A validator or full node; implements `node.gateway.backend.Backend`."""

    def __init__(
        self, genesis: Genesis, runtime: Runtime, store: Store, wal: WriteAheadLog, settings: NodeSettings
    ) -> None:
        self.genesis = genesis
        self.runtime = runtime
        self.store = store
        self.clock = settings.clock
        self.settings = settings
        key, clock = settings.key, settings.clock
        self.ledger = Ledger(genesis, runtime, store, key.public_key)
        self.queries = self.ledger.queries
        self.supervisor = Supervisor(lambda: self.ledger.height + 1)
        self.guard = SigningGuard(wal, key.public_key)
        self.feed = BlockFeed(store)
        self.finalizer = Finalizer(self.ledger, self.guard, self.feed, self.supervisor)
        self.verifier = Verifier(genesis.chain)
        self.mempool = Mempool(settings.config)
        workers = worker_count(settings.config.workers.verify, settings.machine.cores())
        self.signatures = TransactionVerifier([VerificationWorker(1 + index) for index in range(workers)])
        self.admission = AdmissionQueue(self.ledger, self.mempool, clock, self.signatures)
        self.waiters = FinalityWaiters(store, self.supervisor)
        self.reporter = EvidenceReporter(self.ledger, key, clock, self.admission.submit)
        self.accusations = Accusations(self.ledger, FaultCounts(), self.reporter)
        self._make_network()
        self._make_consensus()
        self._make_sync()
        self._listen_to_peers()
        self._measure()
        self._follow_blocks()

    # -- putting together --------------------------------------------------------------------------

    def _make_network(self) -> None:
        config, machine = self.settings.config, self.settings.machine
        peers = tuple(PeerAddress(bytes.fromhex(p.public_key), p.host, p.port) for p in config.peers)
        network = NetworkConfig(
            chain=self.genesis.chain,
            listen_host=config.p2p_host,
            listen_port=config.p2p_port,
            peers=peers,
            timing=Timing(jitter=machine.jitter),
            instance=machine.entropy(INSTANCE_BYTES),
        )
        self.permissions = Permissions(self.ledger, self.clock, [peer.public_key for peer in peers])
        wire = machine.wire(network, self.settings.key)
        self.manager = PeerManager(network, self.settings.key, self.permissions.may_connect, wire)
        self.teller = HeadTeller(self.ledger, self.manager)
        self.streams = GossipStreams(lambda: is_large(self.ledger))
        self.gossiper = Gossiper(self.manager, self.settings.key.public_key, self.streams)
        self.proposals = ProposalLink(self.ledger, self.manager, self.streams)
        self.claims = BlockSync(self.ledger.height)
        self.link = ConsensusLink(
            self.ledger, self.manager, self.teller, self.claims, self.accusations, self.proposals
        )

    def _make_consensus(self) -> None:
        key, clock, machine = self.settings.key, self.clock, self.settings.machine
        fetcher = TransactionFetcher(self.ledger, self.manager, self.admission)
        self.processor = BlockProcessor(self.ledger, self.mempool, fetcher, clock, self.signatures)
        self.builder = BlockBuilder(self.ledger, self.mempool, key.public_key)
        heartbeat = Heartbeat()
        self.proposer = Proposer(self.builder, clock, heartbeat, self.proposals.arranged)
        counts = self.accusations.counts
        blocks = BlockTasks(self.processor, self._proposals(), self.proposals, self.finalizer, counts)
        self.driver = ConsensusDriver(self.ledger, self.guard, blocks, self._port(), self.supervisor, key)
        self.fault_watch = FaultWatch(
            self.accusations.counts, self.ledger, self.mempool, self.manager, lambda: self.driver.state
        )
        self.schedule = WorkSchedule(self.proposer.has_work, heartbeat, self._work_began)
        self.liveness = Liveness(self.ledger, clock, self.schedule, lambda: self.driver.state)
        submit = self.admission.submit
        self.marker = RecoveryMarker(self.ledger, key, clock, self.guard, submit, machine.entropy)
        self.tender = PoolTender(self.ledger, self.mempool, self._offer_again)

    def _port(self) -> ConsensusPort:
        """Return how consensus speaks to peers; a test's node may lie."""
        return self.link

    def _proposals(self) -> Proposals:
        """Return what makes this validator's proposals; a test's node may lie."""
        return self.proposer

    def _make_sync(self) -> None:
        settings, ledger = self.settings, self.ledger
        importer = BlockImporter(ledger, self.verifier, self.processor, self.finalizer, self.supervisor)
        self.sync = SyncDriver(ledger, importer, self.claims, self.manager, self.supervisor)
        folders = SnapshotFolders(settings.home, settings.machine.files, settings.machine.engine)
        distance, check = settings.config.snapshot_distance, settings.disk.check
        self.snapshots = SnapshotDriver(ledger, self.manager, self.sync, folders, self.supervisor, distance, check)
        self.snapshots.on_ready(self._give_way)
        self.snapshot_server = SnapshotServer(ledger)
        retain = settings.config.retain_blocks
        self.pruner = None if retain is None else Pruner(ledger, self.feed, retain)

    def _listen_to_peers(self) -> None:
        driver = self.driver
        counts = self.accusations.counts
        self.reader = ProposalReader(self.verifier, self.streams, self.proposals, lambda: driver.state)
        self.consensus_frames = ConsensusFrames(self.reader, driver, self.claims, self.teller, counts)
        questions = Questions(self.store, self.processor, self.snapshot_server, lambda: driver.state)
        self.frames = PeerFrames(self.consensus_frames, questions, self.admission, self.gossiper, self.teller)
        self.admission.on_admitted(self._admitted)
        self.supervisor.on_halt(lambda: self.admission.close(HALTED))

    def _measure(self) -> None:
        ledger, manager, driver = self.ledger, self.manager, self.driver
        syncing = Syncing(ledger, manager, self.sync, self.snapshots)
        connections = Connections(ledger, manager, self.settings.key.public_key)
        self.connections = connections
        self.information = Information(ledger, self.clock, connections, syncing)
        self.health = Health(
            (
                self.supervisor.reasons,
                lambda: [] if driver.stopped else self.liveness.reasons(),
                driver.reasons,
                syncing.reasons,
                connections.reasons,
            )
        )
        self.report = ConsensusReport(
            ledger,
            self.accusations,
            lambda: driver.state,
            lambda: driver.stopped,
            lambda key: self.consensus_frames.last_seen.get(key, (0, 0)),
        )
        metrics = self.counts = Metrics()
        self.counters = BlockCounters(metrics)
        metrics.read_by(
            chain_gauges(metrics, ledger, self.feed, self.settings.disk),
            pool_gauges(metrics, self.mempool, self.admission),
            verification_gauges(metrics, self.signatures),
            peer_gauges(metrics, manager, self.sync),
            stage_gauges(metrics),
            loop_gauges(metrics),
            health_gauges(metrics, self.health, self.liveness, self.supervisor),
            consensus_gauges(metrics, ledger, self.guard, self.accusations, lambda: driver.state),
        )

    def _follow_blocks(self) -> None:
        """Say who hears of a final block, in which order; consensus, which begins the next height, comes last."""
        self._state_followers: list[StateFollower] = []
        self.finalizer.on_final(
            self._tell_followers,
            self.fault_watch.block_final,
            self._leave_pool,
            self.counters.block_final,
            self._follow_chain,
            self.driver.height_final,
        )

    def on_state(self, follower: StateFollower) -> None:
        """Have a function called with the state values that each final block changes, before clients hear of it."""
        self._state_followers.append(follower)

    # -- what happens ------------------------------------------------------------------------------

    def _admitted(self, transactions: Sequence[Transaction], sender: SendingPeer | None) -> None:
        key = None if sender is None else sender.key
        from_origin = sender is not None and sender.from_origin
        with STAGES.gossip:
            self.gossiper.add([(tx.hash, tx.raw) for tx in transactions], key, from_origin=from_origin)
        self.schedule.transactions_arrived()

    def _offer_again(self, transactions: Sequence[Transaction]) -> None:
        self.gossiper.offer_again((tx.hash, tx.raw) for tx in transactions)

    def _work_began(self) -> None:
        self.fault_watch.work_began()
        self.driver.work_available()

    def _tell_followers(self, executed: Executed, certificate: Certificate) -> None:
        for follower in self._state_followers:
            follower(executed.result.changes)

    def _leave_pool(self, executed: Executed, certificate: Certificate) -> None:
        transactions = executed.transactions
        self.builder.learn_costs(transactions, executed.result.receipts)
        ids = [tx.id for tx in transactions]
        self.mempool.remove_committed(ids)
        self.waiters.final(ids)
        self.fault_watch.height_began()

    def _follow_chain(self, executed: Executed, certificate: Certificate) -> None:
        if self.permissions.have_changed():
            self.manager.enforce_permissions()
        self.sync.head_moved()
        self.teller.head_moved()
        self.schedule.height_started(self.ledger.params)
        if self.pruner is not None:
            self.pruner.head_moved()
        self.settings.disk.check()

    # -- starting and stopping ---------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, connect, and take part.

        Raises:
            OSError: the network address cannot be had.
        """
        loop = asyncio.get_running_loop()
        self.information.started()
        self.counters.started()
        self.fault_watch.height_began()
        self.supervisor.watch(loop)
        self.store.watch(lambda damage: self._damaged(loop, damage))
        self.teller.tell_all()  # so that the first HELLO, too, says where we stand
        await self.manager.start(self.frames)
        self.schedule.height_started(self.ledger.params)
        self.driver.start()
        run = self.supervisor.run
        run(self.sync.run(), "block-sync", Ends.CONSENSUS)  # it executes blocks
        for worker in self.signatures.workers:
            run(worker.run(), f"verification-worker-{worker.number}")
        run(self.admission.run(), "admission")
        run(self.reporter.run(), "evidence")
        run(self.marker.run(), "recovery-marker")
        run(self.tender.run(), "pool")
        run(self.snapshot_server.run(), "snapshot-server")
        run(self.snapshots.run(), "snapshot-sync")
        run(self.liveness.run(), "liveness")
        if self.pruner is not None:
            run(self.pruner.run(), "pruning")
        head = self.store.head
        _log.info("chain %s at height %d, state root %s", self.genesis.chain, head.height, head.state_root.hex())

    def _damaged(self, loop: asyncio.AbstractEventLoop, damage: StoreCorrupt) -> None:
        """Let the event loop act on what any thread has found; a loop that is closed needs nothing any more."""
        if not loop.is_closed():
            loop.call_soon_threadsafe(self.supervisor.met, damage)

    def _give_way(self) -> None:
        """A snapshot is about to take the store's place: take part no more, so that nothing is lost with it."""
        self.driver.stop()
        self.finalizer.close()

    async def stop(self) -> None:
        """Stop taking part, close connections and files. Nothing final is lost, stopped or killed."""
        self.driver.stop()
        self.finalizer.close()
        self.reader.close()
        self.schedule.stop()
        self.feed.close()
        await self.supervisor.stop()
        self.admission.close()
        self.teller.close()
        self.gossiper.close()
        await self.manager.stop()
        if self.pruner is not None:
            await self.pruner.finished()
        self.guard.close()
        self.store.close()

    @property
    def snapshot_ready(self) -> asyncio.Event:
        """Set once the node is to be stopped and put together anew, on the snapshot that it has fetched."""
        return self.snapshots.installed

    # -- Backend -----------------------------------------------------------------------------------

    async def submit(self, raws: Sequence[bytes], client: str = "") -> list[Admission | TransactionRefused]:
        """Admit signed transactions; see `node.gateway.backend.Backend.submit`."""
        if self.supervisor.halted is not None:
            raise NotReady(HALTED)
        outcomes = await self.admission.submit(raws, client)
        self.counts.refused.inc(sum(isinstance(outcome, TransactionRefused) for outcome in outcomes))
        return outcomes

    async def wait_committed(self, tx_ids: Sequence[bytes], timeout_ms: int) -> list[bool]:
        """Wait for transactions to become final; see `node.gateway.backend.Backend.wait_committed`."""
        return await self.waiters.wait(tx_ids, timeout_ms)

    def is_pending(self, tx_id: bytes) -> bool:
        """Tell whether the mempool holds a transaction with this id."""
        return self.mempool.by_id(tx_id) is not None

    def pending_transaction(self, tx_id: bytes) -> bytes | None:
        """Return the canonical transaction with this id from the mempool."""
        tx = self.mempool.by_id(tx_id)
        return None if tx is None else tx.raw

    def node_info(self) -> dict[str, Any]:
        """Return who this node is and where its chain stands."""
        return self.information.told()

    def node_health(self) -> dict[str, Any]:
        """Return whether the node lives, and whether clients should use it."""
        return self.health.told()

    def node_peers(self) -> list[dict[str, Any]]:
        """Return one line for each connected peer."""
        return self.connections.peers()

    def node_consensus(self) -> dict[str, Any]:
        """Return where consensus stands, here and at each validator."""
        return self.report.told()

    def metrics(self) -> bytes:
        """Return the Prometheus text of all metrics."""
        return self.counts.text()
