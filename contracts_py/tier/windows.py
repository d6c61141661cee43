"""Which days count together: windows of local days, and until when what was counted reaches a threshold.

A window's kind and length say for each day where the window that ends on it begins (`first`), and which day is the
last one on whose window it lies (`last`). Both never decrease from one day to the next.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from contracts_py.calendar import civil_from_days, days_from_civil
from contracts_py.tier.records import WindowKind

YEAR_DAYS: Final = 366
"""What a yearly window counts as where lengths are bounded."""

NEVER: Final = -1
"""Before any day."""


@dataclass(frozen=True, slots=True)
class Window:
    """A kind of window.

    Attributes:
        days: how long a sliding one is.
        joined: the day of whose anniversaries the yearly ones of that kind begin; of others it is not asked.
    """

    kind: WindowKind
    days: int
    joined: int = 0

    def first(self, day: int) -> int:
        """Return the first day of the window that ends on a day."""
        if self.kind == "sliding":
            return day - self.days + 1
        return self._year_of(day)[0]

    def last(self, day: int) -> int:
        """Return the last day on whose window a day lies."""
        if self.kind == "sliding":
            return day + self.days - 1
        return self._year_of(day)[1] - 1

    def _year_of(self, day: int) -> tuple[int, int]:
        """Return where the year that a day lies in begins, and where the next one does."""
        year, _, _ = civil_from_days(day)
        _, month, of_month = (0, 1, 1) if self.kind == "calendar_year" else civil_from_days(self.joined)
        # In a year without a 29 February its anniversary is the day after the 28th, as `days_from_civil` counts on.
        begins = days_from_civil(year, month, of_month)
        if begins > day:
            return days_from_civil(year - 1, month, of_month), begins
        return begins, days_from_civil(year + 1, month, of_month)


@dataclass(frozen=True, slots=True)
class History:
    """What was counted, by day: days ascending, counts above 0."""

    days: Sequence[int]
    counts: Sequence[int]

    def upto(self, day: int) -> History:
        """Return what was counted on this day and before."""
        end = bisect_right(self.days, day)
        return self if end == len(self.days) else History(self.days[:end], self.counts[:end])

    def within(self, window: Window, today: int) -> int:
        """Return the sum over the window that ends today."""
        return sum(self.counts[bisect_left(self.days, window.first(today)) :])

    def reached_until(self, window: Window, thresholds: Sequence[int]) -> list[int]:
        """Return for each threshold the last day on whose window it is reached, if nothing is added; else NEVER.

        Args:
            thresholds: ascending, above 0.
        """
        days, counts = self.days, self.counts
        until = [NEVER] * len(thresholds)
        if not days:
            return until
        # The newest day that, with all after it, reaches a threshold is the last to leave a window that does.
        recent = bisect_left(days, window.first(days[-1]))
        sums = list(accumulate(reversed(counts[recent:])))
        place = 0
        while place < len(thresholds) and sums[-1] >= thresholds[place]:
            until[place] = window.last(days[-1 - bisect_left(sums, thresholds[place])])
            place += 1
        if recent and place < len(thresholds):
            self._reached_before(window, thresholds, until, place, recent)
        return until

    def _reached_before(
        self, window: Window, thresholds: Sequence[int], until: list[int], place: int, recent: int
    ) -> None:
        """Find the thresholds from `place` on in windows that begin on days before place `recent` of the days."""
        days, counts = self.days, self.counts
        below = [0, *accumulate(counts)]
        while place < len(thresholds) and recent:
            recent -= 1
            last = window.last(days[recent])
            total = below[bisect_right(days, last)] - below[recent]
            while place < len(thresholds) and total >= thresholds[place]:
                until[place] = last
                place += 1


def joined(histories: Sequence[History]) -> History:
    """Return several histories as one."""
    if len(histories) == 1:
        return histories[0]
    by_day: dict[int, int] = {}
    for history in histories:
        for day, count in zip(history.days, history.counts, strict=True):
            by_day[day] = by_day.get(day, 0) + count
    days = sorted(by_day)
    return History(days, [by_day[day] for day in days])
