"""What the campaign contract keeps of campaigns that run by themselves, and what it tells and answers of them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from vm.contract_api import (
    ADDRESS,
    SLUG,
    Address,
    BrandId,
    Count,
    Hash,
    Meta,
    OrderedMap,
    Rule,
    Schedule,
    Slug,
    Table,
    TimeMs,
    event,
    refuse,
)

MAX_SCHEDULES: Final = 16
"""Campaigns of one brand that run by themselves."""

MAX_ENTRANTS: Final = 500
"""Members whom one call lets take part; each costs some 200 units."""

MAX_DAYS: Final = 366

GRACE_DAYS: Final = 7
"""How many days after a birthday the brand may still open it: a week, as batches stand still over holidays."""

BIRTHDAY_TAG: Final = b"entente/birthday/1\0"

Kind = Literal["birthday", "anniversary", "expiry", "idle"]


def _when(value: Any, field: str) -> Any:
    if type(value) is str and value in ("birthday", "anniversary"):
        return value
    if type(value) is dict and len(value) == 1:
        for name, days in value.items():
            if name in ("days_before_expiry", "idle_days") and type(days) is int and 1 <= days <= MAX_DAYS:
                return value
    return refuse(field, f'"birthday", "anniversary", {{days_before_expiry}} or {{idle_days}}, of 1 to {MAX_DAYS}')


_SCHEMA: Final = {
    "anyOf": [
        {"type": "string", "enum": ["birthday", "anniversary"]},
        {"type": "object", "maxProperties": 1, "properties": {"days_before_expiry": {"type": "integer"}}},
        {"type": "object", "maxProperties": 1, "properties": {"idle_days": {"type": "integer"}}},
    ]
}
When = Annotated[Any, Rule(_when, _SCHEMA)]
"""When a campaign runs by itself (SPEC-2 section 10)."""

Month = Annotated[int, Meta(ge=1, le=12)]
Day = Annotated[int, Meta(ge=1, le=31)]


class Timing(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """When a campaign runs; `program` is whose points expire."""

    campaign: Slug
    event: Slug
    kind: Kind
    days: Count = 0
    program: Slug | None = None


Timings = Annotated[tuple[Timing, ...], Meta(max_length=MAX_SCHEDULES)]


class Sweep(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How far a look for points that expire has come: the dates from `first` to `last`, and the next page."""

    first: TimeMs
    last: TimeMs
    due: TimeMs
    cursor: Annotated[str, Meta(max_length=64)] | None = None


class ScheduleShown(msgspec.Struct, frozen=True, gc=False):
    """The campaigns of a brand that run by themselves."""

    brand: Slug
    schedules: Timings


class BirthdayShown(msgspec.Struct, frozen=True, gc=False):
    """What the chain knows of a member's birthday: a commitment."""

    brand: Slug
    member: Address
    commitment: Hash


class EntrantsNow(msgspec.Struct, frozen=True, gc=False):
    """How many members take part who did not before."""

    campaign: Slug
    added: Count


@event("campaign.scheduled")
class Scheduled(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A campaign runs by itself from now on; without a kind: no more."""

    campaign: Slug
    brand: BrandId
    kind: Kind | None = None
    days: Count = 0


@event("campaign.birthday_set")
class BirthdaySet(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has committed to a member's month and day of birth."""

    brand: BrandId
    member: Address
    commitment: Hash


@event("campaign.birthday_opened")
class BirthdayOpened(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """It is a member's birthday; the campaigns on it have run."""

    brand: BrandId
    member: Address


_CAMPAIGN: Final = ("campaign", SLUG)
_MEMBER: Final = ("member", ADDRESS)

TIMINGS: Final[Table[tuple[Timing, ...]]] = Table(
    "campaign/timing", (("brand", SLUG),), Timings, "a brand's campaigns that run by themselves"
)
BIRTHDAYS: Final[OrderedMap[str, str]] = OrderedMap(
    "campaign/birthday",
    (_MEMBER,),
    Slug,
    Hash,
    "by brand, a salted commitment to month and day of birth",
)
TURNS: Final[Table[int]] = Table(
    "campaign/turn", (_CAMPAIGN, _MEMBER), TimeMs, "when a member's turn comes in a scheduled campaign"
)
SWEEPS: Final[Table[Sweep]] = Table(
    "campaign/sweep", (_CAMPAIGN,), Sweep, "how far the look for points that expire has come"
)
TURN_COMES: Final = Schedule("campaign/turn-comes", (_CAMPAIGN, _MEMBER), "a member's anniversary, or idle time")
SWEEP_COMES: Final = Schedule("campaign/sweep-comes", (_CAMPAIGN,), "the daily look for points that expire")
