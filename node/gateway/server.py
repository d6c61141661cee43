"""The gateway's HTTP side: `POST /` for JSON-RPC, `GET /health`, `/ready`, `/metrics` and `/nft/…` (docs/rpc.md).

It stands on aiohttp's low-level server, without application and middleware, because a busy node answers thousands
of requests a second; aiohttp's router finds what is no call (`routes`). A JSON-RPC error is HTTP 200, except where
HTTP tools must see it: 401 without a valid key, 413 for a body that is too large, 415 for a content type that is
not JSON (which also keeps other sites' scripts out: no CORS header is ever sent), 417 for another expectation than
100-continue, 421 and 403 for other names and pages (see `hosts`), 429 over the limits.

    Listener ──► ConnectionTable ──► GatewayConnection ──► HostRule ──► Routes
                                       calls: BodyReader ──► Desk ──► AnswerSender

Invariants:
    1. Connections are bounded, per client and all together (see `connections`).
    2. Memory for request bodies and for answers is bounded, per client and all together (see `shares`).
    3. A connection that is not admitted is answered and closed before it is read.
    4. After `stop` no request is being answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import orjson
from aiohttp import web

from node.gateway.answers import AnswerSender
from node.gateway.backend import Backend
from node.gateway.badges import BADGE_PATHS, status_of
from node.gateway.connections import ConnectionTable, GatewayConnection
from node.gateway.desk import Desk, NodeDesk
from node.gateway.dispatch import Caller, fault_body, internal_fault
from node.gateway.errors import HttpRefusal, RpcFault
from node.gateway.forwarded import Clients
from node.gateway.hosts import HostRule
from node.gateway.limits import ApiKeys, RateLimiter, client_of
from node.gateway.listener import Listener, listen_on, url_of
from node.gateway.request_bodies import Body, BodyReader
from node.gateway.routes import ANY_TEXT, Handler, Routes
from node.gateway.shares import Shares
from node.runtime.config import NodeConfig
from node.runtime.descriptors import MOST_CONNECTIONS
from node.runtime.log_setup import Tally

_log = logging.getLogger(__name__)

JSON_TYPES: Final = frozenset({"application/json", "application/json-rpc", "application/jsonrequest"})
UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
"""What a charset parameter may say; ASCII is a part of UTF-8."""

BODIES_AT_ONCE: Final = 16
"""All bodies held at once have at most this many times max_request_bytes (128 MiB by default)."""

ANSWERS_AT_ONCE: Final = 8
"""All answers that are not taken yet have at most this many times max_response_bytes (256 MiB by default)."""

STOP_GRACE_S: Final = 5.0
KEEPALIVE_S: Final = 75.0


class HttpServer:
    """The HTTP server in front of a desk."""

    def __init__(self, desk: Desk, config: NodeConfig, now: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._config = config
        self._limits = config.rpc
        self._keys = ApiKeys(self._limits.read_api_keys, self._limits.write_api_keys)
        self._rates = RateLimiter(self._limits.max_requests_per_second, self._limits.max_batch, now)
        limits = self._limits
        self._body_shares = Shares(BODIES_AT_ONCE * limits.max_request_bytes)
        self._answer_shares = Shares(ANSWERS_AT_ONCE * limits.max_response_bytes)
        self._bodies = BodyReader(limits.max_request_bytes, self._body_shares)
        self._answers = AnswerSender(self._answer_shares)
        self._clients = Clients(limits.trusted_proxies)
        self._hosts = HostRule([config.rpc_host, *limits.allowed_hosts])
        self._connections = ConnectionTable(
            limits.max_connections or MOST_CONNECTIONS, limits.max_connections_per_client
        )
        self._bad_http = Tally(_log, logging.WARNING, "a client sent what is no HTTP/1.0 or HTTP/1.1")
        pages: dict[str, Handler] = {
            "/health": self._health,
            "/ready": self._ready,
            "/metrics": self._metrics,
            BADGE_PATHS + ANY_TEXT: self._badge,
        }
        self._routes = Routes(self._rpc, pages)
        self._web: web.Server | None = None
        self._listener = Listener(self._admit, self._abandoned)

    # -- life cycle --------------------------------------------------------------------------------

    async def start(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """Accept connections.

        Args:
            sockets: that listen already; None: those of the configured host and port, where 0 takes any free one.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        if sockets is None:
            sockets = await listen_on(self._config.rpc_host, self._config.rpc_port)
        self._web = web.Server(self._respond)
        self._listener.start(sockets)
        _log.info("JSON-RPC on %s, for at most %d connections", self.url, self._connections.limit)

    async def stop(self) -> None:
        """Take no new connections, let those who wait know, and end what is still being answered."""
        if self._web is None:
            return
        await self._listener.stop()
        self._desk.close()
        for connection in self._web.connections:
            if isinstance(connection, GatewayConnection):
                connection.close_if_idle()
        await self._web.shutdown(STOP_GRACE_S)
        self._web = None

    @property
    def port(self) -> int:
        """The port that the server is bound to."""
        return self._listener.port or self._config.rpc_port

    @property
    def url(self) -> str:
        """Where clients on this machine find the server."""
        return url_of(self._config.rpc_host, self.port)

    @property
    def open_connections(self) -> int:
        """Connections that clients hold now."""
        return self._connections.total

    @property
    def busy_connections(self) -> int:
        """Connections whose client waits for the node now."""
        return self._connections.busy

    @property
    def answers_refused(self) -> int:
        """Answers that were given up, as their clients hold too much."""
        return self._answers.refused

    @property
    def bytes_held(self) -> int:
        """Bytes of request bodies that are being read or answered."""
        return self._body_shares.held

    @property
    def bytes_being_sent(self) -> int:
        """Bytes of answers that are being built, or that clients have not taken yet."""
        return self._answer_shares.held

    # -- connections -------------------------------------------------------------------------------

    def _admit(self, connection: socket.socket, address: str) -> asyncio.Protocol | None:
        """Return the protocol of a new connection; None, and it is answered, where its client has its fill."""
        # A proxy that is trusted brings many clients, whose requests are counted one by one.
        slot = self._connections.admit(client_of(address), is_many=self._clients.is_trusted(address))
        if slot is None or self._web is None:
            with contextlib.suppress(OSError):
                connection.send(_refused_connection(self._limits.max_connections_per_client))
                connection.shutdown(socket.SHUT_WR)
            return None
        return GatewayConnection(
            self._web,
            self._connections,
            slot,
            self._not_http,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEPALIVE_S,
            access_log=None,
            auto_decompress=False,
        )

    def _abandoned(self, protocol: asyncio.Protocol) -> None:
        if isinstance(protocol, GatewayConnection):
            self._connections.leave(protocol.slot)

    def _not_http(self) -> web.Response:
        self._bad_http.tell()
        return _fault_response(400, RpcFault("BAD_HTTP", "not a request of HTTP/1.0 or HTTP/1.1"), close=True)

    # -- requests ----------------------------------------------------------------------------------

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            self._hosts.check(request)
            return await self._routes.answer(request)
        except HttpRefusal as refusal:
            if refusal.fault.data["reason"] == "BAD_HTTP":
                self._bad_http.tell()
            return _fault_response(refusal.status, refusal.fault, close=True)
        except Exception:
            return _fault_response(500, internal_fault(request.path))

    async def _badge(self, request: web.BaseRequest) -> web.Response:
        """Answer with a badge's picture or metadata: a read like any other, by permission, rate and turn."""
        client = client_of(request.remote)
        if not self._keys.permissions(request.headers.get("Authorization"))[0]:
            fault = RpcFault("UNAUTHORISED", "reads need `Authorization: Bearer <key>` with a valid key")
            return _json_response(401, fault_body(fault), {"WWW-Authenticate": "Bearer"})
        wait_ms = self._rates.take(client, 1)
        if wait_ms:
            return _fault_response(429, _rate_fault(wait_ms))
        with _busy(request.protocol):
            try:
                return await self._desk.badge(request, client)
            except RpcFault as fault:
                return _fault_response(status_of(fault), fault)

    async def _metrics(self, request: web.BaseRequest) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=await self._desk.metrics(), headers=headers)

    async def _health(self, request: web.BaseRequest) -> web.Response:
        health = await self._desk.health()
        return _json_response(200 if health["live"] else 503, orjson.dumps(health))

    async def _ready(self, request: web.BaseRequest) -> web.Response:
        health = await self._desk.health()
        return _json_response(200 if health["live"] and health["ready"] else 503, orjson.dumps(health))

    async def _rpc(self, request: web.BaseRequest) -> web.StreamResponse:
        problem = content_problem(request)
        if problem is not None:
            return _fault_response(415, RpcFault("CONTENT_TYPE", problem), close="Expect" in request.headers)
        client = self._clients.of(request)
        body = await self._bodies.read(request, client)
        answer = self._answers.begin(client)
        try:
            with _busy(request.protocol):
                response = await self._call(request, client, body)
            return await self._answers.send(request, response, answer)
        finally:
            self._answers.release(answer)

    async def _call(self, request: web.BaseRequest, client: str, body: Body) -> web.Response:
        limited = False

        def admit(calls: int) -> RpcFault | None:
            nonlocal limited
            wait_ms = self._rates.take(client, calls)
            limited = wait_ms > 0
            return _rate_fault(wait_ms) if limited else None

        caller = Caller(client, *self._keys.permissions(request.headers.get("Authorization")))
        try:
            reply = await self._desk.handle(body.take(), caller, admit)
        finally:
            self._bodies.release(body)
        if reply.body is None:
            return web.Response(status=204)
        if reply.unauthorised:
            return _json_response(401, reply.body, {"WWW-Authenticate": "Bearer"})
        return _json_response(429 if limited else 200, reply.body)


class Gateway(HttpServer):
    """The gateway inside a node, on its event loop.

    Attributes:
        table: all methods by name.
    """

    def __init__(self, backend: Backend, config: NodeConfig, now: Callable[[], float] = time.monotonic) -> None:
        desk = NodeDesk(backend, config.rpc, now)
        self.table = desk.table
        super().__init__(desk, config, now)


def content_problem(request: web.BaseRequest) -> str | None:
    """Return what is wrong with the headers that describe a body, None where they are those of JSON in UTF-8."""
    if request.content_type not in JSON_TYPES:
        return "POST needs content-type: application/json"
    if (request.charset or "utf-8").lower() not in UTF_8:
        return f"JSON comes in UTF-8, not in {request.charset!r:.50}"
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        return "POST needs a body without content-encoding (identity)"
    return None


@contextmanager
def _busy(protocol: object) -> Iterator[None]:
    """Keep a connection, whose client waits for the node now, from being closed for others."""
    if not isinstance(protocol, GatewayConnection):
        yield
        return
    protocol.begin()
    try:
        yield
    finally:
        protocol.end()


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
