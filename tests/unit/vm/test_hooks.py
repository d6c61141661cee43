"""Hooks: who is told what happens in a contract below."""

from __future__ import annotations

import pytest

from tests.unit.vm.toy_ledger import NUMBERS, Reader
from vm.contract_api import Context, Hook
from vm.errors import InvariantBroken, Refused
from vm.params import Params
from vm.state_view import BlockOverlay


@pytest.fixture
def ctx() -> Context:
    return Context(BlockOverlay(Reader(Params())), "toy-chain", 5, 1_000, 10**6)


def test_listeners_are_told_in_the_order_of_their_wiring(ctx: Context) -> None:
    told: list[tuple[str, int]] = []
    hook = Hook[int]("toy.changed")
    hook.wire(lambda _, what: told.append(("first", what)), lambda _, what: told.append(("second", what)))
    hook.tell(ctx, 7)
    assert told == [("first", 7), ("second", 7)]


def test_what_a_listener_refuses_is_refused_and_those_after_it_are_not_told(ctx: Context) -> None:
    told: list[int] = []

    def refuse(_: Context, what: int) -> None:
        raise Refused("NOT_ELIGIBLE", "not this one", what=what)

    hook = Hook[int]("toy.changed")
    hook.wire(refuse, lambda _, what: told.append(what))
    with pytest.raises(Refused, match="not this one"):
        hook.tell(ctx, 7)
    assert told == []


def test_each_is_told_wholly_or_not_at_all_where_what_happened_must_not_fail(ctx: Context) -> None:
    def refuse(where: Context, what: int) -> None:
        NUMBERS.put(where, what, "aa")
        raise Refused("NOT_ELIGIBLE", "not this one")

    hook = Hook[int]("toy.changed")
    hook.wire(refuse, lambda where, what: NUMBERS.put(where, what, "bb"))
    (refusal,) = hook.tell_each(ctx, 7)
    assert refusal.code == "NOT_ELIGIBLE"
    assert (NUMBERS.get(ctx, "aa"), NUMBERS.get(ctx, "bb")) == (None, 7)
    with pytest.raises(InvariantBroken):
        Hook[int]("toy.other").tell_each(ctx, 7)


def test_a_hook_is_wired_exactly_once(ctx: Context) -> None:
    hook = Hook[int]("toy.changed")
    with pytest.raises(InvariantBroken, match=r"toy\.changed is not wired"):
        hook.tell(ctx, 7)
    hook.wire()
    hook.tell(ctx, 7)
    with pytest.raises(TypeError, match="wired twice"):
        hook.wire()
