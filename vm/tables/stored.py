"""Which types may stand in the state: immutable ones, each part of which is bounded.

A type is checked when it is declared, and a wrong one raises TypeError there, so that no contract with one can be
imported. What may be declared:

    bool, Literal["a", "b"]
    Annotated[int, Meta(ge=…, le=…)]            within ±(2^53 − 1)
    Annotated[str, Meta(max_length=…)]          characters; or a Rule that bounds the bytes
    Annotated[bytes, Meta(max_length=…)]
    tuple[A, B]                                 so many items
    Annotated[tuple[A, ...], Meta(max_length=…)]
    frozen msgspec.Struct of these; unions of tagged ones; any of them | None

Invariants:
    1. `Stored.decode` accepts only values within the declared bounds, and what it returns has no mutable part.
    2. No canonical encoding of such a value is longer than `Stored.max_bytes`.
"""

from __future__ import annotations

import types
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
from msgspec import Meta

from vm.arguments import Rule
from vm.primitives.units import MAX_INT, MIN_INT

T = TypeVar("T")

_NUMBER_BYTES = 9
_UTF8_BYTES = 4
"""The longest form of an integer, and of a character."""


class Readable(Protocol):
    """A state that can be read: a context, a block's overlay, the committed state."""

    def cell(self, key: str, stored: Stored[T], /) -> tuple[T, bytes] | None:
        """Return the value at `key` with its canonical bytes, or None."""
        ...

    def charge(self, units: int, /) -> None:
        """Pay for work that is neither read nor write."""
        ...


class Writable(Readable, Protocol):
    """A state that can be changed: a context, a block's overlay."""

    def put_cell(self, key: str, stored: Stored[T], value: T, /) -> None:
        """Set the value at `key`."""
        ...

    def drop(self, key: str, /) -> None:
        """Remove the value at `key`, if any."""
        ...


class Stored(Generic[T]):
    """A type that may stand in the state.

    Attributes:
        annotation: as declared.
        max_bytes: of the canonical encoding.
        decode: canonical bytes → a value within the bounds; raises msgspec.ValidationError.
    """

    __slots__ = ("annotation", "decode", "max_bytes")

    def __init__(self, annotation: Any, where: str = "") -> None:
        """Check the type.

        Args:
            where: what declares it, for the error.

        Raises:
            TypeError: the type is mutable or unbounded.
        """
        self.annotation = annotation
        self.max_bytes = _max_bytes(annotation, where or str(annotation))
        self.decode = msgspec.msgpack.Decoder(annotation).decode


def _max_bytes(annotation: Any, where: str) -> int:
    """Return the length of the longest canonical encoding of a type's values, after checking the type."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _annotated_bytes(annotation, where)
    if annotation is bool or annotation is None or annotation is type(None):
        return 1
    if origin is Literal:
        return max(_literal_bytes(choice, where) for choice in get_args(annotation))
    if origin in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not msgspec.UnsetType]
        return max(_max_bytes(member, where) for member in members)
    if origin is tuple and Ellipsis not in get_args(annotation):
        items = get_args(annotation)
        return _head_bytes(len(items)) + sum(_max_bytes(item, where) for item in items)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _record_bytes(annotation)
    _refuse_unfit(annotation, where)
    raise TypeError(f"{where}: {annotation} cannot be stored: it is mutable, or nothing bounds it")


def _refuse_unfit(annotation: Any, where: str) -> None:
    """Say of a type that no bound would help why it cannot be stored."""
    if annotation is float or annotation is complex:
        raise TypeError(f"{where}: a float cannot be stored: floats differ between machines, amounts are integers")


def _literal_bytes(choice: Any, where: str) -> int:
    if type(choice) is not str:
        raise TypeError(f"{where}: a choice is a string, not {choice!r}")
    return _text_bytes(len(choice.encode()))


def _annotated_bytes(annotation: Any, where: str) -> int:
    base = annotation.__origin__
    _refuse_unfit(base, where)
    limits = [item for item in annotation.__metadata__ if isinstance(item, Meta)]
    rules = [item for item in annotation.__metadata__ if isinstance(item, Rule)]
    if len(limits) != 1:
        raise TypeError(f"{where}: {annotation} needs one Meta with its bounds")
    (limit,) = limits
    if base is int:
        if limit.ge is None or limit.le is None or limit.ge < MIN_INT or limit.le > MAX_INT:
            raise TypeError(f"{where}: an integer needs ge and le within ±(2^53 − 1)")
        return _NUMBER_BYTES
    if limit.max_length is None:
        raise TypeError(f"{where}: {annotation} needs a max_length")
    if base is str:
        widths = [rule.max_bytes for rule in rules if rule.max_bytes is not None]
        return _text_bytes(min([limit.max_length * _UTF8_BYTES, *widths]))
    if base is bytes:
        return _text_bytes(limit.max_length)
    items = get_args(base)
    if get_origin(base) is tuple and len(items) == 2 and items[1] is Ellipsis:
        return _head_bytes(limit.max_length) + limit.max_length * _max_bytes(items[0], where)
    raise TypeError(f"{where}: {annotation} cannot be stored: it is mutable, or nothing bounds it")


def _record_bytes(record: type[msgspec.Struct]) -> int:
    config = record.__struct_config__
    if not config.frozen:
        raise TypeError(f"{record.__name__} cannot be stored: it is not frozen")
    hints = get_type_hints(record, include_extras=True)
    fields = msgspec.structs.fields(record)
    total = _head_bytes(len(fields) + (config.tag is not None))
    for field in fields:
        total += _max_bytes(hints[field.name], f"{record.__name__}.{field.name}")
        if not config.array_like:
            total += _text_bytes(len(field.encode_name.encode()))
    if config.tag is not None:
        total += _text_bytes(len(str(config.tag_field).encode())) + _text_bytes(len(str(config.tag).encode()))
    return total


def _head_bytes(items: int) -> int:
    return 1 if items < 16 else 3 if items < 1 << 16 else 5


def _text_bytes(length: int) -> int:
    # A bin of up to 31 bytes takes one byte more than a str; the bound may be generous, never short.
    return length + (2 if length < 1 << 8 else 3 if length < 1 << 16 else 5)
