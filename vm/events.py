"""Events: declared once, so that indexes, documentation and clients need not guess what is in them.

    @event("token.burned")
    class Burned(msgspec.Struct, frozen=True, omit_defaults=True):
        \"\"\"A holder destroyed points.\"\"\"

        program: Slug
        brand: BrandId
        account: Address
        amount: Amount

    ctx.emit(Burned(program, brand, account, amount))

Fields typed `Address` are the accounts that an event concerns, fields typed `BrandId` its brands: it is found
under them. A field whose default is None is left out where it is None.

Invariants:
    1. An event's data is immutable and bounded: it is what may stand in the state (`vm.tables.stored`).
    2. Its fields tell whom it concerns, by type alone; what clients make up (references, names) is never taken
       for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from vm.arguments.rules import ADDRESS, SLUG
from vm.arguments.shapes import optional_of
from vm.tables.stored import Stored

BRAND: Final = "brand"
"""Marks, inside Annotated, a slug that names a brand."""

BrandId = Annotated[str, SLUG, Meta(max_length=32), BRAND]

ACCOUNT_NAMES: Final = "account"
BRAND_NAMES: Final = "brand"

Record = TypeVar("Record", bound=type[msgspec.Struct])


@dataclass(frozen=True, slots=True)
class EventType:
    """What is known of a kind of event.

    Attributes:
        name: `module.what_happened`.
        record: the class of its data.
        concerned: (kind, attribute, encoded name) of each field that holds an account or a brand.
    """

    name: str
    record: type[msgspec.Struct]
    concerned: tuple[tuple[str, str, str], ...]

    def names_in(self, data: msgspec.Struct | Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """Yield (kind, name) of the accounts and brands in an event's data, emitted or read back."""
        for kind, attribute, encoded in self.concerned:
            name = data.get(encoded) if isinstance(data, Mapping) else getattr(data, attribute)
            if name is not None:
                yield kind, name


EVENTS: Final[dict[str, EventType]] = {}
"""All declared events by name."""

_TYPES: Final[dict[type, EventType]] = {}


def event(name: str) -> Callable[[Record], Record]:
    """Declare a frozen struct as the data of events of this name.

    Raises:
        TypeError: the name is taken, or the class is not frozen, or has a field that is mutable or unbounded.
    """

    def declare(record: Record) -> Record:
        if name in EVENTS:
            raise TypeError(f"the event {name} is declared twice")
        if not record.__struct_config__.omit_defaults:
            raise TypeError(f"the data of {name} must leave out defaults")
        Stored(record, name)
        hints = get_type_hints(record, include_extras=True)
        concerned = tuple(
            (kind, field.name, field.encode_name)
            for field in msgspec.structs.fields(record)
            for kind in _kinds_of(hints[field.name])
        )
        EVENTS[name] = _TYPES[record] = EventType(name, record, concerned)
        return record

    return declare


def _kinds_of(hint: Any) -> Iterable[str]:
    hint = optional_of(hint)
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    if any(mark is ADDRESS for mark in marks):
        yield ACCOUNT_NAMES
    if any(mark is BRAND for mark in marks):
        yield BRAND_NAMES


def type_of(data: msgspec.Struct) -> EventType:
    """Return the declaration of an event's data."""
    return _TYPES[type(data)]
