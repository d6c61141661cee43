"""Turns to read: shared by time among clients, bounded per client, and never in the way of known outcomes."""

import asyncio
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.gateway import dispatch
from node.gateway.dispatch import Caller, Dispatcher
from node.gateway.errors import RpcFault
from node.gateway.method_table import described
from node.gateway.read_turns import LONGEST_REST_SECONDS, MAX_WAITING_PER_CLIENT, SLICE_SECONDS, ReadTurns
from node.runtime.config import RpcLimits
from node.runtime.pauses import pause_point
from vm.arguments import Slug


def nothing() -> None:
    """Take no parameters."""


class Readers:
    """Clients whose turns take given times; `log` has the names in the order of their turns."""

    def __init__(self):
        self.time = 0.0
        self.turns = ReadTurns(lambda: self.time)
        self.log = []

    async def read(self, client, seconds):
        await self.turns.begin(client)
        self.log.append(client)
        self.time += seconds
        self.turns.end()

    async def all(self, reads):
        await self.turns.begin("first")
        tasks = [asyncio.ensure_future(self.read(client, seconds)) for client, seconds in reads]
        await asyncio.sleep(0)
        self.turns.end()
        await asyncio.gather(*tasks)


async def test_a_client_with_one_read_waits_for_one_turn_of_another_client():
    readers = Readers()
    await readers.all([("greedy", 0.04)] * 100 + [("till", 0.001)])
    assert readers.log.index("till") == 1


async def test_costly_reads_use_up_a_share_sooner_than_cheap_ones():
    readers = Readers()
    await readers.all([("costly", 0.04)] * 10 + [("cheap", 0.001)] * 80)
    third = [place for place, name in enumerate(readers.log) if name == "costly"][2]
    assert 78 <= third - 2 <= 80  # two costly turns are worth 80 cheap ones


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(1, 50)), min_size=2, max_size=60))
def test_while_two_clients_wait_their_times_differ_by_at_most_a_turn_of_each(reads):
    readers = Readers()
    asyncio.run(readers.all([(client, cost / 1_000) for client, cost in reads]))
    assert sorted(readers.log) == sorted(client for client, _ in reads)
    costs = {name: [cost for client, cost in reads if client == name] for name in "abcde"}
    done = dict.fromkeys("abcde", 0)
    used = dict.fromkeys("abcde", 0)
    longest = max(cost for _, cost in reads)
    for name in readers.log:
        used[name] += costs[name][done[name]]
        done[name] += 1
        busy = [used[other] for other in "abcde" if done[other] < len(costs[other])]
        assert not busy or max(busy) - min(busy) <= 2 * longest


async def test_too_many_reads_of_one_client_are_refused_and_others_are_not():
    readers = Readers()
    await readers.turns.begin("greedy")
    waiting = [asyncio.ensure_future(readers.read("greedy", 0)) for _ in range(MAX_WAITING_PER_CLIENT)]
    await asyncio.sleep(0)
    with pytest.raises(RpcFault) as refused:
        await asyncio.wait_for(readers.turns.begin("greedy"), 10)
    assert refused.value.data["reason"] == "RATE_LIMITED"
    assert refused.value.data["retry_after_ms"] > 0
    other = asyncio.ensure_future(readers.read("till", 0))
    await asyncio.sleep(0)
    readers.turns.end()
    await asyncio.gather(*waiting, other)
    assert len(readers.log) == MAX_WAITING_PER_CLIENT + 1


async def test_a_batch_of_a_client_that_reads_too_much_is_refused_after_one_pause(monkeypatch):
    """Else a client that asks again at once has the node parse bodies and do nothing else."""
    monkeypatch.setattr(dispatch, "REFUSAL_SECONDS", 0.05)
    read = replace(described("read", nothing, "a word"), answer=lambda args: "read")
    dispatcher = Dispatcher({"read": read}, RpcLimits(), lambda: 0.0)
    greedy = Caller("greedy")
    one = {"jsonrpc": "2.0", "id": 1, "method": "read"}
    await dispatcher._turns.begin("greedy")
    waiting = [
        asyncio.ensure_future(dispatcher.handle(orjson.dumps(one), greedy)) for _ in range(MAX_WAITING_PER_CLIENT)
    ]
    await asyncio.sleep(0)
    clock = asyncio.get_running_loop().time
    began = clock()
    batch = [one] * 100 + [{**one, "method": "unknown"}]
    reply = await asyncio.wait_for(dispatcher.handle(orjson.dumps(batch), greedy), 100 * 0.05)
    assert clock() - began >= 0.05
    *refused, unknown = [answer["error"]["data"]["reason"] for answer in orjson.loads(reply.body)]
    assert refused == ["RATE_LIMITED"] * 100
    assert unknown == "METHOD_NOT_FOUND"
    dispatcher._turns.end()
    assert {orjson.loads(reply.body)["result"] for reply in await asyncio.gather(*waiting)} == {"read"}


async def test_reads_that_are_given_up_while_they_wait_leave_the_line():
    readers = Readers()
    await readers.turns.begin("a")
    tasks = [asyncio.ensure_future(readers.read(name, 0)) for name in "bcd"]
    await asyncio.sleep(0)
    tasks[0].cancel()
    readers.turns.end()  # c has the turn now, and is given up in the same moment
    tasks[1].cancel()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    assert readers.log == ["d"]


async def test_known_outcomes_do_not_wait_for_a_turn():
    async def written(calls, client):
        return ["done"] * len(calls)

    write = replace(described("write", nothing, "a word", writes=True), answer_all=written)
    read = replace(described("read", nothing, "a word"), answer=lambda args: "read")
    dispatcher = Dispatcher({"write": write, "read": read}, RpcLimits(), lambda: 0.0)
    till = Caller("till")
    await dispatcher._turns.begin("greedy")
    for method, expected in (("write", "done"), ("unknown", None)):
        body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method})
        reply = await asyncio.wait_for(dispatcher.handle(body, till), 10)
        assert orjson.loads(reply.body).get("result") == expected
    reading = asyncio.ensure_future(
        dispatcher.handle(orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "read"}), till)
    )
    for _ in range(5):
        await asyncio.sleep(0)
    assert not reading.done()
    dispatcher._turns.end()
    assert orjson.loads((await reading).body)["result"] == "read"


@pytest.mark.parametrize("calls", [1, 3])
async def test_a_client_has_one_request_half_done_at_a_time(calls):
    """What a request has made so far is held until it goes on; the client's other ones begin after it."""

    def long(name):
        for _ in range(3):
            log.append(name)
            time[0] += 0.006
            pause_point()
        return "done"

    async def ask(client, name):
        one = {"jsonrpc": "2.0", "id": 1, "method": "read", "params": {"name": f"read-{name}"}}
        return await dispatcher.handle(orjson.dumps([one] * calls), Caller(client))

    def named(name: Slug) -> None:
        """Read at length."""

    time, log = [0.0], []
    read = replace(described("read", named, "a word"), answer=lambda args: long(args["name"][-1]))
    dispatcher = Dispatcher({"read": read}, RpcLimits(), lambda: time[0])
    await asyncio.gather(*[ask("greedy", name) for name in "abc"], *[ask("till", name) for name in "de"])
    parts = 1 + 3  # It is found to be long, and then begun anew.
    assert [name for name in log if name in "abc"] == [name for name in "abc" for _ in range(parts * calls)]
    assert [name for name in log if name in "de"] == [name for name in "de" for _ in range(parts * calls)]
    assert log.index("d") <= 1


async def test_a_long_read_goes_on_where_too_many_others_wait_by_now():
    readers = Readers()
    await readers.turns.begin("greedy")
    waiting = [asyncio.ensure_future(readers.read("greedy", 0)) for _ in range(MAX_WAITING_PER_CLIENT)]
    await asyncio.sleep(0)
    await asyncio.wait_for(readers.turns.go_on("greedy"), 10)
    assert readers.log == []
    readers.turns.end()
    await asyncio.gather(*waiting)
    assert len(readers.log) == MAX_WAITING_PER_CLIENT


async def test_reads_rest_for_as_long_as_they_have_read():
    readers = Readers()
    await readers.turns.begin("greedy")
    assert not readers.turns.is_over()
    readers.time += 2 * SLICE_SECONDS
    assert readers.turns.is_over()
    assert readers.turns.rest_s() == pytest.approx(2 * SLICE_SECONDS)
    readers.time += 3_600.0  # The machine slept.
    assert readers.turns.rest_s() == LONGEST_REST_SECONDS
    readers.turns.end()
