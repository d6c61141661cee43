"""A program's supply: counters, and the dates on which points go out of them by themselves.

    supply = Supply(ctx, program)
    supply.credit(date, amount, "issued", rules.cap)
    supply.save()

Points leave the supply on their date without anybody's doing. So EXPIRING counts what is outstanding by date,
and the record names the next date; whoever needs the supply first brings it up to date, at a cost in proportion
to the dates that have passed. Views do the same without writing.

Invariants:
    1. For each live date, EXPIRING = the sum of the program's lots with that date; EXPIRY_DATES are these dates.
    2. SupplyRecord.next_date is the first of EXPIRY_DATES, or NEVER.
    3. No counter exceeds 2^53 − 1. What comes in, issued + swapped_in + refunded, stays within that altogether; as
       all else is a part of it, so do the dates that pass by themselves, where there is no transaction to refuse.
"""

from __future__ import annotations

from msgspec.structs import replace

from contracts_py.token.records import EXPIRING, EXPIRY_DATES, NEVER, SUPPLIES, Parts
from vm.contract_api import MAX_INT, Context, InvariantBroken, Refused


class Supply:
    """A program's counters in one operation: read once, written back once.

    Attributes:
        record: as of the block's time.
    """

    __slots__ = ("_changes", "_ctx", "_passed", "_program", "_stored", "record")

    def __init__(self, ctx: Context, program: str, until: int | None = None) -> None:
        """Read a program's supply.

        Args:
            until: the last date that passes now; by default all do that are not after the block's time.
        """
        self._ctx = ctx
        self._program = program
        stored = SUPPLIES.get(ctx, program)
        if stored is None:
            raise InvariantBroken(f"the program {program} has no supply record")
        self.record = self._stored = stored
        self._passed: list[int] = []
        self._changes: dict[int, int] = {}
        """What is added to or taken from the points of a date."""
        last = ctx.time if until is None else until
        if last >= stored.next_date:
            self._let_pass(last)

    def _let_pass(self, last: int) -> None:
        """Count as expired what has passed its date."""
        expired, following = 0, NEVER
        for date in EXPIRY_DATES.iterate(self._ctx, self._program):
            if date > last:
                following = date
                break
            expired += EXPIRING.require(self._ctx, self._program, date)
            self._passed.append(date)
        record = self.record
        self.record = replace(
            record,
            next_date=following,
            outstanding=record.outstanding - expired,
            expired=record.expired + expired,
        )

    def credit(self, date: int, amount: int, counter: str, cap: int | None = None) -> None:
        """Count points with this date in, and into the counter that says where they come from.

        Args:
            date: where it has passed, they expire at once.
            counter: `issued`, `refunded` or `swapped_in`.

        Raises:
            Refused: CAP_EXCEEDED, LIMIT_EXCEEDED.
        """
        self._count_in(amount, counter, cap)
        self._into_dates(date, amount)

    def credit_pending(self, amount: int, counter: str, cap: int | None = None) -> None:
        """As `credit`, for points that are pending: they are on no date yet."""
        self._count_in(amount, counter, cap)
        self.change(pending=amount)

    def reinstate(self, date: int, amount: int, cap: int | None) -> None:
        """Take points that have expired back out of `expired`, onto a date to come.

        Raises:
            Refused: CAP_EXCEEDED.
        """
        self._require_below_cap(amount, cap)
        self.change(expired=-amount, outstanding=amount)
        self._into_dates(date, amount)

    def _require_below_cap(self, amount: int, cap: int | None) -> None:
        outstanding = self.record.outstanding
        if cap is not None and outstanding + amount > cap:
            available = max(0, cap - outstanding)
            raise Refused("CAP_EXCEEDED", "the program's cap would be passed", cap=cap, available=available)

    def _count_in(self, amount: int, counter: str, cap: int | None) -> None:
        record = self.record
        self._require_below_cap(amount, cap)
        _require_countable(record.issued + record.swapped_in + record.refunded + amount)
        counted = {counter: getattr(record, counter) + amount}
        self.record = replace(record, outstanding=record.outstanding + amount, **counted)

    def _into_dates(self, date: int, amount: int) -> None:
        if date <= self._ctx.time:
            self.change(outstanding=-amount, expired=amount)
        else:
            self._changes[date] = self._changes.get(date, 0) + amount

    def _out_of_dates(self, parts: Parts) -> int:
        total = 0
        for date, amount in parts:
            self._changes[date] = self._changes.get(date, 0) - amount
            total += amount
        return total

    def debit(self, parts: Parts, counter: str) -> None:
        """Take points of live lots out, and count where they have gone.

        Args:
            counter: `redeemed`, `burned`, `reversed` or `swapped_out`.

        Raises:
            Refused: LIMIT_EXCEEDED.
        """
        total = self._out_of_dates(parts)
        self._count_out(total, counter)

    def _count_out(self, total: int, counter: str) -> None:
        _require_countable(getattr(self.record, counter) + total)
        self.change(outstanding=-total, **{counter: total})

    def set_aside(self, parts: Parts) -> None:
        """Take points of live lots off their dates: they are held."""
        self.change(held=self._out_of_dates(parts))

    def give_back(self, parts: Parts) -> None:
        """Put points that were held on their dates; those whose date has passed expire at once."""
        for date, amount in parts:
            self.change(held=-amount)
            self._into_dates(date, amount)

    def debit_held(self, amount: int, counter: str) -> None:
        """Take points that are held out; counter as of `debit`."""
        self._count_out(amount, counter)
        self.change(held=-amount)

    def unlock(self, parts: Parts) -> None:
        """Put points that were pending on their dates; those whose date has passed expire at once."""
        for date, amount in parts:
            self.change(pending=-amount)
            self._into_dates(date, amount)

    def debit_pending(self, amount: int, counter: str) -> None:
        """Take points that are pending out; counter as of `debit`."""
        self._count_out(amount, counter)
        self.change(pending=-amount)

    def change(self, **changes: int) -> None:
        """Add to counters, by name."""
        record = self.record
        self.record = replace(record, **{name: getattr(record, name) + by for name, by in changes.items()})

    def move(self, parts: Parts, date: int) -> None:
        """Give points, listed as (date, amount), another date."""
        for old, amount in parts:
            self._changes[old] = self._changes.get(old, 0) - amount
            self._changes[date] = self._changes.get(date, 0) + amount

    def save(self) -> None:
        """Write back what has changed."""
        ctx, program = self._ctx, self._program
        for date in self._passed:
            EXPIRING.delete(ctx, program, date)
        EXPIRY_DATES.discard_all(ctx, self._passed, program)
        gone: list[int] = []
        next_date = self.record.next_date
        for date, change in sorted(self._changes.items()):
            if not change or date == NEVER:
                continue
            present = EXPIRING.get(ctx, program, date) or 0
            remaining = present + change
            if remaining < 0:
                raise InvariantBroken(f"{program} has fewer points of {date} than its lots hold")
            if remaining:
                EXPIRING.put(ctx, remaining, program, date)
                if not present:
                    EXPIRY_DATES.add(ctx, program, item=date)
                    next_date = min(next_date, date)
            else:
                EXPIRING.delete(ctx, program, date)
                gone.append(date)
        EXPIRY_DATES.discard_all(ctx, gone, program)
        if next_date in gone:
            first = EXPIRY_DATES.first(ctx, program)
            next_date = NEVER if first is None else first
        if next_date != self.record.next_date:
            self.record = replace(self.record, next_date=next_date)
        if self.record != self._stored:
            SUPPLIES.put(ctx, self.record, program)


def _require_countable(total: int) -> None:
    if total > MAX_INT:
        raise Refused("LIMIT_EXCEEDED", "more points than an integer of the protocol holds", limit=MAX_INT)
