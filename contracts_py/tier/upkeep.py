"""What happens by itself, and what identity tells: levels that fall, ladders that changed, shoppers that did.

Nothing here decides over a level: views and rules have it right already. It makes the changes known.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from contracts_py.identity import Authority, Erasure, Merge, Regrouped
from contracts_py.tier.hooks import TierChange, TierHooks
from contracts_py.tier.records import (
    ALARMS,
    LADDERS_OF_MEMBER,
    LOOKS,
    MEMBERS,
    STANDINGS,
    SWEEPS,
    SWEPT,
)
from contracts_py.tier.seats import Place, Seat, set_alarm, tell_change
from vm.contract_api import Context, Contract, due

STEP_MEMBERS: Final = 4
"""Members that one step of the agenda looks at: with 16 linked addresses each, and badges that evolve, a fraction
of what a step may cost."""


class Upkeep(Contract):
    """The room for what no call does."""

    name = "tier"

    def __init__(self, authority: Authority, hooks: TierHooks) -> None:
        self._authority = authority
        self._hooks = hooks

    @due(LOOKS)
    def look(self, ctx: Context, at: int, brand: str, ladder: str) -> bool:
        """Tell of the levels that have fallen, of members whose alarms have rung."""
        del at
        place = Place(ctx, self._authority, brand, ladder)
        rung = self._rung(ctx, place, STEP_MEMBERS)
        for time, member in rung:
            ALARMS.discard(ctx, brand, ladder, item=(time, member))
            self._look_at(ctx, place, member, silent=True)
        return bool(self._rung(ctx, place, 1))

    def _rung(self, ctx: Context, place: Place, most: int) -> list[tuple[int, str]]:
        first = islice(ALARMS.iterate(ctx, place.brand, place.name), most)
        return [alarm for alarm in first if alarm[0] <= ctx.time]

    @due(SWEEPS)
    def sweep(self, ctx: Context, at: int, brand: str, ladder: str) -> bool:
        """Tell of the levels that a redefinition has changed."""
        del at
        place = Place(ctx, self._authority, brand, ladder)
        after = SWEPT.get(ctx, brand, ladder)
        members = list(islice(MEMBERS.iterate(ctx, brand, ladder, after=after), STEP_MEMBERS))
        for member in members:
            self._look_at(ctx, place, member)
        if len(members) == STEP_MEMBERS:
            SWEPT.put(ctx, members[-1], brand, ladder)
            return True
        SWEPT.delete(ctx, brand, ladder)
        return False

    def _look_at(self, ctx: Context, place: Place, member: str, *, silent: bool = False) -> None:
        """Tell of a level that has changed, and set the alarm anew."""
        seat = Seat(ctx, self._authority, place, member)
        if silent:
            seat.silence(member)
        seat.tell(self._hooks)
        seat.save()

    # What identity tells

    def merged(self, ctx: Context, merge: Merge) -> None:
        """See to the levels of two accounts that have become one, or two again."""
        self._have_looked_at(ctx, (merge.source, merge.target))

    def regrouped(self, ctx: Context, regrouped: Regrouped) -> None:
        """See to the levels of accounts that were linked, or are so no longer."""
        self._have_looked_at(ctx, regrouped.accounts)

    def _have_looked_at(self, ctx: Context, accounts: tuple[str, ...]) -> None:
        """Have the next block look at the shoppers of these accounts."""
        addresses = sorted({one for account in accounts for one in self._authority.linked_addresses(ctx, account)})
        for address in addresses:
            for brand, ladder in LADDERS_OF_MEMBER.get(ctx, address) or ():
                self._ring_now(ctx, brand, ladder, address)

    def _ring_now(self, ctx: Context, brand: str, ladder: str, address: str) -> None:
        """Bring an address's alarm forward to this block's time: the next block begins with a look."""
        standing = STANDINGS.get(ctx, brand, ladder, address)
        if standing is None or (standing.alarm is not None and standing.alarm <= ctx.time):
            return
        set_alarm(ctx, brand, ladder, address, standing, ctx.time)

    def erased(self, ctx: Context, erasure: Erasure) -> None:
        """Remove what is known of a member: days, counts, grants; and tell of levels that are gone with them."""
        member = erasure.member
        ladders = LADDERS_OF_MEMBER.get(ctx, member)
        if ladders is None:
            return
        LADDERS_OF_MEMBER.delete(ctx, member)
        for brand, ladder in ladders:
            self._erase(ctx, Place(ctx, self._authority, brand, ladder), member)

    def _erase(self, ctx: Context, place: Place, member: str) -> None:
        key = (place.brand, place.name)
        standing = STANDINGS.get(ctx, *key, member)
        if standing is None:
            return
        if standing.alarm is not None:
            ALARMS.discard(ctx, *key, item=(standing.alarm, member))
        MEMBERS.discard(ctx, *key, item=member)
        STANDINGS.delete(ctx, *key, member)
        nothing = place.course_of_nobody().name
        if standing.told != nothing:
            ranks = (standing.told_rank, 0)
            tell_change(
                ctx, self._hooks, TierChange(*key, member, standing.told, nothing, *ranks, ctx.time, "erasure")
            )
