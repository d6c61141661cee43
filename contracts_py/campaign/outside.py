"""What campaigns ask of the room that keeps brands' lists and tables of values, which they only know by this."""

from __future__ import annotations

from typing import Any, Protocol

from vm.contract_api import Context, Refused

Value = Any


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
