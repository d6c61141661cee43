"""An asyncio event loop on the simulation's clock: one for each process, as in production.

The world's queue of events is the only source of time and order. What is ready runs in *turns*: all callbacks that
were ready when the turn began, in the order in which they became so. A turn may take virtual time, in which nothing
else of this process runs: that is how a slow machine, a slow disk and a stopped process look from outside.

Invariants:
    1. Nothing of a loop runs while another's turn runs, nor after it was killed.
    2. Equal events give equal runs: no clock, thread, selector, set order or address decides anything.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any

from tests.simulation.world import World

_log = logging.getLogger("asyncio")

SLOWEST_THREAD_MS = 30
"""How long a call in another thread may take."""


class Killed(SystemExit):
    """The process is no more, in the midst of a system call; asyncio lets a SystemExit through."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """The loop of one process.

    Args:
        on_killed: called once a callback has ended in `Killed`.

    Attributes:
        turn_ms: how long the next turn takes, asked for at each; 0 on a fast machine.
    """

    def __init__(self, world: World, on_killed: Callable[[], None]) -> None:
        self._world = world
        self._on_killed = on_killed
        self._ready: deque[asyncio.Handle] = deque()
        self._turn_due = False
        self._busy_until = 0
        self._handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None
        self.turn_ms: Callable[[], int] = lambda: 0
        self.dead = False

    # -- time and turns ----------------------------------------------------------------------------

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._world.now / 1_000

    def stall(self, milliseconds: int) -> None:
        """Let nothing of this process run for a while: it waits for its disk, or is stopped."""
        self._busy_until = max(self._busy_until, self._world.now + milliseconds)

    def _plan_turn(self) -> None:
        if not self._turn_due and not self.dead:
            self._turn_due = True
            self._world.after(self._busy_until - self._world.now, self._turn)

    def _turn(self) -> None:
        self._turn_due = False
        if self.dead:
            return
        if self._busy_until > self._world.now:
            self._plan_turn()
            return
        try:
            with self.running():
                for _ in range(len(self._ready)):
                    handle = self._ready.popleft()
                    if not handle.cancelled():
                        handle._run()
        except Killed:
            self._on_killed()
            return
        self.stall(self.turn_ms())
        if self._ready:
            self._plan_turn()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Be the running loop for a moment."""
        events._set_running_loop(self)
        try:
            yield
        finally:
            events._set_running_loop(None)

    def kill(self) -> None:
        """End at once: nothing that waits here ever runs."""
        self.dead = True
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            if inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()
        self._ready.clear()

    # -- callbacks ---------------------------------------------------------------------------------

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        """See asyncio."""
        handle = asyncio.Handle(callback, args, self, context)
        if not self.dead:
            self._ready.append(handle)
            self._plan_turn()
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See asyncio; a timer never comes before its time."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)

        def due() -> None:
            if not self.dead and not timer.cancelled():
                self._ready.append(timer)
                self._plan_turn()

        delay = math.ceil(when * 1_000) - self._world.now
        # Time passes by itself on a real machine; here a wait that is too short to be counted would never end.
        self._world.after(max(delay, 1) if when > self.time() else 0, due)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """asyncio tells of it; the world's event finds out by itself."""

    # -- futures, tasks, threads -------------------------------------------------------------------

    def create_future(self) -> asyncio.Future[Any]:
        """See asyncio."""
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        """See asyncio."""
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Call a function of another thread, between two turns; its answer takes a while."""
        future = self.create_future()

        def call() -> None:
            if self.dead or future.cancelled():
                return
            try:
                result = func(*args)
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self.call_later(self._world.below(SLOWEST_THREAD_MS) / 1_000, call)
        return future

    # -- errors and state --------------------------------------------------------------------------

    def set_exception_handler(self, handler: Any) -> None:
        """See asyncio."""
        self._handler = handler

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """See asyncio."""
        if self.dead:
            return
        if self._handler is None:
            self.default_exception_handler(context)
        else:
            self._handler(self, context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """See asyncio."""
        _log.error("%s", context.get("message"), exc_info=context.get("exception"))

    def get_debug(self) -> bool:
        """Never."""
        return False

    def is_running(self) -> bool:
        """Tell whether a turn of it runs."""
        return events._get_running_loop() is self

    def is_closed(self) -> bool:
        """Tell whether it was killed."""
        return self.dead
