"""A record runs the brand's rules: in order, on the facts before it, and stands whatever they do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract_harness import account_of
from tests.support.campaigns import ANN, BOB, CAT, DAY, TODAY, Shop
from vm.params import Params


def issue(amount: str | int, **more: Any) -> dict[str, Any]:
    return {"issue": {"program": "miles", "amount": amount, **more}}


def test_a_rule_that_holds_issues_and_the_receipt_says_what() -> None:
    shop = Shop()
    shop.create(when="event.amount >= 1000")
    assert shop.record(2_550) == ["base"]
    assert shop.points() == 25
    assert shop.spent() == 25
    assert shop.told["base"]["gave"] == [{"issue": {"program": "miles", "amount": 25}}]
    assert shop.record(999) == []
    assert shop.outcome() == "CONDITION"


def test_a_reference_is_recorded_once_for_each_event() -> None:
    shop = Shop()
    shop.create()
    shop.record(100, ref="o")
    assert shop.record_refused(100, ref="o") == "DUPLICATE_REF"
    shop.record(None, ref="o", event="visit")
    assert shop.points() == 1


def test_only_an_issuer_records() -> None:
    shop = Shop()
    args = shop.arguments(100, ANN, {})
    assert shop.chain.refused("aurora-cashier", "campaign.record", **args) == "NOT_AUTHORISED"


def test_what_is_recorded_has_happened_lately() -> None:
    shop = Shop(params=Params(max_backdate_ms=2 * DAY))
    now = shop.chain.time + 200  # of the next block
    assert shop.record_refused(1, at=now + 1) == "INVALID_ARGS"
    assert shop.record_refused(1, at=now + 200 - 2 * DAY - 1) == "EXPIRED"
    shop.record(1, at=shop.chain.time + 200 - 2 * DAY)
    shop.record(1, at=shop.chain.time + 200)


def lots(shop: Shop) -> list[int | None]:
    shown = shop.chain.view("token_balance", program="miles", account=ANN)["lots"]
    return [lot["expires"] for lot in shown]


@pytest.mark.parametrize(
    ("expiry", "effect"),
    [({"kind": "days", "days": 9}, {}), ({"kind": "none"}, {"expires_days": 9})],
    ids=["program", "effect"],
)
def test_points_last_from_what_they_are_for_however_late_it_is_recorded(
    expiry: dict[str, Any], effect: dict[str, Any]
) -> None:
    shop = Shop(expiry=expiry)
    shop.create(then=[issue(5, **effect)], starts=TODAY - 20 * DAY)
    shop.record(100, at=TODAY - 6 * DAY)
    assert lots(shop) == [TODAY + 3 * DAY]
    assert shop.record(100, at=TODAY - 9 * DAY) == []
    assert shop.outcome() == "EXPIRED"
    assert shop.points() == 5


def test_the_months_of_points_are_counted_from_what_they_are_for() -> None:
    shop = Shop(expiry={"kind": "month_end", "months": 0})
    shop.create(starts=TODAY - 20 * DAY)
    shop.record(100)
    assert lots(shop) == [TODAY + 16 * DAY]
    assert shop.record(100, at=TODAY - 15 * DAY) == []
    assert shop.outcome() == "EXPIRED"


def test_activity_is_what_is_recorded_now() -> None:
    shop = Shop(expiry={"kind": "inactivity", "days": 9})
    shop.create(starts=TODAY - 20 * DAY)
    shop.record(100, at=TODAY - 10 * DAY)
    assert lots(shop) == [TODAY + 10 * DAY]


def test_priority_decides_and_then_the_id() -> None:
    shop = Shop()
    for name, priority in (("zeta", 5), ("beta-two", 1), ("alpha", 1), ("omega", -3)):
        shop.create(name, priority=priority)
    shop.record(100)
    assert list(shop.told) == ["zeta", "alpha", "beta-two", "omega"]
    assert list(shop.preview(100)) == ["zeta", "alpha", "beta-two", "omega"]


def test_of_a_group_one_fires_and_one_that_does_not_blocks_none() -> None:
    shop = Shop()
    shop.create("first", priority=3, group="welcome", when="event.amount > 5000")
    shop.create("second", priority=2, group="welcome")
    shop.create("third", priority=1, group="welcome")
    shop.record(1_000)
    assert shop.outcomes() == {"first": "CONDITION", "second": "FIRED", "third": "GROUP"}


def test_all_rules_see_the_facts_before_the_record() -> None:
    """Case 48: neither what an earlier rule gave, nor the purchase itself, is seen by a later one."""
    shop = Shop()
    shop.create("aa", priority=2, then=[issue(100), {"set_profile": {"stamps": 7}}])
    shop.create("bb", when="balance.miles == 0 && member.profile.purchases == 0 && !has(member.profile.stamps)")
    assert shop.record(100) == ["aa", "bb"]
    assert shop.record(100) == ["aa"]


@pytest.mark.parametrize(
    ("attrs", "words"),
    [({}, "total"), ({"total": None}, "null"), ({"total": "5"}, "string"), ({"total": True}, "bool")],
)
def test_a_missing_or_null_operand_is_an_error_and_never_zero(attrs: dict[str, Any], words: str) -> None:
    """Case 66."""
    shop = Shop()
    shop.create(when="event.attrs.total >= 0")
    assert shop.record(attrs=attrs) == []
    assert shop.outcome() == "RULE_ERROR"
    assert words in shop.told["base"]["why"]


@pytest.mark.parametrize(
    ("amount", "words"),
    [("-1", "negative"), ("event.ref", "no integer"), ("9007199254740992", "2^53"), ("1 / 0", "DIVIDE_BY_ZERO")],
)
def test_an_amount_that_is_none_is_the_rules_error(amount: str, words: str) -> None:
    shop = Shop()
    shop.create(then=[issue(amount)])
    assert shop.record(100) == []
    assert shop.outcome() == "RULE_ERROR"
    assert words in shop.told["base"]["why"]


def test_a_budget_is_never_passed_and_what_still_fits_is_given() -> None:
    shop = Shop()
    shop.create(budget={"program": "miles", "amount": 10})
    shop.record(900)
    assert shop.record(200) == []
    assert shop.outcome() == "BUDGET_EXHAUSTED"
    assert shop.spent() == 9
    assert shop.record(100) == ["base"]
    assert shop.spent() == 10
    assert shop.points() == 10


def test_a_rule_happens_wholly_or_not_at_all() -> None:
    """The second effect does not fit: the first is taken back with it, and so is the use."""
    shop = Shop()
    shop.create(
        then=[{"set_profile": {"stamps": 1}}, issue(6), issue(6)],
        budget={"program": "miles", "amount": 10},
        per_member={"count": 1},
    )
    assert shop.record(1) == []
    assert shop.outcome() == "BUDGET_EXHAUSTED"
    assert shop.points() == 0
    assert shop.spent() == 0
    assert "stamps" not in shop.profile()
    shop.marketing("campaign.update", campaign="base", budget={"program": "miles", "amount": 12})
    assert shop.record(1) == ["base"], "the use of the rule that failed was given back"


def test_the_programs_cap_and_the_brands_liability_cap_are_reasons() -> None:
    shop = Shop(cap=5)
    shop.create()
    assert shop.record(600) == []
    assert shop.outcome() == "CAP_EXCEEDED"
    shop = Shop()
    shop.create()
    shop.chain.send("aurora-treasurer", "token.liability_cap", brand="aurora", currency="EUR", amount=3)
    assert shop.record(600) == []
    assert shop.outcome() == "LIMIT_EXCEEDED"
    assert shop.profile()["purchases"] == 1, "the record itself stands"


def test_member_limits_hold_in_every_window_and_over_linked_accounts() -> None:
    shop = Shop()
    shop.create(then=[issue(1)], per_member={"count": 2, "window_days": 3})
    shop.chain.send("ann", "identity.link", ["ann", "bob"], member=ANN, other=BOB)
    assert shop.record(1) == ["base"]
    shop.later(1)
    assert shop.record(1, BOB) == ["base"]
    shop.later(1)
    assert shop.record(1) == []
    assert shop.outcome() == "MEMBER_LIMIT"
    assert shop.record(1, CAT) == ["base"], "another shopper has uses of her own"
    shop.later(1)
    assert shop.record(1) == ["base"], "the first use has left the window"
    # A late record of two days ago would make three within the window that ends today.
    assert shop.record(1, BOB, at=shop.chain.time - 2 * DAY) == []


def test_a_late_record_counts_in_the_windows_that_end_after_it() -> None:
    shop = Shop()
    shop.create(then=[issue(1)], per_member={"count": 2, "window_days": 3}, starts=TODAY - 9 * DAY)
    shop.record(1)
    shop.later(1)
    shop.record(1)
    assert shop.record(1, at=TODAY - DAY) == [], "the day before, today and tomorrow would have three"
    assert shop.record(1, at=TODAY - 2 * DAY) == ["base"]


def test_a_member_limit_without_a_window_is_for_ever() -> None:
    shop = Shop()
    shop.create(then=[issue(1)], per_member={"count": 1})
    shop.record(1)
    shop.later(90)
    assert shop.record(1) == []
    assert shop.outcome() == "MEMBER_LIMIT"


def test_the_interval_is_half_open_and_judged_by_the_time_of_the_event() -> None:
    """Case 53: before `starts` and from `ends` on there are different reasons."""
    shop = Shop()
    shop.later(1)
    shop.create("soon", starts=TODAY + 2 * DAY, ends=TODAY + 3 * DAY)
    shop.later(4)
    for at, outcome in (
        (TODAY + 2 * DAY - 1, "NOT_STARTED"),
        (TODAY + 2 * DAY, "FIRED"),
        (TODAY + 3 * DAY - 1, "FIRED"),
        (TODAY + 3 * DAY, "ENDED"),
    ):
        assert shop.preview(100, at=at)["soon"]["outcome"] == outcome
        shop.record(100, at=at)
        assert shop.outcome("soon") == outcome


def test_a_preview_says_what_the_record_then_does_and_writes_nothing() -> None:
    shop = Shop()
    shop.create("low", priority=1, budget={"program": "miles", "amount": 30})
    shop.create("high", priority=9, then=[{"voucher": {"kind": "coffee", "value": 1, "expires_days": 2}}])
    shop.create("broken", when="event.nothing == 1")
    for amount in (2_000, 2_000):
        before = dict(shop.chain.state.values)
        seen = shop.preview(amount, ref=f"r{shop.chain.height}", at=shop.chain.time)
        assert shop.chain.state.values == before
        shop.record(amount, ref=f"r{shop.chain.height}", at=shop.chain.time)
        assert seen == shop.told
    assert shop.outcome("low") == "BUDGET_EXHAUSTED"


def test_two_brands_with_one_source_see_their_own_clock() -> None:
    """Case 64: what is compiled once holds nothing of a brand."""
    shop = Shop(offsets=[{"from": 0, "minutes": 600}])
    shop.create(when="hour(local(now)) == 10 && params.max_backdate_ms > 0")
    assert shop.record(100) == ["base"], "0:00 UTC is 10:00 there"
    terms = shop.terms(campaign="other", brand="basil", budget={"program": "leaves", "amount": 9})
    terms["when"] = "hour(local(now)) == 10 && params.max_backdate_ms > 0"
    terms["then"] = [{"issue": {"program": "leaves", "amount": 1}}]
    shop.chain.send("basil-marketer", "campaign.create", ["basil-marketer", "basil-issuer"], **terms)
    args = {**shop.arguments(100, ANN, {}), "brand": "basil"}
    assert shop.chain.send("basil-issuer", "campaign.record", **args) == {"fired": []}


def test_an_update_to_the_old_text_fires_once() -> None:
    """Case 64, its other half: a rule that comes twice is one campaign all the same."""
    shop = Shop()
    shop.create()
    shop.marketing("campaign.update", campaign="base", when="event.amount > 7")
    shop.marketing("campaign.update", campaign="base", when="true")
    assert shop.record(100) == ["base"]
    assert shop.points() == 1
    assert shop.told["base"]["version"] == 3


def test_a_suspended_brand_has_no_campaigns() -> None:
    shop = Shop()
    shop.create()
    shop.chain.suspend("aurora")
    assert shop.record_refused(100) == "SUSPENDED"
    assert shop.marketing_refused("campaign.create", **shop.terms(campaign="new")) == "SUSPENDED"


@pytest.mark.parametrize(
    "attrs",
    [
        {"x": 2**53},
        {"x": {"a": {"b": {"c": {"d": {"e": 1}}}}}},
        {"x": [0] * 257},
        {"\u200b": 1},
        {"x": "a\u0000b"},
        {"": 1},
    ],
)
def test_attributes_beyond_their_bounds_are_refused(attrs: dict[str, Any]) -> None:
    assert Shop().record_refused(attrs=attrs) == "INVALID_ARGS"


@pytest.mark.parametrize("attrs", [{f"a{n}": "x" * 1000 for n in range(9)}, {f"a{n}": [0] * 250 for n in range(5)}])
def test_too_many_attributes_are_refused(attrs: dict[str, Any]) -> None:
    assert Shop().record_refused(attrs=attrs) == "LIMIT_EXCEEDED"


def test_attributes_do_not_hide_what_the_record_says() -> None:
    shop = Shop()
    shop.create(when='event.type == "purchase" && event.attrs.type == "gift" && event.at > 5')
    assert shop.record(100, attrs={"type": "gift", "at": 1, "amount": 100}) == ["base"]


def test_a_record_of_a_merged_account_is_its_targets() -> None:
    shop = Shop()
    members = []
    for number in (1, 2):
        ref = f"{number:064x}"
        members.append(shop.chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref=ref))
    one, two = members
    shop.create(when="member.profile.purchases == 1")
    shop.record(500, one)
    shop.chain.send("aurora-issuer", "identity.merge", from_=one, into=two, reason="one shopper")
    assert shop.profile(two)["purchases"] == 1, "what was merged into an account is the account's"
    assert shop.record(500, one) == ["base"]
    assert shop.points(two) == 5
    assert shop.profile(two)["purchases"] == 2
    shop.chain.send("aurora-issuer", "identity.unmerge", from_=one)
    assert (shop.profile(one)["purchases"], shop.profile(two)["purchases"]) == (1, 1)


def test_a_member_that_is_erased_has_no_profile() -> None:
    shop = Shop()
    shop.create(then=[{"set_profile": {"stamps": 3}}], budget=None)
    shop.record(500)
    assert shop.profile()["stamps"] == 3
    shop.chain.send("ann", "identity.erase", member=ANN)
    assert shop.profile()["purchases"] == 0
    assert "stamps" not in shop.profile()


def test_the_cost_of_a_record_is_flat_in_campaigns_of_other_events() -> None:
    def cost(others: int, own: int) -> int:
        shop = Shop()
        for number in range(others):
            shop.create(f"other-{number}", event="visit")
        for number in range(own):
            shop.create(f"own-{number}")
        args = shop.arguments(100, account_of("dan"), {"ref": "r"})
        return shop.chain.send_ops("aurora-issuer", [("campaign.record", args)]).cost

    assert cost(12, 1) == cost(0, 1)
    assert cost(0, 3) > cost(0, 1)


def test_profiles_count_purchases_and_visits_by_day() -> None:
    shop = Shop()
    shop.record(1_000)
    shop.record(None, event="visit")
    shop.record(None, event="survey")
    shop.later(1)
    shop.record(500, at=shop.chain.time)
    shop.later(8)
    found = shop.profile()
    assert (found["purchases"], found["spend"], found["visits"]) == (2, 1_500, 1)
    assert (found["purchases_7d"], found["spend_30d"], found["visits_7d"]) == (0, 1_500, 0)
    assert found["streak"] == 0
    assert found["last_at"] == TODAY + DAY + 3 * 200
    shop.record(1)
    shop.later(1)
    shop.record(1)
    assert shop.profile()["streak"] == 2
    shop.later(1)
    assert shop.profile()["streak"] == 2, "today is not over yet"
    shop.later(1)
    assert shop.profile()["streak"] == 0
