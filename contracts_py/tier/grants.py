"""Levels that a brand gives by its own decision, until a time."""

from __future__ import annotations

from typing import Final

from contracts_py.identity import Authority
from contracts_py.tier.answers import GrantDone, RevokeDone
from contracts_py.tier.courses import Course, rank_named
from contracts_py.tier.events import Granted, Revoked
from contracts_py.tier.hooks import TierHooks
from contracts_py.tier.records import Given
from contracts_py.tier.seats import seat_in
from vm.contract_api import MS_PER_DAY, Address, Context, Contract, Name, Refused, Slug, TimeMs, call

MAX_GRANT_MS: Final = 10 * 366 * MS_PER_DAY
"""Ten years: what is granted for longer is granted anew, by somebody who is still there."""


class Grants(Contract):
    """The room for grants."""

    name = "tier"

    def __init__(self, authority: Authority, hooks: TierHooks) -> None:
        self._authority = authority
        self._hooks = hooks

    @call
    def grant(
        self,
        ctx: Context,
        member: Address,
        level: Slug,
        until: TimeMs,
        reason: Name,
        brand: Slug | None = None,
        ladder: Slug | None = None,
    ) -> GrantDone:
        """Give a member a level, or a higher one than it earns, until a time (an issuer of the brand).

        It replaces what was granted of the same level before.
        """
        brand = self._authority.acting_brand(ctx, "issuer", brand)
        self._authority.require_active(ctx, brand)
        if until <= ctx.time:
            raise Refused("EXPIRED", "the grant would be over already", until=until)
        if until > ctx.time + MAX_GRANT_MS:
            raise Refused("LIMIT_EXCEEDED", "a grant is of at most ten years", limit=ctx.time + MAX_GRANT_MS)
        seat = seat_in(ctx, self._authority, brand, ladder, member)
        require_level(seat.course(), level)
        seat.tell(self._hooks)
        seat.give(Given(level, until, "grant", reason))
        ctx.emit(Granted(brand, seat.place.name, member, level, until, reason))
        seat.tell(self._hooks, "given")
        seat.save()
        return GrantDone(brand, seat.place.name, member, level, until, seat.course().name)

    @call
    def revoke(
        self,
        ctx: Context,
        member: Address,
        level: Slug,
        reason: Name,
        brand: Slug | None = None,
        ladder: Slug | None = None,
    ) -> RevokeDone:
        """End what a member was given of a level, by a grant or a match (an issuer of the brand)."""
        brand = self._authority.acting_brand(ctx, "issuer", brand)
        seat = seat_in(ctx, self._authority, brand, ladder, member)
        seat.tell(self._hooks)
        if not seat.withdraw(level):
            raise Refused("NOT_FOUND", "the member was not given this level", member=member, level=level)
        ctx.emit(Revoked(brand, seat.place.name, member, level, reason))
        seat.tell(self._hooks, "given")
        seat.save()
        return RevokeDone(brand, seat.place.name, member, level, seat.course().name)


def require_level(course: Course, level: str) -> int:
    """Return a level's rank under the terms in force.

    Raises:
        Refused: NOT_FOUND.
    """
    rank = rank_named(course.terms, level)
    if rank is None:
        raise Refused("NOT_FOUND", "the ladder has no such level", level=level)
    return rank
