"""An independent model of clearing: lists, fractions and sorting, nothing incremental, no code of the contract.

A debt is an entry that stands in a period. Unwinding moves the entries, so it is plain what must come out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from math import ceil, floor


def month_of(time_ms: int) -> str:
    """Return the UTC month of a time."""
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m")


def month_after(month: str) -> str:
    """Return the next month."""
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


@dataclass
class Entry:
    """A debt, and by how much it moves whose exposure to whom."""

    period: str
    debtor: str
    creditor: str
    amount: int
    exposes: tuple[str, str, int]


@dataclass
class Month:
    """A period: its status, what is to be paid, and what has been."""

    status: str = "open"
    due: int = 0
    payments: dict[tuple[str, str], int] = field(default_factory=dict)
    paid: set[tuple[str, str]] = field(default_factory=set)


class NaiveClearing:
    """All of clearing for one currency."""

    def __init__(self, brands: tuple[str, ...], due_ms: int, limit: int) -> None:
        self.brands = brands
        self.due_ms = due_ms
        self.limits = {(a, b): limit for a in brands for b in brands if a != b}
        self.reserved = dict.fromkeys(self.limits, 0)
        self.exact: dict[tuple[str, ...], Fraction] = {}
        self.entries: list[Entry] = []
        self.months: dict[str, Month] = {}
        self.lines: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
        """By month, debtor and creditor: each line's amount, and what it exposes its own debtor to."""
        self.time = 0

    def pass_to(self, time: int) -> None:
        """Let time pass: months that are over close."""
        self.time = time
        for name in sorted(self.months):
            if self.months[name].status == "open" and name < month_of(time):
                self.close(name)

    def open_month(self) -> str:
        """Return the month in which is booked."""
        name = month_of(self.time)
        if name in self.months and self.months[name].status != "open":
            name = month_after(name)
        self.months.setdefault(name, Month())
        return name

    def _standing(self) -> Iterator[Entry]:
        dead = {name for name, month in self.months.items() if month.status in ("discharged", "unwound")}
        return (entry for entry in self.entries if entry.period not in dead)

    def position(self, brand: str, period: str | None = None) -> int:
        """Return what a brand is owed less what it owes."""
        entries = [e for e in self._standing() if period is None or e.period == period]
        owed = sum(e.amount for e in entries if e.creditor == brand)
        return owed - sum(e.amount for e in entries if e.debtor == brand)

    def exposure(self, debtor: str, creditor: str) -> int:
        """Return what counts against a limit."""
        moved = sum(e.exposes[2] for e in self._standing() if e.exposes[:2] == (debtor, creditor))
        return moved + self.reserved[debtor, creditor]

    def has_room(self, debtor: str, creditor: str, amount: int) -> bool:
        """Tell whether a limit allows an amount."""
        return self.exposure(debtor, creditor) + amount <= self.limits[debtor, creditor]

    def worth(self, debtor: str, creditor: str, program: str, price: Fraction, units: int) -> int:
        """Return what units come to now, given all that was booked before at this price."""
        before = self.exact.get((debtor, creditor, program), Fraction(0))
        return floor(before + units * price) - floor(before)

    def book(self, debtor: str, creditor: str, program: str, price: Fraction, units: int) -> int:
        """Book units."""
        amount = self.worth(debtor, creditor, program, price, units)
        key = (debtor, creditor, program)
        self.exact[key] = self.exact.get(key, Fraction(0)) + units * price
        if amount:
            self.owe(debtor, creditor, amount, (debtor, creditor, amount))
        return amount

    def owe(self, debtor: str, creditor: str, amount: int, exposes: tuple[str, str, int]) -> None:
        """Let a debt stand in the open month."""
        month = self.open_month()
        self.entries.append(Entry(month, debtor, creditor, amount, exposes))
        own = exposes[2] if exposes[:2] == (debtor, creditor) else 0
        self.lines.setdefault((month, debtor, creditor), []).append((amount, own))

    def at_most(self, price: Fraction, units: int) -> int:
        """Return what a hold keeps."""
        return ceil(units * price)

    def counter(self, debtor: str, creditor: str, amount: int) -> None:
        """Take back what a debtor owes."""
        self.owe(creditor, debtor, amount, (debtor, creditor, -amount))

    def concession(self, key: tuple[str, str, str, int], conceded: int, amount: int) -> tuple[int, int]:
        """Return what conceding more of a line frees for its debtor, and what it exposes its creditor to."""
        unused = max(0, self.lines[key[:3]][key[3]][1] - conceded)
        owed = self.exposure(*key[1:3]) - self.reserved[key[1], key[2]]
        freed = min(unused, amount, max(0, owed))
        return freed, amount - freed

    def concede(self, debtor: str, creditor: str, freed: int, exposed: int) -> None:
        """Let the creditor of a line owe what it concedes."""
        self.owe(creditor, debtor, freed + exposed, (creditor, debtor, exposed))
        self.entries.append(Entry(self.open_month(), debtor, creditor, 0, (debtor, creditor, -freed)))

    def close(self, name: str) -> None:
        """Net a month."""
        left = {brand: self.position(brand, name) for brand in self.brands}
        month = self.months[name]
        while any(left.values()):
            payer = min(left, key=lambda brand: (left[brand], brand))
            payee = min(left, key=lambda brand: (-left[brand], brand))
            amount = min(-left[payer], left[payee])
            month.payments[payer, payee] = amount
            left[payer] += amount
            left[payee] -= amount
        month.status = "closed" if month.payments else "discharged"
        month.due = self.time + self.due_ms

    def confirm(self, name: str, parties: tuple[str, str]) -> None:
        """Note a payment."""
        month = self.months[name]
        month.paid.add(parties)
        if len(month.paid) == len(month.payments):
            month.status = "discharged"

    def unwind(self, name: str) -> None:
        """Let a month's debts stand in the open one, and what was paid be owed back."""
        month = self.months[name]
        for payer, payee in sorted(month.paid):
            amount = month.payments[payer, payee]
            # What the payer owed the payee comes back as well: two such debts expose neither.
            own = [
                entry.exposes[2]
                for entry in self.entries
                if entry.period == name and entry.exposes[:2] == (payer, payee)
            ]
            set_off = min(amount, max(0, sum(own)))
            self.owe(payee, payer, amount, (payee, payer, amount - set_off))
            self.entries.append(Entry(name, payer, payee, 0, (payer, payee, -set_off)))
        moved = [entry for entry in self.entries if entry.period == name]
        target = self.open_month() if moved else name
        for pair in sorted(self.limits):
            owed = sum(entry.amount for entry in moved if (entry.debtor, entry.creditor) == pair)
            exposed = sum(entry.exposes[2] for entry in moved if entry.exposes[:2] == pair)
            if owed:
                self.lines.setdefault((target, *pair), []).append((owed, exposed))
        for entry in moved:
            entry.period = target
        month.status = "unwound"
