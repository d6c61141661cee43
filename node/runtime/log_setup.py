"""How a node logs: one line per event on stderr, with UTC time, level and place; never per transaction.

What peers and clients can cause over and over is told a few times a minute, then counted. Texts that differ each
time (a port, an object's address, one of a thousand source addresses) pass for different events, so that the whole
log has a limit as well.

Invariants:
    1. One event is told REPETITIONS_TOLD times a minute.
    2. All lines of a minute together have at most BYTES_PER_MINUTE, and one line LINE_BYTES.
    3. What is critical is always told.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from node.runtime.errors import ConfigError

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

REPETITIONS_TOLD: Final = 20
"""Of one event in a minute."""

BYTES_PER_MINUTE: Final = 256 * 1024
"""Some 2,000 lines; a busy node writes a few dozen."""

DEBUG_FACTOR: Final = 16
"""At level DEBUG so many times as much: an operator asked for it, and looks on."""

LINE_BYTES: Final = 16 * 1024
"""A traceback of 100 frames."""

MINUTE_SECONDS: Final = 60.0
EVENTS_KEPT: Final = 1_000


class _Told(NamedTuple):
    """How often an event was told since a time in seconds, and how often it was left out."""

    since: float
    times: int
    left_out: int


class RepetitionLimit(logging.Filter):
    """Leaves out what has been told often enough in this minute; the next of its kind says how much that was.

    Records with one logger, one text and one first argument (the peer, mostly) are one event. What is critical is
    always told.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[str, object, str], _Told] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to log a record; one that follows others left out says so."""
        if record.levelno >= logging.CRITICAL:
            return True
        first = str(record.args[0]) if isinstance(record.args, tuple) and record.args else ""
        event = (record.name, record.msg, first)
        told = self._told.pop(event, None)
        left_out = 0
        if told is None or record.created - told.since >= MINUTE_SECONDS:
            left_out = 0 if told is None else told.left_out
            told = _Told(record.created, 0, 0)
        here = told.times < REPETITIONS_TOLD
        # Put back last: what has been silent for longest is forgotten first.
        self._told[event] = told._replace(times=told.times + here, left_out=told.left_out + (not here))
        if len(self._told) > EVENTS_KEPT:
            del self._told[next(iter(self._told))]
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out} more were left out before)", ()
        return here


class Tally:
    """Tells of what strangers repeat once a minute, with how often it has happened since.

    Args:
        text: the line, a format for the arguments of `tell`; those are of the occurrence that is told.
    """

    def __init__(
        self, log: logging.Logger, level: int, text: str, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._level = level
        self._text = text
        self._now = now
        self._told_at: float | None = None
        self._untold = 0

    def tell(self, *arguments: object) -> None:
        """Count one occurrence, and log it where a minute has passed since the last line."""
        now = self._now()
        if self._told_at is not None and now - self._told_at < MINUTE_SECONDS:
            self._untold += 1
            return
        more = f" ({self._untold} more times since this was told last)" if self._untold else ""
        self._told_at, self._untold = now, 0
        self._log.log(self._level, self._text + more, *arguments)


class LineFormatter(logging.Formatter):
    """Time, level, place and text; a line that is too long is cut off."""

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s.%(msecs)03dZ %(levelname)-8s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
        )
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = super().format(record)
        return line if len(line) <= LINE_BYTES else f"{line[:LINE_BYTES]} … (of {len(line)} characters)"


class VolumeLimit(logging.Filter):
    """Leaves out what goes beyond so many bytes in a minute; the first line of the next says how much that was."""

    def __init__(self, formatter: logging.Formatter, bytes_per_minute: int = BYTES_PER_MINUTE) -> None:
        super().__init__()
        self._formatter = formatter
        self._allowed = bytes_per_minute
        self._since = 0.0
        self._written = 0
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether there is room for a record."""
        if record.levelno >= logging.CRITICAL:
            return True
        if record.created - self._since >= MINUTE_SECONDS:
            self._since, self._written = record.created, 0
            if self._left_out:
                lost = f"{self._left_out} lines of the last full minute were left out"
                record.msg, record.args = f"{record.getMessage()} ({lost})", ()
                self._left_out = 0
        if self._written >= self._allowed:
            self._left_out += 1
            return False
        self._written += len(self._formatter.format(record))
        return True


def set_up_logging(level: str) -> None:
    """Log to stderr from `level` up.

    Raises:
        ConfigError: there is no such level.
    """
    if level not in _LEVELS:
        raise ConfigError(f"log_level must be one of {', '.join(_LEVELS)}, not {level!r}")
    formatter = LineFormatter()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(RepetitionLimit())
    handler.addFilter(VolumeLimit(formatter, BYTES_PER_MINUTE * (DEBUG_FACTOR if level == "DEBUG" else 1)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("aiohttp.access").setLevel("WARNING")
