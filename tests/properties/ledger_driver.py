"""Random calls by random actors on a chain and on the naive ledger, and the comparison of the two.

Everything follows from the seed. A run consists of blocks of transactions of one or more calls. Where the agenda is
held back, blocks with calls work off none of it, and blocks without calls some: what then became of holds and of
pending points the model takes from the events, since the specification lets them wait.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from contracts_py.identity import Authority, Brands, Exits
from tests.contract_harness import Chain, Op, account_of, as_read, brand_ops, credit_ops, key_of, program_args
from tests.properties import ledger_model_swap, ledger_model_token
from tests.properties.ledger_calls import Calls
from tests.properties.ledger_model import NEVER, Model, Refusal, World, ends, name_of, shown
from tests.properties.ledger_model_swap import shown_treaty
from tests.support.agenda import items_per_block
from vm.params import Params
from vm.primitives.codec import decode

BRANDS = {"alpha": 0, "beta": 0, "west": -480}
PROGRAMS: dict[str, dict[str, Any]] = {
    "alpha-ever": {"expiry": {"kind": "none"}, "transfer_burn_bps": 250, "adjust_limit": 50},
    "alpha-days": {"expiry": {"kind": "days", "days": 3}, "cap": 4_000, "price": (7, 3)},
    "beta-month": {"expiry": {"kind": "month_end", "months": 1}, "transfer_burn_bps": 3_333, "notice_ms": 86_400_000},
    "beta-live": {"expiry": {"kind": "inactivity", "days": 5}, "transfer_burn_bps": 1, "cap": 9_000},
    "west-days": {"expiry": {"kind": "days", "days": 40}, "transfer_day": 300, "price": (1, 7)},
    "west-month": {"expiry": {"kind": "month_end", "months": 0}, "transfer": "brand", "cap": 6_000},
}
PERSONS = ("ann", "bob", "mia", "max")
CUSTODIAL = {"cara": "alpha", "wim": "west"}
ROLES = {"office": ("issuer", "treasurer", "compliance"), "till": ("cashier",), "second": ("issuer",)}
CALLS = ledger_model_token.CALLS | ledger_model_swap.CALLS
DAY, HOUR = 86_400_000, 3_600_000
ALL = 10**9
"""More steps of the agenda than a block can have."""


class Mismatch(AssertionError):
    """The contracts and the model differ."""


class Run:
    """One seed."""

    def __init__(self, seed: int, patch: pytest.MonkeyPatch, held_back: bool = False) -> None:
        self.seed, self.random, self.patch, self.held_back = seed, random.Random(seed), patch, held_back
        self.step = 0
        self.log: deque[tuple[int, str]] = deque(maxlen=4_000)
        self.refused: dict[str, int] = {}
        self.done: dict[str, int] = {}
        items_per_block(patch, ALL)
        self.chain = Chain(_genesis(), Params(account_cost_per_window=10**12, brand_cost_per_window=10**12))
        self.model = Model(self._world(), self.chain.time, programs=list(PROGRAMS))
        for program, changes in PROGRAMS.items():
            shown = self.chain.view("token_program", program=program)
            rules = {name: shown.get(name) for name in ("cap", "transfer_day", "version", "brand")}
            rules["adjust_limit"] = shown.get("adjust_limit", 0)
            rules |= {name: shown[name] for name in ("expiry", "transfer", "transfer_burn_bps", "notice_ms", "price")}
            assert changes["expiry"] == rules["expiry"]
            self.model.put({**rules, "announced": None}, "rules", program)
        self.calls = Calls(self.random, self.model)

    def _world(self) -> World:
        chain = self.chain
        holders: dict[str, str | None] = {account_of(name): name for name in ("ann", "bob")}
        members = {}
        for name, brand in {"mia": "alpha", "max": "beta", **CUSTODIAL}.items():
            member = chain.send(f"{brand}-office", "identity.enroll", brand=brand, ref=key_of(name).hex())
            members[member], holders[member] = brand, None if name in CUSTODIAL else name
            if name not in CUSTODIAL:
                signers = [f"{brand}-office", name]
                chain.send(signers[0], "identity.claim", signers=signers, member=member, key=key_of(name).hex())
        mia, max_ = (next(who for who, person in holders.items() if person == name) for name in ("mia", "max"))
        chain.send("mia", "identity.link", signers=["mia", "max"], member=mia, other=max_)
        roles = {(brand, "admin"): frozenset({f"{brand}-admin"}) for brand in BRANDS}
        for brand in BRANDS:
            for role in ("issuer", "treasurer", "compliance", "cashier"):
                who = frozenset(f"{brand}-{person}" for person, held in ROLES.items() if role in held)
                roles[brand, role] = who
        return World(BRANDS, holders, members, frozenset({frozenset({mia, max_})}), roles, Params().max_hold_ms)

    # -- blocks --------------------------------------------------------------------------------------

    def until(self, operations: int) -> None:
        """Run until so many calls were made."""
        try:
            while self.step < operations:
                self.block()
            self._catch_up()
            self.compare_everything()
        except Exception as error:
            if isinstance(error, Mismatch):
                raise
            raise self._mismatch(f"{type(error).__name__}: {error}") from error

    def block(self) -> None:
        """Make one block, and compare."""
        self._govern()
        if self.held_back:
            self._held_back_agenda()
        after = self._pause()
        self.model.advance(self.chain.time + after)
        items_per_block(self.patch, 0 if self.held_back else ALL)
        ended = [] if self.held_back else list(self._settle())
        place = len(self.model.undo)
        batch = [self._transaction() for _ in range(self.random.randint(1, 14))]
        transactions = [
            self.chain.transaction(account_of(signers[0]), ops, signers) for signers, ops, _, _ in batch
        ]
        result = self.chain.block(transactions, after)
        self._require(self._ended(result.receipts[-1]) == ended, f"the agenda did not do {ended}")
        for (_, ops, answers, codes), receipt in zip(batch, result.receipts, strict=False):
            if codes is None:
                self._require(receipt.status == "ok", f"{ops}: the model allows what fails: {receipt.error}")
                for (call, args), answer, found in zip(ops, answers, as_read(receipt.results), strict=True):
                    self._require(answer.items() <= found.items(), f"{call} {args} answers {found}, not {answer}")
            else:
                code = receipt.error.code if receipt.error else "success"
                self._require(code in codes, f"{ops}: the model refuses with {sorted(codes)}, here is {code}")
        if not ended and not self.held_back and all(codes for *_, codes in batch) and after < HOUR:
            # Not a block in which a date has passed: what was swept is no doing of the failed calls.
            told = [key for key in result.changes if key.partition("/")[0] in ("token", "swap", "clearing")]
            swept = [key for key in told if key.split("/")[1] in ("expiring", "expiry-dates", "lots-on")]
            self._require(bool(swept) or not told, f"failed calls changed {told}")
        self._compare({key for key, _ in self.model.undo[place:]})
        del self.model.undo[:]

    def _transaction(self) -> tuple[list[str], list[Op], list[Any], frozenset[str] | None]:
        """Return signers, calls, and their answers or the codes with which the last is refused."""
        model, rand = self.model, self.random
        signers = self._signers()
        model.signers = frozenset(signers)
        place, ops, answers = len(model.undo), list[Op](), list[Any]()
        for _ in range(rand.randint(1, 7)):
            call, args = self.calls.next()
            try:
                answer = CALLS[call](model, args)
            except Refusal as refusal:
                if ops and rand.random() < 0.85:
                    break  # Mostly a refused call stands alone, so that not all transactions fail.
                self._note(call, args, signers, refusal)
                model.back_to(place)
                return signers, [*ops, (call, args)], [], refusal.codes
            self._note(call, args, signers, None)
            ops.append((call, args))
            answers.append(answer)
        return signers, ops, answers, None

    def _signers(self) -> list[str]:
        rand, chance = self.random, self.random.choice([0.7, 1.0, 1.0])
        brands = rand.sample(list(BRANDS), rand.choice([1, 2, 3, 3]))
        offices = [f"{brand}-{person}" for brand in brands for person in ("admin", *ROLES)]
        people = [name for name in PERSONS if rand.random() < 0.75]
        return [name for name in offices if rand.random() < chance] + people or ["ann"]

    def _note(self, call: str, args: dict[str, Any], signers: list[str], refusal: Refusal | None) -> None:
        self.step += 1
        told = "ok" if refusal is None else str(refusal)
        self.log.append((self.step, f"{self.model.time} {call} {args} by {' '.join(signers)}: {told}"))
        if refusal is None:
            self.done[call] = self.done.get(call, 0) + 1
        for code in refusal.codes if refusal else ():
            self.refused[code] = self.refused.get(code, 0) + 1

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

    def _govern(self) -> None:
        """Suspend or resume a brand now and then."""
        if self.random.random() < 0.02:
            brand = self.random.choice(list(BRANDS))
            suspended = not self.model.get("suspended", brand, default=False)
            authority = Authority()
            self.chain.govern(lambda ctx: Brands(authority).set_suspended(ctx, brand, suspended))
            self.model.put(suspended, "suspended", brand)

    # -- the agenda ----------------------------------------------------------------------------------

    def _due(self) -> list[tuple[int, str, tuple[Any, ...]]]:
        """Return the holds and pending points whose time has come, in the agenda's order."""
        found: list[tuple[int, str, tuple[Any, ...]]] = []
        for key, value in self.model.cells.items():
            if key[0] == "hold" and value["status"] == "open" and value["expires"] <= self.model.time:
                found.append((value["expires"], f"token/hold-end/{key[1]}/{key[2]}", key))
            elif key[0] == "pending":
                for until in {until for until, _ in value if until <= self.model.time}:
                    found.append((until, f"token/unlock/{key[1]}/{key[2]}", (*key, until)))
        return sorted(found)

    def _settle(self, most: int = ALL) -> Iterator[tuple[Any, ...]]:
        """Do what is due in the model; yield it."""
        for _, _, key in self._due()[:most]:
            if key[0] == "hold":
                ledger_model_token.end_hold(self.model, key[1], key[2], "expired")
                yield key
            else:
                yield (*key[:3], ledger_model_token.unlock(self.model, *key[1:]))

    def _ended(self, receipt: Any) -> list[tuple[Any, ...]]:
        """Return what an agenda's events tell of holds and pending points."""
        found: list[tuple[Any, ...]] = []
        for type_, data in self.chain.told(receipt):
            if type_ == "token.hold_ended":
                found.append(("hold", data["at_brand"], data["hold"]))
            elif type_ == "token.unlocked":
                found.append(("pending", data["program"], data["account"], data["amount"]))
        return found

    def _held_back_agenda(self, items: int | None = None) -> None:
        """Make a block without calls that works off some of the agenda."""
        items_per_block(self.patch, self.random.choice([0, 0, 1, 3, 10, 40]) if items is None else items)
        after = self.random.randint(1, 5_000)
        self.model.advance(self.chain.time + after)
        ended = self._ended(self.chain.block([], after).receipts[-1])
        self._require(list(self._settle(len(ended))) == ended, f"the agenda did {ended}")

    def _catch_up(self) -> None:
        for _ in range(50):
            self._held_back_agenda(ALL)
        self._require(not self._due(), "the agenda leaves something")

    # -- comparing -----------------------------------------------------------------------------------

    def _compare(self, touched: set[tuple[Any, ...]]) -> None:
        """Compare what was touched, and some of the rest."""
        model, rand = self.model, self.random
        accounts = {key[1:3] for key in touched if key[0] in ("lots", "held", "pending", "debt")}
        accounts |= {(rand.choice(model.programs), rand.choice(list(model.world.holders))) for _ in range(4)}
        if rand.random() < 0.03:
            self.compare_everything()
            return
        for program, account in sorted(accounts):
            self._compare_account(program, account)
        for program in model.programs:
            self._compare_supply(program)
        for key in sorted(touched, key=str):
            self._compare_record(key)
        model.check()

    def compare_everything(self) -> None:
        """Compare every account, counter and record, and what is stored."""
        for program in self.model.programs:
            for account in self.model.world.holders:
                self._compare_account(program, account)
            self._compare_supply(program)
            self._compare_rules(program)
        for key in list(self.model.cells):
            self._compare_record(key)
        self.model.check()
        for key, data in self.chain.state.values.items():
            if key.startswith(("token/balance/", "token/expiring/", "token/door-use/")):
                value = decode(data)
                amount = value["used"] if isinstance(value, dict) else value
                self._require(amount >= (0 if isinstance(value, dict) else 1), f"{key} is {value}")

    def _compare_account(self, program: str, account: str) -> None:
        model = self.model
        found = self.chain.view("token_balance", program=program, account=account)
        lots = sorted(model.lots(program, account).items())
        expected = {
            "available": model.available(program, account),
            "held": model.held(program, account),
            "pending": model.pending(program, account),
            "debt": model.debt(program, account),
            "frozen": model.is_frozen(program, account),
            "lots": [
                {"lot": name_of(date), "amount": amount, "expires": None if date == NEVER else ends(date)}
                for date, amount in lots
            ],
        }
        # A freeze of an account that never had points shows once it has some.
        if found["frozen"] != expected["frozen"] and not any(found[name] for name in ("lots", "held", "pending", "debt")):
            del expected["frozen"]
        self._require(expected.items() <= found.items(), f"{program} {account}: {found}, not {expected}", account)

    def _compare_supply(self, program: str) -> None:
        model, found = self.model, self.chain.view("token_supply", program=program)
        expected = {name: model.total(program, name) for name in ("held", "pending", "debt")}
        expected["outstanding"] = model.outstanding(program)
        expected["available"] = expected["outstanding"] - expected["held"] - expected["pending"]
        for name in found:
            wanted = expected[name] if name in expected else model.counter(program, name)
            self._require(found[name] == wanted, f"{program}: {name} is {found[name]}, not {wanted}", program)

    def _compare_rules(self, program: str) -> None:
        rules, found = self.model.rules(program), self.chain.view("token_program", program=program)
        waiting = found.pop("announced", None)
        for name, value in rules.items():
            if name != "announced":
                self._require(found.get(name) in (value, value or None), f"{program}: {name} is {found.get(name)}, not {value}", program)
        expected = None if rules["announced"] is None else {"from": rules["announced"][0], **rules["announced"][1]}
        self._require(waiting == expected, f"{program}: announced is {waiting}, not {expected}", program)

    def _compare_record(self, key: tuple[Any, ...]) -> None:
        model, chain, value = self.model, self.chain, self.model.cells.get(key)
        found: Any
        if key[0] == "hold":
            found = chain.view("token_hold", at_brand=key[1], hold=key[2])
            late = value["status"] == "open" and value["expires"] <= model.time
            expected = {name: value[name] for name in ("program", "account", "amount", "captured")}
            expected["status"] = "expired" if late else value["status"]
        elif key[0] == "issue":
            found = chain.view("token_ref", program=key[1], ref=key[2])
            expected = {name: value[name] for name in ("account", "issued", "reversed")}
            expected["lot"] = name_of(value["date"])
        elif key[0] == "redemption":
            found = chain.view("token_redemption", program=key[1], at_brand=key[2], ref=key[3])
            expected = {"lots": shown(value["parts"]), "refunded": value["refunded"]}
            found["booked"] = None if found.get("booked") is None else found["booked"]["amount"]
            expected["booked"] = value["booked"]
            back = chain.state.values.get(f"token/refunded/{key[1]}/{key[2]}/{key[3]}")
            found["back"], expected["back"] = decode(back)["booked"] if back else 0, value["back"]
        elif key[0] == "allowance" and value and value["expires"] > model.time:
            found = chain.view("token_allowance", program=key[1], account=key[2], spender=key[3])
            expected = {name: value[name] for name in ("remaining", "expires", "limit")}
        elif key[0] == "treaty":
            found, expected = chain.view("swap_treaty", treaty=key[1]), shown_treaty(model, key[1])
            found["suspended_by"] = found.get("suspended_by", [])
        else:
            return
        self._require(expected.items() <= found.items(), f"{key}: {found}, not {expected}", str(key[-1]))

    # -- telling -------------------------------------------------------------------------------------

    def _require(self, holds: bool, words: str, about: str = "") -> None:
        if not holds:
            raise self._mismatch(words, about)

    def _mismatch(self, words: str, about: str = "") -> Mismatch:
        lines = [f"{step}: {line}" for step, line in self.log if about in line][-12:]
        setting = f"seed {self.seed}, step {self.step}, time {self.model.time}, held back {self.held_back}"
        return Mismatch("\n".join([f"{setting}: {words}", "The last calls:", *lines]))


def _genesis() -> list[Op]:
    ops: list[Op] = []
    for brand, minutes in BRANDS.items():
        ops += [op for op in brand_ops(brand, [{"from": 0, "minutes": minutes}] if minutes else []) if "register" in op[0]]
        for person, roles in ROLES.items():
            for role in roles:
                grant = {"brand": brand, "role": role, "account": account_of(f"{brand}-{person}")}
                ops.append(("identity.grant_role", grant))
    for program, changes in PROGRAMS.items():
        num, den = changes.get("price", (1, 1))
        price = {"currency": "EUR", "num": num, "den": den}
        args = program_args(program, program.partition("-")[0], **{**changes, "price": price})
        ops.append(("token.create_program", args))
    return ops + credit_ops(*BRANDS, amount=10**15)
