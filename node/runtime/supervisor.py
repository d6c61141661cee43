"""Decides what an exception ends: nothing, consensus, or the process; and owns what lasts as long as the node.

    exception                              the node  the process ends
    in one connection or one request       goes on   no, the log tells of it
    DiskRefused, in any work               halts     with EXIT_DISK: a restart is all it takes once there is room
    DataDamaged, in any work               halts     no: a restart heals nothing, so it stays and says so
    another, where blocks are executed     halts     no: it stays, so that it can be asked what it holds
    another, in what the node needs        halts     with EXIT_FAILURE: a node without that part would only limp

A node that has halted signs, sends and writes nothing any more; reads go on (docs/decisions/halting.md). Which row
holds is said where work is started: by `run` here, and by `network.tasks` for timers and for what serves one peer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from enum import Enum, auto
from typing import Any, Final

from network.tasks import VITAL
from node.runtime.errors import DataDamaged, DiskRefused

_log = logging.getLogger(__name__)

EXIT_FAILURE: Final = 70
"""EX_SOFTWARE of sysexits.h."""

EXIT_DISK: Final = 74
"""EX_IOERR of sysexits.h."""

HALTED: Final = "the node has halted"


class Ends(Enum):
    """What an unexpected exception in some work ends."""

    CONSENSUS = auto()
    PROCESS = auto()


class Supervisor:
    """The one place that knows whether this node takes part, and why not.

    Args:
        height: the height in progress, for the log.

    Attributes:
        halted: why the node has stopped taking part; None while it runs.
        disk_failed: set once the disk has refused: the process should end with EXIT_DISK.
        failed: set once something vital has ended by our own fault: the process should end with EXIT_FAILURE.
    """

    def __init__(self, height: Callable[[], int]) -> None:
        self._height = height
        self._tasks: list[asyncio.Task[None]] = []
        self._on_halt: list[Callable[[], None]] = []
        self.halted: str | None = None
        self.disk_failed = asyncio.Event()
        self.failed = asyncio.Event()

    def on_halt(self, act: Callable[[], None]) -> None:
        """Have a function called once, when the node halts, in the order of these calls."""
        self._on_halt.append(act)

    def reasons(self) -> list[str]:
        """Return why clients should not use this node."""
        return [] if self.halted is None else [f"halted: {self.halted}"]

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hear of every exception on an event loop that nothing has caught."""
        loop.set_exception_handler(self._uncaught)

    def run(self, work: Coroutine[Any, Any, None], name: str, ends: Ends = Ends.PROCESS) -> None:
        """Run what lasts as long as the node.

        Args:
            ends: what an unexpected exception in it ends.
        """
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(lambda done: self._done(done, ends))
        self._tasks.append(task)

    async def stop(self) -> None:
        """Cancel all that runs, and wait until it has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def halt(self, reason: str, details: Mapping[str, str] | None = None) -> None:
        """Stop taking part for good, loudly; later calls change nothing."""
        if self.halted is not None:
            return
        self.halted = reason
        _log.critical("HALTED at height %d: %s %s", self._height(), reason, details or {})
        for act in self._on_halt:
            act()

    def met(self, error: BaseException, ends: Ends = Ends.PROCESS) -> None:
        """Act on an exception that work of this node has met; see the table above."""
        if isinstance(error, DiskRefused):
            self.halt(f"disk: {error}")
            self.disk_failed.set()
        elif isinstance(error, DataDamaged):
            self.halt(f"the store is damaged: {error}. {error.advice}")
        else:
            _log.critical("unexpected exception", exc_info=error)
            self.halt(f"{type(error).__name__}: {error}")
            if ends is Ends.PROCESS:
                self.failed.set()

    def _done(self, task: asyncio.Task[None], ends: Ends) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.met(error, ends)

    def _uncaught(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if context.get(VITAL) and isinstance(error, Exception):
            self.met(error)
            return
        loop.default_exception_handler(context)
