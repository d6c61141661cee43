"""A gateway on a free port in front of a `LocalNode`, and a client that can also send nonsense."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from node.gateway import Gateway
from node.runtime.config import NodeConfig, RpcLimits
from tests.support.ledger import LocalNode


class Web:
    """Posts to one gateway."""

    def __init__(self, session: aiohttp.ClientSession, gateway: Gateway) -> None:
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
async def running_gateway(node: LocalNode, **limits: Any) -> AsyncIterator[Web]:
    """Run a gateway in front of a node; `limits` are those of RpcLimits."""
    gateway = Gateway(node, NodeConfig(rpc_port=0, rpc=RpcLimits(**limits)))
    await gateway.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Web(session, gateway)
    finally:
        await gateway.stop()
