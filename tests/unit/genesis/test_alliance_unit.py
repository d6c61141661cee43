"""The genesis template of an alliance-wide unit: what it makes, what backs it, what it refuses."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from contracts_py.clearing.records import LIVE, PAYMENTS
from genesis.alliance_unit import AllianceUnit, template
from genesis.errors import GenesisDocumentError
from tests.contract_harness import START, Chain, Op, account_of, brand_ops, program_args
from vm.params import Params
from vm.primitives.units import MS_PER_DAY

ANN = account_of("ann")
BRANDS = ("aurora", "basil")
UNIT = "alliance-unit"


def text(old: str = "", new: str = "") -> str:
    written = template()
    assert old in written
    admin = account_of("alliance-admin")
    return written.replace(old, new, 1).replace("admins = []", f'admins = ["{admin}"]')


def roles() -> list[Op]:
    grants = [("alliance", role) for role in ("issuer", "cashier", "treasurer")]
    grants += [(brand, "treasurer") for brand in BRANDS]
    return [
        (
            "identity.grant_role",
            {"brand": brand, "role": role, "account": account_of(f"{brand}-{role}")},
        )
        for brand, role in grants
    ]


def chain_of(unit: AllianceUnit, params: Params | None = None) -> Chain:
    ops: list[Op] = [op for brand in BRANDS for op in brand_ops(brand)]
    ops += [*unit.ops(START), *roles(), ("token.partner", {"program": UNIT, "at_brand": "basil"})]
    for program in ("aurora-miles", "basil-points"):
        ops.append(("token.issue", {"program": program, "to": ANN, "amount": 100_000}))
    return Chain(ops, params)


@pytest.fixture
def chain() -> Chain:
    return chain_of(AllianceUnit.parse(text()))


def backing(chain: Chain) -> tuple[int, int]:
    """Return the unit's reserve, and what is outstanding of it is worth."""
    shown = chain.view("token_backing", program=UNIT)
    assert shown["reserve"] >= shown["worth"] == shown["outstanding"]
    return shown["reserve"], shown["worth"]


def exchange(chain: Chain, treaty: str, amount: int) -> Any:
    return chain.send("ann", "swap.exchange", treaty=treaty, amount=amount, min_out=0)


def test_units_come_from_one_member_and_go_to_another(chain: Chain) -> None:
    assert backing(chain) == (0, 0)
    assert exchange(chain, "aurora-miles-in", 1_001)["out"] == 500
    assert backing(chain) == (500, 500)
    assert exchange(chain, "alliance-basil-points", 200)["out"] == 198
    # The fee of two units is the alliance's, and so is the reserve that they leave.
    assert backing(chain) == (302, 300)
    answer = chain.send(
        "ann",
        "swap.exchange_route",
        treaties=["aurora-miles-in", "alliance-basil-points"],
        amount=1_000,
        min_out=1,
    )
    assert answer["out"] == 495
    assert backing(chain) == (307, 300)


def test_no_unit_is_made_that_nothing_backs(chain: Chain) -> None:
    exchange(chain, "aurora-miles-in", 1_000)
    exchange(chain, "alliance-basil-points", 200)
    issue = {"program": UNIT, "to": ANN, "ref": "gift"}
    receipt = chain.send_ops("alliance-issuer", [("token.issue", {**issue, "amount": 3})])
    assert receipt.error is not None
    assert (receipt.error.code, receipt.error.details) == (
        "UNDERFUNDED",
        {"program": UNIT, "reserve": 302, "needed": 303},
    )
    chain.send("alliance-issuer", "token.issue", **issue, amount=2)
    assert backing(chain) == (302, 302)
    adjust = {"program": UNIT, "account": ANN, "amount": 1, "reason": "sorry", "ref": "a"}
    signers = ["alliance-issuer", "alliance-treasurer"]
    assert chain.refused("alliance-issuer", "token.adjust", signers, **adjust) == "UNDERFUNDED"


def test_what_the_reserve_needs_comes_from_redemptions_too(chain: Chain) -> None:
    exchange(chain, "aurora-miles-in", 1_000)
    redeem = {"program": UNIT, "from": ANN, "amount": 100, "ref": "r"}
    chain.send("ann", "token.redeem", ["ann", "basil-cashier"], **redeem, at_brand="basil")
    assert backing(chain) == (400, 400)
    refund = {"program": UNIT, "redemption_ref": "r", "amount": 40, "ref": "back"}
    chain.send("basil-cashier", "token.refund", **refund)
    assert backing(chain) == (440, 440)
    # At its own till the alliance's brand earns what backed the units. Once that is given away, no refund is left.
    chain.send("ann", "token.redeem", ["ann", "alliance-cashier"], **redeem, at_brand="alliance")
    assert backing(chain) == (440, 340)
    chain.send("alliance-issuer", "token.issue", program=UNIT, to=ANN, amount=90)
    assert chain.refused("alliance-cashier", "token.refund", **refund) == "UNDERFUNDED"
    chain.send("alliance-cashier", "token.refund", **{**refund, "amount": 10})
    assert backing(chain) == (440, 440)


def test_a_unit_that_expired_comes_back_only_where_it_is_backed() -> None:
    unit = AllianceUnit.parse(text('kind = "none"', 'kind = "days"\ndays = 1'))
    chain = chain_of(unit)
    exchange(chain, "aurora-miles-in", 1_000)
    lot = chain.view("token_balance", program=UNIT, account=ANN)["lots"][0]["lot"]
    chain.until(int(lot) + 1)
    assert backing(chain) == (500, 0)
    again = {"program": UNIT, "account": ANN, "lot": lot, "expires": chain.time + 5 * MS_PER_DAY}
    chain.send("alliance-issuer", "token.issue", program=UNIT, to=ANN, amount=1)
    assert chain.refused("alliance-issuer", "token.reinstate", **again) == "UNDERFUNDED"


def test_backing_is_counted_from_whole_minor_units_at_one_price(chain: Chain) -> None:
    admin = "alliance-admin"
    price = {"currency": "EUR", "num": 2, "den": 1}
    assert chain.refused(admin, "token.update_program", program=UNIT, price=price) == "NOT_ELIGIBLE"
    chain.send(admin, "token.update_program", program=UNIT, price={**price, "num": 1})
    second = {
        "brand": "alliance",
        "name": "Two",
        "symbol": "TWO",
        "decimals": 0,
        "transfer": "none",
        "expiry": {"kind": "none"},
        "transfer_burn_bps": 0,
        "notice_ms": 0,
        "backed": True,
    }
    create = "token.create_program"
    assert chain.refused(admin, create, program="alliance-two", price=price, **second) == "NOT_ELIGIBLE"
    plain = {**second, "backed": False, "program": "alliance-two"}
    assert chain.refused(admin, create, price=price, **plain) == "NOT_ELIGIBLE"
    chain.send(admin, create, price={**price, "currency": "CHF"}, **plain)
    francs = {"currency": "CHF", "num": 1, "den": 1}
    assert chain.refused(admin, create, program="alliance-three", price=francs, **second) == "NOT_ELIGIBLE"
    for wrong in ({"num": 1, "den": 2}, {"num": 0, "den": 1}):
        broken = {"currency": "USD", **wrong}
        assert chain.refused(admin, create, program="alliance-four", price=broken, **second) == "NOT_ELIGIBLE"
    assert chain.view("token_program", program=UNIT)["backed"] is True
    with pytest.raises(Exception, match="NOT_ELIGIBLE"):
        chain.view("token_backing", program="aurora-miles")


def test_a_treaty_that_gives_more_than_units_are_worth_ends_with_what_others_do_not_need(chain: Chain) -> None:
    exchange(chain, "aurora-miles-in", 1_000)
    exchange(chain, "alliance-basil-points", 200)
    assert backing(chain) == (302, 300)
    terms = program_args("basil-gold", "basil", price={"currency": "EUR", "num": 2, "den": 1})
    chain.send("basil-admin", "token.create_program", **terms)
    treaty = {"rate": [1, 1], "fee_bps": 0, "limits": {}, "valid_from": START, "valid_to": START + MS_PER_DAY}
    way = {"treaty": "basil-gold-out", "from_program": UNIT, "to_program": "basil-gold"}
    chain.send("basil-admin", "swap.propose", **treaty, **way)
    chain.send("alliance-admin", "swap.accept", treaty="basil-gold-out")
    gold = {"treaty": "basil-gold-out", "min_out": 0}
    assert chain.refused("ann", "swap.exchange", amount=3, **gold) == "UNDERFUNDED"
    chain.send("ann", "swap.exchange", amount=2, **gold)
    assert backing(chain) == (298, 298)
    route = ["aurora-miles-in", "basil-gold-out"]
    assert chain.refused("ann", "swap.exchange_route", treaties=route, amount=100, min_out=1) == "UNDERFUNDED"


def test_what_backs_units_is_not_conceded(chain: Chain) -> None:
    exchange(chain, "aurora-miles-in", 1_000)
    month = chain.view("clearing_position", brand="aurora", currency="EUR")["periods"][0]["period"]
    line = {"currency": "EUR", "period": month, "debtor": "aurora", "creditor": "alliance", "line": 0}
    chain.send("aurora-treasurer", "clearing.dispute", **line, reason="no such exchange")
    assert chain.refused("alliance-treasurer", "clearing.resolve", **line, amount=1) == "NOT_ELIGIBLE"
    chain.send("aurora-treasurer", "clearing.resolve", **line, amount=0)
    assert backing(chain) == (500, 500)


@pytest.mark.parametrize("seed", range(4))
def test_units_stay_backed_through_closes_payments_and_unwinding(seed: int) -> None:
    chain = chain_of(AllianceUnit.parse(text()), Params(due_ms=5 * MS_PER_DAY))
    chance = random.Random(seed)
    for step in range(120):
        amount = chance.randint(1, 3_000)
        match chance.randrange(7):
            case 0 | 1:
                _try(chain, ["ann"], "swap.exchange", treaty="aurora-miles-in", amount=amount, min_out=0)
            case 2:
                _try(chain, ["ann"], "swap.exchange", treaty="alliance-basil-points", amount=amount, min_out=0)
            case 3:
                args = {"program": UNIT, "from": ANN, "amount": amount, "ref": f"r{step}", "at_brand": "basil"}
                _try(chain, ["ann", "basil-cashier"], "token.redeem", **args)
            case 4:
                _try(chain, ["alliance-issuer"], "token.issue", program=UNIT, to=ANN, amount=amount)
            case 5:
                chain.until(chain.time + chance.randint(1, 12) * MS_PER_DAY)
            case 6:
                _settle(chain, chance)
        backing(chain)
    assert chain.view("token_supply", program=UNIT)["swapped_out"] > 0


def _try(chain: Chain, signers: list[str], call: str, **args: Any) -> None:
    chain.send_ops(signers[0], [(call, args)], signers)


def _settle(chain: Chain, chance: random.Random) -> None:
    """Confirm a payment, or unwind what is unpaid; now and then close the month early."""
    ctx = chain.context()
    for period in LIVE.get(ctx, "EUR") or ():
        if chance.random() < 0.3:
            _try(chain, ["aurora-treasurer"], "clearing.close", currency="EUR", period=period)
        for (payer, payee), payment in list(PAYMENTS.entries(ctx, "EUR", period)):
            args = {"period": period, "payer": payer, "payee": payee, "amount": payment.amount, "bank_ref": "b"}
            if chance.random() < 0.6:
                _try(chain, [f"{payee}-treasurer"], "clearing.confirm", **args)
        _try(chain, ["aurora-treasurer"], "clearing.unwind", period=period, currency="EUR")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("out_of_unit = [1, 1]", "out_of_unit = [102, 100]", "basil: out_of_unit gives more value than it takes"),
        ('price = { currency = "EUR", num = 1, den = 1 }', 'price = { currency = "USD", num = 1, den = 1 }', "USD"),
        ('currency = "EUR"', "currency = 3", r"Expected `str`, got `int` - at `\$.unit.currency`"),
        ("may_owe", "may_ow", "may_ow"),
        ("[unit]", "[unit", "it is no TOML"),
        ("num = 1, den = 1", f"num = {'9' * 5_000}, den = 1", "it is no TOML"),
        ("[unit]", f"deep = {'[' * 50_000}\n[unit]", "nested too deep"),
        ('price = { currency = "EUR", num = 1, den = 2 }', "price = 1", "aurora: program_terms.price"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(old: str, new: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "unit.toml"
    file.write_text(text(old, new), encoding="utf-8")
    with pytest.raises(GenesisDocumentError, match=words) as caught:
        AllianceUnit.load(file)
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(GenesisDocumentError, match="cannot be read"):
        AllianceUnit.load(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(GenesisDocumentError, match="cannot be read"):
        AllianceUnit.load(tmp_path / "bytes.toml")
