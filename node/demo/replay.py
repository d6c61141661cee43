"""Replaying the plan against the network, when the chain's clock says so.

Each partner has a `Courier`, which brings its transactions to its own validator, and two tasks: `_issue` sends
points as the date of their purchases comes, `_spend` the steps of each month. Sending is safe to repeat, since
the same bytes have the same id: whatever is not final in time, or was lost, is sent again as it was.

Lateness: points may be issued late, as `issue` names their expiry date. A step of spending may not: its
transactions expire with the month, so that it happens in time or the replay fails; it never happens wrongly.

Invariants:
    1. A step's transactions are sent after every issue that it needs is final, and so is the step before it.
    2. At most MAX_IN_FLIGHT batches of a partner are on their way.
    3. A transaction that fails ends the replay: by the plan none can.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from node.client import ConnectionFailed, RpcError
from node.clock import BlockClock
from node.demo.errors import ReplayFailed
from node.demo.gateway import Gateway
from node.demo.operations import (
    OPS_PER_TRANSACTION,
    Author,
    Signed,
    closing_ops,
    enrolment_ops,
    issue_ops,
    opening_ops,
    spend_ops,
)
from node.demo.plan import MS_PER_DAY, Issue, Plan, Step, month_start
from node.demo.rules import PARTNERS

TICK_S: Final = 0.25
"""How often purchases whose date has come are gathered; a little more than a block."""

MAX_IN_FLIGHT: Final = 3
"""Few, as what is on its way stands before the next step of spending in the validators' pools."""
OPS_PER_BATCH: Final = 10 * OPS_PER_TRANSACTION
SEND_TIMEOUT_MS: Final = 10_000
RETRY_S: Final = 0.5
MAX_ATTEMPTS: Final = 12
LIFETIME_S: Final = 300
"""Transactions of issues live for five minutes of wall time, half of what the chain allows."""

TOO_SLOW: Final = "the machine is too slow for this speed: try a smaller --days-per-second, or fewer --baskets"

_PASSING = frozenset({"TIMEOUT", "POOL_FULL", "NOT_READY", "SHUTTING_DOWN", "RATE_LIMITED"})


@dataclass(slots=True)
class Counters:
    """What has become final so far.

    Attributes:
        operations, transactions: what is final.
        resent: transactions that were sent again.
        lag_ms: how far each partner's issues lag behind the chain's clock.
    """

    operations: int = 0
    transactions: int = 0
    resent: int = 0
    lag_ms: list[int] = field(default_factory=lambda: [0] * len(PARTNERS))

    @property
    def behind_ms(self) -> int:
        """How far the slowest partner lags behind the chain's clock."""
        return max(self.lag_ms)


class Courier:
    """Brings one partner's transactions to its validator, until they are final."""

    def __init__(self, gateway: Gateway, author: Author, clock: BlockClock, counters: Counters) -> None:
        self._gateway = gateway
        self._author = author
        self._clock = clock
        self._counters = counters

    async def deliver(self, ops: Sequence[tuple[str, dict[str, Any]]], expires: int | None = None) -> None:
        """Send operations in as few transactions as need be; return when all are final.

        Args:
            expires: the last block time, exclusive, ms; None for a comfortable while from now.

        Raises:
            ReplayFailed: one was refused, failed, or did not become final in time.
        """
        if expires is None:
            expires = self._clock.now_ms() + LIFETIME_S * 1_000 * self._clock.rate
        waiting = self._author.transactions(list(ops), expires)
        for attempt in range(MAX_ATTEMPTS):
            if attempt:
                self._counters.resent += len(waiting)
                await asyncio.sleep(RETRY_S)
            waiting = await self._send(waiting)
            if not waiting:
                return
        raise ReplayFailed(f"{self._gateway.brand}: {len(waiting)} transactions did not become final")

    async def _send(self, signed: Sequence[Signed]) -> list[Signed]:
        """Send transactions and wait; return those of which nothing final is known."""
        try:
            answers = await self._gateway.client.send_many(
                [each.raw for each in signed], timeout_ms=SEND_TIMEOUT_MS
            )
        except ConnectionFailed:
            return list(signed)
        except RpcError as error:  # the batch as a whole
            answers = [error] * len(signed)
        again = []
        for each, answer in zip(signed, answers, strict=True):
            if isinstance(answer, RpcError):
                if answer.reason == "EXPIRED":
                    raise ReplayFailed(f"{self._gateway.brand}: a transaction came too late; {TOO_SLOW}")
                if answer.reason not in _PASSING:
                    raise ReplayFailed(f"{self._gateway.brand}: transaction {each.id} was refused: {answer}")
                again.append(each)
            elif answer["status"] != "ok":
                raise ReplayFailed(_failed(self._gateway.brand, each, answer))
            else:
                self._counters.operations += each.ops
                self._counters.transactions += 1
        return again


def _failed(brand: str, signed: Signed, receipt: dict[str, Any]) -> str:
    error = receipt.get("error") or {}
    return (
        f"{brand}: transaction {signed.id} failed at height {receipt.get('height')}, "
        f"operation {error.get('op')}: {error.get('code')}: {error.get('message')}"
    )


class _Watermark:
    """How many of a partner's issues, counted from the first, are final without a gap."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._sent = 0
        self._changed = asyncio.Condition()

    def begin(self, start: int, end: int) -> None:
        """Note that issues start … end − 1 are on their way."""
        self._open.add(start)
        self._sent = end

    async def finish(self, start: int) -> None:
        """Note that the issues begun at `start` are final."""
        async with self._changed:
            self._open.discard(start)
            self._changed.notify_all()

    async def reach(self, count: int) -> None:
        """Wait until the first `count` issues are final."""
        async with self._changed:
            await self._changed.wait_for(lambda: min(self._open, default=self._sent) >= count)


class Replay:
    """One run of the plan.

    Args:
        couriers: one for each partner.
        sleep: asyncio.sleep, or a test's.
    """

    def __init__(
        self,
        plan: Plan,
        couriers: Sequence[Courier],
        clock: BlockClock,
        counters: Counters,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self._plan = plan
        self._couriers = couriers
        self._clock = clock
        self._counters = counters
        self._sleep = sleep

    async def open(self) -> None:
        """Begin the programmes and enrol every member."""
        await self._each_partner(lambda partner: self._couriers[partner].deliver(opening_ops(partner)))
        await self._each_partner(self._enrol)

    async def run(self) -> None:
        """Live through the year."""
        async with asyncio.TaskGroup() as group:
            for partner in range(len(PARTNERS)):
                issues = [issue for issue in self._plan.issues if issue.member.partner == partner]
                watermark = _Watermark()
                group.create_task(self._issue(partner, issues, watermark))
                group.create_task(self._spend(partner, issues, watermark))

    async def close(self) -> None:
        """Wait until the last points of the year have expired, and make a block that says so."""
        await self._until(month_start(13) + MS_PER_DAY)
        await self._each_partner(lambda partner: self._couriers[partner].deliver(closing_ops(partner)))

    async def _each_partner(self, act: Callable[[int], Any]) -> None:
        async with asyncio.TaskGroup() as group:
            for partner in range(len(PARTNERS)):
                group.create_task(act(partner))

    async def _enrol(self, partner: int) -> None:
        ops = enrolment_ops(member for member in self._plan.members if member.partner == partner)
        for start in range(0, len(ops), OPS_PER_BATCH):
            await self._couriers[partner].deliver(ops[start : start + OPS_PER_BATCH])

    async def _issue(self, partner: int, issues: list[Issue], watermark: _Watermark) -> None:
        times = [issue.time for issue in issues]
        slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        done = 0
        async with asyncio.TaskGroup() as group:
            while done < len(issues):
                due = bisect_right(times, self._clock.now_ms())
                self._counters.lag_ms[partner] = max(0, self._clock.now_ms() - times[done]) if due > done else 0
                if due == done:
                    await self._until(times[done])
                    await self._sleep(TICK_S)
                    continue
                end = min(due, done + OPS_PER_BATCH)
                await slots.acquire()
                watermark.begin(done, end)
                group.create_task(self._issue_batch(partner, issues[done:end], done, watermark, slots))
                done = end
                if done == due:
                    await self._sleep(TICK_S)
        self._counters.lag_ms[partner] = 0

    async def _issue_batch(
        self, partner: int, issues: list[Issue], start: int, watermark: _Watermark, slots: asyncio.Semaphore
    ) -> None:
        try:
            await self._couriers[partner].deliver(issue_ops(issues))
        finally:
            slots.release()
        await watermark.finish(start)

    async def _spend(self, partner: int, issues: list[Issue], watermark: _Watermark) -> None:
        times = [issue.time for issue in issues]
        for step in self._plan.steps:
            spends = [spend for spend in step.spends if spend.member.partner == partner]
            if not spends:
                continue
            await watermark.reach(bisect_left(times, step.needs))
            await self._until(step.opens)
            self._require_time(step, partner)
            await self._couriers[partner].deliver(spend_ops(spends, step.month), step.closes)

    def _require_time(self, step: Step, partner: int) -> None:
        if self._clock.now_ms() >= step.closes:
            raise ReplayFailed(
                f"{PARTNERS[partner].brand}: month {step.month} was over before its {step.kind} step could begin; "
                f"{TOO_SLOW}"
            )

    async def _until(self, time: int) -> None:
        while (missing := time - self._clock.now_ms()) > 0:
            await self._sleep(min(1.0, missing / self._clock.rate / 1_000 + 0.001))
