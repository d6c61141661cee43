"""One request, until all of it is final, failed or refused.

Transactions that a node has no room for are sent again after a pause; their latency counts from the first time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from node.client import ClientError, ConnectionFailed, RpcClient, RpcError
from node.load.tally import Tally
from node.load.units import Request

WAIT_MS: Final = 60_000
"""Longer than any latency that a user of the network would bear; what is not final then is counted as TIMEOUT."""

FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0

NO_ROOM: Final = frozenset({"POOL_FULL", "RATE_LIMITED"})
"""The node has no room now; the same bytes may be taken later."""

UNREACHABLE: Final = "UNREACHABLE"
"""The reason under which units are counted whose node did not answer."""


class Sender:
    """Sends requests to one node.

    Args:
        sampled: ask for the last receipt of a request only, and take all of the request for final with it: a
            benchmark that counts what the blocks hold spares the nodes the other receipts.
    """

    def __init__(self, client: RpcClient, tally: Tally, *, sampled: bool = False) -> None:
        self._client = client
        self._tally = tally
        self._sampled = sampled

    async def send(self, request: Request, begun: float | None = None) -> None:
        """Send a request, and return when all of it is decided.

        Args:
            begun: monotonic seconds from which latency counts; now unless given.
        """
        since = time.monotonic() if begun is None else begun
        self._tally.sent += request.units
        left = list(zip(request.raws, request.ids, strict=True))
        pause_s = FIRST_PAUSE_S
        while left:
            left, taken = await self._submit(left, request.units_each)
            if taken:
                await self._wait(taken, request.units_each, since)
                pause_s = FIRST_PAUSE_S
            elif left:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _submit(
        self, signed: Sequence[tuple[bytes, str]], units: int
    ) -> tuple[list[tuple[bytes, str]], list[str]]:
        """Submit; return what there was no room for, and the ids of what was taken."""
        outcomes = await self._asked(self._client.submit_many([raw for raw, _ in signed]), len(signed))
        again: list[tuple[bytes, str]] = []
        taken: list[str] = []
        for transaction, outcome in zip(signed, outcomes, strict=True):
            if not isinstance(outcome, ClientError):
                taken.append(transaction[1])
            elif (reason := _reason(outcome)) in NO_ROOM:
                self._tally.waited[reason] += units
                again.append(transaction)
            else:
                self._tally.refused[reason] += units
        return again, taken

    async def _wait(self, ids: Sequence[str], units: int, since: float) -> None:
        """Wait until transactions are final, and count them."""
        asked = ids[-1:] if self._sampled else ids
        calls = [("tx_wait", {"id": tx_id, "timeout_ms": WAIT_MS}) for tx_id in asked]
        outcomes = await self._asked(self._client.batch(calls, wait_s=WAIT_MS / 1_000), len(asked))
        ms = (time.monotonic() - since) * 1_000
        each = units * len(ids) // len(asked)
        for outcome in outcomes:
            if isinstance(outcome, ClientError):
                self._tally.refused[_reason(outcome)] += each
            elif outcome["status"] == "ok":
                self._tally.add_final(ms, each)
            else:
                self._tally.failed[str(outcome["error"]["code"])] += each

    async def _asked(self, answer: Any, count: int) -> list[Any]:
        """Return the outcomes of a batch; where it fails as a whole, that error for each."""
        try:
            outcomes: list[Any] = await answer
            return outcomes
        except ConnectionFailed as error:
            await asyncio.sleep(LONGEST_PAUSE_S)  # Nothing is gained by asking a dead node without a pause.
            return [error] * count
        except RpcError as error:
            return [error] * count


def _reason(error: ClientError) -> str:
    if isinstance(error, RpcError):
        return error.reason or str(error.code)
    return UNREACHABLE
