"""Ctrl-C, SIGTERM and a closed terminal, for commands that have started processes.

A signal that the caller has the command ignore, as `nohup` does, stays ignored.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _heeded() -> list[signal.Signals]:
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def end_like_ctrl_c() -> None:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, as SIGINT does, so that `finally` blocks run."""
    for number in _heeded():
        signal.signal(number, signal.default_int_handler)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Put off interrupts until the block is done, so that no process is started, or left, unnoticed."""
    caught: list[int] = []

    def note(number: int, frame: Any) -> None:
        del frame
        caught.append(number)

    before = {number: signal.signal(number, note) for number in _heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if caught:
        raise KeyboardInterrupt
