"""Working off the agenda: what is due happens before a block's transactions, in bounded work (SPEC section 3).

Items are taken in the order of (due, key) over all contracts. Each is one attempt: it is taken off and its
method is run; where that is refused, everything it did is undone, it is put back for later, and an event tells.

Invariants:
    1. No item is lost: it is on the agenda until its method has returned False.
    2. A refusal halts nothing and holds up no other item.
    3. A block begins no item once it has spent the agenda's budget, and one item costs no more than that: so the
       agenda of a block costs less than two budgets.
    4. Its cost counts in the block's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import Meta

from vm.arguments.rules import text
from vm.contract_api import Context
from vm.errors import InvariantBroken, Refused
from vm.events import event
from vm.metering import READ
from vm.params import Params
from vm.primitives.codec import UNENCODABLE, encode
from vm.primitives.units import MAX_INT, MS_PER_HOUR
from vm.receipt import Event
from vm.state_view import BlockOverlay
from vm.tables.schedule import AGENDA, MAX_AGENDA_KEY, AgendaItem, Schedule
from vm.tables.stored import Readable

POSTPONED_MS: Final = MS_PER_HOUR
"""When an item that was refused is tried again: so much block time later."""

SHARE: Final = 8
"""The part of max_block_cost that a block spends on its agenda before it begins no further item: an eighth."""

POSTPONING: Final = 1_000
"""At least what it costs to put an item off: so an item and its refusal together cost no more than the budget."""

_Words = Annotated[str, text(0, 1_024), Meta(max_length=1_024)]
_Key = Annotated[str, text(1, MAX_AGENDA_KEY), Meta(max_length=MAX_AGENDA_KEY)]


@event("chain.postponed")
class Postponed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Something that was due was refused; it is tried again at `due`."""

    item: _Key
    due: Annotated[int, Meta(ge=0, le=MAX_INT)]
    code: _Words
    message: _Words


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
        self.by_path = dict(by_path)

    def of(self, key: str) -> tuple[Duty, tuple[Any, ...]]:
        """Return whose duty an item of the agenda is, and the key's parts."""
        path = key
        while path:
            duty = self.by_path.get(path)
            if duty is not None:
                return duty, duty.schedule.keys.values(key)
            path = path.rpartition("/")[0]
        raise InvariantBroken(f"no contract has a schedule for {key}")


def agenda_budget(params: Params) -> int:
    """Return the work units after which a block begins no further item of the agenda."""
    return params.max_block_cost // SHARE


def is_anything_due(state: Readable, time: int) -> bool:
    """Tell whether a block of this time would begin with the agenda."""
    item = AGENDA.first(state)
    return item is not None and item[0] <= time


def require_encodable(told: list[Event]) -> None:
    """Make sure that events can stand in a receipt, while what told them can still be taken back.

    Raises:
        Refused: LIMIT_EXCEEDED.
    """
    try:
        encode(told)
    except UNENCODABLE as error:
        raise Refused("LIMIT_EXCEEDED", "an event is beyond what a receipt may hold") from error


class AgendaRun:
    """The agenda of one block: `step` until `is_over`.

    Attributes:
        is_over: nothing is due any more, or the budget is spent.
    """

    def __init__(self, duties: Duties, overlay: BlockOverlay, ctx: Context, params: Params) -> None:
        self._duties = duties
        self._overlay = overlay
        self._ctx = ctx
        self._budget = agenda_budget(params)
        self.is_over = not self._more()

    @property
    def cost(self) -> int:
        """Work units so far."""
        return self._ctx.cost

    @property
    def events(self) -> list[Event]:
        """What the items' methods have told."""
        return self._ctx.events

    def _more(self) -> bool:
        return self._ctx.cost < self._budget and is_anything_due(self._overlay, self._ctx.time)

    def step(self) -> int:
        """Run what is due first, and return what it cost."""
        item = AGENDA.first(self._overlay)
        if item is None or item[0] > self._ctx.time:
            raise InvariantBroken("nothing is due")
        ctx = self._ctx
        before, told = ctx.cost, len(ctx.events)
        self._overlay.begin()
        ctx.cost_limit = before + self._budget - POSTPONING
        try:
            self._do(item)
        except Refused as refusal:
            self._overlay.rollback()
            del ctx.events[told:]
            ctx.cost = min(ctx.cost, ctx.cost_limit)
            ctx.cost_limit = MAX_INT
            self._postpone(item, refusal)
        # Finding the item is paid for at least: else a step that does nothing and is never done would end no block.
        ctx.cost = max(ctx.cost, before + READ)
        self.is_over = not self._more()
        return ctx.cost - before

    def _do(self, item: AgendaItem) -> None:
        due, key = item
        duty, parts = self._duties.of(key)
        told = len(self._ctx.events)
        if not duty.handler(self._ctx, due, *parts):
            AGENDA.discard(self._ctx, item=item)
        require_encodable(self._ctx.events[told:])

    def _postpone(self, item: AgendaItem, refusal: Refused) -> None:
        ctx = self._ctx
        due = min(ctx.time + POSTPONED_MS, MAX_INT)
        AGENDA.discard(ctx, item=item)
        AGENDA.add(ctx, item=(due, item[1]))
        ctx.emit(Postponed(item[1], due, refusal.code, refusal.message))
