"""Values of the rule language as JSON and as text for people."""

from __future__ import annotations

import json
from typing import Any, Final

from vm.rules import BoolKey, Value

EXACT: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exact."""


def as_json(value: Value) -> Any:
    """Return a value for JSON.

    Integers beyond ±(2^53 − 1) become strings, bytes {"bytes": hex}, and a map whose keys are not all text
    {"map": [[key, value], …]} in key order.
    """
    if type(value) is int and not -EXACT <= value <= EXACT:
        return str(value)
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: as_json(value[key]) for key in sorted(value)}
        return {"map": [[as_json(_key(key)), as_json(value[key])] for key in sorted(value, key=_order)]}
    return value


def _key(key: Any) -> Any:
    return key.value if isinstance(key, BoolKey) else key


def _order(key: Any) -> tuple[int, int, str]:
    if isinstance(key, str):
        return 2, 0, key
    return (0, int(key.value), "") if isinstance(key, BoolKey) else (1, key, "")


def as_text(value: Value) -> str:
    """Return a value on one line, as a person reads it."""
    return str(value) if type(value) is int else json.dumps(as_json(value), ensure_ascii=False)
