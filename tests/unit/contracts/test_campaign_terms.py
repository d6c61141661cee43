"""Campaigns are created, changed with notice, paused, ended, and made by two people where the brand wants it."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.campaign.records import LISTED, LOADS
from tests.contract_harness import account_of
from tests.support.campaigns import DAY, TODAY, Shop
from vm.params import Params

DEAR = 'event.lines.exists(l, l.sku in ["a", "b"] && l.amount > 5)'
"""A condition that looks at every line of a basket."""


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"then": [{"issue": {"program": "leaves", "amount": 1}}]}, "NOT_AUTHORISED"),
        ({"then": [{"issue": {"program": "moons", "amount": 1}}]}, "NOT_FOUND"),
        ({"budget": None}, "INVALID_ARGS"),
        ({"budget": {"program": "leaves", "amount": 1}}, "NOT_AUTHORISED"),
        ({"when": "event.amount >"}, "INVALID_ARGS"),
        ({"when": "1 + 1"}, "INVALID_ARGS"),
        ({"when": "nobody.knows"}, "INVALID_ARGS"),
        ({"then": []}, "INVALID_ARGS"),
        ({"then": [{}]}, "INVALID_ARGS"),
        ({"then": [{"tier_points": 1, "evolve": {"collection": "badges"}}]}, "INVALID_ARGS"),
        ({"then": [{"evolve": {"collection": "badges"}}]}, "NOT_FOUND"),
        ({"then": [{"set_profile": {"purchases": 1}}]}, "INVALID_ARGS"),
        ({"then": [{"set_profile": {}}]}, "INVALID_ARGS"),
        (
            {"then": [{"voucher": {"kind": "coffee", "value": 1, "expires_days": 3, "starts_days": 3}}]},
            "INVALID_ARGS",
        ),
        ({"ends": TODAY}, "INVALID_ARGS"),
        ({"starts": TODAY - 9 * DAY, "ends": TODAY - 1}, "EXPIRED"),
        ({"campaign": "basil-summer"}, "NOT_AUTHORISED"),
        ({"when": " || ".join([DEAR] * 10)}, "LIMIT_EXCEEDED"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_created(changes: dict[str, Any], code: str) -> None:
    shop = Shop()
    assert shop.marketing_refused("campaign.create", **shop.terms(**changes)) == code


def test_a_wrong_rule_is_pointed_at() -> None:
    shop = Shop()
    args = shop.terms(when="event.amount >= 1 &&\n event.color = 3")
    receipt = shop.chain.send_ops(
        "aurora-marketer", [("campaign.create", args)], ["aurora-marketer", "aurora-issuer"]
    )
    assert receipt.error
    assert isinstance(receipt.error.details, dict)
    assert (receipt.error.details["field"], receipt.error.details["line"]) == ("when", 2)


def test_an_issuer_signs_for_what_issues_and_a_marketer_for_all() -> None:
    shop = Shop()
    assert shop.chain.refused("aurora-marketer", "campaign.create", **shop.terms()) == "NOT_AUTHORISED"
    assert shop.chain.refused("aurora-issuer", "campaign.create", **shop.terms()) == "NOT_AUTHORISED"
    profile = shop.terms(then=[{"set_profile": {"seen": 1}}], budget=None)
    shop.chain.send("aurora-marketer", "campaign.create", **profile)
    assert shop.marketing_refused("campaign.create", **profile) == "ALREADY_EXISTS"


def test_what_lowers_waits_for_the_programs_notice_and_what_gives_more_does_not() -> None:
    shop = Shop(notice_ms=5 * DAY)
    shop.create()
    more = shop.marketing("campaign.update", campaign="base", budget={"program": "miles", "amount": 2_000_000})
    assert more["from"] == shop.chain.time
    assert more["version"] == 2
    less = shop.marketing("campaign.update", campaign="base", then=[{"issue": {"program": "miles", "amount": 1}}])
    assert less == {"campaign": "base", "status": "active", "version": 3, "from": shop.chain.time + 5 * DAY}
    shop.record(500)
    assert shop.points() == 5
    shop.later(5)
    shop.record(500)
    assert shop.points() == 6
    assert shop.told["base"]["version"] == 3
    shown = shop.chain.view("campaign_campaign", campaign="base")
    assert shown["version"] == 3
    assert "announced" not in shown


def test_a_later_version_takes_the_place_of_the_announced_one_and_waits_anew() -> None:
    shop = Shop(notice_ms=5 * DAY)
    shop.create()
    shop.marketing("campaign.update", campaign="base", priority=-1)
    shop.later(3)
    again = shop.marketing("campaign.update", campaign="base", when="event.amount > 5")
    assert again["from"] == shop.chain.time + 5 * DAY
    announced = shop.chain.view("campaign_campaign", campaign="base")["announced"]
    assert (announced["terms"]["priority"], announced["terms"]["when"]) == (-1, "event.amount > 5")


def test_before_it_has_begun_nothing_waits() -> None:
    shop = Shop(notice_ms=5 * DAY)
    shop.create(starts=TODAY + DAY)
    assert shop.marketing("campaign.update", campaign="base", when="false")["from"] == shop.chain.time


@pytest.mark.parametrize(
    "changes",
    [
        {"ends": TODAY + 99 * DAY},
        {"budget": {"program": "miles", "amount": 999_999}},
        {"per_member": {"count": 3, "window_days": 8}},
        {"per_member": {"count": 2, "window_days": 7}},
        {"per_member": {"count": 9}},
        {"group": "one"},
        {"priority": 4},
        {"when": "false"},
    ],
)
def test_what_may_lower_waits(changes: dict[str, Any]) -> None:
    shop = Shop(notice_ms=DAY)
    shop.create(per_member={"count": 3, "window_days": 7})
    assert shop.marketing("campaign.update", campaign="base", **changes)["from"] == shop.chain.time + DAY


@pytest.mark.parametrize(
    "changes",
    [
        {"ends": TODAY + 101 * DAY},
        {"starts": TODAY - DAY},
        {"per_member": {"count": 4, "window_days": 7}},
        {"per_member": {"count": 3, "window_days": 6}},
    ],
)
def test_what_gives_more_does_not_wait(changes: dict[str, Any]) -> None:
    shop = Shop(notice_ms=DAY)
    shop.create(per_member={"count": 3, "window_days": 7})
    assert shop.marketing("campaign.update", campaign="base", **changes)["from"] == shop.chain.time


def test_pause_and_resume_act_at_once() -> None:
    shop = Shop()
    shop.create()
    shop.marketing("campaign.pause", campaign="base")
    assert shop.marketing_refused("campaign.pause", campaign="base") == "NOT_ELIGIBLE"
    assert shop.record(100) == []
    assert shop.outcome() == "PAUSED"
    shop.marketing("campaign.resume", campaign="base")
    assert shop.record(100) == ["base"]


def test_a_campaign_ends_after_notice_and_stays_to_be_seen() -> None:
    shop = Shop(notice_ms=DAY)
    shop.create()
    assert shop.marketing("campaign.end", campaign="base")["status"] == "active"
    assert shop.record(100) == ["base"]
    shop.later(1)
    assert shop.record(100) == []
    assert shop.outcome() == "ENDED"
    assert shop.marketing_refused("campaign.update", campaign="base", priority=1) == "EXPIRED"
    (shown,) = shop.chain.view("campaign_campaigns", brand="aurora")["items"]
    assert shown["status"] == "ended"


def test_a_campaign_that_was_ended_before_it_began_never_begins() -> None:
    shop = Shop()
    shop.create(starts=TODAY + DAY)
    assert shop.marketing("campaign.end", campaign="base")["status"] == "ended"
    shop.later(2)
    assert shop.record(100) == []


def test_what_is_over_leaves_the_event_when_nothing_can_be_recorded_for_it_any_more() -> None:
    shop = Shop(params=Params(max_backdate_ms=5 * DAY))
    shop.create(ends=TODAY + 2 * DAY)
    shop.create("longer", ends=TODAY + 2 * DAY)
    shop.marketing("campaign.update", campaign="longer", ends=TODAY + 9 * DAY)

    def listed() -> list[str]:
        return list(LISTED.iterate(shop.chain.state, "aurora", "purchase"))

    shop.later(6)
    assert listed() == ["base", "longer"]
    assert shop.record(100, at=TODAY + 2 * DAY - 1) == ["base", "longer"]
    shop.later(1)
    assert listed() == ["longer"]
    load = LOADS.get(shop.chain.state, "aurora", "purchase")
    assert load is not None
    assert load.campaigns == 1
    shop.later(8)
    assert listed() == []
    assert LOADS.get(shop.chain.state, "aurora", "purchase").units == 0  # type: ignore[union-attr]


def test_the_load_of_an_event_is_that_of_its_campaigns_whatever_became_of_them() -> None:
    shop = Shop(notice_ms=DAY)

    def load() -> int:
        found = LOADS.get(shop.chain.state, "aurora", "purchase")
        assert found is not None
        return found.units

    shop.create()
    alone = load()
    shop.marketing("campaign.update", campaign="base", when=DEAR)
    both = load()
    assert both > 2 * alone
    shop.later(1)
    shop.marketing("campaign.pause", campaign="base")
    assert load() == both - alone, "the version that is no longer in force costs nothing"
    shop.marketing("campaign.update", campaign="base", when="true")
    shop.marketing("campaign.update", campaign="base", when="1 == 1")
    assert load() <= both, "the announced version that was replaced costs nothing"
    shop.create("tested", starts=TODAY + 9 * DAY)
    before = load()
    variant = {"name": "dear", "bps": 1, "then": [{"tier_points": "sum(event.lines.map(l, l.amount))"}]}
    shop.marketing("campaign.experiment", campaign="tested", variants=[variant], holdout_bps=0)
    assert load() > before


def test_the_rules_of_one_event_fit_into_one_record() -> None:
    shop = Shop()
    made = 0
    while made < 100:
        args = shop.terms(campaign=f"c{made}", when=" || ".join([DEAR] * 3))
        receipt = shop.chain.send_ops(
            "aurora-marketer", [("campaign.create", args)], ["aurora-marketer", "aurora-issuer"]
        )
        if receipt.status == "failed":
            assert receipt.error
            assert receipt.error.code == "LIMIT_EXCEEDED"
            break
        made += 1
    assert made > 10
    assert shop.marketing_refused("campaign.create", **args) == "LIMIT_EXCEEDED"
    # At worst is not beyond what a transaction may use.
    assert shop.record(attrs={"lines": [{"sku": "x", "amount": 1}] * 240, "amount": 1}) == []


def test_two_people_where_the_brand_wants_it() -> None:
    shop = Shop()
    chain = shop.chain
    assert (
        chain.refused("aurora-marketer", "campaign.set_approval", brand="aurora", required=True) == "NOT_AUTHORISED"
    )
    chain.send("aurora-admin", "campaign.set_approval", brand="aurora", required=True)
    assert shop.marketing_refused("campaign.create", **shop.terms()) == "NOT_AUTHORISED"
    chain.send("aurora-marketer", "campaign.propose", **shop.terms())
    both = ["aurora-issuer", "aurora-marketer"]
    assert chain.refused("aurora-marketer", "campaign.approve", both, campaign="base") == "NOT_AUTHORISED"
    other = "aurora-second"

    chain.send("aurora-admin", "identity.grant_role", brand="aurora", role="marketer", account=account_of(other))
    assert chain.refused(other, "campaign.approve", campaign="base") == "NOT_AUTHORISED"
    chain.send(other, "campaign.approve", [other, "aurora-issuer"], campaign="base")
    assert shop.record(100) == ["base"]
    assert shop.marketing_refused("campaign.update", campaign="base", priority=3) == "NOT_AUTHORISED"
    answer = chain.send("aurora-marketer", "campaign.propose", **shop.terms(when="event.amount > 500"))
    assert answer == {"campaign": "base", "base": 1}
    done = chain.send(other, "campaign.approve", [other, "aurora-issuer"], campaign="base")
    assert done["version"] == 2
    assert shop.record(100) == []
    chain.send("aurora-admin", "campaign.set_approval", brand="aurora", required=False)
    shop.marketing("campaign.update", campaign="base", priority=3)


def test_nothing_is_approved_that_was_proposed_for_another_version() -> None:
    shop = Shop()

    shop.chain.send(
        "aurora-admin", "identity.grant_role", brand="aurora", role="marketer", account=account_of("second")
    )
    shop.create()
    shop.chain.send("aurora-marketer", "campaign.propose", **shop.terms(when="event.amount > 500"))
    shop.marketing("campaign.update", campaign="base", priority=3)
    assert (
        shop.chain.refused("second", "campaign.approve", ["second", "aurora-issuer"], campaign="base") == "CHANGED"
    )
