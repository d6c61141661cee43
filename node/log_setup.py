"""How a node logs: one line per event on stderr, with UTC time, level and place; never per transaction."""

from __future__ import annotations

import logging
import sys
import time

from node.errors import ConfigError

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


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
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("aiohttp.access").setLevel("WARNING")
