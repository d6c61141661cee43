"""A challenge is reached by several events within its window, at partners too, and rewarded by its campaign."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.campaign.challenge_records import MAX_PER_EVENT, PROGRESS
from contracts_py.identity import Authority, Brands
from tests.contract_harness import account_of
from tests.support.campaigns import DAY, TODAY, Shop

ANN, BOB = account_of("ann"), account_of("bob")
VISITS = [{"event": "visit", "count": 3}, {"event": "visit", "count": 2, "brand": "basil"}]


def opened(steps: list[dict[str, Any]] | None = None, **terms: Any) -> Shop:
    """Return a shop whose campaign `tour` gives 100 miles for a challenge."""
    shop = Shop()
    reward = [{"issue": {"program": "miles", "amount": 100}}]
    shop.create("tour", event="challenge-tour", then=reward, ends=TODAY + 60 * DAY)
    challenge(shop, steps or VISITS, **terms)
    return shop


def challenge(shop: Shop, steps: list[dict[str, Any]], **terms: Any) -> Any:
    made = {"campaign": "tour", "steps": steps, "window_days": 31, **terms}
    both = ["aurora-marketer", "basil-marketer"]
    return shop.chain.send("aurora-marketer", "campaign.challenge", both, **made)


def visit(shop: Shop, brand: str = "aurora", member: str = ANN, **changes: Any) -> str:
    """Record a visit; return its ref."""
    args = shop.arguments(None, member, {"brand": brand, "event": "visit", **changes})
    shop.chain.send(f"{brand}-issuer", "campaign.record", **args)
    return str(args["ref"])


def have(shop: Shop, member: str = ANN) -> tuple[list[int], int]:
    """Return how much of each step counts, and how often the goal was reached."""
    (shown,) = shop.chain.view("campaign_progress", member=member, campaign="tour")["items"]
    return [step["have"] for step in shown["steps"]], shown["done"]


def test_five_visits_two_of_them_at_a_partner() -> None:
    shop = opened()
    for brand in ("aurora", "basil", "aurora", "aurora"):
        visit(shop, brand)
    assert (have(shop), shop.points()) == (([3, 1], 0), 0)
    visit(shop, "basil")
    told = [data for kind, data in shop.chain.events if kind == "campaign.challenge_done"]
    assert [(one["member"], one["round"]) for one in told] == [(ANN, 1)]
    assert (have(shop), shop.points()) == (([0, 0], 1), 100)
    for brand in ("aurora", "basil") * 3:
        visit(shop, brand)
    assert (have(shop), shop.points()) == (([0, 0], 1), 100)


@pytest.mark.parametrize(("repeat", "reached"), [(False, 1), (1, 1), (2, 2), (True, 4), (0, 4)])
def test_it_is_reached_as_often_as_it_says(repeat: bool | int, reached: int) -> None:
    shop = opened([{"event": "visit", "count": 2}], repeat=repeat)
    for _ in range(8):
        visit(shop)
    assert (have(shop)[1], shop.points()) == (reached, 100 * reached)


def test_only_what_happened_within_the_window_counts() -> None:
    shop = opened([{"event": "visit", "count": 2}], window_days=7)
    visit(shop)
    shop.chain.until(TODAY + 7 * DAY)
    assert have(shop) == ([0], 0)
    visit(shop)
    assert have(shop) == ([1], 0)
    shop.chain.until(TODAY + 13 * DAY)
    visit(shop)
    assert have(shop) == ([0], 1)


def test_a_step_counts_what_its_condition_says() -> None:
    shop = opened([{"event": "purchase", "count": 2, "when": "event.amount >= 500"}])
    for amount in (499, 500, None):
        shop.record(amount)
    assert have(shop) == ([1], 0)


def test_what_comes_back_no_longer_counts_unless_what_is_kept_still_fits() -> None:
    shop = opened([{"event": "purchase", "count": 3, "when": "event.amount >= 500"}])
    for ref in ("one", "two"):
        shop.record(900, ref=ref)
    shop.reverse("one", "back-1", keep={"amount": 600})
    assert have(shop) == ([2], 0)
    shop.reverse("one", "back-2", keep={"amount": 400})
    assert have(shop) == ([1], 0)
    shop.reverse("two", "back-3")
    assert have(shop) == ([0], 0)


def test_linked_addresses_come_closer_together() -> None:
    shop = opened([{"event": "visit", "count": 3}])
    visit(shop)
    visit(shop, member=BOB)
    shop.chain.send("ann", "identity.link", ["ann", "bob"], member=ANN, other=BOB)
    assert have(shop, BOB) == ([2], 0)
    visit(shop, member=BOB)
    assert [have(shop, one) for one in (ANN, BOB)] == [([0], 1)] * 2
    visit(shop)
    assert have(shop) == ([0], 1)  # once for the shopper, by whichever address


def test_what_happens_before_its_campaign_begins_or_while_it_is_paused_does_not_count() -> None:
    shop = opened([{"event": "visit", "count": 2}])
    visit(shop, at=TODAY - DAY)
    shop.marketing("campaign.pause", campaign="tour")
    visit(shop)
    shop.marketing("campaign.resume", campaign="tour")
    visit(shop)
    assert have(shop) == ([1], 0)


def test_a_reward_that_is_refused_is_tried_again_by_the_next_event() -> None:
    shop = opened([{"event": "visit", "count": 1, "brand": "basil"}])
    shop.chain.suspend("aurora")
    visit(shop, "basil")
    assert (have(shop), shop.points()) == (([1], 0), 0)
    shop.chain.govern(lambda ctx: Brands(Authority()).set_suspended(ctx, "aurora", False))
    visit(shop, "basil")
    assert (have(shop), shop.points()) == (([0], 1), 100)


def test_an_ended_challenge_counts_no_more_and_a_new_one_begins_anew() -> None:
    shop = opened([{"event": "visit", "count": 2}])
    visit(shop)
    shop.marketing("campaign.end_challenge", campaign="tour")
    visit(shop)
    assert shop.marketing_refused("campaign.end_challenge", campaign="tour") == "EXPIRED"
    challenge(shop, [{"event": "visit", "count": 2}])
    assert have(shop) == ([0], 0)
    visit(shop)
    assert have(shop) == ([1], 0)


def test_erasure_removes_progress() -> None:
    shop = opened()
    visit(shop)
    assert [one["campaign"] for one in shop.chain.view("campaign_progress", member=ANN)["items"]] == ["tour"]
    shop.chain.send("ann", "identity.erase", member=ANN)
    assert PROGRESS.get(shop.chain.state, "tour", ANN) is None
    assert shop.chain.view("campaign_progress", member=ANN)["items"] == []


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ([], "INVALID_ARGS"),
        ([{"event": "visit", "count": 0}], "INVALID_ARGS"),
        ([{"event": "challenge-x", "count": 1}], "INVALID_ARGS"),
        ([{"event": "visit", "count": 1, "when": "member.tier == 'gold'"}], "INVALID_ARGS"),
        ([{"event": "visit", "count": 1, "when": "event.amount +"}], "INVALID_ARGS"),
        ([{"event": "visit", "count": 1, "brand": "basil"}], "NOT_AUTHORISED"),
        ([{"event": "visit", "count": 1, "brand": "moons"}], "NOT_FOUND"),
    ],
)
def test_steps_that_make_no_sense_are_refused(steps: list[dict[str, Any]], code: str) -> None:
    shop = Shop()
    shop.create("tour", event="challenge")
    args = {"campaign": "tour", "steps": steps, "window_days": 9}
    assert shop.marketing_refused("campaign.challenge", **args) == code


def test_an_event_has_so_many_challenges_and_no_more() -> None:
    shop = Shop()
    args = {"steps": [{"event": "visit", "count": 1}], "window_days": 9}
    for number in range(MAX_PER_EVENT + 1):
        shop.create(f"c{number}", event="challenge")
    shop.create("other", event="purchase")
    for number in range(MAX_PER_EVENT):
        shop.marketing("campaign.challenge", campaign=f"c{number}", **args)
    assert shop.marketing_refused("campaign.challenge", campaign="c0", **args) == "ALREADY_EXISTS"
    assert shop.marketing_refused("campaign.challenge", campaign=f"c{MAX_PER_EVENT}", **args) == "LIMIT_EXCEEDED"
    assert shop.marketing_refused("campaign.challenge", campaign="other", **args) == "NOT_ELIGIBLE"
    assert len(shop.chain.view("campaign_challenges", brand="aurora")["items"]) == MAX_PER_EVENT
