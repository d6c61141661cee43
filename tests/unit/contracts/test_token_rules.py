"""Rules of token one by one: what a reference, an allowance, a freeze and a suspension hold for and tell."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.token import lot_costs, purse
from contracts_py.token.deeds import REDEMPTIONS
from contracts_py.token.records import NEVER
from tests.contract_harness import Chain, account_of, brand_ops, credit_ops, key_of, program_args
from vm.errors import GenesisError, Refused

ANN, BOB = account_of("ann"), account_of("bob")
BLOCK_MS = 200
"""What the harness lets pass between two blocks."""

REDEEM = {"program": "stars", "from_": ANN, "amount": 3, "at_brand": "aurora"}
BOTH = ["ann", "aurora-cashier"]


def new_chain(**changes: Any) -> Chain:
    """Return a chain with two programs of aurora's, in which Ann and Bob have 20 points each."""
    ops = [*brand_ops("aurora"), *brand_ops("basil"), *credit_ops("aurora", "basil")]
    ops += [("token.create_program", program_args(name, "aurora", **changes)) for name in ("stars", "moons")]
    chain = Chain(ops)
    for program in ("stars", "moons"):
        for account in (ANN, BOB):
            chain.send("aurora-issuer", "token.issue", program=program, to=account, amount=20)
    return chain


@pytest.fixture
def chain() -> Chain:
    return new_chain()


@pytest.fixture
def open_doors(chain: Chain) -> None:
    """Let points be redeemed at the other brand as well."""
    for program in ("stars", "moons"):
        chain.send("aurora-admin", "token.partner", program=program, at_brand="basil")


# References


def test_a_reference_of_an_issue_is_its_programs_own(chain: Chain) -> None:
    for program in ("stars", "moons"):
        chain.send("aurora-issuer", "token.issue", program=program, to=ANN, amount=1, ref="order-7")
        again = {"program": program, "to": ANN, "amount": 1, "ref": "order-7"}
        assert chain.refused("aurora-issuer", "token.issue", **again) == "DUPLICATE_REF"


@pytest.mark.usefixtures("open_doors")
def test_a_reference_of_a_redemption_is_its_programs_and_the_redeeming_brands_own(chain: Chain) -> None:
    chain.send("aurora-issuer", "token.issue", program="stars", to=ANN, amount=1, ref="r")
    for program, brand in (("stars", "aurora"), ("moons", "aurora"), ("stars", "basil")):
        redeem = {**REDEEM, "program": program, "at_brand": brand, "ref": "r"}
        signers = ["ann", f"{brand}-cashier"]
        chain.send("ann", "token.redeem", signers, **redeem)
        assert chain.refused("ann", "token.redeem", signers, **redeem) == "DUPLICATE_REF"


def test_a_repeated_redemption_is_told_what_the_first_one_did(chain: Chain) -> None:
    op = ("token.redeem", {"program": "stars", "from": ANN, "amount": 3, "at_brand": "aurora", "ref": "r"})
    first = chain.send_ops("ann", [op], BOTH)
    other = ("token.redeem", {**op[1], "from": BOB, "amount": 5})
    error = chain.send_ops("bob", [other], ["bob", "aurora-cashier"]).error
    assert error
    assert (error.code, error.details) == ("DUPLICATE_REF", {"tx": first.id, "account": ANN, "amount": 3})


def test_the_event_of_a_redemption_tells_the_item(chain: Chain) -> None:
    args = {"program": "stars", "from": ANN, "amount": 3, "at_brand": "aurora", "ref": "r", "item": "coffee"}
    ((_, data),) = chain.told(chain.send_ops("ann", [("token.redeem", args)], BOTH))
    assert data == {
        "program": "stars",
        "brand": "aurora",
        "at_brand": "aurora",
        "account": ANN,
        "amount": 3,
        "ref": "r",
        "item": "coffee",
    }


# Allowances

ALLOW = {"program": "stars", "spender": "aurora", "limit": 9}


@pytest.mark.parametrize(("left_ms", "outcome"), [(1, "ok"), (0, "NOT_AUTHORISED")])
def test_an_allowance_is_over_at_its_millisecond(chain: Chain, left_ms: int, outcome: str) -> None:
    expires = chain.time + 10_000
    chain.send("ann", "token.allow", **ALLOW, expires=expires)
    chain.until(expires - left_ms - BLOCK_MS)
    op = ("token.redeem", {"program": "stars", "from": ANN, "amount": 3, "at_brand": "aurora", "ref": "r"})
    receipt = chain.send_ops("aurora-cashier", [op])
    assert chain.time == expires - left_ms
    assert (receipt.error.code if receipt.error else receipt.status) == outcome
    view = {"program": "stars", "account": ANN, "spender": "aurora"}
    if left_ms:
        assert chain.view("token_allowance", **view) == {"remaining": 6, "expires": expires, "limit": 9}
    else:
        with pytest.raises(Refused, match="NOT_FOUND"):
            chain.view("token_allowance", **view)


def test_an_allowance_lasts_a_millisecond_at_least(chain: Chain) -> None:
    assert chain.refused("ann", "token.allow", **ALLOW, expires=chain.time + BLOCK_MS) == "EXPIRED"
    chain.send("ann", "token.allow", **ALLOW, expires=chain.time + BLOCK_MS + 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"program": "moons"},
        {"from_": BOB},
        {"at_brand": "basil"},
    ],
)
@pytest.mark.usefixtures("open_doors")
def test_an_allowance_is_for_one_program_account_and_brand(chain: Chain, changes: dict[str, Any]) -> None:
    chain.send("ann", "token.allow", **ALLOW, expires=chain.time + 60_000)
    redeem = {**REDEEM, **changes, "ref": "r"}
    cashier = f"{redeem['at_brand']}-cashier"
    assert chain.refused(cashier, "token.redeem", **redeem) == "NOT_AUTHORISED"
    chain.send("aurora-cashier", "token.redeem", **REDEEM, ref="r")


def test_another_allowance_replaces_the_former(chain: Chain) -> None:
    for limit in (9, 4):
        chain.send("ann", "token.allow", **{**ALLOW, "limit": limit}, expires=chain.time + 60_000)
    shown = chain.view("token_allowance", program="stars", account=ANN, spender="aurora")
    assert shown["remaining"] == 4


def test_an_allowance_names_a_brand_that_is_there(chain: Chain) -> None:
    allow = {**ALLOW, "spender": "comet", "expires": chain.time + 60_000}
    assert chain.refused("ann", "token.allow", **allow) == "NOT_FOUND"


# Custody and membership


def test_a_custodians_issuer_acts_for_its_members(chain: Chain) -> None:
    member = chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref="ab" * 32)
    chain.send("aurora-issuer", "token.issue", program="stars", to=member, amount=5)
    chain.send("aurora-issuer", "token.transfer", program="stars", to=BOB, amount=2, from_=member)
    assert chain.view("token_balance", program="stars", account=member)["available"] == 3


def test_points_of_a_brands_members_neither_leave_them_nor_come_from_outside() -> None:
    chain = new_chain(transfer="brand")
    member = chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref="ab" * 32)
    args = {"program": "stars", "to": member, "amount": 1}
    error = chain.send_ops("ann", [("token.transfer", args)]).error
    assert error
    assert (error.code, error.details) == ("NOT_TRANSFERABLE", {"account": ANN})


def test_a_member_that_was_claimed_is_still_its_brands() -> None:
    chain = new_chain(transfer="brand")
    member, other = (
        chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref=ref * 32) for ref in ("ab", "cd")
    )
    key = key_of("mia").hex()
    chain.send("mia", "identity.claim", ["mia", "aurora-issuer"], member=member, key=key)
    chain.send("aurora-issuer", "token.issue", program="stars", to=other, amount=5)
    chain.send("aurora-cashier", "token.transfer", program="stars", to=member, amount=2, from_=other)
    assert chain.view("token_balance", program="stars", account=member)["available"] == 2


# Freezes and suspension


def test_a_freeze_in_a_program_leaves_the_brands_as_it_is(chain: Chain) -> None:
    chain.send("aurora-compliance", "token.freeze", account=ANN)
    for call in ("token.freeze", "token.unfreeze"):
        chain.send("aurora-compliance", call, account=ANN, program="stars")
    assert chain.refused("ann", "token.transfer", program="stars", to=BOB, amount=1) == "FROZEN"


def test_a_key_that_was_rotated_away_freezes_nobody(chain: Chain) -> None:
    keys = [key_of("new").hex()]
    chain.send("aurora-compliance", "identity.set_auth", keys=keys, threshold=1)
    old = ["ann", "aurora-compliance"]
    assert chain.refused("ann", "token.freeze", old, account=BOB) == "NOT_AUTHORISED"
    chain.send("aurora-compliance", "token.freeze", ["new"], account=BOB)


def test_after_a_brands_freeze_is_over_programs_to_come_are_free(chain: Chain) -> None:
    for call in ("token.freeze", "token.unfreeze"):
        chain.send("aurora-compliance", call, account=ANN)
    chain.send("aurora-admin", "token.create_program", **program_args("suns", "aurora"))
    chain.send("aurora-issuer", "token.issue", program="suns", to=ANN, amount=1)
    chain.send("ann", "token.transfer", program="suns", to=BOB, amount=1)


def test_a_freeze_outlasts_lots_that_come_and_go(chain: Chain) -> None:
    chain.send("aurora-compliance", "token.freeze", account=ANN, program="stars")
    later = chain.time + 10**9
    chain.send("aurora-issuer", "token.issue", program="stars", to=ANN, amount=1, expires=later)
    assert chain.refused("ann", "token.burn", program="stars", amount=1) == "FROZEN"


@pytest.mark.parametrize("whose", [ANN, BOB])
def test_a_refused_transfer_names_the_account_that_is_frozen(chain: Chain, whose: str) -> None:
    chain.send("aurora-compliance", "token.freeze", account=whose, program="stars")
    error = chain.send_ops("ann", [("token.transfer", {"program": "stars", "to": BOB, "amount": 1})]).error
    assert error
    assert (error.code, error.details) == ("FROZEN", {"account": whose})


def test_a_suspended_brand_begins_no_program(chain: Chain) -> None:
    chain.suspend("aurora")
    args = program_args("suns", "aurora")
    assert chain.refused("aurora-admin", "token.create_program", **args) == "SUSPENDED"


# Caps


def test_a_refused_issue_is_told_what_the_cap_has_room_for() -> None:
    chain = new_chain(cap=100)
    error = chain.send_ops("aurora-issuer", [("token.issue", {"program": "stars", "to": ANN, "amount": 61})]).error
    assert error
    assert (error.code, error.details) == ("CAP_EXCEEDED", {"cap": 100, "available": 60})


# Many lots


def test_an_account_of_thousands_of_lots_spends_many_of_them_at_once(chain: Chain) -> None:
    """One careless issuer gives every purchase a date of its own; the holder redeems all the same."""
    day = 86_400_000
    first = chain.time - chain.time % day + 2 * day
    for start in range(0, 3_000, 300):
        dates = [first + (start + n) * day for n in range(300)]
        ops = [("token.issue", {"program": "stars", "to": ANN, "amount": 1, "expires": date}) for date in dates]
        assert chain.send_ops("aurora-issuer", ops).status == "ok"
    args = {"program": "stars", "from": ANN, "amount": 2_000, "at_brand": "aurora", "ref": "r"}
    receipt = chain.send_ops("ann", [("token.redeem", args)], BOTH)
    assert receipt.status == "ok", receipt.error
    assert [part.amount for part in receipt.results[0].lots] == [1] * 2_000
    shown = chain.view("token_balance", program="stars", account=ANN)
    assert (shown["available"], len(shown["lots"])) == (1_020, 1_001)
    assert shown["lots"][0]["expires"] == first + 2_000 * day


def test_a_spend_names_a_bounded_number_of_lots_and_says_how_much_would_go(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purse, "LOTS_OF_ANY_TRANSACTION", 3)
    monkeypatch.setattr(lot_costs, "MAX_LOTS_OF_SPEND", 3)
    day = 86_400_000
    for n in range(5):
        args = {"program": "stars", "to": ANN, "amount": 2, "expires": chain.time + (n + 2) * day}
        chain.send("aurora-issuer", "token.issue", **args)
    error = chain.send_ops("ann", [("token.burn", {"program": "stars", "amount": 7})]).error
    assert error
    assert (error.code, error.details) == ("LIMIT_EXCEEDED", {"possible": 6})
    chain.send("ann", "token.burn", program="stars", amount=6)


# Calls and views


def test_points_that_cannot_be_transferred_do_not_move_between_members_either() -> None:
    chain = new_chain(transfer="none")
    one, two = (
        chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref=ref * 32) for ref in ("ab", "cd")
    )
    chain.send("aurora-issuer", "token.issue", program="stars", to=one, amount=5)
    move = {"program": "stars", "from_": one, "to": two, "amount": 1}
    assert chain.refused("aurora-cashier", "token.transfer", **move) == "NOT_TRANSFERABLE"


def test_genesis_which_no_account_sends_names_whose_points_it_means() -> None:
    allow = {"program": "stars", "spender": "aurora", "limit": 5, "expires": 2**53 - 1}
    program = ("token.create_program", program_args("stars", "aurora"))
    with pytest.raises(GenesisError, match="INVALID_ARGS"):
        Chain([*brand_ops("aurora"), program, ("token.allow", allow)])


def test_the_record_of_a_redemption_names_the_lots_that_it_took(chain: Chain) -> None:
    chain.send("ann", "token.redeem", BOTH, **REDEEM, ref="r")
    record = REDEMPTIONS.get(chain.context(), "stars", "aurora", "r")
    assert record is not None
    assert (record.account, record.amount, record.lots) == (ANN, 3, ((NEVER, 3),))


def test_programs_of_a_brand_that_is_not_there_are_not_found(chain: Chain) -> None:
    with pytest.raises(Refused, match="NOT_FOUND"):
        chain.view("token_programs", brand="nowhere")
