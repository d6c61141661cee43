"""Which points end when: by date, and by account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final, NoReturn

from contracts_py.token.answers import ExpiringLot
from contracts_py.token.records import BALANCES, EXPIRING, EXPIRY_DATES, LOTS_ON, lot_name
from vm.contract_api import Context, Page, refuse

MAX_SCANNED: Final = 5_000
"""Accounts that one page looks at: where most have spent their lots, it has fewer items than its limit."""

_CURSOR: Final = re.compile(r"([0-9]{1,16})\.([0-9]{1,16})\.([0-9]{1,16})\Z", re.ASCII)

Place = tuple[int, int, int]
"""A date, and a place in the bag of accounts that have got a lot of it."""


def live_dates(ctx: Context, program: str, most: int) -> Iterator[tuple[int, int]]:
    """Yield the first dates to come on which points of a program expire, with how many do."""
    for date in islice(EXPIRY_DATES.iterate(ctx, program, start=ctx.time + 1), most):
        yield date, EXPIRING.require(ctx, program, date)


def expiring_page(
    ctx: Context,
    program: str,
    first: int,
    last: int,
    cursor: str | None,
    limit: int,
    most: int = MAX_SCANNED,
) -> Page[ExpiringLot]:
    """Return a page of the lots with dates from `first` to `last` that are not empty, by date.

    Args:
        most: how many accounts are looked at.
    """
    start = (first, 0, 0) if cursor is None else _place_of(cursor)
    shown: list[ExpiringLot] = []
    for scanned, ((date, page, index), account) in enumerate(_lots(ctx, program, max(start, (first, 0, 0)), last)):
        if len(shown) == limit or scanned == most:
            return Page(shown, f"{date}.{page}.{index}")
        amount = BALANCES.get(ctx, program, account, date)
        if amount is not None:
            shown.append(ExpiringLot(account, lot_name(date), amount, date))
    return Page(shown, None)


def _lots(ctx: Context, program: str, start: Place, last: int) -> Iterator[tuple[Place, str]]:
    for date in EXPIRY_DATES.iterate(ctx, program, start=start[0]):
        if date > last:
            return
        place = start[1:] if date == start[0] else (0, 0)
        for (page, index), account in LOTS_ON.iterate(ctx, program, date, start=place):
            yield (date, page, index), account


def _place_of(cursor: str) -> Place:
    found = _CURSOR.match(cursor)
    if found is None:
        _refuse_cursor()
    date, page, index = map(int, found.groups())
    return date, page, index


def _refuse_cursor() -> NoReturn:
    refuse("cursor", "what an earlier page has answered as `next`")
