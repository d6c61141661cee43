"""Working off the agenda: what is due happens before a block's transactions, in bounded work (SPEC section 3).

Items are taken in the order of (due, key) over all contracts. Each is one attempt: it is taken off and its method is run; where
that is refused, everything it did is undone, it is put back for later, and an event tells.

Invariants:
    1. No item is lost: it is on the agenda until its method has returned False.
    2. A refusal halts nothing and holds up no other item.
    3. A block begins no item once it has spent the agenda's budget; so it goes beyond it by one item at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from vm.errors import InvariantBroken, Refused
from vm.tables.schedule import AGENDA, Schedule

POSTPONED_MS: Final = 3_600_000
"""When an item that was refused is tried again: an hour of block time later."""

POSTPONED: Final = "chain.postponed"


class Handler(Protocol):
    """A contract's method for what falls due; see `vm.tables.schedule.due`."""

    def __call__(self, ctx: Any, due: int, *key: Any) -> bool:
        """Do a bounded step; tell whether more remains."""
        ...


@dataclass(frozen=True, slots=True)
class Duty:
    """A schedule and the method that is run for it."""

    schedule: Schedule
    handler: Handler


class Duties:
    """All schedules of a chain's contracts by path."""

    def __init__(self, by_path: Mapping[str, Duty]) -> None:
        self._by_path = dict(by_path)

    def of(self, key: str) -> tuple[Duty, tuple[Any, ...]]:
        """Return whose duty an item of the agenda is, and the key's parts."""
        path = key
        while path:
            duty = self._by_path.get(path)
            if duty is not None:
                return duty, duty.schedule.keys.values(key)
            path = path.rpartition("/")[0]
        raise InvariantBroken(f"no contract has a schedule for {key}")
