"""What needs no vote: key rotation, reports of evidence, and what the chain is set to."""

from __future__ import annotations

from contracts_py.gov import reports
from contracts_py.gov.actions import Actions
from contracts_py.gov.answers import ReportMade, ReportShown, Rotation
from contracts_py.gov.events import KeyRotated
from contracts_py.gov.records import ReportCount, Statement, Step
from vm.contract_api import (
    DEFAULT_PAGE,
    Context,
    Contract,
    Count,
    Cursor,
    Page,
    PageLimit,
    Params,
    PublicKey,
    call,
    current_params,
    view,
)


class Upkeep(Contract):
    """The room for what needs no vote."""

    name = "gov"

    def __init__(self, actions: Actions) -> None:
        self._actions = actions

    @call
    def rotate_key(self, ctx: Context, old: PublicKey, new: PublicKey) -> Rotation:
        """Give a brand's validator another key: signed by an admin of the brand and by the new key."""
        brand = self._actions.rotate_key(ctx, old, new)
        decides = ctx.height + 2
        ctx.emit(KeyRotated(brand, old, new, decides))
        return Rotation(brand, old, new, decides)

    @call
    def report(
        self,
        ctx: Context,
        validator: PublicKey,
        height: Count,
        round_: Count,
        step: Step,
        first: Statement,
        second: Statement,
    ) -> ReportMade:
        """Record that a validator signed two different statements for one step; anyone may, as it proves itself."""
        return reports.record_report(ctx, validator, height, round_, step, first, second)

    @view
    def params(self, ctx: Context) -> Params:
        """Return the chain's parameters, as they hold from the next height on."""
        return current_params(ctx)

    @view
    def reports(
        self, ctx: Context, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[ReportShown]:
        """Return what was reported, in the order of recording."""
        return reports.list_reports(ctx, cursor, limit)

    @view
    def reported(self, ctx: Context, validator: PublicKey) -> ReportCount:
        """Return how often a validator was reported."""
        return reports.report_count(ctx, validator)
