"""The functions of the language: their arguments' types, results, worst cases, and what they do.

A function gets values of any type and refuses what it does not take by its site. Sizes are paid before the work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vm.rules import civil, costs
from vm.rules.errors import ErrorKind
from vm.rules.faults import Site
from vm.rules.kinds import BOOL, INT, STRING, Kind
from vm.rules.metering import Meter, weight
from vm.rules.values import INT_MAX, INT_MIN, Value

Apply = Callable[[Site, Meter, tuple[Value, ...]], Value]

INT_DIGITS: Final = 20
"""Characters of the longest decimal spelling of an integer, its sign included."""

BPS: Final = 10_000
"""Basis points of a whole."""


@dataclass(frozen=True)
class Function:
    """One function.

    Attributes:
        receiver: True for `a.f(b)` only, False for `f(a, b)` only, None for both.
        low, high: how many arguments, a receiver included; high None for any number.
        takes: names of the types of each argument, the last one for all that follow.
        result: the result's kind from the arguments' kinds.
        bound: worst cost beside its fixed one, from the arguments' kinds.
    """

    name: str
    receiver: bool | None
    low: int
    high: int | None
    takes: tuple[frozenset[str], ...]
    result: Callable[[Sequence[Kind]], Kind]
    bound: Callable[[Sequence[Kind]], int]
    apply: Apply

    @property
    def pays(self) -> bool:
        """Whether it pays for sizes."""
        return self.bound is not _free

    @property
    def gives(self) -> str:
        """The Python type of its result."""
        name = self.result((STRING,)).name
        return {"string": "str"}.get(name, name)


def checked(site: Site, result: int) -> int:
    """Return an integer result that fits into 64 bits."""
    if INT_MIN <= result <= INT_MAX:
        return result
    raise site.overflow()


def _ints(site: Site, values: tuple[Value, ...]) -> None:
    for value in values:
        if type(value) is not int:
            raise site.types(*values)


# Sizes and text


def _size(site: Site, meter: Meter, values: tuple[Value, ...]) -> int:
    (value,) = values
    if type(value) not in (str, bytes, list, tuple, dict):
        raise site.types(value)
    return len(value)


def _strings(site: Site, values: tuple[Value, ...]) -> None:
    if type(values[0]) is not str or type(values[1]) is not str:
        raise site.types(*values)


def _starts_with(site: Site, meter: Meter, values: tuple[Value, ...]) -> bool:
    _strings(site, values)
    meter.charge(weight(values[1]))
    return bool(values[0].startswith(values[1]))


def _ends_with(site: Site, meter: Meter, values: tuple[Value, ...]) -> bool:
    _strings(site, values)
    meter.charge(weight(values[1]))
    return bool(values[0].endswith(values[1]))


def _contains(site: Site, meter: Meter, values: tuple[Value, ...]) -> bool:
    _strings(site, values)
    meter.charge((len(values[0]) + len(values[1])) // costs.COPIED_PER_UNIT)
    return values[1] in values[0]


# Conversions

_DECIMAL: Final = re.compile(r"[ \t\n\v\f\r]*([+-]?)0*([0-9]{1,19})[ \t\n\v\f\r]*", re.ASCII)
"""What Google's implementation takes: blanks around it and a plus sign are no error."""


def _int(site: Site, meter: Meter, values: tuple[Value, ...]) -> int:
    (value,) = values
    if type(value) is int:
        return value
    if type(value) is not str:
        raise site.types(value)
    meter.charge(len(value) // costs.COPIED_PER_UNIT)
    match = _DECIMAL.fullmatch(value)
    number = int(match[1] + match[2]) if match else INT_MAX + 1
    if not INT_MIN <= number <= INT_MAX:
        raise site.fault(ErrorKind.CONVERSION, "the string does not spell an integer of 64 bits")
    return number


def _string(site: Site, meter: Meter, values: tuple[Value, ...]) -> str:
    (value,) = values
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is int:
        # Facts come from outside: what Python would refuse to print is refused alike everywhere.
        return str(checked(site, value))
    if kind is bool:
        return "true" if value else "false"
    if kind is not bytes:
        raise site.types(value)
    meter.charge(len(value) // costs.COPIED_PER_UNIT)
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        raise site.fault(ErrorKind.CONVERSION, "the bytes are not UTF-8") from None


def _bytes(site: Site, meter: Meter, values: tuple[Value, ...]) -> bytes:
    (value,) = values
    if type(value) is bytes:
        return value
    if type(value) is not str:
        raise site.types(value)
    meter.charge(len(value) // costs.COPIED_PER_UNIT)
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise site.fault(ErrorKind.CONVERSION, "the string holds a surrogate") from None


# Numbers


def _abs(site: Site, meter: Meter, values: tuple[Value, ...]) -> int:
    _ints(site, values)
    return checked(site, abs(values[0]))


def _clamp(site: Site, meter: Meter, values: tuple[Value, ...]) -> int:
    _ints(site, values)
    value, low, high = values
    if low > high:
        raise site.fault(ErrorKind.ARGUMENT, "clamp wants its lower bound not above its upper one")
    return int(min(max(value, low), high))


def _muldiv(site: Site, meter: Meter, values: tuple[Value, ...]) -> int:
    _ints(site, values)
    a, b, c = values
    if c == 0:
        raise site.zero()
    return checked(site, a * b // c)


def _bps(site: Site, meter: Meter, values: tuple[Value, ...]) -> int:
    _ints(site, values)
    return checked(site, values[0] * values[1] // BPS)


def _numbers(site: Site, meter: Meter, values: tuple[Value, ...]) -> Sequence[int]:
    """Return the integers of `f(list)` or `f(a, b, …)`."""
    if len(values) > 1:
        _ints(site, values)
        return values
    (items,) = values
    if type(items) not in (list, tuple):
        raise site.types(items)
    meter.charge(costs.SUMMED * len(items))
    for item in items:
        if type(item) is not int:
            raise site.fault(ErrorKind.TYPE, f"{site.name} takes a list of integers only")
    return tuple(items)


def _sum(site: Site, meter: Meter, values: tuple[Value, ...]) -> int:
    total = 0
    for number in _numbers(site, meter, values):
        total = checked(site, total + number)
    return total


def _smallest(site: Site, meter: Meter, values: tuple[Value, ...]) -> int:
    numbers = _numbers(site, meter, values)
    if not numbers:
        raise site.fault(ErrorKind.ARGUMENT, "min of an empty list has no result")
    return min(numbers)


def _largest(site: Site, meter: Meter, values: tuple[Value, ...]) -> int:
    numbers = _numbers(site, meter, values)
    if not numbers:
        raise site.fault(ErrorKind.ARGUMENT, "max of an empty list has no result")
    return max(numbers)


# The table


def _calendar(part: Callable[[int], int]) -> Apply:
    def apply(site: Site, meter: Meter, values: tuple[Value, ...]) -> int:
        _ints(site, values)
        return part(checked(site, values[0]))

    return apply


def _always(kind: Kind) -> Callable[[Sequence[Kind]], Kind]:
    return lambda _: kind


def _free(kinds: Sequence[Kind]) -> int:
    return 0


def _characters(per_unit: int) -> Callable[[Sequence[Kind]], int]:
    return lambda kinds: sum(kind.characters for kind in kinds) // per_unit


def _items(kinds: Sequence[Kind]) -> int:
    return costs.SUMMED * kinds[0].items if len(kinds) == 1 else 0


def _made_string(kinds: Sequence[Kind]) -> Kind:
    return Kind("string", characters=max(INT_DIGITS, kinds[0].characters))


def _made_bytes(kinds: Sequence[Kind]) -> Kind:
    return Kind("bytes", characters=4 * kinds[0].characters)


_INT, _LIST, _STR = frozenset({"int"}), frozenset({"list"}), frozenset({"string"})
_SIZED = frozenset({"string", "bytes", "list", "map"})
_COMPARES, _COPIES = _characters(costs.COMPARED_PER_UNIT), _characters(costs.COPIED_PER_UNIT)
_NUMBER, _TEXT, _TRUTH = _always(INT), _always(STRING), _always(BOOL)
_ANY = frozenset({"null", "bool", "int", "string", "bytes", "list", "map"})

_TABLE: Final = (
    Function("size", None, 1, 1, (_SIZED,), _NUMBER, _free, _size),
    Function("startsWith", True, 2, 2, (_STR,), _TRUTH, _COMPARES, _starts_with),
    Function("endsWith", True, 2, 2, (_STR,), _TRUTH, _COMPARES, _ends_with),
    Function("contains", True, 2, 2, (_STR,), _TRUTH, _COPIES, _contains),
    Function("int", False, 1, 1, (_INT | _STR,), _NUMBER, _COPIES, _int),
    Function(
        "string", False, 1, 1, (frozenset({"int", "bool", "string", "bytes"}),), _made_string, _COPIES, _string
    ),
    Function("bytes", False, 1, 1, (frozenset({"string", "bytes"}),), _made_bytes, _COPIES, _bytes),
    Function("abs", False, 1, 1, (_INT,), _NUMBER, _free, _abs),
    Function("clamp", False, 3, 3, (_INT,), _NUMBER, _free, _clamp),
    Function("muldiv", False, 3, 3, (_INT,), _NUMBER, _free, _muldiv),
    Function("bps", False, 2, 2, (_INT,), _NUMBER, _free, _bps),
    Function("sum", False, 1, 1, (_LIST,), _NUMBER, _items, _sum),
    Function("min", False, 1, None, (_INT | _LIST, _INT), _NUMBER, _items, _smallest),
    Function("max", False, 1, None, (_INT | _LIST, _INT), _NUMBER, _items, _largest),
    Function("year", False, 1, 1, (_INT,), _NUMBER, _free, _calendar(civil.year)),
    Function("month", False, 1, 1, (_INT,), _NUMBER, _free, _calendar(civil.month)),
    Function("day", False, 1, 1, (_INT,), _NUMBER, _free, _calendar(civil.day)),
    Function("weekday", False, 1, 1, (_INT,), _NUMBER, _free, _calendar(civil.weekday)),
    Function("hour", False, 1, 1, (_INT,), _NUMBER, _free, _calendar(civil.hour)),
)
FUNCTIONS: Final[Mapping[str, Function]] = {function.name: function for function in _TABLE}
