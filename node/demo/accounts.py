"""A household's points as the recomputation keeps them: a row of numbers, by the month to whose end they last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from node.demo.errors import DemoError

FOREVER: Final = 30
"""Where points stand that last for ever: behind every month to whose end others can last."""

Parts = list[tuple[int, int]]
"""(month to whose end they last, points), the earliest first."""


@dataclass(slots=True)
class Account:
    """A household's points at one partner: `row[month]` last to the end of that month, spent ones taken out."""

    row: list[int] = field(default_factory=lambda: [0] * (FOREVER + 1))
    debt: int = 0

    def alive(self, month: int) -> int:
        """Return how many can be spent in a month."""
        return sum(self.row[month:])

    def add(self, last: int, points: int) -> int:
        """Add points after paying the debt; return what paid it."""
        paid = min(points, self.debt)
        self.debt -= paid
        self.row[last] += points - paid
        return paid

    def spend(self, month: int, points: int) -> Parts:
        """Take points that are alive in a month, those that last the least first."""
        parts = []
        for last in range(month, FOREVER + 1):
            part = min(points, self.row[last])
            if part:
                self.row[last] -= part
                points -= part
                parts.append((last, part))
        if points:
            raise DemoError(f"by the rules a household spends {points} points too many in month {month}")
        return parts


def cut(parts: Parts, points: int) -> tuple[Parts, Parts]:
    """Cut parts after so many points."""
    before, after = [], []
    for last, part in parts:
        first = min(part, points)
        points -= first
        if first:
            before.append((last, first))
        if part > first:
            after.append((last, part - first))
    return before, after


def shares(parts: Parts, out: int) -> Iterator[tuple[int, int]]:
    """Divide `out` in proportion: what the first so many points give, less what those before them gave."""
    total = sum(part for _, part in parts)
    upto = 0
    for last, part in parts:
        yield last, out * (upto + part) // total - out * upto // total
        upto += part
