"""What became of the units of a load: rate, latency, refusals; in constant memory.

Latencies are counted in steps of a hundredth, so that a quantile is right within 1 % however many there are.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Final

_STEP: Final = math.log(1.01)
_LEAST_MS: Final = 0.1
"""Nothing that crosses a network is final sooner; the steps begin here."""


class Latencies:
    """How long units took until they were final."""

    def __init__(self) -> None:
        self._steps: Counter[int] = Counter()
        self.count = 0

    def add(self, ms: float, units: int = 1) -> None:
        """Count units that took so long."""
        self._steps[round(math.log(max(ms, _LEAST_MS) / _LEAST_MS) / _STEP)] += units
        self.count += units

    def quantile_ms(self, share: float) -> float:
        """Return within how many ms this share of the units was final; 0 where there are none."""
        wanted, seen = share * self.count, 0
        step = None
        for step in sorted(self._steps):
            seen += self._steps[step]
            if seen >= wanted:
                break
        return 0.0 if step is None else _LEAST_MS * math.exp(step * _STEP)


class Tally:
    """What became of the units that were sent.

    Attributes:
        in_window: units that became final before the window closed; the rate counts these.
        final: all units that became final.
        failed: units whose receipt says failed, by its code.
        refused: units that a node refused, or did not finish in time, by reason.
        waited: how often a unit was refused for want of room and sent again, by reason.
        dropped: units that were due while too many were on their way, and never sent.
    """

    def __init__(self) -> None:
        self.sent = self.in_window = self.final = self.dropped = 0
        self.failed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.waited: Counter[str] = Counter()
        self.latencies = Latencies()
        self.seconds = 0.0
        self.is_open = True

    @property
    def unanswered(self) -> int:
        """Units that are on their way."""
        return self.sent - self.final - self.failed.total() - self.refused.total()

    def close(self, seconds: float) -> None:
        """Note that the window has closed, and how long it was; what becomes final later is not in the rate."""
        if self.is_open:
            self.is_open, self.seconds = False, seconds

    def add_final(self, ms: float, units: int) -> None:
        """Count units that became final, and how long they took."""
        self.final += units
        self.in_window += units if self.is_open else 0
        self.latencies.add(ms, units)

    @property
    def rate(self) -> float:
        """Units a second that became final within the window."""
        return self.in_window / self.seconds if self.seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the figures."""
        quantiles = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
        return {
            "seconds": round(self.seconds, 3),
            "rate": round(self.rate, 1),
            "latency_ms": {name: round(self.latencies.quantile_ms(share), 1) for name, share in quantiles.items()},
            "sent": self.sent,
            "final": self.final,
            "failed": dict(sorted(self.failed.items())),
            "refused": dict(sorted(self.refused.items())),
            "waited": dict(sorted(self.waited.items())),
            "dropped": self.dropped,
            "unanswered": self.unanswered,
        }
