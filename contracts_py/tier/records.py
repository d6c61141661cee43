"""What the tier contract keeps in the state."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from vm.contract_api import (
    ADDRESS,
    MAX_INT,
    SLUG,
    Address,
    Count,
    Meta,
    Name,
    OrderedSet,
    Ref,
    Schedule,
    Slug,
    Table,
    TimeMs,
)

MAX_LADDERS: Final = 8
"""Ladders of one brand: each event is counted in all of them, so that their number bounds what an event costs."""

MAX_LEVELS: Final = 16
MAX_BENEFITS: Final = 32
MAX_EVENTS: Final = 16

MAX_HORIZON_DAYS: Final = 1_464
"""Four years: how long a point may matter, window, grace and landings together. It bounds a standing's size."""

MAX_TERMS: Final = 4
"""Terms of a ladder whose days still count, and what waits."""

MAX_GRANTS: Final = 8
MAX_LADDERS_OF_MEMBER: Final = 64
MAX_PAIRS: Final = 16

MAX_COUNTED: Final = MAX_INT // 16
"""What one standing counts at most: the sum of a shopper's 16 addresses is an integer of the protocol."""

DEFAULT_LADDER: Final = "main"
DEFAULT_NOTICE_DAYS: Final = 30

Day = Annotated[int, Meta(ge=0, le=2**28)]
"""Days since 1970-01-01; 2^28 of them is later than any time of the protocol."""

Days = Annotated[int, Meta(ge=0, le=MAX_HORIZON_DAYS)]
WindowDays = Annotated[int, Meta(ge=1, le=MAX_HORIZON_DAYS)]
Threshold = Annotated[int, Meta(ge=0, le=MAX_COUNTED)]

Metric = Literal["points", "spend", "visits", "events"]
WindowKind = Literal["sliding", "calendar_year", "anniversary"]

Benefits = Annotated[tuple[Ref, ...], Meta(max_length=MAX_BENEFITS)]
EventTypes = Annotated[tuple[Ref, ...], Meta(max_length=MAX_EVENTS)]


class Level(msgspec.Struct, frozen=True, gc=False):
    """A level: from how many points on, and what it gives."""

    name: Slug
    threshold: Threshold
    benefits: Benefits = ()


Levels = Annotated[tuple[Level, ...], Meta(min_length=1, max_length=MAX_LEVELS)]


class Terms(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How a ladder's levels are reached and kept, judged on the local days from `from_day` on.

    `window_days` is that of a sliding window, and a year of the others; `notice_days` is how long other terms wait.
    """

    from_day: Day
    levels: Levels
    window_days: WindowDays
    grace_days: Days
    notice_days: Days
    soft_landing: bool = False


class Ladder(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand's ladder: the terms in the order of their days; `revision` counts its definitions."""

    metric: Metric
    window: WindowKind
    terms: Annotated[tuple[Terms, ...], Meta(max_length=MAX_TERMS)]
    revision: Count = 1


class Listed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A ladder among those of its brand: what it counts, and of which events; None: of all."""

    ladder: Slug
    metric: Metric
    events: EventTypes | None = None

    def counts(self, event: str) -> bool:
        """Tell whether an event of this type is counted."""
        return self.events is None or event in self.events


GivenKind = Literal["grant", "match"]


class Given(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A level that was given until a time: granted for a reason, or matched under a treaty, then its name."""

    level: Slug
    until: TimeMs
    kind: GivenKind
    reason: Name


class Standing(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an address has collected in a ladder, and what was told of it.

    Attributes:
        days, counts: local days, ascending, with what was counted on each.
        told, told_rank: the level, and its rank, of which the last `tier.changed` told, or with which it began.
        since: when that was reached.
        alarm: when the chain looks whether the level has fallen; None where it cannot.
        joined: the day whose anniversaries begin its windows; of that kind of window only.
    """

    days: Annotated[tuple[Day, ...], Meta(max_length=2 * MAX_HORIZON_DAYS)]
    counts: Annotated[tuple[Count, ...], Meta(max_length=2 * MAX_HORIZON_DAYS)]
    since: TimeMs
    told: Slug | None = None
    told_rank: Annotated[int, Meta(ge=0, le=MAX_LEVELS)] = 0
    given: Annotated[tuple[Given, ...], Meta(max_length=MAX_GRANTS)] = ()
    alarm: TimeMs | None = None
    joined: Day | None = None


class Pair(msgspec.Struct, frozen=True, gc=False):
    """A level of the from-brand, and the level of the to-brand that it gives."""

    from_: Slug = msgspec.field(name="from")
    to: Slug


Pairs = Annotated[tuple[Pair, ...], Meta(min_length=1, max_length=MAX_PAIRS)]


class Match(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A treaty by which levels of one brand's ladder give levels of another's.

    `days` is how long a level lasts from when it was given, None: until `valid_to`. `once`: a shopper may use it
    once. `ended` is when a side has ended it.
    """

    from_brand: Slug
    from_ladder: Slug
    to_brand: Slug
    to_ladder: Slug
    pairs: Pairs
    valid_from: TimeMs
    valid_to: TimeMs
    proposer: Slug
    days: WindowDays | None = None
    once: bool = False
    accepted: bool = False
    ended: TimeMs | None = None


MatchStatus = Literal["proposed", "active", "future", "ended"]

BRAND: Final = ("brand", SLUG)
LADDER: Final = ("ladder", SLUG)
MEMBER: Final = ("address", ADDRESS)

LADDERS: Final[Table[tuple[Listed, ...]]] = Table(
    "tier/ladders",
    (BRAND,),
    Annotated[tuple[Listed, ...], Meta(max_length=MAX_LADDERS)],
    "a brand's ladders in the order of definition; the first is its default",
    missing="the brand has no ladder",
)
LADDER_OF: Final[Table[Ladder]] = Table(
    "tier/ladder", (BRAND, LADDER), Ladder, "a ladder and its terms", missing="no such ladder"
)
STANDINGS: Final[Table[Standing]] = Table(
    "tier/standing", (BRAND, LADDER, MEMBER), Standing, "what an address has collected in a ladder"
)
MEMBERS: Final[OrderedSet[str]] = OrderedSet(
    "tier/members", (BRAND, LADDER), Address, "addresses with a standing in a ladder"
)
LADDERS_OF_MEMBER: Final[Table[tuple[tuple[str, str], ...]]] = Table(
    "tier/ladders-of",
    (MEMBER,),
    Annotated[tuple[tuple[Slug, Slug], ...], Meta(max_length=MAX_LADDERS_OF_MEMBER)],
    "brands and ladders in which an address has a standing, sorted",
)
ALARMS: Final[OrderedSet[tuple[int, str]]] = OrderedSet(
    "tier/alarm",
    (BRAND, LADDER),
    tuple[TimeMs, Address],
    "when the chain looks whether the level of which address has fallen",
)
LOOKS: Final = Schedule("tier/look", (BRAND, LADDER), "a time at which levels of a ladder may have fallen")
SWEEPS: Final = Schedule("tier/sweep", (BRAND, LADDER), "a walk over a ladder's members after a redefinition")
SWEPT: Final[Table[str]] = Table("tier/swept", (BRAND, LADDER), Address, "how far that walk has come")
MATCHES: Final[Table[Match]] = Table(
    "tier/match",
    (("match", SLUG),),
    Match,
    "a treaty about levels",
    missing="no such match",
    present="the match exists",
)
MATCHES_OF: Final[OrderedSet[str]] = OrderedSet(
    "tier/matches", (BRAND,), Slug, "treaties about levels of a brand, proposed ones included"
)
MATCHED: Final[Table[int]] = Table(
    "tier/matched", (("match", SLUG), MEMBER), TimeMs, "when an address has used a treaty that is good once"
)
