"""Attributes of an event: an open map of JSON values with bounds, as a till sends it.

A basket with its lines fits in: {"amount": 4500, "lines": [{"sku": "…", "category": "…", "amount": 1500}, …]}.

Invariants:
    1. What `checked` returns has string keys, integers within ±(2^53 − 1), strings without what people cannot see,
       booleans, null, tuples and dicts, within the bounds below.
    2. `decode(encode(checked)) == checked`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from vm.contract_api import MAX_INT, Context, Meta, Refused, Rule, encode, refuse, text

Value = Any
"""None, bool, int, str, tuple or dict, as the rule language has them."""

MAX_DEPTH: Final = 5
"""Levels of lists and maps: a basket, its lines, a line, its tags, and one to spare."""

MAX_VALUES: Final = 1_000
"""Values of one event: a basket of 150 lines with six attributes each."""

MAX_ITEMS: Final = 256
MAX_TEXT: Final = 1_024
"""Of one list or object, and bytes of one string: what the estimate of a rule's worst case counts with."""

MAX_ATTRS_BYTES: Final = 8_192
"""As canonical bytes. A transaction has at most 128 KiB, for up to 1,000 operations."""

_KEY: Final = text(1, 64).check
_STRING: Final = text(0, MAX_TEXT).check


def _object(value: Any, field: str) -> Any:
    if type(value) is not dict:
        refuse(field, "an object")
    return value


Attrs = Annotated[dict[str, Any], Rule(_object, {"type": "object", "additionalProperties": True})]
"""The argument; `checked` looks at what is in it."""

AttrsBytes = Annotated[bytes, Meta(max_length=MAX_ATTRS_BYTES)]


def checked(ctx: Context, attrs: Mapping[str, Any], field: str = "attrs") -> tuple[dict[str, Value], bytes]:
    """Return attributes as rules see them, and their canonical bytes; each value is paid for.

    Raises:
        Refused: INVALID_ARGS with the field; LIMIT_EXCEEDED, too many values or bytes.
    """
    walk = _Walk(ctx)
    found: dict[str, Value] = walk.value(attrs, field, MAX_DEPTH)
    data = encode(found)
    if len(data) > MAX_ATTRS_BYTES:
        raise Refused("LIMIT_EXCEEDED", "the attributes are too long", limit=MAX_ATTRS_BYTES, bytes=len(data))
    return found, data


def decoded(data: bytes) -> dict[str, Value]:
    """Return attributes that were stored."""
    found: dict[str, Value] = frozen(msgspec.msgpack.decode(data))
    return found


def frozen(value: Any) -> Value:
    """Return a decoded value with tuples in the place of lists."""
    if type(value) is list:
        return tuple([frozen(item) for item in value])
    if type(value) is dict:
        return {name: frozen(item) for name, item in value.items()}
    return value


class _Walk:
    """One walk through a value, which counts what it meets."""

    __slots__ = ("_ctx", "_left")

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._left = MAX_VALUES

    def value(self, value: Any, field: str, depth: int) -> Value:
        """Return a value as rules see it."""
        kind = type(value)
        if kind is int:
            if not -MAX_INT <= value <= MAX_INT:
                refuse(field, "an integer within 2^53 - 1")
            return value
        if kind is str:
            return _STRING(value, field)
        if kind is bool or value is None:
            return value
        if kind is not dict and kind is not list:
            refuse(field, "null, a boolean, an integer, a string, a list or an object")
        if not depth:
            refuse(field, f"at most {MAX_DEPTH} levels of lists and objects")
        if len(value) > MAX_ITEMS:
            refuse(field, f"at most {MAX_ITEMS} items")
        self._count(len(value))
        if kind is list:
            return tuple([self.value(item, f"{field}[{place}]", depth - 1) for place, item in enumerate(value)])
        found: dict[str, Value] = {}
        for name in sorted(value):
            where = f"{field}.{name[:64]}"
            found[_KEY(name, where)] = self.value(value[name], where, depth - 1)
        return found

    def _count(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise Refused("LIMIT_EXCEEDED", "too many values among the attributes", limit=MAX_VALUES)
        self._ctx.charge(values)
