"""Parts of a time in ms since the epoch, in the proleptic Gregorian calendar, by integers alone.

Source: Howard Hinnant, chrono-Compatible Low-Level Date Algorithms (civil_from_days).
"""

from __future__ import annotations

from typing import Final

MS_PER_HOUR: Final = 3_600_000
MS_PER_DAY: Final = 24 * MS_PER_HOUR

_DAYS_PER_ERA: Final = 146_097
"""400 years, after which the calendar repeats."""
_EPOCH_FROM_MARCH_0: Final = 719_468
"""1970-01-01 in days since 0000-03-01."""
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday, three days after a Monday."""


def _civil(ms: int) -> tuple[int, int, int]:
    """Return year, month and day; years begin in March here, so that the leap day comes last."""
    era, day_of_era = divmod(ms // MS_PER_DAY + _EPOCH_FROM_MARCH_0, _DAYS_PER_ERA)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day_ = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month_ = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    return era * 400 + year_of_era + (month_ <= 2), month_, day_


def year(ms: int) -> int:
    """Return the year."""
    return _civil(ms)[0]


def month(ms: int) -> int:
    """Return the month, 1 to 12."""
    return _civil(ms)[1]


def day(ms: int) -> int:
    """Return the day of the month, 1 to 31."""
    return _civil(ms)[2]


def weekday(ms: int) -> int:
    """Return the day of the week as ISO 8601 counts it, 1 for Monday to 7 for Sunday."""
    return (ms // MS_PER_DAY + _EPOCH_WEEKDAY) % 7 + 1


def hour(ms: int) -> int:
    """Return the hour, 0 to 23."""
    return ms % MS_PER_DAY // MS_PER_HOUR
