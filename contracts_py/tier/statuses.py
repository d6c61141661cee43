"""Statuses, as clients ask for them: of a member, of a ladder's members, of those whose level is about to fall."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from contracts_py.identity import Authority
from contracts_py.tier.answers import Falling, GateShown, GivenShown, StatusShown
from contracts_py.tier.courses import Course, ranked
from contracts_py.tier.records import ALARMS, LADDERS_OF_MEMBER, MEMBERS
from contracts_py.tier.seats import Place, Seat, default_ladder, seat_in
from contracts_py.tier.tiers import Tiers, benefits_of
from vm.contract_api import (
    DEFAULT_PAGE,
    MAX_INT,
    Address,
    Context,
    Contract,
    Cursor,
    Page,
    PageLimit,
    Ref,
    Slug,
    Stored,
    TimeMs,
    as_cursor,
    from_cursor,
    paged,
    view,
)

MAX_LOOKED_AT: Final = 1_000
"""Alarms that one page of `falling` looks at, whether or not their members' levels fall in the time asked for."""

_LADDER: Final[Stored[tuple[str, str]]] = Stored(tuple[Slug, Slug], "tier/ladders-of")


class Statuses(Contract):
    """The room for what members have reached."""

    name = "tier"

    def __init__(self, authority: Authority, tiers: Tiers) -> None:
        self._authority = authority
        self._tiers = tiers

    @view
    def status(self, ctx: Context, brand: Slug, member: Address, ladder: Slug | None = None) -> StatusShown:
        """Return a member's status in a brand's ladder, the one named or its default, at block time."""
        return _shown(seat_in(ctx, self._authority, brand, ladder, member), member)

    @view
    def statuses(
        self, ctx: Context, member: Address, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[StatusShown]:
        """Return a member's statuses in all ladders in which it, or one linked to it, has collected anything."""
        after = None if cursor is None else from_cursor(_LADDER, cursor)
        addresses = self._authority.linked_addresses(ctx, member)
        found = sorted({entry for one in addresses for entry in LADDERS_OF_MEMBER.get(ctx, one) or ()})
        rest = iter([entry for entry in found if after is None or entry > after])

        def show(entry: tuple[str, str]) -> StatusShown:
            return _shown(seat_in(ctx, self._authority, *entry, member), member)

        return paged(rest, limit, show, lambda _, last: as_cursor(last))

    @view
    def members(
        self,
        ctx: Context,
        brand: Slug,
        ladder: Slug | None = None,
        cursor: Cursor | None = None,
        limit: PageLimit = DEFAULT_PAGE,
    ) -> Page[StatusShown]:
        """Return the statuses of all that have collected anything in a ladder, in the order of addresses."""
        place = Place(ctx, self._authority, brand, ladder or default_ladder(ctx, brand))

        def show(member: str) -> StatusShown:
            return _shown(Seat(ctx, self._authority, place, member), member)

        return MEMBERS.page(ctx, brand, place.name, cursor=cursor, limit=limit, show=show)

    @view
    def falling(
        self,
        ctx: Context,
        brand: Slug,
        from_: TimeMs = 0,
        to: TimeMs = MAX_INT,
        ladder: Slug | None = None,
        cursor: Cursor | None = None,
        limit: PageLimit = DEFAULT_PAGE,
    ) -> Page[Falling]:
        """Return the members whose level ends at `from` or later and before `to` unless something is added.

        They come in the order in which the chain will look at them, which is the order of their ends or an earlier
        place in it. A page may be short, or empty, and have a next one.
        """
        place = Place(ctx, self._authority, brand, ladder or default_ladder(ctx, brand))
        after = None if cursor is None else from_cursor(ALARMS.item, cursor)
        items: list[Falling] = []
        looked = 0
        last: tuple[int, str] | None = None
        for alarm in self._alarms(ctx, place, after, to):
            if len(items) == limit or looked == MAX_LOOKED_AT:
                return Page(items, as_cursor(last))
            looked, last = looked + 1, alarm
            found = _falling(Seat(ctx, self._authority, place, alarm[1]))
            if found is not None and from_ <= found.until < to:
                items.append(found)
        return Page(items, None)

    def _alarms(
        self, ctx: Context, place: Place, after: tuple[int, str] | None, to: int
    ) -> Iterator[tuple[int, str]]:
        """Yield the alarms before a time: no level falls before its member's rings."""
        for alarm in ALARMS.iterate(ctx, place.brand, place.name, after=after):
            if alarm[0] >= to:
                return
            yield alarm

    @view
    def grants(self, ctx: Context, brand: Slug, member: Address, benefit: Ref) -> GateShown:
        """Tell whether a member has a benefit of a brand now: the gate that rewards and tills ask."""
        self._authority.brand_record(ctx, brand)
        for seat in self._tiers.seats(ctx, brand, member):
            if benefit in benefits_of(seat):
                course = seat.course()
                return GateShown(True, seat.place.name, course.name, course.until)
        return GateShown(False, None, None, None)


def _shown(seat: Seat, member: str) -> StatusShown:
    course = seat.course()
    levels = ranked(course.terms)
    above = levels[course.rank + 1] if course.rank + 1 < len(levels) else None
    level = course.level
    given = [one for standing in seat.standings.values() for one in standing.given]
    return StatusShown(
        seat.place.brand,
        seat.place.name,
        member,
        course.name,
        course.rank,
        min(course.points, MAX_INT),
        None if above is None else above.name,
        None if above is None else max(above.threshold - course.points, 0),
        0 if level is None else max(level.threshold - course.points, 0),
        seat.since(course),
        course.until,
        benefits_of(seat),
        tuple(
            [
                GivenShown(one.level, one.until, one.kind, one.reason)
                for one in given
                if one.until > seat.place.clock.time
            ]
        ),
    )


def _falling(seat: Seat) -> Falling | None:
    course: Course = seat.course()
    if course.level is None or course.until is None:
        return None
    missing = max(course.level.threshold - course.points, 0)
    return Falling(seat.member, course.level.name, course.rank, course.until, missing)
