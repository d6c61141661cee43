"""Frames come whole however the bytes are cut, and a child that does not read is told the sum of what it missed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.gateway.answers import AnswerSender
from node.gateway.dispatch import Reply
from node.gateway.shares import Shares
from node.gateway_process import call_server, frames
from node.gateway_process.call_server import CALLS_PER_TURN, CallServer
from node.gateway_process.frames import (
    Answer,
    Ask,
    Call,
    FrameError,
    FrameStream,
    GiveUp,
    Moved,
    Position,
    Stop,
    framed,
    to_child,
)
from node.store import Head

HEAD = Head(3, b"d", b"s", b"r")
POSITION = Position(HEAD, 1, 0)


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 30), min_size=1))
def test_frames_come_whole_however_the_bytes_are_cut(bodies: list[bytes], cuts: list[int]) -> None:
    seen: list[bytes] = []
    stream = FrameStream(seen.append, lambda: None)
    sent = [Answer(number, 200, body) for number, body in enumerate(bodies)]
    data = b"".join(map(framed, sent))
    at = 0
    for cut in [*cuts, len(data)]:
        stream.data_received(data[at : at + cut])
        at += cut
    assert [to_child.decode(each) for each in seen] == sent


def test_a_frame_beyond_the_limit_is_refused() -> None:
    stream = FrameStream(lambda data: None, lambda: None)
    with pytest.raises(FrameError):
        stream.data_received((frames.MAX_FRAME_BYTES + 1).to_bytes(4, "big"))


class Desk:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked: list[tuple[bytes | bytearray, str]] = []
        self.given_up = 0

    async def handle(self, body: bytes | bytearray, caller: object) -> Reply:
        self.asked.append((body, getattr(caller, "client", "")))
        if body == b"fault":
            raise ValueError("secret")
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return Reply(b"answer to " + body)

    async def health(self) -> dict[str, object]:
        return {"live": True}

    async def metrics(self) -> bytes:
        return b"metrics"


class Other:
    """The other end of a call server."""

    def __init__(self, server: CallServer, end: socket.socket) -> None:
        self.server = server
        self.end = end
        self.stream = end.makefile("rb")

    async def next(self) -> frames.ToChild:
        return await asyncio.to_thread(self._next)

    def _next(self) -> frames.ToChild:
        return to_child.decode(self.stream.read(int.from_bytes(self.stream.read(4), "big")))

    def send(self, frame: Call | Ask | GiveUp) -> None:
        self.end.sendall(framed(frame))


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


@asynccontextmanager
async def serving(desk: Desk, ends: tuple[socket.socket, socket.socket], most: int = 10) -> AsyncIterator[Other]:
    server = CallServer(desk, AnswerSender(Shares(1 << 20)), lambda: POSITION, most)  # type: ignore[arg-type]
    await asyncio.get_running_loop().connect_accepted_socket(lambda: server.stream, ends[0])
    yield Other(server, ends[1])
    server.stream.close()


async def test_calls_and_pages_are_answered_by_number(ends: tuple[socket.socket, socket.socket]) -> None:
    desk = Desk()
    desk.go.set()
    async with serving(desk, ends) as other:
        other.send(Call(7, "client", True, False, b"body"))
        assert await other.next() == Answer(7, 200, b"answer to body")
        assert desk.asked == [(b"body", "client")]
        other.send(Ask(8, "health"))
        assert await other.next() == Answer(8, 200, b'{"live":true}')
        other.send(Ask(9, "metrics"))
        assert await other.next() == Answer(9, 200, b"metrics")
        other.send(Call(10, "client", True, False, b"fault"))
        answer = await other.next()
        assert isinstance(answer, Answer)
        assert (answer.id, answer.status, b"secret" in (answer.body or b"")) == (10, 500, False)


async def test_so_many_calls_and_no_more(ends: tuple[socket.socket, socket.socket]) -> None:
    desk = Desk()
    async with serving(desk, ends, most=2) as other:
        for number in range(3):
            other.send(Call(number, "client", True, True, b"body"))
        refused = await other.next()
        assert isinstance(refused, Answer)
        assert (refused.id, refused.status) == (2, 429)
        desk.go.set()
        assert {(await other.next()).id for _ in range(2)} == {0, 1}  # type: ignore[union-attr]


async def test_so_many_calls_are_begun_in_a_turn() -> None:
    desk = Desk()
    server = CallServer(desk, AnswerSender(Shares(1 << 20)), lambda: POSITION, 1_000)  # type: ignore[arg-type]
    sent = [framed(Call(number, "client", True, True, b"%d" % number)) for number in range(100)]
    server.stream.data_received(b"".join([*sent, framed(GiveUp(50))]))
    begun = []
    while len(desk.asked) < 99:
        before = len(desk.asked)
        await asyncio.sleep(0)
        begun.append(len(desk.asked) - before)
    assert max(begun) == CALLS_PER_TURN
    assert [int(body) for body, _ in desk.asked] == [number for number in range(100) if number != 50]
    server.stream.connection_lost(None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert desk.given_up == 99


async def test_what_no_one_waits_for_is_given_up(ends: tuple[socket.socket, socket.socket]) -> None:
    desk = Desk()
    async with serving(desk, ends) as other:
        other.send(Call(1, "client", True, True, b"body"))
        other.send(Ask(2, "health"))
        await other.next()
        other.send(GiveUp(1))
        other.send(GiveUp(99))
        other.send(Ask(3, "health"))
        await other.next()
        assert desk.given_up == 1


async def test_a_block_is_told_before_what_was_answered_after_it(ends: tuple[socket.socket, socket.socket]) -> None:
    desk = Desk()
    async with serving(desk, ends) as other:
        other.send(Call(1, "client", True, True, b"body"))
        other.send(Ask(2, "health"))
        await other.next()
        other.server.moved({"key": b"value", "gone": None})
        desk.go.set()
        assert await other.next() == Moved(POSITION, {"key": b"value", "gone": None})
        assert isinstance(await other.next(), Answer)
        other.server.stop()
        assert await other.next() == Stop()


async def test_blocks_are_summed_up_for_a_child_that_is_behind(ends: tuple[socket.socket, socket.socket]) -> None:
    desk = Desk()
    desk.go.set()
    async with serving(desk, ends) as other:
        large = {"key": bytes(1 << 20)}
        for _ in range(5):
            other.server.moved(large)
        assert not other.server.stream.is_writable
        other.send(Call(1, "client", True, True, b"body"))
        told = [await other.next() for _ in range(3)]
        assert told == [Moved(POSITION, large), Moved(POSITION, None), Answer(1, 200, b"answer to body")]


async def test_a_child_that_hangs_is_ended(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(Desk(), ends) as other:
        other.server.moved({"key": bytes(1 << 20)})
        other.server.moved({})
        monkeypatch.setattr(call_server, "STALLED_S", -1.0)
        assert not other.server.lost.is_set()
        other.server.moved({})
        async with asyncio.timeout(20):
            await other.server.lost.wait()
