"""Logging: what repeats is told a few times a minute, then counted."""

from __future__ import annotations

import logging

import pytest

from node.runtime.log_setup import (
    EVENTS_KEPT,
    LINE_BYTES,
    MINUTE_SECONDS,
    REPETITIONS_TOLD,
    LineFormatter,
    RepetitionLimit,
    Tally,
    VolumeLimit,
)


def record(text: str, *arguments: object, at: float = 0.0, level: int = logging.ERROR) -> logging.LogRecord:
    made = logging.LogRecord("node.part", level, __file__, 1, text, arguments, None)
    made.created = at
    return made


def test_an_event_is_told_a_few_times_a_minute_and_others_beside_it() -> None:
    limit = RepetitionLimit()
    told = [limit.filter(record("validator %d lies: %d", 3, number)) for number in range(REPETITIONS_TOLD + 5)]
    assert told == [True] * REPETITIONS_TOLD + [False] * 5
    assert limit.filter(record("validator %d lies: %d", 4, 0)), "another validator is another event"
    assert limit.filter(record("the disk is nearly full"))


def test_the_next_minute_tells_what_was_left_out() -> None:
    limit = RepetitionLimit()
    for _ in range(REPETITIONS_TOLD + 7):
        limit.filter(record("validator %d lies", 3))
    later = record("validator %d lies", 3, at=MINUTE_SECONDS)
    assert limit.filter(later)
    assert later.getMessage() == "validator 3 lies (7 more were left out before)"
    after = record("validator %d lies", 3, at=MINUTE_SECONDS + 1)
    assert limit.filter(after)
    assert after.getMessage() == "validator 3 lies"


def test_what_is_critical_is_always_told() -> None:
    limit = RepetitionLimit()
    assert all(limit.filter(record("halted", level=logging.CRITICAL)) for _ in range(REPETITIONS_TOLD + 5))


def test_what_is_remembered_is_bounded_and_the_frequent_stays() -> None:
    limit = RepetitionLimit()
    for number in range(3 * EVENTS_KEPT):
        limit.filter(record("peer %s is gone", number))
        limit.filter(record("validator 3 lies"))
    assert len(limit._told) == EVENTS_KEPT
    assert not limit.filter(record("validator 3 lies"))


def test_events_that_differ_each_time_do_not_fill_the_disk() -> None:
    """A timer's address in asyncio's text made each of 31,743 tracebacks an event of its own."""
    formatter = LineFormatter()
    repetitions, volume = RepetitionLimit(), VolumeLimit(formatter, 10_000)

    def passes(made: logging.LogRecord) -> bool:
        return bool(repetitions.filter(made) and volume.filter(made))

    told = [made for number in range(5_000) if passes(made := record(f"timer when={number} failed {'x' * 100}"))]
    assert 10_000 <= sum(len(formatter.format(made)) for made in told) < 10_000 + 300
    assert passes(record("halted", level=logging.CRITICAL))
    later = record("the next minute", at=MINUTE_SECONDS)
    assert passes(later)
    assert (
        later.getMessage() == f"the next minute ({5_000 - len(told)} lines of the last full minute were left out)"
    )
    after = record("and on", at=MINUTE_SECONDS + 1)
    assert passes(after)
    assert after.getMessage() == "and on"


def test_a_line_is_cut_off() -> None:
    line = LineFormatter().format(record("x" * 1_000_000))
    assert LINE_BYTES < len(line) < LINE_BYTES + 100
    assert "1000" in line[-40:]


def test_a_tally_tells_once_a_minute_how_often(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    tally = Tally(logging.getLogger("node.part"), logging.WARNING, "bad: %s", lambda: now[0])
    for number in range(1_000):
        tally.tell(number)
    now[0] = MINUTE_SECONDS
    tally.tell("last")
    now[0] = 2 * MINUTE_SECONDS
    tally.tell("again")
    assert caplog.messages == ["bad: 0", "bad: last (999 more times since this was told last)", "bad: again"]
