"""A contract of several rooms: all their calls, views and duties are found, and none stands twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.unit.vm.toy_ledger import CHORES, KeyHolders, Toy
from vm.contract_api import NUMBER, SLUG, Context, Contract, Hook, Schedule, Slug, TimeMs, call, due, view
from vm.runtime import Runtime
from vm.tables.schedule import SCHEDULES


class Base(Contract):
    """What rooms have in common."""

    name = "house"

    @call
    def shared(self, ctx: Context) -> str:
        """Answer from the base class."""
        del ctx
        return type(self).__name__

    @view
    def told_view(self, ctx: Context) -> str:
        """Answer a view of the base class."""
        del ctx
        return type(self).__name__


class Kitchen(Base):
    """A room with everything of the base class."""

    @call
    def cook(self, ctx: Context) -> str:
        """Answer from the room."""
        del ctx
        return "cooked"


class Cellar(Contract):
    """Another room of the same contract."""

    name = "house"

    @call
    def store(self, ctx: Context) -> str:
        """Answer from the other room."""
        del ctx
        return "stored"


class Again(Contract):
    """A room with a call that another has."""

    name = "house"

    @call
    def cook(self, ctx: Context) -> str:
        """Answer as well."""
        del ctx
        return "burnt"


class Clock(Contract):
    """A room that does what another does, when it is due."""

    name = "house"

    @due(CHORES)
    def chime(self, ctx: Context, at: int, key: str) -> bool:
        """Do nothing."""
        del ctx, at, key
        return False


def test_calls_and_views_of_all_rooms_and_their_base_classes_are_found() -> None:
    runtime = Runtime([Kitchen(), Cellar()], KeyHolders())
    assert sorted(runtime.calls) == ["house.cook", "house.shared", "house.store"]
    assert sorted(runtime.views) == ["house_told"]
    ctx: Any = None
    assert runtime.calls["house.shared"].bound(ctx) == "Kitchen"


@pytest.mark.parametrize("rooms", [[Kitchen(), Again()], [Toy(), Toy()], [Toy(), Clock()]])
def test_what_stands_twice_is_refused(rooms: list[Contract]) -> None:
    with pytest.raises(TypeError, match="is declared twice"):
        Runtime(rooms, KeyHolders())


def test_the_result_of_a_call_is_what_its_signature_says() -> None:
    assert Runtime([Kitchen()], KeyHolders()).calls["house.cook"].result is str


def room(**members: Any) -> Contract:
    """Return a room with these members; its class has no name but what they say."""
    made = type("Survey", (Contract,), members)()
    assert isinstance(made, Contract)
    return made


def open_plain(self: Any, ctx: Context, question):  # type: ignore[no-untyped-def]
    """Have an argument without annotation."""


def open_text(self: Any, ctx: Context, question: str) -> None:
    """Have an argument that nothing bounds."""


def open_silent(self: Any, ctx: Context):  # type: ignore[no-untyped-def]
    """Say nothing of what is answered."""


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, r'Survey needs the name of its contract: name = "…"'),
        ({"name": "Survey Ltd"}, r"Survey needs the name of its contract"),
        ({"name": "survey", "open": call(open_plain)}, r"survey\.open\.question: the argument has no annotation"),
        (
            {"name": "survey", "open": call(open_text)},
            r"survey\.open\.question: <class 'str'> is not an argument type",
        ),
        ({"name": "survey", "open": view(open_text)}, r"survey\.open\.question: "),
        ({"name": "survey", "open": call(open_silent)}, r"survey\.open has no annotation of what it answers"),
    ],
)
def test_what_a_room_lacks_is_named(members: dict[str, Any], words: str) -> None:
    for value in members.values():
        if callable(value):
            value.__name__ = "open"
    with pytest.raises(TypeError, match=words):
        Runtime([room(**members)], KeyHolders())


@pytest.fixture
def closing() -> Any:
    """Declare a schedule of a contract `survey` for one test."""
    yield Schedule("survey/close", (("brand", SLUG), ("number", NUMBER)))
    del SCHEDULES["survey/close"]


def test_a_schedule_without_a_method_for_what_is_due_is_refused(closing: Schedule) -> None:
    Runtime([Toy()], KeyHolders())
    with pytest.raises(TypeError, match="no method is marked @due for the schedule survey/close"):
        Runtime([room(name="survey")], KeyHolders())


def close(self: Any, ctx: Context, at: int, brand: str, number: int) -> bool:
    return False


def close_typed(self: Any, ctx: Context, at: TimeMs, brand: Slug, number: int) -> bool:
    return False


def close_short(self: Any, ctx: Context, at: int, brand: str) -> bool:
    return False


def close_long(self: Any, ctx: Context, at: int, brand: str, number: int, more: int) -> bool:
    return False


def close_swapped(self: Any, ctx: Context, at: int, number: int, brand: str) -> bool:
    return False


def close_mute(self: Any, ctx: Context, at: int, brand: str, number: int) -> None:
    return None


@pytest.mark.parametrize("method", [close, close_typed])
def test_a_method_that_takes_what_its_schedule_gives_is_a_duty(closing: Schedule, method: Any) -> None:
    runtime = Runtime([room(name="survey", close=due(closing)(method))], KeyHolders())
    assert list(runtime.duties.by_path) == ["survey/close"]


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (close_short, r"survey\.close takes \(ctx, at: int, brand: str, number: int\) for .*, not \(at, brand\)"),
        (close_long, r"survey\.close takes .* not \(at, brand, number, more\)"),
        (close_swapped, r"survey\.close: the argument number is str"),
        (close_mute, r"survey\.close answers bool"),
    ],
)
def test_a_method_that_does_not_is_refused(closing: Schedule, method: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        Runtime([room(name="survey", close=due(closing)(method))], KeyHolders())


def test_due_takes_a_schedule() -> None:
    with pytest.raises(TypeError, match="takes a Schedule, not 'survey/close'"):
        due("survey/close")  # type: ignore[arg-type]


@dataclass(frozen=True)
class Hooks:
    """Hooks that a room is handed together."""

    opened: Hook[str]


@pytest.mark.parametrize("is_alone", [False, True])
def test_a_hook_that_a_room_was_handed_is_wired(is_alone: bool) -> None:
    hook = Hook[str]("toy.opened")
    toy = Toy()
    toy.__dict__["hook"] = hook if is_alone else Hooks(hook)
    with pytest.raises(TypeError, match=r"the hook toy\.opened is not wired"):
        Runtime([toy], KeyHolders())
    hook.wire()
    Runtime([toy], KeyHolders())
