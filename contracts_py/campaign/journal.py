"""Keeping what happened: from what a till says to the record that stands.

    journal.record(ctx, brand, event, member, ref, at, attrs)        checks no role

Every room that makes something happen by itself records it here.

Invariants:
    1. (brand, event, ref) is recorded once.
    2. DAYS names the last record of an event on a day of block time, and each record the one before it on that day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from contracts_py.calendar import Offsets, local_day
from contracts_py.campaign import profiles
from contracts_py.campaign.answers import FIRED, Told, cut, shown
from contracts_py.campaign.attrs import checked
from contracts_py.campaign.deeds import DAYS, RECORDS, DayHead, Recorded
from contracts_py.campaign.engine import Engine, Verdict
from contracts_py.campaign.events import MAX_TOLD, RecordTold
from contracts_py.campaign.facts import Sight, Sources, event_of
from contracts_py.campaign.hooks import CampaignHooks, RecordMade
from contracts_py.campaign.kinds import Cause
from contracts_py.nft import Badges
from vm.contract_api import MS_PER_DAY, Context, Refused, current_params

Value = Any


@dataclass(frozen=True, slots=True)
class Journal:
    """Records what happened, with all that follows.

    Attributes:
        badges: told of each event.
    """

    sources: Sources
    engine: Engine
    badges: Badges
    hooks: CampaignHooks

    def record(
        self, ctx: Context, brand: str, event: str, member: str, ref: str, at: int, attrs: Mapping[str, Any]
    ) -> list[Verdict]:
        """Record something, run the brand's rules, and tell who listens; return what became of each campaign.

        Raises:
            Refused: SUSPENDED, DUPLICATE_REF, EXPIRED, INVALID_ARGS, LIMIT_EXCEEDED.
        """
        used = RECORDS.get(ctx, brand, event, ref)
        if used is not None:
            raise Refused("DUPLICATE_REF", "the reference has been recorded", tx=used.tx, account=used.member)
        cause, sight, values, data = self._seen(ctx, brand, event, member, ref, at, attrs)
        verdicts = self.engine.run(ctx, sight, cause, self.engine.candidates(ctx, brand, event))
        facts = sight.remembered()
        self._note(ctx, cause, sight, values)
        fired = tuple([verdict.fired for verdict in verdicts if verdict.outcome == FIRED])
        before = _next_of_day(ctx, cause)
        recorded = Recorded(ctx.tx_id or None, cause.member, at, ctx.time, data, facts, fired, before)
        RECORDS.put(ctx, recorded, brand, event, ref)
        rules, untold = told(verdicts)
        ctx.emit(RecordTold(brand, event, cause.member, ref, at, rules, untold))
        made = RecordMade(brand, event, cause.member, ref, at, values, fired_of(verdicts))
        self.hooks.recorded.tell_each(ctx, made)
        return verdicts

    def preview(
        self, ctx: Context, brand: str, event: str, member: str, ref: str, at: int, attrs: Mapping[str, Any]
    ) -> list[Verdict]:
        """Return what `record` would do; the caller rehearses it."""
        cause, sight, _, _ = self._seen(ctx, brand, event, member, ref, at, attrs)
        return self.engine.run(ctx, sight, cause, self.engine.candidates(ctx, brand, event))

    def _seen(
        self, ctx: Context, brand: str, event: str, member: str, ref: str, at: int, attrs: Mapping[str, Any]
    ) -> tuple[Cause, Sight, dict[str, Value], bytes]:
        """Return what is to be recorded, what rules see of it, and the attributes with their canonical bytes."""
        offsets = self.sources.authority.require_active(ctx, brand).offsets
        account = self.sources.authority.current_account(ctx, member)
        values, data = checked(ctx, attrs)
        cause = cause_of(ctx, offsets, brand, event, account, ref, at)
        sight = Sight(ctx, self.sources, brand, account, event_of(values, event, ref, at), cause.day)
        return cause, sight, values, data

    def _note(self, ctx: Context, cause: Cause, sight: Sight, values: Mapping[str, Value]) -> None:
        """Let the member's own facts change, after the rules have seen them."""
        amount = profiles.amount_of(values)
        profiles.note(ctx, cause.brand, cause.member, cause.event, amount, cause.at, cause.day)
        tiers, badges = self.sources.tiers, self.badges
        ctx.attempt(partial(tiers.note, ctx, cause.brand, cause.member, cause.event, amount, cause.at))
        facts = sight.values["event"]
        ctx.attempt(partial(badges.on_event, ctx, cause.brand, cause.member, cause.event, facts))


def fired_of(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Return the campaigns that fired."""
    return tuple([verdict.candidate.name for verdict in verdicts if verdict.outcome == FIRED])


def cause_of(ctx: Context, offsets: Offsets, brand: str, event: str, member: str, ref: str, at: int) -> Cause:
    """Return what is recorded, once its time is one that may be.

    Raises:
        Refused: INVALID_ARGS, it is to come; EXPIRED, it is too long ago.
    """
    oldest = ctx.time - current_params(ctx).max_backdate_ms
    if at > ctx.time:
        raise Refused("INVALID_ARGS", "at: expected a time that has come", field="at", time=ctx.time)
    if at < oldest:
        raise Refused("EXPIRED", "it happened too long ago to be recorded", at=at, oldest=oldest)
    days = local_day(offsets, at), local_day(offsets, max(0, oldest))
    return Cause(brand, offsets, event, member, member, ref, at, ctx.time, *days)


def _next_of_day(ctx: Context, cause: Cause) -> str | None:
    """Make a record the last of its day; return the one before it."""
    key = (cause.brand, cause.event, ctx.time // MS_PER_DAY)
    head = DAYS.get(ctx, *key)
    DAYS.put(ctx, DayHead(cause.ref, 1 if head is None else head.count + 1), *key)
    return None if head is None else head.ref


def told(verdicts: Sequence[Verdict]) -> tuple[tuple[Told, ...], int]:
    """Return what a receipt says: all that fired, and the first of the others; and how many it leaves out."""
    room = MAX_TOLD - sum([verdict.outcome == FIRED for verdict in verdicts])
    lines = []
    for verdict in verdicts:
        if verdict.outcome != FIRED:
            room -= 1
            if room < 0:
                continue
        lines.append(line_of(verdict))
    return tuple(lines), len(verdicts) - len(lines)


def line_of(verdict: Verdict) -> Told:
    """Return what is told of one verdict."""
    gave = tuple([shown(one) for one in verdict.given])
    why = None if verdict.why is None else cut(verdict.why)
    candidate = verdict.candidate
    return Told(candidate.name, verdict.outcome, candidate.version, gave, why, verdict.arm)
