"""The node's side of calls: answers what the child hands on, and tells it of blocks.

    Call ──► NodeDesk ──► Answer          in the node's own turns to read, bounded by `Shares` as inside the node
    Ask  ──► health, metrics
    a final block ──► Moved

Invariants:
    1. The frame of a block is written before any answer that was made after it.
    2. For a child that does not read nothing is queued but answers: blocks are summed up.
    3. At most `most` calls are being answered.
    4. In one turn of the event loop at most CALLS_PER_TURN calls are begun: each is parsed when it begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Final

import orjson

from network.tasks import start_task
from node.gateway.answers import AnswerSender
from node.gateway.desk import NodeDesk
from node.gateway.dispatch import Caller, fault_body, internal_fault
from node.gateway.errors import HttpRefusal, RpcFault
from node.gateway.request_bodies import RETRY_MS
from node.gateway_process.frames import (
    Answer,
    Ask,
    Call,
    FrameStream,
    GiveUp,
    Moved,
    Position,
    Serving,
    Stop,
    Welcome,
    to_node,
)

STALLED_S: Final = 30.0
"""A child that takes nothing for so long hangs: one that is busy still reads its socket in each turn."""


CALLS_PER_TURN: Final = 32
"""As many as connections are accepted (node/gateway/listener.py); a small call takes some 50 µs to begin."""


class CallServer:
    """The node's end of one child.

    Args:
        desk: answers calls.
        answers: bounds those that are on their way.
        position: tells where the chain stands.
        most: calls at once.

    Attributes:
        serving: set once the child accepts connections.
        lost: set once the child has gone.
    """

    def __init__(self, desk: NodeDesk, answers: AnswerSender, position: Callable[[], Position], most: int) -> None:
        self._desk = desk
        self._answers = answers
        self._position = position
        self._most = most
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._queue: dict[int, Call] = {}
        self._is_beginning = False
        self._owes_position = False
        self._paused_at: float | None = None
        self.stream = FrameStream(self._told, self._on_lost, self._on_writable)
        self.serving = asyncio.Event()
        self.lost = asyncio.Event()

    def welcome(self, config: bytes, genesis: bytes) -> None:
        """Tell the child what it needs to begin."""
        self.stream.send(Welcome(config, genesis, self._position()))

    def stop(self) -> None:
        """Have the child end."""
        self.stream.send(Stop())

    def moved(self, changes: Mapping[str, bytes | None]) -> None:
        """Tell of a final block and the state values that it changes."""
        if self.stream.is_writable:
            self._paused_at = None
            self.stream.send(Moved(self._position(), dict(changes)))
            return
        self._owes_position = True
        now = asyncio.get_running_loop().time()
        self._paused_at = self._paused_at or now
        if now - self._paused_at > STALLED_S:
            self.stream.close()

    def _on_writable(self) -> None:
        if self._owes_position:
            self._owes_position = False
            self.stream.send(Moved(self._position(), None))

    def _send(self, answer: Answer) -> None:
        self._on_writable()  # What was summed up goes first, also to a child that is behind.
        self.stream.send(answer)

    def _on_lost(self) -> None:
        self.lost.set()
        self._queue.clear()
        for task in self._calls.values():
            task.cancel()

    # -- what the child tells ----------------------------------------------------------------------

    def _told(self, data: bytes) -> None:
        frame = to_node.decode(data)
        match frame:
            case Call():
                self._take(frame)
            case Ask():
                start_task(self._page(frame), "gateway-page", vital=False)
            case GiveUp():
                task = self._calls.get(frame.id)
                if self._queue.pop(frame.id, None) is None and task is not None:
                    task.cancel()
            case Serving():
                self.serving.set()

    def _take(self, call: Call) -> None:
        if len(self._calls) + len(self._queue) >= self._most:
            fault = RpcFault("RATE_LIMITED", "too many calls are being answered", retry_after_ms=RETRY_MS)
            self._send(Answer(call.id, 429, fault_body(fault)))
            return
        self._queue[call.id] = call
        if not self._is_beginning:
            self._begin_some()

    def _begin_some(self) -> None:
        """Begin calls, the oldest first, and look again in the next turn, until there is none."""
        numbers = list(islice(self._queue, CALLS_PER_TURN))
        for number in numbers:
            self._begin(self._queue.pop(number))
        self._is_beginning = bool(numbers)
        if numbers:
            asyncio.get_running_loop().call_soon(self._begin_some)

    def _begin(self, call: Call) -> None:
        task = self._calls[call.id] = start_task(self._answer(call), "gateway-call", vital=False)
        task.add_done_callback(lambda done: self._calls.pop(call.id, None))

    async def _answer(self, call: Call) -> None:
        hold = self._answers.begin(call.client)
        try:
            try:
                reply = await self._desk.handle(call.body, Caller(call.client, call.reads, call.writes))
                self._send(Answer(call.id, 200, reply.body, reply.unauthorised))
            except HttpRefusal as refusal:
                self._send(Answer(call.id, refusal.status, fault_body(refusal.fault)))
            except Exception:
                self._send(Answer(call.id, 500, fault_body(internal_fault("a call"))))
            await self.stream.written()
        finally:
            self._answers.release(hold)

    async def _page(self, ask: Ask) -> None:
        try:
            body = orjson.dumps(await self._desk.health()) if ask.page == "health" else await self._desk.metrics()
            self._send(Answer(ask.id, 200, body))
        except Exception:
            self._send(Answer(ask.id, 500, fault_body(internal_fault(ask.page))))
