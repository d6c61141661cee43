"""Bringing a partner's transactions to its own validator, until they are final.

Sending is safe to repeat, since the same bytes have the same id: whatever is not final in time, or was lost, is
sent again as it was.

Invariant: a transaction that fails ends the replay: by the plan none can.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from node.client import ConnectionFailed, RpcError
from node.demo.brand_nodes import BrandNode
from node.demo.errors import ReplayFailed
from node.demo.operations import Author, Op, Signed, in_parts
from node.demo.rules import PARTNERS
from node.runtime.clock import BlockClock

SEND_TIMEOUT_MS: Final = 10_000
RETRY_S: Final = 0.5
MAX_ATTEMPTS: Final = 12
LIFETIME_S: Final = 300
"""Transactions of purchases live for five minutes of wall time, half of what the chain allows."""

TOO_SLOW: Final = "the machine is too slow for this speed: try a smaller --days-per-second, or fewer --baskets"

_PASSING = frozenset({"TIMEOUT", "POOL_FULL", "NOT_READY", "SHUTTING_DOWN", "RATE_LIMITED"})


@dataclass(slots=True)
class Counters:
    """What has become final so far.

    Attributes:
        operations, transactions: what is final.
        purchases: how many of the operations record one.
        resent: transactions that were sent again.
        unplanned: operations that were found to be needed on the way: confirmations of payments.
        lag_ms: how far each partner's purchases lag behind the chain's clock.
    """

    operations: int = 0
    transactions: int = 0
    purchases: int = 0
    resent: int = 0
    unplanned: int = 0
    lag_ms: list[int] = field(default_factory=lambda: [0] * len(PARTNERS))

    @property
    def behind_ms(self) -> int:
        """How far the slowest partner lags behind the chain's clock."""
        return max(self.lag_ms)


class Courier:
    """Brings one partner's transactions to its validator, until they are final."""

    def __init__(self, gateway: BrandNode, author: Author, clock: BlockClock, counters: Counters) -> None:
        self.gateway = gateway
        self._author = author
        self._clock = clock
        self._counters = counters

    async def deliver(
        self, ops: Sequence[Op], expires: int | None = None, cosigners: Sequence[Courier] = ()
    ) -> None:
        """Send operations in as few transactions as need be; see `deliver_parts`."""
        await self.deliver_parts(in_parts(ops), expires, cosigners)

    async def deliver_parts(
        self, parts: Sequence[Sequence[Op]], expires: int | None = None, cosigners: Sequence[Courier] = ()
    ) -> None:
        """Send transactions that hold these operations; return when all are final.

        Args:
            expires: the last block time, exclusive, ms; None for a comfortable while from now.
            cosigners: whose brands sign too.

        Raises:
            ReplayFailed: one was refused, failed, or did not become final in time.
        """
        if expires is None:
            expires = self._clock.now_ms() + LIFETIME_S * 1_000 * self._clock.rate
        waiting = self._author.transactions(parts, expires, [courier._author for courier in cosigners])
        for attempt in range(MAX_ATTEMPTS):
            if attempt:
                self._counters.resent += len(waiting)
                await asyncio.sleep(RETRY_S)
            waiting, crowded = await self._send(waiting)
            # They failed for good, without having done anything: their operations go into new transactions.
            again = [each.ops for each in crowded]
            waiting += self._author.transactions(again, expires, [courier._author for courier in cosigners])
            if not waiting:
                return
        raise ReplayFailed(f"{self.gateway.brand}: {len(waiting)} transactions did not become final")

    async def _send(self, signed: Sequence[Signed]) -> tuple[list[Signed], list[Signed]]:
        """Send and wait; return transactions of which nothing final is known, and those that found no room."""
        try:
            answers = await self.gateway.client.send_many([each.raw for each in signed], timeout_ms=SEND_TIMEOUT_MS)
        except ConnectionFailed:
            return list(signed), []
        except RpcError as error:  # the batch as a whole
            answers = [error] * len(signed)
        again: list[Signed] = []
        crowded: list[Signed] = []
        for each, answer in zip(signed, answers, strict=True):
            if isinstance(answer, RpcError):
                if answer.reason == "EXPIRED":
                    raise ReplayFailed(f"{self.gateway.brand}: a transaction came too late; {TOO_SLOW}")
                if answer.reason not in _PASSING:
                    raise ReplayFailed(f"{self.gateway.brand}: transaction {each.id} was refused: {answer}")
                again.append(each)
            elif _found_no_room(answer):
                crowded.append(each)
            elif answer["status"] != "ok":
                raise ReplayFailed(_failed(self.gateway.brand, each, answer))
            else:
                self._counters.operations += len(each.ops)
                self._counters.transactions += 1
        return again, crowded


def _found_no_room(receipt: dict[str, Any]) -> bool:
    """Tell whether a transaction was left unexecuted, since its block had no work units left."""
    error = receipt.get("error") or {}
    return receipt["status"] != "ok" and error.get("code") == "OUT_OF_BUDGET" and error.get("op") == -1


def _failed(brand: str, signed: Signed, receipt: dict[str, Any]) -> str:
    error = receipt.get("error") or {}
    return (
        f"{brand}: transaction {signed.id} failed at height {receipt.get('height')}, "
        f"operation {error.get('op')}: {error.get('code')}: {error.get('message')}"
    )


class Watermark:
    """How many of a partner's purchases, counted from the first, are final."""

    def __init__(self) -> None:
        self._final = 0
        self._changed = asyncio.Condition()

    async def rise(self, count: int) -> None:
        """Note that the first `count` are final."""
        async with self._changed:
            self._final = count
            self._changed.notify_all()

    async def reach(self, count: int) -> None:
        """Wait until the first `count` are final."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._final >= count)
