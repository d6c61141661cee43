"""What contracts above ask tier, and tell it: statuses, gates, points, events. Plain methods; see docs/tiers.md."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from contracts_py.identity import Authority
from contracts_py.tier.answers import Status
from contracts_py.tier.courses import Course
from contracts_py.tier.hooks import TierHooks
from contracts_py.tier.records import LADDERS, MAX_COUNTED, Listed
from contracts_py.tier.seats import Place, Seat, seat_in
from vm.contract_api import Context, Refused, refuse


class Tiers:
    """Levels for the contracts above: campaigns, badges, rewards."""

    def __init__(self, authority: Authority, hooks: TierHooks) -> None:
        self._authority = authority
        self._hooks = hooks

    # Asking

    def status_of(self, ctx: Context, brand: str, member: str) -> Status | None:
        """Return a member's status in the brand's default ladder at block time; None where the brand has none."""
        ladders = LADDERS.get(ctx, brand)
        return None if ladders is None else self.standing_in(ctx, brand, member, ladders[0].ladder)

    def standing_in(self, ctx: Context, brand: str, member: str, ladder: str) -> Status:
        """Return a member's status in a ladder.

        Raises:
            Refused: NOT_FOUND.
        """
        seat = seat_in(ctx, self._authority, brand, ladder, member)
        return self._shown(ctx, seat, seat.course())

    def tier_of(self, ctx: Context, brand: str, member: str) -> tuple[str, int]:
        """Return name and rank of a member's level in the brand's default ladder; ("", 0) where there is none."""
        ladders = LADDERS.get(ctx, brand)
        if ladders is None:
            return "", 0
        course = seat_in(ctx, self._authority, brand, ladders[0].ladder, member).course()
        return course.name or "", course.rank

    def grants(self, ctx: Context, brand: str, member: str, benefit: str) -> bool:
        """Tell whether any of the brand's ladders gives a member a benefit at block time."""
        return any(benefit in benefits_of(seat) for seat in self.seats(ctx, brand, member))

    def seats(self, ctx: Context, brand: str, member: str) -> Iterator[Seat]:
        """Yield a member's seats in the brand's ladders, the default one first."""
        for listed in LADDERS.get(ctx, brand) or ():
            yield seat_in(ctx, self._authority, brand, listed.ladder, member)

    def preview(self, ctx: Context, brand: str, member: str, points: int, at: int) -> Status | None:
        """Return what `status_of` would answer after `add_points`; it writes nothing, and refuses nothing."""
        ladders = LADDERS.get(ctx, brand)
        if ladders is None:
            return None
        seat = seat_in(ctx, self._authority, brand, ladders[0].ladder, member)
        if ladders[0].metric != "points":
            return self._shown(ctx, seat, seat.course())
        return self._shown(ctx, seat, seat.course_with(seat.place.day_of(at), points))

    def _shown(self, ctx: Context, seat: Seat, course: Course) -> Status:
        brand, here = seat.place.brand, seat.place.name
        benefits = dict.fromkeys(_benefits(seat.place, course))
        for listed in LADDERS.get(ctx, brand) or ():
            if listed.ladder != here:
                other = seat_in(ctx, self._authority, brand, listed.ladder, seat.member)
                benefits.update(dict.fromkeys(benefits_of(other)))
        return Status(
            course.name or "", course.rank, course.points, seat.since(course), course.until, tuple(benefits)
        )

    # Telling

    def add_points(self, ctx: Context, brand: str, member: str, points: int, at: int) -> None:
        """Count points on the local day of `at` in all the brand's ladders of the metric points.

        Raises:
            Refused: NOT_FOUND, the brand has none; INVALID_ARGS, less than none; NOT_ELIGIBLE, it is a pool,
                was merged or erased; LIMIT_EXCEEDED, more than a standing counts, or a member has.
        """
        if points < 0:
            refuse("points", "no negative number")
        for listed in self._counting_points(ctx, brand):
            if points:
                self._add(ctx, brand, listed, member, points, at)

    def take_points(self, ctx: Context, brand: str, member: str, points: int, at: int) -> None:
        """Take points of the local day of `at` back, as many as are there."""
        for listed in LADDERS.get(ctx, brand) or ():
            if listed.metric == "points" and points > 0:
                self._take(ctx, brand, listed, member, points, at)

    def note(self, ctx: Context, brand: str, member: str, event: str, amount: int, at: int) -> None:
        """Count an event in the brand's ladders of the metrics spend, visits and events that count its type.

        Nothing is refused: a pool, an account that was merged or erased, and what is beyond a limit is not counted.
        """
        for listed in LADDERS.get(ctx, brand) or ():
            counted = _counted(listed, event, amount)
            if counted:
                ctx.attempt(partial(self._add, ctx, brand, listed, member, counted, at))

    def take_note(
        self, ctx: Context, brand: str, member: str, event: str, amount: int, at: int, whole: bool = True
    ) -> None:
        """Take back what `note` has counted: so much of its amount, and of one undone whole the event."""
        for listed in LADDERS.get(ctx, brand) or ():
            counted = _counted(listed, event, amount)
            if counted and (whole or listed.metric == "spend"):
                self._take(ctx, brand, listed, member, counted, at)

    def _counting_points(self, ctx: Context, brand: str) -> list[Listed]:
        found = [listed for listed in LADDERS.get(ctx, brand) or () if listed.metric == "points"]
        if not found:
            raise Refused("NOT_FOUND", "the brand has no ladder that counts points", brand=brand)
        return found

    def _add(self, ctx: Context, brand: str, listed: Listed, member: str, amount: int, at: int) -> None:
        seat = seat_in(ctx, self._authority, brand, listed.ladder, member)
        seat.tell(self._hooks)
        seat.add(seat.place.day_of(at), amount)
        seat.tell(self._hooks, "points")
        seat.save()

    def _take(self, ctx: Context, brand: str, listed: Listed, member: str, amount: int, at: int) -> None:
        seat = seat_in(ctx, self._authority, brand, listed.ladder, member)
        seat.tell(self._hooks)
        seat.take(seat.place.day_of(at), amount)
        seat.tell(self._hooks, "reversal")
        seat.save()


def _counted(listed: Listed, event: str, amount: int) -> int:
    """Return what an event adds in a ladder that is not of points."""
    if listed.metric == "points" or not listed.counts(event):
        return 0
    return min(max(amount, 0), MAX_COUNTED) if listed.metric == "spend" else 1


def _benefits(place: Place, course: Course) -> tuple[str, ...]:
    level = course.level
    return level.benefits if level is not None and place.gives else ()


def benefits_of(seat: Seat) -> tuple[str, ...]:
    """Return what a shopper's level gives in a ladder now; nothing of a brand that has left."""
    return _benefits(seat.place, seat.course())
