"""What ends the gateway's process."""

from __future__ import annotations

import asyncio

import pytest

from network.tasks import VITAL
from node.gateway.dispatch import Caller
from node.gateway_process.child import _uncaught
from node.gateway_process.frames import Answer, Moved, Position, Welcome, framed
from node.gateway_process.node_link import NodeLink
from node.runtime.errors import NotReady
from node.store import Head

POSITION = Position(Head(0, b"d", b"s", b"r"), 1, 0)


@pytest.mark.parametrize("vital", [True, False])
async def test_only_what_is_vital_ends_the_process(vital: bool, caplog: pytest.LogCaptureFixture) -> None:
    link, failed = NodeLink(), asyncio.Event()
    context = {"message": "a task failed", "exception": ValueError("a fault"), VITAL: vital}
    _uncaught(link, failed, asyncio.get_running_loop(), context)
    assert (failed.is_set(), link.stopping.is_set()) == (vital, vital)
    assert "a fault" in caplog.text


async def test_no_block_is_missed_between_the_welcome_and_the_first_read() -> None:
    link = NodeLink()
    moves = [Moved(POSITION, {}), Moved(POSITION, None), Moved(POSITION, {"key": None})]
    link.stream.data_received(framed(Welcome(b"config", b"genesis", POSITION)) + b"".join(map(framed, moves[:2])))
    assert (await link.welcome).genesis == b"genesis"
    seen: list[Moved] = []
    link.follow(seen.append)
    link.stream.data_received(framed(moves[2]))
    assert seen == moves


async def test_those_who_wait_hear_that_the_node_has_gone() -> None:
    link = NodeLink()
    waiting = asyncio.create_task(link.call(b"body", Caller()))
    page = asyncio.create_task(link.page("health"))
    await asyncio.sleep(0)
    link.stream.data_received(framed(Answer(99, 200, b"of no one")))
    link.stream.connection_lost(None)
    status, reply = await waiting
    assert status == 503
    assert b"NOT_READY" in (reply.body or b"")
    with pytest.raises(NotReady):
        await page
    assert link.stopping.is_set()
    assert (await link.call(b"later", Caller()))[0] == 503
