"""The calls of token that issue, move and redeem, on the naive ledger: each collects all reasons to refuse."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import Any

from tests.properties.ledger_model import (
    DAY,
    LARGEST,
    POOL,
    WAYS_IN,
    Answer,
    Model,
    Parts,
    Refusal,
    ends,
    name_of,
    only,
    shown,
    split,
    stop_for,
    total_of,
)
from tests.properties.ledger_model_clearing import book, counter, credit_codes, due_for
from tests.properties.ledger_model_persons import acts_for, contribute, has_left, is_member, pool_of

REFUND_DAYS = 30

Call = Callable[[Model, dict[str, Any]], Answer]


# What may stand in the way


def spending(m: Model, program: str, account: str, amount: int) -> set[str]:
    """Return why an account cannot spend."""
    return only(m.is_frozen(program, account), "FROZEN") | only(
        m.available(program, account) < amount, "INSUFFICIENT_BALANCE"
    )


def coming(m: Model, program: str, amount: int) -> set[str]:
    """Return why points cannot come into a program."""
    cap = m.rules(program)["cap"]
    came = sum(m.counter(program, name) for name in WAYS_IN)
    return only(cap is not None and m.outstanding(program) + amount > cap, "CAP_EXCEEDED") | only(
        came + amount > LARGEST, "LIMIT_EXCEEDED"
    )


def liability(m: Model, program: str) -> set[str]:
    """Return whether a brand's points are worth too much, now that some were issued."""
    brand = m.rules(program)["brand"]
    currency = m.rules(program)["price"]["currency"]
    cap = m.get("liability cap", brand, currency)
    worth = 0
    for other in m.programs:
        if m.rules(other)["brand"] == brand and m.rules(other)["price"]["currency"] == currency:
            price = m.rules(other)["price"]
            worth += ceil(Fraction(m.outstanding(other) * price["num"], price["den"]))
    return only(cap is not None and worth > cap, "LIMIT_EXCEEDED")


def open_brands(m: Model, brand: str, at: str) -> set[str]:
    """Return whether one of two brands has left the alliance: then nothing is redeemed."""
    return only(has_left(m, brand) or has_left(m, at), "SUSPENDED")


def door(m: Model, program: str, at: str, account: str, amount: int) -> set[str]:
    """Return why a door is closed to so many points."""
    if at == m.rules(program)["brand"]:
        return set()
    limits = m.get("door", program, at)
    if limits is None:
        return {"NOT_AUTHORISED"}
    today = m.time // DAY
    codes = set()
    for who, limit in ((account, limits["member_day"]), ("all", limits["total_day"])):
        used = m.get("door use", program, at, who, today, default=0)
        codes |= only(limit is not None and used + amount > limit, "LIMIT_EXCEEDED")
    return codes


def use_door(m: Model, program: str, at: str, account: str, amount: int) -> list[tuple[Any, ...]]:
    """Count a use in the limits that there are; return in which."""
    limits = m.get("door", program, at)
    if at == m.rules(program)["brand"]:
        return []
    counted = []
    for who, limit in ((account, limits["member_day"]), ("all", limits["total_day"])):
        if limit is not None:
            counted.append(("door use", program, at, who, m.time // DAY))
            m.count(amount, *counted[-1])
    return counted


def consent(m: Model, program: str, account: str, brand: str, amount: int) -> set[str]:
    """Return what is missing of the holder's consent."""
    if acts_for(m, account):
        return set()
    allowance = m.get("allowance", program, account, brand)
    if allowance is None or allowance["expires"] <= m.time:
        return {"NOT_AUTHORISED"}
    return only(allowance["remaining"] < amount, "LIMIT_EXCEEDED")


def use_allowance(m: Model, program: str, account: str, brand: str, amount: int) -> Any:
    """Use an allowance where the holder does not sign; return which one it was."""
    if acts_for(m, account):
        return None
    allowance = m.get("allowance", program, account, brand)
    remaining = allowance["remaining"] - amount
    m.put({**allowance, "remaining": remaining}, "allowance", program, account, brand)
    return allowance["which"]


def restore_allowance(m: Model, program: str, account: str, brand: str, which: Any, amount: int) -> None:
    """Give the same allowance back what was not spent."""
    allowance = m.get("allowance", program, account, brand)
    if which is not None and allowance is not None and allowance["which"] == which:
        remaining = min(allowance["limit"], allowance["remaining"] + amount)
        m.put({**allowance, "remaining": remaining}, "allowance", program, account, brand)


# Points


def issue(m: Model, a: Answer) -> Answer:
    program, account, amount = a["program"], a["to"], a["amount"]
    brand, until = m.rules(program)["brand"], a.get("pending_until")
    expires = a.get("expires")
    date = m.rule_date(program) if expires is None else m.day_from(program, expires)
    stop_for(
        only(m.is_inactive(brand), "SUSPENDED")
        | only(not m.role(brand, "issuer"), "NOT_AUTHORISED")
        | only("ref" in a and m.get("issue", program, a["ref"]) is not None, "DUPLICATE_REF")
        | only(expires is not None and expires <= m.time, "EXPIRED")
        | only(until is not None and until <= m.time, "INVALID_ARGS")
        | only(until is not None and ends(date) <= until, "EXPIRED")
        | coming(m, program, amount)
    )
    m.active(program, account)
    m.count(amount, "count", program, "issued")
    paid = 0
    if until is None:
        paid = m.credit(program, account, [(date, amount)])
        pool = pool_of(m, account)
        frozen = pool is not None and (m.is_frozen(program, account) or m.is_frozen(program, pool))
        if pool is not None and not frozen and m.get("pooling", brand):
            part = (amount - paid) * m.get("pool", pool)["bps"] // 10_000
            if part:
                m.add(program, account, date, -part)
                contribute(m, program, pool, account, [(date, part)])
    else:
        pending = dict(m.get("pending", program, account, default=None) or {})
        pending[until, date] = pending.get((until, date), 0) + amount
        m.put(pending, "pending", program, account)
        m.put(True, "known", program, account)
    stop_for(liability(m, program))
    if "ref" in a:
        record = {"account": account, "date": date, "issued": amount, "until": until, "reversed": 0}
        m.put(record, "issue", program, a["ref"])
    return {"lot": name_of(date), "amount": amount, "debt_paid": paid}


def unlock(m: Model, program: str, account: str, until: int) -> int:
    """Let points become available whose time has come; return how many."""
    pending = m.get("pending", program, account)
    due = [(date, amount) for (time, date), amount in sorted(pending.items()) if time == until]
    m.put({key: amount for key, amount in pending.items() if key[0] != until}, "pending", program, account)
    m.credit(program, m.current(account), due)
    return total_of(due)


def transfer(m: Model, a: Answer) -> Answer:
    program, source, to, amount = a["program"], a["from"], a["to"], a["amount"]
    rules = m.rules(program)
    codes = only(not acts_for(m, source), "NOT_AUTHORISED") | only(source == to, "INVALID_ARGS")
    codes |= only(m.is_frozen(program, to), "FROZEN") | spending(m, program, source, amount)
    if m.get("holder", to) == POOL:
        foreign = pool_of(m, source) != to or not m.get("pooling", rules["brand"])
        stop_for(codes | only(foreign, "NOT_TRANSFERABLE"))
        contribute(m, program, to, source, m.take(program, source, amount))
        return {"amount": amount, "burned": 0, "received": amount, "debt_paid": 0}
    inside = all(is_member(m, account, rules["brand"]) for account in (source, to))
    limit, use = rules["transfer_day"], ("transfer use", program, source, m.time // DAY)
    stop_for(
        codes
        | only(rules["transfer"] == "none" or (rules["transfer"] == "brand" and not inside), "NOT_TRANSFERABLE")
        | only(limit is not None and m.get(*use, default=0) + amount > limit, "LIMIT_EXCEEDED")
    )
    if limit is not None:
        m.count(amount, *use)
    burned = ceil(Fraction(amount * rules["transfer_burn_bps"], 10_000))
    _, moved = split(m.take(program, source, amount), burned)
    m.count(burned, "count", program, "burned")
    paid = m.credit(program, to, moved)
    return {"amount": amount, "burned": burned, "received": amount - burned, "debt_paid": paid}


def burn(m: Model, a: Answer) -> Answer:
    program, account, amount = a["program"], a["from"], a["amount"]
    stop_for(only(not acts_for(m, account), "NOT_AUTHORISED") | spending(m, program, account, amount))
    parts = m.take(program, account, amount)
    m.count(amount, "count", program, "burned")
    return {"amount": amount, "lots": shown(parts)}


# Redemptions


def redeem(m: Model, a: Answer) -> Answer:
    program, account, amount, at = a["program"], a["from"], a["amount"], a["at_brand"]
    rules = m.rules(program)
    stop_for(
        open_brands(m, rules["brand"], at)
        | only(not m.role(at, "cashier"), "NOT_AUTHORISED")
        | only(m.get("redemption", program, at, a["ref"]) is not None, "DUPLICATE_REF")
        | door(m, program, at, account, amount)
        | consent(m, program, account, at, amount)
        | spending(m, program, account, amount)
        | credit_codes(
            m, rules["brand"], at, rules["price"], due_for(m, rules["brand"], at, program, rules, amount)
        )
    )
    use_door(m, program, at, account, amount)
    which = use_allowance(m, program, account, at, amount)
    parts = m.take(program, account, amount)
    m.active(program, account)
    booked = book(m, rules["brand"], at, program, rules, amount, ("redemption", a["ref"]))
    return redeemed(m, a, account, parts, which, booked)


def redeemed(m: Model, a: Answer, account: str, parts: Parts, which: Any, booked: int | None) -> Answer:
    """Note a redemption."""
    record = {"account": account, "parts": parts, "allowance": which, "booked": booked, "refunded": 0, "back": 0}
    record["currency"] = m.rules(a["program"])["price"]["currency"]
    m.put(record, "redemption", a["program"], a["at_brand"], a["ref"])
    m.count(total_of(parts), "count", a["program"], "redeemed")
    return {"amount": total_of(parts), "lots": shown(parts)}


def hold(m: Model, a: Answer) -> Answer:
    program, account, amount, at = a["program"], a["from"], a["amount"], a["at_brand"]
    rules = m.rules(program)
    brand, price = rules["brand"], rules["price"]
    reserved = 0 if at == brand else ceil(Fraction(amount * price["num"], price["den"]))
    stop_for(
        open_brands(m, brand, at)
        | only(not m.role(at, "cashier"), "NOT_AUTHORISED")
        | only(a["expires"] <= m.time, "EXPIRED")
        | only(a["expires"] > m.time + m.world.max_hold_ms, "LIMIT_EXCEEDED")
        | only(m.get("hold", at, a["hold"]) is not None, "ALREADY_EXISTS")
        | door(m, program, at, account, amount)
        | consent(m, program, account, at, amount)
        | spending(m, program, account, amount)
        | credit_codes(m, brand, at, price, reserved)
    )
    record = {"program": program, "account": account, "amount": amount, "expires": a["expires"], "status": "open"}
    record |= {"uses": use_door(m, program, at, account, amount), "captured": 0}
    record |= {"allowance": use_allowance(m, program, account, at, amount)}
    record |= {
        "parts": m.take(program, account, amount),
        "price": price,
        "price_version": rules.get("price_version", 1),
    }
    record["reserved"] = reserved
    m.count(reserved, "reserved", price["currency"], brand, at)
    m.put(record, "hold", at, a["hold"])
    m.count(amount, "held", program, account)
    return {"hold": a["hold"], "amount": amount, "expires": a["expires"]}


def open_hold(m: Model, a: Answer) -> tuple[Answer, set[str]]:
    """Return a hold, and why it cannot be ended."""
    codes = only(not m.role(a["at_brand"], "cashier"), "NOT_AUTHORISED")
    record = m.get("hold", a["at_brand"], a["hold"])
    if record is None:
        raise Refusal(codes | {"NOT_FOUND"})
    status = record["status"]
    if status != "open":
        raise Refusal(codes | {"EXPIRED" if status == "expired" else "NOT_ELIGIBLE"})
    return record, codes


def capture(m: Model, a: Answer) -> Answer:
    record, codes = open_hold(m, a)
    program, account, amount, at = record["program"], record["account"], a["amount"], a["at_brand"]
    stop_for(
        codes
        | only(m.time >= record["expires"], "EXPIRED")
        | only(amount > record["amount"], "LIMIT_EXCEEDED")
        | only(m.get("redemption", program, at, a["ref"]) is not None, "DUPLICATE_REF")
        | only(m.is_frozen(program, account), "FROZEN")
    )
    taken, rest = split(record["parts"], amount)
    m.count(-amount, "held", program, account)
    end_hold(m, at, a["hold"], "captured", rest)
    m.active(program, m.current(account))
    booked = book(m, m.rules(program)["brand"], at, program, record, amount, ("redemption", a["ref"]))
    answer = redeemed(m, {**a, "program": program}, account, taken, record["allowance"], booked)
    return {"amount": amount, "returned": total_of(rest), "lots": answer["lots"]}


def release(m: Model, a: Answer) -> Answer:
    record, codes = open_hold(m, a)
    stop_for(codes)
    return {"amount": record["amount"], "lots": shown(end_hold(m, a["at_brand"], a["hold"], "released"))}


def end_hold(m: Model, at: str, hold: str, end: str, rest: Parts | None = None) -> Parts:
    """End a hold, and give back what was not captured: points, allowance, and what the door counted."""
    record = m.get("hold", at, hold)
    program, account = record["program"], record["account"]
    rest = record["parts"] if rest is None else rest
    back, _ = m.come_back(program, account, rest)
    restore_allowance(m, program, account, at, record["allowance"], total_of(rest))
    brand, currency = m.rules(program)["brand"], record["price"]["currency"]
    m.count(-record["reserved"], "reserved", currency, brand, at)
    for use in record["uses"]:
        m.count(-total_of(rest), *use)
    m.put({**record, "status": end, "captured": record["amount"] - total_of(rest)}, "hold", at, hold)
    return back


def refund(m: Model, a: Answer) -> Answer:
    program, at, amount = a["program"], a["at_brand"], a["amount"]
    codes = only(not m.role(at, "cashier"), "NOT_AUTHORISED")
    codes |= only(m.get("refund", program, at, a["ref"]) is not None, "DUPLICATE_REF")
    record = m.get("redemption", program, at, a["redemption_ref"])
    if record is None:
        raise Refusal(codes | {"NOT_FOUND"})
    size, before = total_of(record["parts"]), record["refunded"]
    came = sum(m.counter(program, name) for name in WAYS_IN)
    stop_for(codes | only(before + amount > size or came + amount > LARGEST, "LIMIT_EXCEEDED"))
    # What was taken last comes back first; answers name it in the order of dates.
    _, left = split(record["parts"][::-1], before)
    taken, _ = split(left, amount)
    parts = []
    for date, part in taken[::-1]:
        soon = not date[1] and ends(date) < m.time + REFUND_DAYS * DAY
        parts.append((m.extended(program, date, REFUND_DAYS * DAY) if soon else date, part))
    m.count(amount, "count", program, "refunded")
    paid = m.credit(program, m.current(record["account"]), parts)
    back = 0 if record["booked"] is None else record["booked"] * (before + amount) // size
    counter(m, m.rules(program)["brand"], at, record["currency"], back - record["back"], ("refund", a["ref"]))
    m.put({**record, "refunded": before + amount, "back": back}, "redemption", program, at, a["redemption_ref"])
    m.put(True, "refund", program, at, a["ref"])
    restore_allowance(m, program, record["account"], at, record["allowance"], amount)
    return {"amount": amount, "debt_paid": paid, "lots": shown(parts)}


def allow(m: Model, a: Answer) -> Answer:
    program, account, spender, limit = a["program"], a["from"], a["spender"], a["limit"]
    stop_for(
        only(not acts_for(m, account), "NOT_AUTHORISED")
        | only(m.get("holder", account) == POOL, "NOT_ELIGIBLE")
        | only(bool(limit) and a["expires"] <= m.time, "EXPIRED")
    )
    which = m.get("allowances", default=0) + 1
    m.put(which, "allowances")
    record = {"remaining": limit, "limit": limit, "expires": a["expires"], "which": which}
    m.put(record if limit else None, "allowance", program, account, spender)
    return {"spender": spender, "limit": limit, "expires": a["expires"]}


def partner(m: Model, a: Answer) -> Answer:
    program, at = a["program"], a["at_brand"]
    brand, closed = m.rules(program)["brand"], a.get("closed", False)
    stop_for(
        only(not m.role(brand, "admin"), "NOT_AUTHORISED")
        | only(at == brand, "NOT_ELIGIBLE")
        | only(closed and at != brand and m.get("door", program, at) is None, "NOT_FOUND")
    )
    limits = {"member_day": a.get("member_day"), "total_day": a.get("total_day")}
    m.put(None if closed else limits, "door", program, at)
    return {"at_brand": at, "open": not closed}


_TOKEN: list[Call] = [issue, transfer, burn, redeem, hold, capture, release, refund, allow, partner]
CALLS: dict[str, Call] = {f"token.{call.__name__}": call for call in _TOKEN}
