"""Vouchers are good in a half-open interval, once, and follow their member."""

from __future__ import annotations

from typing import Any

from contracts_py.campaign.deeds import VOUCHER_ENDS
from tests.support.campaigns import ANN, DAY, TODAY, Shop


def with_voucher(member: str = ANN, **voucher: Any) -> tuple[Shop, str]:
    """Return a shop where a member has got a voucher, good from tomorrow for two days."""
    shop = Shop()
    made = {"kind": "coffee", "value": "event.amount / 10", "expires_days": 3, "starts_days": 1, **voucher}
    shop.create(then=[{"voucher": made}], budget=None)
    shop.record(50, member)
    return shop, shop.told["base"]["gave"][0]["voucher"]


def redeem(shop: Shop, voucher: str, ref: str = "till-1") -> Any:
    return shop.chain.send("aurora-cashier", "campaign.redeem_voucher", voucher=voucher, ref=ref)


def refused(shop: Shop, voucher: str, ref: str = "till-1", by: str = "aurora-cashier") -> str:
    return shop.chain.refused(by, "campaign.redeem_voucher", voucher=voucher, ref=ref)


def test_before_its_start_at_it_before_its_end_at_it() -> None:
    """Case 53: what has not begun is not expired."""
    # Recorded some ms into the day: from the start of the day after tomorrow, for two days.
    start, end = TODAY + 2 * DAY, TODAY + 4 * DAY
    shop, voucher = with_voucher()
    shop.chain.until(start - 1 - 200)
    assert refused(shop, voucher) == "NOT_ELIGIBLE"
    early = shop.chain.fork()
    assert early.send("aurora-cashier", "campaign.redeem_voucher", voucher=voucher, ref="x")["state"] == "used"
    shop.chain.until(end - 1 - 200)
    late = shop.chain.fork()
    assert late.send("aurora-cashier", "campaign.redeem_voucher", voucher=voucher, ref="x")["value"] == 5
    shop.chain.until(end - 200)
    assert refused(shop, voucher) == "NOT_FOUND", "by its end it has left the state"


def test_one_that_the_agenda_has_not_reached_is_expired_all_the_same() -> None:
    shop, voucher = with_voucher()
    shop.chain.until(TODAY + 4 * DAY - 200)
    shop.chain.strict.postponing = {VOUCHER_ENDS.keys.path}
    assert refused(shop, voucher) == "EXPIRED", "at its end, to the millisecond"
    shop.chain.strict.postponing = set()
    assert shop.chain.view("campaign_voucher", voucher=voucher)["state"] == "expired"
    assert refused(shop, voucher) == "EXPIRED"


def test_a_voucher_is_used_once_and_a_ref_uses_one() -> None:
    shop, voucher = with_voucher(starts_days=0)
    assert refused(shop, voucher, by="aurora-issuer") == "NOT_AUTHORISED"
    assert redeem(shop, voucher)["used_ref"] == "till-1"
    assert refused(shop, voucher, "till-2") == "ALREADY_EXISTS"
    shop.record(70)
    other = shop.told["base"]["gave"][0]["voucher"]
    assert refused(shop, other, "till-1") == "DUPLICATE_REF"
    redeem(shop, other, "till-2")
    assert refused(shop, "0" * 32) == "NOT_FOUND"


def test_a_used_voucher_does_not_expire() -> None:
    shop, voucher = with_voucher(starts_days=0)
    expires = redeem(shop, voucher)["expires"]
    assert not VOUCHER_ENDS.is_due(shop.chain.state, expires, voucher), "nothing is left to be done"
    shop.later(9)
    assert shop.chain.view("campaign_voucher", voucher=voucher)["state"] == "used"


def test_vouchers_of_a_brand_that_is_suspended_are_not_redeemed() -> None:
    shop, voucher = with_voucher(starts_days=0)
    shop.chain.suspend("aurora")
    assert refused(shop, voucher) in ("SUSPENDED", "NOT_AUTHORISED")


def test_vouchers_of_merged_accounts_are_seen_together_in_pages() -> None:
    shop = Shop()
    shop.create(then=[{"voucher": {"kind": "coffee", "value": 1, "expires_days": 3}}], budget=None)
    one, two = (
        shop.chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref=f"{number:064x}")
        for number in (1, 2)
    )
    for member in (one, two, one):
        shop.record(1, member)
    shop.chain.send("aurora-issuer", "identity.merge", from_=one, into=two, reason="one shopper")
    found, cursor = [], None
    for _ in range(3):
        page = shop.chain.view("campaign_vouchers", member=two, limit=1, **({"cursor": cursor} if cursor else {}))
        found += [item["voucher"] for item in page["items"]]
        cursor = page["next"]
    assert cursor is None
    assert found == sorted(set(found))
    assert len(found) == 3
