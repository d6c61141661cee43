"""A second ledger, as simple as it can be: one dictionary of lots, expiring by a look at every one.

It shares no code with `contracts_py`: dates come from `datetime`, amounts from plain loops.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

FOREVER = 10**18


class Refusal(Exception):
    """What the ledger refuses; the code is the first argument."""


@dataclass
class Rules:
    """A program as the naive ledger needs it; `offset` is the brand's constant local time in minutes."""

    expiry: dict[str, Any]
    offset: int = 0
    burn_bps: int = 0
    cap: int | None = None
    transfer: str = "free"


@dataclass
class Ledger:
    """Lots by (program, account, expires), and one counter per way in or out."""

    rules: dict[str, Rules]
    time: int
    members: set[str] = field(default_factory=set)
    lots: dict[tuple[str, str, int], int] = field(default_factory=dict)
    counters: dict[tuple[str, str], int] = field(default_factory=dict)
    refs: set[tuple[str, str, str]] = field(default_factory=set)
    frozen: set[tuple[str, str]] = field(default_factory=set)

    def snapshot(self) -> dict[str, Any]:
        """Return what a failed transaction goes back to."""
        return copy.deepcopy(self.__dict__)

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Go back."""
        self.__dict__.update(snapshot)

    def advance(self, time: int) -> None:
        """Let time pass: whatever has a date by then expires."""
        self.time = time
        for key in [key for key in self.lots if key[2] <= time]:
            self._count(key[0], "expired", self.lots.pop(key))

    def of(self, program: str, account: str) -> list[tuple[int, int]]:
        """Return (expires, amount) of an account's lots by date."""
        return sorted((e, amount) for (p, a, e), amount in self.lots.items() if (p, a) == (program, account))

    def balance(self, program: str, account: str) -> int:
        """Return what an account has."""
        return sum(amount for _, amount in self.of(program, account))

    def outstanding(self, program: str) -> int:
        """Return what all have."""
        return sum(amount for (p, _, _), amount in self.lots.items() if p == program)

    def counter(self, program: str, name: str) -> int:
        """Return a counter."""
        return self.counters.get((program, name), 0)

    def issue(self, program: str, to: str, amount: int, ref: str | None, expires: int | None) -> None:
        """Issue points."""
        rules = self.rules[program]
        if ref is not None:
            if (program, "issue", ref) in self.refs:
                raise Refusal("DUPLICATE_REF")
            self.refs.add((program, "issue", ref))
        if expires is not None and expires <= self.time:
            raise Refusal("EXPIRED")
        self._activity(program, to)
        if rules.cap is not None and self.outstanding(program) + amount > rules.cap:
            raise Refusal("CAP_EXCEEDED")
        if self.outstanding(program) + amount > 2**53 - 1 or self.counter(program, "issued") + amount > 2**53 - 1:
            raise Refusal("LIMIT_EXCEEDED")
        date = self._date(rules) if expires is None else _midnight(expires, rules.offset)
        self._add(program, to, date, amount)
        self._count(program, "issued", amount)

    def transfer(self, program: str, source: str, to: str, amount: int) -> None:
        """Move points."""
        rules = self.rules[program]
        if source == to:
            raise Refusal("INVALID_ARGS")
        if rules.transfer == "none" or (rules.transfer == "brand" and not {source, to} <= self.members):
            raise Refusal("NOT_TRANSFERABLE")
        # An account that never had points answers so before anything is said about freezes.
        frozen = (program, source) in self.frozen or (program, to) in self.frozen
        if frozen and (self._known(program, source) or (program, source) in self.frozen):
            raise Refusal("FROZEN")
        parts = self._take(program, source, amount)
        burned = (amount * rules.burn_bps + 9_999) // 10_000
        self._count(program, "burned", burned)
        for date, size in parts:
            gone = min(size, burned)
            burned -= gone
            self._add(program, to, date, size - gone)

    def burn(self, program: str, account: str, amount: int) -> None:
        """Destroy points."""
        if (program, account) in self.frozen:
            raise Refusal("FROZEN")
        self._take(program, account, amount)
        self._count(program, "burned", amount)

    def redeem(self, program: str, account: str, amount: int, ref: str) -> None:
        """Redeem points."""
        if (program, "redeem", ref) in self.refs:
            raise Refusal("DUPLICATE_REF")
        self.refs.add((program, "redeem", ref))
        if (program, account) in self.frozen:
            raise Refusal("FROZEN")
        self._take(program, account, amount)
        self._count(program, "redeemed", amount)
        self._activity(program, account)

    def _known(self, program: str, account: str) -> bool:
        return any(key[:2] == (program, account) for key in self.seen)

    @property
    def seen(self) -> set[tuple[str, str]]:
        """The (program, account) pairs that have ever received anything."""
        return self.__dict__.setdefault("_seen", set())

    def _take(self, program: str, account: str, amount: int) -> list[tuple[int, int]]:
        if self.balance(program, account) < amount:
            raise Refusal("INSUFFICIENT_BALANCE")
        taken = []
        for date, size in self.of(program, account):
            part = min(size, amount)
            if part:
                taken.append((date, part))
                self._add(program, account, date, -part)
                amount -= part
        return taken

    def _add(self, program: str, account: str, date: int, amount: int) -> None:
        self.seen.add((program, account))
        key = (program, account, date)
        self.lots[key] = self.lots.get(key, 0) + amount
        if not self.lots[key]:
            del self.lots[key]

    def _count(self, program: str, name: str, amount: int) -> None:
        self.counters[program, name] = self.counter(program, name) + amount

    def _activity(self, program: str, account: str) -> None:
        rules = self.rules[program]
        if rules.expiry["kind"] == "inactivity":
            date = self._date(rules)
            for old, amount in self.of(program, account):
                if old < date:
                    self._add(program, account, old, -amount)
                    self._add(program, account, date, amount)

    def _date(self, rules: Rules) -> int:
        kind = rules.expiry["kind"]
        if kind == "none":
            return FOREVER
        if kind == "month_end":
            local = datetime.fromtimestamp(self.time // 1000, UTC) + timedelta(minutes=rules.offset)
            day = local.replace(day=1, hour=0, minute=0, second=0)
            for _ in range(rules.expiry["months"] + 1):
                day = (day + timedelta(days=32)).replace(day=1)
            return int((day - timedelta(minutes=rules.offset)).timestamp()) * 1000
        return _midnight(self.time + rules.expiry["days"] * 86_400_000, rules.offset)


def _midnight(time: int, offset: int) -> int:
    local = time + offset * 60_000
    while local % 86_400_000:
        local += 86_400_000 - local % 86_400_000
    return local - offset * 60_000
