"""How commands ask a node: through `node.client`, failures told in one sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from node.client import ConnectionFailed, RetryPolicy, RpcClient, RpcError
from node.terminal.output import CliError

TIMEOUT_S = 10.0
DEFAULT_URL = "http://127.0.0.1:8545"

T = TypeVar("T")

api_key_option = click.option(
    "--api-key", envvar="ENTENTE_API_KEY", help="The bearer key that the node wants, if it wants one."
)


class NodeUnreachable(CliError):
    """Nothing answers at the URL, or no node."""


class NodeRefused(CliError):
    """The node answered with a JSON-RPC error."""


def with_node(
    url: str,
    action: Callable[[RpcClient], Awaitable[T]],
    *,
    api_key: str | None = None,
    timeout_s: float = TIMEOUT_S,
) -> T:
    """Return what `action` gets from the node at `url`; a person waits, so that lost connections are not retried.

    Raises:
        NodeUnreachable: no node answers there.
        NodeRefused: the node answered with an error.
    """

    async def ask() -> T:
        once = RetryPolicy(attempts=1)
        async with RpcClient(url, api_key=api_key, timeout_s=TIMEOUT_S, retries=once) as client:
            return await action(client)

    try:
        return asyncio.run(ask())
    except ConnectionFailed:
        raise NodeUnreachable(f"no node answers at {url}; is one running there?") from None
    except RpcError as error:
        raise NodeRefused(f"{error.message} ({error.reason or error.code})") from None
