"""The gateway's process: `python -m node.gateway_process.child CALLS READS LISTENING…`, started by the node.

The arguments are the numbers of descriptors that it inherits: the socket pairs' ends, and the sockets that listen.
It ends when the node tells it to, after a drain, or is gone. Signals for the node's group are the node's to act on.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec

from genesis.document import Genesis
from genesis.protocol import build_runtime
from network.tasks import VITAL, start_task
from node.gateway.server import HttpServer
from node.gateway_process.child_desk import ChildDesk, ReadingBackend
from node.gateway_process.frames import Welcome
from node.gateway_process.node_link import NodeLink
from node.gateway_process.read_thread import ReadThread
from node.runtime.config import NodeConfig
from node.runtime.descriptors import raise_descriptor_limit
from node.runtime.errors import NotReady
from node.runtime.log_setup import set_up_logging
from node.runtime.memory import give_back_memory
from node.runtime.supervisor import EXIT_FAILURE

_log = logging.getLogger(__name__)

SWITCH_SECONDS: Final = 0.000_5
"""How long the thread that reads keeps the interpreter while the loop waits for it; 5 ms by default, and a
transaction on its way needs it four times."""

LOST_GRACE_S: Final = 1.0
"""After the node has gone, for telling so to those who wait."""

GC_THRESHOLDS: Final = (50_000, 20, 50)
"""As in the node (node/assembly/process.py)."""


def main(arguments: Sequence[str]) -> None:
    """Serve until the node ends it, or has gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_SECONDS)
    calls, reads, *listening = [socket.socket(fileno=int(argument)) for argument in arguments]
    raise_descriptor_limit()
    code = asyncio.run(_run(calls, reads, listening))
    logging.shutdown()
    # Not by an ordinary exit, which would wait for the thread that reads.
    os._exit(code)


async def _run(calls: socket.socket, reads: socket.socket, listening: Sequence[socket.socket]) -> int:
    link = NodeLink()
    failed = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(partial(_uncaught, link, failed))
    await asyncio.get_running_loop().connect_accepted_socket(lambda: link.stream, calls)
    try:
        welcome = await link.welcome
    except NotReady:
        return 1
    server = await _serve(link, welcome, reads, listening)
    memory = start_task(give_back_memory(), "memory", vital=False)
    gc.set_threshold(*GC_THRESHOLDS)
    gc.freeze()
    await link.stopping.wait()
    memory.cancel()
    await _drain(server, link)
    return EXIT_FAILURE if failed.is_set() else 0


async def _serve(
    link: NodeLink, welcome: Welcome, reads: socket.socket, listening: Sequence[socket.socket]
) -> HttpServer:
    """Accept connections, and tell the node so."""
    config = msgspec.json.decode(welcome.config, type=NodeConfig)
    set_up_logging(config.log_level, config.log_format)
    thread = ReadThread(reads, welcome.position)
    link.follow(thread.moved)
    backend = ReadingBackend(Genesis.from_json(welcome.genesis), build_runtime(), config, thread)
    server = HttpServer(ChildDesk(backend, thread, link, config, time.monotonic), config)
    for each in listening:
        each.setblocking(False)
    await server.start(listening)
    link.serving()
    return server


def _uncaught(
    link: NodeLink, failed: asyncio.Event, loop: asyncio.AbstractEventLoop, context: dict[str, Any]
) -> None:
    """Log an exception that nothing has caught. After a vital one the process ends, and the node starts another."""
    loop.default_exception_handler(context)
    if context.get(VITAL):
        failed.set()
        link.stopping.set()


async def _drain(server: HttpServer, link: NodeLink) -> None:
    """Answer what is being answered; once the node has gone, no longer than LOST_GRACE_S."""
    stopping = start_task(server.stop(), "gateway-drain", vital=False)
    lost = start_task(_wait(link.lost), "gateway-lost", vital=False)
    await asyncio.wait({stopping, lost}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        _log.warning("the node has gone")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(stopping), LOST_GRACE_S)
    link.stream.close()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
