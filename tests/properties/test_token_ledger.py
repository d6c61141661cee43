"""The token contract against a naive ledger: random blocks, transactions, refusals and jumps of time."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts_py.token.records import EXPIRIES, EXPIRY_DATES, HOLDINGS, LOT_DATES
from tests.contract_harness import Chain, account_of, brand_ops, key_of, program_args
from tests.properties.naive_ledger import FOREVER, Ledger, Refusal, Rules
from tests.support.agenda import items_per_block
from vm.primitives.codec import decode

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

PROGRAMS = {
    "forever": Rules({"kind": "none"}, burn_bps=250),
    "daily": Rules({"kind": "days", "days": 3}, offset=330, burn_bps=250),
    "monthly": Rules({"kind": "month_end", "months": 1}, offset=-480, burn_bps=3_333),
    "active": Rules({"kind": "inactivity", "days": 5}, offset=330, burn_bps=1),
    "capped": Rules({"kind": "days", "days": 2}, cap=1_000, transfer="none"),
    "inner": Rules({"kind": "month_end", "months": 0}, transfer="brand"),
}
PEOPLE = ("ann", "bob", "mia", "max")
MEMBERS = ("mia", "max")
"""Claimed members of brand zero; the others are plain accounts."""

BRAND_OF_OFFSET = {0: "zero", 330: "east", -480: "west"}

programs = st.integers(0, 1)
"""Which of the two programs of a run; few programs and people meet more often."""

people = st.sampled_from(PEOPLE)
amounts = st.one_of(st.integers(1, 60), st.integers(1, 60), st.sampled_from([900, 2**52, 2**53 - 1]))
refs = st.one_of(st.none(), st.sampled_from(["r1", "r2", "r3", "r4"]))
dates = st.one_of(st.none(), st.none(), st.integers(-DAY, 20 * DAY), st.integers(0, 5).map(lambda days: days * DAY))
pauses = st.one_of(
    st.integers(1, 10 * MINUTE),
    st.integers(1, 30).map(lambda hours: hours * HOUR),
    st.integers(1, 30).map(lambda hours: hours * HOUR),
    st.integers(1, 50 * DAY),
)

operations = st.one_of(
    st.tuples(st.just("issue"), programs, people, amounts, refs, dates),
    st.tuples(st.just("issue"), programs, people, amounts, st.none(), dates),
    st.tuples(st.just("transfer"), programs, people, people, amounts),
    st.tuples(st.just("transfer"), programs, people, people, amounts),
    st.tuples(st.just("burn"), programs, people, amounts),
    st.tuples(st.just("redeem"), programs, people, amounts, st.sampled_from(["r1", "r2", "r3", "r4", "r5"])),
)


class TokenAgainstNaiveLedger(RuleBasedStateMachine):
    """Each rule is one block; after it every figure of both ledgers is compared."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: dict[str, str] = {name: account_of(name) for name in PEOPLE}

    @initialize(
        names=st.permutations(sorted(PROGRAMS)).map(lambda names: names[:2]),
        pace=st.sampled_from([0, 1, 64]),
    )
    def begin(self, names: list[str], pace: int) -> None:
        self.names = names
        # Where the agenda is worked off slowly, expired lots and unsettled dates lie about, and must be worth
        # nothing.
        self.pace = pytest.MonkeyPatch()
        items_per_block(self.pace, pace)
        ops = []
        for offset, brand in BRAND_OF_OFFSET.items():
            ops += brand_ops(brand, [{"from": 0, "minutes": offset}] if offset else [])
        for name, rules in PROGRAMS.items():
            brand = BRAND_OF_OFFSET[rules.offset]
            changes: dict[str, Any] = {} if rules.cap is None else {"cap": rules.cap}
            ops.append(
                (
                    "token.create_program",
                    program_args(
                        name,
                        brand,
                        expiry=rules.expiry,
                        transfer=rules.transfer,
                        transfer_burn_bps=rules.burn_bps,
                        **changes,
                    ),
                )
            )
        self.chain = Chain(ops)
        for name in MEMBERS:
            address = self.chain.send("zero-issuer", "identity.enroll", brand="zero", ref=key_of(name).hex())
            self.chain.send(
                "zero-issuer",
                "identity.claim",
                signers=["zero-issuer", name],
                member=address,
                key=key_of(name).hex(),
            )
            self.addresses[name] = address
        self.ledger = Ledger(PROGRAMS, self.chain.time, members={self.addresses[name] for name in MEMBERS})

    @rule(
        after=pauses,
        batches=st.lists(st.lists(operations, min_size=1, max_size=2), max_size=8),
    )
    def block(self, after: int, batches: list[list[tuple[Any, ...]]]) -> None:
        self.ledger.advance(self.chain.time + after)
        transactions, expected = [], []
        for operations in batches:
            # Every role and every person signs all: who may do what is for the unit tests.
            ops = [self._op(operation) for operation in operations]
            signers = [f"{brand}-{role}" for brand in BRAND_OF_OFFSET.values() for role in ("issuer", "cashier")]
            transactions.append(self.chain.transaction(account_of("zero-issuer"), ops, [*signers, *PEOPLE]))
            expected.append(self._expect(operations))
        receipts = self.chain.block(transactions, after).receipts
        outcomes = [receipt.error.code if receipt.error else None for receipt in receipts[: len(batches)]]
        assert outcomes == expected

    @rule(person=people, program=programs, frozen=st.sampled_from([True, False, False]))
    def freeze(self, person: str, program: int, frozen: bool) -> None:
        self._freeze(person, self.names[program], frozen)

    def _freeze(self, person: str, program: str, frozen: bool) -> None:
        brand = BRAND_OF_OFFSET[PROGRAMS[program].offset]
        call = "token.freeze" if frozen else "token.unfreeze"
        self.chain.send(f"{brand}-compliance", call, program=program, account=self.addresses[person])
        self.ledger.advance(self.chain.time)
        # A freeze makes the account known to the program, which shows in the order of refusals only.
        self.ledger.seen.add((program, self.addresses[person]))
        if frozen:
            self.ledger.frozen.add((program, self.addresses[person]))
        else:
            self.ledger.frozen.discard((program, self.addresses[person]))

    @rule(blocks=st.integers(1, 3))
    def quiet_blocks(self, blocks: int) -> None:
        for _ in range(blocks):
            self.chain.block([])
        self.ledger.advance(self.chain.time)

    def _op(self, operation: tuple[Any, ...]) -> tuple[str, dict[str, Any]]:
        kind, place, person, *rest = operation
        program = self.names[place]
        account = self.addresses[person]
        args: dict[str, Any] = {"program": program}
        if kind == "issue":
            amount, ref, date = rest
            args |= {"to": account, "amount": amount}
            if ref is not None:
                args["ref"] = ref
            if date is not None:
                args["expires"] = self.ledger.time + date
        elif kind == "transfer":
            args |= {"from": account, "to": self.addresses[rest[0]], "amount": rest[1]}
        else:
            args |= {"from": account, "amount": rest[0]}
        if kind == "redeem":
            args |= {"ref": rest[1], "at_brand": BRAND_OF_OFFSET[PROGRAMS[program].offset]}
        return f"token.{kind}", args

    def _expect(self, operations: list[tuple[Any, ...]]) -> str | None:
        before = self.ledger.snapshot()
        try:
            for operation in operations:
                self._apply(operation)
        except Refusal as refusal:
            self.ledger.restore(before)
            return str(refusal)
        return None

    def _apply(self, operation: tuple[Any, ...]) -> None:
        kind, place, person, *rest = operation
        program = self.names[place]
        account = self.addresses[person]
        if kind == "issue":
            amount, ref, date = rest
            self.ledger.issue(program, account, amount, ref, None if date is None else self.ledger.time + date)
        elif kind == "transfer":
            self.ledger.transfer(program, account, self.addresses[rest[0]], rest[1])
        elif kind == "burn":
            self.ledger.burn(program, account, rest[0])
        else:
            self.ledger.redeem(program, account, rest[0], rest[1])

    @invariant()
    def views_agree(self) -> None:
        for program in PROGRAMS:
            for account in self.addresses.values():
                shown = self.chain.view("token_balance", program=program, account=account)
                lots = [
                    (FOREVER if lot["expires"] is None else lot["expires"], lot["amount"]) for lot in shown["lots"]
                ]
                assert lots == self.ledger.of(program, account)
                assert shown["available"] == self.ledger.balance(program, account)
            shown = self.chain.view("token_supply", program=program)
            for name in ("issued", "redeemed", "burned", "expired"):
                assert shown[name] == self.ledger.counter(program, name), (program, name)
            assert shown["outstanding"] == shown["available"] == self.ledger.outstanding(program)
            entered = shown["issued"] + shown["swapped_in"] + shown["refunded"]
            left = sum(shown[name] for name in ("redeemed", "burned", "expired", "reversed", "swapped_out"))
            assert entered == shown["outstanding"] + left

    @invariant()
    def stored_records_agree(self) -> None:
        values = {key: decode(data) for key, data in self.chain.state.values.items() if key.startswith("token/")}
        by_date: dict[tuple[str, str], int] = {}
        listed: dict[tuple[str, str], list[int]] = {}
        for key, value in values.items():
            if key.startswith("token/balance/"):
                _, _, program, account, lot = key.split("/")
                assert value >= 1
                date = 2**53 - 1 if lot == "never" else int(lot)
                listed.setdefault((program, account), []).append(date)
                if lot != "never":
                    by_date[program, lot] = by_date.get((program, lot), 0) + value
        for program, lot in by_date:
            assert EXPIRIES.is_due(self.chain.context(), int(lot), program, int(lot)), "nothing will ever sweep it"
        for program in PROGRAMS:
            next_date = values[f"token/supply/{program}"].get("next_date")
            dates = list(EXPIRY_DATES.iterate(self.chain.context(), program))
            assert next_date == (dates[0] if dates else None)
            # Counters of dates that have been settled are gone, and lots of such dates wait for the sweep. Both
            # are worked off at their own pace: of a date that has passed, the lots may go before the counter.
            counters = {k.split("/")[3]: v for k, v in values.items() if k.startswith(f"token/expiring/{program}/")}
            live = {lot: amount for (p, lot), amount in by_date.items() if p == program and lot in counters}
            passed = {lot for lot in counters if int(lot) <= self.chain.time}
            assert {lot: counters[lot] for lot in counters if lot not in passed} == {
                lot: live[lot] for lot in live if lot not in passed
            }
            assert all(counters[lot] >= live.get(lot, 0) for lot in passed)
            assert sorted(map(int, counters)) == dates
            assert all(int(lot) <= self.chain.time for (p, lot) in by_date if p == program and lot not in counters)
        for key in values:
            if key.startswith("token/account/") and key.count("/") == 3:
                _, _, program, account = key.split("/")
                holding = HOLDINGS.require(self.chain.context(), program, account)
                dates = [date for date, _ in LOT_DATES.walk(self.chain.context(), key, holding.lots)]
                assert dates == sorted(listed.pop((program, account), []))
        assert not listed

    def teardown(self) -> None:
        if not hasattr(self, "chain"):
            return
        self.pace.undo()
        self.chain.block([])
        for key in self.chain.state.values:
            if key.startswith("token/balance/"):
                lot = key.split("/")[4]
                assert lot == "never" or int(lot) > self.chain.time, "an expired lot was never swept"


TokenAgainstNaiveLedger.TestCase.settings = settings(
    max_examples=int(os.environ.get("LEDGER_EXAMPLES", "20")), stateful_step_count=20, deadline=None
)
TestTokenAgainstNaiveLedger = TokenAgainstNaiveLedger.TestCase
