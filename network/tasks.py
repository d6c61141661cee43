"""Tasks and timers whose failure is not silent.

By itself asyncio tells of an exception in a task when the task is collected, if ever, and of one in a timer by a
line in the log. What is started here tells the event loop's exception handler at once, and says whether the node
can do without it (`vital`); `node.runtime.supervisor` decides what follows. What serves one peer or one client is
not vital: a single one who has found a fault must not stop a node with it.

tests/unit/node/runtime/test_supervision.py holds that no other module starts a task or a timer by asyncio's own
means, unless it says there why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

VITAL: Final = "vital"
"""The key, in the context of an event loop's exception handler, of what the node cannot do without."""


def start_task(work: Coroutine[Any, Any, None], name: str, *, vital: bool = True) -> asyncio.Task[None]:
    """Run a coroutine as a task.

    Args:
        vital: whether the node cannot do without it; False for what serves one peer or client.
    """
    task = asyncio.get_running_loop().create_task(work, name=name)

    def done(ended: asyncio.Task[None]) -> None:
        if not ended.cancelled() and (error := ended.exception()) is not None:
            _tell(ended.get_loop(), f"task {name} failed", error, vital)

    task.add_done_callback(done)
    return task


def start_timer(delay: float, callback: Callable[..., None], *args: Any) -> asyncio.TimerHandle:
    """Call a function that the node cannot do without, `delay` seconds from now."""
    loop = asyncio.get_running_loop()
    return start_timer_at(loop.time() + delay, callback, *args)


def start_timer_at(when: float, callback: Callable[..., None], *args: Any) -> asyncio.TimerHandle:
    """Call a function that the node cannot do without at a time of the event loop, seconds."""
    loop = asyncio.get_running_loop()
    return loop.call_at(when, _call, loop, callback, args)


def vital(callback: Callable[..., None]) -> Callable[..., None]:
    """Return a callback, for example of a readable socket, that the node cannot do without."""
    loop = asyncio.get_running_loop()
    return lambda *args: _call(loop, callback, args)


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
    try:
        callback(*args)
    except Exception as error:
        _tell(loop, "a callback failed", error, True)


def _tell(loop: asyncio.AbstractEventLoop, message: str, error: BaseException, is_vital: bool) -> None:
    loop.call_exception_handler({"message": message, "exception": error, VITAL: is_vital})
