"""A running node's door for its operator: the socket <home>/admin.sock, which only the node's own user may open.

A client sends one line, a command; the answer is the line `ok` and then the command's bytes until the end of the
stream, or one line `error: …`. The one command is `backup`: a backup of the store (node/maintenance/backup.py).
LevelDB has one owner process, so who wants a copy of a running node's data must ask it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)

SOCKET_NAME: Final = "admin.sock"
PATIENCE_SECONDS: Final = 60.0
"""A client that takes nothing for so long is dropped: a backup in progress keeps old data on the disk."""


class AdminSocket:
    """Answers one client at a time.

    Args:
        backup: begins a backup and yields its bytes.
    """

    def __init__(self, home: Path, backup: Callable[[], Generator[bytes]]) -> None:
        self._home = home
        self._backup = backup
        self._server: asyncio.Server | None = None
        self._busy = asyncio.Lock()
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the socket cannot be made.
        """
        with _short_path(self._home) as path:
            path.unlink(missing_ok=True)  # a former process's; the database's lock says that there is no other now
            before = os.umask(0o177)
            try:
                self._server = await asyncio.start_unix_server(self._connected, str(path))
            finally:
                os.umask(before)

    async def stop(self) -> None:
        """End what is being answered, and remove the socket."""
        if self._server is None:
            return
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        with contextlib.suppress(OSError):
            (self._home / SOCKET_NAME).unlink(missing_ok=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            command = await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS)
            if command.strip() != b"backup":
                writer.write(b"error: the only command is backup\n")
            elif self._busy.locked():
                writer.write(b"error: another backup is being made\n")
            else:
                async with self._busy:
                    await self._send_backup(writer)
            await writer.drain()
        except (OSError, TimeoutError, ValueError) as error:
            _log.warning("an operator's client is gone: %s", error or type(error).__name__)
        finally:
            self._serving.discard(task)
            writer.close()

    async def _send_backup(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"ok\n")
        sent = 0
        with contextlib.closing(self._backup()) as pieces:
            for piece in pieces:
                writer.write(piece)
                sent += len(piece)
                await asyncio.wait_for(writer.drain(), PATIENCE_SECONDS)
                await asyncio.sleep(0)  # drain may return at once; consensus shares this thread
        _log.info("a backup of %d bytes has been handed out", sent)


def ask_backup(home: Path) -> Iterator[bytes] | None:
    """Ask the node that runs from a home for a backup; None where none runs.

    Raises:
        ConnectionError: the node refuses, in its words.
        OSError: the connection fails.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE_SECONDS)
    try:
        with _short_path(home) as path:
            connection.connect(str(path))
        connection.sendall(b"backup\n")
        stream = connection.makefile("rb")
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    answer = stream.readline().decode().strip()
    if answer != "ok":
        raise ConnectionError(answer.removeprefix("error: ") or "the node has closed the connection")
    return iter(lambda: stream.read(1 << 16), b"")


@contextlib.contextmanager
def _short_path(home: Path) -> Iterator[Path]:
    """Offer the socket's path in a form that is short enough for the system, however deep the home lies."""
    folder = os.open(home, os.O_RDONLY)
    try:
        yield Path(f"/proc/self/fd/{folder}") / SOCKET_NAME
    finally:
        os.close(folder)
