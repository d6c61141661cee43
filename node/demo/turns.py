"""The months of the plan: who returns goods, gives, redeems, holds, exchanges and donates how many points.

Invariants:
    1. In a month a member is debited by one deed at most, or by its returns.
    2. A member that gets a gift, or what an exchange gives, does nothing itself in that month and owes nothing.
    3. Holds lapse, and redemptions are refunded, only for members with no points that end with the month.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from node.demo import rules
from node.demo.lots import NEVER, LotBook, Lots, Member, latest
from node.demo.plan import MS_PER_DAY, Deed, Phase, Purchase, Return, date_by_rule, month_start
from node.demo.rules import PARTNERS, TREATIES


class Year:
    """The walk through the year."""

    def __init__(self, members: Sequence[Member], purchases: Sequence[Purchase], returns: Sequence[Return]) -> None:
        self._members = members
        self._known = frozenset(members)
        self._purchases = purchases
        self._returns = sorted(returns, key=lambda each: each.purchase.basket)
        self._book = LotBook()
        self._lapsing: list[tuple[Member, Lots]] = []
        self._given = [0] * len(TREATIES)

    def phases(self) -> list[Phase]:
        """Return every phase of every month, in order."""
        found: list[Phase] = []
        done = 0
        for month in range(rules.FIRST_SPEND_MONTH, rules.LAST_SPEND_MONTH + 1):
            start = month_start(month)
            while done < len(self._purchases) and self._purchases[done].time < start:
                bought = self._purchases[done]
                self._book.credit(bought.member, _date(bought.expires), bought.points)
                done += 1
            self._give_back()
            self._book.expire(start)
            found += _phases(month, list(self._month(month)))
        return found

    def _give_back(self) -> None:
        for member, lots in self._lapsing:
            for date, points in lots.items():
                self._book.credit(member, date, points)
        self._lapsing = []

    def _month(self, month: int) -> Iterator[tuple[int, Deed]]:
        """Yield the deeds of a month, each with its phase."""
        returning = set()
        for each in self._returns:
            if each.month == month:
                bought = each.purchase
                member, date = bought.member, _date(bought.expires)
                returning.add(member)
                self._book.take_back(member, date, bought.points)
                self._book.credit(member, date, each.kept_points)
                points = bought.points - each.kept_points
                yield 0, Deed("return", member, points, member.partner, str(bought.basket), kept=each.kept)
        yield from self._gifts(month, returning)
        for member in self._members:
            turn = _turn(member, month)
            if member in returning or self._book.owes(member):
                continue
            if turn in (rules.REDEEMS, rules.REDEEMS_ABROAD):
                yield from self._redemption(member, month, turn == rules.REDEEMS_ABROAD)
            elif turn in (rules.HOLDS, rules.HOLDS_ABROAD):
                yield from self._hold(member, month, turn == rules.HOLDS_ABROAD)
            elif turn == rules.DONATES:
                yield from self._donation(member)
        for household in sorted({member.household for member in self._members}):
            if (household + month) % rules.TURNS == rules.EXCHANGES:
                yield from self._exchange(household, month, returning)

    # -- between members ---------------------------------------------------------------------------

    def _gifts(self, month: int, returning: set[Member]) -> Iterator[tuple[int, Deed]]:
        for giver, to in self._receivers(month, returning).items():
            available = self._book.available(giver)
            if available >= rules.GIFT_MINIMUM:
                points = available // rules.GIFT_SHARE
                for date, part in self._book.take(giver, points).items():
                    self._book.credit(to, date, part)
                yield 0, Deed("gift", giver, points, giver.partner, to=to)

    def _receivers(self, month: int, returning: set[Member]) -> dict[Member, Member]:
        """Return this month's givers, each with the next member of the same brand that can receive, if any."""
        pairs: dict[Member, Member] = {}
        for partner in range(len(PARTNERS)):
            ring = [member for member in self._members if member.partner == partner]
            following: Member | None = None
            # Backwards and twice round, so that the one that comes after the last is found too.
            for member in reversed(ring + ring):
                if member in returning or self._book.owes(member):
                    continue
                turn = _turn(member, month)
                if turn == rules.RESTS:
                    following = member
                elif turn == rules.GIVES and following is not None:
                    pairs[member] = following
        return dict(sorted(pairs.items()))

    def _exchange(self, household: int, month: int, returning: set[Member]) -> Iterator[tuple[int, Deed]]:
        index = (household // rules.TURNS + month) % len(TREATIES)
        treaty = TREATIES[index]
        source, target = Member(treaty.source, household), Member(treaty.target, household)
        if any(m not in self._known or m in returning or self._book.owes(m) for m in (source, target)):
            return
        num = treaty.rate[0] * (10_000 - treaty.fee_bps)
        den = treaty.rate[1] * 10_000
        most = min(self._book.available(source) // rules.EXCHANGE_SHARE, treaty.member_day)
        out = most * num // den
        if not out or self._given[index] + out > treaty.inventory:
            return
        self._given[index] += out
        taken = -(-out * den // num)
        latest_date = _date(date_by_rule(treaty.target, month))
        seen = given = 0
        for date, part in self._book.take(source, taken).items():
            seen += part
            share = out * seen // taken - given
            given += share
            if share:
                self._book.credit(target, min(date, latest_date), share)
        yield 0, Deed("exchange", source, taken, source.partner, treaty.name, to=target, out=out)

    # -- at the till -------------------------------------------------------------------------------

    def _redemption(self, member: Member, month: int, abroad: bool) -> Iterator[tuple[int, Deed]]:
        points = self._vouchers(member, abroad)
        if points:
            refundable = self._refundable(member, month)
            taken = self._book.take(member, points)
            deed = Deed("redeem", member, points, _till(member, abroad), _ref("voucher", member, month))
            yield 0, deed
            if refundable:
                yield 2, self._refund(deed, taken, month)

    def _hold(self, member: Member, month: int, abroad: bool) -> Iterator[tuple[int, Deed]]:
        points = self._vouchers(member, abroad)
        if not points:
            return
        steady = self._steady(member, month)
        refundable = self._refundable(member, month)
        ending = rules.ENDINGS[(member.household // rules.TURNS + month) % len(rules.ENDINGS)]
        if ending == "lapsed" and not steady:
            ending = "in full"
        hold = _ref("hold", member, month)
        at = _till(member, abroad)
        taken = self._book.take(member, points)
        yield 0, Deed("hold", member, points, at, hold, lapses=ending == "lapsed")
        if ending == "lapsed":
            self._lapsing.append((member, taken))
        elif ending == "released":
            for date, part in taken.items():
                self._book.credit(member, date, part)
            yield 1, Deed("release", member, points, at, hold)
        else:
            captured = points if ending == "in full" else max(1, points // rules.VOUCHER // 2) * rules.VOUCHER
            back = latest(taken, points - captured)
            for date, part in back.items():
                self._book.credit(member, date, part)
            deed = Deed("capture", member, captured, at, _ref("voucher", member, month), of=hold)
            yield 1, deed
            if refundable:
                kept = {date: part - back.get(date, 0) for date, part in taken.items()}
                yield 2, self._refund(deed, kept, month)

    def _refund(self, deed: Deed, taken: Lots, month: int) -> Deed:
        """Give one voucher back, of what was taken last."""
        for date, part in latest(taken, rules.VOUCHER).items():
            self._book.credit(deed.member, date, part)
        return Deed("refund", deed.member, rules.VOUCHER, deed.at, _ref("refund", deed.member, month), of=deed.ref)

    def _vouchers(self, member: Member, abroad: bool) -> int:
        most = self._book.available(member)
        if abroad:
            most = min(most, rules.DOOR_MEMBER_DAY)
        return most // rules.VOUCHER * rules.VOUCHER

    def _steady(self, member: Member, month: int) -> bool:
        """Tell whether none of a member's points end with the month."""
        return not self._book.ending(member, month_start(month + 1))

    def _refundable(self, member: Member, month: int) -> bool:
        chosen = (member.household // (4 * rules.TURNS) + month) % rules.REFUND_CYCLE == 0
        return chosen and self._steady(member, month)

    def _donation(self, member: Member) -> Iterator[tuple[int, Deed]]:
        available = self._book.available(member)
        if available >= rules.DONATE_MINIMUM:
            points = available // rules.DONATE_SHARE
            self._book.take(member, points)
            yield 0, Deed("donate", member, points, member.partner)


def _date(expires: int | None) -> int:
    return NEVER if expires is None else expires


def _turn(member: Member, month: int) -> int:
    return (member.household + month) % rules.TURNS


def _till(member: Member, abroad: bool) -> int:
    return PARTNERS[member.partner].door if abroad else member.partner


def _ref(what: str, member: Member, month: int) -> str:
    return f"{what}-{month}-{PARTNERS[member.partner].brand}-{member.household}"


def _phases(month: int, deeds: Sequence[tuple[int, Deed]]) -> Iterator[Phase]:
    start, end = month_start(month), month_start(month + 1)
    for number, day in enumerate(rules.PHASE_DAYS):
        opens = start + (day - 1) * MS_PER_DAY
        yield Phase(month, start, opens, end, [deed for phase, deed in deeds if phase == number])
