"""What clients make the gateway hold: shares, and who loses what."""

from __future__ import annotations

import asyncio

import pytest

from node.gateway import pace
from node.gateway.pace import Pace
from node.gateway.shares import SMALL_BYTES, Hold, Shares

MIB = 1 << 20


def hold(client: str, dropped: list[str] | None = None) -> Hold:
    made = Hold(client)
    if dropped is not None:
        made.drop = lambda: dropped.append(client)
    return made


def test_what_is_small_is_always_taken() -> None:
    shares = Shares(0)
    assert all(shares.grow(hold("a"), SMALL_BYTES) for _ in range(100))
    assert not shares.grow(hold("a"), SMALL_BYTES + 1)
    assert (shares.held, shares.counted) == (100 * SMALL_BYTES, 0)


def test_one_client_holds_half_at_most_and_each_next_half_of_the_rest() -> None:
    shares = Shares(16 * MIB)
    held = dict.fromkeys("abc", 0)
    for client in held:
        while shares.grow(hold(client), MIB):
            held[client] += 1
    assert held == {"a": 8, "b": 4, "c": 2}
    assert shares.counted <= 16 * MIB


def test_a_hold_counts_as_a_whole_once_it_is_large_and_not_at_all_afterwards() -> None:
    shares = Shares(MIB)
    mine = hold("a")
    assert shares.grow(mine, SMALL_BYTES)
    assert shares.counted == 0
    assert shares.grow(mine, 1)
    assert shares.counted == shares.held == SMALL_BYTES + 1
    assert not shares.grow(mine, MIB)
    assert shares.held == SMALL_BYTES + 1, "what is refused is not held"
    shares.release(mine)
    shares.release(mine)
    assert (shares.held, shares.counted, shares._held, shares._holds) == (0, 0, {}, {})


def test_the_largest_of_the_greediest_client_is_dropped_for_one_that_holds_less() -> None:
    shares = Shares(8 * MIB)
    dropped: list[str] = []
    small, large = hold("a", dropped), hold("a", dropped)
    assert shares.grow(small, MIB)
    assert shares.grow(large, 3 * MIB)
    assert shares.grow(hold("b", dropped), 2 * MIB)
    assert shares.grow(hold("c", dropped), 2 * MIB)
    assert (dropped, large.dropped, small.dropped) == (["a"], True, False)
    assert not shares.grow(large, 1), "what was dropped takes nothing more"
    shares.release(large)
    assert shares.counted == 5 * MIB


def test_nobody_loses_what_the_node_works_on_nor_to_one_that_would_hold_more() -> None:
    shares = Shares(8 * MIB)
    dropped: list[str] = []
    working = hold("a")
    assert shares.grow(working, 4 * MIB)
    assert not shares.grow(hold("b"), 3 * MIB)
    working.drop = lambda: dropped.append("a")
    assert not shares.grow(hold("b"), 4 * MIB)
    assert not shares.grow(hold("a"), MIB)
    assert dropped == []
    assert shares.grow(hold("b"), 3 * MIB)
    assert dropped == ["a"]


async def test_the_pace_ends_what_does_not_come_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "WINDOW_S", 0.0)

    async def transfer(*parts: int) -> str:
        async with Pace(1_000) as limit:
            for part in parts:
                limit.passed(part)
                for _ in range(3):
                    await asyncio.sleep(0)
            return "done"

    assert await transfer(SMALL_BYTES) == "done", "what is small has the whole time"
    with pytest.raises(TimeoutError):
        await transfer(SMALL_BYTES, 1, 1)


async def test_the_pace_moves_on_with_the_bytes_but_not_beyond_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = asyncio.get_running_loop().time()
    async with Pace(50) as limit:
        limit.passed(SMALL_BYTES + 1)
        first = limit._timeout.when()
        assert first is not None
        assert now + pace.WINDOW_S <= first < now + 50
        monkeypatch.setattr(pace, "WINDOW_S", 1_000.0)
        limit.passed(SMALL_BYTES + 1)
        assert limit._timeout.when() == limit._end
    limit.stop()  # too late, and harmless


async def test_a_transfer_that_is_stopped_ends() -> None:
    async def transfer() -> None:
        async with Pace(1_000) as limit:
            limit.stop()
            await asyncio.sleep(1_000)

    with pytest.raises(TimeoutError):
        await transfer()
