"""The calls of token on the naive ledger. Each collects all reasons to refuse, then does what it does."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import Any

from tests.properties.ledger_model import (
    DAY,
    LARGEST,
    NEVER,
    WAYS_IN,
    Date,
    Model,
    Parts,
    Refusal,
    ends,
    name_of,
    only,
    shown,
    split,
)

REFUND_DAYS, REINSTATE_DAYS = 30, 90
FREEDOM = ["none", "brand", "free"]

Answer = dict[str, Any]
Call = Callable[[Model, dict[str, Any]], Answer]


def stop_for(codes: set[str]) -> None:
    """Refuse where there is a reason."""
    if codes:
        raise Refusal(codes)


def total_of(parts: Parts) -> int:
    """Return how many points parts are."""
    return sum(amount for _, amount in parts)


def date_named(lot: str) -> Date:
    """Return the date of a lot's name: a day, or a day and its millisecond."""
    return NEVER if lot == "never" else (int(lot) - (int(lot) % 1_000), int(lot) % 1_000 == 1)


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


def liability(m: Model, program: str, amount: int) -> set[str]:
    """Return whether a brand's points would be worth too much."""
    brand = m.rules(program)["brand"]
    cap = m.get("liability cap", brand, "EUR")
    worth = 0
    for other in m.programs:
        if m.rules(other)["brand"] == brand:
            price = m.rules(other)["price"]
            units = m.outstanding(other) + (amount if other == program else 0)
            worth += ceil(Fraction(units * price["num"], price["den"]))
    return only(cap is not None and worth > cap, "LIMIT_EXCEEDED")


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
    if m.acts_for(account):
        return set()
    allowance = m.get("allowance", program, account, brand)
    if allowance is None or allowance["expires"] <= m.time:
        return {"NOT_AUTHORISED"}
    return only(allowance["remaining"] < amount, "LIMIT_EXCEEDED")


def use_allowance(m: Model, program: str, account: str, brand: str, amount: int) -> Any:
    """Use an allowance where the holder does not sign; return which one it was."""
    if m.acts_for(account):
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


def book(m: Model, debtor: str, creditor: str, program: str, terms: Answer, units: int) -> int | None:
    """Return what a brand owes for units: whole minor units, a fraction waits for the next."""
    if debtor == creditor:
        return None
    key = "fraction", debtor, creditor, program, terms["version"]
    exact = units * Fraction(terms["price"]["num"], terms["price"]["den"]) + m.get(*key, default=0)
    m.put(exact - exact // 1, *key)
    return int(exact // 1)


# Points


def issue(m: Model, a: Answer) -> Answer:
    program, account, amount = a["program"], a["to"], a["amount"]
    brand, until = m.rules(program)["brand"], a.get("pending_until")
    expires = a.get("expires")
    date = m.rule_date(program) if expires is None else m.day_from(program, expires)
    stop_for(
        only(m.get("suspended", brand), "SUSPENDED")
        | only(not m.role(brand, "issuer"), "NOT_AUTHORISED")
        | only("ref" in a and m.get("issue", program, a["ref"]) is not None, "DUPLICATE_REF")
        | only(expires is not None and expires <= m.time, "EXPIRED")
        | only(until is not None and until <= m.time, "INVALID_ARGS")
        | only(until is not None and ends(date) <= until, "EXPIRED")
        | coming(m, program, amount)
        | liability(m, program, amount)
    )
    m.active(program, account)
    m.count(amount, "count", program, "issued")
    paid = 0
    if until is None:
        paid = m.credit(program, account, [(date, amount)])
    else:
        pending = dict(m.get("pending", program, account, default=None) or {})
        pending[until, date] = pending.get((until, date), 0) + amount
        m.put(pending, "pending", program, account)
    if "ref" in a:
        record = {"account": account, "date": date, "issued": amount, "until": until, "reversed": 0}
        m.put(record, "issue", program, a["ref"])
    return {"lot": name_of(date), "amount": amount, "debt_paid": paid}


def unlock(m: Model, program: str, account: str, until: int) -> int:
    """Let points become available whose time has come; return how many."""
    pending = m.get("pending", program, account)
    due = [(date, amount) for (time, date), amount in sorted(pending.items()) if time == until]
    m.put({key: amount for key, amount in pending.items() if key[0] != until}, "pending", program, account)
    m.credit(program, account, due)
    return total_of(due)


def transfer(m: Model, a: Answer) -> Answer:
    program, source, to, amount = a["program"], a["from"], a["to"], a["amount"]
    rules = m.rules(program)
    inside = all(m.world.members.get(account) == rules["brand"] for account in (source, to))
    limit, use = rules["transfer_day"], ("transfer use", program, source, m.time // DAY)
    stop_for(
        only(not m.acts_for(source), "NOT_AUTHORISED")
        | only(source == to, "INVALID_ARGS")
        | only(rules["transfer"] == "none" or (rules["transfer"] == "brand" and not inside), "NOT_TRANSFERABLE")
        | only(limit is not None and m.get(*use, default=0) + amount > limit, "LIMIT_EXCEEDED")
        | only(m.is_frozen(program, to), "FROZEN")
        | spending(m, program, source, amount)
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
    stop_for(only(not m.acts_for(account), "NOT_AUTHORISED") | spending(m, program, account, amount))
    parts = m.take(program, account, amount)
    m.count(amount, "count", program, "burned")
    return {"amount": amount, "lots": shown(parts)}


# Redemptions


def redeem(m: Model, a: Answer) -> Answer:
    program, account, amount, at = a["program"], a["from"], a["amount"], a["at_brand"]
    stop_for(
        only(not m.role(at, "cashier"), "NOT_AUTHORISED")
        | only(m.get("redemption", program, at, a["ref"]) is not None, "DUPLICATE_REF")
        | door(m, program, at, account, amount)
        | consent(m, program, account, at, amount)
        | spending(m, program, account, amount)
    )
    use_door(m, program, at, account, amount)
    which = use_allowance(m, program, account, at, amount)
    parts = m.take(program, account, amount)
    m.active(program, account)
    rules = m.rules(program)
    return redeemed(m, a, account, parts, which, book(m, rules["brand"], at, program, rules, amount))


def redeemed(m: Model, a: Answer, account: str, parts: Parts, which: Any, booked: int | None) -> Answer:
    """Note a redemption."""
    record = {"account": account, "parts": parts, "allowance": which, "booked": booked, "refunded": 0, "back": 0}
    m.put(record, "redemption", a["program"], a["at_brand"], a["ref"])
    m.count(total_of(parts), "count", a["program"], "redeemed")
    return {"amount": total_of(parts), "lots": shown(parts)}


def hold(m: Model, a: Answer) -> Answer:
    program, account, amount, at = a["program"], a["from"], a["amount"], a["at_brand"]
    stop_for(
        only(not m.role(at, "cashier"), "NOT_AUTHORISED")
        | only(a["expires"] <= m.time, "EXPIRED")
        | only(a["expires"] > m.time + m.world.max_hold_ms, "LIMIT_EXCEEDED")
        | only(m.get("hold", at, a["hold"]) is not None, "ALREADY_EXISTS")
        | door(m, program, at, account, amount)
        | consent(m, program, account, at, amount)
        | spending(m, program, account, amount)
    )
    rules = m.rules(program)
    record = {"program": program, "account": account, "amount": amount, "expires": a["expires"], "status": "open"}
    record |= {"uses": use_door(m, program, at, account, amount), "captured": 0}
    record |= {"allowance": use_allowance(m, program, account, at, amount)}
    record |= {"parts": m.take(program, account, amount), "price": rules["price"], "version": rules["version"]}
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
    m.active(program, account)
    booked = book(m, m.rules(program)["brand"], at, program, record, amount)
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
    paid = m.credit(program, record["account"], parts)
    back = 0 if record["booked"] is None else record["booked"] * (before + amount) // size
    m.put({**record, "refunded": before + amount, "back": back}, "redemption", program, at, a["redemption_ref"])
    m.put(True, "refund", program, at, a["ref"])
    restore_allowance(m, program, record["account"], at, record["allowance"], amount)
    return {"amount": amount, "debt_paid": paid, "lots": shown(parts)}


def allow(m: Model, a: Answer) -> Answer:
    program, account, spender, limit = a["program"], a["from"], a["spender"], a["limit"]
    stop_for(
        only(not m.acts_for(account), "NOT_AUTHORISED") | only(bool(limit) and a["expires"] <= m.time, "EXPIRED")
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


# Corrections


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
    part = min(left, m.lots(program, account).get(date, 0))
    if part:
        m.add(program, account, date, -part)
        left -= part
    expired = min(left, expired_of(m, program, account, date))
    m.count(expired, "expired used", program, account, date)
    left -= expired
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
        codes |= only(m.get("suspended", brand), "SUSPENDED")
        codes |= coming(m, program, amount) | liability(m, program, amount)
    else:
        codes |= only(m.available(program, account) < -amount, "INSUFFICIENT_BALANCE")
    stop_for(codes)
    paid = 0
    if amount > 0:
        m.count(amount, "count", program, "issued")
        m.count(amount, "count", program, "adjusted_up")
        paid = m.credit(program, account, [(m.rule_date(program), amount)])
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
        only(m.get("suspended", brand), "SUSPENDED")
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


_TOKEN: list[Call] = [issue, transfer, burn, redeem, hold, capture, release, refund, allow, partner, reverse, adjust]
_TOKEN += [extend, reinstate, freeze, unfreeze, liability_cap, update_program]
CALLS: dict[str, Call] = {f"token.{call.__name__}": call for call in _TOKEN}
