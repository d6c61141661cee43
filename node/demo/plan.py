"""What the demo sends to the chain: members, purchases, and in each month three phases of deeds.

`planner` makes it, `operations` puts it into the chain's words, `replay` sends it.

Invariants:
    1. Purchases are sorted by time; a basket is one purchase at each partner where something of it was bought.
    2. No deed can fail for want of points: it spends what the member had at the month's start at most.
    3. Deeds of one phase can be executed in any order (see `rules`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from node.demo import rules
from node.demo.lots import Member
from node.demo.rules import PARTNERS

DeedKind = Literal["return", "gift", "redeem", "hold", "capture", "release", "refund", "exchange", "donate"]

MS_PER_DAY: Final = 86_400_000


Goods = tuple[tuple[str, int], ...]
"""What was bought, in cents by department, in the order of their names."""


class Purchase(msgspec.Struct, frozen=True, gc=False):
    """What of a basket was bought at one partner; `points` is what its campaigns issue for that."""

    time: int
    member: Member
    basket: int
    goods: Goods
    points: int
    expires: int | None

    @property
    def cents(self) -> int:
        """What was paid."""
        return total(self.goods)


class Return(msgspec.Struct, frozen=True, gc=False):
    """Goods that came back.

    Attributes:
        month: when the desk sees to it.
        kept: what of the purchase was kept; nothing: all came back.
        kept_points: what the campaigns issue for it.
    """

    month: int
    purchase: Purchase
    kept: Goods
    kept_points: int


class Deed(msgspec.Struct, frozen=True, gc=False):
    """One thing that is done with a member's points.

    Attributes:
        at: the partner whose till or desk does it: it sends the operation.
        to: who receives a gift, or what an exchange gives.
        out: what an exchange gives.
        ref: the name of the return's basket, the redemption, the hold, or the exchange's treaty.
        of: of a capture the hold, of a refund the redemption.
        lapses: a hold that is neither captured nor released.
        kept: what of a returned purchase was kept.
    """

    kind: DeedKind
    member: Member
    points: int
    at: int
    ref: str = ""
    of: str = ""
    to: Member | None = None
    out: int = 0
    lapses: bool = False
    kept: Goods = ()


class Phase(msgspec.Struct, frozen=True, gc=False):
    """Deeds of one month that can be executed in any order.

    Attributes:
        needs: every purchase before this time is final before the phase begins.
        opens, closes: it happens at or after the one and before the other.
    """

    month: int
    needs: int
    opens: int
    closes: int
    deeds: list[Deed]


class Plan(msgspec.Struct, frozen=True, gc=False):
    """Everything that the demo does, in order."""

    members: list[Member]
    purchases: list[Purchase]
    phases: list[Phase]

    @property
    def deeds(self) -> list[Deed]:
        """All deeds of the year."""
        return [deed for phase in self.phases for deed in phase.deeds]

    @property
    def links(self) -> list[tuple[Member, Member]]:
        """Accounts of one household between which it exchanges, once each."""
        pairs = {(min(deed.member, deed.to), max(deed.member, deed.to)) for deed in self.of("exchange") if deed.to}
        return sorted(pairs)

    @property
    def allowing(self) -> list[Member]:
        """Members whose points are redeemed at another brand, which they have to allow."""
        tills = self.of("redeem", "hold")
        return sorted({deed.member for deed in tills if deed.at != deed.member.partner})

    def of(self, *kinds: DeedKind) -> list[Deed]:
        """Return the deeds of some kinds."""
        return [deed for deed in self.deeds if deed.kind in kinds]


def total(goods: Goods) -> int:
    """Return what goods cost, in cents."""
    return sum([cents for _, cents in goods])


def month_start(month: int) -> int:
    """Return the first instant of a month, ms; months count on from January of the year as 1, so 13 is the next."""
    years, index = divmod(month - 1, 12)
    return round(datetime(rules.YEAR + years, index + 1, 1, tzinfo=UTC).timestamp()) * 1_000


def month_holding(time: int) -> int:
    """Return the month in which an instant lies."""
    date = datetime.fromtimestamp(time // 1_000, tz=UTC)
    return (date.year - rules.YEAR) * 12 + date.month


def date_by_rule(partner: int, month: int) -> int | None:
    """Return when points that come into a partner's programme in a month expire."""
    lasting = PARTNERS[partner].lasting_months
    return None if lasting is None else month_start(month + 1 + lasting)
