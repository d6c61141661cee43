"""Canonical JSON: the one form of a JSON value, of which everyone computes the same hash (RFC 8785).

Our subset has null, bool, integers within ±(2^53 − 1), strings, lists and maps with string keys: no float, so the
hard part of RFC 8785, the form of numbers, does not arise. Keys are in the order of their UTF-16 code units, which
is JavaScript's and not Python's: U+1F600 is two units, D83D DE00, and stands before U+FF20.

Python's writer agrees with RFC 8785 on strings: it escapes the quote, the backslash and what is below U+0020 (by a
letter where there is one, else in lower-case hex), and nothing else. A lone surrogate has no UTF-8 form: refused.
"""

from __future__ import annotations

import json
from typing import Any

from vm.primitives.codec import CodecError, check_value

_write = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False).encode


def canonical_json(value: Any) -> bytes:
    """Return the RFC 8785 form of a value of the subset.

    Raises:
        CodecError: it is not of the subset: a float, bytes, an integer beyond 2^53 − 1, a key that is no string,
            a lone surrogate, nesting deeper than 16.
    """
    check_value(value)
    try:
        return _write(_in_order(value)).encode()
    except UnicodeEncodeError:
        raise CodecError("a string with a lone surrogate") from None


def _in_order(value: Any) -> Any:
    """Return the value with all maps in the order of their keys' UTF-16 code units."""
    kind = type(value)
    if kind is dict:
        return {key: _in_order(value[key]) for key in sorted(value, key=_utf16)}
    if kind is list or kind is tuple:
        return [_in_order(item) for item in value]
    if kind is bytes:
        raise CodecError("bytes have no form in JSON")
    return value


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")
