"""Calendar rules in a brand's local time, by integers alone.

A brand's local clock is UTC plus an offset that changes at given instants (`Offset`); before the first
of them it is UTC. A local day begins at the first instant whose local clock shows that day or a later
one: so each day has one beginning, also where a change of the clock skips or repeats midnight.

The civil calendar is the proleptic Gregorian one, in the form of days since 1970-01-01.

Invariants:
    1. start_of_day never decreases from one day to the next.
    2. next_day_start(t) is the smallest start of a day that is not before t.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Annotated, Final

import msgspec

from vm.contract_api import MS_PER_DAY, MS_PER_MINUTE, Meta, TimeMs

MAX_OFFSET_MINUTES = 14 * 60
"""The furthest that a civil clock on Earth is from UTC: +14 h (Line Islands)."""


class Offset(msgspec.Struct, frozen=True, gc=False):
    """From this instant (ms) on, local time is UTC plus so many minutes."""

    from_: TimeMs = msgspec.field(name="from")
    minutes: Annotated[int, Meta(ge=-MAX_OFFSET_MINUTES, le=MAX_OFFSET_MINUTES)]


MAX_OFFSETS: Final = 200
"""A century of summer times."""

Offsets = Annotated[tuple[Offset, ...], Meta(max_length=MAX_OFFSETS)]
"""A brand's clock: changes in strictly increasing order of `from`."""


def _from(offset: Offset) -> int:
    return offset.from_


def local_day(offsets: Offsets, time: int) -> int:
    """Return the day (since 1970-01-01) that the local clock shows at an instant."""
    return shifted(offsets, time) // MS_PER_DAY


def shifted(offsets: Offsets, time: int) -> int:
    """Return what the local clock shows at an instant, as if it were UTC."""
    return time + _shift_at(offsets, time)


def _shift_at(offsets: Offsets, time: int) -> int:
    place = bisect_right(offsets, time, key=_from)
    return offsets[place - 1].minutes * MS_PER_MINUTE if place else 0


def start_of_day(offsets: Offsets, day: int) -> int:
    """Return the first instant whose local clock shows `day` or a later day."""
    wall = day * MS_PER_DAY
    # Whatever the offset, local midnight is within 14 h of UTC midnight: earlier segments have ended.
    place = bisect_right(offsets, wall - MAX_OFFSET_MINUTES * MS_PER_MINUTE, key=_from)
    while True:
        if place:
            begins, shift = offsets[place - 1].from_, offsets[place - 1].minutes * MS_PER_MINUTE
            instant = max(begins, wall - shift)
        else:
            instant = wall
        if place == len(offsets) or instant < offsets[place].from_:
            return instant
        place += 1


def next_day_start(offsets: Offsets, time: int) -> int:
    """Return the smallest start of a local day that is at or after `time`."""
    if not offsets:
        return -(-time // MS_PER_DAY) * MS_PER_DAY
    day = local_day(offsets, time)
    # Where the clock was set back over midnight, the next day has begun before `time` already.
    while (start := start_of_day(offsets, day)) < time:
        day += 1
    return start


def end_of_month(offsets: Offsets, time: int, months: int) -> int:
    """Return the instant, after `time`, at which the month `months` after the local one at `time` is over."""
    day = local_day(offsets, time)
    # Where the clock was set back over midnight, the next day, maybe of another month, has begun already.
    while start_of_day(offsets, day + 1) <= time:
        day += 1
    year, month, _ = civil_from_days(day)
    index = year * 12 + (month - 1) + months + 1
    return start_of_day(offsets, days_from_civil(index // 12, index % 12 + 1, 1))


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return the days since 1970-01-01 of a date.

    Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": eras of 400 years (146,097
    days), years that begin in March, so that the leap day comes last.
    """
    year -= month <= 2
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Return (year, month, day) of a day since 1970-01-01; the inverse of `days_from_civil`."""
    days += 719_468
    era = days // 146_097
    day_of_era = days - era * 146_097
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + (3 if shifted_month < 10 else -9)
    return year_of_era + era * 400 + (month <= 2), month, day
