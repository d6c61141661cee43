"""A gateway on a free port before a `LocalNode`, inside or as a process, and a client that can send nonsense."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import aiohttp
import orjson

from node.gateway import Gateway
from node.gateway_process import GatewayProcess
from node.runtime.config import NodeConfig, RpcLimits, VirtualClock, Workers
from tests.support.ledger import LocalNode

Made = TypeVar("Made", bound=Gateway | GatewayProcess)


class Web(Generic[Made]):
    """Posts to one gateway."""

    def __init__(self, session: aiohttp.ClientSession, gateway: Made) -> None:
        self.session = session
        self.gateway = gateway

    async def post(
        self, body: bytes | str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any] | list[Any] | None]:
        """Post a body; return the HTTP status and the JSON answer, None where there is no content."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        async with self.session.post(self.gateway.url, data=body, headers=sent) as response:
            data = await response.read()
            return response.status, orjson.loads(data) if data else None

    async def answer(self, method: str, params: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """Return the whole response object of one call."""
        request: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method}
        if params is not None:
            request["params"] = params
        return (await self.post(orjson.dumps(request), headers))[1]

    async def call(self, method: str, params: Any = None) -> Any:
        """Return the result of one call, which must be answered with one."""
        answer = await self.answer(method, params)
        assert "error" not in answer, answer
        return answer["result"]

    async def error(self, method: str, params: Any = None) -> tuple[int, str]:
        """Return code and reason of one call, which must be answered with an error."""
        answer = await self.answer(method, params)
        assert "result" not in answer, answer
        return answer["error"]["code"], answer["error"]["data"]["reason"]

    async def get(self, path: str) -> tuple[int, bytes]:
        """Get a page; return the status and the body."""
        async with self.session.get(self.gateway.url + path) as response:
            return response.status, await response.read()


@asynccontextmanager
async def running_gateway(node: LocalNode, **limits: Any) -> AsyncIterator[Web[Gateway]]:
    """Run a gateway in front of a node; `limits` are those of RpcLimits."""
    async with _running(Gateway(node, NodeConfig(rpc_port=0, rpc=RpcLimits(**limits)))) as web:
        yield web


@asynccontextmanager
async def running_gateway_process(node: LocalNode, **limits: Any) -> AsyncIterator[Web[GatewayProcess]]:
    """Run a gateway as a process of its own in front of a node; its block clock runs on from the node's."""
    clock = VirtualClock(node.clock.now, time.time_ns() // 1_000_000, 1)
    config = NodeConfig(rpc_port=0, clock=clock, rpc=RpcLimits(**limits), workers=Workers(gateway=1))
    gateway = GatewayProcess(node, node.store, config)
    node.chain.state_followers.append(gateway.head_moved)
    try:
        async with _running(gateway) as web:
            yield web
    finally:
        node.chain.state_followers.remove(gateway.head_moved)


@asynccontextmanager
async def _running(gateway: Made) -> AsyncIterator[Web[Made]]:
    await gateway.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Web(session, gateway)
    finally:
        await gateway.stop()
