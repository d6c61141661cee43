"""The calls of token that correct, freeze, or change rules, on the naive ledger."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.properties.ledger_model import DAY, NEVER, Answer, Date, Model, Refusal, ends, name_of, only, stop_for
from tests.properties.ledger_model_token import Call, coming, liability

REINSTATE_DAYS = 90
FREEDOM = ["none", "brand", "free"]


def date_named(lot: str) -> Date:
    """Return the date of a lot's name: a day, or a day and its millisecond."""
    return NEVER if lot == "never" else (int(lot) - (int(lot) % 1_000), int(lot) % 1_000 == 1)


def reverse(m: Model, a: Answer) -> Answer:
    program, amount = a["program"], a["amount"]
    codes = only(not m.role(m.rules(program)["brand"], "issuer"), "NOT_AUTHORISED")
    record = m.get("issue", program, a["ref"])
    if record is None:
        raise Refusal(codes | {"NOT_FOUND"})
    stop_for(codes | only(record["reversed"] + amount > record["issued"], "LIMIT_EXCEEDED"))
    m.put({**record, "reversed": record["reversed"] + amount}, "issue", program, a["ref"])
    account, date, left = record["account"], record["date"], amount

    pending = dict(m.get("pending", program, account, default=None) or {})
    part = min(left, pending.get((record["until"], date), 0))
    if part:
        pending[record["until"], date] -= part
        m.put({key: size for key, size in pending.items() if size}, "pending", program, account)
        left -= part
    first, account = account, m.current(account)
    m.put(True, "known", program, account)
    part = min(left, m.lots(program, account).get(date, 0))
    if part:
        m.add(program, account, date, -part)
        left -= part
    expired = 0
    for owner in dict.fromkeys((first, account)):
        part = min(left, expired_of(m, program, owner, date))
        m.count(part, "expired used", program, owner, date)
        expired, left = expired + part, left - part
    others = min(left, m.available(program, account))
    if others:
        m.take(program, account, others)
        left -= others
    m.count(left, "debt", program, account)
    m.count(amount - expired - left, "count", program, "reversed")
    return {"amount": amount, "taken": amount - expired - left, "expired": expired, "debt": left}


def expired_of(m: Model, program: str, account: str, date: Date) -> int:
    """Return what has expired of a lot, and has been neither counted by a reversal nor reinstated."""
    key = program, account, date
    found: int = m.get("expired lot", *key, default=0) - m.get("expired used", *key, default=0)
    return found


def adjust(m: Model, a: Answer) -> Answer:
    program, account, amount = a["program"], a["account"], a["amount"]
    rules, brand = m.rules(program), m.rules(program)["brand"]
    second = m.world.roles[brand, "issuer"] | m.world.roles[brand, "treasurer"]
    enough = abs(amount) <= rules["adjust_limit"] or len(m.signers & second) > 1
    codes = only(not m.role(brand, "issuer") or not enough, "NOT_AUTHORISED")
    codes |= only(not amount, "INVALID_ARGS")
    codes |= only(m.get("adjustment", program, a["ref"]) is not None, "DUPLICATE_REF")
    if amount > 0:
        codes |= only(m.is_inactive(brand), "SUSPENDED")
        codes |= coming(m, program, amount)
    else:
        codes |= only(m.available(program, account) < -amount, "INSUFFICIENT_BALANCE")
    stop_for(codes)
    paid = 0
    if amount > 0:
        m.count(amount, "count", program, "issued")
        m.count(amount, "count", program, "adjusted_up")
        paid = m.credit(program, account, [(m.rule_date(program), amount)])
        stop_for(liability(m, program))
    else:
        m.take(program, account, -amount)
        m.count(-amount, "count", program, "reversed")
        m.count(-amount, "count", program, "adjusted_down")
    m.put(True, "adjustment", program, a["ref"])
    return {"amount": amount, "debt_paid": paid}


def dating(m: Model, a: Answer) -> set[str]:
    """Return why an issuer cannot give a date."""
    brand = m.rules(a["program"])["brand"]
    return (
        only(m.is_inactive(brand), "SUSPENDED")
        | only(not m.role(brand, "issuer"), "NOT_AUTHORISED")
        | only(a["expires"] <= m.time, "EXPIRED")
    )


def extend(m: Model, a: Answer) -> Answer:
    program, account, old = a["program"], a["account"], date_named(a["lot"])
    new = m.day_from(program, a["expires"])
    amount = m.lots(program, account).get(old, 0)
    stop_for(dating(m, a) | only(new <= old, "INVALID_ARGS") | only(not amount, "NOT_FOUND"))
    m.add(program, account, old, -amount)
    m.add(program, account, new, amount)
    return {"lot": name_of(new), "amount": amount}


def reinstate(m: Model, a: Answer) -> Answer:
    program, account, old = a["program"], a["account"], date_named(a["lot"])
    amount, new = expired_of(m, program, account, old), m.day_from(program, a["expires"])
    cap = m.rules(program)["cap"]
    stop_for(
        dating(m, a)
        | only(ends(old) > m.time, "NOT_ELIGIBLE")
        | only(m.time - ends(old) > REINSTATE_DAYS * DAY, "EXPIRED")
        | only(not amount, "NOT_FOUND")
        | only(cap is not None and m.outstanding(program) + amount > cap, "CAP_EXCEEDED")
    )
    m.count(amount, "expired used", program, account, old)
    m.count(-amount, "count", program, "expired")
    m.credit(program, account, [(new, amount)])
    return {"lot": name_of(new), "amount": amount}


# Rules


def freeze(m: Model, a: Answer, frozen: bool = True) -> Answer:
    brand = a["brand"] if "brand" in a else m.rules(a["program"])["brand"]
    stop_for(only(not m.role(brand, "compliance"), "NOT_AUTHORISED"))
    if "brand" in a:
        m.put(frozen, "frozen at", brand, a["account"])
    else:
        m.put(frozen, "frozen", a["program"], a["account"])
        m.put(True, "known", a["program"], a["account"])
    return {"account": a["account"], "frozen": frozen}


def unfreeze(m: Model, a: Answer) -> Answer:
    return freeze(m, a, frozen=False)


def liability_cap(m: Model, a: Answer) -> Answer:
    stop_for(only(not m.role(a["brand"], "treasurer"), "NOT_AUTHORISED"))
    m.put(a.get("amount"), "liability cap", a["brand"], a["currency"])
    return {"brand": a["brand"], "currency": a["currency"]}


def update_program(m: Model, a: Answer) -> Answer:
    """What is worse for members waits, together with what waits already; the rest is in force at once."""
    program, rules = a["program"], m.rules(a["program"])
    stop_for(only(not m.role(rules["brand"], "admin"), "NOT_AUTHORISED"))
    changes = {name: value for name, value in a.items() if name != "program"}
    worse = {name: value for name, value in changes.items() if is_worse(name, rules[name], value)}
    now = {name: value for name, value in changes.items() if name not in worse and value != rules[name]}
    since, waiting = rules["announced"] or (None, {})
    waiting = {name: value for name, value in waiting.items() if name not in changes} | worse
    rules = {**rules, **now, "announced": None}
    start = m.time + rules["notice_ms"] if worse or since is None else since
    if waiting and start > m.time:
        rules["announced"] = (start, waiting)
    else:
        rules |= waiting
    priced = ("price" in now) + ("price" in waiting and start <= m.time)
    if priced:
        rules["price_version"] = rules.get("price_version", 1) + priced
    rules["version"] += 1 if now or (waiting and start <= m.time) else 0
    m.put(rules, "rules", program)
    return {"program": program, "version": rules["version"]}


def is_worse(name: str, old: Any, new: Any) -> bool:
    """Tell whether a change is to members' disadvantage."""
    if name == "transfer":
        return FREEDOM.index(new) < FREEDOM.index(old)
    if name == "expiry":
        if old["kind"] != new["kind"]:
            return bool(new["kind"] != "none")
        return any(new[length] < old[length] for length in ("days", "months") if length in new)
    if name == "price":
        return Fraction(new["num"], new["den"]) < Fraction(old["num"], old["den"])
    if name == "transfer_day":
        return old is None or new < old
    return (name == "transfer_burn_bps" and new > old) or (name == "notice_ms" and new < old)


_TOKEN: list[Call] = [reverse, adjust, extend, reinstate, freeze, unfreeze, liability_cap, update_program]
CALLS: dict[str, Call] = {f"token.{call.__name__}": call for call in _TOKEN}
