"""Answers count while they are built, and what finds no room is given up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from node.gateway.answers import AnswerSender
from node.gateway.dispatch import Caller, Dispatcher
from node.gateway.errors import HttpRefusal
from node.gateway.limits import COUNT_ANSWER
from node.gateway.method_table import described
from node.gateway.shares import Shares
from node.runtime.config import RpcLimits

KIB = 1 << 10


def page() -> None:
    """Take no parameters."""


class Pages:
    """A dispatcher of one method that answers 40 KiB, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        method = replace(described("page", page, "a page"), answer=self.answer)
        self.dispatcher = Dispatcher({"page": method}, RpcLimits(), lambda: 0.0)

    def answer(self, arguments: Any) -> str:
        self.asked += 1
        return "x" * 40 * KIB

    async def ask(self, count: int) -> bytes | None:
        calls = [{"jsonrpc": "2.0", "id": 1, "method": "page"}] * count
        return (await self.dispatcher.handle(orjson.dumps(calls), Caller())).body


async def test_each_entry_counts_before_the_next_is_built() -> None:
    pages = Pages()
    counted: list[tuple[int, int]] = []
    COUNT_ANSWER.set(lambda count: counted.append((pages.asked, count)))
    body = await pages.ask(5)
    assert body is not None
    assert [asked for asked, _ in counted] == [1, 2, 3, 4, 5]
    assert sum(count for _, count in counted) == len(body) - 1


async def test_building_ends_where_there_is_no_room_and_others_are_answered() -> None:
    pages, shares = Pages(), Shares(400 * KIB)
    answers = AnswerSender(shares)
    hold = answers.begin("a")
    with pytest.raises(HttpRefusal) as refused:
        await pages.ask(100)
    assert (refused.value.status, refused.value.fault.data["reason"]) == (429, "RATE_LIMITED")
    assert pages.asked == 5, "200 KiB are half of the whole, and the fifth entry goes beyond it"
    assert (shares.held, answers.refused) == (hold.size, 1)
    answers.begin("b")
    assert len(await pages.ask(2) or b"") > 80 * KIB
    answers.release(hold)
    answers.begin("a")
    assert len(await pages.ask(3) or b"") > 120 * KIB
