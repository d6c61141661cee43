"""What brands owe each other on the naive ledger: every line is kept, and every sum is made of lines.

A line is (amount, cause, exposed): a counter-entry exposes its debtor to nothing, and lowers the exposure of its
creditor by what is noted as taken back.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from math import ceil
from typing import Any

from tests.properties.ledger_model import Answer, Model, Refusal, only, stop_for

Cause = tuple[str, str]
Line = tuple[int, Cause, int]


# Periods


def month_of(time: int) -> str:
    """Return the calendar month of a time, in UTC."""
    return datetime.fromtimestamp(time // 1000, UTC).strftime("%Y-%m")


def month_after(period: str) -> str:
    """Return the next calendar month."""
    year, month = map(int, period.split("-"))
    return f"{year + month // 12}-{month % 12 + 1:02}"


def begin_of(period: str) -> int:
    """Return the first millisecond of a month."""
    year, month = map(int, period.split("-"))
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000


def open_period(m: Model, currency: str) -> str:
    """Return the month to which lines are added now, with books from now on."""
    period = month_of(m.time)
    books = m.get("books", currency, period)
    if books is not None and books["status"] != "open":
        period = month_after(period)
        books = m.get("books", currency, period)
    if books is None:
        m.put({"status": "open", "brands": frozenset(), "payments": {}}, "books", currency, period)
    return period


def is_live(books: Answer) -> bool:
    """Tell whether a period's debts stand."""
    return books["status"] in ("open", "closed")


# What is owed


def lines(m: Model, currency: str, period: str, debtor: str, creditor: str) -> tuple[Line, ...]:
    """Return the lines of a pair."""
    return m.get("lines", currency, period, debtor, creditor) or ()


def owed_in(m: Model, currency: str, period: str, debtor: str, creditor: str) -> int:
    """Return the sum of a pair's lines."""
    return sum(amount for amount, _, _ in lines(m, currency, period, debtor, creditor))


def position(m: Model, currency: str, period: str, brand: str) -> int:
    """Return what a brand is owed in a period less what it owes."""
    others = [other for other in m.world.brands if other != brand]
    owed = sum(owed_in(m, currency, period, other, brand) for other in others)
    return owed - sum(owed_in(m, currency, period, brand, other) for other in others)


def exposed_in(m: Model, currency: str, period: str, debtor: str, creditor: str) -> int:
    """Return what a period adds to a debtor's exposure."""
    booked = sum(exposed for _, _, exposed in lines(m, currency, period, debtor, creditor))
    back: int = m.get("taken back", currency, period, debtor, creditor, default=0)
    return booked - back


def exposure(m: Model, currency: str, debtor: str, creditor: str) -> int:
    """Return what counts against a debtor's limit."""
    reserved: int = m.get("reserved", currency, debtor, creditor, default=0)
    periods = [key[2] for key, books in m.all("books") if key[1] == currency and is_live(books)]
    return reserved + sum(exposed_in(m, currency, period, debtor, creditor) for period in periods)


def credit_codes(m: Model, debtor: str, creditor: str, price: Answer, amount: int) -> set[str]:
    """Return whether a debtor has no credit for so much more."""
    if debtor == creditor or not amount:
        return set()
    limit = m.get("credit limit", price["currency"], debtor, creditor, default=0)
    return only(exposure(m, price["currency"], debtor, creditor) + amount > limit, "CREDIT_LIMIT")


def due_for(m: Model, debtor: str, creditor: str, program: str, terms: Answer, units: int) -> int:
    """Return the whole minor units that come due for units, with what was left over before."""
    if debtor == creditor:
        return 0
    return int(_exact(m, debtor, creditor, program, terms, units) // 1)


def _exact(m: Model, debtor: str, creditor: str, program: str, terms: Answer, units: int) -> Fraction:
    left = m.get("fraction", debtor, creditor, program, terms.get("price_version", 1), default=0)
    return units * Fraction(terms["price"]["num"], terms["price"]["den"]) + left


def book(m: Model, debtor: str, creditor: str, program: str, terms: Answer, units: int, cause: Cause) -> int | None:
    """Book what a brand owes for units: whole minor units, a fraction waits for the next."""
    if debtor == creditor:
        return None
    exact = _exact(m, debtor, creditor, program, terms, units)
    m.put(exact - exact // 1, "fraction", debtor, creditor, program, terms.get("price_version", 1))
    amount = int(exact // 1)
    if amount:
        add_line(m, terms["price"]["currency"], debtor, creditor, amount, cause, amount)
    return amount


def add_line(m: Model, currency: str, debtor: str, creditor: str, amount: int, cause: Cause, exposed: int) -> None:
    """Add a line to the open period."""
    period = open_period(m, currency)
    place = ("lines", currency, period, debtor, creditor)
    m.put((*lines(m, *place[1:]), (amount, cause, exposed)), *place)
    _take_part(m, currency, period, debtor, creditor)


def _take_part(m: Model, currency: str, period: str, *brands: str) -> None:
    books = m.get("books", currency, period)
    m.put({**books, "brands": books["brands"] | set(brands)}, "books", currency, period)


def counter(m: Model, debtor: str, creditor: str, currency: str, amount: int, cause: Cause) -> None:
    """Book that what a debtor owes is less by an amount."""
    if debtor != creditor and amount:
        add_line(m, currency, creditor, debtor, amount, cause, 0)
        take_back(m, currency, debtor, creditor, amount)


def take_back(m: Model, currency: str, debtor: str, creditor: str, amount: int) -> None:
    """Lower a debtor's exposure in the open period."""
    period = open_period(m, currency)
    m.count(amount, "taken back", currency, period, debtor, creditor)
    _take_part(m, currency, period, debtor, creditor)


def reserve_for(price: Answer, units: int) -> int:
    """Return what a hold keeps of credit."""
    return ceil(Fraction(units * price["num"], price["den"]))


# The calls


def set_credit_limit(m: Model, a: Answer) -> Answer:
    stop_for(
        only(not m.role(a["creditor"], "treasurer"), "NOT_AUTHORISED")
        | only(a["creditor"] == a["debtor"], "INVALID_ARGS")
    )
    m.put(a["amount"], "credit limit", a["currency"], a["debtor"], a["creditor"])
    return dict(a)


def books_of(m: Model, a: Answer) -> Answer:
    """Return a period's books."""
    books: Answer | None = m.get("books", a["currency"], a["period"])
    if books is None:
        raise Refusal({"NOT_FOUND"})
    return books


def treasurer(m: Model, books: Answer) -> set[str]:
    """Return whether no treasurer of a period's brands signs."""
    return only(not any(m.role(brand, "treasurer") for brand in books["brands"]), "NOT_AUTHORISED")


def close(m: Model, a: Answer) -> Answer:
    books = books_of(m, a)
    early = books["status"] != "open" or begin_of(a["period"]) > m.time
    stop_for(treasurer(m, books) | only(early, "NOT_ELIGIBLE"))
    net(m, a["currency"], a["period"])
    return shown_period(m, a["currency"], a["period"])


def net(m: Model, currency: str, period: str) -> None:
    """Close a period: whoever owes most pays who is owed most, until nothing is left."""
    books = m.get("books", currency, period)
    left = {brand: position(m, currency, period, brand) for brand in books["brands"]}
    assert not sum(left.values()), "the positions do not sum to zero"
    payments: dict[tuple[str, str], tuple[int, str | None]] = {}
    while any(left.values()):
        payer = min(left, key=lambda brand: (left[brand], brand))
        payee = min(left, key=lambda brand: (-left[brand], brand))
        amount = min(-left[payer], left[payee])
        payments[payer, payee] = (amount, None)
        left[payer] += amount
        left[payee] -= amount
    status = "closed" if payments else "discharged"
    closed = {**books, "status": status, "payments": payments, "due": m.time + m.world.due_ms, "closed": m.time}
    m.put(closed, "books", currency, period)


def shown_period(m: Model, currency: str, period: str) -> Answer:
    """Return a period as answers show it."""
    books = m.get("books", currency, period)
    found: Answer = {"currency": currency, "period": period, "status": books["status"]}
    if "due" in books:
        unconfirmed = sum(receipt is None for _, receipt in books["payments"].values())
        found |= {"payments": len(books["payments"]), "unconfirmed": unconfirmed, "due": books["due"]}
    return found


def confirm(m: Model, a: Answer) -> Answer:
    parties = a["payer"], a["payee"]
    fitting = [(key[1], books) for key, books in m.all("books") if key[2] == a["period"]]
    fitting = [(name, books) for name, books in fitting if a.get("currency", name) == name]
    fitting = [(name, books) for name, books in fitting if parties in books["payments"]]
    stop_for(only(not fitting, "NOT_FOUND") | only(len(fitting) > 1, "INVALID_ARGS"))
    currency, books = fitting[0]
    amount, receipt = books["payments"][parties]
    stop_for(
        only(not m.role(a["payee"], "treasurer"), "NOT_AUTHORISED")
        | only(receipt is not None, "ALREADY_EXISTS")
        | only(books["status"] != "closed", "NOT_ELIGIBLE")
        | only(amount != a["amount"], "CHANGED")
    )
    payments = {**books["payments"], parties: (amount, a["bank_ref"])}
    done = all(receipt is not None for _, receipt in payments.values())
    changed = {**books, "payments": payments, "status": "discharged" if done else "closed"}
    m.put(changed, "books", currency, a["period"])
    return {"currency": currency, "payer": a["payer"], "payee": a["payee"], "amount": amount}


def unwind(m: Model, a: Answer) -> Answer:
    books = books_of(m, a)
    early = books["status"] != "closed" or m.time < books["due"]
    stop_for(treasurer(m, books) | only(early, "NOT_ELIGIBLE"))
    currency, period = a["currency"], a["period"]
    m.put({**books, "status": "unwound"}, "books", currency, period)
    for (payer, payee), (amount, receipt) in sorted(books["payments"].items()):
        if receipt is not None:
            set_off = min(amount, max(0, exposed_in(m, currency, period, payer, payee)))
            m.count(set_off, "taken back", currency, period, payer, payee)
            add_line(m, currency, payee, payer, amount, ("payment", period), amount - set_off)
    for debtor in sorted(books["brands"]):
        for creditor in sorted(books["brands"]):
            owed = owed_in(m, currency, period, debtor, creditor)
            exposed = exposed_in(m, currency, period, debtor, creditor)
            if owed:
                add_line(m, currency, debtor, creditor, owed, ("unwind", period), exposed)
            elif exposed:
                take_back(m, currency, debtor, creditor, -exposed)
    return shown_period(m, currency, period)


def line_of(m: Model, a: Answer) -> tuple[tuple[Any, ...], int]:
    """Return the place of a line, and its amount."""
    place = a["currency"], a["period"], a["debtor"], a["creditor"]
    found = lines(m, *place)
    stop_for(only(a["line"] >= len(found), "NOT_FOUND"))
    return ("dispute", *place, a["line"]), found[a["line"]][0]


def dispute(m: Model, a: Answer) -> Answer:
    place, amount = line_of(m, a)
    former = m.get(*place)
    stop_for(
        only(not m.role(a["brand"], "treasurer"), "NOT_AUTHORISED")
        | only(former is not None and former["status"] != "withdrawn", "ALREADY_EXISTS")
    )
    conceded = former["conceded"] if former else 0
    m.put({"brand": a["brand"], "status": "open", "conceded": conceded}, *place)
    return {"amount": amount, "brand": a["brand"], "status": "open", "conceded": conceded}


def freed_by(m: Model, place: tuple[Any, ...], conceded: int, amount: int) -> tuple[int, int]:
    """Return what conceding more of a line frees of its debtor's credit, and what it takes of its creditor's."""
    exposed = lines(m, *place[1:-1])[place[-1]][2]
    currency, _, debtor, creditor = place[1:-1]
    owed = exposure(m, currency, debtor, creditor) - m.get("reserved", currency, debtor, creditor, default=0)
    freed = min(max(0, exposed - conceded), amount, max(0, owed))
    return freed, amount - freed


def resolve(m: Model, a: Answer) -> Answer:
    place, whole = line_of(m, a)
    found, amount = m.get(*place), a["amount"]
    stop_for(only(found is None, "NOT_FOUND"))
    freed, rest = freed_by(m, place, found["conceded"], amount)
    price = {"currency": a["currency"]}
    by = a["creditor"] if amount else found["brand"]
    left = whole - found["conceded"]
    stop_for(
        only(not m.role(by, "treasurer"), "NOT_AUTHORISED")
        | only(found["status"] != "open", "NOT_ELIGIBLE")
        | only(amount > left, "LIMIT_EXCEEDED")
        | credit_codes(m, a["creditor"], a["debtor"], price, rest)
    )
    name = "/".join(str(part) for part in place[1:])
    if amount:
        add_line(m, a["currency"], a["creditor"], a["debtor"], amount, ("dispute", name), rest)
        take_back(m, a["currency"], a["debtor"], a["creditor"], freed)
    status = "withdrawn" if not amount else "resolved" if amount == left else "open"
    m.put({**found, "status": status, "conceded": found["conceded"] + amount}, *place)
    return {"status": status, "conceded": found["conceded"] + amount}


_CLEARING: list[Callable[[Model, Answer], Answer]] = [set_credit_limit, close, confirm, unwind, dispute, resolve]
CALLS: dict[str, Callable[[Model, Answer], Answer]] = {f"clearing.{call.__name__}": call for call in _CLEARING}
