"""Reads beside the event loop: interrupted ones begin anew, and what another process answers is handed on whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import orjson
import pytest

from node.gateway.dispatch import Caller, Dispatcher
from node.gateway.errors import RpcFault
from node.gateway.method_table import Method, described
from node.gateway.read_turns import SLICE_SECONDS, ReadTurns
from node.gateway.reading import AnsweredElsewhere
from node.runtime.config import RpcLimits
from node.runtime.pauses import pause_point

T = TypeVar("T")


class Interrupted(Exception):
    """A read is to begin anew."""


class Thread:
    """Reads in a thread, and again as often as it is interrupted."""

    interrupts: tuple[type[Exception], ...] = (Interrupted,)

    def __init__(self) -> None:
        self.executor = ThreadPoolExecutor(1)
        self.tasks = 0

    async def do(self, read: Callable[[], T]) -> T:
        self.tasks += 1
        return await asyncio.get_running_loop().run_in_executor(self.executor, self.again, read)

    def again(self, read: Callable[[], T]) -> T:
        while True:
            try:
                return read()
            except Interrupted:
                continue


def nothing() -> None:
    """Take no parameters."""


def method(name: str, answer: Callable[[], Any]) -> Method:
    return replace(described(name, nothing, ""), answer=lambda args: answer())


def dispatcher(*methods: Method, elsewhere: frozenset[str] = frozenset()) -> tuple[Dispatcher, Thread]:
    thread = Thread()
    table = {each.name: each for each in methods}
    return Dispatcher(table, RpcLimits(), time.monotonic, thread, elsewhere), thread


def body(*names: str) -> bytes:
    return orjson.dumps([{"jsonrpc": "2.0", "id": place, "method": name} for place, name in enumerate(names)])


async def results(made: Dispatcher, *names: str) -> list[Any]:
    reply = await made.handle(body(*names), Caller())
    answers = orjson.loads(reply.body or b"")
    assert [answer["id"] for answer in answers] == list(range(len(names)))
    return [answer.get("result", answer.get("error", {}).get("message")) for answer in answers]


async def test_an_interrupted_read_begins_anew() -> None:
    tries: list[str] = []

    def plain() -> str:
        tries.append("plain")
        if len(tries) == 1:
            raise Interrupted
        return "read"

    def long() -> str:
        tries.append("long")
        pause_point()  # In the thread there is nothing to pause for.
        if tries.count("long") == 1:
            raise Interrupted
        return "read long"

    made, _ = dispatcher(method("plain", plain), method("long", long))
    assert await results(made, "plain", "long") == ["read", "read long"]
    assert tries == ["plain", "plain", "long", "long"]


async def test_a_batch_is_handed_to_the_thread_slice_by_slice() -> None:
    def broken() -> None:
        raise ValueError

    made, thread = dispatcher(
        method("quick", lambda: 1), method("slow", lambda: time.sleep(2 * SLICE_SECONDS)), method("broken", broken)
    )
    names = [*["quick"] * 100, "no_such", "broken", *["quick"] * 100]
    found = await results(made, *names)
    assert found.count(1) == 200
    assert thread.tasks < 100
    before = thread.tasks
    await results(made, *["slow"] * 5)
    assert thread.tasks == before + 5


async def test_the_loop_turns_while_a_read_is_computed() -> None:
    turned = asyncio.Event()
    loop = asyncio.get_running_loop()

    def read() -> bool:
        asyncio.run_coroutine_threadsafe(_set(turned), loop).result(20)
        return turned.is_set()

    made, _ = dispatcher(method("read", read))
    assert await results(made, "read") == [True]
    assert await made.read("client", read)


async def _set(event: asyncio.Event) -> None:
    event.set()


async def test_what_is_answered_elsewhere_is_handed_on_whole_and_admitted_once() -> None:
    read: list[str] = []
    admitted: list[int] = []

    def here() -> None:
        read.append("here")

    def missing() -> None:
        raise AnsweredElsewhere

    def admit(calls: int) -> RpcFault | None:
        admitted.append(calls)
        return None

    made, _ = dispatcher(method("here", here), method("missing", missing), elsewhere=frozenset({"there"}))
    with pytest.raises(AnsweredElsewhere):
        await made.handle(body("here", "there"), Caller(), admit)
    assert (read, admitted) == ([], [2])
    with pytest.raises(AnsweredElsewhere):
        await made.handle(body("here", "missing"), Caller(), admit)
    assert (read, admitted) == (["here"], [2, 2])
    refused = await made.handle(body("there"), Caller(), lambda calls: RpcFault("RATE_LIMITED", "no"))
    assert b"RATE_LIMITED" in (refused.body or b"")
    assert await results(made, "here") == [None]  # the turn was given back


async def test_a_turn_beside_the_loop_ends_by_its_own_time() -> None:
    now = 0.0
    turns = ReadTurns(lambda: now, beside=True)
    await turns.begin("client")
    assert not turns.is_over()
    await asyncio.sleep(0)
    now = SLICE_SECONDS
    assert turns.is_over()
    now = 10 * SLICE_SECONDS
    assert turns.rest_s() == 0.0
    turns.end()
    await turns.begin("client")
    assert not turns.is_over()
    turns.end()
