"""A program's rules change: at once, or after members have had notice. Pending points, doors, limits, liability."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract_harness import START, Chain, account_of, brand_ops, credit_ops, program_args

ANN, BOB = account_of("ann"), account_of("bob")
DAY = 86_400_000
MIDNIGHT = -(-START // DAY) * DAY
NOTICE = 10 * DAY


def new_chain(**changes: Any) -> Chain:
    ops = [*brand_ops("aurora"), *brand_ops("basil"), *credit_ops("aurora", "basil")]
    treasurer = {"brand": "aurora", "role": "treasurer", "account": account_of("aurora-treasurer")}
    program = program_args("stars", "aurora", **{"notice_ms": NOTICE, **changes})
    return Chain([*ops, ("identity.grant_role", treasurer), ("token.create_program", program)])


@pytest.fixture
def chain() -> Chain:
    return new_chain(expiry={"kind": "days", "days": 100}, transfer_burn_bps=100)


def update(chain: Chain, **changes: Any) -> dict[str, Any]:
    answer: dict[str, Any] = chain.send("aurora-admin", "token.update_program", program="stars", **changes)
    return answer


def shown(chain: Chain) -> dict[str, Any]:
    answer: dict[str, Any] = chain.view("token_program", program="stars")
    return answer


def issue(chain: Chain, amount: int, to: str = ANN, **more: Any) -> Any:
    return chain.send("aurora-issuer", "token.issue", program="stars", to=to, amount=amount, **more)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"expiry": {"kind": "days", "days": 101}}, {"expiry": {"kind": "days", "days": 99}}),
        ({"expiry": {"kind": "none"}}, {"expiry": {"kind": "month_end", "months": 120}}),
        ({"transfer_burn_bps": 99}, {"transfer_burn_bps": 101}),
        ({"notice_ms": NOTICE + 1}, {"notice_ms": NOTICE - 1}),
        (
            {"price": {"currency": "EUR", "num": 2, "den": 1}},
            {"price": {"currency": "EUR", "num": 2**53 - 2, "den": 2**53 - 1}},
        ),
        ({"cap": 1_000}, {"transfer": "brand"}),
        ({"name": "Stars and more"}, {"transfer_day": 1_000}),
    ],
)
def test_what_is_better_is_in_force_at_once_what_is_worse_after_the_notice(
    chain: Chain, better: dict[str, Any], worse: dict[str, Any]
) -> None:
    before = shown(chain)
    assert "announced" not in update(chain, **better)
    assert shown(chain) == {**before, **better, "version": 2}
    chain = new_chain(expiry={"kind": "days", "days": 100}, transfer_burn_bps=100)
    answer = update(chain, **worse)
    at = chain.time + NOTICE
    assert answer["announced"] == {"from": at, **worse}
    chain.until(at - 1)
    assert shown(chain) == {**before, "announced": {"from": at, **worse}}
    chain.until(at)
    assert shown(chain) == {**before, **worse, "version": 2}


def test_without_notice_all_is_in_force_at_once() -> None:
    chain = new_chain(notice_ms=0)
    answer = update(chain, transfer="none", name="Other")
    assert (answer["transfer"], answer["name"], answer["version"]) == ("none", "Other", 2)
    assert "announced" not in answer


def test_a_further_change_joins_what_is_announced_and_all_waits_anew(chain: Chain) -> None:
    update(chain, transfer="brand")
    chain.until(chain.time + DAY)
    answer = update(chain, transfer_burn_bps=500, name="Other")
    assert answer["name"] == "Other"
    assert answer["announced"] == {"from": chain.time + NOTICE, "transfer": "brand", "transfer_burn_bps": 500}
    first = chain.time + NOTICE
    answer = update(chain, transfer="free")
    assert answer["announced"] == {"from": first, "transfer_burn_bps": 500}, "taken back, and no new wait"
    assert "announced" not in update(chain, transfer_burn_bps=100)


def test_a_change_that_has_come_into_force_is_the_ground_of_the_next(chain: Chain) -> None:
    update(chain, transfer="brand")
    chain.until(chain.time + NOTICE)
    answer = update(chain, name="Other")
    assert (answer["transfer"], answer["version"]) == ("brand", 3)
    assert "announced" not in answer


def test_lots_that_were_issued_before_keep_their_dates(chain: Chain) -> None:
    (lot,) = (issue(chain, 5)["lot"],)
    update(chain, expiry={"kind": "days", "days": 1})
    assert issue(chain, 5)["lot"] == lot
    chain.until(chain.time + NOTICE)
    new = issue(chain, 5)["lot"]
    assert int(new) <= chain.time + 2 * DAY
    lots = chain.view("token_balance", program="stars", account=ANN)["lots"]
    assert [(entry["lot"], entry["amount"]) for entry in lots] == [(new, 5), (lot, 10)]


def test_the_currency_of_a_price_does_not_change(chain: Chain) -> None:
    args = {"program": "stars", "price": {"currency": "USD", "num": 9, "den": 1}}
    assert chain.refused("aurora-admin", "token.update_program", **args) == "NOT_ELIGIBLE"


# Pending points


def test_pending_points_count_and_become_available_by_themselves(chain: Chain) -> None:
    until = chain.time + DAY
    issue(chain, 5, pending_until=until)
    issue(chain, 2, pending_until=until)
    issue(chain, 1)
    balance = chain.view("token_balance", program="stars", account=ANN)
    assert (balance["available"], balance["pending"]) == (1, 7)
    (entry,) = chain.view("token_pending", program="stars", account=ANN)["items"]
    assert (entry["until"], entry["amount"]) == (until, 7)
    assert chain.refused("ann", "token.burn", program="stars", amount=2) == "INSUFFICIENT_BALANCE"
    chain.until(until - 1)
    supply = chain.view("token_supply", program="stars")
    assert (supply["outstanding"], supply["available"], supply["pending"]) == (8, 1, 7)
    chain.until(until)
    balance = chain.view("token_balance", program="stars", account=ANN)
    assert (balance["available"], balance["pending"]) == (8, 0)
    ((name, told),) = chain.events
    assert (name, told["amount"], told["debt_paid"]) == ("token.unlocked", 7, 0)
    supply = chain.view("token_supply", program="stars")
    assert (supply["outstanding"], supply["available"], supply["pending"]) == (8, 8, 0)


def test_pending_points_count_to_the_cap(chain: Chain) -> None:
    update(chain, cap=10)
    issue(chain, 8, pending_until=chain.time + DAY)
    assert chain.refused("aurora-issuer", "token.issue", program="stars", to=ANN, amount=3) == "CAP_EXCEEDED"
    args = {"program": "stars", "to": ANN, "amount": 3, "pending_until": chain.time + DAY}
    assert chain.refused("aurora-issuer", "token.issue", **args) == "CAP_EXCEEDED"
    issue(chain, 2)


def test_pending_points_become_available_before_they_expire(chain: Chain) -> None:
    args = {"program": "stars", "to": ANN, "amount": 1, "expires": MIDNIGHT + DAY}
    last = MIDNIGHT + DAY
    assert chain.refused("aurora-issuer", "token.issue", **args, pending_until=last) == "EXPIRED"
    assert chain.refused("aurora-issuer", "token.issue", **args, pending_until=chain.time) == "INVALID_ARGS"
    chain.send("aurora-issuer", "token.issue", **args, pending_until=last - 1)
    chain.until(last)
    supply = chain.view("token_supply", program="stars")
    assert (supply["outstanding"], supply["pending"], supply["expired"]) == (0, 0, 1)


def test_many_pending_lots_of_one_time_unlock_in_steps(chain: Chain) -> None:
    until = MIDNIGHT + DAY
    for day in range(70):
        issue(chain, 1, pending_until=until, expires=MIDNIGHT + (day + 2) * DAY)
    chain.until(until)
    balance = chain.view("token_balance", program="stars", account=ANN)
    assert (balance["available"], balance["pending"], len(balance["lots"])) == (70, 0, 70)
    assert [told["amount"] for _, told in chain.events] == [64, 6]


# Doors to other brands


def redeem(chain: Chain, amount: int, ref: str, at_brand: str = "basil") -> str:
    args = {"program": "stars", "from": ANN, "amount": amount, "at_brand": at_brand, "ref": ref}
    receipt = chain.send_ops("ann", [("token.redeem", args)], ["ann", f"{at_brand}-cashier"])
    return receipt.error.code if receipt.error else receipt.status


def door(chain: Chain, **more: Any) -> Any:
    return chain.send("aurora-admin", "token.partner", program="stars", at_brand="basil", **more)


def test_points_are_redeemed_elsewhere_only_where_the_issuer_has_opened(chain: Chain) -> None:
    issue(chain, 20)
    assert redeem(chain, 1, "a") == "NOT_AUTHORISED"
    assert chain.view("token_door", program="stars", at_brand="basil") == {"at_brand": "basil", "open": False}
    assert door(chain) == {"at_brand": "basil", "open": True}
    assert redeem(chain, 1, "a") == "ok"
    door(chain, closed=True)
    assert redeem(chain, 1, "b") == "NOT_AUTHORISED"
    args = {"program": "stars", "at_brand": "basil", "closed": True}
    assert chain.refused("aurora-admin", "token.partner", **args) == "NOT_FOUND"
    args = {"program": "stars", "at_brand": "aurora"}
    assert chain.refused("aurora-admin", "token.partner", **args) == "NOT_ELIGIBLE"


@pytest.mark.parametrize("limit", ["member_day", "total_day"])
def test_a_door_has_limits_per_utc_day(chain: Chain, limit: str) -> None:
    issue(chain, 30)
    door(chain, **{limit: 10})
    assert redeem(chain, 7, "a") == "ok"
    assert redeem(chain, 4, "b") == "LIMIT_EXCEEDED"
    assert redeem(chain, 3, "b") == "ok"
    assert redeem(chain, 5, "c", "aurora") == "ok"
    chain.until(MIDNIGHT - 200)
    assert redeem(chain, 10, "d") == "ok", "at the start of the UTC day"


def test_a_members_limit_is_his_own_and_the_total_is_all_members(chain: Chain) -> None:
    door(chain, member_day=10, total_day=15)
    for account, name in ((ANN, "ann"), (BOB, "bob")):
        issue(chain, 20, account)
        args = {"program": "stars", "from": account, "amount": 10, "at_brand": "basil", "ref": name}
        receipt = chain.send_ops(name, [("token.redeem", args)], [name, "basil-cashier"])
        assert (receipt.error.code if receipt.error else "ok") == ("ok" if name == "ann" else "LIMIT_EXCEEDED")


def test_what_a_hold_does_not_capture_counts_no_more(chain: Chain) -> None:
    issue(chain, 30)
    door(chain, member_day=10, total_day=10)
    args = {"program": "stars", "from": ANN, "amount": 8, "at_brand": "basil", "hold": "h"}
    both = ["ann", "basil-cashier"]
    chain.send_ops("ann", [("token.hold", {**args, "expires": chain.time + 60_000})], both)
    assert redeem(chain, 3, "a") == "LIMIT_EXCEEDED"
    chain.send("basil-cashier", "token.capture", at_brand="basil", hold="h", amount=2, ref="b")
    assert redeem(chain, 8, "a") == "ok"
    assert redeem(chain, 1, "c") == "LIMIT_EXCEEDED"


# Limits


def test_a_member_transfers_so_much_on_a_day() -> None:
    chain = new_chain(transfer_day=10)
    issue(chain, 30)
    args = {"program": "stars", "to": BOB}
    chain.send("ann", "token.transfer", **args, amount=7)
    assert chain.refused("ann", "token.transfer", **args, amount=4) == "LIMIT_EXCEEDED"
    chain.send("ann", "token.transfer", **args, amount=3)
    chain.until(MIDNIGHT)
    chain.send("ann", "token.transfer", **args, amount=10)


def test_a_brands_liability_is_capped_over_all_its_programs() -> None:
    chain = new_chain(price={"currency": "EUR", "num": 1, "den": 3})
    moons = program_args("moons", "aurora", price={"currency": "EUR", "num": 2, "den": 1})
    chain.send("aurora-admin", "token.create_program", **moons)
    chain.send("aurora-treasurer", "token.liability_cap", brand="aurora", currency="EUR", amount=10)
    issue(chain, 10)
    args = {"program": "moons", "to": ANN}
    error = chain.send_ops("aurora-issuer", [("token.issue", {**args, "amount": 4})]).error
    assert error
    assert (error.code, error.details) == ("LIMIT_EXCEEDED", {"limit": 10, "liability": 12})
    chain.send("aurora-issuer", "token.issue", **args, amount=3)
    shown = chain.view("token_liability", brand="aurora", breakage_bps=5_000)["items"]
    assert [(item["outstanding"], item["value"], item["expected"]) for item in shown] == [(10, 4, 2), (3, 6, 3)]
    chain.send("aurora-treasurer", "token.liability_cap", brand="aurora", currency="EUR")
    chain.send("aurora-issuer", "token.issue", **args, amount=30)


def test_who_loses_points_when_is_listed_by_date(chain: Chain) -> None:
    for account, days in ((ANN, 2), (BOB, 1), (ANN, 1), (BOB, 4)):
        issue(chain, 5, account, expires=MIDNIGHT + days * DAY)
    window = {"program": "stars", "from_": MIDNIGHT + DAY, "to": MIDNIGHT + 3 * DAY}

    def rows(page: Any) -> list[tuple[str, int, int]]:
        return [(item["account"], item["amount"], item["expires"]) for item in page["items"]]

    page = chain.view("token_expiring", **window)
    one, two = MIDNIGHT + DAY, MIDNIGHT + 2 * DAY
    assert (rows(page), page["next"]) == ([(BOB, 5, one), (ANN, 5, one), (ANN, 5, two)], None)
    chain.send("ann", "token.burn", program="stars", amount=5)
    first = chain.view("token_expiring", **window, limit=1)
    assert rows(first) == [(BOB, 5, one)]
    assert rows(chain.view("token_expiring", **window, cursor=first["next"])) == [(ANN, 5, two)]
    dates = chain.view("token_liability", brand="aurora")["items"][0]["by_date"]
    assert [(entry["expires"], entry["amount"]) for entry in dates] == [
        (one, 5),
        (two, 5),
        (MIDNIGHT + 4 * DAY, 5),
    ]
