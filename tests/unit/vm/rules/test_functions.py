"""The functions that CEL has not, and what each refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.vm.rules.questions import error, refusal, value
from vm.rules import ErrorKind
from vm.rules.civil import day, hour, month, weekday, year

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("muldiv(10, 3, 4)", 7), ("muldiv(-10, 3, 4)", -8), ("bps(9999, 1)", 0), ("bps(10000, 1)", 1),
        ("bps(-5, 5000)", -3),
        ("sum([])", 0), ("sum([1, -2, 3])", 2), ("min(3, 1, 2)", 1), ("max(3, 1, 2)", 3), ("min([3, 1, 2])", 1),
        ("max(l)", 3), ("min([5])", 5), ("abs(-5)", 5), ("abs(0)", 0), ("clamp(5, 1, 3)", 3), ("clamp(0, 1, 3)", 1),
        ("clamp(2, 1, 3)", 2), ("clamp(2, 2, 2)", 2), ("year(0)", 1970), ("weekday(0)", 4), ("hour(-1)", 23),
        ("day(-1)", 31),
        ("month(-1)", 12), ("year(-1)", 1969), ("weekday(951782400000)", 2), ("day(951782400000)", 29),
    ],
)  # fmt: skip
def test_values(source: str, expected: int) -> None:
    assert value(source) == expected


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("min(empty)", "ARGUMENT"), ("max(empty)", "ARGUMENT"), ("clamp(1, 3, 2)", "ARGUMENT"), ("sum(ls)", "TYPE"),
        ("sum(m)", "TYPE"), ("abs(n)", "TYPE"), ("min(i, s)", "TYPE"), ("max(mixed)", "TYPE"),
        ("bps(i, b)", "TYPE"),
        ("muldiv(1, 1, zero)", "DIVIDE_BY_ZERO"), ("year(s)", "TYPE"), ("local(i)", "HOST"),
        ("lookup('t', i, 0)", "HOST"),
        ("in_collection('c', i)", "HOST"), ("sum([i, event.none])", "MISSING"),
    ],
)  # fmt: skip
def test_errors(source: str, kind: str) -> None:
    assert error(source) is ErrorKind(kind)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("min(1)", "min of one argument"), ("min()", "at least 1"), ("sum(1, 2)", "1 argument"),
        ("abs('a')", "string"),
        ("l.sum()", "is written sum"), ("startsWith(s, s)", "is written text.startsWith"), ("year()", "1 argument"),
        ("lookup(s, i, 0)", "string literal"), ("in_collection('c')", "2 arguments"), ("local('a')", "local"),
        ("min(l, l2)", "no fact l2"), ("min([1], 2)", "min does not take"), ("teir(1)", "no function teir"),
    ],
)  # fmt: skip
def test_refusals(source: str, told: str) -> None:
    assert told in refusal(source)


@given(st.integers(min_value=-62_135_596_800_000, max_value=253_402_300_799_999))
def test_the_calendar_is_that_of_the_standard_library(ms: int) -> None:
    moment = EPOCH + timedelta(milliseconds=ms)
    assert (year(ms), month(ms), day(ms), hour(ms)) == (moment.year, moment.month, moment.day, moment.hour)
    assert weekday(ms) == moment.isoweekday()


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_the_calendar_has_no_end(ms: int) -> None:
    assert 1 <= month(ms) <= 12
    assert 1 <= day(ms) <= 31
    assert 1 <= weekday(ms) <= 7
    assert 0 <= hour(ms) <= 23
