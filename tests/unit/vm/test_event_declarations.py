"""Declared events: what may be declared, and whom an event concerns."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from vm import events
from vm.arguments import Address, Ref, Slug
from vm.errors import InvariantBroken
from vm.events import BrandId, EventType, event, type_of
from vm.primitives.codec import decode, encode

ANN = "0x" + "a1" * 20
BOB = "0x" + "b0" * 20


class Moved(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something moved: two accounts, a brand, perhaps another, and words that look like names."""

    from_: Address = msgspec.field(name="from")
    to: Address
    brand: BrandId
    program: Slug
    ref: Ref | None = None
    at_brand: BrandId | None = None
    by: Address | None = None


class Noted(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that concerns no one."""

    is_seen: bool


class Telling(msgspec.Struct, frozen=True):
    """Data that tells None."""

    to: Address | None = None


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """A brand that is typed as any slug."""

    brand: Slug


class KeptElsewhere(msgspec.Struct, frozen=True, omit_defaults=True):
    """Another brand that is typed as any slug."""

    at_brand: Slug | None = None


class Joined(msgspec.Struct, frozen=True, omit_defaults=True):
    """A member that is typed as any slug."""

    member: Slug


class Changeable(msgspec.Struct, omit_defaults=True):
    """Data that can change."""

    amount: Annotated[int, Meta(ge=0, le=9)]


class Endless(msgspec.Struct, frozen=True, omit_defaults=True):
    """Data of any length."""

    words: str


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> EventType:
    """Declare `Moved` for one test."""
    monkeypatch.setattr(events, "EVENTS", {})
    monkeypatch.setattr(events, "_TYPES", {})
    event("test.moved")(Moved)
    return type_of(Moved(ANN, BOB, "aurora", "stars"))


def as_emitted(data: Moved) -> Any:
    return data


def as_read_back(data: Moved) -> Any:
    return decode(encode(data))


@pytest.mark.parametrize("form", [as_emitted, as_read_back])
def test_an_event_concerns_what_its_fields_types_name(moved: EventType, form: Callable[[Moved], Any]) -> None:
    whole = Moved(ANN, BOB, "aurora", "stars", ref=BOB, at_brand="basil", by=ANN)
    names = [("account", ANN), ("account", BOB), ("brand", "aurora")]
    assert list(moved.names_in(form(whole))) == [*names, ("brand", "basil"), ("account", ANN)]


@pytest.mark.parametrize("form", [as_emitted, as_read_back])
def test_what_is_left_out_is_no_name(moved: EventType, form: Callable[[Moved], Any]) -> None:
    names = [("account", ANN), ("account", BOB), ("brand", "aurora")]
    assert list(moved.names_in(form(Moved(ANN, BOB, "aurora", "stars")))) == names


def test_a_name_is_declared_once(moved: EventType) -> None:
    with pytest.raises(TypeError, match="declared twice"):
        event(moved.name)(Moved)


@pytest.mark.parametrize(
    "name", ["closed", "Hello World", "test.", "test.Closed", "test.closed.now", "test/closed"]
)
def test_a_name_is_the_contracts_and_what_has_happened(moved: EventType, name: str) -> None:
    with pytest.raises(TypeError, match="is no name of an event"):
        event(name)
    assert event("test-2.closed_now")(Noted) is Noted


@pytest.mark.parametrize(
    ("record", "field", "wanted"),
    [(Kept, "brand", "BrandId"), (KeptElsewhere, "at_brand", "BrandId"), (Joined, "member", "Address")],
)
def test_what_is_named_like_a_brand_or_an_account_is_typed_so(
    moved: EventType, record: type[msgspec.Struct], field: str, wanted: str
) -> None:
    with pytest.raises(TypeError, match=rf"test\.kept: the field {field} needs the type {wanted}"):
        event("test.kept")(record)


def test_a_module_whose_import_failed_declares_its_events_again(
    moved: EventType, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (
        "import msgspec\nfrom vm.events import event\n"
        "@event('survey.opened')\nclass Opened(msgspec.Struct, frozen=True, omit_defaults=True):\n    open: bool\n"
    )
    for _ in range(2):
        module = ModuleType("survey_of_a_test")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(source, vars(module))
    assert type_of(module.Opened(True)).record is module.Opened
    with pytest.raises(TypeError, match=r"survey\.opened is declared twice"):
        exec(source, vars(module))


def test_what_was_never_declared_is_named(moved: EventType) -> None:
    with pytest.raises(InvariantBroken, match="Noted is not declared as an event"):
        type_of(Noted(True))


@pytest.mark.parametrize("record", [Telling, Changeable, Endless])
def test_data_that_could_change_grow_or_tell_nothing_is_not_declared(
    moved: EventType, record: type[msgspec.Struct]
) -> None:
    with pytest.raises(TypeError):
        event("test.other")(record)
    assert list(events.EVENTS) == [moved.name]
