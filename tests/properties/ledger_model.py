"""A second ledger, as simple as it can be: what stands where, in one dictionary, and how points move in it.

It is written from the specification (sections 7 and 10) and docs/ledger.md, and shares no code with `contracts_py`
or `vm`. Nothing is lazy here: at its time a lot is gone, a change of rules is in force, a hold is over. Where the
contract marks a date that had its one extension by a millisecond, a lot here says it in words: its date is
(day, extended).

    ledger_model              what stands where, dates, lots, debt, expiry
    ledger_model_persons      who acts for whom; the calls of identity that move points, or decide who may
    ledger_model_clearing     what brands owe each other, and the calls of clearing
    ledger_model_token        the calls of token that issue, move, redeem
    ledger_model_corrections  the calls of token that correct, freeze, or change rules
    ledger_model_swap         the calls of swap
    ledger_calls…             random calls that mostly make sense
    ledger_driver             random actors, blocks, the agenda
    ledger_comparison         what the contracts say against what the model says
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

LARGEST = 2**53 - 1
DAY, HOUR, MINUTE = 86_400_000, 3_600_000, 60_000

Date = tuple[int, bool]
"""The start of a day, and whether the points have had the one extension of their life."""

NEVER: Date = (LARGEST, False)
Parts = list[tuple[Date, int]]
Answer = dict[str, Any]

WAYS_IN = ("issued", "swapped_in", "refunded")
WAYS_OUT = ("redeemed", "burned", "expired", "reversed", "swapped_out")


class Refusal(Exception):
    """What the ledger refuses, with the codes of all reasons: which of them is told first is the contract's."""

    def __init__(self, codes: Iterable[str]) -> None:
        self.codes = frozenset(codes)
        super().__init__(" or ".join(sorted(self.codes)))


def ends(date: Date) -> int:
    """Return when points of a date end."""
    return date[0] + date[1]


def name_of(date: Date) -> str:
    """Return a lot's public name."""
    return "never" if date == NEVER else str(ends(date))


@dataclass
class World:
    """What does not change in a run.

    Attributes:
        brands: their offsets from UTC, in minutes.
        roles: (brand, role) → the persons who hold it.
        keys: by key in hex, the person who has it.
        address_of_member, address_of_pool: how accounts are named, which says nothing about points.
    """

    brands: Mapping[str, int]
    roles: Mapping[tuple[str, str], frozenset[str]]
    keys: Mapping[str, str]
    max_hold_ms: int
    due_ms: int
    address_of_member: Callable[[str, bytes], str]
    address_of_pool: Callable[[str, str], str]


CUSTODIAL, POOL = "custodian", "pool"
"""Who acts for an account where no person does: a brand, or the spenders of a household pool."""


@dataclass
class Model:
    """The ledger. All that changes is in `cells`, whose values are replaced, never changed in place."""

    world: World
    time: int
    cells: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    programs: list[str] = field(default_factory=list)
    undo: list[tuple[tuple[Any, ...], Any]] = field(default_factory=list)
    signers: frozenset[str] = frozenset()
    kinds: dict[str, dict[tuple[Any, ...], None]] = field(default_factory=dict)
    """The keys of cells by their first part, in the order in which they were first used."""

    # -- cells ---------------------------------------------------------------------------------------

    def get(self, *key: Any, default: Any = None) -> Any:
        """Return what a cell holds; None is nothing."""
        value = self.cells.get(key)
        return default if value is None else value

    def put(self, value: Any, *key: Any) -> None:
        """Set a cell."""
        self.undo.append((key, self.cells.get(key)))
        self.cells[key] = value
        self.kinds.setdefault(key[0], {})[key] = None

    def all(self, kind: str) -> list[tuple[tuple[Any, ...], Any]]:
        """Return all cells of a kind that hold something."""
        found = [(key, self.cells.get(key)) for key in self.kinds.get(kind, ())]
        return [(key, value) for key, value in found if value is not None]

    def count(self, by: int, *key: Any) -> None:
        """Add to a number."""
        if by:
            self.put(self.cells.get(key, 0) + by, *key)

    def back_to(self, place: int) -> None:
        """Undo what was done since the journal had this length."""
        while len(self.undo) > place:
            key, value = self.undo.pop()
            if value is None:
                self.cells.pop(key, None)
            else:
                self.cells[key] = value

    # -- dates ---------------------------------------------------------------------------------------

    def offset_of(self, program: str) -> int:
        """Return the local time of a program's brand, in ms."""
        return self.world.brands[self.rules(program)["brand"]] * MINUTE

    def day_from(self, program: str, time: int) -> Date:
        """Return the first start of a local day that is not before a time."""
        offset = self.offset_of(program)
        return -(-(time + offset) // DAY) * DAY - offset, False

    def rule_date(self, program: str) -> Date:
        """Return the date of points that are issued now."""
        rule = self.rules(program)["expiry"]
        if rule["kind"] == "none":
            return NEVER
        if rule["kind"] != "month_end":
            return self.day_from(program, self.time + rule["days"] * DAY)
        local = datetime.fromtimestamp((self.time + self.offset_of(program)) // 1000, UTC)
        first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        for _ in range(rule["months"] + 1):
            first = (first + timedelta(days=32)).replace(day=1)
        return int(first.timestamp()) * 1000 - self.offset_of(program), False

    def extended(self, program: str, date: Date, by: int) -> Date:
        """Give points the one extension of their life."""
        assert not date[1], "these points had their extension before"
        return self.day_from(program, self.time + by)[0], True

    # -- programs ------------------------------------------------------------------------------------

    def rules(self, program: str) -> dict[str, Any]:
        """Return a program's rules in force; `announced` is (from, changes) or None."""
        found: dict[str, Any] = self.cells["rules", program]
        return found

    def outstanding(self, program: str) -> int:
        """Return all points there are, counted one by one."""
        return sum(
            sum(self.lots(program, account).values()) + self.held(program, account) + self.pending(program, account)
            for account in self.accounts()
        )

    def counter(self, program: str, name: str) -> int:
        """Return how many points have gone a way in or out, or `debt`."""
        found: int = self.cells.get(("count", program, name), 0)
        return found

    def total(self, program: str, of: str) -> int:
        """Return a sum over all accounts: of `held`, `pending`, or `debt`."""
        each = {"held": self.held, "pending": self.pending, "debt": self.debt}[of]
        return sum(each(program, account) for account in self.accounts())

    def accounts(self) -> list[str]:
        """Return all accounts that there are, household pools included."""
        return [key[1] for key, _ in self.all("holder")]

    # -- accounts ------------------------------------------------------------------------------------

    def lots(self, program: str, account: str) -> dict[Date, int]:
        """Return the live lots of an account; not to be changed."""
        return self.cells.get(("lots", program, account)) or {}

    def available(self, program: str, account: str) -> int:
        """Return what an account can spend."""
        return sum(self.lots(program, account).values())

    def held(self, program: str, account: str) -> int:
        """Return what is set aside of an account."""
        return self.cells.get(("held", program, account), 0) or 0

    def pending(self, program: str, account: str) -> int:
        """Return what is pending."""
        return sum((self.cells.get(("pending", program, account)) or {}).values())

    def debt(self, program: str, account: str) -> int:
        """Return what an account owes."""
        return self.cells.get(("debt", program, account), 0) or 0

    def is_frozen(self, program: str, account: str) -> bool:
        """Tell whether an account is frozen in a program, or at all of its brand's."""
        at_brand = self.get("frozen at", self.rules(program)["brand"], account)
        return bool(self.get("frozen", program, account) or at_brand)

    def current(self, account: str) -> str:
        """Return the account that stands in the place of this one: after merges, the last target."""
        merger = self.get("merged", account)
        return account if merger is None else self.current(merger["into"])

    def add(self, program: str, account: str, date: Date, amount: int) -> None:
        """Change the amount of one lot."""
        lots = dict(self.lots(program, account))
        lots[date] = lots.get(date, 0) + amount
        assert lots[date] >= 0, "a lot below zero"
        if not lots[date]:
            del lots[date]
        self.put(lots, "lots", program, account)

    def take(self, program: str, account: str, amount: int) -> Parts:
        """Take points, earliest-expiring first."""
        assert self.available(program, account) >= amount, "the caller has looked"
        parts: Parts = []
        for date in sorted(self.lots(program, account)):
            part = min(amount, self.lots(program, account)[date])
            if part:
                self.add(program, account, date, -part)
                parts.append((date, part))
                amount -= part
        return parts

    def credit(self, program: str, account: str, parts: Parts) -> int:
        """Let points come to an account: those past their date expire, then debt is paid, the rest is added."""
        paid = 0
        self.put(True, "known", program, account)
        for date, amount in parts:
            if ends(date) <= self.time:
                self.expire(program, account, date, amount)
                continue
            part = min(amount, self.debt(program, account))
            self.count(-part, "debt", program, account)
            self.count(part, "count", program, "reversed")
            paid += part
            if amount > part:
                self.add(program, account, date, amount - part)
        return paid

    def expire(self, program: str, account: str, date: Date, amount: int) -> None:
        """Count points as expired, and remember of which lot."""
        self.count(amount, "count", program, "expired")
        self.count(amount, "expired lot", program, account, date)

    def come_back(self, program: str, account: str, parts: Parts) -> tuple[Parts, int]:
        """Give points back that were set aside: a date that has passed gets the grace, once in their life."""
        graced: Parts = []
        for date, amount in parts:
            late = ends(date) <= self.time and not date[1]
            graced.append((self.extended(program, date, DAY) if late else date, amount))
        self.count(-sum(amount for _, amount in parts), "held", program, account)
        return graced, self.credit(program, self.current(account), graced)

    def active(self, program: str, account: str) -> None:
        """Note an activity: with that rule all lots last as long as if they were issued now, if that is longer."""
        if self.rules(program)["expiry"]["kind"] == "inactivity":
            new = self.rule_date(program)
            for date, amount in sorted(self.lots(program, account).items()):
                if date < new:
                    self.add(program, account, date, -amount)
                    self.add(program, account, new, amount)

    # -- time ----------------------------------------------------------------------------------------

    def advance(self, time: int) -> None:
        """Let time pass: lots expire, announced rules come into force."""
        assert time > self.time
        self.time = time
        for program in self.programs:
            rules = self.rules(program)
            if rules["announced"] and rules["announced"][0] <= time:
                changes = rules["announced"][1]
                rules = {**rules, **changes, "announced": None, "version": rules["version"] + 1}
                if "price" in changes:
                    rules["price_version"] = rules.get("price_version", 1) + 1
                self.put(rules, "rules", program)
            for account in self.accounts():
                lots = self.lots(program, account)
                gone = [date for date in lots if ends(date) <= time]
                for date in gone:
                    self.expire(program, account, date, lots[date])
                if gone:
                    left = {date: amount for date, amount in lots.items() if date not in gone}
                    self.put(left, "lots", program, account)

    def role(self, brand: str, *roles: str) -> bool:
        """Tell whether someone with one of a brand's roles signs."""
        return any(self.world.roles[brand, role] & self.signers for role in roles)

    def is_inactive(self, brand: str) -> bool:
        """Tell whether a brand issues no more: it is suspended, or leaves the alliance."""
        return bool(self.get("suspended", brand) or self.get("exit", brand))

    # -- what must hold ------------------------------------------------------------------------------

    def check(self) -> None:
        """Check the specification's invariants."""
        for program in self.programs:
            came = sum(self.counter(program, name) for name in WAYS_IN)
            went = sum(self.counter(program, name) for name in WAYS_OUT)
            assert came == self.outstanding(program) + went, (program, came, went)


def only(condition: bool, code: str) -> set[str]:
    """Return a reason to refuse, where it is one."""
    return {code} if condition else set()


def stop_for(codes: set[str]) -> None:
    """Refuse where there is a reason."""
    if codes:
        raise Refusal(codes)


def total_of(parts: Parts) -> int:
    """Return how many points parts are."""
    return sum(amount for _, amount in parts)


def split(parts: Parts, amount: int) -> tuple[Parts, Parts]:
    """Divide parts into the first `amount` points and the rest."""
    first: Parts = []
    rest: Parts = []
    for date, size in parts:
        part = min(size, amount)
        amount -= part
        first += [(date, part)] if part else []
        rest += [(date, size - part)] if size > part else []
    return first, rest


def shown(parts: Parts) -> list[dict[str, Any]]:
    """Return parts as answers name them."""
    return [{"lot": name_of(date), "amount": amount} for date, amount in parts]
