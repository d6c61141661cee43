"""How a log record looks: a line for people, or one JSON object on a line for machines.

Modules log with the standard library's `logging`; structlog's ProcessorFormatter takes their records through these
steps, of which the last renders:

    record ─► described ─► format_exc_info ─► for_people | for_machines

Invariants:
    1. A line has at most LINE_BYTES characters and a short note of what was cut off; a JSON line is whole JSON.
    2. Formatting raises nothing: a record that cannot be rendered is told by its place.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Final, Literal

from structlog.processors import JSONRenderer, format_exc_info
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

LogFormat = Literal["text", "json"]

LINE_BYTES: Final = 16 * 1024
"""A traceback of 100 frames."""

_LEFT_CHARACTERS: Final = LINE_BYTES // 32
"""Of message and of traceback each in a JSON line that was too long; JSON writes a character as twelve at most."""

_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}
"""Attributes that every record has; all others are fields that the caller has given as `extra`."""

LEFT_OUT: Final = "left_out"
LINES_LEFT_OUT: Final = "lines_left_out"
_NOTES: Final = {
    LEFT_OUT: "({} more were left out before)",
    LINES_LEFT_OUT: "({} lines of the last full minute were left out)",
}
"""Fields that the limits of `log_setup` give to a record, as people read them."""


class LineFormatter(ProcessorFormatter):
    """Renders the records of one handler."""

    def __init__(self, log_format: LogFormat = "text") -> None:
        render: Processor = for_people if log_format == "text" else for_machines
        super().__init__(processors=[described, format_exc_info, render])

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        try:
            return super().format(record)
        except Exception as error:  # of any kind: it comes out of arguments' own __str__
            return super().format(_substitute(record, error))


def _substitute(record: logging.LogRecord, error: Exception) -> logging.LogRecord:
    place = f"{PurePath(record.pathname).name}:{record.lineno}"
    text = f"what {place} logs cannot be rendered: {type(error).__name__}"
    substitute = logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, text, (), None)
    substitute.created = record.created
    return substitute


def described(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Return what a line tells of a record, in the order in which it does.

    `template` is the text before its arguments were filled in, by which machines know lines of one kind.
    """
    record: logging.LogRecord = event["_record"]
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    message = event["event"]
    told: dict[str, Any] = {
        "time": f"{moment.removesuffix('+00:00')}Z",
        "level": record.levelname,
        "logger": record.name,
        "message": message,
    }
    if record.msg != message:
        told["template"] = str(record.msg)
    given = record.__dict__.keys() - _STANDARD
    if given:
        told["fields"] = {name: record.__dict__[name] for name in sorted(given)}
    if "stack_info" in event:
        told["stack"] = event["stack_info"]
    if "exc_info" in event:
        told["exc_info"] = event["exc_info"]
    return told


def for_people(_logger: Any, _method: str, told: EventDict) -> str:
    """Return a line of time, level, place and text, and a traceback below it."""
    parts = [f"{told['time']} {told['level']:<8} {told['logger']}: {told['message']}"]
    for name, value in told.get("fields", {}).items():
        parts.append(_NOTES[name].format(value) if name in _NOTES else f"{name}={value!r}")
    below = [told[name].rstrip("\n") for name in ("exception", "stack") if name in told]
    line = "\n".join([" ".join(parts), *below])
    return line if len(line) <= LINE_BYTES else f"{line[:LINE_BYTES]} … (of {len(line)} characters)"


_json: Final = JSONRenderer()
"""By the standard library's `json`, which has a word for strings that are no UTF-8; orjson refuses them."""


def for_machines(logger: Any, method: str, told: EventDict) -> str:
    """Return a JSON object."""
    line = str(_json(logger, method, told))
    if len(line) <= LINE_BYTES:
        return line
    # The last frames of a traceback say most, and its last line the exception.
    short = {name: told[name] for name in ("time", "level", "logger")}
    short["message"] = told["message"][:_LEFT_CHARACTERS]
    if "exception" in told:
        short["exception"] = told["exception"][-_LEFT_CHARACTERS:]
    return str(_json(logger, method, {**short, "characters": len(line)}))
