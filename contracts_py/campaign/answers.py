"""What the campaign contract's calls and views answer."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from contracts_py.campaign.deeds import MAX_FIRED, VoucherState
from contracts_py.campaign.effect_types import (
    MAX_NAMES,
    Entered,
    Evolved,
    Given,
    Issued,
    ProfileName,
    ProfileSet,
    ProfileValue,
    TierPoints,
    VoucherGiven,
    VoucherId,
)
from contracts_py.campaign.records import Announced, Experiment, Shares, Terms
from contracts_py.campaign.types import MAX_EFFECTS, Version
from contracts_py.money import Currency
from vm.contract_api import (
    Address,
    Amount,
    BasisPoints,
    Count,
    Hash,
    Integer,
    Meta,
    Page,
    Ref,
    Slug,
    TimeMs,
)

FIRED: Final = "FIRED"
MAX_MESSAGE: Final = 300
"""Bytes of what a receipt says of a rule's error; the rest is cut."""

Words = Annotated[str, Meta(max_length=MAX_MESSAGE)]
Code = Annotated[str, Meta(max_length=32)]
Extent = Literal["no", "in part", "whole"]
CampaignStatus = Literal["announced", "active", "paused", "ended"]


class IssuedShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Points of a program; to another account than the member where `to` names it."""

    program: Slug
    amount: Amount
    to: Address | None = None


class EntryShown(msgspec.Struct, frozen=True, gc=False):
    """Tickets of a draw."""

    draw: Slug
    count: Amount


class GivenShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What one effect gave: exactly one of the fields is set."""

    issue: IssuedShown | None = None
    tier_points: Amount | None = None
    voucher: VoucherId | None = None
    evolve: Slug | None = None
    entry: EntryShown | None = None
    set_profile: Annotated[tuple[ProfileName, ...], Meta(max_length=MAX_NAMES)] | None = None


Gifts = Annotated[tuple[GivenShown, ...], Meta(max_length=MAX_EFFECTS)]


class Told(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What became of one campaign: FIRED with what it gave, or why not."""

    campaign: Slug
    outcome: Code
    version: Version
    gave: Gifts = ()
    why: Words | None = None
    arm: Slug | None = None


class UndoneShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What of one campaign was taken back, and what could not be."""

    campaign: Slug
    took: Gifts
    left: Annotated[tuple[Words, ...], Meta(max_length=MAX_EFFECTS)] = ()


class CampaignState(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A campaign, its latest version, and from when that is in force."""

    campaign: Slug
    status: CampaignStatus
    version: Version
    from_: TimeMs | None = msgspec.field(name="from", default=None)


class Waiting(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A proposal that waits for a second person."""

    campaign: Slug
    base: Count


class CampaignShown(msgspec.Struct, frozen=True, omit_defaults=True):
    """A campaign with the terms in force, and what of its budget is used."""

    campaign: Slug
    brand: Slug
    event: Slug
    status: CampaignStatus
    version: Version
    terms: Terms
    spent: Count
    announced: Announced | None = None
    shares: Shares = ()
    experiment: Experiment | None = None


class RecordDone(msgspec.Struct, frozen=True, gc=False):
    """Which campaigns fired."""

    fired: Annotated[tuple[Slug, ...], Meta(max_length=MAX_FIRED)]


class ReversalDone(msgspec.Struct, frozen=True, gc=False):
    """What was undone, and which campaigns fired for the goods kept."""

    undone: Annotated[tuple[UndoneShown, ...], Meta(max_length=MAX_FIRED)]
    fired: Annotated[tuple[Slug, ...], Meta(max_length=MAX_FIRED)]


class Preview(msgspec.Struct, frozen=True):
    """What a record would do now."""

    rules: list[Told]
    untold: Count


class ProfileShown(msgspec.Struct, frozen=True):
    """What a member has done at a brand: as rules read it today, and what campaigns have set."""

    brand: Slug
    member: Address
    counters: dict[str, int]
    named: dict[str, ProfileValue]


class RecordShown(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was recorded under a reference, and what is left of what it gave."""

    brand: Slug
    event: Slug
    ref: Ref
    tx: Hash | None
    member: Address
    at: TimeMs
    fired: list[Told]
    reversed: Extent


class VoucherShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A voucher, as of the block's time."""

    voucher: VoucherId
    brand: Slug
    campaign: Slug
    member: Address
    kind: Slug
    value: Integer
    starts: TimeMs
    expires: TimeMs
    state: VoucherState
    used_ref: Ref | None = None


class ArmShown(msgspec.Struct, frozen=True, gc=False):
    """What one arm of an experiment came to: members, records for which the rule held, their amounts, points."""

    arm: Slug
    bps: BasisPoints
    members: Count
    records: Count
    spend: Count
    points: Count


class Replay(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a rule would have done with past records, a page of them.

    Attributes:
        records: that were looked at; `fires` of them would have fired it, `errors` could not be judged.
        issued: points that the campaign has issued for them; `would_issue` what the rule would have.
        liability: what the difference is worth at the program's price, in minor units; negative: less.
        assumed: records of which some fact of the member is today's, as none was kept.
    """

    records: Count
    fires: Count
    errors: Count
    issued: Count
    would_issue: Count
    liability: Integer
    assumed: Count
    currency: Currency | None = None
    next: Annotated[str, Meta(max_length=128)] | None = None


CampaignPage = Page[CampaignShown]


def shown(given: Given) -> GivenShown:
    """Return what was given, as receipts show it."""
    match given:
        case Issued():
            return GivenShown(issue=IssuedShown(given.program, given.amount, given.to))
        case TierPoints():
            return GivenShown(tier_points=given.points)
        case VoucherGiven():
            return GivenShown(voucher=given.voucher)
        case Evolved():
            return GivenShown(evolve=given.collection)
        case Entered():
            return GivenShown(entry=EntryShown(given.draw, given.count))
        case ProfileSet():
            return GivenShown(set_profile=tuple([change.name for change in given.changes]))


def cut(message: str) -> str:
    """Return a message that a receipt can hold."""
    while len(message.encode()) > MAX_MESSAGE:
        message = message[: MAX_MESSAGE * len(message) // len(message.encode()) - 1]
    return message
