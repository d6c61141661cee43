"""What a rule's author can know of a value before it is there: its type, and how large it can be.

A Kind serves the checker (types) and the estimate (sizes). Facts name the variables of a rule with their kinds.
What is declared is never relied on when a rule is evaluated: a fact can be missing, null or of another type.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

MAX_CHARACTERS: Final = 256
MAX_ITEMS: Final = 100
"""Sizes of strings and of lists and maps among facts, where nothing smaller or larger is declared."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type with its bounds.

    Attributes:
        name: null bool int string bytes list map dyn.
        characters: of a string or bytes, at most; of what a dyn holds, each.
        items: of a list or map, at most; of what a dyn holds, each.
        element: of a list's elements or a map's values.
        key: of a map's keys.
        fields: a map's values by key, where they are known; others are `element`.
        closed: whether the map has no other keys than `fields`.
    """

    name: str
    characters: int = 0
    items: int = 0
    element: Kind | None = None
    key: Kind | None = None
    fields: tuple[tuple[str, Kind], ...] = ()
    closed: bool = False

    def __str__(self) -> str:
        return self.name

    def field_kind(self, name: str) -> Kind | None:
        """Return the kind of a map's value, or None where the map is known not to have it."""
        for known, kind in self.fields:
            if known == name:
                return kind
        return None if self.closed else self.inner()

    def inner(self) -> Kind:
        """Return the kind of an element or value."""
        return (
            self.element if self.element is not None else replace(DYN, characters=self.characters, items=self.items)
        )


NULL: Final = Kind("null")
BOOL: Final = Kind("bool")
INT: Final = Kind("int")
STRING: Final = Kind("string", characters=MAX_CHARACTERS)
BYTES: Final = Kind("bytes", characters=MAX_CHARACTERS)
DYN: Final = Kind("dyn", characters=MAX_CHARACTERS, items=MAX_ITEMS)
LIST: Final = Kind("list", items=MAX_ITEMS, element=DYN)
MAP: Final = Kind("map", items=MAX_ITEMS, element=DYN, key=STRING)


def dyn(*, items: int = MAX_ITEMS, characters: int = MAX_CHARACTERS) -> Kind:
    """Return any type, with the sizes of whatever it holds."""
    return Kind("dyn", characters=characters, items=items)


def string(at_most: int) -> Kind:
    """Return strings of at most so many code points."""
    return Kind("string", characters=at_most)


def list_of(element: Kind, at_most: int = MAX_ITEMS) -> Kind:
    """Return lists of at most so many elements."""
    return Kind("list", items=at_most, element=element)


def map_of(value: Kind, at_most: int = MAX_ITEMS, key: Kind = STRING) -> Kind:
    """Return maps of at most so many entries."""
    return Kind("map", items=at_most, element=value, key=key)


def record(fields: dict[str, Kind], *, closed: bool = False, at_most: int = MAX_ITEMS, other: Kind = DYN) -> Kind:
    """Return maps whose values are known by key; unless closed, there can be others, of kind `other`."""
    size = len(fields) if closed else max(at_most, len(fields))
    return Kind("map", items=size, element=other, key=STRING, fields=tuple(sorted(fields.items())), closed=closed)


def join(left: Kind, right: Kind) -> Kind:
    """Return the kind of what is one or the other."""
    if left == right:
        return left
    characters, items = max(left.characters, right.characters), max(left.items, right.items)
    if left.name != right.name:
        return _any_of(left, right)
    if left.name == "list":
        return Kind("list", items=items, element=join(left.inner(), right.inner()))
    if left.name == "map":
        return _joined_maps(left, right, items)
    return Kind(left.name, characters=characters, items=items)


def _joined_maps(left: Kind, right: Kind, items: int) -> Kind:
    element = join(left.inner(), right.inner())
    for _, kind in (*left.fields, *right.fields):
        element = join(element, kind)
    return Kind("map", items=items, element=element, key=join(left.key or DYN, right.key or DYN))


def _any_of(*kinds: Kind) -> Kind:
    """Return any type, with the largest sizes anywhere inside of kinds."""
    characters = items = 0
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        characters, items = max(characters, kind.characters), max(items, kind.items)
        waiting += [inner for inner in (kind.element, kind.key) if inner is not None]
        waiting += [inner for _, inner in kind.fields]
    return Kind("dyn", characters=characters, items=items)


@dataclass(frozen=True)
class Facts:
    """The variables that a rule can use, by name.

    Two Facts with equal variables are equal, so that the cache of compiled rules holds nothing of who asks.
    """

    variables: tuple[tuple[str, Kind], ...]
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash(self.variables))

    def __hash__(self) -> int:
        return self._hash

    @classmethod
    def of(cls, variables: dict[str, Kind]) -> Facts:
        """Declare variables with their kinds."""
        return cls(tuple(sorted(variables.items())))

    def kind(self, name: str) -> Kind | None:
        """Return a variable's kind, or None."""
        for known, kind in self.variables:
            if known == name:
                return kind
        return None
