"""Calendar rules by integers, against `datetime` and by brute force."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts_py.calendar import (
    Offset,
    civil_from_days,
    days_from_civil,
    end_of_month,
    local_day,
    next_day_start,
    start_of_day,
)

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
EPOCH = date(1970, 1, 1)


def ms(year: int, month: int, day: int, minutes: int = 0) -> int:
    return (date(year, month, day) - EPOCH).days * DAY + minutes * MINUTE


@given(st.dates())
def test_civil_days_are_those_of_datetime(day: date) -> None:
    number = (day - EPOCH).days
    assert days_from_civil(day.year, day.month, day.day) == number
    assert civil_from_days(number) == (day.year, day.month, day.day)


@given(st.integers(0, 2**53 // DAY))
def test_civil_days_are_inverse_far_beyond_datetime(days: int) -> None:
    assert days_from_civil(*civil_from_days(days)) == days


def test_without_offsets_days_begin_at_utc_midnight() -> None:
    assert next_day_start((), ms(2024, 2, 28, 1)) == ms(2024, 2, 29)
    assert next_day_start((), ms(2024, 2, 29)) == ms(2024, 2, 29)


BERLIN = (
    Offset(ms(2023, 10, 29, 60), 60),
    Offset(ms(2024, 3, 31, 60), 120),
    Offset(ms(2024, 10, 27, 60), 60),
)
"""Europe/Berlin: clocks change at 01:00 UTC."""


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (ms(2024, 1, 10, 12 * 60), ms(2024, 1, 10, 23 * 60)),
        (ms(2024, 3, 31, 0), ms(2024, 3, 31, 22 * 60)),  # a day of 23 hours
        (ms(2024, 10, 26, 23 * 60), ms(2024, 10, 27, 23 * 60)),  # a day of 25 hours
        (ms(2024, 7, 1, 22 * 60), ms(2024, 7, 1, 22 * 60)),
    ],
)
def test_summer_time(time: int, expected: int) -> None:
    assert next_day_start(BERLIN, time) == expected


@pytest.mark.parametrize(
    ("time", "months", "expected"),
    [
        (ms(2024, 1, 31), 0, ms(2024, 1, 31, 23 * 60)),
        (ms(2024, 1, 31, 23 * 60), 0, ms(2024, 2, 29, 23 * 60)),  # February already, in Berlin
        (ms(2024, 1, 15), 1, ms(2024, 2, 29, 23 * 60)),
        (ms(2024, 3, 15), 12, ms(2025, 3, 31, 23 * 60)),
        (ms(2024, 11, 15), 1, ms(2024, 12, 31, 23 * 60)),
        (ms(2024, 3, 1), 0, ms(2024, 3, 31, 22 * 60)),
    ],
)
def test_end_of_month(time: int, months: int, expected: int) -> None:
    assert end_of_month(BERLIN, time, months) == expected


def test_points_of_an_hour_that_comes_twice_at_the_end_of_a_month_last() -> None:
    february = ms(2024, 2, 1)
    clock = (Offset(0, 0), Offset(february + HOUR // 2, -60))
    time = february + HOUR - MINUTE  # the clock shows 31 January, 23:59 again; February began before that
    assert end_of_month(clock, time, 0) == ms(2024, 3, 1) + HOUR
    assert end_of_month(clock, february - 1, 0) == february


# Clocks that jump by hours in either direction, often over midnight, within a few days.
offsets = st.lists(
    st.tuples(st.integers(0, 6 * 24), st.sampled_from([-840, -60, 0, 30, 60, 840])),
    max_size=5,
    unique_by=lambda o: o[0],
).map(lambda pairs: tuple(Offset(hour * HOUR, minutes) for hour, minutes in sorted(pairs)))


@given(offsets, st.integers(0, 7))
def test_a_day_begins_when_the_clock_first_shows_it_or_a_later_one(clock: tuple[Offset, ...], day: int) -> None:
    step = 30 * MINUTE  # every shift and change above is a multiple of it
    brute = next(t for t in range(-2 * DAY, 12 * DAY, step) if local_day(clock, t) >= day)
    assert start_of_day(clock, day) == brute


@given(offsets, st.integers(0, 7 * 48))
def test_the_next_day_start_is_the_smallest_one(clock: tuple[Offset, ...], half_hours: int) -> None:
    time = half_hours * 30 * MINUTE
    starts = [start_of_day(clock, day) for day in range(-3, 14)]
    assert next_day_start(clock, time) == min(start for start in starts if start >= time)


@given(offsets, st.integers(0, 7 * 48), st.integers(0, 2))
def test_the_end_of_a_month_is_always_to_come(clock: tuple[Offset, ...], half_hours: int, months: int) -> None:
    # 26 to 32 January 1970: the clocks' jumps lie around the end of the month.
    shifted = tuple(Offset(offset.from_ + 26 * DAY, offset.minutes) for offset in clock)
    time = 26 * DAY + half_hours * 30 * MINUTE
    assert time < end_of_month(shifted, time, months) <= end_of_month(shifted, time + 30 * MINUTE, months)
