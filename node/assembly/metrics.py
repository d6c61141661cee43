"""What a node counts about itself, for Prometheus (`GET /metrics`)."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest


class Metrics:
    """One node's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._readers: list[Callable[[], None]] = []
        ProcessCollector(registry=self._registry)
        self.height = self._gauge("entente_height", "Height of the last final block")
        self.round = self._gauge("entente_round", "Consensus round of the height in progress")
        self.block_time_ms = self._gauge("entente_block_time_ms", "Block time of the head")
        self.peers = self._gauge("entente_peers", "Connected peers")
        self.mempool_transactions = self._gauge("entente_mempool_transactions", "Pending transactions")
        self.mempool_bytes = self._gauge("entente_mempool_bytes", "Bytes of pending transactions")
        self.ready = self._gauge("entente_ready", "1 if the node can serve, else 0")
        self.halted = self._gauge("entente_halted", "1 if consensus has halted")
        self.recovering = self._gauge(
            "entente_recovering", "1 while this validator does not sign, as its log lacks votes"
        )
        self.silenced = self._gauge(
            "entente_silenced", "1 while this validator does not sign, as another process signs with its key"
        )
        self.head_ahead = self._gauge(
            "entente_head_ahead_seconds", "How far the head's block time is ahead of this node's clock"
        )
        self.work_waiting = self._gauge(
            "entente_work_waiting_seconds", "How long there has been work without a block"
        )
        self.disk_free = self._gauge("entente_disk_free_bytes", "Room on the disk that holds the node's home")
        self.evidence = self._gauge("entente_evidence", "Conflicting signed messages seen")
        self.validator_faults = Gauge(
            "entente_validator_faults",
            "What a validator was seen to do wrong, or fail to do, since the start",
            labelnames=("brand", "fault"),
            registry=self._registry,
        )
        self.feed_lag = Gauge(
            "entente_feed_lag_blocks",
            "Final blocks that a consumer of the block feed has not done yet",
            labelnames=("consumer",),
            registry=self._registry,
        )
        self.stages = Gauge(
            "entente_stage_cpu_seconds",
            "CPU time by stage of work since the start; what no stage covers is event loop, TLS and HTTP",
            labelnames=("stage",),
            registry=self._registry,
        )
        self.loop_turns = Gauge(
            "entente_loop_turns",
            "Turns of the event loop since the start that took no longer than so many ms",
            labelnames=("ms",),
            registry=self._registry,
        )
        self.verification_workers = self._gauge(
            "entente_verification_workers", "Worker processes that verify signatures now"
        )
        self.verification_restarts = self._gauge(
            "entente_verification_restarts", "Verification workers that have ended by themselves since the start"
        )
        self.verification_waiting = self._gauge(
            "entente_verification_waiting_frames", "Frames that verification workers have not answered yet"
        )
        self.verified = Gauge(
            "entente_verified_transactions",
            "Transactions whose signatures were verified since the start, by whom",
            labelnames=("by",),
            registry=self._registry,
        )
        self.gateway_up = self._gauge(
            "entente_gateway_up", "1 while a process of its own serves clients; 0 also without workers.gateway"
        )
        self.gateway_restarts = self._gauge(
            "entente_gateway_restarts", "How many times the gateway's process has ended and was started again"
        )
        self.gateway_cpu = self._gauge("entente_gateway_cpu_seconds", "CPU time of the gateway's process")
        self.gateway_memory = self._gauge("entente_gateway_resident_bytes", "Memory of the gateway's process")
        self.sync_target = self._gauge("entente_sync_target_height", "Greatest height that a peer claims")
        self.blocks = self._counter("entente_blocks", "Blocks committed since the start")
        self.transactions = self._counter("entente_transactions", "Transactions committed since the start")
        self.failed = self._counter("entente_transactions_failed", "Committed transactions whose receipt is failed")
        self.refused = self._counter("entente_transactions_refused", "Transactions refused on admission")
        self.dropped = self._gauge("entente_gossip_dropped", "Transactions from peers dropped under load")
        self.block_interval = Histogram(
            "entente_block_interval_seconds",
            "Real time between commits",
            buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 120),
            registry=self._registry,
        )
        self.block_transactions = Histogram(
            "entente_block_transactions",
            "Transactions per block",
            buckets=(0, 1, 10, 50, 100, 250, 500, 1_000, 2_000, 5_000),
            registry=self._registry,
        )

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._registry)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(name, text, registry=self._registry)

    def read_by(self, *readers: Callable[[], None]) -> None:
        """Call functions before each scrape, which set gauges to what is so then."""
        self._readers += readers

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        for read in self._readers:
            read()
        return generate_latest(self._registry)
