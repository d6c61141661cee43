"""Google's C++ CEL (cel-expr-python), asked for the value of an expression over the tests' facts."""

from __future__ import annotations

import ctypes
from typing import Any

from cel_expr_python import cel

from tests.support.rule_expressions import FACTS
from vm.rules import BoolKey

ERROR = "error"
"""What stands for any error, of the source or of its evaluation."""

_ENVIRONMENT = cel.NewEnv(variables=dict.fromkeys(FACTS, cel.Type.DYN))
_ACTIVATION = _ENVIRONMENT.Activation(FACTS)


def answer(source: str, *, checked: bool = True) -> Any:
    """Return the oracle's value in the form of `told`, or ERROR.

    Args:
        checked: whether its checker is asked first.
    """
    try:
        value = _ENVIRONMENT.compile(source, not checked).eval(_ACTIVATION)
    except Exception:
        # The bindings raise their own and Python's errors for refused sources, and return others as values.
        return ERROR
    if value.type() == cel.Type.ERROR:
        return ERROR
    answered = told(value.plain_value())
    _keep_none(str(answered).count("NoneType"))
    return answered


def _keep_none(times: int) -> None:
    """Give back references: the bindings answer None without counting it, until Python frees it and aborts."""
    for _ in range(times):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(None))


def told(value: Any) -> Any:
    """Return a value so that equal ones have equal types in it: True is not 1, and a list is a list."""
    if isinstance(value, list | tuple):
        return "list", tuple(told(item) for item in value)
    if isinstance(value, dict):
        keys = ((key.value if isinstance(key, BoolKey) else key, held) for key, held in value.items())
        return "map", frozenset((told(key), told(held)) for key, held in keys)
    if isinstance(value, bytearray):
        value = bytes(value)
    return type(value).__name__, value
