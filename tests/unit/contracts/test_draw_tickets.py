"""Tickets of a draw against a list: same sums, same holder of each ticket, a cost that does not grow with them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts_py.campaign import draw_tickets
from contracts_py.campaign.draw_records import ENTRANTS, TICKETS
from contracts_py.campaign.draw_seed import WORD, commitment_of, number_below, seed_of
from tests.contract_harness import CHAIN, START, MemoryState, account_of
from vm.contract_api import Context, encode, sha256
from vm.errors import InvariantBroken
from vm.state_view import BlockOverlay

ACCOUNTS = [account_of(f"p{n}") for n in range(300)]


def context() -> Context:
    return Context(BlockOverlay(MemoryState()), CHAIN, 1, START, 10**12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 299), st.integers(1, 9), st.booleans()), max_size=250))
def test_tickets_are_as_a_list_has_them(changes: list[tuple[int, int, bool]]) -> None:
    ctx, held, order = context(), dict[int, int](), list[int]()
    for who, count, back in changes:
        if back and held.get(who):
            draw_tickets.change(ctx, "d1", order.index(who), -min(count, held[who]))
            held[who] -= min(count, held[who])
        else:
            assert draw_tickets.add(ctx, "d1", ACCOUNTS[who], count) == (
                order.index(who) if who in order else len(order)
            )
            if who not in order:
                order.append(who)
            held[who] = held.get(who, 0) + count
    assert draw_tickets.total(ctx, "d1") == sum(held.values())
    naive = [slot for slot, who in enumerate(order) for _ in range(held[who])]
    assert [draw_tickets.find(ctx, "d1", ticket) for ticket in range(len(naive))] == naive
    assert [ENTRANTS.at(ctx, "d1", place=slot) for slot in range(len(order))] == [ACCOUNTS[who] for who in order]
    assert [draw_tickets.tickets_of(ctx, "d1", slot) for slot in range(len(order))] == [held[w] for w in order]


@pytest.mark.parametrize(("slots", "level"), [(0, 0), (1, 0), (64, 0), (65, 1), (4_096, 1), (4_097, 2)])
def test_levels_grow_when_a_page_is_full(slots: int, level: int) -> None:
    ctx = context()
    for slot in range(slots):
        draw_tickets.add(ctx, "d1", account_of(f"x{slot}"), 1)
    assert draw_tickets.top_level(ctx, "d1") == level
    assert draw_tickets.total(ctx, "d1") == slots
    if slots:
        assert draw_tickets.find(ctx, "d1", slots - 1) == slots - 1
        assert draw_tickets.find(ctx, "d1", 0) == 0


def test_a_search_costs_its_depth() -> None:
    ctx = context()
    for slot in range(5_000):
        draw_tickets.add(ctx, "d1", account_of(f"x{slot}"), 1)
    before = ctx.cost
    draw_tickets.find(ctx, "d1", 4_321)
    assert ctx.cost - before < 120
    before = ctx.cost
    draw_tickets.add(ctx, "d1", account_of("x77"), 3)
    assert ctx.cost - before < 500


def test_a_ticket_that_is_none_is_a_broken_invariant() -> None:
    ctx = context()
    draw_tickets.add(ctx, "d1", ACCOUNTS[0], 2)
    with pytest.raises(InvariantBroken):
        draw_tickets.find(ctx, "d1", 2)
    TICKETS.put(ctx, (3,), "d1", 0, 0)
    assert draw_tickets.find(ctx, "d1", 2) == 0


def test_numbers_are_spread_evenly_and_rejected_beyond_the_last_multiple() -> None:
    seed = bytes(range(32))
    counts = [0] * 7
    for place in range(7_000):
        counts[number_below(seed, place, 7)] += 1
    assert all(880 < count < 1_120 for count in counts)  # 4 standard deviations of 29
    # Of totals just above half of all words almost every second word is rejected.
    total = WORD // 2 + 1
    assert all(number_below(seed, place, total) < total for place in range(200))
    tried = [number_below(seed, place, total) for place in range(200)]
    assert len(set(tried)) == 200
    assert number_below(seed, 0, 1) == 0


def test_a_word_beyond_the_last_multiple_is_not_used() -> None:
    seed, total = bytes(range(32)), WORD // 2 + 1

    def word(place: int, attempt: int) -> int:
        data = seed + place.to_bytes(8, "big") + attempt.to_bytes(4, "big")
        return int.from_bytes(sha256(data)[:8], "big")

    rejected = [place for place in range(50) if word(place, 0) >= total]
    assert len(rejected) > 10
    for place in rejected:
        first = next(word(place, attempt) for attempt in range(100) if word(place, attempt) < total)
        assert number_below(seed, place, total) == first


def test_the_seed_is_what_other_programs_compute() -> None:
    secrets = [("basil", "11" * 32), ("comet", "22" * 32)]
    told = ["c", "d", 7, b"\x05" * 32, [["basil", "11" * 32], ["comet", "22" * 32]]]
    seed = seed_of("c", "d", 7, b"\x05" * 32, secrets)
    assert seed == sha256(b"entente/draw/1\0" + encode(told))
    assert seed != seed_of("c", "d", 7, b"\x05" * 32, [("basil", "11" * 32), ("comet", "23" * 32)])
    commitment = commitment_of("c", "d", "basil", b"\x01" * 32)
    assert commitment == sha256(b"entente/draw-secret/1\0" + encode(["c", "d", "basil", b"\x01" * 32])).hex()
