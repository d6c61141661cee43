"""Periods: calendar months in UTC, named `YYYY-MM`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from contracts_py.calendar import civil_from_days, days_from_civil
from vm.contract_api import MAX_INT, MS_PER_DAY, Meta, Part, Rule, refuse

_PERIOD = re.compile(r"(\d{4}|[1-9]\d{4,5})-(0[1-9]|1[0-2])\Z", re.ASCII)
"""The largest time is in the year 287,396: six digits."""

_MAX_NAME: Final = 9


def _period(value: Any, field: str) -> Any:
    if type(value) is not str or _PERIOD.match(value) is None:
        refuse(field, "a month, as in 2026-03")
    return value


_SCHEMA: Final = {"type": "string", "pattern": r"^([0-9]{4}|[1-9][0-9]{4,5})-(0[1-9]|1[0-2])$"}
Period = Annotated[str, Rule(_period, _SCHEMA, max_bytes=_MAX_NAME), Meta(max_length=_MAX_NAME)]
PERIOD: Final = Part("month, `YYYY-MM`", None, str, _MAX_NAME, str)


def period_of(time: int) -> str:
    """Return the period in which an instant lies."""
    year, month, _ = civil_from_days(time // MS_PER_DAY)
    return _name(year * 12 + month - 1)


def next_period(period: str) -> str:
    """Return the period after this one."""
    return _name(_months(period) + 1)


def begin_of(period: str) -> int:
    """Return the first instant of a period."""
    months = _months(period)
    return min(days_from_civil(months // 12, months % 12 + 1, 1) * MS_PER_DAY, MAX_INT)


def end_of(period: str) -> int:
    """Return the first instant after a period."""
    return begin_of(next_period(period))


def _months(period: str) -> int:
    year, _, month = period.partition("-")
    return int(year) * 12 + int(month) - 1


def _name(months: int) -> str:
    return f"{months // 12:04}-{months % 12 + 1:02}"
