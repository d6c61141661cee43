"""The graph of referrals, in which linked addresses are one node.

A circle can close later than the referrals in it were noted, when two accounts are linked or merged. Of every
circle the latest referral is not in force: a shopper who has referred others was there before.
"""

from __future__ import annotations

from typing import Final

from contracts_py.identity import groups
from contracts_py.identity.person_records import REFERRALS, REFERRED
from vm.contract_api import Context

MAX_WALK: Final = 64
"""How many accounts are looked at upwards, at most some thousand reads. Only a member that has referred others,
below as many generations, meets it."""


def closes_circle(ctx: Context, member: str, referrer: str, at: int) -> bool | None:
    """Tell whether a member has referred its referrer, directly or over others, by referrals up to a time.

    A member that has referred none closes no circle, so that nothing is walked for most. None: the way upwards is
    longer than MAX_WALK.
    """
    own = groups.group_of(ctx, member)
    if not any(REFERRED.get(ctx, address) for address in own):
        return False
    waiting = list(groups.group_of(ctx, referrer))
    seen = set(waiting)
    while waiting:
        referral = REFERRALS.get(ctx, waiting.pop())
        if referral is None or referral.referred > at or referral.referrer in seen:
            continue
        if referral.referrer in own:
            return True
        above = groups.group_of(ctx, referral.referrer)
        if len(seen) + len(above) > MAX_WALK:
            return None
        seen.update(above)
        waiting += above
    return False


def referrer_in_force(ctx: Context, account: str) -> str | None:
    """Return who has referred an account, or one merged into it; None where that is itself, or a circle.

    Where the way upwards is too long to be looked at, it may be a circle, and the referral does not count either.
    """
    for one in groups.accounts_of(ctx, account):
        referral = REFERRALS.get(ctx, one)
        if (
            referral is not None
            and not groups.are_or_were_one(ctx, one, referral.referrer)
            and closes_circle(ctx, one, referral.referrer, referral.referred) is False
        ):
            return groups.current_account(ctx, referral.referrer)
    return None
