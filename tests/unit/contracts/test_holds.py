"""Holds: what they reserve, how they end, and what comes back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract_harness import START, Chain, account_of, brand_ops, program_args
from tests.support.agenda import items_per_block
from vm.errors import Refused
from vm.params import Params

ANN = account_of("ann")
BOTH = ["ann", "aurora-cashier"]
DAY = 86_400_000
BLOCK_MS = 200
MIDNIGHT = -(-START // DAY) * DAY
HOLD = {"program": "stars", "from_": ANN, "at_brand": "aurora", "hold": "h"}
KEY = {"at_brand": "aurora", "hold": "h"}


@pytest.fixture
def chain() -> Chain:
    return Chain(
        [
            *brand_ops("aurora"),
            *brand_ops("basil"),
            ("token.create_program", program_args("stars", "aurora")),
            ("token.issue", {"program": "stars", "to": ANN, "amount": 10, "expires": MIDNIGHT}),
            ("token.issue", {"program": "stars", "to": ANN, "amount": 20}),
        ]
    )


def hold(chain: Chain, amount: int = 15, lasts_ms: int = 3_600_000, signers: list[str] | None = None) -> int:
    expires = chain.time + lasts_ms
    chain.send("aurora-cashier", "token.hold", signers or BOTH, **HOLD, amount=amount, expires=expires)
    return expires


def balance(chain: Chain) -> tuple[int, int, dict[str, int]]:
    shown = chain.view("token_balance", program="stars", account=ANN)
    return shown["available"], shown["held"], {lot["lot"]: lot["amount"] for lot in shown["lots"]}


def supply(chain: Chain) -> dict[str, int]:
    shown: dict[str, int] = {name: n for name, n in chain.view("token_supply", program="stars").items() if n}
    into = shown["issued"] + shown.get("refunded", 0) + shown.get("swapped_in", 0)
    gone = ("redeemed", "burned", "expired", "reversed", "swapped_out")
    assert into == shown.get("outstanding", 0) + sum(shown.get(name, 0) for name in gone)
    return shown


def test_a_hold_takes_the_earliest_lots_out_of_reach_and_out_of_their_dates(chain: Chain) -> None:
    hold(chain, 15)
    assert balance(chain) == (15, 15, {"never": 15})
    assert supply(chain) == {"issued": 30, "outstanding": 30, "available": 15, "held": 15}
    assert chain.refused("ann", "token.burn", program="stars", amount=16) == "INSUFFICIENT_BALANCE"
    (aside,) = chain.view("token_set_asides", account=ANN)["items"]
    lots = [{"lot": str(MIDNIGHT), "amount": 10}, {"lot": "never", "amount": 5}]
    owner = {"module": "token", "space": "aurora", "id": "h"}
    assert aside == {**owner, "program": "stars", "amount": 15, "lots": lots}


def test_a_capture_redeems_and_the_rest_goes_back(chain: Chain) -> None:
    hold(chain)
    answer = chain.send("aurora-cashier", "token.capture", **KEY, amount=12, ref="r")
    lots = [{"lot": str(MIDNIGHT), "amount": 10}, {"lot": "never", "amount": 2}]
    assert answer == {"amount": 12, "returned": 3, "lots": lots}
    assert balance(chain) == (18, 0, {"never": 18})
    assert supply(chain) == {"issued": 30, "outstanding": 18, "available": 18, "redeemed": 12}
    assert [name for name, _ in chain.events] == ["token.hold_ended", "token.redeemed"]
    shown = chain.view("token_redemption", program="stars", at_brand="aurora", ref="r")
    assert (shown["amount"], shown["refunded"]) == (12, 0)
    ended = chain.view("token_hold", **KEY)
    assert (ended["status"], ended["captured"]) == ("captured", 12)
    assert chain.view("token_set_asides", account=ANN)["items"] == []
    assert chain.refused("aurora-cashier", "token.capture", **KEY, amount=1, ref="s") == "NOT_ELIGIBLE"
    assert chain.refused("aurora-cashier", "token.release", **KEY) == "NOT_ELIGIBLE"


def test_a_release_gives_all_back_with_its_dates(chain: Chain) -> None:
    hold(chain)
    before = chain.time
    chain.send("aurora-cashier", "token.release", **KEY)
    assert chain.time < MIDNIGHT, before
    assert balance(chain) == (30, 0, {str(MIDNIGHT): 10, "never": 20})
    assert supply(chain) == {"issued": 30, "outstanding": 30, "available": 30}
    chain.until(MIDNIGHT)
    assert supply(chain) == {"issued": 30, "outstanding": 20, "available": 20, "expired": 10}


@pytest.mark.parametrize(("left_ms", "outcome"), [(1, "ok"), (0, "EXPIRED")])
def test_a_hold_is_over_at_its_millisecond(chain: Chain, left_ms: int, outcome: str) -> None:
    expires = hold(chain)
    chain.until(expires - left_ms - BLOCK_MS)
    op = ("token.capture", {**KEY, "amount": 1, "ref": "r"})
    receipt = chain.send_ops("aurora-cashier", [op])
    assert chain.time == expires - left_ms
    assert (receipt.error.code if receipt.error else receipt.status) == outcome
    assert balance(chain)[1] == 0, "whichever it was, nothing is held any more"


def test_a_hold_that_the_agenda_has_not_come_to_is_over_at_its_millisecond(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    items_per_block(monkeypatch, 0)
    expires = hold(chain, 15)
    chain.until(expires - BLOCK_MS)
    assert chain.refused("aurora-cashier", "token.capture", **KEY, amount=1, ref="r") == "EXPIRED"
    assert chain.time == expires
    assert chain.view("token_hold", **KEY)["status"] == "expired"
    chain.send("aurora-cashier", "token.release", **KEY)
    assert balance(chain)[:2] == (30, 0)


def test_a_hold_releases_itself_and_tells(chain: Chain) -> None:
    expires = hold(chain, 15)
    chain.until(expires)
    assert balance(chain) == (30, 0, {str(MIDNIGHT): 10, "never": 20})
    ((name, told),) = chain.events
    assert name == "token.hold_ended"
    assert (told["end"], told["captured"], told["returned"]) == ("expired", 0, 15)
    assert chain.view("token_hold", **KEY)["status"] == "expired"


def test_points_do_not_expire_while_held_and_get_one_grace(chain: Chain) -> None:
    hold(chain, 10, lasts_ms=3 * DAY)
    chain.until(MIDNIGHT + DAY)
    assert supply(chain) == {"issued": 30, "outstanding": 30, "available": 20, "held": 10}
    chain.send("aurora-cashier", "token.release", **KEY)
    graced = str(MIDNIGHT + 3 * DAY + 1)
    assert balance(chain) == (30, 0, {graced: 10, "never": 20}), "a day at least, to the next start of a day"
    again = {**HOLD, "hold": "again"}
    end = chain.time + 4 * DAY
    chain.send("aurora-cashier", "token.hold", BOTH, **again, amount=10, expires=end)
    chain.until(end)
    assert balance(chain) == (20, 0, {"never": 20}), "the grace comes once"
    assert supply(chain) == {"issued": 30, "outstanding": 20, "available": 20, "expired": 10}


def test_the_mark_of_a_grace_travels_with_the_points(chain: Chain) -> None:
    hold(chain, 10, lasts_ms=2 * DAY)
    chain.until(MIDNIGHT + 2 * DAY)
    graced = next(lot for lot in balance(chain)[2] if lot != "never")
    bob = account_of("bob")
    chain.send("ann", "token.transfer", program="stars", to=bob, amount=10)
    assert [lot["lot"] for lot in chain.view("token_balance", program="stars", account=bob)["lots"]] == [graced]
    args = {**HOLD, "from_": bob, "amount": 10, "expires": int(graced) + DAY}
    chain.send("aurora-cashier", "token.hold", ["bob", "aurora-cashier"], **{**args, "hold": "b"})
    chain.until(int(graced) + DAY)
    assert chain.view("token_balance", program="stars", account=bob)["available"] == 0


def test_a_hold_needs_both_sides(chain: Chain) -> None:
    args = {**HOLD, "amount": 1, "expires": chain.time + DAY}
    assert chain.refused("aurora-cashier", "token.hold", **args) == "NOT_AUTHORISED"
    assert chain.refused("ann", "token.hold", **args) == "NOT_AUTHORISED"
    assert chain.refused("ann", "token.hold", ["ann", "basil-cashier"], **args) == "NOT_AUTHORISED"


def test_an_allowance_is_used_by_a_hold_and_restored_by_what_is_not_captured(chain: Chain) -> None:
    later = chain.time + DAY
    chain.send("ann", "token.allow", program="stars", spender="aurora", limit=20, expires=later)
    hold(chain, 15, signers=["aurora-cashier"])

    def remaining() -> int:
        shown = chain.view("token_allowance", program="stars", account=ANN, spender="aurora")
        return int(shown["remaining"])

    assert remaining() == 5
    chain.send("aurora-cashier", "token.capture", **KEY, amount=12, ref="r")
    assert remaining() == 8
    args = {"program": "stars", "redemption_ref": "r", "amount": 2}
    chain.send("aurora-cashier", "token.refund", **args, ref="back")
    assert remaining() == 10


def test_what_an_older_allowance_is_owed_does_not_come_back_into_a_newer_one(chain: Chain) -> None:
    later = chain.time + DAY
    allow = {"program": "stars", "spender": "aurora", "expires": later}
    chain.send("ann", "token.allow", **allow, limit=20)
    hold(chain, 15, signers=["aurora-cashier"])
    chain.send("ann", "token.allow", **allow, limit=7)
    chain.send("aurora-cashier", "token.redeem", program="stars", from_=ANN, amount=5, at_brand="aurora", ref="x")
    chain.send("aurora-cashier", "token.release", **KEY)
    shown = chain.view("token_allowance", program="stars", account=ANN, spender="aurora")
    assert shown["remaining"] == 2


def test_a_freeze_blocks_a_hold_and_a_capture_but_not_a_release(chain: Chain) -> None:
    hold(chain)
    chain.send("aurora-compliance", "token.freeze", program="stars", account=ANN)
    assert chain.refused("aurora-cashier", "token.capture", **KEY, amount=1, ref="r") == "FROZEN"
    args = {**HOLD, "hold": "second", "amount": 1, "expires": chain.time + DAY}
    assert chain.refused("aurora-cashier", "token.hold", BOTH, **args) == "FROZEN"
    chain.send("aurora-cashier", "token.release", **KEY)
    assert balance(chain)[0] == 30


def test_a_capture_in_time_does_not_fail_for_expiry_or_suspension(chain: Chain) -> None:
    hold(chain, 10, lasts_ms=2 * DAY)
    chain.suspend("aurora")
    chain.until(MIDNIGHT + DAY)
    chain.send("aurora-cashier", "token.capture", **KEY, amount=10, ref="r")
    assert supply(chain) == {"issued": 30, "outstanding": 20, "available": 20, "redeemed": 10}


def test_what_has_expired_when_it_comes_back_pays_no_debt(chain: Chain) -> None:
    hold(chain, 10, lasts_ms=2 * DAY)
    chain.until(MIDNIGHT + 2 * DAY)
    (graced, _) = balance(chain)[2]
    chain.send("aurora-issuer", "token.issue", program="stars", to=ANN, amount=5, ref="order")
    args = {**HOLD, "hold": "again", "amount": 10, "expires": int(graced) + DAY}
    chain.send("aurora-cashier", "token.hold", BOTH, **args)
    chain.send("ann", "token.burn", program="stars", amount=25)
    chain.send("aurora-issuer", "token.reverse", program="stars", ref="order", amount=5)
    chain.until(int(graced) + DAY)
    assert supply(chain) == {"issued": 35, "burned": 25, "expired": 10, "debt": 5}


def test_a_capture_is_activity_also_for_what_it_gives_back() -> None:
    chain = Chain(
        [
            *brand_ops("aurora"),
            ("token.create_program", program_args("stars", "aurora", expiry={"kind": "inactivity", "days": 10})),
            ("token.issue", {"program": "stars", "to": ANN, "amount": 9}),
        ]
    )
    hold(chain, 9, lasts_ms=2 * DAY)
    chain.until(MIDNIGHT + DAY)
    chain.send("aurora-cashier", "token.capture", **KEY, amount=4, ref="r")
    assert balance(chain) == (5, 0, {str(MIDNIGHT + 12 * DAY): 5})


def test_a_holds_length_and_name_are_bounded(chain: Chain) -> None:
    args = {**HOLD, "amount": 1}
    longest = Params().max_hold_ms
    late = chain.time + BLOCK_MS + longest
    assert chain.refused("aurora-cashier", "token.hold", BOTH, **args, expires=late + 1) == "LIMIT_EXCEEDED"
    now = chain.time + BLOCK_MS
    assert chain.refused("aurora-cashier", "token.hold", BOTH, **args, expires=now) == "EXPIRED"
    chain.send("aurora-cashier", "token.hold", BOTH, **args, expires=chain.time + BLOCK_MS + longest)
    args["expires"] = chain.time + DAY
    assert chain.refused("aurora-cashier", "token.hold", BOTH, **args) == "ALREADY_EXISTS"
    chain.send("aurora-cashier", "token.release", **KEY)
    assert chain.refused("aurora-cashier", "token.hold", BOTH, **args) == "ALREADY_EXISTS", "also once it has ended"


def test_more_than_is_held_is_not_captured_and_what_is_unknown_is_not_found(chain: Chain) -> None:
    hold(chain, 15)
    assert chain.refused("aurora-cashier", "token.capture", **KEY, amount=16, ref="r") == "LIMIT_EXCEEDED"
    other = {"at_brand": "aurora", "hold": "other"}
    assert chain.refused("aurora-cashier", "token.capture", **other, amount=1, ref="r") == "NOT_FOUND"
    assert chain.refused("aurora-cashier", "token.release", **other) == "NOT_FOUND"
    with pytest.raises(Refused, match="NOT_FOUND"):
        chain.view("token_hold", **other)


def test_a_capture_has_a_reference_of_its_own(chain: Chain) -> None:
    redeem: dict[str, Any] = {"program": "stars", "from_": ANN, "amount": 1, "at_brand": "aurora", "ref": "r"}
    chain.send("ann", "token.redeem", BOTH, **redeem)
    hold(chain)
    assert chain.refused("aurora-cashier", "token.capture", **KEY, amount=1, ref="r") == "DUPLICATE_REF"
    chain.send("aurora-cashier", "token.capture", **KEY, amount=1, ref="s")
    assert chain.refused("ann", "token.redeem", BOTH, **{**redeem, "ref": "s"}) == "DUPLICATE_REF"


def test_what_comes_back_pays_debt_first(chain: Chain) -> None:
    chain.send("aurora-issuer", "token.issue", program="stars", to=ANN, amount=5, ref="order")
    hold(chain, 35)
    answer = chain.send("aurora-issuer", "token.reverse", program="stars", ref="order", amount=4)
    assert answer == {"amount": 4, "taken": 0, "expired": 0, "debt": 4}, "held points are untouched"
    assert supply(chain)["debt"] == 4
    chain.send("aurora-cashier", "token.release", **KEY)
    assert balance(chain)[:2] == (31, 0)
    assert supply(chain) == {"issued": 35, "outstanding": 31, "available": 31, "reversed": 4}
