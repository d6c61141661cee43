"""The calls of swap on the naive ledger."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Any

from tests.properties.ledger_model import (
    DAY,
    NEVER,
    Answer,
    Date,
    Model,
    Parts,
    Refusal,
    ends,
    only,
    split,
    stop_for,
    total_of,
)
from tests.properties.ledger_model_clearing import book, credit_codes, due_for
from tests.properties.ledger_model_persons import acts_for, are_linked, has_left
from tests.properties.ledger_model_token import Call, coming, spending


def rate_of(terms: Answer) -> Fraction:
    """Return to-units per from-unit, after the fee."""
    return Fraction(terms["rate"][0] * (10_000 - terms["fee_bps"]), terms["rate"][1] * 10_000)


def brands_of(m: Model, treaty: Answer) -> tuple[str, str]:
    """Return the brands of a treaty's programs."""
    return m.rules(treaty["from_program"])["brand"], m.rules(treaty["to_program"])["brand"]


def side_of(m: Model, brands: tuple[str, str]) -> str | None:
    """Return for which side the signers act: the from-brand where for both."""
    return next((brand for brand in brands if m.role(brand, "admin")), None)


def is_over(m: Model, treaty: Answer) -> bool:
    """Tell whether nothing will ever be exchanged under a treaty again."""
    ended = treaty["ends"] is not None and m.time >= treaty["ends"]
    return bool(ended or (treaty["accepted"] and m.time >= treaty["terms"]["valid_to"]))


def status_of(m: Model, treaty: Answer) -> str:
    """Return what a treaty is now."""
    if not treaty["accepted"]:
        return "proposed" if treaty["ends"] is None else "ended"
    if is_over(m, treaty):
        return "ended"
    if treaty["suspended_by"]:
        return "suspended"
    return "active" if m.time >= treaty["terms"]["valid_from"] else "future"


def terms_of(m: Model, a: Answer) -> tuple[Answer, set[str]]:
    """Return the terms that a call names, and what is wrong with them."""
    terms = {name: a[name] for name in ("rate", "fee_bps", "limits", "valid_from", "valid_to")}
    codes = only(a["valid_to"] <= a["valid_from"], "INVALID_ARGS") | only(a["valid_to"] <= m.time, "EXPIRED")
    return terms, codes


def propose(m: Model, a: Answer) -> Answer:
    terms, codes = terms_of(m, a)
    brands = brands_of(m, a)
    side = side_of(m, brands)
    stop_for(
        codes
        | only(m.get("treaty", a["treaty"]) is not None, "ALREADY_EXISTS")
        | only(brands[0] == brands[1], "NOT_ELIGIBLE")
        | only(side is None or not a["treaty"].startswith(side), "NOT_AUTHORISED")
    )
    record = {"from_program": a["from_program"], "to_program": a["to_program"], "proposer": side, "terms": terms}
    record |= {"accepted": False, "amendment": None, "amender": None, "suspended_by": frozenset(), "ends": None}
    m.put(record, "treaty", a["treaty"])
    return {"treaty": a["treaty"], "status": "proposed"}


def alive(m: Model, a: Answer) -> tuple[Answer, set[str]]:
    """Return a treaty, and why it is over."""
    record = m.get("treaty", a["treaty"])
    stop_for(only(record is None, "NOT_FOUND"))
    over = is_over(m, record) if record["accepted"] else record["ends"] is not None
    return record, only(over, "EXPIRED")


def accept(m: Model, a: Answer) -> Answer:
    record, codes = alive(m, a)
    by = record["amender"] if record["accepted"] else record["proposer"]
    if by is None:
        raise Refusal(codes | {"NOT_ELIGIBLE"})
    brands = brands_of(m, record)
    other = brands[1] if by == brands[0] else brands[0]
    changed = {**record, "accepted": True}
    if record["accepted"]:
        changed |= {"terms": record["amendment"], "amendment": None, "amender": None}
    stop_for(
        codes
        | only(not m.role(other, "admin"), "NOT_AUTHORISED")
        | only(m.time >= changed["terms"]["valid_to"], "EXPIRED")
        | only(gains(m, a["treaty"], changed), "ARBITRAGE")
    )
    m.put(changed, "treaty", a["treaty"])
    return {"treaty": a["treaty"], "status": status_of(m, changed)}


def gains(m: Model, name: str, changed: Answer) -> bool:
    """Tell whether points could be multiplied: by following every way without a circle from the treaty's end."""
    edges: dict[str, list[tuple[str, Fraction]]] = {}
    for key, treaty in m.all("treaty"):
        if key[1] != name and treaty["accepted"] and not is_over(m, treaty):
            edges.setdefault(treaty["from_program"], []).append((treaty["to_program"], rate_of(treaty["terms"])))

    def best(program: str, product: Fraction, seen: frozenset[str]) -> Fraction:
        if program == changed["from_program"]:
            return product
        ways = [(to, rate) for to, rate in edges.get(program, []) if to not in seen]
        return max((best(to, product * rate, seen | {to}) for to, rate in ways), default=Fraction(0))

    return best(changed["to_program"], rate_of(changed["terms"]), frozenset({changed["to_program"]})) > 1


def amend(m: Model, a: Answer) -> Answer:
    record, codes = alive(m, a)
    terms, wrong = terms_of(m, a)
    side = side_of(m, brands_of(m, record))
    stop_for(
        codes
        | wrong
        | only(side is None, "NOT_AUTHORISED")
        | only(not record["accepted"] and side != record["proposer"], "NOT_ELIGIBLE")
    )
    changed = {**record, "amendment": terms, "amender": side} if record["accepted"] else {**record, "terms": terms}
    m.put(changed, "treaty", a["treaty"])
    return {"treaty": a["treaty"], "status": status_of(m, changed)}


def suspend(m: Model, a: Answer) -> Answer:
    record, codes = alive(m, a)
    side = side_of(m, brands_of(m, record))
    stop_for(codes | only(side is None, "NOT_AUTHORISED") | only(side in record["suspended_by"], "NOT_ELIGIBLE"))
    changed = {**record, "suspended_by": record["suspended_by"] | {side}}
    m.put(changed, "treaty", a["treaty"])
    return {"treaty": a["treaty"], "status": status_of(m, changed)}


def resume(m: Model, a: Answer) -> Answer:
    record, codes = alive(m, a)
    sides = [brand for brand in brands_of(m, record) if m.role(brand, "admin")]
    own = [brand for brand in sides if brand in record["suspended_by"]]
    stop_for(codes | only(not sides, "NOT_AUTHORISED") | only(not own, "NOT_ELIGIBLE"))
    changed = {**record, "suspended_by": record["suspended_by"] - {own[0]}}
    m.put(changed, "treaty", a["treaty"])
    return {"treaty": a["treaty"], "status": status_of(m, changed)}


def terminate(m: Model, a: Answer) -> Answer:
    record, codes = alive(m, a)
    until = m.time + (a["notice_ms"] if record["accepted"] else 0)
    stop_for(
        codes
        | only(side_of(m, brands_of(m, record)) is None, "NOT_AUTHORISED")
        | only(record["ends"] is not None and record["ends"] <= until, "NOT_ELIGIBLE")
    )
    changed = {**record, "ends": until}
    m.put(changed, "treaty", a["treaty"])
    return {"treaty": a["treaty"], "status": status_of(m, changed), "ends": until}


# Exchanges


def exchange(m: Model, a: Answer) -> Answer:
    answer = exchange_route(m, {**a, "treaties": [a["treaty"]]})
    del answer["hops"]
    return answer


def exchange_route(m: Model, a: Answer) -> Answer:
    source: str = a["from"]
    to: str = a.get("to", source)
    records = [m.get("treaty", name) for name in a["treaties"]]
    codes = only(not acts_for(m, source), "NOT_AUTHORISED")
    codes |= only(to != source and not are_linked(m, source, to), "NOT_ELIGIBLE")
    if None in records:
        raise Refusal(codes | {"NOT_FOUND"})
    for record in records:
        status = status_of(m, record)
        codes |= only(status in ("proposed", "future"), "NOT_ELIGIBLE") | only(status == "ended", "EXPIRED")
        giving, receiving = brands_of(m, record)
        codes |= only(status == "suspended" or has_left(m, giving) or m.is_inactive(receiving), "SUSPENDED")
    for one, following in pairwise(records):
        codes |= only(one["to_program"] != following["from_program"], "INVALID_ARGS")
    hops = planned([rate_of(record["terms"]) for record in records], a["amount"])
    if not hops or hops[-1][1] < a["min_out"]:
        raise Refusal(codes | {"SLIPPAGE"})
    stop_for(codes | spending(m, records[0]["from_program"], source, hops[0][0]))
    return converted(m, a, records, hops, source, to)


def planned(rates: list[Fraction], amount: int) -> list[tuple[int, int]]:
    """Return (taken, out) of each step: the most that the amount gives, and the least that gives it."""
    for rate in rates:
        amount = floor(amount * rate)
        if not amount:
            return []
    steps = []
    for rate in reversed(rates):
        taken = ceil(amount / rate)
        steps.append((taken, floor(taken * rate)))
        amount = taken
    return steps[::-1]


def converted(
    m: Model, a: Answer, records: list[Answer], hops: list[tuple[int, int]], source: str, to: str
) -> Answer:
    """Move the points; the driver undoes what a refused call has done."""
    place = len(m.undo)
    try:
        parts = m.take(records[0]["from_program"], source, hops[0][0])
        m.count(hops[0][0], "count", records[0]["from_program"], "swapped_out")
        for step, (name, record, (taken, out)) in enumerate(zip(a["treaties"], records, hops, strict=True)):
            program = record["to_program"]
            from_brand, to_brand = brands_of(m, record)
            rules = m.rules(program)
            owed = due_for(m, from_brand, to_brand, program, rules, out)
            credit = credit_codes(m, from_brand, to_brand, rules["price"], owed)
            stop_for(credit | limits(m, name, record, source, taken, out))
            parts = dated(m, program, parts, out)
            book(m, from_brand, to_brand, program, rules, out, ("exchange", name))
            passing: Parts = []
            if step + 1 < len(hops):
                passing, parts = split(parts, hops[step + 1][0])
            codes = coming(m, program, total_of(parts)) if parts else set()
            stop_for(codes | only(m.is_frozen(program, to), "FROZEN"))
            m.count(out, "count", program, "swapped_in")
            m.count(total_of(passing), "count", program, "swapped_out")
            paid = m.credit(program, to, parts)
            staying, parts = parts, passing
    except Refusal:
        m.back_to(place)
        raise
    lots = [{"amount": amount, "expires": None if date == NEVER else ends(date)} for date, amount in staying]
    shown = [
        {"treaty": name, "taken": taken, "out": out} for name, (taken, out) in zip(a["treaties"], hops, strict=True)
    ]
    return {"taken": hops[0][0], "out": hops[-1][1], "lots": lots, "debt_paid": paid, "hops": shown}


def limits(m: Model, name: str, record: Answer, account: str, taken: int, out: int) -> set[str]:
    """Count an exchange in a treaty's limits; return whether one is passed."""
    today, most = m.time // DAY, record["terms"]["limits"]
    m.count(taken, "treaty day", name, today)
    m.count(out, "treaty given", name)
    codes = only(m.get("treaty day", name, today) > most.get("total_day", float("inf")), "LIMIT_EXCEEDED")
    codes |= only(m.get("treaty given", name) > most.get("inventory", float("inf")), "LIMIT_EXCEEDED")
    if "member_day" in most:
        m.count(taken, "treaty member", name, account, today)
        used = m.get("treaty member", name, account, today)
        codes |= only(used > most["member_day"], "LIMIT_EXCEEDED")
    return codes


def dated(m: Model, program: str, parts: Parts, out: int) -> Parts:
    """Divide `out` over from-parts by cumulative floors, each with the earlier date of its lot and the rule."""
    rule, total, seen, given = m.rule_date(program), total_of(parts), 0, 0
    found: dict[Date, int] = {}
    for date, amount in parts:
        seen += amount
        share = out * seen // total - given
        given += share
        new = date if date[0] <= rule[0] else (rule[0], date[1])
        if share:
            found[new] = found.get(new, 0) + share
    return sorted(found.items())


_SWAP: list[Call] = [propose, accept, amend, suspend, resume, terminate, exchange, exchange_route]
CALLS: dict[str, Call] = {f"swap.{call.__name__}": call for call in _SWAP}


def shown_treaty(m: Model, name: str) -> dict[str, Any]:
    """Return what a treaty's view says, as far as it changes."""
    record = m.get("treaty", name)
    return {
        "status": status_of(m, record),
        "used_today": m.get("treaty day", name, m.time // DAY, default=0),
        "given": m.get("treaty given", name, default=0),
        "suspended_by": sorted(record["suspended_by"]),
    }
