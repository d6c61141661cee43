"""The dispatcher on a small table: JSON-RPC 2.0's own examples, batches, budgets and faults."""

import asyncio
import gc
import threading
from dataclasses import replace
from itertools import pairwise
from typing import Annotated

import orjson
import pytest

from node.gateway.dispatch import Caller, Dispatcher
from node.gateway.errors import RpcFault
from node.gateway.method_table import described
from node.gateway.read_turns import MAX_WAITING_PER_CLIENT
from node.runtime.config import RpcLimits
from node.runtime.errors import NotReady
from node.runtime.pauses import pause_point
from vm.arguments.rules import integer

Number = Annotated[int, integer(-1_000, 1_000)]


def subtract(minuend: Number, subtrahend: Number = 0) -> None:
    """Take one number from another."""


def nothing() -> None:
    """Take no parameters."""


class Table:
    """Methods that note what they are asked."""

    def __init__(self):
        self.log = []
        self.methods = {}
        self.read("subtract", subtract, lambda minuend, subtrahend=0: minuend - subtrahend)
        self.read("get_data", nothing, lambda: ["hello", 5])
        self.read("long", nothing, lambda: "x" * 100)
        self.read("broken", nothing, lambda: 1 / 0)
        self.read("busy", nothing, self.busy)
        self.read("huge", nothing, lambda: 2**60)
        self.read("float", nothing, lambda: {1: 2})
        for name in ("write", "second_write"):
            method = described(name, subtract, "numbers", writes=True)
            self.methods[name] = replace(method, answer_all=self.answer_all(name))

    def busy(self):
        raise NotReady("syncing")

    def read(self, name, function, answer):
        method = described(name, function, "a value")
        self.methods[name] = replace(method, answer=lambda args: self.noted(name, args, answer(**args)))

    def noted(self, name, args, value):
        self.log.append((name, args))
        return value

    def answer_all(self, name):
        async def answer(calls, client):
            self.log.append((name, calls))
            if any(call["minuend"] == 999 for call in calls):
                raise ZeroDivisionError("secret")
            faults = {13: RpcFault("POOL_FULL", "no")}
            return [faults.get(call["minuend"], call["minuend"]) for call in calls]

        return answer


@pytest.fixture
def table():
    return Table()


@pytest.fixture
def ask(table):
    async def ask(body, permissions=None, admit=lambda calls: None, now=lambda: 0.0, **limits):
        dispatcher = Dispatcher(table.methods, RpcLimits(**limits), now)
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        reply = await dispatcher.handle(data, permissions or Caller(), admit)
        return None if reply.body is None else orjson.loads(reply.body)

    return ask


def request(method, *params, id_=1):
    return {"jsonrpc": "2.0", "method": method, "params": list(params), "id": id_}


def result(value, id_=1):
    return {"jsonrpc": "2.0", "id": id_, "result": value}


def codes(answers):
    return [answer.get("error", {}).get("code") for answer in answers]


async def test_the_examples_of_the_specification(ask):
    assert await ask(request("subtract", 42, 23)) == result(19)
    assert await ask(request("subtract", 23, 42, id_=2)) == result(-19, 2)
    named = {"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}
    assert await ask(named) == result(19, 3)
    assert await ask({"jsonrpc": "2.0", "method": "subtract", "params": [1, 2]}) is None
    assert await ask({"jsonrpc": "2.0", "method": "foobar"}) is None
    error = await ask({"jsonrpc": "2.0", "method": "foobar", "id": "1"})
    assert (error["error"]["code"], error["id"]) == (-32601, "1")
    error = await ask(b'{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]')
    assert (error["error"]["code"], error["id"]) == (-32700, None)
    error = await ask({"jsonrpc": "2.0", "method": 1, "params": "bar"})
    assert (error["error"]["code"], error["id"]) == (-32600, None)
    assert (await ask(b"[]"))["error"]["code"] == -32600
    assert codes(await ask(b"[1]")) == [-32600]
    assert codes(await ask(b"[1,2,3]")) == [-32600] * 3
    batch = [
        request("subtract", 42, 23, id_="2"),
        {"jsonrpc": "2.0", "method": "get_data"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "get_data", "id": "9"},
    ]
    answers = await ask(batch)
    assert [answer["id"] for answer in answers] == ["2", None, "5", "9"]
    assert codes(answers) == [None, -32600, -32601, None]
    assert await ask([{"jsonrpc": "2.0", "method": "get_data"}] * 2) is None


@pytest.mark.parametrize("id_", [0, -1, 2**63, 1.5, "", "ü", 'a"b\\', "x" * 1_000, None])
async def test_ids_come_back_as_they_were(ask, id_):
    assert await ask(request("get_data", id_=id_)) == result(["hello", 5], id_)


async def test_an_id_that_is_null_wants_an_answer(ask):
    assert await ask(b'{"jsonrpc":"2.0","id":null,"method":"get_data"}') == result(["hello", 5], None)


async def test_writes_come_together_and_before_reads(ask, table):
    calls = [("get_data",), ("write", 1), ("second_write", 2), ("write", 13), ("subtract", 3), ("write", "x")]
    answers = await ask([request(name, *params, id_=i) for i, (name, *params) in enumerate(calls)])
    assert [name for name, _ in table.log] == ["write", "second_write", "get_data", "subtract"]
    assert table.log[0][1] == [{"minuend": 1, "subtrahend": 0}, {"minuend": 13, "subtrahend": 0}]
    assert codes(answers) == [None, None, None, -32003, None, -32602]
    assert [answer["id"] for answer in answers] == list(range(6))


async def test_notifications_that_write_are_done_and_those_that_read_are_not(ask, table):
    assert await ask([{"jsonrpc": "2.0", "method": "write", "params": [1]}]) is None
    assert await ask([{"jsonrpc": "2.0", "method": "get_data"}]) is None
    assert table.log == [("write", [{"minuend": 1, "subtrahend": 0}])]


async def test_one_fault_does_not_touch_the_others(ask, caplog):
    answers = await ask([request(name) for name in ("broken", "busy", "huge", "float", "get_data")])
    assert codes(answers) == [-32603, -32002, -32603, -32603, None]
    answers = await ask([request("write", 1), request("write", 999), request("second_write", 2)])
    assert codes(answers) == [-32603, -32603, None]
    assert "secret" not in str(answers)
    assert caplog.text.count("internal error") == 4


async def test_the_answer_has_a_budget(ask, table):
    answers = await ask([request("long", id_=i) for i in range(5)], max_response_bytes=300)
    assert codes(answers) == [None, None, -32005, -32005, -32005]
    assert len(table.log) == 3  # once the budget is gone, nothing is worked out any more
    assert answers[4]["error"]["data"] == {"reason": "RESPONSE_TOO_LARGE", "limit": 300}


async def test_a_limit_on_calls_refuses_all_of_them(ask, table):
    asked = []

    def admit(calls):
        asked.append(calls)
        return RpcFault("RATE_LIMITED", "too many")

    assert (await ask([request("write", 1)] * 3, admit=admit))["error"]["code"] == -32005
    assert (await ask(b"x", admit=admit))["error"]["code"] == -32005
    assert asked == [3, 1]
    assert table.log == []


async def test_permissions(ask):
    batch = [request("write", 1), request("get_data"), request("nothing")]
    assert codes(await ask(batch, Caller(reads=False, writes=True))) == [None, -32006, -32601]
    assert codes(await ask(batch, Caller(reads=True, writes=False))) == [-32006, None, -32601]


async def test_all_reads_together_take_one_slice_of_a_turn_of_the_loop(table):
    time = [0.0]

    def slow():
        time[0] += 0.002
        log.append(turn[0])

    turn, log = [0], []
    table.read("slow", nothing, slow)
    dispatcher = Dispatcher(table.methods, RpcLimits(), lambda: time[0])

    async def count_turns():
        while True:
            turn[0] += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    clients = [dispatcher.handle(orjson.dumps([request("slow")] * 5), Caller()) for _ in range(10)]
    replies = await asyncio.gather(*clients)
    counting.cancel()
    assert [len(orjson.loads(reply.body)) for reply in replies] == [5] * 10
    assert max(log.count(number) for number in log) <= 5  # a slice holds three of them; turns may meet half-way
    assert len(set(log)) >= 15


async def test_after_a_long_read_the_loop_turns_freely(table):
    time = [0.0]

    def long():
        time[0] += 0.055
        log.append(turn[0])

    turn, log = [0], []
    table.read("long", nothing, long)
    dispatcher = Dispatcher(table.methods, RpcLimits(), lambda: time[0])

    async def count_turns():
        while True:
            turn[0] += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    body = orjson.dumps([request("long")] * 2)
    await asyncio.gather(*[dispatcher.handle(body, Caller()) for _ in range(2)])
    counting.cancel()
    # Each rests for 50 ms of real time; a loop with nothing else to do turns a thousand times in it.
    assert min(b - a for a, b in pairwise(log)) > 20


async def test_a_request_that_is_given_up_lets_the_others_read(table):
    time = [0.0]

    def slow():
        time[0] += 0.006

    table.read("slow", nothing, slow)
    dispatcher = Dispatcher(table.methods, RpcLimits(), lambda: time[0])
    body = orjson.dumps([request("slow")] * 10)
    for turns in range(12):
        tasks = [asyncio.create_task(dispatcher.handle(body, Caller())) for _ in range(2)]
        for _ in range(turns):
            await asyncio.sleep(0)
        tasks[turns % 2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert await dispatcher.handle(orjson.dumps(request("get_data")), Caller())


async def test_a_long_read_that_is_given_up_while_it_waits_ends_nobody_elses_turn(table):
    """At whatever moment: whoever reads is the one whose turn it is."""

    def long(client):
        for _ in range(4):
            assert dispatcher._turns._serving == client
            time[0] += 0.006
            pause_point()
        return "done"

    async def ask(client):
        return await dispatcher.handle(orjson.dumps(request(f"long_{client}")), Caller(client))

    time = [0.0]
    for name in ("a", "b", "c"):
        table.methods[f"long_{name}"] = replace(table.methods["long"], answer=lambda args, name=name: long(name))
    for moment in range(40):
        dispatcher = Dispatcher(table.methods, RpcLimits(), lambda: time[0])
        tasks = [asyncio.create_task(ask(client)) for client in ("a", "b", "c")]
        for _ in range(moment):
            await asyncio.sleep(0)
        tasks[moment % 3].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        replies = [orjson.loads(reply.body) for reply in outcomes if not isinstance(reply, BaseException)]
        assert len(replies) >= 2
        assert [reply.get("result") for reply in replies] == ["done"] * len(replies)
        assert dispatcher._turns._serving is None
    for thread in [thread for thread in threading.enumerate() if thread.name == "long-read"]:
        thread.join(10)
        assert not thread.is_alive()


async def test_a_read_that_outlasts_its_slice_is_answered_in_slices_of_many_turns(table):
    time, turns, seen = [0.0], [0], []

    def long():
        for _ in range(20):
            time[0] += 0.003
            seen.append(turns[0])
            pause_point()
        return ["done"] * 100  # A list that long is rendered in parts.

    async def count_turns():
        while True:
            turns[0] += 1
            await asyncio.sleep(0)

    table.read("long", nothing, long)
    counting = asyncio.create_task(count_turns())
    dispatcher = Dispatcher(table.methods, RpcLimits(), lambda: time[0])
    reply = await dispatcher.handle(orjson.dumps(request("long")), Caller())
    counting.cancel()
    assert orjson.loads(reply.body)["result"] == ["done"] * 100
    assert max(seen.count(turn) for turn in seen) <= 4  # a slice, and the one in which it was found to be long
    assert dispatcher._here.long_reads == 0


async def test_a_long_read_beyond_those_on_their_way_is_refused(table, monkeypatch):
    monkeypatch.setattr("node.gateway.reading.MAX_LONG_READS", 2)

    def long():
        for _ in range(3):
            time[0] += 0.006
            pause_point()
        return "done"

    time = [0.0]
    table.read("long", nothing, long)
    dispatcher = Dispatcher(table.methods, RpcLimits(), lambda: time[0])
    body = orjson.dumps(request("long"))
    replies = await asyncio.gather(*[dispatcher.handle(body, Caller(client)) for client in "abc"])
    answers = [orjson.loads(reply.body) for reply in replies]
    assert [answer.get("result") for answer in answers] == ["done", "done", None]
    assert answers[2]["error"]["data"]["reason"] == "RATE_LIMITED"
    assert orjson.loads((await dispatcher.handle(body, Caller("c"))).body)["result"] == "done"


async def test_what_a_long_read_raises_is_what_the_client_is_told(table):
    def long():
        time[0] += 0.006
        pause_point()
        time[0] += 0.006
        pause_point()
        raise NotReady("syncing")

    time = [0.0]
    table.read("long", nothing, long)
    dispatcher = Dispatcher(table.methods, RpcLimits(), lambda: time[0])
    answer = orjson.loads((await dispatcher.handle(orjson.dumps(request("long")), Caller())).body)
    assert answer["error"]["data"]["reason"] == "NOT_READY"


@pytest.mark.parametrize("call", [request("unknown"), request("subtract", "x"), request("busy")])
async def test_a_refused_request_leaves_no_cycle_that_holds_it(ask, call):
    """A node collects cycles rarely: what a stranger sends must not wait for that."""
    body = orjson.dumps([{**call, "id": f"{number}"} for number in range(100)])
    await ask(body)
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        await ask(body)
        assert len(gc.get_objects()) - before < 50
    finally:
        gc.enable()


async def test_a_read_that_is_no_request_has_its_turn_and_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.gateway.dispatch.REFUSAL_SECONDS", 0.0)
    dispatcher = Dispatcher({}, RpcLimits(), lambda: 0.0)
    assert await dispatcher.read("ann", lambda: 7) == 7

    def fails() -> int:
        raise RpcFault("NOT_FOUND", "no such badge")

    with pytest.raises(RpcFault, match="no such badge"):
        await dispatcher.read("ann", fails)
    await dispatcher._turns.begin("bob")  # Another one reads, and so many of hers wait already.
    waiting = [asyncio.create_task(dispatcher.read("ann", lambda: 1)) for _ in range(MAX_WAITING_PER_CLIENT)]
    await asyncio.sleep(0)
    with pytest.raises(RpcFault, match="too many reads wait"):
        await dispatcher.read("ann", lambda: 2)
    dispatcher._turns.end()
    assert await asyncio.gather(*waiting) == [1] * MAX_WAITING_PER_CLIENT
