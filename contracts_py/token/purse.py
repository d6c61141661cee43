"""One account's points in one program: read once, changed in memory, written back once.

    purse = Purse.of(ctx, program, brand, account)
    parts = purse.take(amount)
    purse.save()

Whatever an operation does to an account's points goes through a purse, so that the order of lots, expiry and
the record of dates are one piece of code.

Invariants:
    1. The dates in the Holding are exactly those that have a balance, each of at least 1.
    2. A date that is not after the block's time is expired: its lot is worth nothing, and only waits to be
       swept. Nothing is ever added to it.
    3. Each lot's account is in the bag of the lot's date, so that the sweep finds it.
    4. Each account with a Holding is in the program's bag of holders exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from contracts_py.token.deeds import EXPIRED_LATE
from contracts_py.token.lot_costs import LOTS_OF_ANY_TRANSACTION, MOVED, LotCost, most_lots
from contracts_py.token.records import (
    BALANCES,
    EXPIRIES,
    FROZEN_AT,
    HOLDERS,
    HOLDINGS,
    LOCKED_AT_BRAND,
    LOT_DATES,
    LOTS_ON,
    MAX_LOTS_OF_SPEND,
    NEVER,
    PROGRAMS_OF,
    Holding,
    Parts,
)
from contracts_py.token.supply import Supply
from vm.contract_api import EMPTY, GONE, MAX_INT, Context, InvariantBroken, Refused

_NO_HOLDING: Final = Holding()

MAX_LOTS_OF_ACTIVITY: Final = 250
"""Lots that one activity gives a new date: some 40,000 units of work."""


class _Lot(Struct, gc=False):
    """A lot that was looked at: its key, its amount as it is in the state (0: none), and as it is to be."""

    key: str
    before: int
    now: int


class Purse:
    """An account's points in a program.

    Attributes:
        holding: as it was read, but for what is not about lots.
    """

    __slots__ = ("_ctx", "_lots", "_own", "_stored", "account", "holding", "program")

    def __init__(self, ctx: Context, program: str, account: str, own: str, stored: Holding | None) -> None:
        self._ctx = ctx
        self.program = program
        self.account = account
        self._own = own
        self._stored = stored
        self.holding = _NO_HOLDING if stored is None else stored
        self._lots: dict[int, _Lot] = {}

    @classmethod
    def of(cls, ctx: Context, program: str, brand: str, account: str) -> Purse:
        """Return an account's purse; it is made, by `save`, where the account never had points of the program."""
        own = HOLDINGS.key(program, account)
        stored = HOLDINGS.get_at(ctx, own)
        purse = cls(ctx, program, account, own, stored)
        if stored is None and FROZEN_AT.get(ctx, brand, account):
            purse.holding = replace(_NO_HOLDING, frozen=LOCKED_AT_BRAND)
        return purse

    @classmethod
    def existing(cls, ctx: Context, program: str, account: str) -> Purse | None:
        """Return the purse of an account that has had points of the program, None of another."""
        own = HOLDINGS.key(program, account)
        stored = HOLDINGS.get_at(ctx, own)
        return None if stored is None else cls(ctx, program, account, own, stored)

    # -- reading -----------------------------------------------------------------------------------

    def lots(self) -> Iterator[tuple[int, int]]:
        """Yield the live lots as (date, amount), by date; not those that were added since the purse was read."""
        ctx = self._ctx
        for date in LOT_DATES.items(ctx, self._own, self.holding.lots, ctx.time + 1):
            yield date, self._listed(date).now

    def available(self) -> int:
        """Return how many points the live lots hold, as they are now."""
        return sum([amount for _, amount in self.lots()])

    def require_unfrozen(self) -> None:
        """Refuse what a frozen account may not do.

        Raises:
            Refused: FROZEN.
        """
        if self.holding.frozen:
            raise Refused("FROZEN", "the account is frozen", account=self.account)

    def _lot(self, date: int) -> _Lot:
        """Return a lot, of amount 0 where there is none."""
        lot = self._lots.get(date)
        if lot is None:
            key = BALANCES.key(self.program, self.account, date)
            amount = BALANCES.get_at(self._ctx, key) or 0
            lot = self._lots[date] = _Lot(key, amount, amount)
        return lot

    def _listed(self, date: int) -> _Lot:
        """Return a lot that is among the dates."""
        lot = self._lot(date)
        if not lot.before:
            raise InvariantBroken(f"{self._own} has no amount of its date {date}")
        return lot

    # -- changing ----------------------------------------------------------------------------------

    def take(self, amount: int, cost: LotCost = MOVED, most: int = MAX_LOTS_OF_SPEND) -> Parts:
        """Take points from the live lots, earliest-expiring first; return what was taken.

        Args:
            cost: of each lot; a transaction must be able to pay for all.
            most: lots at most.

        Raises:
            Refused: INSUFFICIENT_BALANCE; LIMIT_EXCEEDED, the amount lies in too many lots, with what would go.
        """
        ctx = self._ctx
        limit = min(most, LOTS_OF_ANY_TRANSACTION)
        taken: Parts = []
        missing = amount
        for date in LOT_DATES.items(ctx, self._own, self.holding.lots, ctx.time + 1):
            if len(taken) == LOTS_OF_ANY_TRANSACTION:
                limit = min(most, most_lots(ctx, cost))
            if len(taken) == limit:
                message = f"the amount lies in more than {limit} lots; take less at once"
                raise Refused("LIMIT_EXCEEDED", message, possible=amount - missing)
            lot = self._listed(date)
            part = min(lot.now, missing)
            lot.now -= part
            taken.append((date, part))
            missing -= part
            if not missing:
                return taken
        available = amount - missing
        raise Refused(
            "INSUFFICIENT_BALANCE", "the account has fewer available points", available=available, needed=amount
        )

    def credit(self, supply: Supply, parts: Parts) -> int:
        """Add points that the supply has on these dates, after paying the account's debt; return what paid it.

        Those whose date has passed have expired: they pay nothing, and are noted as such.
        """
        live = []
        for date, amount in parts:
            if date > self._ctx.time:
                live.append((date, amount))
            else:
                before = EXPIRED_LATE.get(self._ctx, self.program, self.account, date) or 0
                EXPIRED_LATE.put(self._ctx, before + amount, self.program, self.account, date)
        debt = self.holding.debt
        if not debt:
            self._add(live)
            return 0
        paid, rest = split(live, debt)
        amount = sum_of(paid)
        supply.debit(paid, "reversed")
        supply.change(debt=-amount)
        self.change(debt=-amount)
        self._add(rest)
        return amount

    def receive(self, parts: Parts) -> None:
        """Add points to an account that owes none; lots of one date merge."""
        if self.holding.debt:
            raise InvariantBroken(f"{self._own} owes points: they are paid first")
        self._add(parts)

    def _add(self, parts: Parts) -> None:
        for date, amount in parts:
            self._lot(date).now += amount

    def put_on(self, date: int, amount: int) -> None:
        """Put points on a date that were taken from another one of this account: that is no credit."""
        self._add([(date, amount)])

    def take_up_to(self, most: int, besides: int = 0) -> Parts:
        """Take up to `most` points from the live lots, earliest-expiring first; return what was taken.

        Args:
            besides: what the operation takes elsewhere: with it, a refusal tells how much would go in all.

        Raises:
            Refused: LIMIT_EXCEEDED, the amount lies in too many lots, with what would go.
        """
        limit = LOTS_OF_ANY_TRANSACTION
        if self.has_more_lots_than(limit):
            limit = most_lots(self._ctx, MOVED)
        parts = self.take_first(limit, most)
        taken = sum_of(parts)
        if taken < most and self.has_more_lots_than(limit):
            message = f"the amount lies in more than {limit} lots; take less at once"
            raise Refused("LIMIT_EXCEEDED", message, possible=besides + taken)
        return parts

    def has_more_lots_than(self, number: int) -> bool:
        """Tell whether the account has more live lots than that."""
        dates = LOT_DATES.items(self._ctx, self._own, self.holding.lots, self._ctx.time + 1)
        return next(islice(dates, number, None), None) is not None

    def count_from(self, date: int, most_lots: int) -> tuple[int, int | None]:
        """Return how many points the next live lots from a date on hold, and the date of the one behind them."""
        found = 0
        start = max(date, self._ctx.time + 1)
        for seen, at in enumerate(LOT_DATES.items(self._ctx, self._own, self.holding.lots, start)):
            if seen == most_lots:
                return found, at
            found += self._listed(at).now
        return found, None

    def take_first(self, most_lots: int, most: int = MAX_INT) -> Parts:
        """Take up to `most` points from the first live lots, be it none; return what was taken."""
        taken: Parts = []
        for date, amount in islice(self.lots(), most_lots):
            if not most:
                break
            part = min(amount, most)
            if part:  # Of some lots the operation has taken all before.
                self._lot(date).now -= part
                taken.append((date, part))
                most -= part
        return taken

    def share(self) -> None:
        """Note that points in this purse may be another account's."""
        if not self.holding.shared:
            self.holding = replace(self.holding, shared=True)

    def take_from(self, date: int, most: int) -> Parts:
        """Take up to `most` points from the live lot of one date."""
        lot = self._lot(date)
        part = min(lot.now, most) if date > self._ctx.time else 0
        lot.now -= part
        return [(date, part)] if part else []

    def change(self, **changes: int) -> None:
        """Add to what is held, pending, or owed, by name."""
        holding = self.holding
        self.holding = replace(holding, **{name: getattr(holding, name) + by for name, by in changes.items()})

    def re_date(self, date: int) -> Parts:
        """Put live lots that expire before `date` on it, the earliest first; return what moved, by old date.

        There are as many as one operation carries: who has more, by others' doing, has the rest moved by what he
        does next.
        """
        for count, (old, _) in enumerate(self.lots()):
            if old >= date or count == MAX_LOTS_OF_ACTIVITY:
                break
        # By now each of them has been looked at; those that came back in this operation have been, too.
        earlier = [(old, lot) for old, lot in self._lots.items() if self._ctx.time < old < date and lot.now]
        earlier = sorted(earlier, key=_date_of)[:MAX_LOTS_OF_ACTIVITY]
        moved = [(old, lot.now) for old, lot in earlier]
        for _, lot in earlier:
            lot.now = 0
        if moved:
            self._add([(date, sum_of(moved))])
        return moved

    def sweep(self, date: int) -> int:
        """Remove the lot of a date that has passed, if there is one; return what was left of it."""
        lot = self._lot(date)
        left, lot.now = lot.now, 0
        return left

    def lock(self, bit: int, locked: bool) -> None:
        """Set or clear one of the LOCKED_… bits."""
        frozen = self.holding.frozen | bit if locked else self.holding.frozen & ~bit
        self.holding = replace(self.holding, frozen=frozen)

    def save(self) -> None:
        """Write back what has changed."""
        ctx = self._ctx
        gone: list[int] = []
        new: list[int] = []
        for date, lot in self._lots.items():
            if lot.now == lot.before:
                continue
            if lot.now:
                BALANCES.put_at(ctx, lot.now, lot.key)
                if not lot.before:
                    new.append(date)
            else:
                ctx.drop(lot.key)
                gone.append(date)
        if gone or new:
            self._change_dates(sorted(gone), sorted(new))
        holding = self.holding
        if holding is not self._stored and holding != self._stored:
            HOLDINGS.put_at(ctx, holding, self._own)
        if self._stored is None:
            PROGRAMS_OF.add(ctx, self.account, item=self.program)
            HOLDERS.put(ctx, self.program, item=self.account)

    def _change_dates(self, gone: list[int], new: list[int]) -> None:
        ctx, root = self._ctx, self.holding.lots
        if gone:
            root = LOT_DATES.change(ctx, self._own, root, [(date, GONE) for date in gone])
        for date in new:
            grown = LOT_DATES.add(ctx, self._own, root, date)
            if grown is None:
                raise InvariantBroken(f"{self._own} has the date {date} without an amount")
            root = grown
            if date != NEVER and LOTS_ON.put(ctx, self.program, date, item=self.account):
                EXPIRIES.put(ctx, date, self.program, date)
        self.holding = replace(self.holding, lots=EMPTY if root == EMPTY else root)


def _date_of(entry: tuple[int, _Lot]) -> int:
    return entry[0]


def sum_of(parts: Parts) -> int:
    """Return how many points these parts are."""
    return sum([amount for _, amount in parts])


def split(parts: Parts, amount: int) -> tuple[Parts, Parts]:
    """Divide parts into the first `amount` points and the rest."""
    first: Parts = []
    rest: Parts = []
    for date, size in parts:
        part = min(size, amount)
        amount -= part
        if part:
            first.append((date, part))
        if size > part:
            rest.append((date, size - part))
    return first, rest
