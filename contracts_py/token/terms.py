"""A program's rules: which are in force, and which changes of them wait until members have had notice.

What is to members' disadvantage comes into force `notice_ms` after it was announced; all else at once. A program
has one announced change at most: a further one is added to it, and the whole waits anew.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import structs
from msgspec.structs import replace

from contracts_py.money import Price
from contracts_py.token.records import (
    NEVER,
    PROGRAMS,
    Announced,
    DaysExpiry,
    Expiry,
    InactivityExpiry,
    MonthEndExpiry,
    NoExpiry,
    Program,
)
from vm.contract_api import Context

_FREEDOM: Final = {"none": 0, "brand": 1, "free": 2}


def rules_of(ctx: Context, program: str) -> Program:
    """Return the rules of a program that are in force.

    Raises:
        Refused: NOT_FOUND.
    """
    rules = PROGRAMS.require(ctx, program)
    return rules if rules.announced is None else in_force(rules, ctx.time)


def in_force(rules: Program, time: int) -> Program:
    """Return the rules at a time: with what is announced, once its time has come."""
    announced = rules.announced
    if announced is None or time < announced.from_:
        return rules
    return _with(replace(rules, announced=None), _changes(announced))


def changed(rules: Program, changes: dict[str, Any], time: int) -> Program:
    """Return the record of a program after a change of its rules: parts at once, parts announced."""
    rules = in_force(rules, time)
    worse = {name: value for name, value in changes.items() if _is_worse(name, getattr(rules, name), value)}
    now = {name: value for name, value in changes.items() if name not in worse and value != getattr(rules, name)}
    waiting = {} if rules.announced is None else _changes(rules.announced)
    waiting = {name: value for name, value in waiting.items() if name not in changes} | worse
    if now:
        rules = _with(rules, now)
    if worse and not rules.notice_ms:
        once = _with(replace(rules, announced=None), waiting)
        return replace(once, version=rules.version) if now else once
    if not waiting:
        return replace(rules, announced=None)
    from_ = min(time + rules.notice_ms, NEVER) if worse or rules.announced is None else rules.announced.from_
    return replace(rules, announced=Announced(from_, **waiting))


def _with(rules: Program, changes: dict[str, Any]) -> Program:
    """Return rules with some changed, and counted as such."""
    price_version = rules.price_version + ("price" in changes)
    return replace(rules, version=rules.version + 1, price_version=price_version, **changes)


def _changes(announced: Announced) -> dict[str, Any]:
    found = {name: value for name, value in structs.asdict(announced).items() if value is not None}
    del found["from_"]
    return found


def _is_worse(name: str, old: Any, new: Any) -> bool:
    """Tell whether a change is to members' disadvantage."""
    match name:
        case "transfer":
            return _FREEDOM[new] < _FREEDOM[old]
        case "expiry":
            return _is_shorter(old, new)
        case "transfer_burn_bps":
            return bool(new > old)
        case "notice_ms":
            return bool(new < old)
        case "price":
            return _is_lower(old, new)
        case "transfer_day":
            return old is None or new < old
        case _:
            return False


def _is_shorter(old: Expiry, new: Expiry) -> bool:
    match old, new:
        case _, NoExpiry():
            return False
        case DaysExpiry(), DaysExpiry():
            return new.days < old.days
        case InactivityExpiry(), InactivityExpiry():
            return new.days < old.days
        case MonthEndExpiry(), MonthEndExpiry():
            return new.months < old.months
        case _:
            # Two kinds of expiry compare differently for each member: the change waits.
            return True


def _is_lower(old: Price, new: Price) -> bool:
    return new.num * old.den < old.num * new.den
