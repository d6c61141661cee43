"""Goods come back: what a record gave is undone, and with `keep` its rules run again for the goods that were kept.

All is undone first: points, tier points, counters on their day, unused vouchers, budgets, member uses. Then the
rules that had fired run again, at their versions, on the facts of then; points issued again keep their dates.

Invariants:
    1. LEFT is what stands of a record that was reversed; a record without it stands as it was made.
    2. A return_ref reverses once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from contracts_py.calendar import local_day
from contracts_py.campaign import experiments, profiles, uses
from contracts_py.campaign.answers import FIRED, ReversalDone, UndoneShown, cut, shown
from contracts_py.campaign.attrs import Attrs, checked, decoded
from contracts_py.campaign.deeds import LEFT, RECORDS, RETURNS, Fired, Left, Recorded, Return
from contracts_py.campaign.effects import Kinds
from contracts_py.campaign.engine import Candidate, Engine, Verdict, in_order, points_of
from contracts_py.campaign.events import ReversalTold
from contracts_py.campaign.facts import Sight, Sources, event_of
from contracts_py.campaign.hooks import CampaignHooks, RecordUndone
from contracts_py.campaign.journal import told
from contracts_py.campaign.kinds import Cause, Run
from contracts_py.campaign.records import CAMPAIGNS, VERSIONS, Terms
from vm.contract_api import (
    MAX_INT,
    Context,
    Contract,
    InvariantBroken,
    Ref,
    Refused,
    Slug,
    call,
    current_params,
)

Value = Any


class Reversals(Contract):
    """The room for what comes back."""

    name = "campaign"

    def __init__(self, sources: Sources, engine: Engine, kinds: Kinds, hooks: CampaignHooks) -> None:
        self._sources = sources
        self._engine = engine
        self._kinds = kinds
        self._hooks = hooks

    @call
    def reverse(
        self,
        ctx: Context,
        brand: Slug,
        event: Slug,
        ref: Ref,
        return_ref: Ref,
        keep: Attrs | None = None,
    ) -> ReversalDone:
        """Undo what a record gave (issuer); with `keep`, the attributes of what was kept, its rules run again.

        A `return_ref` reverses once. Of a record that was reversed in part the rest can be, until it is wholly.
        """
        authority = self._sources.authority
        authority.require_role(ctx, brand, "issuer")
        brand_record = authority.brand_record(ctx, brand) if keep is None else authority.require_active(ctx, brand)
        recorded, left = self._require_left(ctx, brand, event, ref, return_ref)
        values, data = (None, None) if keep is None else checked(ctx, keep, "keep")
        receiver = authority.current_account(ctx, recorded.member)
        cause = _cause_of(ctx, brand_record.offsets, brand, event, ref, recorded, receiver)
        before = decoded(left.attrs or b"\x80")
        undone = [self._undo(ctx, cause, fired, before) for fired in reversed(left.fired)]
        self._change_facts(ctx, cause, before, values)
        verdicts = [] if values is None else self._run_again(ctx, cause, recorded, left.fired, values)
        fired = tuple([verdict.fired for verdict in verdicts if verdict.outcome == FIRED])
        LEFT.put(ctx, Left(data, fired), brand, event, ref)
        RETURNS.put(ctx, Return(ctx.tx_id or None, event, ref), brand, return_ref)
        rules, _ = told(verdicts)
        ctx.emit(ReversalTold(brand, event, recorded.member, ref, return_ref, tuple(undone), rules))
        said = RecordUndone(brand, event, recorded.member, ref, return_ref, recorded.at, values)
        self._hooks.reversed.tell_each(ctx, said)
        return ReversalDone(tuple(undone), tuple([one.campaign for one in fired]))

    def _require_left(
        self, ctx: Context, brand: str, event: str, ref: str, return_ref: str
    ) -> tuple[Recorded, Left]:
        """Return a record, and what is left of it.

        Raises:
            Refused: DUPLICATE_REF, NOT_FOUND; NOT_ELIGIBLE, all of it has come back.
        """
        used = RETURNS.get(ctx, brand, return_ref)
        if used is not None:
            raise Refused(
                "DUPLICATE_REF", "the reference has been used", tx=used.tx, event=used.event, ref=used.ref
            )
        recorded = RECORDS.get(ctx, brand, event, ref)
        if recorded is None:
            raise Refused("NOT_FOUND", "nothing is recorded under this reference", ref=ref)
        left = LEFT.get(ctx, brand, event, ref) or Left(recorded.attrs, recorded.fired)
        if left.attrs is None:
            raise Refused("NOT_ELIGIBLE", "all of it has come back", ref=ref)
        return recorded, left

    def _undo(self, ctx: Context, cause: Cause, fired: Fired, attrs: Mapping[str, Value]) -> UndoneShown:
        """Undo what one campaign gave, and return what could not be."""
        terms = _terms_of(ctx, fired)
        run = Run(cause, fired.campaign, terms)
        left = []
        for given in reversed(fired.given):
            note = self._kinds.by_type[type(given)].undo(ctx, run, given)
            if note is not None:
                left.append(cut(note))
        if terms.per_member is not None:
            uses.give_back(ctx, fired.campaign, terms.per_member, cause.day, cause.member)
        if fired.arm is not None:
            person = self._sources.authority.linked_addresses(ctx, cause.member)[0]
            spend, points = profiles.amount_of(attrs), points_of(fired.given)
            experiments.count(ctx, fired.campaign, fired.arm, person, -spend, -points, records=-1)
        return UndoneShown(fired.campaign, tuple([shown(given) for given in fired.given]), tuple(left))

    def _change_facts(
        self, ctx: Context, cause: Cause, before: Mapping[str, Value], kept: Mapping[str, Value] | None
    ) -> None:
        """Let profile and tier metrics be as if only what was kept had been bought, on its day.

        Nothing is kept that was not bought: an amount that has grown changes neither.
        """
        old = profiles.amount_of(before)
        brand, member, event = cause.brand, cause.member, cause.event
        returned = old if kept is None else max(0, old - profiles.amount_of(kept))
        whole = kept is None
        take_note = self._sources.tiers.take_note
        ctx.attempt(partial(take_note, ctx, brand, member, event, returned, cause.at, whole=whole))
        if whole:
            profiles.take_back(ctx, brand, member, event, old, cause.at, cause.day)
        elif event == "purchase":
            profiles.lower_spend(ctx, brand, member, returned, cause.day)

    def _run_again(
        self,
        ctx: Context,
        cause: Cause,
        recorded: Recorded,
        fired: Sequence[Fired],
        values: Mapping[str, Value],
    ) -> list[Verdict]:
        event = event_of(values, cause.event, cause.ref, cause.at)
        sight = Sight(
            ctx, self._sources, cause.brand, cause.member, event, cause.day, recorded.facts, recorded.time
        )
        again = {}
        for one in fired:
            campaign = CAMPAIGNS.require(ctx, one.campaign)
            again[one.campaign] = Candidate(one.campaign, campaign, one.version, _terms_of(ctx, one)), one
        ordered = in_order([candidate for candidate, _ in again.values()])
        return self._engine.run_again(ctx, sight, cause, [again[candidate.name] for candidate in ordered])


def _terms_of(ctx: Context, fired: Fired) -> Terms:
    terms = VERSIONS.get(ctx, fired.campaign, fired.version)
    if terms is None:
        raise InvariantBroken(f"{fired.campaign} has no version {fired.version}")
    return terms


def _cause_of(
    ctx: Context, offsets: Any, brand: str, event: str, ref: str, recorded: Recorded, receiver: str
) -> Cause:
    day = local_day(offsets, recorded.at)
    oldest = min(ctx.time - current_params(ctx).max_backdate_ms, recorded.at)
    oldest_day = local_day(offsets, max(0, min(oldest, MAX_INT)))
    return Cause(brand, offsets, event, recorded.member, receiver, ref, recorded.at, recorded.time, day, oldest_day)
