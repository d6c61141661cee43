"""Logging: what repeats is told a few times a minute, then counted."""

from __future__ import annotations

import logging

from node.log_setup import EVENTS_KEPT, MINUTE_SECONDS, REPETITIONS_TOLD, RepetitionLimit


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
