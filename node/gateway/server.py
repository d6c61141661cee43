"""The gateway's HTTP side: `POST /` for JSON-RPC, `GET /health`, `/ready` and `/metrics` (docs/rpc.md).

It stands on aiohttp's low-level server, without router and middleware, because a busy node answers thousands
of requests a second. A JSON-RPC error is HTTP 200, except where HTTP tools must see it: 401 without a valid
key, 413 for a body that is too large, 415 for a content type that is not JSON (which also keeps other sites'
scripts out: no CORS header is ever sent), 429 over the limits.

Invariants:
    1. Memory for requests is bounded: for one body, and for all of them (see `bodies`).
    2. Large answers that clients have not taken yet are bounded likewise, all together.
    3. A connection over the client's limit is answered and closed before it is read.
    4. After `stop` no request is being answered.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from node.backend import Backend
from node.config import NodeConfig
from node.errors import ConfigError
from node.gateway.bodies import RETRY_MS, BodyReader, BodyRefused
from node.gateway.chain_methods import ChainMethods
from node.gateway.dispatch import Dispatcher, Permissions, fault_body, internal_fault
from node.gateway.errors import RpcFault
from node.gateway.limits import CLIENT, ApiKeys, ConnectionCounter, RateLimiter, client_of
from node.gateway.node_methods import NodeMethods
from node.gateway.openrpc import discover_method
from node.gateway.reads import ChainReads
from node.gateway.state_methods import StateMethods
from node.gateway.table import Method, methods_of
from node.gateway.transaction_methods import TransactionMethods

_log = logging.getLogger(__name__)

JSON_TYPES: Final = frozenset({"application/json", "application/json-rpc", "application/jsonrequest"})
BODIES_AT_ONCE: Final = 16
"""All bodies held at once have at most this many times max_request_bytes (128 MiB by default)."""

ANSWERS_AT_ONCE: Final = 8
"""All large answers being sent have at most this many times max_response_bytes (256 MiB by default)."""

LARGE_ANSWER_BYTES: Final = 64 * 1024
"""Smaller answers are not counted: connections are, and each holds one."""

SEND_TIMEOUT_S: Final = 120.0
"""A client must have taken a large answer within this time."""

STOP_GRACE_S: Final = 5.0
KEEPALIVE_S: Final = 75.0
BACKLOG: Final = 1_024


class Gateway:
    """The JSON-RPC server of one node."""

    def __init__(self, backend: Backend, config: NodeConfig, now: Callable[[], float] = time.monotonic) -> None:
        self._backend = backend
        self._config = config
        self._limits = config.rpc
        reads = ChainReads(backend)
        self._transactions = TransactionMethods(reads)
        self.table: dict[str, Method] = build_table(reads, self._transactions)
        self._dispatcher = Dispatcher(self.table, self._limits, now)
        self._keys = ApiKeys(self._limits.read_api_keys, self._limits.write_api_keys)
        self._rates = RateLimiter(self._limits.max_requests_per_second, self._limits.max_batch, now)
        self._bodies = BodyReader(self._limits.max_request_bytes, BODIES_AT_ONCE * self._limits.max_request_bytes)
        self._sending = 0
        self._connections = ConnectionCounter(self._limits.max_connections_per_client)
        self._web: web.Server | None = None
        self._server: asyncio.Server | None = None

    # -- life cycle --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen on the configured host and port; 0 takes any free one.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        host, port = self._config.rpc_host, self._config.rpc_port
        self._web = web.Server(self._respond)
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._protocol, host, port, backlog=BACKLOG
            )
        except OSError as error:
            raise ConfigError(_listen_problem(host, port, error)) from None
        _log.info("JSON-RPC on %s", self.url)

    async def stop(self) -> None:
        """Take no new connections, let those who wait know, and end what is still being answered."""
        if self._server is None or self._web is None:
            return
        self._server.close()
        self._transactions.close()
        await self._web.shutdown(STOP_GRACE_S)
        self._server = None

    @property
    def port(self) -> int:
        """The port that the server is bound to."""
        if self._server is None or not self._server.sockets:
            return self._config.rpc_port
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where clients on this machine find the server."""
        host = self._config.rpc_host
        if host in ("0.0.0.0", "::", ""):
            host = "127.0.0.1"
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def open_connections(self) -> int:
        """Connections that clients hold now."""
        return self._connections.total

    @property
    def bytes_held(self) -> int:
        """Bytes of request bodies that are being read or answered."""
        return self._bodies.held

    @property
    def bytes_being_sent(self) -> int:
        """Bytes of large answers that clients have not taken yet."""
        return self._sending

    def _protocol(self) -> RequestHandler:
        if self._web is None:
            raise RuntimeError("the gateway is not started")
        return _CountedConnection(
            self._web,
            self._connections,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEPALIVE_S,
            access_log=None,
            auto_decompress=False,
        )

    # -- requests ----------------------------------------------------------------------------------

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            if request.path == "/":
                return await self._rpc(request)
            return self._page(request)
        except Exception:
            return _fault_response(500, internal_fault(request.path))

    def _page(self, request: web.BaseRequest) -> web.Response:
        if request.path not in ("/health", "/ready", "/metrics"):
            return web.Response(status=404, text="not found\n")
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"Allow": "GET, HEAD"})
        if request.path == "/metrics":
            headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
            return web.Response(body=self._backend.metrics(), headers=headers)
        health = self._backend.node_health()
        good = health["live"] if request.path == "/health" else health["live"] and health["ready"]
        return _json_response(200 if good else 503, orjson.dumps(health))

    async def _rpc(self, request: web.BaseRequest) -> web.Response:
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"}, text="JSON-RPC 2.0: POST a request\n")
        if request.content_type not in JSON_TYPES or "Content-Encoding" in request.headers:
            message = "POST needs content-type: application/json, and no content-encoding"
            return _fault_response(415, RpcFault("CONTENT_TYPE", message))
        try:
            body = await self._bodies.read(request)
        except BodyRefused as refusal:
            return _fault_response(refusal.status, refusal.fault, close=True)
        try:
            response = await self._call(request, body)
        finally:
            self._bodies.release(body)
        return await self._send(request, response)

    async def _send(self, request: web.BaseRequest, response: web.Response) -> web.Response:
        """Send a large answer while it counts, so that clients who do not read cannot fill the memory."""
        size = len(response.body) if isinstance(response.body, bytes) else 0
        if size <= LARGE_ANSWER_BYTES:
            return response
        if self._sending + size > ANSWERS_AT_ONCE * self._limits.max_response_bytes:
            message = "too many large answers are on their way"
            return _fault_response(429, RpcFault("RATE_LIMITED", message, retry_after_ms=RETRY_MS))
        self._sending += size
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # The client has gone; the server finds that out by itself.
        finally:
            self._sending -= size
        return response

    async def _call(self, request: web.BaseRequest, body: bytes | bytearray) -> web.Response:
        client = client_of(request.remote)
        CLIENT.set(client)
        limited = False

        def admit(calls: int) -> RpcFault | None:
            nonlocal limited
            wait_ms = self._rates.take(client, calls)
            limited = wait_ms > 0
            return _rate_fault(wait_ms) if limited else None

        permissions = Permissions(*self._keys.permissions(request.headers.get("Authorization")))
        reply = await self._dispatcher.handle(body, permissions, admit)
        if reply.body is None:
            return web.Response(status=204)
        if reply.unauthorised:
            return _json_response(401, reply.body, {"WWW-Authenticate": "Bearer"})
        return _json_response(429 if limited else 200, reply.body)


class _CountedConnection(RequestHandler):
    """A connection that counts towards its client's limit."""

    __slots__ = ("_client", "_counter")

    def __init__(self, manager: web.Server, counter: ConnectionCounter, **options: Any) -> None:
        super().__init__(manager, **options)
        self._counter = counter
        self._client: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, or answer that there are too many and close it."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        client = client_of(peer[0] if isinstance(peer, tuple) else None)
        if self._counter.enter(client):
            self._client = client
            return
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(_refused_connection(self._counter.limit))
        self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        if self._client is not None:
            self._counter.leave(self._client)
            self._client = None
        super().connection_lost(exc)


def build_table(reads: ChainReads, transactions: TransactionMethods) -> dict[str, Method]:
    """Return all methods of a node by name, in the order of the documentation."""
    state = StateMethods(reads)
    table = {
        **methods_of(NodeMethods(reads), ChainMethods(reads)),
        **transactions.batched_methods(),
        **methods_of(transactions, state),
        **state.view_methods(),
    }
    discover = discover_method(table)
    table[discover.name] = discover
    return table


def _rate_fault(wait_ms: int) -> RpcFault:
    return RpcFault("RATE_LIMITED", f"too many calls; wait {wait_ms} ms", retry_after_ms=wait_ms)


def _json_response(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def _fault_response(status: int, fault: RpcFault, *, close: bool = False) -> web.Response:
    response = _json_response(status, fault_body(fault))
    if close:
        response.force_close()
    return response


def _refused_connection(limit: int) -> bytes:
    body = fault_body(RpcFault("TOO_MANY_CONNECTIONS", f"more than {limit} connections", limit=limit))
    head = f"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


def _listen_problem(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use by another program; choose another rpc_port in node.toml"
    if error.errno == errno.EACCES:
        return f"no permission to listen on port {port} of {host}; choose an rpc_port above 1023"
    return f"cannot listen on {host}:{port}: {error.strerror or error}"
