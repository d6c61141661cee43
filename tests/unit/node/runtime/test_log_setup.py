"""Logging: what repeats is told a few times a minute, then counted."""

from __future__ import annotations

import errno
import io
import logging
import sys
from collections.abc import Iterator

import pytest

from node.runtime.log_format import LineFormatter, LogFormat
from node.runtime.log_setup import (
    EVENTS_KEPT,
    MINUTE_SECONDS,
    REPETITIONS_TOLD,
    BoundedHandler,
    RepetitionLimit,
    Tally,
    set_up_logging,
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
    assert LineFormatter().format(later).endswith("validator 3 lies (7 more were left out before)")
    after = record("validator %d lies", 3, at=MINUTE_SECONDS + 1)
    assert limit.filter(after)
    assert LineFormatter().format(after).endswith("validator 3 lies")


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
    stream = io.StringIO()
    handler = BoundedHandler(stream, 10_000)
    handler.setFormatter(LineFormatter())
    handler.addFilter(RepetitionLimit())
    for number in range(5_000):
        handler.handle(record(f"timer when={number} failed {'x' * 100}"))
    told = stream.getvalue().splitlines()
    assert 10_000 <= len(stream.getvalue()) < 10_000 + 300
    handler.handle(record("halted", level=logging.CRITICAL))
    handler.handle(record("the next minute", at=MINUTE_SECONDS))
    handler.handle(record("and on", at=MINUTE_SECONDS + 1))
    critical, later, after = stream.getvalue().splitlines()[len(told) :]
    assert critical.endswith("CRITICAL node.part: halted")
    left_out = 5_000 - len(told)
    assert later.endswith(f": the next minute ({left_out} lines of the last full minute were left out)")
    assert after.endswith(": and on")


class Unprintable:
    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.fixture
def _own_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leaves the process's logging as it was."""
    root = logging.getLogger()
    level = root.level
    monkeypatch.setattr(root, "handlers", [])
    for name in ("logThreads", "logProcesses", "logMultiprocessing"):
        monkeypatch.setattr(logging, name, getattr(logging, name))
    yield
    root.setLevel(level)
    logging.getLogger("aiohttp.access").setLevel(logging.NOTSET)


@pytest.mark.usefixtures("_own_logging")
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_call_that_logs_raises_nothing_for_its_arguments(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    set_up_logging("INFO", log_format)
    log = logging.getLogger("node.part")
    log.info("%s comes", Unprintable())
    log.info("%d comes", "a text")
    log.info("one %s, two %s", 1)
    log.info("and on")
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 4
    assert "what test_log_setup.py:" in told[0]
    assert "logs cannot be rendered: ValueError" in told[0]
    assert "logs cannot be rendered: TypeError" in told[1]
    assert "and on" in told[3]


@pytest.mark.usefixtures("_own_logging")
@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("raised", [True, False])
def test_a_call_that_logs_raises_nothing_on_a_full_disk(
    monkeypatch: pytest.MonkeyPatch, log_format: LogFormat, raised: bool
) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            tried.append(text)
            raise OSError(errno.ENOSPC, "No space left on device")

    tried: list[str] = []
    monkeypatch.setattr(sys, "stderr", Full())
    set_up_logging("INFO", log_format)
    log = logging.getLogger("node.part")
    try:
        raise ValueError("ours")
    except ValueError:
        log.error("a line", exc_info=raised)
    assert "a line" in tried[0]


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
