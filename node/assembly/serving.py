"""How a node serves clients: by a gateway on its own event loop, or by one that is a process of its own."""

from __future__ import annotations

from node.assembly.measures import gateway_gauges
from node.assembly.node import Node
from node.gateway import Gateway
from node.gateway_process import GatewayProcess
from node.runtime.config import NodeConfig


def gateway_of(node: Node, config: NodeConfig) -> Gateway | GatewayProcess:
    """Return the gateway that a configuration asks for, which hears of the node's blocks."""
    if not config.workers.gateway:
        return Gateway(node, config)
    gateway = GatewayProcess(node, node.store, config)
    node.on_state(gateway.head_moved)
    node.health.also(gateway.reasons)
    node.counts.read_by(gateway_gauges(node.counts, gateway))
    return gateway
