"""One validator, asked through the ordinary client: the same method many times over, in bounded batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from genesis.testnet import TestnetManifest
from node.client import RpcClient
from node.demo.rules import PARTNERS

MAX_BATCH: Final = 500


class BrandNode:
    """A brand's validator, and the open client that speaks to it."""

    def __init__(self, brand: str, client: RpcClient) -> None:
        self.brand = brand
        self.client = client

    async def call(self, method: str, /, **params: Any) -> Any:
        """Return the result of one call; raises ClientError."""
        return await self.client.call(method, **params)

    async def each(self, method: str, params: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Call one method with each of these params; return a result or an RpcError for each, in order.

        Raises:
            ClientError: the node did not answer, or refused a batch as a whole.
        """
        answers: list[Any] = []
        for start in range(0, len(params), MAX_BATCH):
            answers += await self.client.batch([(method, one) for one in params[start : start + MAX_BATCH]])
        return answers


@asynccontextmanager
async def open_brand_nodes(manifest: TestnetManifest) -> AsyncIterator[list[BrandNode]]:
    """Connect to the partners' validators, in the order of PARTNERS."""
    async with AsyncExitStack() as stack:
        gateways = []
        for partner in PARTNERS:
            client = await stack.enter_async_context(RpcClient(manifest.validator(partner.brand).rpc))
            gateways.append(BrandNode(partner.brand, client))
        yield gateways
