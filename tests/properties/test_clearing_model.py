"""Clearing against an independent model: random bookings, holds, refunds, disputes, closes, payments, unwinds."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts_py.clearing.netting import payments_of
from tests.contract_harness import Chain
from tests.properties.naive_clearing import NaiveClearing
from tests.support.clearing import clearing_chain, exposure, lines, owed, payments
from vm.params import Params
from vm.primitives.units import MS_PER_DAY

BRANDS = ("aurora", "basil", "comet", "dune")
PAIRS = [(a, b) for a in BRANDS for b in BRANDS if a != b]
PRICES = [(1, 1), (7, 3), (1, 1_000), (0, 5)]
LIMIT = 5_000

WEIGHTS = {"book": 8, "hold": 2, "capture": 1, "release": 1, "refund": 2, "limit": 1, "close": 1, "confirm": 4}
WEIGHTS |= {"unwind": 3, "dispute": 2, "resolve": 3, "wait": 3}
STEPS = 200
SEEDS = 10
Step = tuple[str, int, int]


def steps_of(seed: int) -> list[Step]:
    """Return steps at random: what to do, whose turn it is, how much."""
    random = Random(seed)
    kinds = random.choices(list(WEIGHTS), list(WEIGHTS.values()), k=STEPS)
    return [
        (kind, random.randrange(10**6), min(random.randint(1, 3_000), random.randint(1, 3_000))) for kind in kinds
    ]


class Both:
    """The chain and the model, driven alike."""

    def __init__(self) -> None:
        self.chain: Chain = clearing_chain(BRANDS, Params(due_ms=10 * MS_PER_DAY), limit=LIMIT)
        self.model = NaiveClearing(BRANDS, 10 * MS_PER_DAY, LIMIT)
        self.holds: list[tuple[str, str, int, int, int]] = []
        self.conceded: dict[tuple[str, str, str, int], int] = {}
        self.open_disputes: dict[tuple[str, str, str, int], int] = {}

    def send(self, person: str, call: str, **args: Any) -> str:
        """Send an operation; return the code, or ok. The model's time goes on with the chain's."""
        receipt = self.chain.send_ops(person, [(call, args)])
        self.model.pass_to(self.chain.time)
        return receipt.error.code if receipt.error else "ok"

    def tick(self) -> None:
        """Let the agenda of the next block's time run in both before the model is asked what is possible."""
        self.chain.block([])
        self.model.pass_to(self.chain.time)

    def do(self, step: Step) -> None:
        """Do a step in both, and compare the outcome."""
        kind, choice, amount = step
        self.tick()
        getattr(self, f"_{kind}")(choice, amount)

    def _terms(self, choice: int, units: int) -> tuple[str, str, Fraction, dict[str, Any]]:
        debtor, creditor = PAIRS[choice % len(PAIRS)]
        version = choice // len(PAIRS) % len(PRICES)
        num, den = PRICES[version]
        price = {"currency": "EUR", "num": num, "den": den}
        args = {"debtor": debtor, "creditor": creditor, "price": price, "units": units}
        return debtor, creditor, Fraction(num, den), {**args, "version": version}

    def _book(self, choice: int, units: int) -> None:
        debtor, creditor, price, args = self._terms(choice, units)
        program = f"stars/{args['version']}"
        amount = self.model.worth(debtor, creditor, program, price, units)
        fits = self.model.has_room(debtor, creditor, amount) or not amount
        assert self.send("ann", "till.book", **args) == ("ok" if fits else "CREDIT_LIMIT")
        if fits:
            assert self.model.book(debtor, creditor, program, price, units) == amount

    def _hold(self, choice: int, units: int) -> None:
        debtor, creditor, price, args = self._terms(choice, units)
        kept = self.model.at_most(price, units)
        fits = self.model.has_room(debtor, creditor, kept)
        version = args.pop("version")
        assert self.send("ann", "till.hold", **args) == ("ok" if fits else "CREDIT_LIMIT")
        if fits:
            self.model.reserved[debtor, creditor] += kept
            self.holds.append((debtor, creditor, version, units, kept))

    def _capture(self, choice: int, amount: int) -> None:
        if not self.holds:
            return
        debtor, creditor, version, held, kept = self.holds.pop(choice % len(self.holds))
        num, den = PRICES[version]
        units = amount % held + 1
        args = {"debtor": debtor, "creditor": creditor, "price": {"currency": "EUR", "num": num, "den": den}}
        code = self.send("ann", "till.capture", **args, units=units, reserved=kept, version=version)
        assert code == "ok"
        self.model.reserved[debtor, creditor] -= kept
        assert self.model.book(debtor, creditor, f"stars/{version}", Fraction(num, den), units) <= kept

    def _release(self, choice: int, amount: int) -> None:
        del amount
        if self.holds:
            debtor, creditor, _, _, kept = self.holds.pop(choice % len(self.holds))
            args = {"debtor": debtor, "creditor": creditor, "currency": "EUR", "amount": kept}
            assert self.send("ann", "till.release", **args) == "ok"
            self.model.reserved[debtor, creditor] -= kept

    def _refund(self, choice: int, amount: int) -> None:
        debtor, creditor = PAIRS[choice % len(PAIRS)]
        args = {"debtor": debtor, "creditor": creditor, "currency": "EUR", "amount": amount}
        assert self.send("ann", "till.refund", **args) == "ok"
        self.model.counter(debtor, creditor, amount)

    def _limit(self, choice: int, amount: int) -> None:
        debtor, creditor = PAIRS[choice % len(PAIRS)]
        args = {"debtor": debtor, "creditor": creditor, "currency": "EUR", "amount": amount}
        assert self.send(f"{creditor}-treasurer", "clearing.set_credit_limit", **args) == "ok"
        self.model.limits[debtor, creditor] = amount

    def _close(self, choice: int, amount: int) -> None:
        del amount
        names = [name for name, month in self.model.months.items() if month.status == "open"]
        for name in names[:1]:
            inside = {b for e in self.model.entries if e.period == name for b in (e.debtor, e.creditor)}
            brand = BRANDS[choice % len(BRANDS)]
            code = self.send(f"{brand}-treasurer", "clearing.close", currency="EUR", period=name)
            if code == "ok":
                assert brand in inside
                self.model.close(name)
            else:
                assert code in ("NOT_AUTHORISED", "NOT_ELIGIBLE")

    def _confirm(self, choice: int, amount: int) -> None:
        del amount
        waiting = [
            (name, parties)
            for name, month in self.model.months.items()
            if month.status == "closed"
            for parties in sorted(month.payments)
            if parties not in month.paid
        ]
        if waiting:
            name, parties = waiting[choice % len(waiting)]
            paid = self.model.months[name].payments[parties]
            args = {"period": name, "payer": parties[0], "payee": parties[1], "amount": paid, "bank_ref": "b"}
            assert self.send(f"{parties[1]}-treasurer", "clearing.confirm", **args) == "ok"
            self.model.confirm(name, parties)

    def _unwind(self, choice: int, amount: int) -> None:
        del amount
        closed = sorted(name for name, month in self.model.months.items() if month.status == "closed")
        if closed:
            name = closed[choice % len(closed)]
            month = self.model.months[name]
            brand = next(iter(month.payments))[0]
            code = self.send(f"{brand}-treasurer", "clearing.unwind", period=name)
            assert code == ("ok" if self.chain.time >= month.due else "NOT_ELIGIBLE")
            if code == "ok":
                self.model.unwind(name)

    def _dispute(self, choice: int, amount: int) -> None:
        del amount
        brand = BRANDS[choice % len(BRANDS)]
        found = [
            (period, line["debtor"], line["creditor"], line["line"], line["amount"])
            for period in sorted(self.model.months)
            for line in lines(self.chain, brand, period)
        ]
        if found:
            *place, whole = found[choice // 4 % len(found)]
            key = (place[0], place[1], place[2], place[3])
            code = self.send(f"{brand}-treasurer", "clearing.dispute", **self._place(key))
            assert code == ("ALREADY_EXISTS" if key in self.conceded else "ok")
            if code == "ok":
                self.open_disputes[key] = whole
                self.conceded[key] = 0

    def _resolve(self, choice: int, amount: int) -> None:
        if self.open_disputes:
            keys = sorted(self.open_disputes)
            key = keys[choice % len(keys)]
            left = self.open_disputes[key] - self.conceded[key]
            freed, exposed = self.model.concession(key, self.conceded[key], amount)
            fits = not exposed or self.model.has_room(key[2], key[1], exposed)
            code = self.send(f"{key[2]}-treasurer", "clearing.resolve", **self._place(key), amount=amount)
            assert code == ("LIMIT_EXCEEDED" if amount > left else "ok" if fits else "CREDIT_LIMIT")
            if code == "ok":
                self.model.concede(key[1], key[2], freed, exposed)
                self.conceded[key] += amount
                if amount == left:
                    del self.open_disputes[key]

    @staticmethod
    def _place(key: tuple[str, str, str, int]) -> dict[str, Any]:
        return {"currency": "EUR", "period": key[0], "debtor": key[1], "creditor": key[2], "line": key[3]}

    def _wait(self, choice: int, amount: int) -> None:
        del amount
        self.chain.until(self.chain.time + choice % 9 * MS_PER_DAY + 1)
        self.model.pass_to(self.chain.time)

    def compare(self) -> None:
        """Hold the chain's views against the model."""
        positions = {brand: owed(self.chain, brand) for brand in BRANDS}
        assert positions == {brand: self.model.position(brand) for brand in BRANDS}
        assert sum(positions.values()) == 0
        assert [exposure(self.chain, *pair) for pair in PAIRS] == [self.model.exposure(*pair) for pair in PAIRS]
        shown = {i["period"]: i["status"] for i in self.chain.view("clearing_periods", currency="EUR")["items"]}
        assert shown == {name: month.status for name, month in self.model.months.items()}
        for name, month in self.model.months.items():
            made = payments(self.chain, name)
            assert {(payer, payee): amount for payer, payee, amount in made} == month.payments
            assert len(made) < len(BRANDS)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_view_is_the_models_after_every_step(seed: int) -> None:
    both = Both()
    for step in steps_of(seed):
        both.do(step)
        both.compare()
    sums = {}
    for name in both.model.months:
        for brand in BRANDS:
            view = both.chain.view("clearing_statement", brand=brand, currency="EUR", period=name, limit=1_000)
            sums[name, brand] = (view["owes"], view["owed"])
            mine = [line["amount"] for line in view["items"] if line["debtor"] == brand]
            assert sum(mine) == view["owes"]
            assert sum(line["amount"] for line in view["items"]) - sum(mine) == view["owed"]
        totals = [sums[name, brand] for brand in BRANDS]
        assert sum(owes for owes, _ in totals) == sum(owed for _, owed in totals)


@given(st.lists(st.integers(-(10**9), 10**9), max_size=60))
def test_netting_brings_every_position_to_zero_in_fewer_payments_than_brands(amounts: list[int]) -> None:
    positions = {f"b{place:02}": amount for place, amount in enumerate(amounts)}
    positions["rest"] = -sum(amounts)
    left = dict(positions)
    made = list(payments_of(positions))
    for payer, payee, amount in made:
        assert amount > 0
        assert left[payer] <= -amount
        assert left[payee] >= amount
        left[payer] += amount
        left[payee] -= amount
    assert set(left.values()) == {0}
    assert len(made) <= max(0, sum(1 for amount in positions.values() if amount) - 1)
    assert len({(payer, payee) for payer, payee, _ in made}) == len(made)
    # What is left after some of them is netted into the others.
    half = len(made) // 2
    for payer, payee, amount in made[:half]:
        positions[payer] += amount
        positions[payee] -= amount
    assert list(payments_of(positions)) == made[half:]
