"""The block clock: the one place where the time of day enters a node (SPEC section 3, Time).

It is read for a proposer's header time, for admission and for holding back early proposals. Consensus
timers and the block interval are monotonic time from the event loop, independent of this clock.
"""

from __future__ import annotations

import time
from typing import Protocol

from node.runtime.config import VirtualClock

TOLERANCE_MS = 2_000
"""How far ahead of our own clock a proposal's time may be (SPEC section 3)."""


class BlockClock(Protocol):
    """Tells block time, ms since the Unix epoch, and how fast it runs."""

    rate: int

    def now_ms(self) -> int:
        """Return the block time now."""
        ...


class SystemClock:
    """The machine's own time of day: production."""

    rate = 1

    def now_ms(self) -> int:
        """Return milliseconds since the Unix epoch, UTC."""
        return time.time_ns() // 1_000_000


class ScaledClock:
    """A testnet's clock, which starts at a chosen date and runs `rate` times as fast."""

    def __init__(self, settings: VirtualClock) -> None:
        self.rate = settings.rate
        self._settings = settings

    def now_ms(self) -> int:
        """Return start + (wall − anchor) · rate."""
        settings = self._settings
        wall_us = time.time_ns() // 1_000
        return settings.start_ms + (wall_us - settings.anchor_ms * 1_000) * settings.rate // 1_000


def make_clock(settings: VirtualClock | None) -> BlockClock:
    """Return the clock that a configuration asks for."""
    return SystemClock() if settings is None else ScaledClock(settings)
