"""Do blocks come while there is work, and does the clock let them?

With blocks only on work, a quiet chain and a stuck one have the same height for hours. A clock that was put back
stops a chain silently: block time must grow, so that a new block lies ahead of every clock that is behind, and is
held back until those have caught up. None of that is a fault of the node, and it goes on by itself. But its clients
wait, and its operator must see it: in `/ready`, in the log once a minute, and as a metric.

Invariants:
    1. A node is late only when there has been work for longer than f + 2 rounds take: f proposers in a row may be
       faulty, then comes one who is not.
    2. A node's clock is behind only when the head is further ahead of it than TOLERANCE_MS, as a correct proposer
       with a correct clock never makes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from consensus.state import State
from node.chain.ledger import Ledger
from node.runtime.clock import TOLERANCE_MS, BlockClock
from node.runtime.log_setup import Tally
from node.validator.work_schedule import WorkSchedule

_log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often the log is told of what has changed; `/ready` is computed when it is asked for."""


class Liveness:
    """Looks at the clock and at the work of one node.

    Args:
        state: the consensus core's state now.
    """

    def __init__(
        self, ledger: Ledger, clock: BlockClock, schedule: WorkSchedule, state: Callable[[], State]
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._schedule = schedule
        self._state = state
        self._watched = (
            _Watched(self._behind, "the clock has caught up with the head"),
            _Watched(self._late, "blocks come again"),
        )

    @property
    def head_ahead_ms(self) -> int:
        """How far the head's block time is ahead of this node's clock, at least 0."""
        return max(0, self._ledger.head_time - self._clock.now_ms())

    @property
    def waiting_seconds(self) -> float:
        """How long there has been work without a block."""
        return self._schedule.waiting_seconds()

    def reasons(self) -> list[str]:
        """Return why clients should not use this node now."""
        return [reason for watched in self._watched if (reason := watched.reason()) is not None]

    async def run(self) -> None:
        """Tell the log what begins, lasts and ends, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for watched in self._watched:
                watched.look()

    def _behind(self) -> str | None:
        ahead_ms = self.head_ahead_ms
        if ahead_ms <= TOLERANCE_MS * self._clock.rate:
            return None
        return (
            f"clock: the head is {ahead_ms / 1_000:.0f} s ahead of this node's clock; "
            "set the clock right (NTP); validators with such clocks make no block until they have caught up"
        )

    def _late(self) -> str | None:
        waiting = self.waiting_seconds
        if waiting * 1_000 <= self._patience_ms():
            return None
        height, round_ = self._ledger.height + 1, self._state().round
        return f"no block for {waiting:.0f} s although there is work: height {height} is in round {round_}"

    def _patience_ms(self) -> int:
        """Return how long f + 2 rounds take."""
        params = self._ledger.params
        rounds = range(self._ledger.next_validators().f + 2)
        limit = params.round_timeout_max_ms
        return sum(min(params.round_timeout_ms << round_, limit) for round_ in rounds)


class _Watched:
    """One thing that can be wrong, and whether the log has been told."""

    def __init__(self, reason: Callable[[], str | None], over: str) -> None:
        self.reason = reason
        self._over = over
        self._lasts = False
        self._tally = Tally(_log, logging.WARNING, "%s")

    def look(self) -> None:
        """Warn where it is wrong, once a minute as long as it lasts, and tell when it is over."""
        reason = self.reason()
        if reason is not None:
            self._tally.tell(reason)
        elif self._lasts:
            _log.warning(self._over)
        self._lasts = reason is not None
