"""Events: declared once, so that indexes, documentation and clients need not guess what is in them.

    @event("token.issued")
    class Issued(EventRecord, frozen=True, omit_defaults=True):
        \"\"\"Points were issued.\"\"\"
        program: Slug
        brand: BrandId
        account: Address

Fields typed `Address` are the accounts that an event concerns, fields typed `BrandId` its brands: `chain_transactions` and
`chain_events` find it under them. A field whose default is None is left out where it is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from vm.arguments.rules import ADDRESS, SLUG
from vm.arguments.shapes import optional_of, shape_of

BRAND: Final = "brand"
"""Marks, inside Annotated, a slug that names a brand."""

BrandId = Annotated[str, SLUG, Meta(max_length=32), BRAND]

Record = TypeVar("Record", bound=type[msgspec.Struct])


@dataclass(frozen=True, slots=True)
class EventType:
    """What is known of a kind of event.

    Attributes:
        name: `module.what_happened`.
        record: the class of its data.
        accounts, brands: names of the fields that hold one, as they are encoded and as they are called in Python.
        schema: JSON schema of the data.
    """

    name: str
    record: type[msgspec.Struct]
    accounts: tuple[str, ...]
    brands: tuple[str, ...]
    schema: Mapping[str, Any]

    def names_of(self, data: msgspec.Struct) -> Iterable[tuple[str, str]]:
        """Yield ("account", address) and ("brand", slug) of an event's data."""
        for field in self.accounts:
            value = getattr(data, field)
            if value is not None:
                yield "account", value
        for field in self.brands:
            value = getattr(data, field)
            if value is not None:
                yield "brand", value


EVENTS: Final[dict[str, EventType]] = {}
"""All declared events by name."""

_TYPES: Final[dict[type, EventType]] = {}


def event(name: str) -> Callable[[Record], Record]:
    """Declare a frozen struct as the data of events of this name.

    Raises:
        TypeError: the name is taken, the class is not frozen, or a field has no bounded type.
    """

    def declare(record: Record) -> Record:
        if name in EVENTS:
            raise TypeError(f"the event {name} is declared twice")
        if not record.__struct_config__.frozen or not record.__struct_config__.omit_defaults:
            raise TypeError(f"the data of {name} must be a frozen struct that leaves out defaults")
        hints = get_type_hints(record, include_extras=True)
        accounts = tuple(field for field, hint in hints.items() if _holds(hint, ADDRESS))
        brands = tuple(field for field, hint in hints.items() if _holds(hint, BRAND))
        EVENTS[name] = _TYPES[record] = EventType(name, record, accounts, brands, shape_of(record).schema)
        return record

    return declare


def _holds(hint: Any, mark: Any) -> bool:
    hint = optional_of(hint)
    return get_origin(hint) is Annotated and any(item is mark for item in get_args(hint)[1:])


def type_of(data: msgspec.Struct) -> EventType:
    """Return the declaration of an event's data."""
    return _TYPES[type(data)]
