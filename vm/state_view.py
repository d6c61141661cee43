"""The state as execution sees it: a read-only base and one overlay per block.

A value is a *cell*: the object that execution reads, and its canonical bytes, which the block's commit writes.
A write through a table (`vm.tables`) encodes at once and decodes what it has encoded, within the bounds of its
declared type: so the object in the overlay is the one that a node which has restarted will read, and a value
beyond its bounds is refused before it is anywhere.

Each transaction takes a mark; a failed one is rolled back by its journal, so a read is a look among the changes,
then one among what the block has read, and never a walk through layers.

Invariants:
    1. Values are immutable: frozen structs, str, int, bool, bytes, tuples. Whoever changes one
       puts a new one.
    2. A key has one type, so a cell's object always has the type that is asked for.
    3. None means absent; it is never stored.
    4. The base shows one state as long as the overlay lives: what was read once is not asked for again.
    5. Once-records (docs/decisions/once-records.md) are in the overlay in the order in which they were written, and
       none is written twice, whatever a contract has seen.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, TypeVar

from vm.errors import Refused
from vm.primitives.codec import UNENCODABLE, encode
from vm.tables.stored import Stored

T = TypeVar("T")

Cell = tuple[Any, bytes]
"""An object and its canonical bytes."""

UNCHANGED: Final[Any] = object()
"""Stands for "not among a block's changes" where None means deleted."""


class StateReader(Protocol):
    """The committed state at one height."""

    def cell(self, key: str, stored: Stored[T], /) -> tuple[T, bytes] | None:
        """Return the value at `key` with its canonical bytes, or None."""
        ...

    def once(self, key: str, stored: Stored[T], /) -> tuple[T, bytes] | None:
        """Return the once-record of `key` with its canonical bytes, or None."""
        ...

    def charge(self, units: int, /) -> None:
        """Do nothing: what the machine itself reads is not metered."""
        ...


def cell_of(key: str, stored: Stored[T], value: T) -> tuple[T, bytes]:
    """Return the cell of a value that is to be written.

    Raises:
        Refused: LIMIT_EXCEEDED, the value is not within the bounds of its type. Its `__cause__` tells why: those
            are a library's words, which may differ between its releases, so they are not in the receipt. A value of
            a wrong type is a defect, but what a client sends must not halt the chain: tests tell the two apart.
    """
    try:
        data = encode(value)
        return stored.decode(data), data
    except UNENCODABLE as error:
        family = "/".join(key.split("/", 2)[:2])
        raise Refused("LIMIT_EXCEEDED", f"a value of {family} is beyond what may be stored") from error


class BlockOverlay:
    """The changes that a block makes on top of a committed state."""

    __slots__ = ("_absent", "_journal", "base_cell", "base_once", "changes", "read", "records", "types")

    def __init__(self, base: StateReader) -> None:
        self.base_cell = base.cell
        self.base_once = base.once
        self.changes: dict[str, Cell | None] = {}
        self.types: dict[str, Stored[Any]] = {}
        """Of what the values were decoded that were written; also of some that were taken back."""
        self.read: dict[str, Cell | None] = {}
        """What was read of the base: most reads of a block are of the few values that all its transactions need."""
        self.records: dict[str, tuple[str, Cell]] = {}
        """Once-records of this block by key: their family, and the cell."""
        self._journal: list[tuple[dict[str, Any], str, Any]] = []
        self._absent: set[str] = set()
        """Keys of once-records that this transaction has seen not to be there."""

    def cell(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return the value at `key`, this block's changes included."""
        found = self.changes.get(key, UNCHANGED)
        if found is UNCHANGED:
            found = self.read.get(key, UNCHANGED)
            if found is UNCHANGED:
                found = self.read[key] = self.base_cell(key, stored)
        cell: tuple[T, bytes] | None = found
        return cell

    def put_cell(self, key: str, stored: Stored[T], value: T) -> None:
        """Set the value at `key`; raises as `cell_of`."""
        self.set(key, cell_of(key, stored, value))
        self.types[key] = stored

    def drop(self, key: str) -> None:
        """Remove the value at `key`, if any."""
        self.set(key, None)

    def set(self, key: str, cell: Cell | None) -> None:
        """Set the cell at `key`; None deletes it."""
        changes = self.changes
        self._journal.append((changes, key, changes.get(key, UNCHANGED)))
        changes[key] = cell

    def once(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return the once-record of `key`, this block's included."""
        written = self.records.get(key)
        if written is not None:
            return written[1]
        found = self.base_once(key, stored)
        if found is None:
            self._absent.add(key)
        return found

    def is_known_absent(self, key: str) -> bool:
        """Tell whether this transaction has looked for a once-record, and has not written it since."""
        return key in self._absent and key not in self.records

    def put_once(self, family: str, key: str, stored: Stored[T], value: T) -> None:
        """Write a once-record; raises as `cell_of`, and as `add_once`."""
        self.add_once(family, key, stored, cell_of(key, stored, value))

    def add_once(self, family: str, key: str, stored: Stored[Any], cell: Cell) -> None:
        """Write a once-record where there is none. It is looked for, unless this transaction has done so.

        Raises:
            Refused: ALREADY_EXISTS.
        """
        if not self.is_known_absent(key) and self.once(key, stored) is not None:
            raise Refused("ALREADY_EXISTS", "the record is written once, and is there", key=key)
        self._journal.append((self.records, key, UNCHANGED))
        self.records[key] = (family, cell)

    def charge(self, units: int) -> None:
        """Do nothing: what the machine itself does is not metered; a `Context` meters."""

    def begin(self) -> None:
        """Forget the journal: what was written so far stays."""
        self._journal.clear()
        self._absent.clear()

    def mark(self) -> int:
        """Return a place to which `rollback` can go back until the next `begin`."""
        return len(self._journal)

    def rollback(self, mark: int = 0) -> None:
        """Undo every write since `mark`; without one, since `begin`."""
        for mapping, key, former in reversed(self._journal[mark:]):
            if former is UNCHANGED:
                del mapping[key]
            else:
                mapping[key] = former
        del self._journal[mark:]


class EmptyState:
    """The state before genesis."""

    def cell(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return None: nothing is there yet."""
        del key, stored
        return None

    def once(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return None: nothing is there yet."""
        del key, stored
        return None

    def charge(self, units: int) -> None:
        """Do nothing."""
