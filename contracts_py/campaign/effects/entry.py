"""Tickets of a draw."""

from __future__ import annotations

from collections.abc import Sequence

from contracts_py.campaign.draw_entries import enter, withdraw
from contracts_py.campaign.draw_records import DRAWS
from contracts_py.campaign.effect_types import Entered, EntryArg, EntryEffect
from contracts_py.campaign.effects.numbers import amount_from
from contracts_py.campaign.facts import Sight
from contracts_py.campaign.kinds import Draft, Run, Value
from contracts_py.campaign.types import source_of
from vm.contract_api import Context, Refused


class EntryKind:
    """Effects `entry`."""

    issues = False

    def check(self, ctx: Context, draft: Draft, arg: EntryArg, field: str) -> EntryEffect:
        """See `Kind`. A draw names its campaign, so it may be opened after it: until then the rule is skipped."""
        draw = DRAWS.get(ctx, arg.draw)
        if draw is not None and draw.brand != draft.brand:
            raise Refused("NOT_AUTHORISED", "the draw is another brand's", draw=arg.draw)
        return EntryEffect(arg.draw, source_of(arg.count))

    def expressions(self, effect: EntryEffect) -> Sequence[str]:
        """See `Kind`."""
        return (effect.count,)

    def plan(self, ctx: Context, sight: Sight, effect: EntryEffect, values: Sequence[Value]) -> tuple[str, int]:
        """See `Kind`."""
        return effect.draw, amount_from(values[0], "entry.count")

    def worth(self, ctx: Context, planned: tuple[str, int]) -> int:
        """See `Kind`: what a ticket is worth is not known."""
        return 0

    def apply(self, ctx: Context, run: Run, planned: tuple[str, int]) -> Entered | None:
        """See `Kind`. Tickets that a return found in a closed draw stay as they were."""
        draw, count = planned
        record = DRAWS.require(ctx, draw)
        if record.status != "open" or record.closes <= ctx.time:
            for given in run.before:
                if isinstance(given, Entered) and given.draw == draw:
                    return given
        if not count:
            return None
        enter(ctx, draw, run.campaign, run.cause.member, count)
        return Entered(draw, count)

    def undo(self, ctx: Context, run: Run, given: Entered) -> str | None:
        """See `Kind`: once entries are closed, they stay."""
        if withdraw(ctx, given.draw, run.cause.member, given.count):
            return None
        return f"{given.count} entries of the draw {given.draw}, which is closed"
