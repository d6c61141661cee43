"""What a rule would have issued for past records: a page at a time, newest first, writing nothing.

Each record keeps what the till said and what rules have read of the member, so the past is judged by the facts of
then; what no rule had read is taken from today, and such records are counted as `assumed`. The rule is judged by
itself: member limits within the page, the budget over all pages, neither groups nor stacks, nor whether it had
begun then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

from msgspec.structs import replace

from contracts_py.calendar import Offsets, local_day
from contracts_py.campaign import experiments, uses
from contracts_py.campaign.answers import Replay
from contracts_py.campaign.attrs import decoded
from contracts_py.campaign.deeds import DAYS, LEFT, RECORDS, Fired, Left, Recorded
from contracts_py.campaign.effect_types import EffectArgs
from contracts_py.campaign.effects import Kinds
from contracts_py.campaign.effects.issue import PlannedIssue
from contracts_py.campaign.engine import Candidate, Engine, Plan, points_of
from contracts_py.campaign.facts import BrandHost, Sight, Sources, event_of
from contracts_py.campaign.kinds import Draft
from contracts_py.campaign.records import CAMPAIGNS, Terms
from contracts_py.campaign.terms import checked_effects, require_sound
from contracts_py.campaign.types import Source
from vm.contract_api import (
    MAX_INT,
    MS_PER_DAY,
    Context,
    Contract,
    InvariantBroken,
    Meta,
    Slug,
    TimeMs,
    code,
    refuse,
    view,
)

MAX_DAYS_LOOKED_AT = 400
"""Days that one page looks at, with or without records: a year, and some."""

ReplayLimit = Annotated[int, Meta(ge=1, le=1_000)]
ReplayCursor = Annotated[str, code(128), Meta(max_length=128)]


class _Place(NamedTuple):
    """Where a page begins: a day, what of the budget is spent, and the record; "" for the last of the day."""

    day: int
    spent: int
    ref: str


@dataclass(slots=True)
class _Totals:
    """What a page has come to."""

    spent: int
    looked: int = 0
    records: int = 0
    fires: int = 0
    errors: int = 0
    issued: int = 0
    would_issue: int = 0
    assumed: int = 0
    uses: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


class Replays(Contract):
    """The room for replays."""

    name = "campaign"

    def __init__(self, sources: Sources, engine: Engine, kinds: Kinds) -> None:
        self._sources = sources
        self._engine = engine
        self._kinds = kinds

    @view
    def replay(
        self,
        ctx: Context,
        campaign: Slug,
        from_: TimeMs,
        to: TimeMs,
        when: Source | None = None,
        then: EffectArgs | None = None,
        cursor: ReplayCursor | None = None,
        limit: ReplayLimit = 200,
    ) -> Replay:
        """Return what a rule would have issued for records of block times from `from` until before `to`.

        The rule is the campaign's latest version, with another condition or other effects where they are given.
        """
        record = CAMPAIGNS.require(ctx, campaign)
        if to <= from_:
            refuse("to", "a time after from")
        terms = self._terms(
            ctx, record.terms if record.announced is None else record.announced.terms, when, then, record.brand
        )
        place = _Place((min(to, ctx.time + 1) - 1) // MS_PER_DAY, 0, "") if cursor is None else _place_of(cursor)
        candidate = Candidate(campaign, record, record.version, terms)
        totals = _Totals(place.spent)
        offsets = self._sources.authority.brand_record(ctx, record.brand).offsets
        rest = self._walk(ctx, candidate, offsets, place, from_, to, limit, totals)
        return self._shown(ctx, terms, totals, rest)

    def _terms(self, ctx: Context, terms: Terms, when: str | None, then: EffectArgs | None, brand: str) -> Terms:
        if when is not None:
            terms = replace(terms, when=when)
        if then is not None:
            effects = checked_effects(ctx, self._kinds, Draft(brand, terms.budget), then)
            terms = replace(terms, then=effects)
        require_sound(ctx, self._kinds, replace(terms, starts=0, ends=MAX_INT))
        return terms

    def _walk(
        self,
        ctx: Context,
        candidate: Candidate,
        offsets: Offsets,
        place: _Place,
        from_: int,
        to: int,
        limit: int,
        totals: _Totals,
    ) -> _Place | None:
        """Judge records from a place on; return where the next page begins."""
        brand, event = candidate.campaign.brand, candidate.campaign.event
        first = place.ref
        days = range(place.day, max(from_ // MS_PER_DAY, place.day - MAX_DAYS_LOOKED_AT) - 1, -1)
        for day in days:
            for ref, recorded in _records_of(ctx, brand, event, day, first):
                if recorded.time < from_:
                    return None
                if totals.looked == limit:
                    return _Place(day, totals.spent, ref)
                totals.looked += 1
                if recorded.time < to:
                    self._judge(ctx, candidate, offsets, ref, recorded, totals)
            first = ""
        return None if not days or days[-1] * MS_PER_DAY <= from_ else _Place(days[-1] - 1, totals.spent, "")

    def _judge(
        self,
        ctx: Context,
        candidate: Candidate,
        offsets: Offsets,
        ref: str,
        recorded: Recorded,
        totals: _Totals,
    ) -> None:
        """Count what the rule would have done for one record, and what the campaign did."""
        brand, event = candidate.campaign.brand, candidate.campaign.event
        left = LEFT.get(ctx, brand, event, ref) or Left(recorded.attrs, recorded.fired)
        if left.attrs is None:
            return
        totals.records += 1
        totals.issued += _issued_by(candidate.name, left.fired)
        day = local_day(offsets, recorded.at)
        facts = event_of(decoded(left.attrs), event, ref, recorded.at)
        member = self._sources.authority.current_account(ctx, recorded.member)
        sight = Sight(ctx, self._sources, brand, member, facts, day, recorded.facts, recorded.time)
        host = BrandHost(ctx, self._sources.lists, sight, offsets)
        plan = self._engine.plan(ctx, sight, host, candidate)
        totals.assumed += sight.assumed
        if not isinstance(plan, Plan):
            totals.errors += plan.outcome == "RULE_ERROR"
        elif plan.arm != experiments.HOLDOUT:
            self._count(ctx, candidate.terms, sight, day, plan, totals)

    def _count(self, ctx: Context, terms: Terms, sight: Sight, day: int, plan: Plan, totals: _Totals) -> None:
        amount = sum([planned.amount for _, planned in plan.effects if isinstance(planned, PlannedIssue)])
        if terms.budget is not None and totals.spent + amount > terms.budget.amount:
            return
        if terms.per_member is not None:
            person = sight.people()[0]
            used = totals.uses.setdefault(person, [])
            ctx.charge(len(used))
            kept_on = uses.day_of_use(terms.per_member, day)
            if uses.most_in_a_window(used, kept_on, terms.per_member.window_days) >= terms.per_member.count:
                return
            totals.uses[person] = uses.added_up([used, [(kept_on, 1)]])
        totals.fires += 1
        totals.would_issue += amount
        totals.spent += amount

    def _shown(self, ctx: Context, terms: Terms, totals: _Totals, rest: _Place | None) -> Replay:
        liability, currency = 0, None
        if terms.budget is not None:
            price = self._sources.ledger.rules(ctx, terms.budget.program).price
            liability, currency = price.at_most(totals.would_issue) - price.at_most(totals.issued), price.currency
        return Replay(
            totals.records,
            totals.fires,
            totals.errors,
            totals.issued,
            totals.would_issue,
            liability,
            totals.assumed,
            currency,
            None if rest is None else f"{rest.day}.{rest.spent}.{rest.ref}",
        )


def _records_of(ctx: Context, brand: str, event: str, day: int, first: str) -> Iterator[tuple[str, Recorded]]:
    """Yield the records of a day of block time from the last on, or from one of them."""
    head = DAYS.get(ctx, brand, event, day)
    ref = first or (None if head is None else head.ref)
    while ref is not None:
        recorded = RECORDS.get(ctx, brand, event, ref)
        if recorded is None:
            if first:
                refuse("cursor", "what an earlier page has answered as `next`")
            raise InvariantBroken(f"{brand} has no record {ref} of {event}, which a day names")
        yield ref, recorded
        ref = recorded.before


def _issued_by(campaign: str, fired: Sequence[Fired]) -> int:
    return sum([points_of(one.given) for one in fired if one.campaign == campaign])


def _place_of(cursor: str) -> _Place:
    day, _, rest = cursor.partition(".")
    spent, _, ref = rest.partition(".")
    numbers = all(text.isascii() and text.isdigit() and len(text) <= 16 for text in (day, spent))
    if not numbers or len(ref) > 64:
        refuse("cursor", "what an earlier page has answered as `next`")
    return _Place(int(day), int(spent), ref)
