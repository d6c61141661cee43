"""How log lines look: to people as ever, to machines one JSON object each; all of bounded length."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from node.runtime.log_format import LINE_BYTES, LineFormatter

MOMENT = 1_767_225_600.0625


def record(text: object, *arguments: object, level: int = logging.WARNING, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("node.part", level, __file__, 1, text, arguments, None)
    made.created = MOMENT
    made.__dict__.update(fields)
    return made


def with_traceback(made: logging.LogRecord, why: str = "ours") -> logging.LogRecord:
    try:
        raise ValueError(why)
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def text(made: logging.LogRecord) -> str:
    return LineFormatter("text").format(made)


def as_json(made: logging.LogRecord) -> dict[str, Any]:
    line = LineFormatter("json").format(made)
    assert "\n" not in line
    assert len(line) <= LINE_BYTES
    found: dict[str, Any] = json.loads(line)
    return found


def test_people_read_time_level_place_and_text() -> None:
    line = text(record("peer %s at height %d", "aurora", 7))
    assert line == "2026-01-01T00:00:00.062Z WARNING  node.part: peer aurora at height 7"


def test_people_read_fields_after_the_text() -> None:
    line = text(record("dialled", port=26_545, host="a b"))
    assert line.endswith("node.part: dialled host='a b' port=26545")


def test_people_read_a_traceback_below_its_line() -> None:
    first, second, *_, last = text(with_traceback(record("failed"))).splitlines()
    assert first.endswith("node.part: failed")
    assert second == "Traceback (most recent call last):"
    assert last == "ValueError: ours"


def test_machines_get_one_object_with_the_text_that_lines_of_a_kind_share() -> None:
    assert as_json(record("peer %s at height %d", "aurora", 7, level=logging.INFO)) == {
        "time": "2026-01-01T00:00:00.062Z",
        "level": "INFO",
        "logger": "node.part",
        "message": "peer aurora at height 7",
        "template": "peer %s at height %d",
    }


def test_machines_get_fields_apart_and_what_was_left_out_as_one() -> None:
    fields = as_json(record("dialled", port=26_545, time="noon", event="x", left_out=3))["fields"]
    assert fields == {"port": 26_545, "time": "noon", "event": "x", "left_out": 3}


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), "lone \udcff", float("inf")])
def test_machines_get_json_whatever_a_field_is(value: object) -> None:
    assert "field" in as_json(record("dialled \udcff\x00", field=value))["fields"]


def test_machines_get_a_traceback_in_its_object() -> None:
    told = as_json(with_traceback(record("failed\nin two lines")))
    assert told["message"] == "failed\nin two lines"
    assert told["exception"].splitlines()[-1] == "ValueError: ours"


@pytest.mark.parametrize("letter", ["x", "\x00", "\udcff", "\U0001f600"])
def test_a_line_is_cut_off(letter: str) -> None:
    line = text(record(letter * 1_000_000))
    assert LINE_BYTES < len(line) < LINE_BYTES + 100
    assert "1000" in line[-40:]
    told = as_json(with_traceback(record(letter * 1_000_000), letter * 100_000 + "ours"))
    assert told["message"] == letter * len(told["message"])
    assert told["characters"] >= 1_000_000
    assert told["exception"].endswith("ours")


def test_a_record_is_left_as_it_was_for_other_handlers() -> None:
    made = with_traceback(record("peer %s", "aurora"))
    before = dict(made.__dict__)
    text(made)
    as_json(made)
    assert made.__dict__ == before
