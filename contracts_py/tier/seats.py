"""A shopper in one ladder: the standings of all linked addresses, of which what counts adds up.

Invariants:
    1. What is read is read once, and what has changed is written once, by `save`.
    2. All addresses of the shopper that have a standing are told of the same level, each change once.
    3. After `save` each of them whose level is above rank 0 has an alarm, at the end of the level or before it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from contracts_py.calendar import local_day
from contracts_py.identity import Authority
from contracts_py.tier.courses import Clock, Course, landing_days
from contracts_py.tier.events import Cause, Changed
from contracts_py.tier.hooks import TierChange, TierHooks
from contracts_py.tier.records import (
    ALARMS,
    LADDER_OF,
    LADDERS,
    LADDERS_OF_MEMBER,
    LOOKS,
    MAX_COUNTED,
    MAX_GRANTS,
    MAX_LADDERS_OF_MEMBER,
    MEMBERS,
    STANDINGS,
    Given,
    Ladder,
    Standing,
)
from contracts_py.tier.windows import YEAR_DAYS
from vm.contract_api import Context, Refused

COURSE: Final = 100
"""Work units for finding a level, and what becomes of it: some 8 µs, which is what as many units take elsewhere."""

DAYS_PER_UNIT: Final = 16
"""Days with points that are added up for one work unit: an integer addition each."""


class Place:
    """A ladder of a brand, in a block.

    Attributes:
        clock: the brand's.
        gives: whether the brand gives benefits; not once it has left the alliance.
    """

    __slots__ = ("brand", "clock", "gives", "ladder", "name")

    def __init__(self, ctx: Context, authority: Authority, brand: str, name: str) -> None:
        """Look up a ladder.

        Raises:
            Refused: NOT_FOUND.
        """
        record = authority.brand_record(ctx, brand)
        self.brand, self.name = brand, name
        self.ladder: Ladder = LADDER_OF.require(ctx, brand, name)
        self.clock = Clock.at(ctx.time, record.offsets)
        self.gives = not record.has_left(ctx.time)

    def day_of(self, at: int) -> int:
        """Return the day on which something counts: that of `at`, in the future none."""
        return min(max(local_day(self.clock.offsets, at), 0), self.clock.today)

    def course_of_nobody(self) -> Course:
        """Return the level of a shopper of whom nothing is known."""
        return Course(self.ladder, self.clock, (), ())

    def oldest(self) -> int:
        """Return the first day that may still matter, whoever's."""
        terms, kind = self.ladder.terms, self.ladder.window
        reach = max((one.window_days if kind == "sliding" else YEAR_DAYS) + one.grace_days for one in terms)
        landings = max(landing_days(one) * (len(one.levels) - 1) for one in terms)
        return max(self.clock.today + 1 - reach - landings, 0)


def default_ladder(ctx: Context, brand: str) -> str:
    """Return the name of a brand's default ladder.

    Raises:
        Refused: NOT_FOUND, the brand has none.
    """
    return LADDERS.require(ctx, brand)[0].ladder


def seat_in(ctx: Context, authority: Authority, brand: str, ladder: str | None, member: str) -> Seat:
    """Return a shopper in a ladder of a brand, the one named or its default.

    Raises:
        Refused: NOT_FOUND.
    """
    return Seat(ctx, authority, Place(ctx, authority, brand, ladder or default_ladder(ctx, brand)), member)


class Seat:
    """A shopper in a ladder.

    Attributes:
        place: the ladder.
        member: the address by which the shopper is looked at.
        standings: by address, of those that have one.
    """

    def __init__(self, ctx: Context, authority: Authority, place: Place, member: str) -> None:
        self._ctx, self._authority = ctx, authority
        self.place, self.member = place, member
        self.standings: dict[str, Standing] = {}
        for address in authority.linked_addresses(ctx, member):
            standing = STANDINGS.get(ctx, place.brand, place.name, address)
            if standing is not None:
                self.standings[address] = standing
        self._before = dict(self.standings)
        self._course: Course | None = None
        self._changes: list[tuple[TierHooks, TierChange]] = []

    def course(self) -> Course:
        """Return the shopper's level, and what becomes of it."""
        if self._course is None:
            self._course = self._course_of(self.standings)
        return self._course

    def course_with(self, day: int, amount: int) -> Course:
        """Return the same as if so many were counted on a day; nothing is written."""
        fresh = Standing((), (), 0)
        standing = self.standings.get(self.member, fresh)
        return self._course_of({**self.standings, self.member: self._counted(standing, day, amount)})

    def since(self, course: Course) -> int | None:
        """Return when the shopper reached the present level; None where nothing is known of him."""
        standing = self.standings.get(self.member) or next(iter(self.standings.values()), None)
        if standing is None:
            return None
        return standing.since if standing.told == course.name else course.reached_by_time() or self._ctx.time

    def own_course(self) -> Course:
        """Return the same without what other brands' levels have given."""
        return self._course_of(self.standings, matched=False)

    def _course_of(self, by_address: Mapping[str, Standing], *, matched: bool = True) -> Course:
        standings = list(by_address.values())
        self._ctx.charge(COURSE + sum([len(standing.days) for standing in standings]) // DAYS_PER_UNIT)
        given = [one for standing in standings for one in standing.given if matched or one.kind != "match"]
        return Course(self.place.ladder, self.place.clock, standings, given)

    # What changes

    def begin(self) -> None:
        """Give the member a standing, unless it has one; it shows what the shopper has already.

        Raises:
            Refused: NOT_ELIGIBLE, the account is a pool, was merged or erased; LIMIT_EXCEEDED, it has too many.
        """
        if self.member in self.standings:
            return
        ctx, key = self._ctx, (self.place.brand, self.place.name)
        self._authority.require_person(ctx, self.member)
        ladders = LADDERS_OF_MEMBER.get(ctx, self.member) or ()
        if len(ladders) >= MAX_LADDERS_OF_MEMBER:
            raise Refused("LIMIT_EXCEEDED", "the member has too many standings", limit=MAX_LADDERS_OF_MEMBER)
        LADDERS_OF_MEMBER.put(ctx, tuple(sorted((*ladders, key))), self.member)
        MEMBERS.add(ctx, *key, item=self.member)
        course = self.course()
        joined = None
        if self.place.ladder.window == "anniversary":
            enrolled = self._authority.enrolled_at(ctx, self.member, self.place.brand)
            joined = self.place.day_of(ctx.time if enrolled is None else enrolled)
        self._put(self.member, Standing((), (), ctx.time, course.name, course.rank, joined=joined))

    def add(self, day: int, amount: int) -> None:
        """Count so many on a day; nothing on one that is too old to matter.

        Raises:
            Refused: as of `begin`; LIMIT_EXCEEDED, it is more than a standing counts.
        """
        self.begin()
        standing = self._counted(self.standings[self.member], day, amount)
        if sum(standing.counts) > MAX_COUNTED:
            raise Refused("LIMIT_EXCEEDED", "more than a standing counts", limit=MAX_COUNTED)
        self._put(self.member, standing)

    def _counted(self, standing: Standing, day: int, amount: int) -> Standing:
        """Return a standing in which so many are counted on a day, without the days that matter no more."""
        oldest = self.place.oldest()
        first = bisect_left(standing.days, oldest)
        days, counts = list(standing.days[first:]), list(standing.counts[first:])
        if day >= oldest:
            place = bisect_left(days, day)
            if place == len(days) or days[place] != day:
                days.insert(place, day)
                counts.insert(place, 0)
            counts[place] += amount
        return replace(standing, days=tuple(days), counts=tuple(counts))

    def take(self, day: int, amount: int) -> None:
        """Take so many of a day back: from the member, what it does not have from the shopper's other addresses."""
        others = [address for address in self.standings if address != self.member]
        for address in (self.member, *others):
            standing = self.standings.get(address)
            if standing is None or not amount:
                continue
            place = bisect_left(standing.days, day)
            if place == len(standing.days) or standing.days[place] != day:
                continue
            taken = min(amount, standing.counts[place])
            amount -= taken
            self._put(address, _with_count(standing, place, standing.counts[place] - taken))

    def give(self, given: Given) -> None:
        """Give the member a level until a time, in place of what was given so before.

        Raises:
            Refused: as of `begin`; LIMIT_EXCEEDED, too many are in force.
        """
        self.begin()
        standing = self.standings[self.member]
        others = [one for one in standing.given if one.until > self._ctx.time and _slot(one) != _slot(given)]
        if len(others) >= MAX_GRANTS:
            raise Refused("LIMIT_EXCEEDED", "too many levels are given to the member", limit=MAX_GRANTS)
        self._put(self.member, replace(standing, given=tuple(sorted([*others, given], key=_slot))))

    def withdraw(self, level: str) -> int:
        """End what the member was given of a level; return how many grants and matches that were."""
        standing = self.standings.get(self.member)
        if standing is None:
            return 0
        left = tuple([one for one in standing.given if one.level != level or one.until <= self._ctx.time])
        self._put(self.member, replace(standing, given=left))
        return len(standing.given) - len(left)

    def _put(self, address: str, standing: Standing) -> None:
        self.standings[address] = standing
        self._course = None

    # What is told and stored

    def tell(self, hooks: TierHooks, cause: Cause | None = None) -> None:
        """Tell each address of the shopper whose level is not the one that was told last.

        Args:
            cause: why; None: time or something else, whichever it was.
        """
        course = self.course()
        by_time = course.reached_by_time() if cause is None else 0
        at, why = by_time or self._ctx.time, cause or ("time" if by_time else "other")
        for address, standing in list(self.standings.items()):
            if standing.told == course.name:
                continue
            self.standings[address] = replace(standing, told=course.name, told_rank=course.rank, since=at)
            levels = (standing.told, course.name, standing.told_rank, course.rank)
            change = TierChange(self.place.brand, self.place.name, address, *levels, at, why)
            emit_change(self._ctx, change)
            self._changes.append((hooks, change))

    def silence(self, address: str) -> None:
        """Forget an address's alarm, which has rung."""
        standing = self.standings.get(address)
        if standing is not None:
            self.standings[address] = replace(standing, alarm=None)

    def save(self) -> None:
        """Store what has changed, see to alarms, and tell the contracts above, which read what is stored."""
        until = self.course().until
        key = (self.place.brand, self.place.name)
        for address, standing in self.standings.items():
            if until is not None and (standing.alarm is None or until < standing.alarm):
                set_alarm(self._ctx, *key, address, standing, until)
            elif standing is not self._before.get(address):
                STANDINGS.put(self._ctx, standing, *key, address)
        changes, self._changes = self._changes, []
        for hooks, change in changes:
            hooks.changed.tell(self._ctx, change)


def _with_count(standing: Standing, place: int, count: int) -> Standing:
    days, counts = list(standing.days), list(standing.counts)
    counts[place] = count
    if not count:
        del days[place], counts[place]
    return replace(standing, days=tuple(days), counts=tuple(counts))


def _slot(given: Given) -> tuple[str, str]:
    """Return what a later one takes the place of: a grant of the same level, or a match of it."""
    return given.level, given.kind


def set_alarm(ctx: Context, brand: str, ladder: str, address: str, standing: Standing, time: int) -> None:
    """Store a standing with an alarm at a time, in place of the one that it has."""
    if standing.alarm is not None:
        ALARMS.discard(ctx, brand, ladder, item=(standing.alarm, address))
    ALARMS.add(ctx, brand, ladder, item=(time, address))
    LOOKS.put(ctx, time, brand, ladder)
    STANDINGS.put(ctx, replace(standing, alarm=time), brand, ladder, address)


def tell_change(ctx: Context, hooks: TierHooks, change: TierChange) -> None:
    """Tell clients, and the contracts above, of a change that is stored."""
    emit_change(ctx, change)
    hooks.changed.tell(ctx, change)


def emit_change(ctx: Context, change: TierChange) -> None:
    """Tell clients of a change."""
    whose = (change.brand, change.ladder, change.member)
    ranks = (change.from_rank, change.to_rank)
    ctx.emit(Changed(*whose, *ranks, change.at, change.cause, change.from_, change.to))
