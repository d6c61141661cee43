"""What campaigns ask of contracts that they only know by what they do: tiers, badges, lists and tables of values.

Each has a stand-in for a chain without it; there an effect that needs it is refused when a campaign is created.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from vm.contract_api import Context, Refused

Value = Any


class Status(msgspec.Struct, frozen=True, gc=False):
    """A member's level at a brand; without one it has the name "" and the rank 0."""

    name: str = ""
    rank: int = 0
    benefits: tuple[str, ...] = ()


NO_STATUS: Final = Status()


class Tiers(Protocol):
    """What members have reached."""

    def status_of(self, ctx: Context, brand: str, member: str) -> Status:
        """Return a member's level at the block's time."""
        ...

    def add_points(self, ctx: Context, brand: str, member: str, points: int, at: int) -> None:
        """Add tier points on the local day of a time; what crosses a threshold is up at once.

        Raises:
            Refused: NOT_FOUND, the brand has no ladder.
        """
        ...

    def take_points(self, ctx: Context, brand: str, member: str, points: int, at: int) -> None:
        """Take tier points back that were added on the local day of a time."""
        ...

    def note(self, ctx: Context, brand: str, member: str, event: str, amount: int, at: int) -> None:
        """Note an event for ladders by spend, visits or events; nothing where the brand has none."""
        ...

    def take_note(self, ctx: Context, brand: str, member: str, event: str, amount: int, at: int) -> None:
        """Take back what `note` has noted."""
        ...


class Badges(Protocol):
    """What members wear."""

    def on_event(self, ctx: Context, brand: str, member: str, event: str, facts: Mapping[str, Value]) -> None:
        """Let the member's badges of the brand evolve that evolve on this event.

        Args:
            facts: `event`, as rules see it.
        """
        ...

    def evolve(self, ctx: Context, collection: str, member: str) -> None:
        """Let the member's badge of a collection evolve by its manual rules, where one of them holds.

        Raises:
            Refused: NOT_FOUND, NOT_ELIGIBLE.
        """
        ...

    def brand_of(self, ctx: Context, collection: str) -> str:
        """Return the brand of a collection.

        Raises:
            Refused: NOT_FOUND.
        """
        ...


class Lookups(Protocol):
    """What brands list: goods, and tables of values."""

    def in_collection(self, ctx: Context, brand: str, name: str, item: str) -> bool:
        """Tell whether a collection has an item.

        Raises:
            Refused: NOT_FOUND.
        """
        ...

    def lookup(self, ctx: Context, brand: str, name: str, key: str, default: Value) -> Value:
        """Return a value of a table, or the default.

        Raises:
            Refused: NOT_FOUND.
        """
        ...


class NoTiers:
    """No brand has a ladder."""

    def status_of(self, ctx: Context, brand: str, member: str) -> Status:
        """Return the level of who has none."""
        del ctx, brand, member
        return NO_STATUS

    def add_points(self, ctx: Context, brand: str, member: str, points: int, at: int) -> None:
        """Refuse: there is no ladder."""
        del ctx, member, points, at
        raise Refused("NOT_FOUND", "the brand has no ladder", brand=brand)

    def take_points(self, ctx: Context, brand: str, member: str, points: int, at: int) -> None:
        """Do nothing: none were added."""

    def note(self, ctx: Context, brand: str, member: str, event: str, amount: int, at: int) -> None:
        """Do nothing."""

    def take_note(self, ctx: Context, brand: str, member: str, event: str, amount: int, at: int) -> None:
        """Do nothing."""


class NoBadges:
    """No brand has badges."""

    def on_event(self, ctx: Context, brand: str, member: str, event: str, facts: Mapping[str, Value]) -> None:
        """Do nothing."""

    def evolve(self, ctx: Context, collection: str, member: str) -> None:
        """Refuse: there is no collection."""
        del member
        self.brand_of(ctx, collection)

    def brand_of(self, ctx: Context, collection: str) -> str:
        """Refuse: there is no collection."""
        del ctx
        raise Refused("NOT_FOUND", "no such collection", collection=collection)


class NoLookups:
    """No brand has lists or tables."""

    def in_collection(self, ctx: Context, brand: str, name: str, item: str) -> bool:
        """Refuse: there is no collection."""
        del ctx, item
        raise Refused("NOT_FOUND", "no such collection", brand=brand, name=name)

    def lookup(self, ctx: Context, brand: str, name: str, key: str, default: Value) -> Value:
        """Refuse: there is no table."""
        del ctx, key, default
        raise Refused("NOT_FOUND", "no such value map", brand=brand, name=name)
