"""The child's side of raw reads: a database engine that asks the node, and waits.

Only the thread that reads uses it. An iterator fetches its range piece by piece.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NoReturn

from node.gateway_process.frames import (
    LENGTH_BYTES,
    Entries,
    Failed,
    Get,
    ReadAnswer,
    ReadRequest,
    Scan,
    Value,
    framed,
    read_answer,
)
from node.store import engine


class HeadMoved(Exception):
    """What was read is as of another height than the one that is followed."""

    def __init__(self, height: int) -> None:
        super().__init__(f"the node is at height {height}")
        self.height = height


class NodeUnreachable(Exception):
    """The node does not answer a raw read: it has gone, or its database refuses."""


class RemoteEngine:
    """Reads what the node's database holds; see `node.store.engine.Engine`.

    Attributes:
        height: what is read must be as of this height.
        oldest_block: the first height whose block the node keeps, as of the last read.
    """

    faults: tuple[type[Exception], ...] = ()

    def __init__(self, connection: socket.socket, height: int, oldest_block: int) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb")
        self.height = height
        self.oldest_block = oldest_block
        self.get: Callable[[bytes], bytes | None] = self._get
        self.put: Callable[[bytes, bytes], None] = self._refuse

    def _get(self, key: bytes) -> bytes | None:
        answer = self._asked(Get(key))
        if not isinstance(answer, Value):
            raise NodeUnreachable(f"{type(answer).__name__} in answer to a read")
        self._compare(answer)
        return answer.value

    def _asked(self, request: ReadRequest) -> ReadAnswer:
        try:
            self._connection.sendall(framed(request))
            length = int.from_bytes(self._exactly(LENGTH_BYTES), "big")
            answer = read_answer.decode(self._exactly(length))
        except OSError as error:
            raise NodeUnreachable(str(error)) from None
        if isinstance(answer, Failed):
            raise NodeUnreachable(answer.message)
        return answer

    def _exactly(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) < count:
            raise NodeUnreachable("the node has gone")
        return data

    def _compare(self, answer: Value | Entries) -> None:
        self.oldest_block = answer.oldest_block
        if answer.height != self.height:
            raise HeadMoved(answer.height)

    @contextmanager
    def _pieces(self, start: bytes, stop: bytes, once: bool) -> Iterator[engine.Entries]:
        yield self._walk(start, stop, once)

    def _walk(self, start: bytes, stop: bytes, once: bool) -> engine.Entries:
        while True:
            answer = self._asked(Scan(start, stop, once))
            if not isinstance(answer, Entries):
                raise NodeUnreachable(f"{type(answer).__name__} in answer to a scan")
            self._compare(answer)
            yield from answer.items
            if answer.done:
                return
            start = answer.items[-1][0] + b"\0"

    def iterator(
        self, *, start: bytes, stop: bytes, reverse: bool = False, include_start: bool = True, once: bool = False
    ) -> AbstractContextManager[engine.Entries]:
        """See `Engine.iterator`; forwards only, which is all that readers of the chain need."""
        if reverse or not include_start:
            self._refuse()
        return self._pieces(start, stop, once)

    def snapshot(self) -> AbstractContextManager[engine.Entries]:
        """Refuse."""
        self._refuse()

    def batch(self, *, sync: bool) -> engine.EngineBatch:
        """Refuse."""
        self._refuse()

    def compact(self, start: bytes, stop: bytes) -> None:
        """Refuse."""
        self._refuse()

    def explain(self, error: Exception, keys: engine.Keys | None = None) -> engine.EngineError:
        """Raise the error: none is the engine's own."""
        raise error

    def _refuse(self, *_: object) -> NoReturn:
        raise engine.EngineError("a process that follows a store only reads it")

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()
        self._connection.close()
