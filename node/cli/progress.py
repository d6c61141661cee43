"""How a long command shows that it gets on: a live bar on a terminal, a line now and then elsewhere.

It goes to standard error, so that standard output stays free for the result.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LINE_EVERY_S: Final = 10.0
WIDTH: Final = 160
"""Of lines in a pipe: none is broken."""


class Bar:
    """A count that grows, maybe towards a total."""

    def __init__(self, progress: Progress, task: TaskID, name: str, total: int | None) -> None:
        self._progress = progress
        self._task = task
        self._name = name
        self._total = total
        self._began = self._last_line = time.monotonic()

    def update(self, done: int, words: str = "") -> None:
        """Show how much is done, and words about it."""
        now = time.monotonic()
        rate = f"{done / max(now - self._began, 0.1):,.0f}/s"
        words = f"{rate}, {words}" if words else rate
        self._progress.update(self._task, completed=done, words=words)
        if self._progress.disable and now - self._last_line >= LINE_EVERY_S:
            self._last_line = now
            of = "" if self._total is None else f"/{self._total:,}"
            self._progress.console.print(f"{self._name} {done:,}{of}  {words}", highlight=False)


@contextmanager
def shown_bar(name: str, total: int | None) -> Iterator[Bar]:
    """Show a bar until the context ends; without a total it only counts."""
    terminal = sys.stderr.isatty()
    progress = Progress(
        TextColumn("[bold]" + name),
        BarColumn(30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, width=None if terminal else WIDTH),
        disable=not terminal,
    )
    with progress:
        yield Bar(progress, progress.add_task(name, total=total, words=""), name, total)
