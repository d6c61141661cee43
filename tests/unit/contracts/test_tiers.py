"""Levels are reached at the threshold, kept over the grace, and lost by time or what is taken back alone."""

from __future__ import annotations

import pytest

from tests.contract_harness import account_of, program_args
from tests.support.tiers import DAY, METALS, TODAY, Club

ANN, BOB = account_of("ann"), account_of("bob")


def test_a_level_is_reached_at_exactly_its_threshold() -> None:
    club = Club()
    levels = [
        {"name": "bronze", "threshold": 0},
        {"name": "silver", "threshold": 100_000},
        {"name": "gold", "threshold": 300_000},
    ]
    club.define(levels=levels)
    seen = []
    for points in (99_999, 1, 196_000, 3_999, 1):
        club.add(ANN, points)
        seen.append((club.level(ANN), club.status(ANN)["needed"]))
    assert seen == [("bronze", 1), ("silver", 200_000), ("silver", 4_000), ("silver", 1), ("gold", None)]
    assert club.told() == [("bronze", "silver"), ("silver", "gold")]


def test_what_is_asked_before_points_are_counted_is_the_level_before_them() -> None:
    club = Club()
    club.define()
    seen = []

    def record(ctx: object) -> None:
        for _ in range(2):
            seen.append(club.tiers.tier_of(ctx, "aurora", ANN))  # type: ignore[arg-type]
            club.tiers.add_points(ctx, "aurora", ANN, 100, club.chain.time)  # type: ignore[arg-type]

    club.act(record)
    assert seen == [("bronze", 0), ("silver", 1)]


def test_spending_and_expiry_leave_the_status_as_it_is() -> None:
    club = Club("aurora", "basil")
    club.define()
    short = {"kind": "days", "days": 5}
    club.send("aurora-admin", "token.create_program", **program_args("stars", "aurora", expiry=short))
    club.send("basil-admin", "token.create_program", **program_args("rays", "basil"))
    credit = {"currency": "EUR", "amount": 10**9}
    for one, other in (("aurora", "basil"), ("basil", "aurora")):
        club.send(
            f"{one}-admin", "identity.grant_role", brand=one, role="treasurer", account=account_of(f"{one}-t")
        )
        club.send(f"{one}-t", "clearing.set_credit_limit", creditor=one, debtor=other, **credit)
    terms = {"rate": [1, 1], "fee_bps": 0, "limits": {}, "valid_from": 0, "valid_to": TODAY + 99 * DAY}
    club.send("aurora-admin", "swap.propose", treaty="ab", from_program="stars", to_program="rays", **terms)
    club.send("basil-admin", "swap.accept", treaty="ab")
    club.add(ANN, 1_000)
    club.send("aurora-issuer", "token.issue", program="stars", to=ANN, amount=1_000)
    before = club.status(ANN)
    redeemed = {"from_": ANN, "amount": 400, "at_brand": "aurora", "ref": "r1"}
    club.send("ann", "token.redeem", ["ann", "aurora-cashier"], program="stars", **redeemed)
    club.send("ann", "swap.exchange", treaty="ab", amount=300, min_out=1)
    club.later(days=7)
    assert club.chain.view("token_balance", program="stars", account=ANN)["available"] == 0
    assert club.status(ANN) == before
    assert before["tier"] == "gold"


def test_points_taken_back_are_as_if_they_had_never_been_there() -> None:
    club = Club()
    club.define()
    club.add(ANN, 90)
    club.later(days=3)
    club.add(ANN, 250, at=TODAY)
    assert club.level(ANN) == "gold"
    club.take(ANN, 50, at=TODAY)
    assert (club.level(ANN), club.status(ANN)["points"]) == ("silver", 290)
    club.take(ANN, 1_000, at=TODAY + DAY)  # nothing was counted on that day
    assert club.status(ANN)["points"] == 290
    club.take(ANN, 1_000, at=TODAY)
    assert (club.level(ANN), club.status(ANN)["points"]) == ("bronze", 0)
    assert club.told() == [("bronze", "gold"), ("gold", "silver"), ("silver", "bronze")]


def test_a_level_ends_with_the_grace_after_the_last_window_that_reaches_it() -> None:
    club = Club()
    club.define()
    club.add(ANN, 250)
    club.later(days=2)
    club.add(ANN, 150)
    since = club.chain.time
    # On the 29th day after the first points they still count, and 10 days after that are grace.
    gold_ends = TODAY + 40 * DAY
    assert club.status(ANN) | {"given": 0} == {
        "brand": "aurora",
        "ladder": "main",
        "member": ANN,
        "tier": "gold",
        "rank": 2,
        "points": 400,
        "next": None,
        "needed": None,
        "to_keep": 0,
        "since": since,
        "until": gold_ends,
        "benefits": ["free-shipping", "lounge"],
        "given": 0,
    }
    club.later(ms=gold_ends - club.chain.time - 1)
    assert (club.level(ANN), club.status(ANN)["to_keep"]) == ("gold", 300)
    club.later(ms=1)
    status = club.status(ANN)
    assert (status["tier"], status["since"], status["until"]) == ("silver", gold_ends, TODAY + 42 * DAY)
    assert club.told() == [("bronze", "silver"), ("silver", "gold"), ("gold", "silver")]
    club.later(days=2)
    assert club.level(ANN) == "bronze"
    assert club.told() == [("silver", "bronze")]
    assert club.status(ANN)["until"] is None


def test_views_are_right_before_the_agenda_has_come_to_a_fall() -> None:
    from contracts_py.tier.records import LOOKS

    club = Club()
    club.define(grace_days=0)
    club.add(ANN, 400)
    club.chain.until(TODAY + 30 * DAY, postponing=LOOKS)
    status = club.status(ANN)
    assert (status["tier"], status["since"], status["points"]) == ("bronze", TODAY + 30 * DAY, 0)
    assert club.told() == [("bronze", "gold")]
    club.add(ANN, 400)  # what time has brought is told before what the points bring
    assert club.told() == [("gold", "bronze"), ("bronze", "gold")]
    club.later(ms=3_600_000)
    assert club.told() == []


def test_soft_landing_gives_one_level_at_a_time() -> None:
    club = Club()
    club.define(soft_landing=True)
    club.add(ANN, 400)
    levels = []
    for _ in range(6):
        club.later(days=10)
        levels.append(club.level(ANN))
    assert levels == ["gold", "gold", "gold", "silver", "bronze", "bronze"]
    assert club.told() == [("bronze", "gold"), ("gold", "silver"), ("silver", "bronze")]


def test_an_alarm_that_rings_early_is_set_anew() -> None:
    club = Club()
    club.define(grace_days=0)
    club.add(ANN, 300)
    club.later(days=20)
    club.add(ANN, 300)
    club.later(days=25)
    assert (club.level(ANN), club.status(ANN)["until"]) == ("gold", TODAY + 50 * DAY)
    club.later(days=5)
    assert club.level(ANN) == "bronze"
    assert club.told() == [("bronze", "gold"), ("gold", "bronze")]


def test_a_calendar_year_begins_with_the_brands_first_of_january() -> None:
    club = Club(offsets=[{"from": 0, "minutes": 60}])
    new_year = 1_704_067_200_000 - 3_600_000
    club.define(window="calendar_year", window_days=None, grace_days=0)
    club.add(ANN, 250)
    club.chain.until(new_year - 1)
    club.add(ANN, 60)
    assert (club.level(ANN), club.status(ANN)["until"]) == ("gold", new_year)
    club.later(ms=1)
    assert (club.level(ANN), club.status(ANN)["points"]) == ("bronze", 0)
    club.add(ANN, 40, at=new_year - 1)  # it counts for the year that is over, and for nothing else
    assert (club.level(ANN), club.status(ANN)["points"]) == ("bronze", 0)


def test_an_anniversary_is_that_of_the_day_of_enrolment() -> None:
    club = Club()
    member = club.send("aurora-issuer", "identity.enroll", brand="aurora", ref="ab" * 32)
    club.define(window="anniversary", window_days=None, grace_days=0)
    club.later(days=100)
    club.add(member, 120)
    joined = TODAY  # the day of enrolment; a leap year lies between this one and the next
    assert club.status(member)["until"] == joined + 366 * DAY
    club.add(ANN, 120)
    assert club.status(ANN)["until"] == joined + 466 * DAY  # not enrolled: since the first points


def test_a_day_of_29_february_has_its_anniversary_on_1_march() -> None:
    from contracts_py.calendar import days_from_civil
    from contracts_py.tier.windows import Window

    window = Window("anniversary", 366, days_from_civil(2024, 2, 29))
    assert window.last(days_from_civil(2024, 2, 29)) == days_from_civil(2025, 2, 28)
    assert window.first(days_from_civil(2025, 2, 28)) == days_from_civil(2024, 2, 29)
    assert window.first(days_from_civil(2025, 3, 1)) == days_from_civil(2025, 3, 1)


@pytest.mark.parametrize(
    ("metric", "points"),
    [("spend", 700), ("visits", 2), ("events", 3)],
)
def test_each_metric_counts_what_it_is_named_after(metric: str, points: int) -> None:
    club = Club()
    club.define(metric=metric, levels=METALS)
    for event, amount in (("purchase", 500), ("purchase", 200), ("purchase", -5)):
        if amount > 0:
            club.note(ANN, event, amount)
    club.later(days=1)
    club.note(ANN, "visit", 0)
    assert club.status(ANN)["points"] == points


def test_spend_counts_only_the_events_that_it_names() -> None:
    club = Club()
    club.define(metric="spend", events=["booking"])
    club.note(ANN, "purchase", 500)
    club.note(ANN, "booking", 99)
    assert club.status(ANN)["points"] == 99
    club.note(ANN, "booking", -99)
    assert club.status(ANN)["points"] == 99


def test_a_visit_is_a_day_and_goes_back_with_its_last_event() -> None:
    club = Club()
    club.define(metric="visits")
    club.note(ANN, "visit")
    club.note(ANN, "visit")
    club.take_note(ANN, "visit", whole=False)
    assert club.status(ANN)["points"] == 1
    club.take_note(ANN, "visit")
    assert club.status(ANN)["points"] == 1
    club.take_note(ANN, "visit")
    assert club.status(ANN)["points"] == 0


def test_part_of_an_amount_goes_back() -> None:
    club = Club()
    club.define(metric="spend")
    club.note(ANN, "purchase", 500)
    club.take_note(ANN, "purchase", 180, whole=False)
    assert club.status(ANN)["points"] == 320


def test_points_of_the_future_count_today_and_those_of_long_ago_not_at_all() -> None:
    club = Club()
    club.define()
    club.add(ANN, 100, at=TODAY + 5 * DAY)
    assert club.status(ANN)["until"] == TODAY + 40 * DAY
    club.add(BOB, 500, at=TODAY - 40 * DAY)
    assert (club.level(BOB), club.status(BOB)["points"]) == ("bronze", 0)
    club.add(BOB, 500, at=TODAY - 39 * DAY)  # the last day of grace of the last window
    assert (club.level(BOB), club.status(BOB)["points"]) == ("gold", 0)
    assert club.status(BOB)["until"] == TODAY + DAY


def test_a_ladder_without_a_level_at_0_begins_with_none() -> None:
    club = Club()
    club.define(levels=METALS[1:])
    assert club.tiers.tier_of(club.chain.context(), "aurora", ANN) == ("", 0)
    assert (club.status(ANN)["tier"], club.status(ANN)["next"], club.status(ANN)["rank"]) == (None, "silver", 0)
    club.add(ANN, 100)
    assert (club.level(ANN), club.status(ANN)["rank"]) == ("silver", 1)
    assert club.told() == [(None, "silver")]


def test_several_ladders_count_side_by_side_and_gates_ask_all() -> None:
    club = Club()
    club.define()
    club.define(ladder="vips", metric="spend", levels=[{"name": "vip", "threshold": 1_000, "benefits": ["valet"]}])
    club.add(ANN, 100)
    club.note(ANN, "purchase", 1_000)
    ctx = club.chain.context()
    status = club.tiers.status_of(ctx, "aurora", ANN)
    assert status is not None
    assert (status.name, status.rank, status.benefits) == ("silver", 1, ("free-shipping", "valet"))
    assert club.tiers.standing_in(ctx, "aurora", ANN, "vips").name == "vip"
    assert [club.tiers.grants(ctx, "aurora", ANN, name) for name in ("valet", "lounge")] == [True, False]
    gate = club.chain.view("tier_grants", brand="aurora", member=ANN, benefit="valet")
    assert gate == {"granted": True, "ladder": "vips", "tier": "vip", "until": TODAY + 40 * DAY}


def test_a_preview_shows_the_level_and_writes_nothing() -> None:
    club = Club()
    club.define()
    club.add(ANN, 90)
    ctx = club.chain.context()  # a view's, which cannot write
    previewed = club.tiers.preview(ctx, "aurora", ANN, 10, club.chain.time)
    assert previewed is not None
    assert (previewed.name, previewed.points) == ("silver", 100)
    assert club.level(ANN) == "bronze"


def test_a_brand_that_has_left_gives_no_benefits() -> None:
    from tests.support.persons import begin_exit

    club = Club("aurora", "basil")
    club.define()
    club.add(ANN, 100)
    begin_exit(club.chain, "aurora", club.chain.time + DAY, "basil")
    assert club.status(ANN)["benefits"] == ["free-shipping"]
    club.later(days=1)
    assert (club.level(ANN), club.status(ANN)["benefits"]) == ("silver", [])
    assert not club.tiers.grants(club.chain.context(), "aurora", ANN, "free-shipping")


def test_what_was_reached_before_a_pause_is_kept_over_the_grace_when_points_come_again() -> None:
    club = Club()
    club.define()
    club.add(ANN, 300)
    club.later(days=35)
    club.add(ANN, 10)
    status = club.status(ANN)
    assert (status["tier"], status["points"], status["until"]) == ("gold", 10, TODAY + 40 * DAY)


def test_a_level_that_ends_sooner_than_its_alarm_would_ring_is_told_of_in_time() -> None:
    club = Club()
    club.define()
    club.add(ANN, 300)
    club.take(ANN, 300)
    club.add(ANN, 100, at=TODAY - 20 * DAY)
    club.told()
    club.later(ms=TODAY + 20 * DAY - club.chain.time)
    assert club.told() == [("silver", "bronze")]
