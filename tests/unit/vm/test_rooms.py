"""A contract of several rooms: all their calls, views and duties are found, and none stands twice."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vm.toy_ledger import CHORES, KeyHolders, Toy
from vm.contract_api import Context, Contract, call, due, view
from vm.runtime import Runtime


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
