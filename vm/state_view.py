"""The state as execution sees it: a read-only base and one overlay per block.

Writes collect in the overlay as objects and are encoded once, at the block's end. Each transaction
takes a mark; a failed one is rolled back by its journal, so a read is one dictionary look-up and
never a walk through layers.

Invariants:
    1. Values are immutable: frozen structs, str, int, bool, bytes, tuples. Whoever changes one
       puts a new one.
    2. A key family has one type, so a cached object always has the type that is asked for.
    3. None means absent; it is never stored.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, TypeVar

T = TypeVar("T")

UNCHANGED: Final[Any] = object()
"""Stands for "not among a block's changes" where None means deleted."""


class StateReader(Protocol):
    """The committed state at one height."""

    def get(self, key: str, type_: type[T]) -> T | None:
        """Return the value at `key` decoded as `type_`, or None where there is none."""
        ...


class BlockOverlay:
    """The changes that a block makes on top of a committed state."""

    __slots__ = ("_journal", "base_get", "changes")

    def __init__(self, base: StateReader) -> None:
        self.base_get = base.get
        self.changes: dict[str, Any] = {}
        self._journal: list[tuple[str, Any]] = []

    def get(self, key: str, type_: type[T]) -> T | None:
        """Return the value at `key`, this block's changes included."""
        value = self.changes.get(key, UNCHANGED)
        if value is UNCHANGED:
            return self.base_get(key, type_)
        changed: T | None = value
        return changed

    def put(self, key: str, value: Any) -> None:
        """Set `key`; None deletes it."""
        changes = self.changes
        self._journal.append((key, changes.get(key, UNCHANGED)))
        changes[key] = value

    def begin(self) -> None:
        """Forget the journal: what was written so far stays."""
        self._journal.clear()

    def mark(self) -> int:
        """Return a place to which `rollback` can go back until the next `begin`."""
        return len(self._journal)

    def rollback(self, mark: int = 0) -> None:
        """Undo every write since `mark`; without one, since `begin`."""
        changes = self.changes
        for key, former in reversed(self._journal[mark:]):
            if former is UNCHANGED:
                del changes[key]
            else:
                changes[key] = former
        del self._journal[mark:]


class EmptyState:
    """The state before genesis."""

    def get(self, key: str, type_: type[T]) -> T | None:
        """Return None: nothing is there yet."""
        del key, type_
        return None
