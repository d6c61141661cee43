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
       for it. So a field that is named like a brand or an account has that type.
"""

from __future__ import annotations

import re
import sys  # noqa: TID251 (at import only, to tell an import that is tried again from a second declaration)
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from vm.arguments.rules import ADDRESS, SLUG
from vm.arguments.shapes import optional_of
from vm.errors import InvariantBroken
from vm.tables.stored import Stored

BRAND: Final = "brand"
"""Marks, inside Annotated, a slug that names a brand."""

BrandId = Annotated[str, SLUG, Meta(max_length=32), BRAND]

ACCOUNT_NAMES: Final = "account"
BRAND_NAMES: Final = "brand"

_NAMED: Final[Mapping[str, str]] = {"brand": BRAND_NAMES, "account": ACCOUNT_NAMES, "member": ACCOUNT_NAMES}
"""What a field of this name, or with this behind a dash (`at_brand`), must be typed as."""

_EVENT_NAME: Final = re.compile(r"[a-z][a-z0-9-]*\.[a-z][a-z0-9_]*")

Record = TypeVar("Record", bound=type[msgspec.Struct])


@dataclass(frozen=True, slots=True)
class EventType:
    """What is known of a kind of event.

    Attributes:
        name: `module.what_happened`.
        record: the class of its data.
        concerned: (kind, attribute, encoded name) of each field that holds an account or a brand.
        module: where it is declared.
    """

    name: str
    record: type[msgspec.Struct]
    concerned: tuple[tuple[str, str, str], ...]
    module: ModuleType | None = None

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
        TypeError: the name is taken, or is none; or the class is not frozen, or has a field that is mutable,
            unbounded, or named like a brand or an account without being typed so.
    """
    if _EVENT_NAME.fullmatch(name) is None:
        raise TypeError(f"{name!r} is no name of an event: it is the contract's, a dot, and what has happened")

    def declare(record: Record) -> Record:
        module = sys.modules.get(record.__module__)
        if name in EVENTS and not _is_import_again(EVENTS[name], record, module):
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
        _check_fields(name, hints)
        EVENTS[name] = _TYPES[record] = EventType(name, record, concerned, module)
        return record

    return declare


def _is_import_again(known: EventType, record: type[msgspec.Struct], module: ModuleType | None) -> bool:
    """Tell whether a class is declared again because the first import of its module failed, which has told why."""
    same_place = (record.__module__, record.__qualname__) == (known.record.__module__, known.record.__qualname__)
    return same_place and module is not known.module


def _check_fields(name: str, hints: Mapping[str, Any]) -> None:
    for field, hint in hints.items():
        kind = _NAMED.get(field.rpartition("_")[2])
        if kind is not None and kind not in _kinds_of(hint):
            typed = "BrandId" if kind == BRAND_NAMES else "Address"
            raise TypeError(
                f"{name}: the field {field} needs the type {typed}, else the event is not found under it"
            )


def _kinds_of(hint: Any) -> Iterable[str]:
    hint = optional_of(hint)
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    if any(mark is ADDRESS for mark in marks):
        yield ACCOUNT_NAMES
    if any(mark is BRAND for mark in marks):
        yield BRAND_NAMES


def type_of(data: msgspec.Struct) -> EventType:
    """Return the declaration of an event's data."""
    try:
        return _TYPES[type(data)]
    except KeyError:
        raise InvariantBroken(f"{type(data).__qualname__} is not declared as an event by @event") from None
