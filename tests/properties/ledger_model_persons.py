"""Who acts for whom on the naive ledger, and the calls of identity that move points or decide who may.

The ways from account to account are followed afresh for each question: groups by joining the ends of links until
nothing changes, merges one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.properties.ledger_model import (
    CUSTODIAL,
    DAY,
    POOL,
    Answer,
    Model,
    Parts,
    Refusal,
    only,
    stop_for,
    total_of,
)

MOST_OF_POOL = 8
UNMERGE_DAYS = 30


# What is asked


def brand_acting(m: Model, brand: str) -> str:
    """Return the brand that looks after a brand's members: once it has left, its custodian."""
    leaving = m.get("exit", brand)
    if leaving is None or leaving["ends"] > m.time:
        return brand
    return brand_acting(m, leaving["custodian"])


def has_left(m: Model, brand: str) -> bool:
    """Tell whether a brand's run-off is over."""
    return brand_acting(m, brand) != brand


def acts_for(m: Model, account: str) -> bool:
    """Tell whether the holder signs, or for a custodial member its brand, or one of a pool's spenders."""
    holder = m.get("holder", account)
    if holder == POOL:
        pool = m.get("pool", account)
        if pool is None:
            return False
        return any(acts_for(m, spender) for spender in spenders_of(pool))
    if holder == CUSTODIAL:
        return m.role(brand_acting(m, m.get("member", account)), "cashier", "issuer")
    return holder in m.signers


def spenders_of(pool: Answer) -> list[str]:
    """Return the members of a pool that spend."""
    found: list[str] = pool["members"] if pool["spenders"] is None else pool["spenders"]
    return found


def pool_of(m: Model, account: str) -> str | None:
    """Return the pool that an account is in."""
    return next((key[1] for key, pool in m.all("pool") if account in pool["members"]), None)


def group_of(m: Model, account: str) -> set[str]:
    """Return the addresses of one shopper."""
    group = {account}
    while True:
        more = {end for key, linked in m.all("edge") if linked and key[1] & group for end in key[1]} - group
        if not more:
            return group
        group |= more


def are_linked(m: Model, a: str, b: str) -> bool:
    """Tell whether two addresses are one shopper's."""
    return b in group_of(m, a)


def with_sources(m: Model, account: str) -> list[str]:
    """Return an account and all that were merged into it, directly or not."""
    found = [account]
    for one in found:
        found += [key[1] for key, merger in m.all("merged") if merger["into"] == one]
    return found


def is_member(m: Model, account: str, brand: str) -> bool:
    """Tell whether an account, or one merged into it, is a member of a brand."""
    return any(m.get("member", one) == brand for one in with_sources(m, account))


def person(m: Model, account: str) -> set[str]:
    """Return why nothing more can be noted of an account."""
    gone = m.get("holder", account) == POOL or m.get("merged", account) or m.get("erased", account)
    return only(bool(gone), "NOT_ELIGIBLE")


# Accounts


def enroll(m: Model, a: Answer) -> Answer:
    member = m.world.address_of_member(a["brand"], bytes.fromhex(a["ref"]))
    stop_for(
        only(m.is_inactive(a["brand"]), "SUSPENDED")
        | only(not m.role(a["brand"], "issuer"), "NOT_AUTHORISED")
        | only(m.get("member", member) is not None, "ALREADY_EXISTS")
    )
    m.put(a["brand"], "member", member)
    m.put(CUSTODIAL, "holder", member)
    return {}


def claim(m: Model, a: Answer) -> Answer:
    brand, who = m.get("member", a["member"]), m.world.keys[a["key"]]
    stop_for(only(brand is None, "NOT_FOUND"))
    stop_for(
        only(m.get("holder", a["member"]) != CUSTODIAL, "ALREADY_EXISTS")
        | only(not m.role(brand_acting(m, brand), "issuer") or who not in m.signers, "NOT_AUTHORISED")
    )
    m.put(who, "holder", a["member"])
    return {"member": a["member"]}


def update_brand(m: Model, a: Answer) -> Answer:
    stop_for(only(not m.role(a["brand"], "admin"), "NOT_AUTHORISED"))
    m.put(a["pooling"], "pooling", a["brand"])
    return {"brand": a["brand"]}


def link(m: Model, a: Answer) -> Answer:
    member, other = a["member"], a["other"]
    edge = frozenset({member, other})
    stop_for(
        only(member == other, "INVALID_ARGS")
        | person(m, member)
        | person(m, other)
        | only(not (acts_for(m, member) and acts_for(m, other)), "NOT_AUTHORISED")
        | only(bool(m.get("edge", edge)), "ALREADY_EXISTS")
    )
    m.put(True, "edge", edge)
    return {"group": sorted(group_of(m, member))}


def unlink(m: Model, a: Answer) -> Answer:
    member, other = a["member"], a["other"]
    edge = frozenset({member, other})
    merged = [m.get("merged", one, default={}) or {} for one in (member, other)]
    stop_for(
        only(not m.get("edge", edge), "NOT_FOUND")
        | only(not (acts_for(m, member) and acts_for(m, other)), "NOT_AUTHORISED")
        | only(merged[0].get("into") == other or merged[1].get("into") == member, "NOT_ELIGIBLE")
    )
    m.put(None, "edge", edge)
    return {"group": sorted(group_of(m, member))}


# Household pools


def pool_open(m: Model, a: Answer) -> Answer:
    member, address = a["member"], m.world.address_of_pool(a["member"], a["name"])
    stop_for(
        person(m, member)
        | only(not acts_for(m, member), "NOT_AUTHORISED")
        | only(m.get("pool", address) is not None or pool_of(m, member) is not None, "ALREADY_EXISTS")
    )
    m.put(POOL, "holder", address)
    m.put({"members": [member], "spenders": None, "bps": a["contribute_bps"]}, "pool", address)
    return {"pool": address, "members": [member], "contribute_bps": a["contribute_bps"]}


def pool_join(m: Model, a: Answer) -> Answer:
    pool, member = m.get("pool", a["pool"]), a["member"]
    stop_for(only(pool is None, "NOT_FOUND"))
    stop_for(
        person(m, member)
        | only(not (acts_for(m, member) and acts_for(m, pool["members"][0])), "NOT_AUTHORISED")
        | only(pool_of(m, member) is not None, "ALREADY_EXISTS")
        | only(len(pool["members"]) >= MOST_OF_POOL, "LIMIT_EXCEEDED")
    )
    joined = {**pool, "members": [*pool["members"], member]}
    m.put(joined, "pool", a["pool"])
    return {"members": joined["members"], "spenders": spenders_of(joined)}


def pool_rules(m: Model, a: Answer) -> Answer:
    pool = m.get("pool", a["pool"])
    stop_for(only(pool is None, "NOT_FOUND"))
    spenders = a.get("spenders")
    strange = spenders is not None and bool(set(spenders) - set(pool["members"]))
    refused = only(not all(acts_for(m, member) for member in pool["members"]), "NOT_AUTHORISED")
    stop_for(refused | only(strange, "INVALID_ARGS"))
    changed = {**pool, "bps": a.get("contribute_bps", pool["bps"])}
    changed["spenders"] = pool["spenders"] if spenders is None else spenders
    m.put(changed, "pool", a["pool"])
    return {"contribute_bps": changed["bps"], "spenders": spenders_of(changed)}


def pool_leave(m: Model, a: Answer) -> Answer:
    pool = pool_of(m, a["member"])
    codes = only(not acts_for(m, a["member"]), "NOT_AUTHORISED")
    if pool is None:
        raise Refusal(codes | {"NOT_FOUND"})
    stop_for(codes)
    leave(m, a["member"])
    left = m.get("pool", pool)
    return {"pool": pool, "members": 0 if left is None else len(left["members"])}


def paid_out(m: Model, pool: str, member: str) -> dict[str, int]:
    """Return what a member takes along of each program's points in which the pool is not frozen."""
    last = m.get("pool", pool)["members"] == [member]
    taken = {}
    for program in [name for name in m.programs if not m.is_frozen(name, pool)]:
        there, shares = m.available(program, pool), m.get("shares", program, pool, default={}) or {}
        taken[program] = there
        if not last:
            brought = sum(shares.values())
            whole = min(there + m.held(program, pool), brought)
            taken[program] = min(there, whole * shares.get(member, 0) // brought) if brought else 0
    return taken


def leave(m: Model, member: str) -> None:
    """Take a member out of his pool, if he is in one, with what is his."""
    address = pool_of(m, member)
    if address is None:
        return
    taken = paid_out(m, address, member)
    pool = m.get("pool", address)
    for program, amount in taken.items():
        shares = dict(m.get("shares", program, address, default={}) or {})
        shares.pop(member, None)
        if pool["members"] == [member]:
            shares = {}
        m.put(shares, "shares", program, address)
        if amount:
            m.credit(program, member, m.take(program, address, amount))
    members = [other for other in pool["members"] if other != member]
    spenders = pool["spenders"] and [other for other in pool["spenders"] if other != member]
    m.put({**pool, "members": members, "spenders": spenders} if members else None, "pool", address)


def contribute(m: Model, program: str, pool: str, member: str, parts: Parts) -> None:
    """Bring points into a pool: first all parts shrink to what is still there."""
    there = m.available(program, pool) + m.held(program, pool)
    shares = dict(m.get("shares", program, pool, default={}) or {})
    total = sum(shares.values())
    if total > there:
        seen = given = 0
        for who in sorted(shares):
            seen += shares[who]
            shares[who] = there * seen // total - given
            given += shares[who]
    shares[member] = shares.get(member, 0) + total_of(parts)
    m.put(shares, "shares", program, pool)
    m.credit(program, pool, parts)


# Merges and erasures


def side(m: Model, account: str) -> set[str]:
    """Return what is missing of a side's consent to a merge."""
    brand = m.get("member", account)
    if brand is None:
        return {"NOT_FOUND"}
    holder = m.get("holder", account)
    signed = holder == CUSTODIAL or holder in m.signers
    return only(not (signed and m.role(brand_acting(m, brand), "issuer")), "NOT_AUTHORISED")


def is_side_frozen(m: Model, source: str, target: str, program: str) -> bool:
    """Tell whether one of the two is frozen in a program."""
    return m.is_frozen(program, source) or m.is_frozen(program, target)


def merge(m: Model, a: Answer) -> Answer:
    source, target = a["from"], a["into"]
    codes = only(source == target, "INVALID_ARGS") | person(m, source) | person(m, target)
    stop_for(codes | side(m, source) | side(m, target))
    leave(m, source)
    linked = bool(m.get("edge", frozenset({source, target})))
    m.put(True, "edge", frozenset({source, target}))
    m.put({"into": target, "since": m.time, "linked": linked}, "merged", source)
    for program in m.programs:
        if m.get("known", program, source) and not is_side_frozen(m, source, target, program):
            parts = m.take(program, source, m.available(program, source))
            debt = m.debt(program, source)
            m.count(-debt, "debt", program, source)
            m.count(debt, "debt", program, target)
            # Where both had points or debts, what was owed by the one is paid by the other.
            m.credit(program, target, parts)
            m.put((parts, debt), "moved", program, source)
    return {"from": source, "into": target, "until": m.time + UNMERGE_DAYS * DAY}


def unmerge(m: Model, a: Answer) -> Answer:
    source = a["from"]
    merger = m.get("merged", source)
    stop_for(only(merger is None, "NOT_FOUND"))
    target = merger["into"]
    codes = only(m.time >= merger["since"] + UNMERGE_DAYS * DAY, "EXPIRED") | person(m, target)
    stop_for(codes | side(m, source) | side(m, target))
    m.put(None, "merged", source)
    if not merger["linked"]:
        m.put(None, "edge", frozenset({source, target}))
    for program in m.programs:
        moved = m.get("moved", program, source)
        if moved is None:
            continue
        m.put(None, "moved", program, source)
        if is_side_frozen(m, source, target, program):
            continue
        parts = []
        for date, amount in moved[0]:
            part = min(amount, m.lots(program, target).get(date, 0))
            if part:
                m.add(program, target, date, -part)
                parts.append((date, part))
        owed = min(moved[1], m.debt(program, target))
        m.count(-owed, "debt", program, target)
        m.count(owed, "debt", program, source)
        m.credit(program, source, parts)
    return {"from": source, "into": target}


def erase(m: Model, a: Answer) -> Answer:
    member = a["member"]
    brand, holder = m.get("member", member), m.get("holder", member)
    allowed = holder in m.signers or (brand is not None and m.role(brand_acting(m, brand), "compliance"))
    stop_for(person(m, member) | only(not allowed, "NOT_AUTHORISED"))
    accounts = with_sources(m, member)
    for account in accounts:
        leave(m, account)
        for key, _ in m.all("edge"):
            if account in key[1]:
                m.put(None, *key)
        m.put(True, "erased", account)
    return {"member": member}


_CALLS: list[Callable[..., Answer]] = [enroll, claim, update_brand, link, unlink, pool_open, pool_join, pool_rules]
_CALLS += [pool_leave, merge, unmerge, erase]
CALLS: dict[str, Callable[..., Any]] = {f"identity.{call.__name__}": call for call in _CALLS}
