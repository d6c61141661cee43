"""The gateway as a process of its own, as the node sees it: started, kept running, stopped.

The node binds the sockets and hands them on, so that clients wait in the backlog while a child is being replaced.

Invariants:
    1. At most one child runs.
    2. A child that ends is started again, after a pause that doubles up to LONGEST_PAUSE_S.
    3. After `stop` there is no child, and no port is listened on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import psutil

from network.tasks import start_task
from node.gateway.answers import AnswerSender
from node.gateway.backend import Backend
from node.gateway.desk import NodeDesk
from node.gateway.listener import close_all, listen_on, url_of
from node.gateway.server import ANSWERS_AT_ONCE, STOP_GRACE_S
from node.gateway.shares import Shares
from node.gateway_process.call_server import CallServer
from node.gateway_process.frames import Position
from node.gateway_process.read_server import ReadServer
from node.runtime.config import NodeConfig
from node.runtime.descriptors import MOST_CONNECTIONS
from node.runtime.errors import ConfigError
from node.store import Store

_log = logging.getLogger(__name__)

START_TIMEOUT_S: Final = 60.0
"""A child imports the contracts and is ready within a second or two; a loaded machine takes longer."""

EXIT_GRACE_S: Final = 1.0
"""A child that has closed its socket is about to end, and its own exit code says why."""

KILL_AFTER_S: Final = STOP_GRACE_S + 3.0
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
SETTLED_S: Final = 60.0
"""A child that has served for so long is well; so long two ends in a row are told as a reason not to be ready."""


class _Child:
    """One process and the node's ends of its sockets."""

    def __init__(self, process: asyncio.subprocess.Process, calls: CallServer, reads: ReadServer) -> None:
        self.process = process
        self.calls = calls
        self.reads = reads

    async def served(self) -> bool:
        """Wait until the child accepts connections; tell whether it does."""
        waits = [start_task(_wait(event), "gateway-start", vital=False) for event in self._events]
        await asyncio.wait(waits, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        return self.calls.serving.is_set() and not self.calls.lost.is_set()

    @property
    def _events(self) -> tuple[asyncio.Event, asyncio.Event]:
        return self.calls.serving, self.calls.lost

    async def end(self, after_s: float) -> int:
        """Wait for the process to end by itself, kill it then, and return its exit code."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), after_s)
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        self.calls.stream.close()
        self.reads.stream.close()
        return await self.process.wait()


class GatewayProcess:
    """Runs the gateway of a node as a process.

    Args:
        backend: the node.
        store: the node's.

    Attributes:
        restarts: how many times a child has ended and was started again.
    """

    def __init__(
        self, backend: Backend, store: Store, config: NodeConfig, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._store = store
        self._now = now
        self._genesis = backend.queries.genesis.to_json().encode()
        self._desk = NodeDesk(backend, config.rpc, now)
        self._answers = AnswerSender(Shares(ANSWERS_AT_ONCE * config.rpc.max_response_bytes))
        self._sockets: list[socket.socket] = []
        self._child: _Child | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._ends: deque[float] = deque(maxlen=2)
        self.restarts = 0

    # -- life cycle --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen on the configured host and port, and start a child.

        Raises:
            ConfigError: the address cannot be listened on, or no child can be started.
        """
        self._sockets = await listen_on(self._config.rpc_host, self._config.rpc_port)
        try:
            child = self._child = await self._spawn()
        except OSError as error:
            self._close_sockets()
            raise ConfigError(f"the gateway's process cannot be started: {error}") from None
        if not await child.served():
            code = await self._forget(child)
            self._close_sockets()
            raise ConfigError(f"the gateway's process has ended ({_told(code)}) before it served; see the log")
        _log.info("the gateway is process %d", child.process.pid)
        self._keeper = start_task(self._keep(child), "gateway-process")

    async def stop(self) -> None:
        """Have the child answer what is being answered, and end; clients that wait hear of it."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        self._close_sockets()
        self._desk.close()
        child, self._child = self._child, None
        if child is not None:
            child.calls.stop()
            await child.end(KILL_AFTER_S)

    async def _keep(self, child: _Child) -> None:
        """Start another child whenever one ends."""
        pause = FIRST_PAUSE_S
        while True:
            began = self._now()
            await child.calls.lost.wait()
            code = await self._forget(child)
            pause = FIRST_PAUSE_S if self._now() - began > SETTLED_S else pause
            self._ends.append(self._now())
            _log.error("the gateway's process has ended (%s); another is started in %.1f s", _told(code), pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
            child = await self._restarted(child)

    async def _restarted(self, ended: _Child) -> _Child:
        """Return another child, which may be lost already."""
        self.restarts += 1
        try:
            child = self._child = await self._spawn()
        except OSError as error:  # no memory, no descriptors: it may go better the next time
            _log.error("the gateway's process cannot be started: %s", error)
            return ended
        if not await child.served():
            child.calls.lost.set()
        return child

    async def _forget(self, child: _Child) -> int:
        code = await child.end(EXIT_GRACE_S)
        self._child = None  # not before: a stop meanwhile ends the child that it finds here
        return code

    async def _spawn(self) -> _Child:
        loop = asyncio.get_running_loop()
        calls, calls_there = socket.socketpair()
        reads, reads_there = socket.socketpair()
        handed = [calls_there, reads_there, *self._sockets]
        numbers = [each.fileno() for each in handed]
        most = self._config.rpc.max_connections or MOST_CONNECTIONS
        server, reader = (
            CallServer(self._desk, self._answers, self._position, most),
            ReadServer(self._store, lambda: server.stream.close()),
        )
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "node.gateway_process.child", *map(str, numbers)),
                stdin=subprocess.DEVNULL,
                pass_fds=numbers,
            )
        except OSError:
            close_all([calls, reads])
            raise
        finally:
            close_all([calls_there, reads_there])
        await loop.connect_accepted_socket(lambda: server.stream, calls)
        await loop.connect_accepted_socket(lambda: reader.stream, reads)
        server.welcome(msgspec.json.encode(self._config), self._genesis)
        return _Child(process, server, reader)

    def _close_sockets(self) -> None:
        close_all(self._sockets)
        self._sockets = []

    # -- what the node tells -----------------------------------------------------------------------

    def head_moved(self, changes: Mapping[str, bytes | None]) -> None:
        """Tell the child of a final block, in the step in which it becomes final."""
        if self._child is not None:
            self._child.calls.moved(changes)

    def _position(self) -> Position:
        store = self._store
        return Position(store.head, store.oldest_block, store.oldest_state_height)

    # -- what it tells -----------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port that clients find the gateway on."""
        return int(self._sockets[0].getsockname()[1]) if self._sockets else self._config.rpc_port

    @property
    def url(self) -> str:
        """Where clients on this machine find the gateway."""
        return url_of(self._config.rpc_host, self.port)

    @property
    def is_serving(self) -> bool:
        """Whether a child accepts connections."""
        child = self._child
        return child is not None and child.calls.serving.is_set() and not child.calls.lost.is_set()

    @property
    def pid(self) -> int | None:
        """The child's process id, None where there is none."""
        return None if self._child is None else self._child.process.pid

    def reasons(self) -> list[str]:
        """Return why clients should not use this node."""
        if self._keeper is not None and not self.is_serving:
            return ["gateway: its process has ended, another is being started"]
        if self._ends_often():
            return ["gateway: its process has ended twice within a minute"]
        return []

    def _ends_often(self) -> bool:
        if len(self._ends) < 2:
            return False
        first, last = self._ends
        return last - first < SETTLED_S and self._now() - last < SETTLED_S

    def usage(self) -> tuple[float, int]:
        """Return the child's CPU seconds and bytes in memory; zeros where there is none."""
        try:
            process = psutil.Process(self.pid or -1)
            times = process.cpu_times()
            return times.user + times.system, process.memory_info().rss
        except (psutil.Error, ValueError):
            return 0.0, 0


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def _told(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
