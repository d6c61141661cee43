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
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import Meta

from vm.arguments.rules import Rule, code, text
from vm.contract_api import Context
from vm.errors import InvariantBroken, Refused
from vm.events import event
from vm.params import Params
from vm.primitives.units import MAX_INT
from vm.state_view import BlockOverlay
from vm.tables.schedule import AGENDA, MAX_AGENDA_KEY, AgendaItem, Schedule

POSTPONED_MS: Final = 3_600_000
"""When an item that was refused is tried again: an hour of block time later."""

SHARE: Final = 8
"""The part of max_block_cost that the agenda may spend per block, and that one item may cost: an eighth."""

_RefusalCode: Final[Rule] = code(64)
_Words: Final[Rule] = text(0, 1_024)


@event("chain.postponed")
class Postponed(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that was due was refused; it is tried again later."""

    item: Annotated[str, text(1, MAX_AGENDA_KEY), Meta(max_length=MAX_AGENDA_KEY)]
    code: Annotated[str, _RefusalCode, Meta(max_length=64)]
    message: Annotated[str, _Words, Meta(max_length=1_024)]


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


class AgendaRun:
    """The agenda of one block: `step` until it answers False."""

    def __init__(self, duties: Duties, overlay: BlockOverlay, ctx: Context, params: Params) -> None:
        self._duties = duties
        self._overlay = overlay
        self._ctx = ctx
        self._budget = params.max_block_cost // SHARE
        self._spent = 0

    def step(self) -> bool:
        """Run what is due first, if anything is and the budget is not spent; tell whether something was run."""
        item = AGENDA.first(self._overlay)
        ctx = self._ctx
        if item is None or item[0] > ctx.time or self._spent >= self._budget:
            return False
        before, events = ctx.cost, len(ctx.events)
        self._overlay.begin()
        # What one item costs beyond this is refused: it would delay everything else of the block.
        ctx.cost_limit = before + self._budget
        try:
            self._do(item)
        except Refused as refusal:
            self._overlay.rollback()
            del ctx.events[events:]
            ctx.cost_limit = MAX_INT
            self._postpone(item, refusal)
        self._spent += ctx.cost - before
        return True

    def _do(self, item: AgendaItem) -> None:
        duty, key = self._duties.of(item[1])
        remains = duty.handler(self._ctx, item[0], *key)
        if not remains:
            AGENDA.discard(self._ctx, item=item)

    def _postpone(self, item: AgendaItem, refusal: Refused) -> None:
        ctx = self._ctx
        AGENDA.discard(ctx, item=item)
        AGENDA.add(ctx, item=(min(ctx.time + POSTPONED_MS, MAX_INT), item[1]))
        ctx.emit(Postponed(item[1], refusal.code, refusal.message))
