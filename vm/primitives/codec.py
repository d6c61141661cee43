"""Canonical bytes: the one MessagePack encoding of each consensus value (SPEC section 1).

Maps have string keys in bytewise order, integers the shortest form, bytes are `bin`, strings
valid UTF-8; no float, no extension type, no duplicate key, nothing after the value, no nesting
deeper than 16, no integer outside ±(2^53 − 1).

Decoding is strict because it re-encodes: `encode(decode(data)) == data` holds for canonical bytes
and fails for a duplicate key, a long integer form, an unsorted map and an unknown field alike.
What survives re-encoding unnoticed (floats, extension types, depth, range) is refused by a walk over the value, or,
where the bytes are decoded into a declared type, by a look at that type when its decoder is made.

Invariants:
    1. encode is a function of the value: equal values give equal bytes on every machine.
    2. For any bytes, decode either raises CodecError or returns a value whose encoding they are.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from vm.primitives.canonical_types import depth_of
from vm.primitives.units import MAX_INT, MIN_INT

MAX_DEPTH = 16
"""Deepest nesting of containers in canonical bytes (SPEC section 1)."""

T = TypeVar("T")

UNENCODABLE = (msgspec.MsgspecError, OverflowError, UnicodeEncodeError, TypeError, RecursionError)
"""What `encode` raises for a value that canonical bytes cannot hold."""

_encoder = msgspec.msgpack.Encoder(order="sorted")
_decoder = msgspec.msgpack.Decoder()


class CodecError(ValueError):
    """Bytes or a value that have no place in canonical encoding."""


def encode(value: Any) -> bytes:
    """Return the canonical bytes of a value built by our own code.

    The value may hold None, bool, int, str, bytes, lists, tuples, maps with string keys and msgspec
    structs of these. Untrusted values go through `check_value` first.
    """
    return _encoder.encode(value)


def decode(data: bytes) -> Any:
    """Decode canonical bytes into plain values (dict, list, str, bytes, int, bool, None).

    Raises:
        CodecError: the bytes are not canonical.
    """
    try:
        value = _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError, OverflowError) as error:
        raise CodecError(f"not MessagePack: {error}") from None
    check_value(value)
    if _encoder.encode(value) != data:
        raise CodecError("not canonical MessagePack")
    return value


class TypedDecoder(Generic[T]):
    """Decodes canonical bytes into one msgspec type; as strict as `decode`.

    The type itself bounds kinds, depth and integers (`vm.primitives.canonical_types`), so that no value is walked.
    """

    def __init__(self, type_: type[T]) -> None:
        """Check the type.

        Raises:
            TypeError: the type has values that canonical bytes cannot hold.
        """
        if depth_of(type_) > MAX_DEPTH:
            raise TypeError(f"{type_} nests deeper than {MAX_DEPTH}")
        self._decoder = msgspec.msgpack.Decoder(type_)

    def decode(self, data: bytes) -> T:
        """Return the value, or raise CodecError."""
        try:
            value = self._decoder.decode(data)
            again = _encoder.encode(value)
        except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError, TypeError) as error:
            raise CodecError(str(error)) from None
        if again != data:
            raise CodecError("not canonical MessagePack")
        return value


def check_value(value: Any, depth: int = 0) -> None:
    """Refuse what canonical bytes cannot hold: floats, foreign types, depth, integer range.

    Raises:
        CodecError: naming the first thing found.
    """
    kind = type(value)
    if kind is str or kind is bool or kind is bytes or value is None:
        return
    if kind is int:
        if not MIN_INT <= value <= MAX_INT:
            raise CodecError("integer outside ±(2^53 − 1)")
        return
    if depth >= MAX_DEPTH:
        raise CodecError(f"nested deeper than {MAX_DEPTH}")
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise CodecError("map key is not a string")
            check_value(item, depth + 1)
    elif kind is list or kind is tuple:
        for item in value:
            check_value(item, depth + 1)
    else:
        raise CodecError(f"{kind.__name__} is not allowed")
