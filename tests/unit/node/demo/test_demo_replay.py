"""The replay and the comparison on a chain in memory with the real contracts."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from memory_chain import BRANDS, CHAIN, ManualClock, MemoryChain, key_of

from node.demo import courier as courier_module
from node.demo.accounts import FOREVER
from node.demo.brand_nodes import BrandNode
from node.demo.comparison import compare
from node.demo.courier import Counters, Courier, Watermark
from node.demo.data import Lines, load_lines
from node.demo.errors import NetworkFailed, ReplayFailed
from node.demo.lots import Member
from node.demo.operations import Author, address_of, by_member, record_op
from node.demo.plan import MS_PER_DAY, Plan, month_start
from node.demo.planner import make_plan
from node.demo.printed import print_statements
from node.demo.proof import Recomputed, recompute
from node.demo.replay import Replay
from node.demo.rules import PARTNERS
from node.demo.session import Prepared
from node.demo.treasury import Treasury
from vm import agenda
from vm.primitives.address import address_of_key

Rows = list[tuple[int, int, str, int, float]]
Write = Callable[[Rows], Path]

RATE = 86_400


def rows_of_a_year(seed: int, households: int = 25, baskets: int = 400) -> Rows:
    source = random.Random(seed)
    rows: Rows = []
    for basket in range(1, baskets + 1):
        household = source.randrange(1, households + 1)
        day = f"2017-{source.randrange(1, 13):02}-{source.randrange(1, 29):02}T{source.randrange(24):02}:30:00"
        for _ in range(source.randrange(1, 4)):
            rows.append((household, basket, day, source.randrange(1, 7), source.randrange(0, 9_000) / 100))
    return rows


@dataclass
class World:
    """A plan, the chain it is replayed on, and what must come of it."""

    lines: Lines
    plan: Plan
    expected: Recomputed
    clock: ManualClock
    chain: MemoryChain
    counters: Counters
    replay: Replay
    gateways: list[BrandNode]


@pytest.fixture
def make_world(write_data: Write, monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    monkeypatch.setattr(courier_module, "RETRY_S", 0)

    def make(rows: Rows, rate: int = RATE, sent: Rows | None = None) -> World:
        folder = write_data(rows)
        expected = recompute(folder, None, 1)
        lines = load_lines(write_data(sent or rows), None, 1)
        plan = make_plan(lines)
        clock = ManualClock(month_start(1) - 20 * MS_PER_DAY, rate)
        chain = MemoryChain(clock)
        counters = Counters()
        client: Any = chain
        gateways = [BrandNode(brand, client) for brand in BRANDS]
        couriers = []
        for gateway in gateways:
            key = key_of(gateway.brand)
            author = Author(CHAIN, address_of_key(key.public_key), key)
            couriers.append(Courier(gateway, author, clock, counters))
        replay = Replay(plan, couriers, clock, counters, clock.sleep)
        return World(lines, plan, expected, clock, chain, counters, replay, gateways)

    return make


async def live(world: World) -> None:
    await world.replay.open()
    await world.replay.run()
    await world.replay.close()


async def test_a_year_ends_as_recomputed(make_world: Callable[..., World]) -> None:
    world = make_world(rows_of_a_year(1))
    await live(world)
    comparison = await compare(world.gateways, world.expected, state_depth=0)
    assert [report.told for report in comparison.reports] == [[]] * 4
    assert comparison.agrees
    first = comparison.reports[0]
    assert first.compared["balances"] == len(world.plan.members)
    assert all(figures["issued"] > 0 and figures["redeemed"] > 0 for figures in first.chain)
    assert [figures["expired"] > 0 for figures in first.chain] == [True, True, True, False]
    payments = sum(len(world.expected.books.payments(month)) for month in range(2, 13))
    assert first.compared["payments"] == 11
    assert world.counters.unplanned == payments > 11
    planned = Prepared(Path(), None, 1, world.lines, world.plan).operations
    assert world.counters.operations == planned + payments
    assert world.counters.behind_ms == 0


async def test_printed_statements_agree_with_each_other_and_with_the_data(
    make_world: Callable[..., World], tmp_path: Path
) -> None:
    world = make_world(rows_of_a_year(1))
    await live(world)
    printed = await print_statements(world.gateways, tmp_path / "statements", world.expected.books)
    assert printed.told == []
    assert printed.statements > 30
    assert printed.lines > 20
    assert printed.shown is not None
    assert printed.shown.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert len(list((tmp_path / "statements").iterdir())) == 2 * printed.statements


async def test_a_year_in_which_nothing_is_owed_prints_nothing(
    make_world: Callable[..., World], tmp_path: Path
) -> None:
    world = make_world([(1, 1, "2017-03-01T10:00:00", 1, 30.0)])
    await live(world)
    assert (await compare(world.gateways, world.expected, state_depth=0)).agrees
    printed = await print_statements(world.gateways, tmp_path / "statements", world.expected.books)
    assert (printed.statements, printed.told, printed.shown) == (0, [], None)


async def test_a_rule_that_is_broken_is_found(make_world: Callable[..., World]) -> None:
    world = make_world(rows_of_a_year(8))
    await live(world)
    expected = world.expected
    expected.books.sums[5][0, 1] += 1
    hold = next(iter(expected.holds.values()))
    hold.status = "lost"
    account = next(account for account in expected.programs[3].accounts.values() if account.alive(14))
    account.row[FOREVER - 1], account.row[FOREVER] = account.row[FOREVER], account.row[FOREVER - 1]
    expected.treaty_given[0] += 1
    comparison = await compare(world.gateways, expected, state_depth=0)
    for report in comparison.reports:
        assert report.wrong == {"obligations": 1, "payments": 1, "holds": 1, "balances": 1, "treaties": 1}
        assert any("2017-05" in told for told in report.told)
    assert not comparison.agrees


async def test_points_are_back_before_they_are_spent_however_long_the_agenda_takes(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each block begins one item of the agenda and no more: what is due at a month's start takes many blocks.
    monkeypatch.setattr(agenda, "agenda_budget", lambda params: 1)
    monkeypatch.setattr(agenda, "POSTPONING", -1_000_000)
    world = make_world(rows_of_a_year(1), RATE // 4)
    assert any(deed.lapses for deed in world.plan.deeds)
    await live(world)
    assert (await compare(world.gateways, world.expected, state_depth=0)).agrees


async def test_a_purchase_that_is_recorded_late_is_dated_as_if_it_had_not_been(
    make_world: Callable[..., World],
) -> None:
    world = make_world([(1, 1, "2017-02-28T10:00:00", 1, 20.0)])
    await world.replay.open()
    world.clock.now = month_start(4) - MS_PER_DAY
    await world.replay._record(0, world.plan.purchases, Watermark())
    [lot] = (await world.gateways[0].call("token_balance", **holder(world, 0)))["lots"]
    assert lot["expires"] == month_start(6)


def holder(world: World, partner: int) -> dict[str, Any]:
    [member] = [member for member in world.plan.members if member.partner == partner]
    return {"program": PARTNERS[partner].program, "account": address_of(member)}


def test_a_members_purchases_stand_in_one_transaction_in_their_order(make_world: Callable[..., World]) -> None:
    rows = [
        (household, 10 * day + household, f"2017-01-{day:02}", 1, 5.0) for day in (2, 3) for household in range(9)
    ]
    purchases = make_world(rows).plan.purchases
    parts = by_member([(each.member, record_op(each)) for each in purchases] * 4)
    assert [len(part) for part in parts] == [48, 24]
    for part in parts:
        times: dict[str, list[int]] = {}
        for _, args in part:
            times.setdefault(args["member"], []).append(args["at"])
        assert all(theirs == sorted(theirs[:2]) * 4 for theirs in times.values())


async def test_payments_that_no_treasurer_confirms_are_found(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sleeps(self: Treasury, month: int) -> None:
        return None

    monkeypatch.setattr(Treasury, "settle", sleeps)
    world = make_world(rows_of_a_year(1))
    await live(world)
    comparison = await compare(world.gateways, world.expected, state_depth=0)
    assert comparison.reports[0].wrong == {
        "payments": sum(1 for m in range(2, 13) if world.expected.books.payments(m))
    }


async def test_another_pace_gives_the_same_result(make_world: Callable[..., World]) -> None:
    for rate in (RATE // 4, RATE * 2):
        world = make_world(rows_of_a_year(2), rate)
        await live(world)
        assert (await compare(world.gateways, world.expected, state_depth=0)).agrees


async def test_lost_answers_charge_nobody_twice(make_world: Callable[..., World]) -> None:
    world = make_world(rows_of_a_year(3, baskets=100))
    await world.replay.open()
    world.chain.lose_answers = 20
    await world.replay.run()
    await world.replay.close()
    assert world.counters.resent >= 20
    assert (await compare(world.gateways, world.expected, state_depth=0)).agrees


async def test_what_finds_no_room_in_its_block_is_sent_anew(make_world: Callable[..., World]) -> None:
    world = make_world(rows_of_a_year(3, baskets=100))
    await world.replay.open()
    world.chain.full_blocks = 5
    await world.replay.run()
    await world.replay.close()
    assert world.chain.full_blocks == 0
    assert world.counters.resent >= 5
    assert (await compare(world.gateways, world.expected, state_depth=0)).agrees


async def test_one_cent_that_matters_is_found(make_world: Callable[..., World]) -> None:
    rows = rows_of_a_year(4, baskets=60)
    rows.append((7, 9_999, "2017-11-20T10:00:00", 1, 20.99))
    sent = [*rows[:-1], (7, 9_999, "2017-11-20T10:00:00", 1, 21.00)]
    world = make_world(rows, sent=sent)
    await live(world)
    comparison = await compare(world.gateways, world.expected, state_depth=0)
    assert not comparison.agrees
    assert comparison.roots_agree
    for report in comparison.reports:
        assert report.wrong["balances"] == 1
        assert report.chain[0]["issued"] == report.recomputed[0]["issued"] + 1
        assert report.chain[1:] == report.recomputed[1:]
        assert any("household 7" in told for told in report.told)


async def test_a_validator_with_another_state_is_found(make_world: Callable[..., World]) -> None:
    world = make_world(rows_of_a_year(5, baskets=60))
    await live(world)

    class Liar:
        """Answers as the chain does, but for one balance and the state root."""

        async def call(self, method: str, **params: Any) -> Any:
            if method == "chain_certificate":
                return {"state_root": "00" * 32}
            return await world.chain.call(method, **params)

        async def batch(self, calls: Any) -> list[Any]:
            answers = await world.chain.batch(calls)
            for (_, params), answer in zip(calls, answers, strict=True):
                if params.get("account") == address_of(Member(2, world.expected.programs[2].members[0])):
                    answer["debt"] += 1
            return answers

    liar: Any = Liar()
    gateways = [*world.gateways[:3], BrandNode("dune", liar)]
    comparison = await compare(gateways, world.expected, state_depth=0)
    assert [report.agrees for report in comparison.reports] == [True, True, True, False]
    assert comparison.reports[3].wrong["balances"] == 1
    assert not comparison.reports[3].proved
    assert not comparison.roots_agree
    assert not comparison.agrees


async def test_an_unknown_programme_is_no_agreement(make_world: Callable[..., World]) -> None:
    world = make_world(rows_of_a_year(6, baskets=20))
    with pytest.raises(NetworkFailed, match="aurora-points"):
        await compare(world.gateways, world.expected, state_depth=0)


async def test_a_failed_operation_ends_the_replay_with_its_reason(make_world: Callable[..., World]) -> None:
    world = make_world(rows_of_a_year(7, baskets=20))
    await world.replay.open()
    with pytest.raises(ExceptionGroup) as caught:
        await world.replay.open()
    failures = caught.value.split(ReplayFailed)[0]
    assert failures is not None
    assert "ALREADY_EXISTS" in str(failures.exceptions[0])


async def test_a_step_that_comes_too_late_is_not_executed(make_world: Callable[..., World]) -> None:
    # 2 gives in February; the chain is in April before the issues of January are final.
    world = make_world([(2, 1, "2017-01-05T10:00:00", 1, 120.0), (3, 2, "2017-01-06T10:00:00", 1, 10.0)])
    await world.replay.open()
    world.clock.now = month_start(4) + MS_PER_DAY
    with pytest.raises(ExceptionGroup) as caught:
        await world.replay.run()
    assert "too slow" in str(_leaf(caught.value))


async def test_a_step_whose_transactions_expire_says_so(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world([(2, 1, "2017-01-05T10:00:00", 1, 120.0), (3, 2, "2017-01-06T10:00:00", 1, 10.0)])
    await world.replay.open()
    require_time = Replay._require_time

    def then_lag(self: Replay, phase: Any, partner: int) -> None:
        require_time(self, phase, partner)
        world.clock.now = phase.closes

    monkeypatch.setattr(Replay, "_require_time", then_lag)
    with pytest.raises(ExceptionGroup) as caught:
        await world.replay.run()
    assert "came too late" in str(_leaf(caught.value))


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
