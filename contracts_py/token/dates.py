"""On which date points expire: a program's rule, or an explicit time, in the brand's local days."""

from __future__ import annotations

from typing import Final

from contracts_py.calendar import Offsets, end_of_month, next_day_start
from contracts_py.token.answers import Deferral
from contracts_py.token.records import NEVER, Expiry, InactivityExpiry, MonthEndExpiry, NoExpiry
from vm.contract_api import MAX_INT, MS_PER_DAY, MS_PER_MINUTE, Context, Refused


def earned_date(ctx: Context, offsets: Offsets, expiry: Expiry, earned: int, days: int | None = None) -> int:
    """Return the date of points for what happened at `earned`: they last as long as if it had been booked at once.

    Where points last from their account's last activity, that is the booking.

    Args:
        days: how long they last where it is not as long as the program's rule says.

    Raises:
        Refused: EXPIRED, they would be over by now; LIMIT_EXCEEDED.
    """
    if days is not None:
        return explicit_date(ctx, offsets, earned + days * MS_PER_DAY)
    if isinstance(expiry, InactivityExpiry):
        return rule_date(ctx, offsets, expiry)
    date = _date_from(offsets, expiry, earned)
    _require_to_come(ctx, date)
    return date


def explicit_date(ctx: Context, offsets: Offsets, expires: int) -> int:
    """Return the date of points that are to expire at a given time.

    Raises:
        Refused: EXPIRED, LIMIT_EXCEEDED.
    """
    _require_to_come(ctx, expires)
    return _within_range(next_day_start(offsets, expires))


def _require_to_come(ctx: Context, expires: int) -> None:
    if expires <= ctx.time:
        raise Refused("EXPIRED", "the points would have expired already", expires=expires)


def rule_date(ctx: Context, offsets: Offsets, expiry: Expiry) -> int:
    """Return the date of points that are issued, or whose holder is active, now.

    Raises:
        Refused: LIMIT_EXCEEDED.
    """
    return _date_from(offsets, expiry, ctx.time)


def _date_from(offsets: Offsets, expiry: Expiry, time: int) -> int:
    if isinstance(expiry, NoExpiry):
        return NEVER
    if isinstance(expiry, MonthEndExpiry):
        return _within_range(end_of_month(offsets, time, expiry.months))
    return _within_range(next_day_start(offsets, time + expiry.days * MS_PER_DAY))


GRACE_MS: Final = MS_PER_DAY
"""What a lot has left, at least, when it comes back from having been set aside after its date (SPEC section 7)."""

REFUND_MS: Final = 30 * MS_PER_DAY
"""What a lot has left, at least, when it is refunded (SPEC section 7)."""


def is_marked(date: int) -> bool:
    """Tell whether a lot of this date has had its one extension.

    Such a date is one millisecond after the start of a day, which itself is a whole minute: so the mark goes with
    the date wherever the points go.
    """
    return date % MS_PER_MINUTE == 1


def graced(ctx: Context, offsets: Offsets, date: int) -> int:
    """Return the date of points that come back after having been set aside."""
    if date > ctx.time or is_marked(date):
        return date
    return _extended(ctx, offsets, GRACE_MS)


def refunded(ctx: Context, offsets: Offsets, date: int) -> int:
    """Return the date of points that are refunded."""
    if is_marked(date) or date >= ctx.time + REFUND_MS:
        return date
    return _extended(ctx, offsets, REFUND_MS)


def marked(date: int) -> int:
    """Return the date with the mark of a lot that has had its one extension."""
    return _within_range(-(-date // MS_PER_MINUTE) * MS_PER_MINUTE + 1)


def _extended(ctx: Context, offsets: Offsets, by: int) -> int:
    return marked(next_day_start(offsets, ctx.time + by))


def _within_range(date: int) -> int:
    if date >= NEVER:
        raise Refused("LIMIT_EXCEEDED", "the date is beyond the protocol's times", limit=MAX_INT)
    return date


def deferral(sale: int, points: int, unit_price: int, expected_bps: int, redeemed: int) -> Deferral:
    """Divide a sale's price between goods and points, and the points' part by what has been redeemed.

    The price is divided in proportion to stand-alone prices: `sale` for the goods, points × unit_price ×
    expected_bps / 10,000 for the points. What falls to the points is deferred, and becomes revenue as
    the points expected to be redeemed are. Floors are taken of the goods' part and of the liability, which
    reproduces the rounded figures of the standard's own example.

    Args:
        sale, unit_price: in one unit of money.
        redeemed: how many of the points have been redeemed.

    Source: IFRS 15, paragraphs B39 to B43 and Illustrative Example 52.
    """
    stand_alone = points * unit_price * expected_bps
    goods = sale * sale * 10_000 // (sale * 10_000 + stand_alone)
    deferred = sale - goods
    expected = points * expected_bps
    unredeemed = max(0, expected - redeemed * 10_000)
    liability = deferred * unredeemed // expected if expected else 0
    return Deferral(goods, deferred, deferred - liability, liability)
