"""Random calls by random actors on a chain and on the naive ledger, and the comparison of the two.

Everything follows from the seed. A run consists of blocks of transactions of one or more calls. Where the agenda is
held back, blocks with calls work off none of it, and blocks without calls some: what then became of holds, of
pending points and of periods the model takes from the events, since the specification lets them wait.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

import pytest

from contracts_py.identity import Authority, Brands, Exits, IdentityHooks
from tests.contract_harness import Chain, Op, account_of, as_read, brand_ops, credit_ops, key_of, program_args
from tests.properties import (
    ledger_model_clearing,
    ledger_model_corrections,
    ledger_model_persons,
    ledger_model_swap,
    ledger_model_token,
)
from tests.properties.ledger_calls import Calls
from tests.properties.ledger_comparison import Comparison, Mismatch, require
from tests.properties.ledger_model import CUSTODIAL, Model, Refusal, World
from tests.support.agenda import items_per_block
from vm.params import Params
from vm.primitives.address import address_of_member, address_of_pool

BRANDS = {"alpha": 0, "beta": 0, "west": -480}
PROGRAMS: dict[str, dict[str, Any]] = {
    "alpha-ever": {"expiry": {"kind": "none"}, "transfer_burn_bps": 250, "adjust_limit": 50},
    "alpha-days": {"expiry": {"kind": "days", "days": 3}, "cap": 4_000, "price": ("EUR", 7, 3)},
    "beta-month": {
        "expiry": {"kind": "month_end", "months": 1},
        "transfer_burn_bps": 3_333,
        "notice_ms": 86_400_000,
    },
    "beta-live": {"expiry": {"kind": "inactivity", "days": 5}, "transfer_burn_bps": 1, "price": ("CHF", 2, 1)},
    "west-days": {"expiry": {"kind": "days", "days": 40}, "transfer_day": 300, "price": ("EUR", 1, 7)},
    "west-month": {"expiry": {"kind": "month_end", "months": 0}, "transfer": "brand", "cap": 6_000},
}
PERSONS = ("ann", "bob", "mia", "max", "cara", "wim")
CLAIMED = {"mia": "alpha", "max": "beta"}
ENROLLED = {"cara": "alpha", "wim": "west"}
ROLES = {"office": ("issuer", "treasurer", "compliance"), "till": ("cashier",), "second": ("issuer",)}
CALLS = (
    ledger_model_token.CALLS
    | ledger_model_corrections.CALLS
    | ledger_model_swap.CALLS
    | ledger_model_clearing.CALLS
    | ledger_model_persons.CALLS
)
DAY, HOUR = 86_400_000, 3_600_000
ALL = 10**9
"""More steps of the agenda than a block can have."""

LIMIT = 10**12
"""What brands let each other owe to begin with."""

CONTRACTS = ("token", "swap", "clearing", "identity")


class Run:
    """One seed.

    Attributes:
        done, refused: by call, how often it was made and succeeded, or was refused or undone.
        codes: how often the model gave a code as a reason.
    """

    def __init__(
        self, seed: int, patch: pytest.MonkeyPatch, held_back: bool = False, watched: bool = False
    ) -> None:
        self.seed, self.random, self.patch, self.held_back = seed, random.Random(seed), patch, held_back
        self.log: deque[tuple[int, str]] = deque(maxlen=4_000)
        self.done, self.refused, self.codes = Counter[str](), Counter[str](), Counter[str]()
        items_per_block(patch, ALL)
        params = Params(account_cost_per_window=10**12, brand_cost_per_window=10**12)
        self.chain = Chain(_genesis(), params, watched=watched)
        self.model = Model(_world(), self.chain.time, programs=list(PROGRAMS))
        self._begin()
        self.calls = Calls(self.random, self.model)
        self.comparison = Comparison(self.model, self.chain, self.random)

    @property
    def step(self) -> int:
        """How many calls were made."""
        return self.done.total() + self.refused.total()

    def _begin(self) -> None:
        """Let the model hold what genesis made, and enroll the first members."""
        model, chain = self.model, self.chain
        for name in ("ann", "bob"):
            model.put(name, "holder", account_of(name))
        for name, brand in {**CLAIMED, **ENROLLED}.items():
            member = chain.send(f"{brand}-office", "identity.enroll", brand=brand, ref=key_of(name).hex())
            model.put(brand, "member", member)
            model.put(name if name in CLAIMED else CUSTODIAL, "holder", member)
            if name in CLAIMED:
                signers = [f"{brand}-office", name]
                chain.send(signers[0], "identity.claim", signers=signers, member=member, key=key_of(name).hex())
        for program in PROGRAMS:
            shown = chain.view("token_program", program=program)
            rules = {name: shown.get(name) for name in ("cap", "transfer_day", "version", "brand")}
            rules["adjust_limit"] = shown.get("adjust_limit", 0)
            rules |= {
                name: shown[name] for name in ("expiry", "transfer", "transfer_burn_bps", "notice_ms", "price")
            }
            assert PROGRAMS[program]["expiry"] == rules["expiry"]
            model.put({**rules, "announced": None}, "rules", program)
        for creditor in BRANDS:
            for debtor in BRANDS:
                for currency in ("EUR", "CHF"):
                    model.put(LIMIT, "credit limit", currency, debtor, creditor)
        model.time = chain.time
        del model.undo[:]

    # -- blocks --------------------------------------------------------------------------------------

    def until(self, operations: int) -> None:
        """Run until so many calls were made."""
        leaving = {operations // 2: "west", operations * 3 // 4: "beta"} if self.seed % 4 == 0 else {}
        try:
            while self.step < operations:
                if leaving and self.step >= min(leaving):
                    self._exit(leaving.pop(min(leaving)))
                self.block()
            self._catch_up()
            self.comparison.everything()
        except Exception as error:
            words, about = error.args if isinstance(error, Mismatch) else (f"{type(error).__name__}: {error}", "")
            raise Mismatch(self._told(words, about)) from error

    def block(self) -> None:
        """Make one block, and compare."""
        self._govern()
        if self.held_back:
            self._held_back_agenda()
        after = self._pause()
        self.model.advance(self.chain.time + after)
        items_per_block(self.patch, 0 if self.held_back else ALL)
        ended = [] if self.held_back else list(self._settle())
        batch = [self._transaction() for _ in range(self.random.randint(1, 14))]
        transactions = [
            self.chain.transaction(account_of(signers[0]), ops, signers) for signers, ops, _, _ in batch
        ]
        result = self.chain.block(transactions, after)
        found = self._ended(result.receipts[-1])
        require(found == ended, f"the agenda did {found}, not {ended}")
        for (_, ops, answers, codes), receipt in zip(batch, result.receipts, strict=False):
            if codes is None:
                require(receipt.status == "ok", f"{ops}: the model allows what fails: {receipt.error}")
                for (call, args), answer, told in zip(ops, answers, as_read(receipt.results), strict=True):
                    same = not isinstance(told, dict) or answer.items() <= told.items()
                    require(same, f"{call} {args} answers {told}, not {answer}")
            else:
                code = receipt.error.code if receipt.error else "success"
                require(code in codes, f"{ops}: the model refuses with {sorted(codes)}, here is {code}")
        if not ended and not self.held_back and all(codes for *_, codes in batch) and after < HOUR:
            # Not a block in which a date has passed: what was swept is no doing of the failed calls.
            told = [key for key in result.changes if key.partition("/")[0] in CONTRACTS]
            swept = [key for key in told if key.split("/")[1] in ("expiring", "expiry-dates", "lots-on")]
            require(bool(swept) or not told, f"failed calls changed {told}")
        self.comparison.after_block({key for key, _ in self.model.undo})
        del self.model.undo[:]

    def _transaction(self) -> tuple[list[str], list[Op], list[Any], frozenset[str] | None]:
        """Return signers, calls, and their answers or the codes with which the last is refused."""
        model, rand = self.model, self.random
        signers = self._signers()
        model.signers = frozenset(signers)
        place, ops, answers = len(model.undo), list[Op](), list[Any]()
        for _ in range(rand.randint(1, 7)):
            call, args = self.calls.next()
            before = len(model.undo)
            try:
                answer = CALLS[call](model, args)
            except Refusal as refusal:
                model.back_to(before)
                if ops and rand.random() < 0.85:
                    break  # Mostly a refused call stands alone, so that not all transactions fail.
                self._note(call, args, signers, refusal)
                model.back_to(place)
                self.refused.update(name for name, _ in [*ops, (call, args)])
                return signers, [*ops, (call, args)], [], refusal.codes
            self._note(call, args, signers, None)
            self.calls.done(call, args)
            ops.append((call, args))
            answers.append(answer)
        self.done.update(name for name, _ in ops)
        return signers, ops, answers, None

    def _signers(self) -> list[str]:
        """Return who signs: mostly enough for anything, else some brands and people."""
        rand = self.random
        if rand.random() < 0.7:
            brands, chance, people = rand.sample(list(BRANDS), 3), 1.0, list(PERSONS)
        else:
            brands, chance = rand.sample(list(BRANDS), rand.choice([1, 2, 3])), rand.choice([0.7, 1.0])
            people = [name for name in PERSONS if rand.random() < 0.6]
        offices = [f"{brand}-{person}" for brand in brands for person in ("admin", *ROLES)]
        return [name for name in offices if rand.random() < chance] + people or ["ann"]

    def _note(self, call: str, args: dict[str, Any], signers: list[str], refusal: Refusal | None) -> None:
        told = "ok" if refusal is None else str(refusal)
        self.log.append((self.step, f"{self.model.time} {call} {args} by {' '.join(signers)}: {told}"))
        self.codes.update(refusal.codes if refusal else ())

    def _pause(self) -> int:
        rand, now = self.random, self.chain.time
        kind = rand.random()
        if kind < 0.55:
            return rand.randint(1, 60_000)
        if kind < 0.75:
            return rand.randint(1, 8 * HOUR)
        if kind < 0.9:  # To the start of a day, in UTC or in the west, or next to it.
            start = rand.choice([0, 480 * 60_000])
            return max(1, DAY - (now - start) % DAY + rand.choice([-1, 0, 0, 1, 2]))
        return rand.randint(1, 45 if kind > 0.99 else 4) * DAY

    # -- what the alliance decides -------------------------------------------------------------------

    def _govern(self) -> None:
        """Suspend or resume a brand now and then."""
        brand = self.random.choice(list(BRANDS))
        suspended = not self.model.get("suspended", brand, default=False)
        if self.random.random() < (0.02 if suspended else 0.4):
            authority = Authority()
            self.chain.govern(lambda ctx: Brands(authority).set_suspended(ctx, brand, suspended))
            self.model.put(suspended, "suspended", brand)

    def _exit(self, brand: str) -> None:
        """Let a brand leave the alliance, after a run-off of some days."""
        custodian = next((other for other in BRANDS if other != brand and not self.model.is_inactive(other)), None)
        if custodian is not None:
            ends = self.chain.time + self.random.randint(1, 20 * DAY)
            self.chain.govern(lambda ctx: Exits(Authority(), IdentityHooks()).begin(ctx, brand, ends, custodian))
            self.model.put({"ends": ends, "custodian": custodian}, "exit", brand)

    # -- the agenda ----------------------------------------------------------------------------------

    def _due(self) -> list[tuple[int, str, tuple[Any, ...]]]:
        """Return the holds, pending points and periods whose time has come, in the agenda's order."""
        now, found = self.model.time, list[tuple[int, str, tuple[Any, ...]]]()
        for key, value in self.model.all("hold"):
            if value["status"] == "open" and value["expires"] <= now:
                found.append((value["expires"], f"token/hold-end/{key[1]}/{key[2]}", key))
        for key, value in self.model.all("pending"):
            for until in {until for until, _ in value if until <= now}:
                found.append((until, f"token/unlock/{key[1]}/{key[2]}", (*key, until)))
        for key, value in self.model.all("books"):
            end = ledger_model_clearing.begin_of(ledger_model_clearing.month_after(key[2]))
            if value["status"] == "open" and end <= now:
                found.append((end, f"clearing/close/{key[1]}/{key[2]}", key))
        return sorted(found)

    def _settle(self, most: int = ALL) -> Iterator[tuple[Any, ...]]:
        """Do what is due in the model; yield it."""
        for _, _, key in self._due()[:most]:
            if key[0] == "hold":
                ledger_model_token.end_hold(self.model, key[1], key[2], "expired")
                yield key
            elif key[0] == "books":
                ledger_model_clearing.net(self.model, key[1], key[2])
                yield key
            else:
                account = self.model.current(key[2])
                yield (*key[:2], account, ledger_model_token.unlock(self.model, *key[1:]))

    def _ended(self, receipt: Any) -> list[tuple[Any, ...]]:
        """Return what an agenda's events tell of holds, pending points and periods."""
        found: list[tuple[Any, ...]] = []
        for type_, data in self.chain.told(receipt):
            if type_ == "token.hold_ended":
                found.append(("hold", data["at_brand"], data["hold"]))
            elif type_ == "token.unlocked":
                found.append(("pending", data["program"], data["account"], data["amount"]))
            elif type_ == "clearing.closed":
                found.append(("books", data["currency"], data["period"]))
        return found

    def _held_back_agenda(self, items: int | None = None) -> None:
        """Make a block without calls that works off some of the agenda."""
        items_per_block(self.patch, self.random.choice([0, 0, 1, 3, 10, 40]) if items is None else items)
        after = self.random.randint(1, 5_000)
        self.model.advance(self.chain.time + after)
        ended = self._ended(self.chain.block([], after).receipts[-1])
        settled = list(self._settle(len(ended)))
        require(settled == ended, f"the agenda did {ended}, not {settled}")

    def _catch_up(self) -> None:
        for _ in range(50):
            self._held_back_agenda(ALL)
        require(not self._due(), "the agenda leaves something")

    def _told(self, words: str, about: str = "") -> str:
        lines = [f"{step}: {line}" for step, line in self.log if about in line][-12:]
        setting = f"seed {self.seed}, step {self.step}, time {self.model.time}, held back {self.held_back}"
        return "\n".join([f"{setting}: {words}", "The last calls:", *lines])


def _world() -> World:
    roles = {(brand, "admin"): frozenset({f"{brand}-admin"}) for brand in BRANDS}
    for brand in BRANDS:
        for role in ("issuer", "treasurer", "compliance", "cashier"):
            roles[brand, role] = frozenset(f"{brand}-{person}" for person, held in ROLES.items() if role in held)
    keys = {key_of(name).hex(): name for name in PERSONS}
    params = Params()
    return World(BRANDS, roles, keys, params.max_hold_ms, params.due_ms, address_of_member, address_of_pool)


def _genesis() -> list[Op]:
    ops: list[Op] = []
    for brand, minutes in BRANDS.items():
        ops += [
            op
            for op in brand_ops(brand, [{"from": 0, "minutes": minutes}] if minutes else [])
            if "register" in op[0]
        ]
        for person, roles in ROLES.items():
            for role in roles:
                grant = {"brand": brand, "role": role, "account": account_of(f"{brand}-{person}")}
                ops.append(("identity.grant_role", grant))
    for program, changes in PROGRAMS.items():
        currency, num, den = changes.get("price", ("EUR", 1, 1))
        price = {"currency": currency, "num": num, "den": den}
        args = program_args(program, program.partition("-")[0], **{**changes, "price": price})
        ops.append(("token.create_program", args))
    for currency in ("EUR", "CHF"):
        ops += credit_ops(*BRANDS, currency=currency, amount=LIMIT)
    return ops
