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
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from contracts_py.token.records import (
    BALANCES,
    EXPIRIES,
    FROZEN_AT,
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
from vm.contract_api import EMPTY, GONE, Context, InvariantBroken, Refused

_NO_HOLDING: Final = Holding()


class Purse:
    """An account's points in a program.

    Attributes:
        holding: as it was read, but for what is not about lots.
    """

    __slots__ = ("_amounts", "_before", "_ctx", "_key", "_new", "_own", "_stored", "account", "holding", "program")

    def __init__(self, ctx: Context, program: str, account: str, stored: Holding | None) -> None:
        self._ctx = ctx
        self.program = program
        self.account = account
        self._key = (program, account)
        self._own = HOLDINGS.keys.key(self._key)
        self._stored = stored
        self.holding = _NO_HOLDING if stored is None else stored
        self._before: dict[int, int] = {}
        """Amounts of the lots that were looked at, as they are in the state; 0 for none."""
        self._amounts: dict[int, int] = {}
        """The same, as they are to be."""
        self._new = stored is None

    @classmethod
    def of(cls, ctx: Context, program: str, brand: str, account: str) -> Purse:
        """Return an account's purse; it is made, by `save`, where the account never had points of the program."""
        stored = HOLDINGS.get(ctx, program, account)
        purse = cls(ctx, program, account, stored)
        if stored is None and FROZEN_AT.get(ctx, brand, account):
            purse.holding = replace(_NO_HOLDING, frozen=LOCKED_AT_BRAND)
        return purse

    @classmethod
    def existing(cls, ctx: Context, program: str, account: str) -> Purse | None:
        """Return the purse of an account that has had points of the program, None of another."""
        stored = HOLDINGS.get(ctx, program, account)
        return None if stored is None else cls(ctx, program, account, stored)

    # -- reading -----------------------------------------------------------------------------------

    def lots(self) -> Iterator[tuple[int, int]]:
        """Yield the live lots as (date, amount), by date; not those that were added since the purse was read."""
        for date, _ in LOT_DATES.walk(self._ctx, self._own, self.holding.lots, self._ctx.time + 1):
            yield date, self._amount(date)

    def require_unfrozen(self) -> None:
        """Refuse what a frozen account may not do.

        Raises:
            Refused: FROZEN.
        """
        if self.holding.frozen:
            raise Refused("FROZEN", "the account is frozen", account=self.account)

    def _amount(self, date: int) -> int:
        """Return the amount of a lot that is among the dates."""
        known = self._amounts.get(date)
        if known is None:
            known = BALANCES.get(self._ctx, *self._key, date)
            if known is None:
                raise InvariantBroken(f"{self._own} has no amount of its date {date}")
            self._before[date] = self._amounts[date] = known
        return known

    # -- changing ----------------------------------------------------------------------------------

    def take(self, amount: int) -> Parts:
        """Take points from the live lots, earliest-expiring first; return what was taken.

        Raises:
            Refused: INSUFFICIENT_BALANCE; LIMIT_EXCEEDED, the amount lies in too many lots, with what would go.
        """
        taken: Parts = []
        missing = amount
        for date, present in self.lots():
            if len(taken) == MAX_LOTS_OF_SPEND:
                message = f"the amount lies in more than {MAX_LOTS_OF_SPEND} lots; take less at once"
                raise Refused("LIMIT_EXCEEDED", message, possible=amount - missing)
            part = min(present, missing)
            self._amounts[date] = present - part
            taken.append((date, part))
            missing -= part
            if not missing:
                return taken
        available = amount - missing
        raise Refused(
            "INSUFFICIENT_BALANCE", "the account has fewer available points", available=available, needed=amount
        )

    def add(self, parts: Parts) -> None:
        """Add points; lots of one date merge."""
        for date, amount in parts:
            self._amounts[date] = self._looked_up(date) + amount

    def _looked_up(self, date: int) -> int:
        """Return the amount of a lot, 0 where there is none."""
        known = self._amounts.get(date)
        if known is None:
            known = BALANCES.get(self._ctx, *self._key, date) or 0
            self._before[date] = known
        return known

    def re_date(self, date: int) -> Parts:
        """Put all live lots that expire before `date` on it; return what moved, by old date."""
        moved = []
        for old, amount in self.lots():
            if old >= date:
                break
            moved.append((old, amount))
        for old, _ in moved:
            self._amounts[old] = 0
        if moved:
            self.add([(date, sum(amount for _, amount in moved))])
        return moved

    def sweep(self) -> int:
        """Remove expired lots; return how many."""
        ctx = self._ctx
        expired = []
        for date, _ in LOT_DATES.walk(ctx, self._own, self.holding.lots):
            if date > ctx.time:
                break
            expired.append(date)
        for date in expired:
            self._before[date] = 1  # not read: whatever it was, it goes
            self._amounts[date] = 0
        return len(expired)

    def lock(self, bit: int, locked: bool) -> None:
        """Set or clear one of the LOCKED_… bits."""
        frozen = self.holding.frozen | bit if locked else self.holding.frozen & ~bit
        self.holding = replace(self.holding, frozen=frozen)

    def save(self) -> None:
        """Write back what has changed."""
        ctx, before = self._ctx, self._before
        changed = [(date, amount) for date, amount in self._amounts.items() if amount != before[date]]
        changed.sort()
        gone = [(date, GONE) for date, amount in changed if not amount]
        root = self.holding.lots
        if gone:
            root = LOT_DATES.change(ctx, self._own, root, gone)
        for date, amount in changed:
            if not amount:
                BALANCES.delete(ctx, *self._key, date)
                continue
            BALANCES.put(ctx, amount, *self._key, date)
            if not before[date]:
                grown = LOT_DATES.add(ctx, self._own, root, date)
                if grown is None:
                    raise InvariantBroken(f"{self._own} has the date {date} without an amount")
                root = grown
                self._note_date(date)
        holding = self.holding if root is self.holding.lots else replace(self.holding, lots=root)
        if holding != self._stored:
            HOLDINGS.put(ctx, holding if holding.lots != EMPTY else replace(holding, lots=EMPTY), *self._key)
        if self._new:
            PROGRAMS_OF.add(ctx, self.account, item=self.program)

    def _note_date(self, date: int) -> None:
        """Let the sweep of a date find this account."""
        if date == NEVER:
            return
        if LOTS_ON.put(self._ctx, self.program, date, item=self.account):
            EXPIRIES.put(self._ctx, date, self.program, date)
