"""What an import asks of a node: transactions that are sent until they are final, and reads that are asked again.

A transaction is signed once and sent until the node has told what became of it; one that can no longer come in is
signed anew. A node that is busy, or away, is waited for, as long as there is progress at all within PATIENCE_S.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from node.client import ConnectionFailed, RpcClient, RpcError
from node.client.rpc_client import Call, Op
from node.moving.errors import Stopped
from vm.primitives.keys import SigningKey

PATIENCE_S: Final = 300.0
SEND_TIMEOUT_MS: Final = 30_000
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
MAX_CALLS: Final = 500
"""Of one batch: half of what a node takes by default (node/runtime/config.py)."""

_BUSY: Final = frozenset(
    {
        "POOL_FULL",
        "RATE_LIMITED",
        "TOO_MANY_CONNECTIONS",
        "NOT_READY",
        "SHUTTING_DOWN",
        "TIMEOUT",
        "INTERNAL",
        "REQUEST_TOO_LARGE",
    }
)
"""The same bytes may be taken later. The last is also a proxy's, or another client's load."""

_STALE: Final = frozenset({"EXPIRED", "EXPIRES_TOO_FAR", "BLOCK_PRUNED"})
"""These bytes are never taken; others are. Where the first have paid after all, the ref refuses the second."""


class Chain(Protocol):
    """A chain as the importer sees it; tests have one of their own."""

    async def send(self, ops: Sequence[Op]) -> dict[str, Any]:
        """Return the receipt of a new transaction.

        Raises:
            Stopped: it cannot be sent.
        """
        ...

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """Return each call's result or its RpcError.

        Raises:
            Stopped: the node does not answer.
        """
        ...


class Patience:
    """How long to wait for a node that does not get on, from the first trouble after the last progress on."""

    def __init__(self) -> None:
        self._has_got_on = False
        self._since: float | None = None

    def progress(self) -> None:
        """Note that something got on."""
        self._has_got_on = True
        self._since = None

    async def pause(self, attempt: int, why: str, least_s: float = 0.0) -> None:
        """Wait before another attempt, 0 for the first.

        Raises:
            Stopped: there was no progress for too long, or never any: then a person waits who may have to correct
                something.
        """
        if not self._has_got_on:
            raise Stopped(why)
        now = time.monotonic()
        if self._since is None:
            self._since = now
        if now - self._since > PATIENCE_S:
            raise Stopped(f"no progress for {PATIENCE_S:.0f} s: {why}")
        await asyncio.sleep(max(least_s, min(FIRST_PAUSE_S * 2.0**attempt, LONGEST_PAUSE_S)))


class NodeChain:
    """A chain behind one of its nodes."""

    def __init__(self, client: RpcClient, keys: Sequence[SigningKey]) -> None:
        self._client = client
        self._keys = keys
        self._patience = Patience()

    async def send(self, ops: Sequence[Op]) -> dict[str, Any]:
        """Return the receipt of a new transaction; see `Chain`."""
        raw = await self._signed(ops)
        attempt = 0
        while True:
            try:
                receipt = await self._client.send_raw(raw, timeout_ms=SEND_TIMEOUT_MS)
                self._patience.progress()
                return receipt
            except ConnectionFailed as error:
                await self._patience.pause(attempt, str(error))
            except RpcError as error:
                if error.reason in _STALE:
                    self._client.forget_chain()
                    raw = await self._signed(ops)
                elif error.reason not in _BUSY:
                    raise Stopped(f"the node refuses the transaction: {error.message} ({error.reason})") from None
                await self._patience.pause(attempt, error.message, _retry_after_s(error))
            attempt += 1

    async def _signed(self, ops: Sequence[Op]) -> bytes:
        attempt = 0
        while True:
            try:
                return await self._client.sign_transaction(self._keys[0], ops, cosigners=self._keys[1:])
            except (ConnectionFailed, RpcError) as error:
                await self._patience.pause(attempt, str(error))
            attempt += 1

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """Return each call's result or its RpcError; see `Chain`."""
        outcomes: list[Any] = []
        for start in range(0, len(calls), MAX_CALLS):
            outcomes += await self._ask(calls[start : start + MAX_CALLS])
        return outcomes

    async def _ask(self, calls: Sequence[Call]) -> list[Any]:
        attempt = 0
        while True:
            try:
                outcomes = await self._client.batch(calls)
                busy = next((o for o in outcomes if isinstance(o, RpcError) and o.reason in _BUSY), None)
                if busy is None:
                    self._patience.progress()
                    return outcomes
                await self._patience.pause(attempt, busy.message, _retry_after_s(busy))
            except ConnectionFailed as error:
                await self._patience.pause(attempt, str(error))
            except RpcError as error:
                if error.reason not in _BUSY:
                    raise Stopped(f"the node refuses to answer: {error.message} ({error.reason})") from None
                await self._patience.pause(attempt, error.message, _retry_after_s(error))
            attempt += 1


async def read(chain: Chain, method: str, params: Mapping[str, Any]) -> Any:
    """Return the result of one call.

    Raises:
        RpcError: the node answers with an error.
        Stopped: it does not answer.
    """
    (outcome,) = await chain.ask([(method, params)])
    if isinstance(outcome, RpcError):
        raise outcome
    return outcome


def _retry_after_s(error: RpcError) -> float:
    wait = error.data.get("retry_after_ms", 0)
    return wait / 1_000 if isinstance(wait, int) and 0 <= wait <= 60_000 else 0.0
