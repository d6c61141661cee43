"""Values of the language in Python, and the operations on them that are not one line.

    null None · bool bool · int int · string str · bytes bytes · list list or tuple · map dict

Python holds True and 1 to be equal, also inside of lists and as keys; the language does not. So types are compared
exactly, and a map that a rule makes holds a bool key as a BoolKey.

Invariants:
    1. No operation looks at the order of a dict: maps are walked in key order (false, true, integers, strings).
    2. No operation recurses: facts can be nested as deep as their maker likes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, TypeAlias

from vm.rules import costs
from vm.rules.metering import Meter, weight

Value: TypeAlias = Any
"""None, bool, int, str, bytes, list, tuple, or dict with keys str, int and BoolKey."""

Pairs: TypeAlias = list[tuple[Value, Value]]

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1

DEEP_COMPARED: Final = 1_000
DEEP_COMPARED_INSIDE: Final = 64
"""Units that one comparison of lists or maps can cost, outside and inside of macros; more is an error.

Every comparison of facts that are not declared can be one of lists, so that this is part of each worst case."""


class BoolKey(Enum):
    """A bool as a map's key, which Python would not tell from 0 and 1."""

    FALSE = False
    TRUE = True


class Missing:
    """The type of MISSING: what a map has no value for."""

    __slots__ = ()


MISSING: Final = Missing()

_NAMES: Final[Mapping[type, str]] = {
    type(None): "null", bool: "bool", int: "int", str: "string", bytes: "bytes",
    list: "list", tuple: "list", dict: "map",
}  # fmt: skip


def type_name(value: object) -> str:
    """Return a value's type as the language names it; what is no value has Python's name in brackets."""
    return _NAMES.get(type(value)) or f"<{type(value).__name__}>"


def is_value(value: object) -> bool:
    """Tell whether a Python object is of a type of the language."""
    return type(value) in _NAMES


def map_key(value: Value) -> Any:
    """Return a key as a made map holds it, or MISSING where the value is no key."""
    kind = type(value)
    if kind is str or kind is int:
        return value
    return BoolKey(value) if kind is bool else MISSING


def map_get(entries: dict[Any, Value], key: Value) -> Value:
    """Return a map's value by a key of type str, int or bool, or MISSING."""
    kind = type(key)
    if kind is str or (kind is int and key not in (0, 1)):
        return entries.get(key, MISSING)
    found = entries.get(map_key(key), MISSING)
    if found is MISSING and kind is bool:
        found = entries.get(key, MISSING)
    # A dict of the caller can hold True for 1, or 1 for True.
    if found is MISSING or (kind is bool and BoolKey(key) in entries):
        return found
    return found if any(type(held) is kind and held == key for held in entries) else MISSING


def sorted_keys(entries: dict[Any, Value]) -> list[Value]:
    """Return a map's keys in key order, as values."""
    if _all_text(entries):
        return sorted(entries)
    keys = [key.value if type(key) is BoolKey else key for key in entries]
    return sorted(keys, key=_key_order)


def _all_text(entries: dict[Any, Value]) -> bool:
    return set(map(type, entries)) <= {str}


def _key_order(key: Value) -> tuple[int, int, str]:
    kind = type(key)
    if kind is str:
        return 2, 0, key
    return (0, int(key), "") if kind is bool else (1, key, "")


class TooLarge(Exception):
    """A comparison of lists or maps cost more than it is allowed."""


def equal(left: Value, right: Value, meter: Meter, allowance: int) -> bool:
    """Tell whether two values are equal; values of different types are not. Raises TooLarge."""
    kind = type_name(left)
    if kind != type_name(right):
        return False
    if kind in ("list", "map"):
        return _Comparison(meter, allowance).equal(left, right)
    if kind in ("string", "bytes"):
        meter.charge(min(weight(left), weight(right)))
    return bool(left == right)


class _Comparison:
    """One comparison of lists or maps: pairs that wait, and what is left of the allowance."""

    def __init__(self, meter: Meter, allowance: int) -> None:
        self._meter = meter
        self._left = allowance

    def equal(self, left: Value, right: Value) -> bool:
        waiting = [(left, right)]
        while waiting:
            one, other = waiting.pop()
            kind = type_name(one)
            if kind != type_name(other):
                return False
            if kind == "list":
                if len(one) != len(other):
                    return False
                self._pay(costs.COMPARED + costs.COMPARED_ELEMENT * len(one))
                waiting.extend(zip(one, other, strict=True))
            elif kind == "map":
                if not self._same_keys(one, other, waiting):
                    return False
            else:
                self._pay(min(weight(one), weight(other)))
                if one != other:
                    return False
        return True

    def _same_keys(self, one: dict[Any, Value], other: dict[Any, Value], waiting: Pairs) -> bool:
        if len(one) != len(other):
            return False
        self._pay(costs.COMPARED + (costs.COMPARED_ELEMENT + costs.SORTED_KEY) * len(one))
        if _all_text(one) and _all_text(other):
            if one.keys() != other.keys():
                return False
            waiting.extend([(one[key], other[key]) for key in sorted(one)])
            return True
        keys = sorted_keys(one)
        if any(map_get(other, key) is MISSING for key in keys):
            return False
        waiting.extend((map_get(one, key), map_get(other, key)) for key in keys)
        return True

    def _pay(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise TooLarge
        self._meter.charge(amount)


def contains(items: Sequence[Value], item: Value, meter: Meter, allowance: int) -> bool:
    """Tell whether a list has an element that is equal to an item. Raises TooLarge."""
    meter.charge(len(items) * (costs.COMPARED_ELEMENT + weight(item)))
    kind = type(item)
    if kind is str or kind is bytes or item is None:
        return item in items
    if kind is int or kind is bool:
        return any(type(element) is kind and element == item for element in items)
    comparison = _Comparison(meter, allowance)
    return any(comparison.equal(element, item) for element in items)
