"""What becomes of an exception that nobody caught: asyncio hands it to the event loop's handler, which is here.

Where it ends something that the node cannot do without (a task that runs as long as the node, a timer of ours), the
node must not limp on: it ends the process with EXIT_FAILURE, and whoever supervises it starts it again.
Where it ends one connection or one request, a single peer or client has met it, and must not be able to stop a
validator with it: it is told in the log, and that is all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

_log = logging.getLogger(__name__)

EXIT_FAILURE: Final = 70
"""EX_SOFTWARE of sysexits.h."""

_OURS: Final = ("consensus.", "contracts_py.", "network.", "node.", "vm.")
_OF_ONE_PEER_OR_CLIENT: Final = ("network.transport", "node.gateway.", "node.assembly.admin")
_TASKS_OF_ONE_PEER_OR_CLIENT: Final = frozenset({"network-handshake", "gateway-connection"})


def handler(fail: Callable[[BaseException], None]) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """Return an exception handler for the event loop; `fail` is to stop the node."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception) and _is_vital(context, error):
            _log.critical("%s", context.get("message"), exc_info=error)
            fail(error)
            return
        loop.default_exception_handler(context)

    return handle


def _is_vital(context: dict[str, Any], error: Exception) -> bool:
    task = context.get("task")  # given by network.tasks only; asyncio calls its own `future`
    if isinstance(task, asyncio.Task):
        return task.get_name() not in _TASKS_OF_ONE_PEER_OR_CLIENT
    if "handle" not in context or "protocol" in context:
        return False
    module = _module_of_callback(error)
    return module.startswith(_OURS) and not module.startswith(_OF_ONE_PEER_OR_CLIENT)


def _module_of_callback(error: Exception) -> str:
    """Return the module of the function that the event loop called."""
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_globals.get("__name__", "").partition(".")[0] == "asyncio":
        frame = frame.tb_next
    return "" if frame is None else str(frame.tb_frame.f_globals.get("__name__", ""))
