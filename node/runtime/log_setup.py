"""How much a node logs: one line per event on stderr, never per transaction. How a line looks is in `log_format`.

What peers and clients can cause over and over is told a few times a minute, then counted. Texts that differ each
time (a port, an object's address, one of a thousand source addresses) pass for different events, so that the whole
log has a limit as well.

Invariants:
    1. One event is told REPETITIONS_TOLD times a minute.
    2. All lines of a minute together have at most BYTES_PER_MINUTE and one line.
    3. What is critical is always told.
    4. A call that logs raises nothing: not for its own arguments, and not where the disk is full.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Final, NamedTuple, TextIO

from cachetools import LRUCache

from node.runtime.errors import ConfigError
from node.runtime.log_format import LEFT_OUT, LINES_LEFT_OUT, LineFormatter, LogFormat

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

REPETITIONS_TOLD: Final = 20
"""Of one event in a minute."""

BYTES_PER_MINUTE: Final = 256 * 1024
"""Some 2,000 lines; a busy node writes a few dozen."""

DEBUG_FACTOR: Final = 16
"""At level DEBUG so many times as much: an operator asked for it, and looks on."""

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
        self._told: LRUCache[tuple[str, str, str], _Told] = LRUCache(EVENTS_KEPT)

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to log a record; one that follows others left out says so."""
        if record.levelno >= logging.CRITICAL:
            return True
        event = (record.name, str(record.msg), _first_argument(record))
        told = self._told.get(event)
        left_out = 0
        if told is None or record.created - told.since >= MINUTE_SECONDS:
            left_out = 0 if told is None else told.left_out
            told = _Told(record.created, 0, 0)
        here = told.times < REPETITIONS_TOLD
        self._told[event] = told._replace(times=told.times + here, left_out=told.left_out + (not here))
        if left_out:
            setattr(record, LEFT_OUT, left_out)
        return here


def _first_argument(record: logging.LogRecord) -> str:
    if not isinstance(record.args, tuple) or not record.args:
        return ""
    try:
        return str(record.args[0])
    except Exception:
        return ""  # A filter that raised would raise out of the call that logs; the line names the fault.


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


class BoundedHandler(logging.StreamHandler[TextIO]):
    """Leaves out what goes beyond so many bytes in a minute; the first line of the next tells how much that was."""

    def __init__(self, stream: TextIO, bytes_per_minute: int = BYTES_PER_MINUTE) -> None:
        super().__init__(stream)
        self._allowed = bytes_per_minute
        self._since = 0.0
        self._written = 0
        self._left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record where there is room for it."""
        if self._has_room(record):
            super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and count it."""
        line = super().format(record)
        self._written += len(line)
        return line

    def _has_room(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.CRITICAL:
            return True
        if record.created - self._since >= MINUTE_SECONDS:
            self._since, self._written = record.created, 0
            if self._left_out:
                setattr(record, LINES_LEFT_OUT, self._left_out)
                self._left_out = 0
        if self._written >= self._allowed:
            self._left_out += 1
            return False
        return True


def set_up_logging(level: str, log_format: LogFormat = "text") -> None:
    """Log to stderr from `level` up, for people or for machines.

    Raises:
        ConfigError: there is no such level.
    """
    if level not in _LEVELS:
        raise ConfigError(f"log_level must be one of {', '.join(_LEVELS)}, not {level!r}")
    handler = BoundedHandler(sys.stderr, BYTES_PER_MINUTE * (DEBUG_FACTOR if level == "DEBUG" else 1))
    handler.setFormatter(LineFormatter(log_format))
    handler.addFilter(RepetitionLimit())
    # No line tells thread or process, and asking for them takes a third of the time of making a record.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("aiohttp.access").setLevel("WARNING")
