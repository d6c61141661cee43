"""What the tier contract's calls and views answer."""

from __future__ import annotations

import msgspec

from contracts_py.tier.events import Rank
from contracts_py.tier.records import (
    Benefits,
    Days,
    EventTypes,
    GivenKind,
    MatchStatus,
    Metric,
    Pairs,
    WindowDays,
    WindowKind,
)
from vm.contract_api import Address, Count, Name, Slug, TimeMs


class Status(msgspec.Struct, frozen=True, gc=False):
    """What contracts above are told of a member at block time; `name` is empty at a rank 0 without a name.

    `benefits` are those of all the brand's ladders, the rest is of one of them.
    """

    name: str
    rank: int
    points: int
    since: int | None
    until: int | None
    benefits: tuple[str, ...]


class LadderDefined(msgspec.Struct, frozen=True, gc=False):
    """The ladder, how often it was defined, and from when on these terms count."""

    brand: Slug
    ladder: Slug
    revision: Count
    from_: TimeMs = msgspec.field(name="from")


class LevelShown(msgspec.Struct, frozen=True, gc=False):
    """A level."""

    name: Slug
    rank: Rank
    threshold: Count
    benefits: Benefits


class TermsShown(msgspec.Struct, frozen=True, gc=False):
    """How a ladder's levels are reached and kept, `from` when on; `window_days` is of sliding windows."""

    from_: TimeMs = msgspec.field(name="from")
    levels: tuple[LevelShown, ...]
    window_days: WindowDays
    grace_days: Days
    soft_landing: bool
    notice_days: Days


class LadderShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A ladder: the terms in force, and those that wait for their day. Without `events` all count."""

    brand: Slug
    ladder: Slug
    metric: Metric
    window: WindowKind
    revision: Count
    terms: TermsShown
    waiting: TermsShown | None = None
    events: EventTypes | None = None


class GivenShown(msgspec.Struct, frozen=True, gc=False):
    """A level that was given: by a grant for a `reason`, or by the match of that name."""

    level: Slug
    until: TimeMs
    kind: GivenKind
    reason: Name


class StatusShown(msgspec.Struct, frozen=True, gc=False):
    """A member's status.

    null: `tier`, no level is reached; `since`, nothing is known of the member; `until`, it does not end by itself;
    `next`, there is none. `needed` points are missing for `next`, `to_keep` to reach the present level anew.
    """

    brand: Slug
    ladder: Slug
    member: Address
    tier: Slug | None
    rank: Rank
    points: Count
    next: Slug | None
    needed: Count | None
    to_keep: Count
    since: TimeMs | None
    until: TimeMs | None
    benefits: Benefits
    given: tuple[GivenShown, ...]


class GateShown(msgspec.Struct, frozen=True, gc=False):
    """Whether a member has a benefit of a brand now, and from which ladder's level; null: from none."""

    granted: bool
    ladder: Slug | None
    tier: Slug | None
    until: TimeMs | None


class Falling(msgspec.Struct, frozen=True, gc=False):
    """A member whose level ends at `until` unless something is added."""

    member: Address
    tier: Slug
    rank: Rank
    until: TimeMs
    to_keep: Count


class GrantDone(msgspec.Struct, frozen=True, gc=False):
    """The level that was given until a time, and the member's level now."""

    brand: Slug
    ladder: Slug
    member: Address
    level: Slug
    until: TimeMs
    tier: Slug | None


class RevokeDone(msgspec.Struct, frozen=True, gc=False):
    """The member's level now that what had been given of the other is over."""

    brand: Slug
    ladder: Slug
    member: Address
    level: Slug
    tier: Slug | None


class MatchShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A treaty about levels. Without `days` a level lasts until `valid_to`."""

    match: Slug
    status: MatchStatus
    from_brand: Slug
    from_ladder: Slug
    to_brand: Slug
    to_ladder: Slug
    pairs: Pairs
    valid_from: TimeMs
    valid_to: TimeMs
    proposer: Slug
    once: bool
    days: WindowDays | None = None
    ended: TimeMs | None = None


class MatchState(msgspec.Struct, frozen=True, gc=False):
    """What a treaty is now."""

    match: Slug
    status: MatchStatus
