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

from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class StateReader(Protocol):
    """The committed state at one height."""

    def get(self, key: str, type_: type[T]) -> T | None:
        """Return the value at `key` decoded as `type_`, or None where there is none."""
        ...


class BlockOverlay:
    """The changes that a block makes on top of a committed state."""

    __slots__ = ("_base", "_journal", "changes")

    def __init__(self, base: StateReader) -> None:
        self._base = base
        self.changes: dict[str, Any] = {}
        self._journal: list[tuple[str, bool, Any]] = []

    def get(self, key: str, type_: type[T]) -> T | None:
        """Return the value at `key`, this block's changes included."""
        try:
            value: T | None = self.changes[key]
        except KeyError:
            return self._base.get(key, type_)
        return value

    def put(self, key: str, value: Any) -> None:
        """Set `key`; None deletes it."""
        changes = self.changes
        if key in changes:
            self._journal.append((key, True, changes[key]))
        else:
            self._journal.append((key, False, None))
        changes[key] = value

    def begin(self) -> None:
        """Forget the journal: what was written so far stays."""
        self._journal.clear()

    def rollback(self) -> None:
        """Undo every write since `begin`."""
        changes = self.changes
        for key, existed, former in reversed(self._journal):
            if existed:
                changes[key] = former
            else:
                del changes[key]
        self._journal.clear()


class EmptyState:
    """The state before genesis."""

    def get(self, key: str, type_: type[T]) -> T | None:
        """Return None: nothing is there yet."""
        del key, type_
        return None
