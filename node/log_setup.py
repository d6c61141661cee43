"""How a node logs: one line per event on stderr, with UTC time, level and place; never per transaction.

What a peer can cause over and over is told a few times a minute, then counted: nobody fills an operator's disk.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Final, NamedTuple

from node.errors import ConfigError

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

REPETITIONS_TOLD: Final = 20
"""Of one event in a minute."""

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


def set_up_logging(level: str) -> None:
    """Log to stderr from `level` up.

    Raises:
        ConfigError: there is no such level.
    """
    if level not in _LEVELS:
        raise ConfigError(f"log_level must be one of {', '.join(_LEVELS)}, not {level!r}")
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)-8s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(RepetitionLimit())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("aiohttp.access").setLevel("WARNING")
