"""What a statement says, and how it is asked of a node.

A period's account begins at zero: what an unwound period carries on is a line of the period into which it goes.

Invariants:
    1. The lines come to what the node says that the statement's sums are; a statement is of one moment.
    2. Line for line and in its sums, it is the other sides' statements seen from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

PAGE: Final = 1_000
ATTEMPTS: Final = 5
"""How often a statement is read anew because lines were booked meanwhile."""


class Moving(Exception):
    """Lines are booked faster than the statement can be read."""


class Ask(Protocol):
    """Calls a method of a node."""

    async def __call__(self, method: str, /, **params: Any) -> Any:
        """Return what the node answers."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A line from the brand's side.

    Attributes:
        key: the state key, which `state_proof` takes.
        amount: minor units; below zero where the brand owes them.
        balance: what all lines up to this one come to.
        tx: the transaction that booked it; None where the chain did by itself.
    """

    key: str
    other: str
    amount: int
    balance: int
    kind: str
    ref: str
    time: int
    tx: str | None


@dataclass(frozen=True, slots=True)
class Settling:
    """A payment of the brand: below zero where it pays. `bank_ref` and `confirmed` once the payee has confirmed."""

    other: str
    amount: int
    bank_ref: str | None
    confirmed: int | None


@dataclass(frozen=True, slots=True)
class Statement:
    """A brand's account of a period in one currency; amounts in minor units.

    Attributes:
        owes, owed: sums of the lines in which the brand is debtor, and creditor.
        names: of the brand and the others.
        due: when payments are due; None before the period is closed.
    """

    chain: str
    brand: str
    currency: str
    period: str
    status: str
    owes: int
    owed: int
    due: int | None
    entries: tuple[Entry, ...]
    payments: tuple[Settling, ...]
    names: dict[str, str]

    @property
    def closing(self) -> int:
        """What the brand is owed less what it owes."""
        return self.owed - self.owes

    @property
    def by_other(self) -> dict[str, tuple[int, int]]:
        """(owes, owed) by the other brand."""
        sums: dict[str, tuple[int, int]] = {}
        for entry in self.entries:
            owes, owed = sums.get(entry.other, (0, 0))
            sums[entry.other] = (owes + max(0, -entry.amount), owed + max(0, entry.amount))
        return sums


async def currencies_of(ask: Ask, period: str) -> list[str]:
    """Return the currencies in which something was booked in a period."""
    return await _all(ask, "clearing_currencies", period=period)


async def read_statement(ask: Ask, brand: str, period: str, currency: str) -> Statement:
    """Ask a node for a statement.

    Raises:
        Moving: lines are booked all the time; a closed period's statement stands still.
    """
    for _ in range(ATTEMPTS):
        page, lines = await _lines(ask, brand, period, currency)
        entries = _entries(brand, period, currency, lines)
        owes = -sum(entry.amount for entry in entries if entry.amount < 0)
        owed = sum(entry.amount for entry in entries if entry.amount > 0)
        if (owes, owed) == (page["owes"], page["owed"]):
            break
    else:
        raise Moving
    payments = await _all(ask, "clearing_payments", period=period, currency=currency)
    mine = tuple([_settling(brand, item) for item in payments if brand in (item["payer"], item["payee"])])
    others = {entry.other for entry in entries} | {payment.other for payment in mine}
    names = {name: (await ask("identity_brand", brand=name))["name"] for name in sorted({brand, *others})}
    shown = {item["period"]: item for item in await _all(ask, "clearing_periods", currency=currency)}
    chain = (await ask("node_info"))["chain"]
    due, status = shown[period].get("due"), page["status"]
    return Statement(chain, brand, currency, period, status, owes, owed, due, entries, mine, names)


async def _lines(ask: Ask, brand: str, period: str, currency: str) -> tuple[Any, list[Any]]:
    """Return the last page of a statement, and the lines of all."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        args = {"brand": brand, "period": period, "currency": currency, "limit": PAGE, **cursor}
        page = await ask("clearing_statement", **args)
        found += page["items"]
        if page["next"] is None:
            return page, found
        cursor = {"cursor": page["next"]}


async def _all(ask: Ask, method: str, **args: Any) -> list[Any]:
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = await ask(method, **args, limit=PAGE, **cursor)
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


def _entries(brand: str, period: str, currency: str, lines: Sequence[Any]) -> tuple[Entry, ...]:
    """Return lines from the brand's side, in the order of their booking."""
    entries = []
    balance = 0
    for line in sorted(lines, key=lambda line: (line["time"], line["debtor"], line["creditor"], line["line"])):
        owes = line["debtor"] == brand
        other = line["creditor"] if owes else line["debtor"]
        amount = -line["amount"] if owes else line["amount"]
        balance += amount
        key = f"clearing/line/{currency}/{period}/{line['debtor']}/{line['creditor']}/{line['line']}"
        cause = line["cause"]
        entry = Entry(key, other, amount, balance, cause["kind"], cause["ref"], line["time"], line.get("tx"))
        entries.append(entry)
    return tuple(entries)


def _settling(brand: str, payment: Any) -> Settling:
    pays = payment["payer"] == brand
    receipt = payment.get("receipt") or {}
    return Settling(
        payment["payee"] if pays else payment["payer"],
        -payment["amount"] if pays else payment["amount"],
        receipt.get("bank_ref"),
        receipt.get("time"),
    )
