"""Goods come back: everything is undone, and for what is kept the rules run again."""

from __future__ import annotations

from typing import Any

from tests.contract_harness import START, account_of
from tests.support.campaigns import ANN, BOB, DAY, TODAY, Shop

METALS = [{"name": "bronze", "threshold": 0, "benefits": []}, {"name": "silver", "threshold": 50, "benefits": []}]


def with_tiers() -> Shop:
    shop = Shop()
    shop.chain.send(
        "aurora-marketer",
        "tier.define",
        brand="aurora",
        metric="points",
        levels=METALS,
        window_days=30,
        grace_days=0,
    )
    return shop


def tier_points(shop: Shop) -> int:
    found: int = shop.chain.view("tier_status", brand="aurora", member=ANN)["points"]
    return found


def test_a_whole_return_leaves_nothing_behind() -> None:
    shop = with_tiers()
    shop.create(
        then=[
            {"issue": {"program": "miles", "amount": "event.amount / 100"}},
            {"tier_points": "event.amount / 100"},
            {"voucher": {"kind": "coffee", "value": 1, "expires_days": 30}},
            {"set_profile": {"stamps": "has(member.profile.stamps) ? member.profile.stamps + 1 : 1"}},
        ],
        per_member={"count": 2, "window_days": 30},
    )
    shop.record(9_000, ref="o1")
    shop.record(3_000, ref="o2")
    assert (shop.points(), shop.spent(), tier_points(shop), shop.profile()["stamps"]) == (120, 120, 120, 2)
    shop.later(2)
    answer = shop.reverse("o1", "r1")
    assert [one["campaign"] for one in answer["undone"]] == ["base"]
    assert answer["fired"] == []
    assert (shop.points(), shop.spent(), tier_points(shop), shop.profile()["stamps"]) == (30, 30, 30, 1)
    assert len(shop.chain.view("campaign_vouchers", member=ANN)["items"]) == 1
    assert (shop.profile()["purchases"], shop.profile()["spend"]) == (1, 3_000)
    assert shop.record(100) == ["base"], "the use of what came back is free again"
    assert shop.record(100) == []


def test_points_that_are_gone_become_debt() -> None:
    shop = Shop()
    shop.create()
    shop.record(10_000, ref="o1")
    shop.chain.send("ann", "token.transfer", program="miles", to=BOB, amount=70)
    answer = shop.reverse("o1", "r1")
    assert shop.points() == 0
    assert shop.debt() == 70
    assert answer["undone"][0]["left"] == ["70 points are owed"]


def test_a_part_that_is_kept_pays_for_itself_in_the_same_step() -> None:
    shop = Shop()
    shop.create()
    shop.record(10_000, ref="o1")
    shop.chain.send("ann", "token.transfer", program="miles", to=BOB, amount=70)
    shop.reverse("o1", "r1", keep={"amount": 4_000})
    assert (shop.points(), shop.debt(), shop.spent()) == (0, 30, 40)
    assert (shop.profile()["purchases"], shop.profile()["spend"]) == (1, 4_000)
    shop.reverse("o1", "r2", keep={"amount": 1_000})
    assert (shop.points(), shop.debt(), shop.spent()) == (0, 60, 10)
    shop.reverse("o1", "r3")
    assert (shop.points(), shop.debt(), shop.spent()) == (0, 70, 0)
    assert shop.profile()["purchases"] == 0


def test_a_return_below_the_threshold_takes_the_bonus() -> None:
    shop = Shop()
    shop.create(when="event.amount >= 5000", then=[{"issue": {"program": "miles", "amount": 100}}])
    shop.record(6_000, ref="o1")
    shop.reverse("o1", "r1", keep={"amount": 4_999})
    assert shop.points() == 0
    assert shop.outcome() == "CONDITION"


def test_what_is_kept_is_judged_by_the_facts_of_then_and_the_version_of_then() -> None:
    """A later purchase does not take the bonus of the first one, and a later version does not change it."""
    shop = Shop()
    shop.create(
        when="member.profile.purchases == 0", then=[{"issue": {"program": "miles", "amount": "event.amount"}}]
    )
    shop.record(50, ref="o1")
    shop.record(60, ref="o2")
    shop.marketing("campaign.update", campaign="base", then=[{"issue": {"program": "miles", "amount": 1}}])
    shop.marketing("campaign.pause", campaign="base")
    shop.reverse("o1", "r1", keep={"amount": 20})
    assert shop.points() == 20
    assert shop.told["base"]["version"] == 1


def test_points_issued_again_keep_their_date() -> None:
    shop = Shop(expiry={"kind": "days", "days": 30})
    shop.create()
    shop.record(1_000, ref="o1")
    (before,) = shop.chain.view("token_balance", program="miles", account=ANN)["lots"]
    shop.later(10)
    shop.reverse("o1", "r1", keep={"amount": 600})
    (after,) = shop.chain.view("token_balance", program="miles", account=ANN)["lots"]
    assert (after["expires"], after["amount"]) == (before["expires"], 6)


def test_counters_shrink_on_their_own_day() -> None:
    shop = Shop()
    shop.record(700, ref="o1")
    shop.later(10)
    shop.record(300, ref="o2")
    shop.reverse("o1", "r1")
    found = shop.profile()
    assert (found["spend_7d"], found["spend_30d"], found["purchases_30d"]) == (300, 300, 1)


def test_the_last_purchase_is_the_one_before_it_again() -> None:
    shop = Shop()
    shop.record(700, ref="o1")
    last = shop.profile()["last_at"]
    shop.later(3)
    shop.record(300, ref="o2")
    shop.reverse("o2", "r1")
    assert shop.profile()["last_at"] == last


def test_a_used_voucher_is_reported_and_not_given_again() -> None:
    shop = Shop()
    shop.create(then=[{"voucher": {"kind": "coffee", "value": 1, "expires_days": 30}}], budget=None)
    shop.record(700, ref="o1")
    voucher = shop.told["base"]["gave"][0]["voucher"]
    shop.chain.send("aurora-cashier", "campaign.redeem_voucher", voucher=voucher, ref="till-1")
    answer = shop.reverse("o1", "r1", keep={"amount": 1})
    assert answer["undone"][0]["left"] == [f"the voucher {voucher} was used"]
    (only,) = shop.chain.view("campaign_vouchers", member=ANN)["items"]
    assert (only["voucher"], only["state"]) == (voucher, "used")


def test_an_unused_voucher_comes_back_with_its_own_end() -> None:
    shop = Shop()
    shop.create(then=[{"voucher": {"kind": "coffee", "value": 1, "expires_days": 30}}], budget=None)
    shop.record(700, ref="o1")
    (before,) = shop.chain.view("campaign_vouchers", member=ANN)["items"]
    shop.later(9)
    shop.reverse("o1", "r1", keep={"amount": 1})
    assert shop.chain.view("campaign_vouchers", member=ANN)["items"] == [before]
    shop.later(30)
    shop.reverse("o1", "r2", keep={"amount": 1})
    assert shop.chain.view("campaign_vouchers", member=ANN)["items"] == []


def test_a_return_ref_reverses_once_and_what_is_not_there_not_at_all() -> None:
    shop = Shop()
    shop.create()
    shop.record(700, ref="o1")
    shop.record(700, ref="o2")
    shop.reverse("o1", "r1")
    args: dict[str, Any] = {"brand": "aurora", "event": "purchase"}

    def refused(**more: Any) -> str:
        return shop.chain.refused("aurora-issuer", "campaign.reverse", **args, **more)

    assert refused(ref="o2", return_ref="r1") == "DUPLICATE_REF"
    assert refused(ref="o1", return_ref="r2") == "NOT_ELIGIBLE"
    assert refused(ref="o3", return_ref="r2") == "NOT_FOUND"
    assert refused(ref="o2", return_ref="r2", keep={"amount": 2**53}) == "INVALID_ARGS"
    signed = {**args, "ref": "o2", "return_ref": "r2"}
    assert shop.chain.refused("aurora-cashier", "campaign.reverse", **signed) == "NOT_AUTHORISED"
    assert shop.chain.view("campaign_record", **args, ref="o1")["reversed"] == "whole"
    assert shop.chain.view("campaign_record", **args, ref="o2")["reversed"] == "no"


def test_a_suspended_brand_takes_goods_back_and_gives_nothing_for_what_is_kept() -> None:
    shop = Shop()
    shop.create()
    shop.record(700, ref="o1")
    shop.chain.send("aurora-admin", "identity.grant_role", brand="aurora", role="issuer", account=account_of("eve"))
    shop.chain.suspend("aurora")
    args = {"brand": "aurora", "event": "purchase", "ref": "o1", "return_ref": "r1"}
    assert shop.chain.refused("eve", "campaign.reverse", **args, keep={"amount": 100}) == "SUSPENDED"
    shop.chain.send("eve", "campaign.reverse", **args)
    assert shop.points() == 0


def test_a_referral_pays_both_sides_once_and_a_return_takes_both() -> None:
    """Case 52."""
    shop = Shop()
    shop.chain.send("bob", "identity.refer", member=BOB, referrer=ANN)
    shop.create(
        when='member.referrer != "" && member.profile.purchases == 0',
        then=[
            {"issue": {"program": "miles", "amount": 50}},
            {"issue": {"program": "miles", "amount": 80, "to": "referrer"}},
        ],
        per_member={"count": 1},
    )
    shop.record(100, BOB, event="enrolment")
    assert shop.points(ANN) == 0, "it is the purchase that pays"
    shop.record(100, BOB, ref="o1")
    assert (shop.points(BOB), shop.points(ANN)) == (50, 80)
    shop.record(100, BOB)
    assert (shop.points(BOB), shop.points(ANN)) == (50, 80)
    shop.reverse("o1", "r1")
    assert (shop.points(BOB), shop.points(ANN), shop.spent()) == (0, 0, 0)


def test_who_is_linked_to_its_referrer_has_none() -> None:
    """Case 52: a second account of one's own is no friend."""
    shop = Shop()
    shop.chain.send("bob", "identity.refer", member=BOB, referrer=ANN)
    shop.chain.send("ann", "identity.link", ["ann", "bob"], member=ANN, other=BOB)
    shop.create(then=[{"issue": {"program": "miles", "amount": 80, "to": "referrer"}}])
    assert shop.record(100, BOB) == []
    assert shop.outcome() == "RULE_ERROR"
    assert "member.referrer" in shop.told["base"]["why"]


def test_a_return_after_a_merge_comes_out_of_the_account_that_has_the_points() -> None:
    shop = Shop()
    one, two = (
        shop.chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref=f"{number:064x}")
        for number in (1, 2)
    )
    shop.create(per_member={"count": 1})
    shop.record(700, one, ref="o1")
    shop.chain.send("aurora-issuer", "identity.merge", from_=one, into=two, reason="one shopper")
    shop.reverse("o1", "r1", keep={"amount": 300})
    assert (shop.points(one), shop.points(two)) == (0, 3)
    assert shop.record(100, two) == [], "the use is the same shopper's"


def test_profiles_that_were_set_again_since_are_left_and_said() -> None:
    shop = Shop()
    shop.create(then=[{"set_profile": {"size": "event.size"}}], budget=None)
    shop.record(attrs={"size": "M"}, ref="o1")
    shop.record(attrs={"size": "L"}, ref="o2")
    answer = shop.reverse("o1", "r1")
    assert answer["undone"][0]["left"] == ["set again since: size"]
    assert shop.profile()["size"] == "L"
    shop.reverse("o2", "r2")
    assert shop.profile()["size"] == "M"


def test_a_return_is_found_on_the_day_of_its_brand() -> None:
    """The day of a use is the brand's local one, when it is taken and when it is given back."""
    shop = Shop(offsets=[{"from": 0, "minutes": 600}])
    shop.create(per_member={"count": 1, "window_days": 1})
    shop.later(1)
    late = TODAY + DAY - 11 * 3_600_000
    assert late > START
    assert shop.record(100, at=late, ref="o1") == ["base"]
    assert shop.record(100, at=late) == []
    shop.reverse("o1", "r1")
    assert shop.record(100, at=late) == ["base"]
