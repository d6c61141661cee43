"""Ladders are defined within bounds, and defined anew without taking anything from a member overnight."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.tier.records import LADDER_OF, MAX_LADDERS, SWEEPS
from tests.contract_harness import account_of
from tests.support.tiers import DAY, METALS, TODAY, Club

ANN, BOB = account_of("ann"), account_of("bob")


def refused(club: Club, /, by: str = "aurora-marketer", **changes: Any) -> tuple[str, Any]:
    """Define a ladder in vain; return the code and the field of the refusal."""
    args = {"brand": "aurora", "metric": "points", "levels": METALS, "window_days": 30, "grace_days": 10, **changes}
    args = {name: value for name, value in args.items() if value is not None}
    receipt = club.chain.send_ops(by, [("tier.define", args)])
    assert receipt.error
    return receipt.error.code, (receipt.error.details or {}).get("field")


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"levels": []}, "INVALID_ARGS", "levels"),
        ({"levels": [METALS[0], METALS[0]]}, "INVALID_ARGS", "levels[1].name"),
        ({"levels": [METALS[1], METALS[0]]}, "INVALID_ARGS", "levels[1].threshold"),
        (
            {"levels": [METALS[0], {**METALS[1], "threshold": 300}, METALS[2]]},
            "INVALID_ARGS",
            "levels[2].threshold",
        ),
        ({"levels": [{**METALS[0], "threshold": -1}]}, "INVALID_ARGS", "levels[0].threshold"),
        ({"levels": [{**METALS[0], "benefits": ["x", "x"]}]}, "INVALID_ARGS", "levels[0].benefits"),
        ({"window_days": None}, "INVALID_ARGS", "window_days"),
        ({"window_days": 0}, "INVALID_ARGS", "window_days"),
        ({"window": "calendar_year", "window_days": 30}, "INVALID_ARGS", "window_days"),
        ({"events": ["visit"]}, "INVALID_ARGS", "events"),
        ({"metric": "karma"}, "INVALID_ARGS", "metric"),
        ({"window_days": 1_400, "grace_days": 65}, "LIMIT_EXCEEDED", None),
        ({"window_days": 1_400, "grace_days": 22, "soft_landing": True}, "LIMIT_EXCEEDED", None),
        ({"by": "aurora-issuer"}, "NOT_AUTHORISED", None),
        ({"brand": "moons"}, "NOT_FOUND", None),
    ],
)
def test_a_ladder_that_makes_no_sense_is_refused(changes: dict[str, Any], code: str, field: str | None) -> None:
    assert refused(Club(), **changes) == (code, field)


def test_a_ladder_may_reach_back_four_years_and_no_longer() -> None:
    club = Club()
    club.define(window_days=1_400, grace_days=64)
    assert refused(club, window_days=1_400, grace_days=65) == ("LIMIT_EXCEEDED", None)


def test_a_brand_has_so_many_ladders_and_no_more() -> None:
    club = Club()
    for number in range(MAX_LADDERS):
        club.define(ladder=f"ladder-{number}")
    assert refused(club, ladder="one-more") == ("LIMIT_EXCEEDED", None)
    club.define()  # without a name it is the first one, defined anew
    assert [one["revision"] for one in club.chain.view("tier_ladders", brand="aurora")] == [2] + [1] * 7


def test_a_suspended_brand_defines_nothing() -> None:
    club = Club()
    club.chain.suspend("aurora")
    assert refused(club) == ("SUSPENDED", None)


@pytest.mark.parametrize(
    "changes",
    [{"metric": "spend"}, {"window": "anniversary", "window_days": None}],
)
def test_what_a_ladder_counts_stays(changes: dict[str, Any]) -> None:
    club = Club()
    club.define()
    assert refused(club, **changes) == ("NOT_ELIGIBLE", None)


def test_which_events_a_ladder_counts_stays() -> None:
    club = Club()
    club.define(metric="spend", events=["booking", "purchase"])
    club.define(metric="spend", events=["purchase", "booking"])
    club.define(metric="spend")
    assert refused(club, metric="spend", events=["booking"]) == ("NOT_ELIGIBLE", None)


def test_terms_that_take_nothing_count_at_once_and_are_told_of() -> None:
    club = Club()
    club.define()
    club.add(ANN, 90)
    cheaper = [METALS[0], {**METALS[1], "threshold": 80}, METALS[2]]
    done = club.define(levels=cheaper)
    assert (done["from"], done["revision"]) == (club.chain.time, 2)
    assert club.level(ANN) == "silver"
    assert club.told() == []
    club.later(ms=1)
    assert club.told() == [("bronze", "silver")]


@pytest.mark.parametrize(
    "changes",
    [
        {"levels": [METALS[0], {**METALS[1], "threshold": 101}, METALS[2]]},
        {"levels": METALS[:2]},
        {"levels": [METALS[0], METALS[1], {**METALS[2], "benefits": ["lounge"]}]},
        {"window_days": 29},
        {"grace_days": 9},
        {"notice_days": 29},
        {"soft_landing": False},
    ],
)
def test_terms_that_take_something_wait_for_the_notice(changes: dict[str, Any]) -> None:
    club = Club()
    club.define(soft_landing=True)
    club.add(ANN, 300)
    done = club.define(**{"soft_landing": True, **changes})
    assert done["from"] == TODAY + 30 * DAY
    shown = club.chain.view("tier_ladder", brand="aurora")
    assert (shown["terms"]["from"], shown["waiting"]["from"]) == (0, TODAY + 30 * DAY)
    club.later(days=30)
    shown = club.chain.view("tier_ladder", brand="aurora")
    assert (shown["terms"]["from"], shown.get("waiting")) == (TODAY + 30 * DAY, None)


def test_before_there_are_members_any_terms_count_at_once() -> None:
    club = Club()
    club.define()
    assert club.define(levels=METALS[:1])["from"] == club.chain.time


def test_a_level_that_terms_take_away_runs_on_for_the_grace_of_the_old_ones() -> None:
    club = Club()
    club.define(window_days=365, notice_days=5)
    club.add(ANN, 120)
    dearer = [METALS[0], {**METALS[1], "threshold": 150}, METALS[2]]
    club.define(window_days=365, levels=dearer)
    assert club.status(ANN)["until"] == TODAY + 15 * DAY
    club.later(days=5)
    assert (club.level(ANN), club.status(ANN)["to_keep"]) == ("silver", 30)
    club.later(days=9)
    assert club.level(ANN) == "silver"
    club.later(days=1)
    assert club.level(ANN) == "bronze"
    assert club.told() == [("bronze", "silver"), ("silver", "bronze")]


def test_a_level_that_is_gone_is_replaced_by_the_nearest_below() -> None:
    club = Club()
    club.define(notice_days=0, grace_days=20)
    club.add(ANN, 300)
    club.define(grace_days=20, notice_days=0, levels=[METALS[0], METALS[1]])
    club.later(days=1)
    assert club.level(ANN) == "silver"
    assert club.told() == [("bronze", "gold"), ("gold", "silver")]


def test_what_waits_is_replaced_by_the_next_definition() -> None:
    club = Club()
    club.define()
    club.add(ANN, 300)
    club.define(window_days=5)
    club.define()
    shown = club.chain.view("tier_ladder", brand="aurora")
    assert (shown["revision"], shown.get("waiting")) == (3, None)


def test_former_terms_are_kept_as_long_as_their_days_count_and_four_at_most() -> None:
    club = Club()
    club.define(notice_days=0, grace_days=50)
    club.add(ANN, 300)
    for threshold in (301, 302, 303):
        club.define(levels=[METALS[0], {**METALS[2], "threshold": threshold}], grace_days=50, notice_days=0)
        club.later(days=1)
    more = [METALS[0], {**METALS[2], "threshold": 304}]
    assert refused(club, levels=more, grace_days=50, notice_days=0) == ("LIMIT_EXCEEDED", None)
    club.later(days=47)
    assert refused(club, levels=more, grace_days=50, notice_days=0) == ("LIMIT_EXCEEDED", None)
    club.later(days=1)
    club.define(levels=more, grace_days=50, notice_days=0)
    assert len(LADDER_OF.require(club.chain.state, "aurora", "main").terms) == 4


def test_a_walk_over_many_members_goes_on_in_steps_and_begins_anew() -> None:
    club = Club()
    club.define()
    members = [account_of(f"m{number}") for number in range(11)]
    for member in members:
        club.add(member, 90)
    cheaper = [METALS[0], {**METALS[1], "threshold": 80}, METALS[2]]
    club.define(levels=cheaper)
    club.later(ms=1)
    assert club.told() == [("bronze", "silver")] * 11
    club.define(levels=[METALS[0], {**METALS[1], "threshold": 70}, {**METALS[2], "threshold": 85}])
    club.chain.until(club.chain.time + 1, postponing=SWEEPS)
    club.define(levels=[METALS[0], {**METALS[1], "threshold": 60}, {**METALS[2], "threshold": 85}])
    club.later(ms=1)
    assert club.told() == [("silver", "gold")] * 11
    club.later(ms=3_600_000)
    assert club.told() == []


def test_the_default_ladder_is_the_first_one() -> None:
    club = Club()
    assert club.tiers.status_of(club.chain.context(), "aurora", ANN) is None
    club.define(ladder="first")
    club.define(ladder="main", levels=METALS[:1])
    club.add(ANN, 100)
    assert (club.status(ANN)["ladder"], club.level(ANN)) == ("first", "silver")
    assert club.level(ANN, ladder="main") == "bronze"


def test_a_changed_clock_of_the_brand_moves_ends_not_levels() -> None:
    club = Club()
    club.define(grace_days=0)
    club.add(ANN, 100)
    record_of = club.chain.view("identity_brand", brand="aurora")
    assert record_of["offsets"] == []
    club.send("aurora-admin", "identity.update_brand", brand="aurora", offsets=[{"from": 0, "minutes": -720}])
    assert club.status(ANN)["until"] == TODAY + 30 * DAY + DAY // 2
    club.later(ms=TODAY + 30 * DAY - club.chain.time)
    assert club.level(ANN) == "silver"
    club.later(ms=DAY // 2)
    assert club.told() == [("bronze", "silver"), ("silver", "bronze")]


def test_terms_bring_no_level_back_that_the_ones_before_have_let_go() -> None:
    club = Club()
    club.define(window_days=10, grace_days=0, notice_days=0)
    club.add(ANN, 100)
    club.later(days=12)
    plainer = [METALS[0], {**METALS[1], "benefits": []}, METALS[2]]
    club.define(window_days=10, grace_days=20, notice_days=0, levels=plainer)
    club.later(days=1)
    assert club.chain.view("tier_ladder", brand="aurora")["terms"]["grace_days"] == 20
    assert club.level(ANN) == "bronze"


def test_a_level_that_was_given_goes_on_where_terms_that_begin_meanwhile_find_it_reached() -> None:
    club = Club()
    club.define(grace_days=0, notice_days=0)
    club.add(ANN, 50)
    given = {"brand": "aurora", "member": ANN, "level": "silver", "until": TODAY + 2 * DAY, "reason": "sorry"}
    club.send("aurora-issuer", "tier.grant", **given)
    # Of these, silver costs less, but gold more: so they begin with the next day.
    club.define(
        levels=[METALS[0], {**METALS[1], "threshold": 50}, {**METALS[2], "threshold": 400}],
        grace_days=0,
        notice_days=0,
    )
    assert club.status(ANN)["until"] == TODAY + 30 * DAY
    club.later(days=2)
    assert (club.level(ANN), club.status(ANN)["until"]) == ("silver", TODAY + 30 * DAY)
    club.later(days=28)
    assert club.level(ANN) == "bronze"
