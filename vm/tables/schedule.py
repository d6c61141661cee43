"""Schedules: what falls due by itself, in one agenda of the whole chain (docs/contract-floor.md).

    EXPIRIES = Schedule("token/expiry", (("program", SLUG), ("date", NUMBER)))
    EXPIRIES.put(ctx, date, program, date)          # in a call
    @due(EXPIRIES)                                  # the contract's method that is run then
    def expire(self, ctx, at, program, date) -> bool: …

`vm.agenda` takes the items in the order of (due, key) and runs their methods.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, TypeVar

from msgspec import Meta

from vm.arguments.types import TimeMs
from vm.tables.ordered_set import OrderedSet
from vm.tables.parts import Part
from vm.tables.stored import Readable, Writable
from vm.tables.table import Keys

MAX_AGENDA_KEY: Final = 256
"""A schedule's path and the parts of its key."""

AgendaKey = Annotated[str, Meta(max_length=MAX_AGENDA_KEY)]
AgendaItem = tuple[int, str]
"""When it is due (ms), and what: the schedule's path and the key's parts."""

AGENDA: Final[OrderedSet[AgendaItem]] = OrderedSet(
    "chain/agenda",
    (),
    tuple[TimeMs, AgendaKey],
    "what falls due by itself: when, and what",
    page_items=16,  # a key has some 60 bytes where the bound allows 256: a page then has about a kibibyte
)

Method = TypeVar("Method", bound=Callable[..., bool])

SCHEDULES: Final[dict[str, Schedule]] = {}
"""All declared schedules by path: a `vm.runtime.Runtime` makes sure that those of its contracts have a duty."""


class Schedule:
    """Things of one kind that fall due; arguments as of `Table`."""

    __slots__ = ("keys", "words")

    def __init__(self, path: str, parts: Sequence[tuple[str, Part]], words: str = "") -> None:
        self.keys = Keys(path, parts)
        self.words = words
        if self.keys.max_bytes > MAX_AGENDA_KEY:
            raise TypeError(f"{path}: its keys may be longer than {MAX_AGENDA_KEY} bytes")
        SCHEDULES[path] = self

    def put(self, state: Writable, due: int, *key: Any) -> bool:
        """Put on the agenda what is due at `due` (ms); False where it is there already."""
        return AGENDA.add(state, item=(due, self.keys.key(key)))

    def cancel(self, state: Writable, due: int, *key: Any) -> bool:
        """Take it off the agenda; False where it is not there."""
        return AGENDA.discard(state, item=(due, self.keys.key(key)))

    def is_due(self, state: Readable, due: int, *key: Any) -> bool:
        """Tell whether it is on the agenda."""
        return AGENDA.contains(state, item=(due, self.keys.key(key)))


def due(schedule: Schedule) -> Callable[[Method], Method]:
    """Mark a contract's method as what is run when something of a schedule falls due.

    The method takes the context, the time at which it was due, and the key's parts. It does a bounded step,
    well below max_tx_cost, and returns True where more of it remains: then it is called again, in this block or
    a later one. The time is a later one than that of `put` where a refusal has put it off.
    """
    if not isinstance(schedule, Schedule):
        raise TypeError(f"@due takes a Schedule, not {schedule!r}")

    def mark(method: Method) -> Method:
        method.__entente_due__ = schedule  # type: ignore[attr-defined]
        return method

    return mark
