"""Hooks: what a contract lets those above it know, without knowing them.

    on_merge = Hook[Merge]("identity.merged")         # made in contracts_py/registry.py, handed to identity's room
    on_merge.wire(points.merge, tiers.merge)            # wired there too: the one place that knows both
    self._on_merge.tell(ctx, Merge(source, target))     # told by the lower contract

A listener is a public method of a contract above, which takes the context and what happened.

Invariants:
    1. Listeners are run in the order in which they are wired, within the operation: what one of them refuses, the
       operation refuses.
    2. A hook is wired once, before the chain runs, be it to nothing: a `Runtime` has none that is not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from vm.errors import InvariantBroken, Refused

T = TypeVar("T")


class Hook(Generic[T]):
    """Something that happens in a contract, and who is told.

    Attributes:
        name: `<contract>.<what has happened>`.
    """

    __slots__ = ("_listeners", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._listeners: tuple[Callable[[Any, T], None], ...] | None = None

    @property
    def is_wired(self) -> bool:
        """Tell whether it is said who is told, be it no listener."""
        return self._listeners is not None

    def wire(self, *listeners: Callable[[Any, T], None]) -> None:
        """Say who is told, in this order.

        Raises:
            TypeError: it has been wired.
        """
        if self._listeners is not None:
            raise TypeError(f"{self.name} is wired twice")
        self._listeners = listeners

    def tell_each(self, ctx: Any, what: T) -> list[Refused]:
        """Run the listeners, each wholly or not at all; return what was refused. For what must not fail by them."""
        if self._listeners is None:
            raise InvariantBroken(f"{self.name} is not wired")
        refused = [ctx.attempt(partial(listener, ctx, what)) for listener in self._listeners]
        return [refusal for refusal in refused if refusal is not None]

    def tell(self, ctx: Any, what: T) -> None:
        """Run the listeners.

        Raises:
            Refused: one of them refuses.
        """
        if self._listeners is None:
            raise InvariantBroken(f"{self.name} is not wired")
        for listener in self._listeners:
            listener(ctx, what)
