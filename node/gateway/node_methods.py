"""The node_* methods: what this node is, and how it fares."""

from __future__ import annotations

import msgspec

from node.gateway.backend import Backend
from node.gateway.method_table import rpc
from node.gateway.results import NodeConsensus, NodeHealth, NodeInfo, NodePeer


class NodeMethods:
    """Answers from what the running node tells of itself."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @rpc(
        "node_info",
        "{chain, version, address, role, height, syncing, uptime_ms, time, clock, clock_rate, max_tx_ttl_ms, …}",
    )
    def info(self) -> NodeInfo:
        """What this node is, and what a client needs to build a transaction.

        `height` and `time` are those of the head, `clock` is the node's block clock now, `clock_rate` how fast it
        runs (1 but on testnets), `max_tx_ttl_ms` how far after the later of both times `expires` may lie.
        """
        queries = self._backend.queries
        told = {
            **self._backend.node_info(),
            "height": queries.height,
            "time": queries.head_time(),
            "clock": self._backend.clock.now_ms(),
            "clock_rate": self._backend.clock.rate,
            "max_tx_ttl_ms": queries.params().max_tx_ttl_ms,
        }
        return msgspec.convert(told, NodeInfo)

    @rpc("node_health", "{live, ready, reasons}")
    def health(self) -> NodeHealth:
        """Whether the node runs, whether it can serve, and if not, why."""
        return msgspec.convert(self._backend.node_health(), NodeHealth)

    @rpc("node_peers", "[{address, key, direction, height, round, rtt_ms, score}, …]")
    def peers(self) -> list[NodePeer]:
        """The node's connected peers."""
        return msgspec.convert(self._backend.node_peers(), list[NodePeer])

    @rpc("node_consensus", "{height, round, step, validators, evidence}")
    def consensus(self) -> NodeConsensus:
        """Where consensus stands, and each validator's last seen height and round."""
        return msgspec.convert(self._backend.node_consensus(), NodeConsensus)
