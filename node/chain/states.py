"""The state of the chain after a height: single values, proofs, and a reader for execution and views.

While a height is the head's, its state is read as execution reads it. Later a value is searched through the records
of all later blocks, which may take tens of milliseconds on a busy chain. So a reader searches each value once, and
all its searches together take no longer than the budget that the caller sets, give or take the last one. There is a
pause point before each value, and within a search (`node.runtime.pauses`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from node.chain.errors import BudgetSpent, QueryError, StateAhead, StateDropped
from node.runtime.pauses import is_whole, pause_point
from node.store import ChainStore, HeightAhead, ProvedRecord, ProvedValue, StateUnavailable
from vm.params import PARAMS
from vm.state_view import StateReader
from vm.tables.stored import Stored

T = TypeVar("T")


class ReadBudget:
    """How long the searches of one call may take, by the caller's clock.

    Args:
        seconds: for all searches together.
        now: the caller's clock, in seconds: `time.thread_time`, or a test's.
    """

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self._left = seconds
        self._now = now

    def search(self, read: Callable[[str, int], T], key: str, height: int) -> T:
        """Return what a read of a past height finds, and count its time.

        Raises:
            BudgetSpent: earlier searches have used the budget up.
        """
        if self._left <= 0:
            raise BudgetSpent(height)
        begin = self._now()
        found = read(key, height)
        self._left -= self._now() - begin
        return found


class States:
    """The states that a store holds, by height; 0 is the state of genesis."""

    def __init__(self, store: ChainStore) -> None:
        self._store = store

    @property
    def height(self) -> int:
        """Height of the head."""
        return self._store.head.height

    @property
    def head(self) -> StateReader:
        """The state at the head, decoded, for execution and views; it moves with the head."""
        return self._store.reader

    def value(self, key: str, height: int) -> bytes | None:
        """Return the canonical bytes of a state value after a height, None where there is none.

        Raises:
            StateDropped, StateAhead: the state of that height is not here.
        """
        try:
            return self._store.state_value(key, height)
        except StateUnavailable as error:
            raise self._unavailable(height, error) from None

    def proof(self, key: str, height: int) -> ProvedValue:
        """Return a key's value, or its absence, after a height, with its proof; raises as `value`."""
        try:
            return self._store.state_proof(key, height)
        except StateUnavailable as error:
            raise self._unavailable(height, error) from None

    def once_record(self, key: str, height: int) -> ProvedRecord | None:
        """Return the once-record of a key as of a height, with its proof, or None; raises as `value`."""
        try:
            return self._store.once_record(key, height)
        except StateUnavailable as error:
            raise self._unavailable(height, error) from None

    def _unavailable(self, height: int, error: StateUnavailable) -> QueryError:
        if isinstance(error, HeightAhead):
            return StateAhead(height, self.height)
        return StateDropped(height, self.height, str(error))

    def at(self, height: int, budget: ReadBudget | None = None) -> StateReader:
        """Return the state after a height for execution and views, the same also once the head has moved.

        Args:
            budget: how long values of a past height may be searched; None for as long as it takes.

        Raises:
            StateDropped, StateAhead: now, or when it is read.
            BudgetSpent: when it is read.
        """
        if height != self.height:
            self.value(PARAMS.keys.path, height)
        elif is_whole():
            return _Head(self._store.reader)  # The head does not move while the read lasts.
        return _StateAt(self, height, budget)


class _Head:
    """The state at the head, for a read during which it does not move."""

    __slots__ = ("_cell", "_once")

    def __init__(self, reader: StateReader) -> None:
        self._cell = reader.cell
        self._once = reader.once

    def cell(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return the value at `key` with its canonical bytes, or None."""
        pause_point()
        return self._cell(key, stored)

    def once(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return the once-record of `key` with its canonical bytes, or None."""
        pause_point()
        return self._once(key, stored)

    def charge(self, units: int) -> None:
        """Do nothing: a `Context` meters."""


class _StateAt:
    """The state after a height, decoded value by value."""

    def __init__(self, states: States, height: int, budget: ReadBudget | None) -> None:
        self._states = states
        self._height = height
        self._budget = budget
        self._values: dict[str, bytes | None] = {}

    def cell(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return the value at `key` with its canonical bytes, or None."""
        pause_point()
        if key not in self._values:
            if self._states.height == self._height:
                return self._states.head.cell(key, stored)
            self._values[key] = self._searched(self._states.value, key)
        value = self._values[key]
        return None if value is None else (stored.decode(value), value)

    def once(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return the once-record of `key` with its canonical bytes, or None."""
        pause_point()
        if self._states.height == self._height:
            return self._states.head.once(key, stored)
        found = self._searched(self._states.once_record, key)
        return None if found is None else (stored.decode(found.record), found.record)

    def charge(self, units: int) -> None:
        """Do nothing: a `Context` meters."""

    def _searched(self, read: Callable[[str, int], T], key: str) -> T:
        return read(key, self._height) if self._budget is None else self._budget.search(read, key, self._height)
