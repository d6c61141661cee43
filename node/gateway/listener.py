"""Accepts the gateway's connections.

asyncio's own server would do, but where the process has no descriptor left it logs a traceback for each of the
backlog's places, again every second, and each of those is a timer that raises later. And here a client's share is
known before a transport, a parser and a task are made for its connection.

Invariants:
    1. In one turn of the event loop at most ACCEPTS_PER_TURN connections are accepted.
    2. Where accepting fails, for want of descriptors mostly, it pauses and goes on; the log says so once a minute.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from network.tasks import start_task
from node.runtime.errors import ConfigError
from node.runtime.log_setup import Tally

_log = logging.getLogger(__name__)

BACKLOG: Final = 1_024
ACCEPTS_PER_TURN: Final = 32
PAUSE_S: Final = 0.5
"""After a failure to accept; asyncio waits a second."""

CONNECTION_TASK: Final = "gateway-connection"
"""The name of tasks whose failure is one client's (node/runtime/supervisor.py)."""

Admit = Callable[[socket.socket, str], asyncio.Protocol | None]
"""Given a connection and its peer's address; returns its protocol, or None where it has refused it."""


class Listener:
    """The listening sockets of one host and port.

    Args:
        admit: decides about each connection.
        abandoned: told of a protocol that never got its connection.
    """

    def __init__(self, admit: Admit, abandoned: Callable[[asyncio.Protocol], None]) -> None:
        self._admit = admit
        self._abandoned = abandoned
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._cannot_accept = Tally(_log, logging.ERROR, "cannot accept clients' connections: %s")

    def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept on sockets that listen (`listen_on`); they are closed by `stop`."""
        self._sockets = list(sockets)
        for listening in self._sockets:
            self._run(self._accept_for_ever(listening), "gateway-accept")

    @property
    def port(self) -> int | None:
        """The port of the first socket, None where nothing is listened on."""
        return int(self._sockets[0].getsockname()[1]) if self._sockets else None

    async def stop(self) -> None:
        """Accept nothing more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        close_all(self._sockets)
        self._sockets = []

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        # One client has met what ends its connection: no reason to stop a node.
        task = start_task(work, name, vital=name != CONNECTION_TASK)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept_for_ever(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            for _ in range(ACCEPTS_PER_TURN):
                try:
                    connection, address = await loop.sock_accept(listening)
                except ConnectionError:
                    continue  # it vanished in the queue
                except OSError as error:
                    self._cannot_accept.tell(error.strerror)
                    await asyncio.sleep(PAUSE_S)
                    continue
                self._run(self._connect(connection, address[0]), CONNECTION_TASK)
            await asyncio.sleep(0)

    async def _connect(self, connection: socket.socket, address: str) -> None:
        protocol = None
        try:
            protocol = self._admit(connection, address)
            if protocol is None:
                connection.close()
                return
            admitted = protocol
            await asyncio.get_running_loop().connect_accepted_socket(lambda: admitted, connection)
        except BaseException as error:
            connection.close()
            if protocol is not None:
                self._abandoned(protocol)
            if not isinstance(error, OSError):  # the client's affair: it has gone already
                raise


async def listen_on(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen on every address of a host; "" is every address of the machine, 0 any free port.

    Raises:
        ConfigError: an address cannot be had.
    """
    loop = asyncio.get_running_loop()
    sockets: list[socket.socket] = []
    try:
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in sorted({(family, address) for family, _, _, _, address in found}):
            sockets.append(_listen(family, address))
    except OSError as error:
        close_all(sockets)
        raise ConfigError(_problem(host, port, error)) from None
    return sockets


def close_all(sockets: Sequence[socket.socket]) -> None:
    """Close sockets."""
    for each in sockets:
        each.close()


def url_of(host: str, port: int) -> str:
    """Return where clients on this machine find a server."""
    if host in ("0.0.0.0", "::", ""):
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _problem(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use by another program; choose another rpc_port in node.toml"
    if error.errno == errno.EACCES:
        return f"no permission to listen on port {port} of {host}; choose an rpc_port above 1023"
    return f"cannot listen on {host}:{port}: {error.strerror or error}"


def _listen(family: int, address: Any) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening
