"""What answers behind the HTTP server: the node itself, or a process of its own that asks the node.

`HttpServer` knows connections, bodies, limits and keys; a desk knows what is answered. The node's own desk is here;
the one of a gateway that runs as a process of its own is in node/gateway_process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from aiohttp import web

from node.gateway.backend import Backend
from node.gateway.badges import BadgePages
from node.gateway.chain_methods import ChainMethods
from node.gateway.dispatch import Admit, Caller, Dispatcher, Reply
from node.gateway.method_table import Method, methods_of
from node.gateway.node_methods import NodeMethods
from node.gateway.openrpc import discover_method
from node.gateway.remade import Remade
from node.gateway.state_methods import StateMethods
from node.gateway.transaction_methods import TransactionMethods
from node.runtime.config import RpcLimits


class Desk(Protocol):
    """Answers what clients ask; each question is limited and permitted already."""

    async def handle(self, body: bytes | bytearray, caller: Caller, admit: Admit) -> Reply:
        """Answer a JSON-RPC body; see `Dispatcher.handle`."""
        ...

    async def badge(self, request: web.BaseRequest, client: str) -> web.Response:
        """Answer with a badge's picture or metadata.

        Raises:
            RpcFault: there is none, or no turn to read.
        """
        ...

    async def health(self) -> dict[str, Any]:
        """Return {live, ready, reasons}."""
        ...

    async def metrics(self) -> bytes:
        """Return the Prometheus text of all metrics."""
        ...

    def close(self) -> None:
        """Answer those that wait for a transaction with SHUTTING_DOWN, now and from now on."""
        ...


class NodeDesk:
    """The desk of a node, which shares its event loop.

    Attributes:
        table: all methods by name, in the order of the documentation.
    """

    def __init__(self, backend: Backend, limits: RpcLimits, now: Callable[[], float]) -> None:
        self._backend = backend
        self._metrics_text = Remade(backend.metrics, now)
        self._transactions, state = TransactionMethods(backend), StateMethods(backend)
        self.table = build_table(backend, self._transactions, state)
        self.dispatcher = Dispatcher(self.table, limits, now)
        self._badges = BadgePages(state)

    async def handle(self, body: bytes | bytearray, caller: Caller, admit: Admit = lambda calls: None) -> Reply:
        """Answer a JSON-RPC body."""
        return await self.dispatcher.handle(body, caller, admit)

    async def badge(self, request: web.BaseRequest, client: str) -> web.Response:
        """Answer with a badge's picture or metadata: a read like any other, in its client's turn."""
        return await self.dispatcher.read(client, lambda: self._badges.page(request))

    async def health(self) -> dict[str, Any]:
        """Return {live, ready, reasons}."""
        return self._backend.node_health()

    async def metrics(self) -> bytes:
        """Return the Prometheus text of all metrics, at most a moment old."""
        return self._metrics_text.get()

    def close(self) -> None:
        """Answer those that wait with SHUTTING_DOWN."""
        self._transactions.close()


def build_table(backend: Backend, transactions: TransactionMethods, state: StateMethods) -> dict[str, Method]:
    """Return all methods of a node by name, in the order of the documentation."""
    table = {
        **methods_of(NodeMethods(backend), ChainMethods(backend)),
        **transactions.batched_methods(),
        **methods_of(transactions, state),
        **state.view_methods(),
    }
    discover = discover_method(table, backend.runtime)
    table[discover.name] = discover
    return table
