"""Who has points of a program: pages over the bag of all accounts that have ever had any."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from contracts_py.token.answers import HolderBalance
from contracts_py.token.records import HOLDERS
from vm.contract_api import Context, Page, refuse

SCANNED_PER_ITEM: Final = 4
"""Accounts that a page looks at for each item that it may have: where most have spent all, it has fewer items.

A smaller limit is less work, whatever there is to be passed over: so a past height can be read to its end.
"""

_CURSOR: Final = re.compile(r"([0-9]{1,16})\.([0-9]{1,16})\Z", re.ASCII)


def holders_page(
    ctx: Context, program: str, cursor: str | None, limit: int, show: Callable[[str], HolderBalance | None]
) -> Page[HolderBalance]:
    """Return a page of the holders that `show` does not leave out; a view's work units bound their lots."""
    start = (0, 0) if cursor is None else _place_of(cursor)
    shown: list[HolderBalance] = []
    for scanned, (place, account) in enumerate(HOLDERS.iterate(ctx, program, start=start)):
        if len(shown) == limit or scanned == SCANNED_PER_ITEM * limit:
            return Page(shown, f"{place[0]}.{place[1]}")
        holder = show(account)
        if holder is not None:
            shown.append(holder)
    return Page(shown, None)


def _place_of(cursor: str) -> tuple[int, int]:
    found = _CURSOR.match(cursor)
    if found is None:
        refuse("cursor", "what an earlier page has answered as `next`")
    page, index = map(int, found.groups())
    return page, index
