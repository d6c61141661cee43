"""Stacks, experiments with a control group, campaigns that several brands pay for, and replays."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from contracts_py.campaign import experiments
from contracts_py.campaign.records import Experiment, Variant
from tests.contract_harness import account_of
from tests.support.campaigns import ANN, BOB, DAY, TODAY, Shop
from vm.errors import Refused


def issue(amount: str | int) -> list[dict[str, Any]]:
    return [{"issue": {"program": "miles", "amount": amount}}]


# -- stacks ---------------------------------------------------------------------------------------


def grouped(order: str, most: int = 1) -> Shop:
    shop = Shop()
    shop.create("small", priority=9, group="aa", then=issue(1))
    shop.create("alone", priority=8, then=issue(1))
    shop.create("large", priority=7, group="bb", then=issue(50))
    shop.create("same", priority=6, group="bb", then=issue(60))
    shop.marketing("campaign.stack", brand="aurora", groups=["bb", "aa"], max_per_event=most, order=order)
    return shop


def test_a_stack_lets_so_many_fire_in_order_of_priority() -> None:
    shop = grouped("priority")
    shop.record(1)
    assert shop.outcomes() == {"small": "FIRED", "alone": "FIRED", "large": "STACK", "same": "STACK"}


def test_a_stack_by_best_lets_the_most_valuable_fire() -> None:
    shop = grouped("best")
    shop.record(1)
    assert shop.outcomes() == {"same": "FIRED", "alone": "FIRED", "large": "GROUP", "small": "STACK"}
    assert shop.points() == 61
    assert {name: line["outcome"] for name, line in shop.preview(1).items()} == shop.outcomes()


def test_a_stack_with_room_for_two() -> None:
    shop = grouped("best", 2)
    shop.record(1)
    assert shop.outcomes() == {"same": "FIRED", "alone": "FIRED", "large": "GROUP", "small": "FIRED"}


def test_without_groups_there_is_no_stack() -> None:
    shop = grouped("priority")
    shop.marketing("campaign.stack", brand="aurora", groups=[], max_per_event=1, order="best")
    shop.record(1)
    assert shop.outcomes() == {"small": "FIRED", "alone": "FIRED", "large": "FIRED", "same": "GROUP"}


# -- experiments ----------------------------------------------------------------------------------


def test_arms_are_where_their_widths_are() -> None:
    experiment = Experiment(1_000, (Variant("aa", 2_000, ()), Variant("bb", 3_000, ())))
    places = {
        0: "holdout",
        999: "holdout",
        1_000: "aa",
        2_999: "aa",
        3_000: "bb",
        5_999: "bb",
        6_000: "base",
        9_999: "base",
    }
    assert {place: experiments.arm_of(experiment, place) for place in places} == places


def test_a_place_is_the_hash_of_campaign_and_address() -> None:
    expected = int(hashlib.sha256(b"base\0" + ANN.encode()).hexdigest(), 16) % 10_000
    assert experiments.place_of("base", ANN) == expected


def test_the_control_group_gets_nothing_and_is_counted() -> None:
    shop = Shop()
    shop.create(starts=TODAY + DAY, then=issue(1), when="event.amount > 5")
    variants = [{"name": "double", "bps": 3_000, "then": issue(2)}]
    shop.marketing("campaign.experiment", campaign="base", variants=variants, holdout_bps=4_000)
    shop.later(1)
    expected = {"holdout": 0, "double": 0, "base": 0}
    for number in range(30):
        member = account_of(f"m{number}")
        place = experiments.place_of("base", member)
        arm = "holdout" if place < 4_000 else "double" if place < 7_000 else "base"
        expected[arm] += 1
        shop.record(10, member, ref=f"o{number}")
        assert shop.outcome() == ("HOLDOUT" if arm == "holdout" else "FIRED")
        assert shop.points(member) == {"holdout": 0, "double": 2, "base": 1}[arm]
        shop.record(3, member)
    assert min(expected.values()) > 3
    shown = {arm["arm"]: arm for arm in shop.chain.view("campaign_uplift", campaign="base")}
    assert {name: arm["members"] for name, arm in shown.items()} == expected
    assert {name: arm["spend"] for name, arm in shown.items()} == {n: 10 * c for n, c in expected.items()}
    assert shown["double"]["points"] == 2 * expected["double"]
    assert shown["holdout"]["points"] == 0
    assert [arm["bps"] for arm in shown.values()] == [4_000, 3_000, 3_000]


def test_linked_accounts_are_in_one_arm() -> None:
    shop = Shop()
    shop.create(starts=TODAY + DAY, then=issue(1))
    shop.marketing("campaign.experiment", campaign="base", variants=[], holdout_bps=5_000)
    names = [f"n{number}" for number in range(40)]
    held = next(n for n in names if experiments.place_of("base", account_of(n)) < 5_000)
    free = next(
        n
        for n in names
        if experiments.place_of("base", account_of(n)) >= 5_000 and account_of(n) > account_of(held)
    )
    shop.later(1)
    shop.record(1, account_of(free))
    assert shop.outcome() == "FIRED"
    shop.chain.send(held, "identity.link", [held, free], member=account_of(held), other=account_of(free))
    shop.record(1, account_of(free))
    assert shop.outcome() == "HOLDOUT"


@pytest.mark.parametrize(
    ("variants", "holdout", "code"),
    [
        ([{"name": "holdout", "bps": 1, "then": issue(1)}], 0, "INVALID_ARGS"),
        (
            [{"name": "aa", "bps": 1, "then": issue(1)}, {"name": "aa", "bps": 1, "then": issue(1)}],
            0,
            "INVALID_ARGS",
        ),
        ([{"name": "aa", "bps": 5_001, "then": issue(1)}], 5_000, "INVALID_ARGS"),
        ([{"name": "aa", "bps": 1, "then": [{"issue": {"program": "leaves", "amount": 1}}]}], 0, "NOT_AUTHORISED"),
    ],
)
def test_experiments_that_cannot_be(variants: list[Any], holdout: int, code: str) -> None:
    shop = Shop()
    shop.create(starts=TODAY + DAY)
    assert (
        shop.marketing_refused("campaign.experiment", campaign="base", variants=variants, holdout_bps=holdout)
        == code
    )


def test_arrangements_are_made_before_a_campaign_begins() -> None:
    shop = Shop()
    shop.create()
    args: dict[str, Any] = {"campaign": "base", "variants": [], "holdout_bps": 1}
    assert shop.marketing_refused("campaign.experiment", **args) == "NOT_ELIGIBLE"
    shares = [{"brand": "basil", "bps": 1}]
    signers = ["aurora-marketer", "basil-treasurer"]
    refused = shop.chain.refused("aurora-marketer", "campaign.fund", signers, campaign="base", shares=shares)
    assert refused == "NOT_ELIGIBLE"


# -- funding --------------------------------------------------------------------------------------


def funded(bps: int = 3_333) -> Shop:
    shop = Shop(price={"currency": "EUR", "num": 1, "den": 1})
    shop.create(starts=TODAY + DAY)
    shares = [{"brand": "basil", "bps": bps}]
    alone = shop.chain.refused("aurora-marketer", "campaign.fund", campaign="base", shares=shares)
    assert alone == "NOT_AUTHORISED", "who pays agrees"
    signers = ["aurora-marketer", "basil-treasurer"]
    shop.chain.send("aurora-marketer", "campaign.fund", signers, campaign="base", shares=shares)
    shop.later(1)
    return shop


def owed(shop: Shop) -> int:
    """Return what basil owes."""
    position: int = shop.chain.view("clearing_position", brand="basil", currency="EUR")["position"]
    return -position


def test_a_brand_that_pays_a_part_owes_it_as_points_are_issued() -> None:
    """However small the issues are: it owes the floor of its part of all, not the sum of floors."""
    shop = funded()
    for _ in range(30):
        shop.record(100)
    assert shop.points() == 30
    assert owed(shop) == 30 * 3_333 // 10_000


def test_what_comes_back_is_owed_no_longer() -> None:
    shop = funded()
    shop.record(10_000, ref="o1")
    shop.record(10_000, ref="o2")
    shop.reverse("o1", "r1", keep={"amount": 5_000})
    assert owed(shop) in (33 + 16, 33 + 17)
    shop.reverse("o1", "r2")
    shop.reverse("o2", "r3")
    assert owed(shop) == 0


def test_beyond_the_credit_of_who_pays_the_rule_is_skipped() -> None:
    shop = funded(10_000)
    shop.chain.send(
        "aurora-treasurer", "clearing.set_credit_limit", creditor="aurora", debtor="basil", currency="EUR", amount=5
    )
    assert shop.record(1_000) == []
    assert shop.outcome() == "CREDIT_LIMIT"
    assert shop.points() == 0
    assert owed(shop) == 0
    assert shop.record(500) == ["base"]


@pytest.mark.parametrize(
    "shares",
    [
        [{"brand": "aurora", "bps": 1}],
        [{"brand": "basil", "bps": 1}, {"brand": "basil", "bps": 1}],
    ],
)
def test_shares_that_cannot_be(shares: list[Any]) -> None:
    shop = Shop()
    shop.create(starts=TODAY + DAY)
    signers = ["aurora-marketer", "basil-treasurer"]
    refused = shop.chain.refused("aurora-marketer", "campaign.fund", signers, campaign="base", shares=shares)
    assert refused == "INVALID_ARGS"


# -- replays --------------------------------------------------------------------------------------


def replay(shop: Shop, **changes: Any) -> Any:
    args = {"campaign": "base", "from_": TODAY, "to": shop.chain.time + 1, **changes}
    return shop.chain.view("campaign_replay", **args)


def replay_all(shop: Shop, **changes: Any) -> dict[str, int]:
    """Return the sums over all pages."""
    totals: dict[str, int] = {}
    cursor: dict[str, Any] = {}
    for _ in range(100):
        page = replay(shop, **changes, **cursor)
        for name in ("records", "fires", "errors", "issued", "would_issue", "assumed"):
            totals[name] = totals.get(name, 0) + page[name]
        if "next" not in page:
            return totals
        cursor = {"cursor": page["next"]}
    raise AssertionError("the replay does not end")


def test_a_replay_of_the_same_rule_issues_what_was_issued() -> None:
    shop = Shop()
    shop.create(per_member={"count": 3, "window_days": 2}, when="member.profile.purchases < 4")
    for day in range(5):
        for number in range(3):
            shop.record(100 * number + 100, (ANN, BOB)[number % 2])
        shop.later(day)
    shop.reverse("order-1", "r1")
    shop.reverse("order-2", "r2", keep={"amount": 100})
    found = replay_all(shop)
    assert found["records"] == 14
    assert found["assumed"] == 0
    assert found["issued"] == shop.spent()
    assert replay_all(shop, limit=2, when="true")["records"] == 14


def test_a_replay_says_what_a_changed_rule_would_have_issued() -> None:
    shop = Shop(price={"currency": "EUR", "num": 2, "den": 1})
    shop.create()
    for amount in (100, 200, 300):
        shop.record(amount)
        shop.later(1)
    double = issue("event.amount / 50")
    found = replay(shop, then=double, when="event.amount >= 200")
    assert (found["issued"], found["would_issue"], found["fires"]) == (6, 10, 2)
    assert (found["liability"], found["currency"]) == (8, "EUR")
    assert shop.points() == 6, "nothing is written"
    assert replay_all(shop, then=double, limit=1)["would_issue"] == 12
    later = replay(shop, from_=TODAY + DAY, then=double)
    assert (later["records"], later["would_issue"]) == (2, 10)
    earlier = replay(shop, to=TODAY + DAY, then=double)
    assert (earlier["records"], earlier["would_issue"]) == (1, 2)


def test_a_replay_stays_within_the_budget_over_all_pages() -> None:
    shop = Shop()
    shop.create()
    for _ in range(5):
        shop.record(100)
    shop.marketing("campaign.update", campaign="base", budget={"program": "miles", "amount": 7})
    found = replay_all(shop, then=issue(3), limit=1)
    assert (found["would_issue"], found["issued"]) == (6, 5)


def test_a_replay_says_what_it_took_from_today_and_what_it_could_not_judge() -> None:
    shop = Shop()
    shop.create()
    shop.record(100)
    shop.record(attrs={"amount": 200, "colour": "red"})
    assert replay(shop, when='event.colour == "red"')["errors"] == 1
    assert replay(shop, when="member.profile.purchases >= 0")["assumed"] == 2


@pytest.mark.parametrize("cursor", ["x", "1.x.y", "99999999999999999.1.r", "1.2.\u00e9", "19676.0.nothing"])
def test_a_made_up_cursor_is_refused(cursor: str) -> None:
    shop = Shop()
    shop.create()
    shop.record(100)
    with pytest.raises(Refused, match="cursor"):
        replay(shop, cursor=cursor)


def test_a_cursor_before_all_records_finds_nothing() -> None:
    shop = Shop()
    shop.create()
    shop.record(100)
    assert replay(shop, cursor="1.2.")["records"] == 0
