"""What a statement says, and how it is asked of a node.

A period's account begins at zero: what an unwound period carries on is a line of the period into which it goes.
All that a statement says is asked as of one height (node/statements/moment.py).

Invariants:
    1. A statement is of one moment, and its lines come to what the node says that their sums are.
    2. Line for line and in its sums, it is the other sides' statements seen from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from node.statements.errors import StatementError
from node.statements.moment import Moment


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
        height: of the chain, as of which all of it is.
        names: of the brand and the others.
        due: when payments are due; None before the period is closed.
    """

    chain: str
    height: int
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


async def currencies_of(moment: Moment, period: str) -> list[str]:
    """Return the currencies in which something was booked in a period; raises as `Moment.items`."""
    return await moment.items("clearing_currencies", period=period)


async def read_statement(moment: Moment, brand: str, period: str, currency: str) -> Statement:
    """Ask a node for a statement.

    Raises:
        RpcError: the node refuses.
        StatementError: its answers do not go together, or it no longer keeps the height.
    """
    args = {"period": period, "currency": currency}
    lines = await moment.items("clearing_statement", brand=brand, **args)
    # The sums stand on each page. One line is enough to ask for them: the lines are known.
    told = await moment.view("clearing_statement", brand=brand, limit=1, **args)
    entries = _entries(brand, period, currency, lines)
    owes = -sum(entry.amount for entry in entries if entry.amount < 0)
    owed = sum(entry.amount for entry in entries if entry.amount > 0)
    if (owes, owed) != (told["owes"], told["owed"]):
        raise StatementError(
            f"the node's lines of {brand} in {period} come to {owed} − {owes}, its sums are {told['owed']} and "
            f"{told['owes']} {currency}: do not use its answers"
        )
    payments = await moment.items("clearing_payments", **args)
    mine = tuple([_settling(brand, item) for item in payments if brand in (item["payer"], item["payee"])])
    others = {entry.other for entry in entries} | {payment.other for payment in mine}
    names = {name: (await moment.view("identity_brand", brand=name))["name"] for name in sorted({brand, *others})}
    shown = {item["period"]: item for item in await moment.items("clearing_periods", currency=currency)}
    return Statement(
        chain=moment.chain,
        height=moment.height,
        brand=brand,
        currency=currency,
        period=period,
        status=told["status"],
        owes=owes,
        owed=owed,
        due=shown[period].get("due"),
        entries=entries,
        payments=mine,
        names=names,
    )


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
