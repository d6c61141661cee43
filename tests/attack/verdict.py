"""What an attack may cost, as pure functions of what was measured.

A till's median must stay below 300 ms on an idle machine, whose tills wait 67 ms without an attack. Where the
machine is slower than that, so is everything on it: the bound is then as many times the median of the same till
before the attack, on the same network (300 / 67, 4.5 times). A faster machine does not lower it. A median of
half a second without an attack proves nothing about attacks, and the run says so instead of passing.

Invariants:
    1. A send that was refused, or got no receipt in time, is slower than any that got one.
    2. What was not measured is not judged to be good: a row without figures needs none, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

GOAL_MS = 300.0
IDLE_MS = 67.0
"""The median of a till before any attack on the idle machine for which the goal was set."""

BUSY_MS = 500.0
"""A baseline above this is a machine that does something else."""

REFUSED_SHARE = 0.1
"""A till may lose so much of its sends to an attack; it sends the same bytes again, and the order pays once."""

MEMORY_MIB = 100
"""A node is back within this of where it was, a minute after."""

LOG_KIB = 512
"""What one attack may add to a node's log: an operator's disk is not the attacker's."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Of one till: how many sends, how many without a receipt, and how long the receipts took in ms."""

    count: int
    refused: int
    p50: float
    p95: float
    longest: float
    why: Mapping[str, int]

    @classmethod
    def of(cls, latencies_ms: Sequence[float], refused: Mapping[str, int]) -> Latency:
        """Return the quantiles, refused sends counted as endless."""
        lost = sum(refused.values())
        values = sorted(latencies_ms) + [math.inf] * lost
        if not values:
            return cls(0, 0, math.inf, math.inf, math.inf, {})
        at = [values[min(len(values) - 1, int(len(values) * share))] for share in (0.5, 0.95)]
        longest = max(latencies_ms, default=math.inf)
        return cls(len(values), lost, at[0], at[1], longest, dict(refused))

    def __str__(self) -> str:
        """Return n, p50, p95 and the longest."""
        p50, p95, longest = ["∞" if math.isinf(x) else f"{x:.0f}" for x in (self.p50, self.p95, self.longest)]
        lost = f" refused={self.refused}" if self.refused else ""
        return f"n={self.count} p50={p50} p95={p95} max={longest}{lost}"


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident MiB of each node: at the start, at most, and when it was back or a minute had passed.

    Attributes:
        allowed: what may be left.
    """

    before: tuple[int, ...]
    peak: tuple[int, ...]
    after: tuple[int, ...]
    allowed: int = MEMORY_MIB


@dataclass(frozen=True, slots=True)
class Row:
    """What one attack did and what came of it.

    Attributes:
        slow_is_a_fault: whether the till's latency is judged, or only told.
        log_kib: what each node's log grew by.
        ended: the validators that ended, or halted.
        faults: what else is wrong, in sentences.
    """

    attack: str
    who: str
    done: Mapping[str, Any]
    before: Latency | None = None
    during: Latency | None = None
    slow_is_a_fault: bool = False
    memory: Memory | None = None
    log_kib: tuple[int, ...] = ()
    ended: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    def with_faults(self, done: Mapping[str, Any], faults: tuple[str, ...]) -> Row:
        """Return the row with other counts and more faults."""
        return replace(self, done=done, faults=self.faults + faults)


def bound_ms(before: Latency) -> float:
    """Return what a till's median may be during an attack."""
    return max(GOAL_MS, before.p50 * GOAL_MS / IDLE_MS)


def faults_of(row: Row) -> list[str]:
    """Return what a row missed, in sentences; none where it holds."""
    found = [f"{name} halted or ended" for name in row.ended]
    found += row.faults
    if row.slow_is_a_fault:
        found += _latency_faults(row)
    if row.memory is not None:
        for before, after in zip(row.memory.before, row.memory.after, strict=True):
            if after - before > row.memory.allowed:
                found.append(f"a node holds {after} MiB a minute after, {before} before")
    found += [f"a log grew by {kib} KiB, at most {LOG_KIB} are allowed" for kib in row.log_kib if kib > LOG_KIB]
    return found


def _latency_faults(row: Row) -> list[str]:
    if row.before is None or row.during is None or row.during.count == 0:
        return ["the till's latency was not measured"]
    found = []
    if row.before.p50 > BUSY_MS or row.before.refused:
        found.append(f"the machine is too busy to judge by: {row.before} before the attack")
    allowed = bound_ms(row.before)
    if row.during.p50 >= allowed:
        found.append(f"the till's p50 is {row.during.p50:.0f} ms, below {allowed:.0f} is wanted")
    if row.during.refused > row.during.count * REFUSED_SHARE:
        found.append(
            f"{row.during.refused} of {row.during.count} of the till's sends got no receipt: {dict(row.during.why)}"
        )
    return found
