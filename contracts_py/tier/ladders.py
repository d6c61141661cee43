"""Ladders: defined, defined anew with notice, and shown."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from contracts_py.calendar import local_day, start_of_day
from contracts_py.identity import Authority
from contracts_py.tier.answers import LadderDefined, LadderShown, LevelShown, TermsShown
from contracts_py.tier.courses import Clock, horizon_days, landing_days, no_worse, ranked
from contracts_py.tier.events import Defined
from contracts_py.tier.records import (
    DEFAULT_LADDER,
    DEFAULT_NOTICE_DAYS,
    LADDER_OF,
    LADDERS,
    MAX_HORIZON_DAYS,
    MAX_LADDERS,
    MAX_TERMS,
    MEMBERS,
    SWEEPS,
    SWEPT,
    Days,
    EventTypes,
    Ladder,
    Level,
    Levels,
    Listed,
    Metric,
    Terms,
    WindowDays,
    WindowKind,
)
from contracts_py.tier.windows import YEAR_DAYS
from vm.contract_api import Context, Contract, Refused, Slug, call, refuse, view

DEFAULT_EVENTS: Final[dict[str, tuple[str, ...] | None]] = {
    "points": None,
    "spend": ("purchase",),
    "visits": ("purchase", "visit"),
    "events": None,
}
"""Which events a metric counts where a ladder does not say it; points are counted by rules, not by events."""


class Ladders(Contract):
    """The room for ladders."""

    name = "tier"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @call
    def define(
        self,
        ctx: Context,
        brand: Slug,
        metric: Metric,
        levels: Levels,
        grace_days: Days,
        window_days: WindowDays | None = None,
        ladder: Slug | None = None,
        window: WindowKind | None = None,
        soft_landing: bool = False,
        events: EventTypes | None = None,
        notice_days: Days | None = None,
    ) -> LadderDefined:
        """Define a ladder, or new terms of one (a marketer or an admin of the brand).

        Terms that take something from members wait for the ladder's notice, unless it has no members yet.
        """
        record = self._authority.require_active(ctx, brand)
        self._authority.require_role(ctx, brand, "marketer", "admin")
        _check_levels(levels)
        clock = Clock.at(ctx.time, record.offsets)
        name, listed = _ladder_named(ctx, brand, ladder)
        former = LADDER_OF.get(ctx, brand, name)
        kind = window or ("sliding" if former is None else former.window)
        if notice_days is None:
            notice_days = DEFAULT_NOTICE_DAYS if former is None else former.terms[-1].notice_days
        terms = Terms(0, levels, _window_days(kind, window_days), grace_days, notice_days, soft_landing)
        if horizon_days(kind, terms) > MAX_HORIZON_DAYS:
            words = "window, grace and landings together are too long"
            raise Refused("LIMIT_EXCEEDED", words, limit=MAX_HORIZON_DAYS)
        counted = _events(metric, events)
        if former is None:
            _require_room(listed)
            LADDERS.put(ctx, (*listed, Listed(name, metric, counted)), brand)
            made = Ladder(metric, kind, (terms,))
        else:
            _require_same(former, metric, kind, listed, Listed(name, metric, counted), events is not None)
            made = self._redefined(ctx, brand, name, former, terms, clock)
        LADDER_OF.put(ctx, made, brand, name)
        starts = max(start_of_day(record.offsets, made.terms[-1].from_day), ctx.time)
        ctx.emit(Defined(brand, name, made.revision, starts))
        return LadderDefined(brand, name, made.revision, starts)

    def _redefined(self, ctx: Context, brand: str, name: str, ladder: Ladder, terms: Terms, clock: Clock) -> Ladder:
        """Return a ladder with other terms, and have the chain look at its members when these begin."""
        begun = [one for place, one in enumerate(ladder.terms) if one.from_day <= clock.today or not place]
        present = begun[-1]
        empty = MEMBERS.first(ctx, brand, name) is None
        if empty or no_worse(terms, present):
            # As if these had been the terms all along: they take nothing from anybody.
            kept, due = (*begun[:-1], replace(terms, from_day=present.from_day)), ctx.time
        else:
            from_day = clock.today + max(present.notice_days, 1)
            begun = _still_counting(begun, clock.today)
            if len(begun) == MAX_TERMS:
                words = "too many former terms still count; define it when the first of them no longer do"
                raise Refused("LIMIT_EXCEEDED", words, limit=MAX_TERMS)
            kept, due = (*begun, replace(terms, from_day=from_day)), start_of_day(clock.offsets, from_day)
        if not empty:
            SWEPT.delete(ctx, brand, name)
            SWEEPS.put(ctx, due, brand, name)
        return replace(ladder, terms=kept, revision=ladder.revision + 1)

    # Views

    @view
    def ladder(self, ctx: Context, brand: Slug, ladder: Slug | None = None) -> LadderShown:
        """Return a brand's ladder: the one named, or its default."""
        listed = LADDERS.require(ctx, brand)
        return self._shown(ctx, brand, next((one for one in listed if one.ladder == ladder), listed[0]), ladder)

    @view
    def ladders(self, ctx: Context, brand: Slug) -> tuple[LadderShown, ...]:
        """Return all of a brand's ladders, the default one first."""
        self._authority.brand_record(ctx, brand)
        return tuple([self._shown(ctx, brand, one, None) for one in LADDERS.get(ctx, brand) or ()])

    def _shown(self, ctx: Context, brand: str, listed: Listed, asked: str | None) -> LadderShown:
        ladder = LADDER_OF.require(ctx, brand, asked or listed.ladder)
        offsets = self._authority.brand_record(ctx, brand).offsets
        today = local_day(offsets, ctx.time)
        waiting = ladder.terms[-1] if len(ladder.terms) > 1 and ladder.terms[-1].from_day > today else None
        present = ladder.terms[-1 if waiting is None else -2]
        shown = [
            None if one is None else _terms_shown(one, start_of_day(offsets, one.from_day) if one.from_day else 0)
            for one in (present, waiting)
        ]
        assert shown[0] is not None
        return LadderShown(
            brand,
            listed.ladder,
            ladder.metric,
            ladder.window,
            ladder.revision,
            shown[0],
            shown[1],
            listed.events,
        )


def _ladder_named(ctx: Context, brand: str, ladder: str | None) -> tuple[str, tuple[Listed, ...]]:
    """Return the ladder that is meant, and all of the brand."""
    listed = LADDERS.get(ctx, brand) or ()
    if ladder is not None:
        return ladder, listed
    return (listed[0].ladder if listed else DEFAULT_LADDER), listed


def _check_levels(levels: tuple[Level, ...]) -> None:
    names = [level.name for level in levels]
    for place, level in enumerate(levels):
        if level.name in names[:place]:
            refuse(f"levels[{place}].name", "a name that no other level of the ladder has")
        if place and level.threshold <= levels[place - 1].threshold:
            refuse(f"levels[{place}].threshold", "more than that of the level before")
        if len({*level.benefits}) != len(level.benefits):
            refuse(f"levels[{place}].benefits", "no benefit twice")


def _window_days(kind: str, days: int | None) -> int:
    if kind == "sliding":
        if days is None:
            refuse("window_days", "the days of the sliding window")
        return days
    if days not in (None, YEAR_DAYS - 1, YEAR_DAYS):
        refuse("window_days", "nothing, or 365, as this window is a year")
    return YEAR_DAYS


def _events(metric: str, events: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if metric == "points" and events is not None:
        refuse("events", "nothing, as the points are counted by rules")
    return DEFAULT_EVENTS[metric] if events is None else tuple(sorted({*events}))


def _require_room(listed: tuple[Listed, ...]) -> None:
    if len(listed) == MAX_LADDERS:
        raise Refused("LIMIT_EXCEEDED", "the brand has as many ladders as it may", limit=MAX_LADDERS)


def _require_same(
    former: Ladder, metric: str, kind: str, listed: tuple[Listed, ...], new: Listed, events_given: bool
) -> None:
    """Refuse to count something else in a ladder: what was counted would stand for what it is not.

    Raises:
        Refused: NOT_ELIGIBLE.
    """
    old = next(one for one in listed if one.ladder == new.ladder)
    if former.metric != metric or former.window != kind or (events_given and old.events != new.events):
        words = "metric, window and events of a ladder stay: define another ladder"
        raise Refused("NOT_ELIGIBLE", words, ladder=new.ladder)


def _still_counting(begun: list[Terms], today: int) -> list[Terms]:
    """Return the terms that have judged days which still matter, and those after them."""
    landings = max(landing_days(one) * (len(one.levels) - 1) for one in begun)
    for place, one in enumerate(begun[:-1]):
        if begun[place + 1].from_day + one.grace_days + landings > today:
            return begun[place:]
    return begun[-1:]


def _terms_shown(terms: Terms, from_: int) -> TermsShown:
    levels = tuple(
        LevelShown(level.name, rank, level.threshold, level.benefits)
        for rank, level in enumerate(ranked(terms))
        if level is not None
    )
    return TermsShown(from_, levels, terms.window_days, terms.grace_days, terms.soft_landing, terms.notice_days)
