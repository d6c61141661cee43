"""What happens is recorded, previewed, looked up."""

from __future__ import annotations

from contracts_py.calendar import local_day
from contracts_py.campaign import profiles
from contracts_py.campaign.answers import FIRED, Extent, Preview, ProfileShown, RecordDone, RecordShown, Told, shown
from contracts_py.campaign.attrs import Attrs
from contracts_py.campaign.deeds import LEFT, PROFILES, RECORDS, Fired
from contracts_py.campaign.journal import Journal, fired_of, told
from contracts_py.identity import Authority
from vm.contract_api import Address, Context, Contract, Ref, Refused, Slug, TimeMs, call, view


class Recordings(Contract):
    """The room for records."""

    name = "campaign"

    def __init__(self, authority: Authority, journal: Journal) -> None:
        self._authority = authority
        self._journal = journal

    @call
    def record(
        self, ctx: Context, brand: Slug, event: Slug, member: Address, ref: Ref, at: TimeMs, attrs: Attrs
    ) -> RecordDone:
        """Record something that happened, and run the brand's campaigns of that event (issuer).

        (brand, event, ref) is recorded once. The record stands whatever the campaigns do; the event
        `campaign.recorded` tells which fired, what each gave, and why the others did not.
        """
        self._authority.require_role(ctx, brand, "issuer")
        return RecordDone(fired_of(self._journal.record(ctx, brand, event, member, ref, at, attrs)))

    @view
    def preview(
        self,
        ctx: Context,
        brand: Slug,
        event: Slug,
        member: Address,
        attrs: Attrs,
        at: TimeMs | None = None,
        ref: Ref | None = None,
    ) -> Preview:
        """Return what a record would do now; it happens now under the ref `preview`, where that is not said."""
        at = ctx.time if at is None else at
        verdicts = ctx.rehearse(
            lambda: self._journal.preview(ctx, brand, event, member, ref or "preview", at, attrs)
        )
        rules, untold = told(verdicts)
        return Preview(list(rules), untold)

    @view
    def record_view(self, ctx: Context, brand: Slug, event: Slug, ref: Ref) -> RecordShown:
        """Return what was recorded under a reference, and what is left of what it gave."""
        self._authority.brand_record(ctx, brand)
        recorded = RECORDS.get(ctx, brand, event, ref)
        if recorded is None:
            raise Refused("NOT_FOUND", "nothing is recorded under this reference", ref=ref)
        left = LEFT.get(ctx, brand, event, ref)
        fired = recorded.fired if left is None else left.fired
        undone: Extent = "no" if left is None else "whole" if left.attrs is None else "in part"
        lines = [_line_of(one) for one in fired]
        return RecordShown(brand, event, ref, recorded.tx, recorded.member, recorded.at, lines, undone)

    @view
    def profile(self, ctx: Context, brand: Slug, member: Address) -> ProfileShown:
        """Return what a member has done at a brand, as rules read it now, those merged into it included."""
        offsets = self._authority.brand_record(ctx, brand).offsets
        accounts = tuple(self._authority.accounts_of(ctx, member))
        kept = [PROFILES.get(ctx, brand, one) for one in accounts]
        joined = profiles.joined([one for one in kept if one is not None])
        counters = profiles.counters(joined, local_day(offsets, ctx.time))
        return ProfileShown(brand, member, counters, profiles.named_of(ctx, brand, accounts))


def _line_of(fired: Fired) -> Told:
    gave = tuple([shown(one) for one in fired.given])
    return Told(fired.campaign, FIRED, fired.version, gave, arm=fired.arm)
