"""The child's side of calls: hands requests on to the node, and hears of blocks, and that it is to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Final

from node.gateway.dispatch import Caller, Reply, fault_body
from node.gateway.errors import RpcFault
from node.gateway_process.frames import (
    Answer,
    Ask,
    Call,
    FrameStream,
    GiveUp,
    Moved,
    Serving,
    Stop,
    Welcome,
    to_child,
)
from node.runtime.errors import NotReady

PAGE_TIMEOUT_S: Final = 10.0
"""A node that does not tell its health for so long is not well, and /health says so."""

GONE: Final = "the node has ended, or does not answer its gateway"


class NodeLink:
    """The socket to the node.

    Attributes:
        welcome: the node's first frame.
        stopping: set once the gateway is to end.
        lost: set once the node has gone; `stopping` then is set as well.
    """

    def __init__(self) -> None:
        self.stream = FrameStream(self._told, self._on_lost)
        self.welcome: asyncio.Future[Welcome] = asyncio.get_running_loop().create_future()
        self.stopping = asyncio.Event()
        self.lost = asyncio.Event()
        self._moves: list[Moved] = []
        self._on_moved: Callable[[Moved], None] = self._moves.append
        self._ids = count()
        self._waiting: dict[int, asyncio.Future[Answer]] = {}

    def _told(self, data: bytes) -> None:
        frame = to_child.decode(data)
        match frame:
            case Answer():
                waiting = self._waiting.pop(frame.id, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(frame)
            case Moved():
                self._on_moved(frame)
            case Welcome():
                self.welcome.set_result(frame)
            case Stop():
                self.stopping.set()

    def _on_lost(self) -> None:
        self.lost.set()
        self.stopping.set()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(NotReady(GONE))
        self._waiting.clear()
        if not self.welcome.done():
            self.welcome.set_exception(NotReady(GONE))

    def follow(self, on_moved: Callable[[Moved], None]) -> None:
        """Have a function called for each new head since the welcome."""
        for move in self._moves:
            on_moved(move)
        self._moves.clear()
        self._on_moved = on_moved

    def serving(self) -> None:
        """Tell the node that connections are accepted."""
        self.stream.send(Serving())

    async def call(self, body: bytes, caller: Caller) -> tuple[int, Reply]:
        """Have the node answer a JSON-RPC body; return the status of HTTP with the reply."""
        number = next(self._ids)
        try:
            answer = await self._asked(number, Call(number, caller.client, caller.reads, caller.writes, body))
        except NotReady as error:
            return 503, Reply(fault_body(RpcFault("NOT_READY", str(error))))
        return answer.status, Reply(answer.body, unauthorised=answer.unauthorised)

    async def page(self, name: str) -> bytes:
        """Return one of the node's pages.

        Raises:
            NotReady: the node does not answer.
        """
        number = next(self._ids)
        try:
            async with asyncio.timeout(PAGE_TIMEOUT_S):
                answer = await self._asked(number, Ask(number, name))
        except TimeoutError:
            raise NotReady(GONE) from None
        return answer.body or b""

    async def _asked(self, number: int, frame: Call | Ask) -> Answer:
        if self.lost.is_set():
            raise NotReady(GONE)
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        try:
            self.stream.send(frame)
            return await waiting
        finally:
            if self._waiting.pop(number, None) is not None:
                self.stream.send(GiveUp(number))
