"""When there is work for consensus: transactions once the block interval has passed, or a heartbeat.

Both intervals are monotonic time from the event loop, independent of the block clock (SPEC section 3, Time
and Work). A testnet's virtual clock runs RATE times as fast, so its heartbeat interval in block time is
RATE times as long: the same real interval.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from network.tasks import start_timer_at
from vm.params import Params

RECHECK_SECONDS: Final = 1.0
"""How often a height looks again whether there is work."""


class Heartbeat:
    """Whether an empty block is due: so long after the last block the chain shows that it lives."""

    def __init__(self) -> None:
        self._interval_ms = Params().empty_block_interval_ms
        self._last_block = 0.0

    def height_started(self, params: Params) -> None:
        """A height begins: the former was decided at this moment."""
        self._interval_ms = params.empty_block_interval_ms
        self._last_block = asyncio.get_running_loop().time()

    def is_due(self) -> bool:
        """Tell whether an empty block is due."""
        return (asyncio.get_running_loop().time() - self._last_block) * 1_000 >= self._interval_ms


class WorkSchedule:
    """Calls `on_work` when a height has something to propose; it may do so more than once.

    Args:
        has_transactions: whether the block builder would take a transaction now.
    """

    def __init__(
        self, has_transactions: Callable[[], bool], heartbeat: Heartbeat, on_work: Callable[[], None]
    ) -> None:
        self._has_transactions = has_transactions
        self._heartbeat = heartbeat
        self._on_work = on_work
        self._timer: asyncio.TimerHandle | None = None
        self._interval_s = Params().block_interval_ms / 1_000
        self._last_start = 0.0
        self._told = False
        self._work_since: float | None = None
        self._now: Callable[[], float] = lambda: 0.0

    def height_started(self, params: Params) -> None:
        """A height begins: the former was decided at this moment."""
        loop = asyncio.get_running_loop()
        self._heartbeat.height_started(params)
        self._interval_s = params.block_interval_ms / 1_000
        self._now = loop.time
        if not self._told:
            # Another validator saw work before we did. Were its block not counted, n validators, each at an
            # interval of its own, would make n blocks in the time of one.
            self._last_start = loop.time()
        self._told = False
        self._work_since = None
        self._wait_until(self._last_start + self._interval_s)

    def transactions_arrived(self) -> None:
        """The mempool has grown; new work wakes a waiting height at once."""
        if not self._told and asyncio.get_running_loop().time() >= self._last_start + self._interval_s:
            self._due()

    def waiting_seconds(self) -> float:
        """Return how long this height has had work, 0 where it has none, asked in the loop or outside of it."""
        return 0.0 if self._work_since is None else self._now() - self._work_since

    def stop(self) -> None:
        """Call nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _wait_until(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = start_timer_at(max(when, asyncio.get_running_loop().time()), self._due)

    def _due(self) -> None:
        now = asyncio.get_running_loop().time()
        # Looking again finds a transaction that becomes valid later, and repeats, while the height lasts,
        # what the core may have found to be nothing at the time.
        self._wait_until(now + RECHECK_SECONDS)
        if not (self._has_transactions() or self._heartbeat.is_due()):
            self._work_since = None  # what waited has expired
        else:
            if self._work_since is None:
                self._work_since = now
            if not self._told:
                self._told = True
                self._last_start = now
            self._on_work()
