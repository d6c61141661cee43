"""The events of the tier contract."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from contracts_py.tier.records import MAX_LEVELS
from vm.contract_api import Address, BrandId, Count, Meta, Name, Slug, TimeMs, event

Rank = Annotated[int, Meta(ge=0, le=MAX_LEVELS)]

Cause = Literal["points", "reversal", "given", "time", "other", "erasure"]
"""Why a level changed: something was counted, or taken back; a grant or a match came or was revoked; days or a
grant ran out; accounts were linked or parted, or the ladder was defined anew; the member was erased."""


@event("tier.defined")
class Defined(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has defined a ladder, or new terms of one, which count from `from` on."""

    brand: BrandId
    ladder: Slug
    revision: Count
    from_: TimeMs = msgspec.field(name="from")


@event("tier.changed")
class Changed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member's level is another one, since `at`; a level without a name, at rank 0, is left out."""

    brand: BrandId
    ladder: Slug
    member: Address
    from_rank: Rank
    to_rank: Rank
    at: TimeMs
    cause: Cause
    from_: Slug | None = msgspec.field(name="from", default=None)
    to: Slug | None = None


@event("tier.granted")
class Granted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has granted a level until a time."""

    brand: BrandId
    ladder: Slug
    member: Address
    level: Slug
    until: TimeMs
    reason: Name


@event("tier.revoked")
class Revoked(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has ended what it had granted, or given by a match."""

    brand: BrandId
    ladder: Slug
    member: Address
    level: Slug
    reason: Name


@event("tier.match_proposed")
class MatchProposed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has proposed to another one that levels of the from-brand give levels of the to-brand."""

    match: Slug
    by: BrandId
    to: BrandId
    from_brand: BrandId
    to_brand: BrandId


@event("tier.match_accepted")
class MatchAccepted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A treaty about levels is agreed on."""

    match: Slug
    from_brand: BrandId
    to_brand: BrandId
    valid_from: TimeMs
    valid_to: TimeMs


@event("tier.match_ended")
class MatchEnded(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A side has ended a treaty about levels; what was given runs on."""

    match: Slug
    by: BrandId


@event("tier.matched")
class Matched(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A level of one brand has given a level of another until a time."""

    match: Slug
    from_brand: BrandId
    to_brand: BrandId
    from_account: Address
    member: Address
    from_level: Slug
    level: Slug
    until: TimeMs
