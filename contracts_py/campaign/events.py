"""The events of the campaign contract."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from contracts_py.campaign.answers import Told, UndoneShown
from contracts_py.campaign.effect_types import VoucherId
from contracts_py.campaign.records import Shares
from contracts_py.campaign.types import Version
from vm.contract_api import (
    Address,
    BasisPoints,
    BrandId,
    Count,
    Integer,
    Meta,
    Ref,
    Slug,
    TimeMs,
    event,
)

MAX_TOLD = 128
"""Campaigns of which one receipt tells what became of them: all that fired, and the first of the others."""

Rules = Annotated[tuple[Told, ...], Meta(max_length=MAX_TOLD)]


@event("campaign.created")
class Created(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A campaign has been created."""

    campaign: Slug
    brand: BrandId
    on: Slug
    starts: TimeMs
    ends: TimeMs


@event("campaign.updated")
class Updated(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A campaign has a new version, in force from a time on."""

    campaign: Slug
    brand: BrandId
    version: Version
    from_: TimeMs = msgspec.field(name="from")


@event("campaign.proposed")
class Proposed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A campaign, or a version of one, waits for a second person."""

    campaign: Slug
    brand: BrandId


@event("campaign.status_changed")
class StatusChanged(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A campaign was paused, or goes on."""

    campaign: Slug
    brand: BrandId
    status: Literal["active", "paused"]


@event("campaign.over")
class Over(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Nothing that is recorded fires a campaign any more."""

    campaign: Slug
    brand: BrandId


@event("campaign.funded")
class FundingSet(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Other brands pay a part of a campaign's points from now on."""

    campaign: Slug
    brand: BrandId
    shares: Shares


@event("campaign.experiment_set")
class ExperimentSet(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A campaign has variants, and a control group."""

    campaign: Slug
    brand: BrandId
    holdout_bps: BasisPoints
    variants: Count


@event("campaign.stack_set")
class StackSet(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has said how many campaigns of which groups fire together."""

    brand: BrandId
    max_per_event: Count
    order: Literal["priority", "best"]


@event("campaign.approval_set")
class ApprovalSet(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has said whether its campaigns need two people."""

    brand: BrandId
    required: bool


@event("campaign.recorded")
class RecordTold(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Something has happened, and which campaigns did what about it; of `untold` nothing is said here."""

    brand: BrandId
    on: Slug
    member: Address
    ref: Ref
    at: TimeMs
    rules: Rules
    untold: Count = 0


@event("campaign.reversed")
class ReversalTold(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Goods came back: what was undone, and what the rules gave for the goods kept."""

    brand: BrandId
    on: Slug
    member: Address
    ref: Ref
    return_ref: Ref
    undone: Annotated[tuple[UndoneShown, ...], Meta(max_length=MAX_TOLD)]
    rules: Rules


@event("campaign.voucher_given")
class VoucherGranted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member was given a voucher."""

    voucher: VoucherId
    brand: BrandId
    member: Address
    campaign: Slug
    kind: Slug
    value: Integer
    expires: TimeMs


@event("campaign.voucher_redeemed")
class VoucherRedeemed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A voucher was redeemed."""

    voucher: VoucherId
    brand: BrandId
    member: Address
    kind: Slug
    value: Integer
    ref: Ref


@event("campaign.voucher_ended")
class VoucherEnded(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A voucher has expired, or was taken back, without having been used."""

    voucher: VoucherId
    brand: BrandId
    member: Address
    expired: bool
