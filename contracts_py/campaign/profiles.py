"""What a member has done at a brand: counters that rules read, as a whole and in windows of days.

    purchases, spend, visits, last_at                    as a whole
    purchases_7d, spend_30d, visits_90d, …               in the last 7, 30 and 90 local days, today included
    streak, streak_weeks                                 days (weeks) in a row with a purchase or visit, up to today
                                                         or yesterday (this week or the last), of the days known

An event `purchase` counts with its attribute `amount`, an event `visit` without. What campaigns set stands beside.

Invariants:
    1. The days of a profile are sorted, and each has a purchase or a visit.
    2. `take_back` of what `note` has noted leaves the counters as they were; `last_at` falls to what is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from contracts_py.campaign.deeds import (
    NAMED,
    PROFILE_DAYS,
    PROFILED_AT,
    PROFILES,
    Named,
    Profile,
    ProfileDay,
)
from contracts_py.campaign.effect_types import ProfileValue
from vm.contract_api import MAX_INT, Context

NO_PROFILE: Final = Profile()
WINDOWS: Final = (7, 30, 90)
COUNTED: Final = ("purchases", "spend", "visits")
EVENTS: Final = ("purchase", "visit")
"""The events that a profile counts."""

COUNTERS: Final = (
    *COUNTED,
    "last_at",
    "streak",
    "streak_weeks",
    *(f"{counter}_{days}d" for counter in COUNTED for days in WINDOWS),
)
"""Names of what the chain counts; no campaign sets these."""

_DAYS_OF_WEEK: Final = 7
_MONDAY: Final = 4
"""1 January 1970 was a Thursday: so days are shifted by three for weeks that begin on Mondays."""


def amount_of(attrs: Mapping[str, Any]) -> int:
    """Return what a purchase came to: its attribute `amount` where that is an integer from 0 on."""
    amount = attrs.get("amount")
    return amount if type(amount) is int and amount >= 0 else 0


def note(ctx: Context, brand: str, account: str, event: str, amount: int, at: int, day: int) -> None:
    """Count an event in an account's profile."""
    if event not in EVENTS:
        return
    stored = PROFILES.get(ctx, brand, account)
    profile = stored or NO_PROFILE
    bought = event == "purchase"
    PROFILES.put(ctx, _with(profile, bought, amount, at, day), brand, account)
    if stored is None:
        PROFILED_AT.add(ctx, account, item=brand)


def _with(profile: Profile, bought: bool, amount: int, at: int, day: int) -> Profile:
    days = {one.day: one for one in profile.days}
    old = days.get(day) or ProfileDay(day, 0, 0, 0, 0)
    days[day] = ProfileDay(
        day,
        old.purchases + bought,
        min(old.spend + amount, MAX_INT) if bought else old.spend,
        old.visits + (not bought),
        max(old.last_at, at),
    )
    return Profile(
        profile.purchases + bought,
        min(profile.spend + amount, MAX_INT) if bought else profile.spend,
        profile.visits + (not bought),
        max(profile.last_at, at),
        tuple([days[key] for key in sorted(days)[-PROFILE_DAYS:]]),
    )


def take_back(ctx: Context, brand: str, account: str, event: str, amount: int, at: int, day: int) -> None:
    """Take an event out of an account's profile, on its day."""
    profile = PROFILES.get(ctx, brand, account)
    if event not in EVENTS or profile is None:
        return
    bought = event == "purchase"
    days = []
    for one in profile.days:
        if one.day == day:
            one = replace(
                one,
                purchases=max(0, one.purchases - bought),
                spend=max(0, one.spend - amount) if bought else one.spend,
                visits=max(0, one.visits - (not bought)),
            )
        if one.purchases or one.visits:
            days.append(one)
    last_at = profile.last_at
    if last_at == at and not any(one.last_at == at for one in days):
        last_at = days[-1].last_at if days else 0
    changed = Profile(
        max(0, profile.purchases - bought),
        max(0, profile.spend - amount) if bought else profile.spend,
        max(0, profile.visits - (not bought)),
        last_at,
        tuple(days),
    )
    PROFILES.put(ctx, changed, brand, account)


def lower_spend(ctx: Context, brand: str, account: str, by: int, day: int) -> None:
    """Let what an account has spent on a day shrink: a part of a purchase came back."""
    profile = PROFILES.get(ctx, brand, account)
    if profile is None or not by:
        return
    days = [replace(one, spend=_within(one.spend - by)) if one.day == day else one for one in profile.days]
    PROFILES.put(ctx, replace(profile, spend=_within(profile.spend - by), days=tuple(days)), brand, account)


def _within(total: int) -> int:
    return min(max(0, total), MAX_INT)


def joined(profiles: Sequence[Profile]) -> Profile:
    """Return one profile for several accounts of one shopper."""
    if len(profiles) == 1:
        return profiles[0]
    days: dict[int, ProfileDay] = {}
    for profile in profiles:
        for one in profile.days:
            old = days.get(one.day)
            days[one.day] = one if old is None else _sum_of(old, one)
    return Profile(
        sum(profile.purchases for profile in profiles),
        _within(sum(profile.spend for profile in profiles)),
        sum(profile.visits for profile in profiles),
        max((profile.last_at for profile in profiles), default=0),
        tuple([days[key] for key in sorted(days)[-PROFILE_DAYS:]]),
    )


def _sum_of(one: ProfileDay, other: ProfileDay) -> ProfileDay:
    return ProfileDay(
        one.day,
        one.purchases + other.purchases,
        _within(one.spend + other.spend),
        one.visits + other.visits,
        max(one.last_at, other.last_at),
    )


def counters(profile: Profile, today: int) -> dict[str, int]:
    """Return what the chain counts, by name."""
    found = {counter: getattr(profile, counter) for counter in COUNTED}
    found["last_at"] = profile.last_at
    for days in WINDOWS:
        within = [one for one in profile.days if today - days < one.day <= today]
        for counter in COUNTED:
            found[f"{counter}_{days}d"] = sum([getattr(one, counter) for one in within])
    found["streak"] = _run([one.day for one in profile.days], today)
    weeks = sorted({(one.day + _MONDAY - 1) // _DAYS_OF_WEEK for one in profile.days})
    found["streak_weeks"] = _run(weeks, (today + _MONDAY - 1) // _DAYS_OF_WEEK)
    return found


def _run(numbers: Sequence[int], now: int) -> int:
    """Return how many numbers follow one another up to now, or up to the one before."""
    present = set(numbers)
    last = now if now in present else now - 1
    run = 0
    while last - run in present:
        run += 1
    return run


def named_of(ctx: Context, brand: str, accounts: Iterable[str]) -> dict[str, ProfileValue]:
    """Return the values that campaigns have set; of a name that several accounts have, the first one's."""
    found: dict[str, ProfileValue] = {}
    for account in accounts:
        for one in NAMED.get(ctx, brand, account) or ():
            found.setdefault(one.name, one.value)
    return found


def set_named(ctx: Context, brand: str, account: str, values: Mapping[str, ProfileValue | None]) -> None:
    """Set values of an account's profile; None takes one out.

    Raises:
        Refused: LIMIT_EXCEEDED, the profile would have too many.
    """
    stored = NAMED.get(ctx, brand, account)
    found: dict[str, ProfileValue | None] = {one.name: one.value for one in stored or ()}
    found.update(values)
    left = tuple([Named(name, value) for name, value in sorted(found.items()) if value is not None])
    if left:
        NAMED.put(ctx, left, brand, account)
        if stored is None:
            PROFILED_AT.add(ctx, account, item=brand)
    elif stored is not None:
        NAMED.delete(ctx, brand, account)


def forget(ctx: Context, account: str) -> None:
    """Remove an account's profiles at all brands."""
    for brand in list(PROFILED_AT.iterate(ctx, account)):
        PROFILES.delete(ctx, brand, account)
        NAMED.delete(ctx, brand, account)
        PROFILED_AT.discard(ctx, account, item=brand)
