"""Programs, points, redemption, allowances, freezes: who may, what is refused, what is answered."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.token.answers import Deferral
from contracts_py.token.dates import deferral
from contracts_py.token.programs import MAX_PROGRAMS_OF_BRAND
from tests.contract_harness import START, Chain, account_of, brand_ops, key_of, program_args
from vm.errors import GenesisError, Refused

DAY = 86_400_000
MIDNIGHT = START - START % DAY + DAY
ANN, BOB = account_of("ann"), account_of("bob")

ZERO_SUPPLY = dict.fromkeys(
    (
        "issued",
        "outstanding",
        "available",
        "held",
        "pending",
        "debt",
        "redeemed",
        "burned",
        "expired",
        "reversed",
        "refunded",
        "swapped_in",
        "swapped_out",
        "adjusted_up",
        "adjusted_down",
    ),
    0,
)


def new_chain(**changes: Any) -> Chain:
    program = ("token.create_program", program_args("stars", "aurora", **changes))
    return Chain([*brand_ops("aurora"), *brand_ops("basil"), program])


@pytest.fixture
def chain() -> Chain:
    return new_chain()


def issue(chain: Chain, to: str, amount: int, **more: Any) -> Any:
    return chain.send("aurora-issuer", "token.issue", program="stars", to=to, amount=amount, **more)


def available(chain: Chain, account: str) -> int:
    shown: int = chain.view("token_balance", program="stars", account=account)["available"]
    return shown


def supply(chain: Chain) -> dict[str, int]:
    shown: dict[str, int] = chain.view("token_supply", program="stars")
    return {name: figure for name, figure in shown.items() if figure}


# Programs


def test_programs_are_created_by_their_brands_admin_and_shown(chain: Chain) -> None:
    args = program_args("miles", "basil", cap=10, expiry={"kind": "month_end", "months": 3})
    assert chain.refused("aurora-admin", "token.create_program", **args) == "NOT_AUTHORISED"
    assert chain.send("basil-admin", "token.create_program", **args) == {"program": "miles"}
    assert chain.refused("basil-admin", "token.create_program", **args) == "ALREADY_EXISTS"
    shown = {**args, "version": 1}
    assert chain.view("token_program", program="miles") == shown
    assert chain.view("token_programs", brand="basil") == {"items": [shown], "next": None}
    assert [item["program"] for item in chain.view("token_programs")["items"]] == ["stars", "miles"]
    assert chain.view("token_supply", program="miles") == ZERO_SUPPLY


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"expiry": {"kind": "weeks"}}, "expiry.kind"),
        ({"expiry": {"kind": "days"}}, "expiry.days"),
        ({"expiry": {"kind": "days", "days": 0}}, "expiry.days"),
        ({"expiry": {"kind": "none", "days": 3}}, "expiry.days"),
        ({"expiry": "none"}, "expiry"),
        ({"price": {"currency": "eur", "num": 1, "den": 1}}, "price.currency"),
        ({"price": {"currency": "EUR", "num": 1, "den": 0}}, "price.den"),
        ({"transfer_burn_bps": 10_001}, "transfer_burn_bps"),
        ({"decimals": 16}, "decimals"),
        ({"transfer": "all"}, "transfer"),
        ({"cap": 0}, "cap"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_wrong_rules_are_refused_with_the_field(chain: Chain, changes: dict[str, Any], field: str) -> None:
    op = ("token.create_program", program_args("miles", "aurora", **changes))
    error = chain.send_ops("aurora-admin", [op]).error
    assert error
    assert (error.code, error.details) == ("INVALID_ARGS", {"field": field})


def test_a_brand_has_a_bounded_number_of_programs() -> None:
    chain = new_chain()
    ops = [("token.create_program", program_args(f"more-{i}", "aurora")) for i in range(MAX_PROGRAMS_OF_BRAND - 1)]
    assert chain.send_ops("aurora-admin", ops).status == "ok"
    args = program_args("too-many", "aurora")
    assert chain.refused("aurora-admin", "token.create_program", **args) == "LIMIT_EXCEEDED"


def test_what_grows_with_the_number_of_programs_is_paid_for() -> None:
    def cost_of_first_issue(programs: int) -> int:
        expiry = {"kind": "days", "days": 1}
        chain = new_chain(expiry=expiry)
        for i in range(programs):
            args = program_args(f"more-{i}", "aurora", expiry=expiry)
            chain.send("aurora-admin", "token.create_program", **args)
            chain.send("aurora-issuer", "token.issue", program=f"more-{i}", to=ANN, amount=1)
        return chain.send_ops("aurora-issuer", [("token.issue", {"program": "stars", "to": ANN, "amount": 1})]).cost

    # Not with the number, but with its logarithm: a page or two more of the account's programs.
    few = cost_of_first_issue(0)
    assert all(few < cost_of_first_issue(programs) < few + 400 for programs in (32, 200))


def test_a_program_needs_its_brand() -> None:
    with pytest.raises(GenesisError, match="NOT_FOUND"):
        Chain([("token.create_program", program_args("stars", "aurora"))])


@pytest.mark.parametrize("name", ["program", "balance", "supply", "ref", "allowance"])
def test_views_of_unknown_programs(chain: Chain, name: str) -> None:
    more = {"program": {}, "supply": {}, "ref": {"ref": "r"}, "balance": {"account": ANN}}
    args = more.get(name, {"account": ANN, "spender": "aurora"})
    with pytest.raises(Refused, match="NOT_FOUND"):
        chain.view(f"token_{name}", program="moons", **args)


# Issue


def test_issue_and_its_ref(chain: Chain) -> None:
    assert issue(chain, ANN, 40, ref="order-7") == {"lot": "never", "amount": 40, "debt_paid": 0}
    tx = chain.view("token_ref", program="stars", ref="order-7")["tx"]
    assert chain.view("token_ref", program="stars", ref="order-7") == {
        "tx": tx,
        "account": ANN,
        "lot": "never",
        "issued": 40,
        "reversed": 0,
    }
    op = ("token.issue", {"program": "stars", "to": BOB, "amount": 3, "ref": "order-7"})
    error = chain.send_ops("aurora-issuer", [op]).error
    assert error
    assert error.code == "DUPLICATE_REF"
    assert error.details == {"tx": tx, "account": ANN, "amount": 40}
    assert supply(chain) == {"issued": 40, "outstanding": 40, "available": 40}
    with pytest.raises(Refused, match="NOT_FOUND"):
        chain.view("token_ref", program="stars", ref="order-8")


def test_a_failed_issue_does_not_use_its_ref(chain: Chain) -> None:
    ops = [
        ("token.issue", {"program": "stars", "to": ANN, "amount": 5, "ref": "o"}),
        ("token.burn", {"program": "stars", "amount": 1}),
    ]
    assert chain.send_ops("aurora-issuer", ops).status == "failed"
    assert issue(chain, ANN, 5, ref="o")["amount"] == 5


def test_issue_is_for_issuers_of_the_programs_brand(chain: Chain) -> None:
    args = {"program": "stars", "to": ANN, "amount": 1}
    for stranger in ("ann", "basil-issuer", "aurora-admin"):
        assert chain.refused(stranger, "token.issue", **args) == "NOT_AUTHORISED"
    assert chain.refused("aurora-issuer", "token.issue", **{**args, "program": "moons"}) == "NOT_FOUND"
    assert chain.refused("aurora-issuer", "token.issue", **{**args, "amount": 0}) == "INVALID_ARGS"
    assert chain.refused("aurora-issuer", "token.issue", **{**args, "amount": 2**53}) == "INVALID_ARGS"


def test_the_cap_bounds_what_is_outstanding() -> None:
    chain = new_chain(cap=100)
    issue(chain, ANN, 100)
    args = {"program": "stars", "to": ANN, "amount": 1}
    assert chain.refused("aurora-issuer", "token.issue", **args) == "CAP_EXCEEDED"
    chain.send("ann", "token.burn", program="stars", amount=1)
    issue(chain, BOB, 1)


def test_counters_stay_within_protocol_integers(chain: Chain) -> None:
    issue(chain, ANN, 2**53 - 1)
    args = {"program": "stars", "to": BOB, "amount": 1}
    assert chain.refused("aurora-issuer", "token.issue", **args) == "LIMIT_EXCEEDED"
    chain.send("ann", "token.burn", program="stars", amount=2**53 - 1)
    assert chain.refused("aurora-issuer", "token.issue", **args) == "LIMIT_EXCEEDED"  # issued, all in all


@pytest.mark.parametrize(
    ("expiry", "expected"),
    [
        ({"kind": "none"}, None),
        ({"kind": "days", "days": 1}, MIDNIGHT + DAY),
        ({"kind": "inactivity", "days": 10}, MIDNIGHT + 10 * DAY),
        ({"kind": "month_end", "months": 0}, 1_701_388_800_000),  # 1 December 2023
        ({"kind": "month_end", "months": 2}, 1_706_745_600_000),  # 1 February 2024
    ],
)
def test_dates_by_rule(expiry: dict[str, Any], expected: int | None) -> None:
    chain = new_chain(expiry=expiry)
    issue(chain, ANN, 3)
    (lot,) = chain.view("token_balance", program="stars", account=ANN)["lots"]
    assert lot == {"lot": str(expected) if expected else "never", "amount": 3, "expires": expected}


def test_explicit_dates_move_to_the_next_local_day() -> None:
    chain = new_chain()
    chain.send("aurora-admin", "identity.update_brand", brand="aurora", offsets=[{"from": 0, "minutes": 60}])
    assert issue(chain, ANN, 1, expires=MIDNIGHT)["lot"] == str(MIDNIGHT + DAY - 3_600_000)
    assert issue(chain, ANN, 1, expires=MIDNIGHT - 3_600_000)["lot"] == str(MIDNIGHT - 3_600_000)
    args = {"program": "stars", "to": ANN, "amount": 1}
    assert chain.refused("aurora-issuer", "token.issue", **args, expires=chain.time) == "EXPIRED"
    assert chain.refused("aurora-issuer", "token.issue", **args, expires=2**53 - 1) == "LIMIT_EXCEEDED"


# Transfer and burn


def test_transfer_moves_the_earliest_dates_first_and_keeps_them(chain: Chain) -> None:
    issue(chain, ANN, 10)
    issue(chain, ANN, 5, expires=MIDNIGHT + DAY)
    issue(chain, ANN, 7, expires=MIDNIGHT)
    result = chain.send("ann", "token.transfer", program="stars", to=BOB, amount=9)
    assert result == {"amount": 9, "burned": 0, "received": 9, "debt_paid": 0}
    lots = [
        (lot["expires"], lot["amount"]) for lot in chain.view("token_balance", program="stars", account=BOB)["lots"]
    ]
    assert lots == [(MIDNIGHT, 7), (MIDNIGHT + DAY, 2)]
    assert available(chain, ANN) == 13


def test_a_share_of_a_transfer_is_burned_rounded_up() -> None:
    chain = new_chain(transfer_burn_bps=250)
    issue(chain, ANN, 100)
    result = chain.send("ann", "token.transfer", program="stars", to=BOB, amount=41)
    assert result == {"amount": 41, "burned": 2, "received": 39, "debt_paid": 0}
    assert supply(chain) == {"issued": 100, "burned": 2, "outstanding": 98, "available": 98}


def test_what_a_transfer_burns_is_what_would_expire_first() -> None:
    chain = new_chain(transfer_burn_bps=5_000)
    issue(chain, ANN, 10)
    issue(chain, ANN, 5, expires=MIDNIGHT)
    chain.send("ann", "token.transfer", program="stars", to=BOB, amount=12)
    lots = [
        (lot["lot"], lot["amount"]) for lot in chain.view("token_balance", program="stars", account=BOB)["lots"]
    ]
    assert lots == [("never", 6)]


def test_transfer_refusals(chain: Chain) -> None:
    send = {"program": "stars", "to": BOB, "amount": 5}
    assert chain.refused("ann", "token.transfer", **send) == "INSUFFICIENT_BALANCE"
    issue(chain, ANN, 4)
    error = chain.send_ops("ann", [("token.transfer", send)]).error
    assert error
    assert (error.code, error.details) == ("INSUFFICIENT_BALANCE", {"available": 4, "needed": 5})
    assert chain.refused("ann", "token.transfer", **{**send, "to": ANN}) == "INVALID_ARGS"
    assert chain.refused("bob", "token.transfer", **send, from_=ANN) == "NOT_AUTHORISED"
    assert chain.refused("aurora-issuer", "token.transfer", **send, from_=ANN) == "NOT_AUTHORISED"
    assert available(chain, ANN) == 4


def test_a_co_signer_may_be_the_giver(chain: Chain) -> None:
    issue(chain, ANN, 4)
    chain.send("bob", "token.transfer", ["ann", "bob"], program="stars", to=BOB, amount=4, from_=ANN)
    assert available(chain, BOB) == 4


def test_transfer_none_and_brand() -> None:
    chain = new_chain(transfer="none")
    issue(chain, ANN, 4)
    assert chain.refused("ann", "token.transfer", program="stars", to=BOB, amount=1) == "NOT_TRANSFERABLE"
    chain = new_chain(transfer="brand")
    one, two = (
        chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref=ref * 32) for ref in ("ab", "cd")
    )
    other = chain.send("basil-issuer", "identity.enroll", brand="basil", ref="ab" * 32)
    issue(chain, one, 9)
    move = {"program": "stars", "amount": 3, "from_": one}
    chain.send("aurora-cashier", "token.transfer", **move, to=two)
    assert chain.refused("aurora-cashier", "token.transfer", **move, to=other) == "NOT_TRANSFERABLE"
    assert chain.refused("basil-cashier", "token.transfer", **move, to=two) == "NOT_AUTHORISED"
    assert available(chain, two) == 3


def test_burn(chain: Chain) -> None:
    issue(chain, ANN, 4)
    issue(chain, ANN, 4, expires=MIDNIGHT)
    result = chain.send("ann", "token.burn", program="stars", amount=5)
    parts = [{"lot": str(MIDNIGHT), "amount": 4}, {"lot": "never", "amount": 1}]
    assert result == {"amount": 5, "lots": parts}
    assert supply(chain) == {"issued": 8, "burned": 5, "outstanding": 3, "available": 3}
    assert chain.refused("ann", "token.burn", program="stars", amount=4) == "INSUFFICIENT_BALANCE"
    assert chain.refused("bob", "token.burn", program="stars", amount=4) == "INSUFFICIENT_BALANCE"


# Redemption

REDEEM = {"program": "stars", "from_": ANN, "amount": 3, "at_brand": "aurora"}


def test_redemption_needs_cashier_and_holder(chain: Chain) -> None:
    issue(chain, ANN, 10)
    assert chain.refused("ann", "token.redeem", **REDEEM, ref="a") == "NOT_AUTHORISED"
    assert chain.refused("aurora-cashier", "token.redeem", **REDEEM, ref="a") == "NOT_AUTHORISED"
    for sender, ref in (("ann", "a"), ("aurora-cashier", "b")):
        result = chain.send(sender, "token.redeem", ["ann", "aurora-cashier"], **REDEEM, ref=ref, item="coffee")
        assert result == {"amount": 3, "lots": [{"lot": "never", "amount": 3}]}
    both = ["ann", "aurora-cashier"]
    assert chain.refused("ann", "token.redeem", both, **REDEEM, ref="a") == "DUPLICATE_REF"
    assert supply(chain) == {"issued": 10, "redeemed": 6, "outstanding": 4, "available": 4}


def test_a_custodial_members_points_are_redeemed_by_its_brand(chain: Chain) -> None:
    member = chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref="ab" * 32)
    issue(chain, member, 10)
    args = {**REDEEM, "from_": member}
    chain.send("aurora-cashier", "token.redeem", **args, ref="a")
    key = key_of("mia").hex()
    chain.send("aurora-issuer", "identity.claim", ["aurora-issuer", "mia"], member=member, key=key)
    assert chain.refused("aurora-cashier", "token.redeem", **args, ref="b") == "NOT_AUTHORISED"
    chain.send("aurora-cashier", "token.redeem", ["aurora-cashier", "mia"], **args, ref="b")
    assert available(chain, member) == 4


def test_another_brands_door_is_closed(chain: Chain) -> None:
    issue(chain, ANN, 10)
    args = {**REDEEM, "at_brand": "basil", "ref": "a"}
    assert chain.refused("ann", "token.redeem", ["ann", "basil-cashier"], **args) == "NOT_AUTHORISED"
    assert chain.refused("ann", "token.redeem", **{**args, "at_brand": "comet"}) == "NOT_FOUND"


def test_an_allowance_replaces_the_holders_signature(chain: Chain) -> None:
    issue(chain, ANN, 20)
    allowed = chain.send(
        "ann", "token.allow", program="stars", spender="aurora", limit=5, expires=chain.time + 60_000
    )
    assert allowed == {"spender": "aurora", "limit": 5, "expires": chain.time + 60_000 - 200}
    chain.send("aurora-cashier", "token.redeem", **REDEEM, ref="a")
    view = {"program": "stars", "account": ANN, "spender": "aurora"}
    assert chain.view("token_allowance", **view)["remaining"] == 2
    assert chain.refused("aurora-cashier", "token.redeem", **REDEEM, ref="b") == "LIMIT_EXCEEDED"
    chain.send(
        "ann", "token.redeem", ["ann", "aurora-cashier"], **REDEEM, ref="b"
    )  # signs: leaves the allowance be
    assert chain.view("token_allowance", **view)["remaining"] == 2
    chain.block([], 60_000)
    assert chain.refused("aurora-cashier", "token.redeem", **{**REDEEM, "amount": 1}, ref="c") == "NOT_AUTHORISED"
    with pytest.raises(Refused, match="NOT_FOUND"):
        chain.view("token_allowance", **view)


def test_an_allowance_is_used_up_or_taken_back(chain: Chain) -> None:
    issue(chain, ANN, 20)
    later = START + DAY
    allow = {"program": "stars", "spender": "aurora"}
    chain.send("ann", "token.allow", **allow, limit=3, expires=later)
    chain.send("aurora-cashier", "token.redeem", **REDEEM, ref="a")
    assert chain.refused("aurora-cashier", "token.redeem", **REDEEM, ref="b") == "LIMIT_EXCEEDED"
    chain.send("ann", "token.allow", **allow, limit=9, expires=later)
    chain.send("ann", "token.allow", **allow, limit=0, expires=0)
    assert chain.refused("aurora-cashier", "token.redeem", **REDEEM, ref="b") == "NOT_AUTHORISED"
    assert chain.refused("ann", "token.allow", **allow, limit=1, expires=START) == "EXPIRED"
    assert chain.refused("bob", "token.allow", **allow, limit=1, expires=later, from_=ANN) == "NOT_AUTHORISED"


# Freezes


def test_a_freeze_in_one_program(chain: Chain) -> None:
    issue(chain, ANN, 10)
    issue(chain, BOB, 10)
    assert chain.refused("aurora-admin", "token.freeze", account=ANN, program="stars") == "NOT_AUTHORISED"
    assert chain.refused("basil-compliance", "token.freeze", account=ANN, program="stars") == "NOT_AUTHORISED"
    frozen = chain.send("aurora-compliance", "token.freeze", account=ANN, program="stars")
    assert frozen == {"account": ANN, "frozen": True}
    assert chain.view("token_balance", program="stars", account=ANN)["frozen"] is True
    assert chain.refused("ann", "token.transfer", program="stars", to=BOB, amount=1) == "FROZEN"
    assert chain.refused("bob", "token.transfer", program="stars", to=ANN, amount=1) == "FROZEN"
    assert chain.refused("ann", "token.burn", program="stars", amount=1) == "FROZEN"
    assert chain.refused("ann", "token.redeem", ["ann", "aurora-cashier"], **REDEEM, ref="r") == "FROZEN"
    issue(chain, ANN, 1)
    chain.send("aurora-compliance", "token.unfreeze", account=ANN, program="stars")
    chain.send("ann", "token.transfer", program="stars", to=BOB, amount=11)


def test_a_freeze_at_a_brand_holds_for_programs_to_come(chain: Chain) -> None:
    chain.send("basil-admin", "token.create_program", **program_args("miles", "basil"))
    for issuer, program in (("aurora-issuer", "stars"), ("basil-issuer", "miles")):
        chain.send(issuer, "token.issue", program=program, to=ANN, amount=10)
    assert chain.refused("aurora-admin", "token.freeze", account=ANN) == "NOT_AUTHORISED"
    chain.send("aurora-compliance", "token.freeze", account=ANN)
    chain.send("aurora-admin", "token.create_program", **program_args("moons", "aurora"))
    chain.send("aurora-issuer", "token.issue", program="moons", to=ANN, amount=10)
    for program in ("stars", "moons"):
        assert chain.refused("ann", "token.transfer", program=program, to=BOB, amount=1) == "FROZEN"
    chain.send("ann", "token.transfer", program="miles", to=BOB, amount=1)
    chain.send("aurora-compliance", "token.freeze", account=ANN, program="stars")
    chain.send("aurora-compliance", "token.unfreeze", account=ANN)
    assert chain.refused("ann", "token.transfer", program="stars", to=BOB, amount=1) == "FROZEN"
    chain.send("ann", "token.transfer", program="moons", to=BOB, amount=1)


# Views and events


def test_balances(chain: Chain) -> None:
    chain.send("basil-admin", "token.create_program", **program_args("miles", "basil"))
    assert chain.view("token_balances", account=ANN) == {"items": [], "next": None}
    for issuer, program in (("aurora-issuer", "stars"), ("basil-issuer", "miles")):
        chain.send(issuer, "token.issue", program=program, to=ANN, amount=10)
    page = chain.view("token_balances", account=ANN, limit=1)
    assert [item["program"] for item in page["items"]] == ["miles"]
    (item,) = chain.view("token_balances", account=ANN, limit=1, cursor=page["next"])["items"]
    assert item == {"program": "stars", **chain.view("token_balance", program="stars", account=ANN)}


def test_an_unknown_accounts_balance_is_nothing(chain: Chain) -> None:
    shown = chain.view("token_balance", program="stars", account=ANN)
    assert shown == {"available": 0, "held": 0, "pending": 0, "debt": 0, "frozen": False, "lots": []}


def test_events_name_accounts_and_brands(chain: Chain) -> None:
    ops = [
        ("token.issue", {"program": "stars", "to": ANN, "amount": 9, "ref": "o"}),
        ("token.transfer", {"program": "stars", "from": ANN, "to": BOB, "amount": 4}),
        ("token.redeem", {"program": "stars", "from": ANN, "amount": 5, "at_brand": "aurora", "ref": "t"}),
    ]
    receipt = chain.send_ops("aurora-issuer", ops, ["aurora-issuer", "aurora-cashier", "ann"])
    common = {"program": "stars", "brand": "aurora"}
    assert [event.op for event in receipt.events] == [0, 1, 2]
    assert chain.told(receipt) == [
        ("token.issued", {**common, "account": ANN, "amount": 9, "lot": "never", "ref": "o"}),
        ("token.transferred", {**common, "from": ANN, "to": BOB, "amount": 4, "burned": 0}),
        ("token.redeemed", {**common, "at_brand": "aurora", "account": ANN, "amount": 5, "ref": "t"}),
    ]


def test_a_warm_transfer_writes_two_lots_only(chain: Chain) -> None:
    issue(chain, ANN, 9)
    issue(chain, BOB, 9)
    op = ("token.transfer", {"program": "stars", "to": BOB, "amount": 4})
    changes = chain.block([chain.transaction(ANN, [op], ["ann"])]).changes
    assert sorted(key for key in changes if key.startswith("token/")) == sorted(
        [f"token/balance/stars/{ANN}/never", f"token/balance/stars/{BOB}/never"]
    )


@pytest.mark.parametrize(
    ("redeemed", "recognised", "liability"),
    [(0, 0, 8_676), (4_500, 4_110, 4_566), (9_500, 8_676, 0), (10_000, 8_676, 0)],
)
def test_deferral_gives_the_figures_of_ifrs_15_example_52(redeemed: int, recognised: int, liability: int) -> None:
    expected = Deferral(goods=91_324, deferred=8_676, recognised=recognised, liability=liability)
    assert deferral(100_000, 10_000, 1, 9_500, redeemed) == expected


def test_deferral_of_points_that_nobody_is_expected_to_redeem(chain: Chain) -> None:
    args = {"sale": 100, "points": 10, "unit_price": 1, "expected_bps": 0, "redeemed": 3}
    assert chain.view("token_deferral", **args) == {"goods": 100, "deferred": 0, "recognised": 0, "liability": 0}


# -- holders -----------------------------------------------------------------------------------------


def holders(chain: Chain, **more: Any) -> list[tuple[str, int]]:
    page = chain.view("token_holders", program="stars", **more)
    return [(item["account"], item["available"]) for item in page["items"]]


def test_holders_are_those_who_have_points_or_owe_some_each_once(chain: Chain) -> None:
    assert holders(chain) == []
    people = [account_of(f"person-{i}") for i in range(40)]
    for number, person in enumerate(people):
        issue(chain, person, number + 1)
    issue(chain, people[3], 7, expires=chain.time + 10 * 86_400_000)
    chain.send("person-5", "token.burn", program="stars", amount=6)
    chain.send("person-6", "token.transfer", program="stars", to=BOB, amount=7)
    assert holders(chain) == [
        *[(person, number + 1 + 7 * (number == 3)) for number, person in enumerate(people) if number not in (5, 6)],
        (BOB, 7),
    ]
    issue(chain, people[5], 2)
    assert holders(chain)[5] == (people[5], 2), "who comes back has kept the place"


def test_pages_of_holders_neither_skip_nor_repeat_while_others_come(chain: Chain) -> None:
    people = [account_of(f"person-{i}") for i in range(70)]
    for person in people[:60]:
        issue(chain, person, 1)
    found: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = chain.view("token_holders", program="stars", limit=7, **cursor)
        found += [item["account"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
        if len(found) == 35:
            for person in people[60:]:
                issue(chain, person, 1)
    assert found == people


def test_a_page_of_holders_looks_at_few_that_have_spent_all(chain: Chain) -> None:
    people = [account_of(f"person-{i}") for i in range(12)]
    for person in people:
        issue(chain, person, 1)
    for number in range(9):
        chain.send(f"person-{number}", "token.burn", program="stars", amount=1)
    pages = []
    cursor: dict[str, Any] = {}
    while True:
        page = chain.view("token_holders", program="stars", limit=1, **cursor)
        pages.append([item["account"] for item in page["items"]])
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert pages == [[], [], [people[9]], [people[10]], [people[11]]]


@pytest.mark.parametrize("cursor", ["1", "a.b", "1.2.3", "-1.0", "1.2\n", ""])
def test_a_cursor_of_holders_is_one_of_theirs(chain: Chain, cursor: str) -> None:
    with pytest.raises(Refused) as refused:
        chain.view("token_holders", program="stars", cursor=cursor)
    assert refused.value.code == "INVALID_ARGS"
    assert refused.value.details["field"] == "cursor"


def test_an_account_without_points_that_owes_some_is_a_holder(chain: Chain) -> None:
    issue(chain, ANN, 5, ref="r1")
    chain.send("ann", "token.burn", program="stars", amount=5)
    assert holders(chain) == []
    chain.send("aurora-issuer", "token.reverse", program="stars", ref="r1", amount=2)
    (holder,) = chain.view("token_holders", program="stars")["items"]
    assert (holder["account"], holder["available"], holder["debt"]) == (ANN, 0, 2)
