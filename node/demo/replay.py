"""Replaying the plan against the network, when the chain's clock says so.

Each partner has a task that sends points as the date of their purchases comes. One task lives through the months'
phases, for all partners at once, as their deeds lead from one brand to another; treasurers settle behind it.

Lateness: a purchase may be recorded late, as its points last from when it was made. A phase may not: its
transactions expire with the month, so that it happens in time or the replay fails; it never happens wrongly.

Invariants:
    1. A phase is sent after every purchase that it needs is final, and so is the phase before it; a month's first,
       after the holds that lapsed with the month before have released themselves.
    2. A member's purchases are recorded in their order: those of a batch in one transaction, and a batch is sent
       when the one before it is final.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

from node.client import RpcError
from node.demo import opening
from node.demo.courier import TOO_SLOW, Counters, Courier, Watermark
from node.demo.errors import ReplayFailed
from node.demo.lots import Member
from node.demo.marketing import mint_ops
from node.demo.operations import OPS_PER_TRANSACTION, Op, by_member, deed_parts, enrolment_ops, record_op
from node.demo.plan import MS_PER_DAY, Deed, Phase, Plan, Purchase, month_start
from node.demo.rules import PARTNERS
from node.demo.treasury import Treasury
from node.runtime.clock import BlockClock

TICK_S: Final = 0.25
"""How often purchases whose date has come are gathered; a little more than a block."""

LEAD_MS: Final = MS_PER_DAY
"""A purchase is sent a day of the chain's clock after it was made: a block's time may lie a little behind ours."""
PARTS_PER_BATCH: Final = 10
OPS_PER_BATCH: Final = PARTS_PER_BATCH * OPS_PER_TRANSACTION


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
        """Begin the programmes, enrol every member, and agree on doors, credit, treaties, links and allowances."""
        await self._each_partner(lambda partner: self._deliver(partner, opening.program_ops(partner)))
        await self._each_partner(self._enrol)
        await self._each_partner(lambda partner: self._deliver(partner, opening.acceptance_ops(partner)))
        await self._each_partner(self._agree_for_members)

    async def run(self) -> None:
        """Live through the year."""
        treasury = Treasury(self._couriers, self._clock, self._counters, self._sleep)
        async with asyncio.TaskGroup() as group:
            marks = []
            for partner in range(len(PARTNERS)):
                purchases = [each for each in self._plan.purchases if each.member.partner == partner]
                marks.append((Watermark(), [each.time for each in purchases]))
                group.create_task(self._record(partner, purchases, marks[-1][0]))
            lapsing: list[Deed] = []
            for month, phases in groupby(self._plan.phases, key=lambda phase: phase.month):
                await self._until(month_start(month))
                await self._released(lapsing)
                lapsing = []
                for phase in phases:
                    for watermark, times in marks:
                        await watermark.reach(bisect_left(times, phase.needs))
                    await self._live(phase)
                    lapsing += [deed for deed in phase.deeds if deed.lapses]
                group.create_task(treasury.settle(month))

    async def close(self) -> None:
        """Wait until the last points of the year have expired, and make a block that says so."""
        await self._until(month_start(13) + MS_PER_DAY)
        await self._each_partner(lambda partner: self._deliver(partner, opening.closing_ops(partner)))

    async def _each_partner(self, act: Callable[[int], Any]) -> None:
        async with asyncio.TaskGroup() as group:
            for partner in range(len(PARTNERS)):
                group.create_task(act(partner))

    async def _deliver(
        self, partner: int, ops: Sequence[Op], expires: int | None = None, cosigners: Sequence[Courier] = ()
    ) -> None:
        for start in range(0, len(ops), OPS_PER_BATCH):
            await self._couriers[partner].deliver(ops[start : start + OPS_PER_BATCH], expires, cosigners)

    # -- before the year ---------------------------------------------------------------------------

    async def _enrol(self, partner: int) -> None:
        members = [member for member in self._plan.members if member.partner == partner]
        await self._deliver(partner, opening.agreement_ops(partner))
        await self._deliver(partner, enrolment_ops(members))
        await self._deliver(partner, mint_ops(members))

    async def _agree_for_members(self, partner: int) -> None:
        allowing = [member for member in self._plan.allowing if member.partner == partner]
        await self._deliver(partner, opening.allowance_ops(allowing))
        links = [link for link in self._plan.links if link[0].partner == partner]
        for other, theirs in groupby(sorted(links, key=_other_partner), key=_other_partner):
            await self._deliver(partner, opening.link_ops(theirs), cosigners=[self._couriers[other]])

    # -- purchases ---------------------------------------------------------------------------------

    async def _record(self, partner: int, purchases: list[Purchase], watermark: Watermark) -> None:
        times = [each.time for each in purchases]
        done = 0
        while done < len(purchases):
            now = self._clock.now_ms() - LEAD_MS
            due = bisect_right(times, now)
            self._counters.lag_ms[partner] = max(0, now - times[done]) if due > done else 0
            if due == done:
                await self._until(times[done] + LEAD_MS)
                await self._sleep(TICK_S)
                continue
            end = min(due, done + OPS_PER_BATCH)
            batch = by_member((each.member, record_op(each)) for each in purchases[done:end])
            await self._couriers[partner].deliver_parts(batch)
            self._counters.purchases += end - done
            done = end
            await watermark.rise(done)
            if done == due:
                await self._sleep(TICK_S)
        self._counters.lag_ms[partner] = 0

    # -- the months --------------------------------------------------------------------------------

    async def _released(self, holds: Sequence[Deed]) -> None:
        """Wait until holds that were left alone have released themselves.

        A block works off so much of what is due and no more: where many points expire on the same day, some blocks
        pass before their points are back.
        """
        for partner, courier in enumerate(self._couriers):
            names = [deed.ref for deed in holds if deed.at == partner]
            asked = [{"at_brand": PARTNERS[partner].brand, "hold": name} for name in names]
            while any(_is_open(answer) for answer in await courier.gateway.each("token_hold", asked)):
                await self._sleep(TICK_S)

    async def _live(self, phase: Phase) -> None:
        await self._until(phase.opens)

        async def send(partner: int) -> None:
            deeds = [deed for deed in phase.deeds if deed.at == partner]
            if deeds:
                self._require_time(phase, partner)
                parts = deed_parts(deeds, phase.closes)
                for start in range(0, len(parts), PARTS_PER_BATCH):
                    await self._couriers[partner].deliver_parts(
                        parts[start : start + PARTS_PER_BATCH], phase.closes
                    )

        await self._each_partner(send)

    def _require_time(self, phase: Phase, partner: int) -> None:
        if self._clock.now_ms() >= phase.closes:
            raise ReplayFailed(
                f"{PARTNERS[partner].brand}: month {phase.month} was over before one of its phases could begin; "
                f"{TOO_SLOW}"
            )

    async def _until(self, time: int) -> None:
        while (missing := time - self._clock.now_ms()) > 0:
            await self._sleep(min(1.0, missing / self._clock.rate / 1_000 + 0.001))


def _is_open(hold: Any) -> bool:
    """Tell whether a hold's points are still set aside: its record then names when it ends."""
    if isinstance(hold, RpcError):
        raise hold
    return "expires" in hold


def _other_partner(link: tuple[Member, Member]) -> int:
    return link[1].partner
