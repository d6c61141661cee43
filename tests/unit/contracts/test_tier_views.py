"""What clients see: whose level is about to fall, a member's statuses, a ladder's members; in bounded pages."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from contracts_py.tier import TierChange, TierHooks, Tiers
from contracts_py.tier import statuses as room
from contracts_py.tier.records import LADDERS_OF_MEMBER, MAX_COUNTED, MAX_LADDERS_OF_MEMBER
from tests.contract_harness import account_of
from tests.support.tiers import DAY, TODAY, Club
from vm.contract_api import Context, Refused
from vm.params import BOUNDS, Params

ANN, BOB, EVE = account_of("ann"), account_of("bob"), account_of("eve")


def falling(club: Club, **args: Any) -> list[tuple[str, int]]:
    """Return (member, until) of all pages of `falling`, one or none on each."""
    found: list[tuple[str, int]] = []
    cursor: dict[str, Any] = {}
    while True:
        page = club.chain.view("tier_falling", brand="aurora", limit=1, **cursor, **args)
        found += [(item["member"], item["until"]) for item in page["items"]]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


def test_falling_names_those_whose_level_ends_in_a_time() -> None:
    club = Club()
    club.define(grace_days=0)
    for member in (ANN, BOB, EVE):
        club.add(member, 100)
        club.later(days=1)
    club.add(ANN, 100)  # its alarm still rings on the 30th day, and is passed over
    ends = {BOB: TODAY + 31 * DAY, EVE: TODAY + 32 * DAY, ANN: TODAY + 33 * DAY}
    assert dict(falling(club)) == ends
    assert falling(club, to=ends[EVE]) == [(BOB, ends[BOB])]
    assert falling(club, from_=ends[BOB] + 1, to=ends[ANN]) == [(EVE, ends[EVE])]
    (shown,) = club.chain.view("tier_falling", brand="aurora", to=ends[EVE])["items"]
    assert shown == {"member": BOB, "tier": "silver", "rank": 1, "until": ends[BOB], "to_keep": 0}


def test_a_page_of_falling_looks_at_so_many_alarms_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_LOOKED_AT", 1)
    club = Club()
    club.define(grace_days=0)
    for member in (ANN, BOB):
        club.add(member, 100)
    page = club.chain.view("tier_falling", brand="aurora", from_=TODAY + 99 * DAY)
    assert (page["items"], page["next"] is None) == ([], False)
    assert falling(club, from_=TODAY + 99 * DAY) == []


def test_statuses_and_members_are_listed_in_pages() -> None:
    club = Club("aurora", "basil")
    for brand in ("aurora", "basil"):
        club.define(brand)
        club.add(ANN, 100, brand=brand)
    club.add(BOB, 5)
    first = club.chain.view("tier_statuses", member=ANN, limit=1)
    second = club.chain.view("tier_statuses", member=ANN, limit=1, cursor=first["next"])
    assert [one["items"][0]["brand"] for one in (first, second)] == ["aurora", "basil"]
    assert second["next"] is None
    members = club.chain.view("tier_members", brand="aurora")["items"]
    assert [(one["member"], one["tier"]) for one in members] == sorted([(ANN, "silver"), (BOB, "bronze")])
    assert club.chain.view("tier_statuses", member=EVE)["items"] == []


def test_views_of_what_is_not_there_are_refused() -> None:
    club = Club()
    for view in ("status", "statuses", "falling", "members", "ladder"):
        args = {} if view == "statuses" else {"brand": "aurora"}
        if view in ("status", "statuses"):
            args["member"] = ANN
        if view == "statuses":
            assert club.chain.view("tier_statuses", **args)["items"] == []
            continue
        with pytest.raises(Refused, match="no ladder"):
            club.chain.view(f"tier_{view}", **args)
    club.define()
    with pytest.raises(Refused, match="no such ladder"):
        club.chain.view("tier_ladder", brand="aurora", ladder="vips")
    assert club.chain.view("tier_grants", brand="aurora", member=ANN, benefit="x")["granted"] is False


def test_what_a_standing_counts_is_bounded_and_a_note_never_fails() -> None:
    club = Club()
    club.define()
    club.add(ANN, MAX_COUNTED)
    with pytest.raises(Refused, match="more than a standing"):
        club.add(ANN, 1)
    with pytest.raises(Refused, match="points"):
        club.add(ANN, -1)
    club.define(ladder="spenders", metric="spend")
    club.note(ANN, "purchase", MAX_COUNTED)
    club.note(ANN, "purchase", 1)
    assert club.status(ANN, ladder="spenders")["points"] == MAX_COUNTED


def test_a_member_has_so_many_standings_and_no_more() -> None:
    club = Club()
    club.define()
    full = tuple(sorted(("aurora", f"ladder-{number}") for number in range(MAX_LADDERS_OF_MEMBER)))
    club.chain.govern(lambda ctx: LADDERS_OF_MEMBER.put(ctx, full, ANN))
    with pytest.raises(Refused, match="too many standings"):
        club.add(ANN, 1)


def test_points_need_a_ladder_that_counts_them() -> None:
    club = Club()
    club.define(metric="spend")
    with pytest.raises(Refused, match="counts points"):
        club.add(ANN, 1)
    club.take(ANN, 1)


def test_an_event_costs_the_same_after_a_year_of_idleness() -> None:
    club = Club()
    club.define()
    costs: list[int] = []

    def count(ctx: Context) -> None:
        before = ctx.cost
        club.tiers.add_points(ctx, "aurora", ANN, 1, ctx.time)
        costs.append(ctx.cost - before)

    club.act(count)
    for days in (1, 400, 1):
        club.later(days=days)
        club.act(count)
    assert max(costs[1:]) - min(costs[1:]) <= 1
    assert costs[1] < 400


def test_the_hook_is_told_what_the_event_tells_once_it_is_stored() -> None:
    club = Club()
    club.define()
    hooks = TierHooks()
    heard: list[tuple[TierChange, tuple[str, int]]] = []
    tiers = Tiers(club.tiers._authority, hooks)
    hooks.changed.wire(lambda ctx, change: heard.append((change, tiers.tier_of(ctx, change.brand, change.member))))
    club.act(lambda ctx: tiers.add_points(ctx, "aurora", ANN, 300, ctx.time))
    change = TierChange("aurora", "main", ANN, "bronze", "gold", 0, 2, club.chain.time, "points")
    assert heard == [(change, ("gold", 2))]


def test_many_levels_that_fall_at_once_are_told_of_over_several_blocks_in_the_order_of_addresses() -> None:
    least = Params(max_block_cost=BOUNDS["max_block_cost"][0], max_tx_cost=BOUNDS["max_tx_cost"][0])
    club = Club(params=least)
    club.define(grace_days=0)
    members = sorted(account_of(f"m{number}") for number in range(120))
    for member in members:
        club.add(member, 100)
    club.changes.clear()
    club.later(ms=TODAY + 30 * DAY - club.chain.time)
    assert {club.level(member) for member in (members[0], members[60], members[-1])} == {"bronze"}
    told = [len(club.changes)]
    while club.chain.view("tier_falling", brand="aurora")["next"] or len(club.changes) < len(members):
        club.later(ms=1)
        told.append(len(club.changes))
    assert 0 < told[0] < len(members)
    assert [change["member"] for change in club.changes] == members
    assert {change["at"] for change in club.changes} == {TODAY + 30 * DAY}


def test_the_largest_shopper_is_looked_at_within_the_least_budget_of_a_block() -> None:
    least = Params(max_block_cost=BOUNDS["max_block_cost"][0], max_tx_cost=BOUNDS["max_tx_cost"][0])
    club = Club(params=least)
    club.define(grace_days=0)
    names = [f"m{number}" for number in range(16)]
    for one, other in pairwise(names):
        club.send(one, "identity.link", [one, other], member=account_of(one), other=account_of(other))
    for name in names:
        club.add(account_of(name), 20)
    club.changes.clear()
    club.later(ms=TODAY + 30 * DAY - club.chain.time)
    for _ in names:
        club.later(ms=1)
    assert len(club.changes) == 16
    assert {change["cause"] for change in club.changes} == {"time"}
