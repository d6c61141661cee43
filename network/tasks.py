"""Long-lived tasks whose failure is not silent."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


def start_task(coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Run a coroutine; an exception that ends it goes to the loop's exception handler at once.

    By itself asyncio would tell of it only when the task is collected, if ever.
    """
    task = asyncio.create_task(coroutine, name=name)
    task.add_done_callback(_report)
    return task


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        context = {"message": f"task {task.get_name()} failed", "exception": error, "task": task}
        task.get_loop().call_exception_handler(context)
