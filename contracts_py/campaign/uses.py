"""How often a campaign has fired for a shopper: exact for every window that holds the day, linked accounts as one.

Uses are kept by address and added up over the group that is linked now, so nothing moves when accounts are linked,
merged or parted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from contracts_py.campaign.records import USES
from contracts_py.campaign.types import PerMember
from vm.contract_api import Context, Refused

EVER: Final = 0
"""The day under which uses without a window are kept."""

Days = Sequence[tuple[int, int]]


def day_of_use(limit: PerMember, day: int) -> int:
    """Return the day under which a use is kept."""
    return EVER if limit.window_days is None else day


def take(
    ctx: Context, campaign: str, limit: PerMember, day: int, oldest: int, account: str, people: Iterable[str]
) -> None:
    """Count a use by an account.

    Args:
        day: the local day of the event.
        oldest: the first day that a later record can still name; what no window from there on holds is forgotten.
        people: the addresses that are one shopper's, the account's own among them.

    Raises:
        Refused: MEMBER_LIMIT.
    """
    own: Days = USES.get(ctx, campaign, account) or ()
    others = [USES.get(ctx, campaign, one) or () for one in people if one != account]
    day = day_of_use(limit, day)
    used = added_up([own, *others])
    ctx.charge(len(used))
    if most_in_a_window(used, day, limit.window_days) >= limit.count:
        raise Refused(
            "MEMBER_LIMIT", "the campaign has fired as often as it does for one shopper", limit=limit.count
        )
    kept = own if limit.window_days is None else [use for use in own if use[0] > oldest - limit.window_days]
    USES.put(ctx, tuple(added_up([kept, [(day, 1)]])), campaign, account)


def give_back(ctx: Context, campaign: str, limit: PerMember, day: int, account: str) -> None:
    """Take a use of a day back; nothing where it is forgotten."""
    day = day_of_use(limit, day)
    own = USES.get(ctx, campaign, account) or ()
    left = tuple([(at, uses - (at == day)) for at, uses in own if uses > (at == day)])
    if left:
        USES.put(ctx, left, campaign, account)
    elif own:
        USES.delete(ctx, campaign, account)


def added_up(lists: Iterable[Days]) -> list[tuple[int, int]]:
    """Return uses of several accounts by day."""
    total: dict[int, int] = {}
    for days in lists:
        for day, uses in days:
            total[day] = total.get(day, 0) + uses
    return sorted(total.items())


def most_in_a_window(used: Days, day: int, width: int | None) -> int:
    """Return how many uses there are in that window of `width` days around a day which has most.

    A record can be older than others that are there, so the window that ends with its day is not the only one.
    """
    if width is None:
        return sum([uses for _, uses in used])
    near = [(at, uses) for at, uses in used if day - width < at < day + width]
    most = total = first = 0
    for at, uses in near:
        total += uses
        while near[first][0] <= at - width:
            total -= near[first][1]
            first += 1
        # Windows that end before the day, or begin after it, do not hold it.
        if at >= day:
            most = max(most, total)
    before = sum([uses for at, uses in near if at <= day])
    return max(most, before)
