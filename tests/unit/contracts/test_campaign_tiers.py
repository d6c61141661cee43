"""Campaigns and tiers: a purchase lifts a level in its record, spending leaves it, a return takes it back."""

from __future__ import annotations

from typing import Any

from tests.contract_harness import account_of
from tests.support.campaigns import DAY, TODAY, Shop

ANN = account_of("ann")
LEVELS = [
    {"name": "bronze", "threshold": 0},
    {"name": "silver", "threshold": 1_000},
    {"name": "gold", "threshold": 3_000, "benefits": ["lounge"]},
]


def shop_with(metric: str = "points", **changes: Any) -> Shop:
    """Return a shop with a ladder whose rule gives a point, and a point for the tier, per cent."""
    shop = Shop()
    ladder = {"brand": "aurora", "metric": metric, "levels": LEVELS, "window_days": 30, "grace_days": 5}
    shop.chain.send("aurora-marketer", "tier.define", **{**ladder, **changes})
    then = [{"issue": {"program": "miles", "amount": "event.amount"}}, {"tier_points": "event.amount"}]
    shop.create(then=then if metric == "points" else then[:1])
    return shop


def status(shop: Shop) -> tuple[str, int]:
    shown = shop.chain.view("tier_status", brand="aurora", member=ANN)
    return shown["tier"], shown["points"]


def test_redemption_and_exchange_leave_a_level_and_reverse_lowers_it_on_its_day() -> None:
    shop = shop_with()
    shop.record(2_000, ref="first")
    shop.chain.until(TODAY + 3 * DAY)
    shop.record(1_000, ref="second")
    assert status(shop) == ("gold", 3_000)
    spent = {"program": "miles", "from_": ANN, "amount": 3_000, "at_brand": "aurora", "ref": "till"}
    shop.chain.send("ann", "token.redeem", ["ann", "aurora-cashier"], **spent)
    assert status(shop) == ("gold", 3_000)
    shop.reverse("first", "back")
    assert status(shop) == ("silver", 1_000)
    shop.chain.until(TODAY + 33 * DAY)
    assert status(shop) == ("silver", 0)  # of the second purchase alone, over its grace
    shop.chain.until(TODAY + 38 * DAY)
    assert status(shop) == ("bronze", 0)


def test_the_rules_of_a_record_see_the_level_before_it() -> None:
    shop = shop_with()
    shop.create("lounge", when='member.tier == "silver"', then=[{"set_profile": {"seen": "true"}}], budget=None)
    fired = [shop.record(amount) for amount in (999, 1, 1)]
    assert fired == [["base"], ["base"], ["base", "lounge"]]


def test_spend_counts_what_is_kept() -> None:
    shop = shop_with("spend")
    shop.record(2_500, ref="first")
    shop.record(600, ref="second")
    assert status(shop) == ("gold", 3_100)
    shop.reverse("first", "back", keep={"amount": 500})
    assert status(shop) == ("silver", 1_100)
    shop.reverse("second", "all")
    assert status(shop) == ("bronze", 500)


def test_a_visit_stays_while_part_of_it_does() -> None:
    shop = shop_with("visits", levels=[{"name": "guest", "threshold": 0}, {"name": "regular", "threshold": 2}])
    shop.record(100, ref="first")
    shop.chain.until(TODAY + DAY)
    shop.record(100, ref="second")
    assert status(shop) == ("regular", 2)
    shop.reverse("second", "part", keep={"amount": 10})
    assert status(shop) == ("regular", 2)
    shop.reverse("second", "rest")
    assert status(shop) == ("guest", 1)
