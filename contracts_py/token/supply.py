"""A program's supply: counters, and the dates on which points go out of them by themselves.

    supply = Supply(ctx, program)
    supply.credit(date, amount, "issued", rules.cap)
    supply.save()

Points leave the supply on their date without anybody's doing. So `EXPIRING` counts what is outstanding by date, and the record names the
next date; whoever needs the supply first brings it up to date, at a cost in proportion to the pages of dates that have passed.
Views do the same without writing.

Invariants:
    1. For each live date, EXPIRING = the sum of the program's lots with that date.
    2. SupplyRecord.next_date is the first date of EXPIRING, or NEVER.
    3. No counter exceeds 2^53 − 1: what would is refused when it is written.
"""

from __future__ import annotations

from msgspec.structs import replace

from contracts_py.token.records import EXPIRING, NEVER, SUPPLIES, SupplyRecord
from vm.contract_api import Context, InvariantBroken, Refused

Parts = list[tuple[int, int]]


class Supply:
    """A program's counters in one operation: read once, written back once.

    Attributes:
        record: as of the block's time.
    """

    __slots__ = ("_ctx", "_dates", "_passed", "_program", "_stored", "record")

    def __init__(self, ctx: Context, program: str) -> None:
        self._ctx = ctx
        self._program = program
        self._stored = SUPPLIES.get(ctx, program)
        if self._stored is None:
            raise InvariantBroken(f"the program {program} has no supply record")
        self.record = self._stored
        self._passed: list[int] = []
        self._dates: dict[int, int] = {}
        """What is added to or taken from the points of a date."""
        if ctx.time >= self.record.next_date:
            self._let_pass()

    def _let_pass(self) -> None:
        """Count as expired what has passed its date."""
        expired, following = 0, NEVER
        for date, amount in EXPIRING.entries(self._ctx, self._program):
            if date > self._ctx.time:
                following = date
                break
            expired += amount
            self._passed.append(date)
        record = self.record
        self.record = replace(
            record,
            next_date=following,
            outstanding=record.outstanding - expired,
            expired=record.expired + expired,
        )

    def credit(self, date: int, amount: int, counter: str, cap: int | None) -> None:
        """Count points with this date in, and into the counter that says where they come from.

        Args:
            counter: `issued`, `refunded` or `swapped_in`.

        Raises:
            Refused: CAP_EXCEEDED.
        """
        record = self.record
        outstanding = record.outstanding + amount
        if cap is not None and outstanding > cap:
            available = max(0, cap - record.outstanding)
            raise Refused("CAP_EXCEEDED", "the program's cap would be passed", cap=cap, available=available)
        self._dates[date] = self._dates.get(date, 0) + amount
        self.record = replace(
            record,
            outstanding=outstanding,
            **{counter: getattr(record, counter) + amount},
        )

    def debit(self, parts: Parts, counter: str) -> None:
        """Take points, given as (date, amount), out, and count where they have gone.

        Args:
            counter: `redeemed`, `burned`, `reversed` or `swapped_out`.
        """
        total = 0
        for date, amount in parts:
            self._dates[date] = self._dates.get(date, 0) - amount
            total += amount
        record = self.record
        gone = getattr(record, counter) + total
        self.record = replace(record, outstanding=record.outstanding - total, **{counter: gone})

    def move(self, parts: Parts, date: int) -> None:
        """Give points, listed as (date, amount), another date."""
        for old, amount in parts:
            self._dates[old] = self._dates.get(old, 0) - amount
            self._dates[date] = self._dates.get(date, 0) + amount

    def save(self) -> None:
        """Write back what has changed."""
        ctx, program = self._ctx, self._program
        changes = sorted((date, change) for date, change in self._dates.items() if change and date != NEVER)
        if self._passed:
            EXPIRING.change(ctx, [(date, None) for date in self._passed], program)
        fewer = [(date, change) for date, change in changes if change < 0]
        if fewer:
            EXPIRING.change(ctx, fewer, program, combine=self._added)
            first = EXPIRING.first(ctx, program)
            self.record = replace(self.record, next_date=NEVER if first is None else first)
        for date, change in changes:
            if change > 0:
                present = EXPIRING.get(ctx, program, item=date) or 0
                EXPIRING.put(ctx, present + change, program, item=date)
                self.record = replace(self.record, next_date=min(self.record.next_date, date))
        if self.record != self._stored:
            SUPPLIES.put(ctx, self.record, program)

    def _added(self, present: int, change: int) -> int | None:
        remaining = present + change
        if remaining < 0:
            raise InvariantBroken(f"{self._program} has fewer points of a date than its lots hold")
        return remaining or None
