"""Operators on any values: what the interpreter does always, and compiled code where its quick test fails."""

from __future__ import annotations

from typing import Any

from vm.rules import costs
from vm.rules.errors import ErrorKind, RuleError
from vm.rules.faults import Site
from vm.rules.functions import checked
from vm.rules.metering import Meter, weight
from vm.rules.values import MISSING, TooLarge, Value, contains, equal, is_value, map_get, map_key, type_name

_ORDERED = (int, str, bytes, bool)


def select(site: Site, operand: Value, field: str) -> Value:
    """`operand.field`"""
    if type(operand) is not dict:
        raise site.types(operand)
    value = operand.get(field, MISSING)
    if value is MISSING:
        raise site.missing(f".{field}")
    return value


def has(site: Site, operand: Value, field: str) -> bool:
    """`has(operand.field)`"""
    if type(operand) is not dict:
        raise site.types(operand)
    return field in operand


def index(site: Site, operand: Value, key: Value) -> Value:
    """`operand[key]`"""
    kind = type(operand)
    if kind is list or kind is tuple:
        if type(key) is not int:
            raise site.types(operand, key)
        if not 0 <= key < len(operand):
            raise site.fault(ErrorKind.INDEX, f"the list of {len(operand)} has no element {key}")
        return operand[key]
    if kind is not dict or map_key(key) is MISSING:
        raise site.types(operand, key)
    value = map_get(operand, key)
    if value is MISSING:
        raise site.missing(f"[{_shown_key(key)}]")
    return value


def _shown_key(key: Value) -> str:
    if type(key) is str:
        return ascii(key[:40])
    return "true" if key is True else "false" if key is False else str(key)


def negate(site: Site, operand: Value) -> int:
    """`-operand`"""
    if type(operand) is not int:
        raise site.types(operand)
    return checked(site, -operand)


def invert(site: Site, operand: Value) -> bool:
    """`!operand`"""
    if type(operand) is not bool:
        raise site.types(operand)
    return not operand


def add(site: Site, meter: Meter, left: Value, right: Value) -> Value:
    """`left + right`"""
    kind = type(left)
    if kind is int and type(right) is int:
        return checked(site, left + right)
    if kind is tuple or kind is list:
        if type(right) not in (list, tuple):
            raise site.types(left, right)
        meter.charge((len(left) + len(right)) // costs.COPIED_PER_UNIT)
        return [*left, *right]
    if kind not in (str, bytes) or type(right) is not kind:
        raise site.types(left, right)
    meter.charge((len(left) + len(right)) // costs.COPIED_PER_UNIT)
    return left + right


def calculate(site: Site, operator: str, left: Value, right: Value) -> int:
    """`- * / %` on integers; division truncates, a remainder has the dividend's sign."""
    if type(left) is not int or type(right) is not int:
        raise site.types(left, right)
    if operator == "-":
        return checked(site, left - right)
    if operator == "*":
        return checked(site, left * right)
    if right == 0:
        raise site.zero()
    quotient = abs(left) // abs(right)
    quotient = quotient if (left < 0) == (right < 0) else -quotient
    # -2^63 / -1 and -2^63 % -1 are errors in CEL, as the machine's division is.
    checked(site, quotient)
    return quotient if operator == "/" else left - quotient * right


def same(site: Site, meter: Meter, left: Value, right: Value, *, charged: bool) -> bool:
    """`left == right`: within one type, and with null; `charged` is False where one side is a literal."""
    if left is None or right is None:
        if is_value(left) and is_value(right):
            return left is right
        raise site.types(left, right)
    kind = type_name(left)
    if kind != type_name(right) or kind[0] == "<":
        raise site.types(left, right)
    if not charged and kind not in ("list", "map"):
        return bool(left == right)
    try:
        return equal(left, right, meter, site.allowance)
    except TooLarge:
        raise site.fault(ErrorKind.LIMIT, "lists and maps as large as these are not compared") from None


def ordered(site: Site, meter: Meter, left: Value, right: Value, *, charged: bool) -> bool:
    """`< <= > >=`, strings by code point; the site's name is the operator."""
    kind = type(left)
    if kind is not type(right) or kind not in _ORDERED:
        raise site.types(left, right)
    if charged and kind is not int:
        meter.charge(min(weight(left), weight(right)))
    if site.name == "<":
        return bool(left < right)
    if site.name == "<=":
        return bool(left <= right)
    return bool(left > right) if site.name == ">" else bool(left >= right)


def member(site: Site, meter: Meter, item: Value, container: Value) -> bool:
    """`item in container`, the container being a list that is not literal, or a map."""
    kind = type(container)
    if kind is dict:
        if map_key(item) is MISSING:
            raise site.types(item, container)
        return map_get(container, item) is not MISSING
    if (kind is not list and kind is not tuple) or not is_value(item):
        raise site.types(item, container)
    try:
        return contains(container, item, meter, site.allowance)
    except TooLarge:
        raise site.fault(ErrorKind.LIMIT, "lists and maps as large as these are not compared") from None


def listed(site: Site, item: Value, constants: list[Value]) -> bool:
    """`item in [literals]`, which its block has paid for."""
    if not is_value(item):
        raise site.types(item)
    kind = type(item)
    return any(type(constant) is kind and constant == item for constant in constants)


def result_error(value: Value, result: str, position: int) -> RuleError:
    """Refuse the value of a whole rule."""
    return RuleError(ErrorKind.TYPE, f"the result is {type_name(value)}, not {result}", position)


def put(site: Site, made: dict[Any, Value], key: Value, value: Value) -> None:
    """Add an entry to a map literal."""
    held = map_key(key)
    if held is MISSING:
        raise site.types(key)
    if held in made:
        raise site.fault(ErrorKind.DUPLICATE_KEY, "the map has this key already")
    made[held] = value
