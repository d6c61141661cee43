"""The child's thread that reads: it owns the replica, and moves it from head to head between reads.

    event loop ──Moved──► queue ──► before each read, and where one was interrupted by a new head

Invariants:
    1. Only this thread touches the replica, its caches and the connection for raw reads.
    2. A read sees one head, or begins again; after TRIES it is the node's to answer.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from node.gateway.reading import AnsweredElsewhere
from node.gateway_process.frames import Moved, Position
from node.gateway_process.remote_engine import HeadMoved, NodeUnreachable, RemoteEngine
from node.store.database import Database
from node.store.replica import NotInReplica, Replica

_log = logging.getLogger(__name__)

T = TypeVar("T")

TRIES: Final = 3
"""A read takes some milliseconds, and blocks come a few times a second."""

MOVED_TIMEOUT_S: Final = 5.0
"""The node tells of a block in the step in which it becomes final, so it comes within a turn or two."""


class ReadThread:
    """Reads beside the event loop; a `node.gateway.reading.Reading`.

    Attributes:
        replica: what is read from.
    """

    interrupts: tuple[type[Exception], ...] = (HeadMoved, NotInReplica, NodeUnreachable)

    def __init__(self, connection: socket.socket, position: Position) -> None:
        self._engine = RemoteEngine(connection, position.head.height, position.oldest_block)
        database = Database("", 0, 0, engine=lambda path, **sizes: self._engine)
        oldest_block = partial(getattr, self._engine, "oldest_block")
        self.replica = Replica(database, position.head, position.state_floor, oldest_block)
        self._moves: SimpleQueue[Moved] = SimpleQueue()
        self._executor = ThreadPoolExecutor(1, "reads")

    def moved(self, move: Moved) -> None:
        """Have what is read from now on be as of another head; called on the event loop."""
        self._moves.put(move)
        self._executor.submit(self._catch_up)  # so that blocks do not pile up where no one reads

    async def do(self, read: Callable[[], T]) -> T:
        """Have something read; see `Reading.do`."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._read, read)

    def _read(self, read: Callable[[], T]) -> T:
        for _ in range(TRIES):
            self._catch_up()
            try:
                return read()
            except HeadMoved as moved:
                self._wait_for(moved.height)
            except NotInReplica:
                break
            except NodeUnreachable as error:
                _log.warning("a read was handed to the node: %s", error)
                break
        raise AnsweredElsewhere

    def _catch_up(self) -> None:
        try:
            while True:
                self._follow(self._moves.get_nowait())
        except Empty:
            return

    def _wait_for(self, height: int) -> None:
        try:
            while self._engine.height < height:
                self._follow(self._moves.get(timeout=MOVED_TIMEOUT_S))
        except Empty:
            raise AnsweredElsewhere from None

    def _follow(self, move: Moved) -> None:
        position = move.position
        self.replica.follow(position.head, position.state_floor, move.changes)
        self._engine.height, self._engine.oldest_block = position.head.height, position.oldest_block
