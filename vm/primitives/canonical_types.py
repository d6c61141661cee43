"""Which types may be decoded from canonical bytes: those whose every value canonical bytes may hold.

A typed decoder accepts what its type accepts, and msgspec's plain `int` reaches to 2^64 − 1. So a type is looked at
once, when its decoder is made, and one that allows too much raises TypeError there: no module with such a decoder
can be imported, and decoding itself pays nothing. What may be declared:

    bool, str, bytes, None, Literal["a", "b"]
    Annotated[int, Meta(ge=…, le=…)]     within ±(2^53 − 1); lt in place of le
    list[A], tuple[A, B], tuple[A, ...], dict[str, A]
    msgspec.Struct of these, not inside itself
    any of them | None, or unions of them

Invariants:
    1. No value of such a type holds a float, an extension, or an integer outside ±(2^53 − 1).
    2. No value nests its containers deeper than `depth_of` returns.
"""

from __future__ import annotations

import types
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from vm.primitives.units import MAX_INT, MIN_INT

_SCALARS: Final = (bool, str, bytes, None, type(None), msgspec.UnsetType)


def depth_of(annotation: Any) -> int:
    """Return how deep the containers of a type's values nest at most; 0 for a scalar.

    Raises:
        TypeError: the type has values that canonical bytes cannot hold, or nests without end.
    """
    return _Walk().depth(annotation, str(annotation)[:64])


class _Walk:
    """One look at a type; at each part once, however often it occurs: an argument holds itself 2^12 times."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, int]] = {}
        self._open: set[Any] = set()

    def depth(self, part: Any, where: str) -> int:
        known = self._known.get(id(part))
        if known is not None:
            return known[1]
        depth = self._depth(part, where)
        self._known[id(part)] = part, depth  # the part itself is kept, so that no other one gets its id
        return depth

    def _depth(self, part: Any, where: str) -> int:
        if any(part is scalar for scalar in _SCALARS):
            return 0
        origin, inner = get_origin(part), get_args(part)
        if origin is Literal and all(type(choice) is str for choice in inner):
            return 0
        if origin is Annotated:
            base = part.__origin__
            return _bounded(part, where) if base is int else self.depth(base, where)
        if origin in (Union, types.UnionType):
            return max(self.depth(member, where) for member in inner)
        if origin is list or (origin is tuple and inner):
            return 1 + max(self.depth(item, where) for item in inner if item is not Ellipsis)
        if origin is dict and inner[0] is str:
            return 1 + self.depth(inner[1], where)
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return self._record(part)
        raise TypeError(f"{where}: {part} has values that canonical bytes cannot hold")

    def _record(self, record: type[msgspec.Struct]) -> int:
        if record in self._open:
            raise TypeError(f"{record.__name__} holds itself: nothing bounds its depth")
        self._open.add(record)
        hints = get_type_hints(record, include_extras=True)
        fields = [self.depth(hints[name], f"{record.__name__}.{name}") for name in record.__struct_fields__]
        self._open.remove(record)
        return 1 + max(fields, default=0)


def _bounded(annotation: Any, where: str) -> int:
    """Return 0, the depth of an integer, after checking its bounds."""
    low, high = MIN_INT - 1, MAX_INT + 1
    for limit in annotation.__metadata__:
        if isinstance(limit, msgspec.Meta):
            low = low if limit.ge is None else int(limit.ge)
            high = int(limit.le) if limit.le is not None else high if limit.lt is None else int(limit.lt) - 1
    if low < MIN_INT or high > MAX_INT:
        raise TypeError(f"{where}: an integer needs bounds within ±(2^53 − 1)")
    return 0
