"""The partners' treasurers: once a month's clearing is closed they confirm the payments that it has led to.

The chain closes a period by itself in the first block after its month. Each treasurer asks its own validator which
payments it is to receive, as it would look at its bank's statement, and says that they have arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from node.demo.courier import Counters, Courier
from node.demo.operations import confirm_op
from node.demo.plan import month_start
from node.demo.rules import CURRENCY, YEAR
from node.runtime.clock import BlockClock

POLL_S: Final = 0.25
"""How often a treasurer asks whether a period is closed; about a block."""

_CLOSED: Final = ("closed", "discharged")


def period_of(month: int) -> str:
    """Return the name that clearing has for a month of the year."""
    return f"{YEAR}-{month:02}"


class Treasury:
    """All partners' treasurers."""

    def __init__(
        self, couriers: Sequence[Courier], clock: BlockClock, counters: Counters, sleep: Callable[[float], Any]
    ) -> None:
        self._couriers = couriers
        self._clock = clock
        self._counters = counters
        self._sleep = sleep

    async def settle(self, month: int) -> None:
        """Wait until a month's period is closed, and confirm its payments; return when they are final.

        Everything that is booked in it is final already.

        Raises:
            ReplayFailed: a confirmation was refused.
        """
        async with asyncio.TaskGroup() as group:
            for courier in self._couriers:
                group.create_task(self._confirm(courier, month))

    async def _confirm(self, courier: Courier, month: int) -> None:
        period, gateway = period_of(month), courier.gateway
        while not await self._is_over(courier, month):
            await self._sleep(POLL_S)
        page = await gateway.call("clearing_payments", period=period, currency=CURRENCY)
        due = [item for item in page["items"] if item["payee"] == gateway.brand and "receipt" not in item]
        if due:
            self._counters.unplanned += len(due)
            ops = [confirm_op(period, item["payer"], item["payee"], item["amount"]) for item in due]
            await courier.deliver(ops)

    async def _is_over(self, courier: Courier, month: int) -> bool:
        """Tell whether a validator has a block after the month, and the period is closed, if there is one."""
        header = (await courier.gateway.call("chain_head"))["header"]
        if header is None or header["time"] < month_start(month + 1):
            return False
        page = await courier.gateway.call("clearing_periods", currency=CURRENCY)
        shown = {item["period"]: item["status"] for item in page["items"]}
        return shown.get(period_of(month), "closed") in _CLOSED
