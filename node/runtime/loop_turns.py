"""How long the turns of the event loop take: what everything else, votes included, waits for.

A turn is what the loop does between two looks at its sockets. The loop asks its selector for news once in each
turn, so that the timing stands around the selector's `select`: half a microsecond for a turn.

    loop = asyncio.SelectorEventLoop(TURNS.watched())
"""

from __future__ import annotations

import selectors
from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate
from time import perf_counter
from typing import Any, Final

BOUNDS_MS: Final = (1, 2, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 200, 500, 1_000)
"""Upper bounds of what is told apart. A slice of reads is 5 ms, a slice of a block's execution up to 16."""


class LoopTurns:
    """Counts turns by their length.

    Attributes:
        counts: turns up to each of BOUNDS_MS, and longer ones last.
    """

    def __init__(self, now: Callable[[], float] = perf_counter) -> None:
        self._now = now
        self._began: float | None = None
        self._bounds = [bound / 1_000 for bound in BOUNDS_MS]
        self.counts = [0] * (len(BOUNDS_MS) + 1)

    def began(self) -> None:
        """The loop has looked, and begins a turn."""
        self._began = self._now()

    def ended(self) -> None:
        """The loop is about to look again."""
        if self._began is None:
            return
        self.counts[bisect_left(self._bounds, self._now() - self._began)] += 1

    def by_length(self) -> dict[str, int]:
        """Return how many turns were no longer than a bound in ms, by that bound; the last one is none."""
        names = [*(f"{bound:g}" for bound in BOUNDS_MS), "+Inf"]
        return dict(zip(names, accumulate(self.counts), strict=True))

    def watched(self) -> selectors.BaseSelector:
        """Return the system's selector, which tells of the turns of the loop that uses it."""
        return _Watched(self)


class _Watched(selectors.DefaultSelector):
    def __init__(self, turns: LoopTurns) -> None:
        super().__init__()
        self._turns = turns

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, Any]]:
        self._turns.ended()
        try:
            return super().select(timeout)
        finally:
            self._turns.began()


TURNS: Final = LoopTurns()
"""Those of this process's event loop."""
