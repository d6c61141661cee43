"""What the campaign contract tells of code pools."""

from __future__ import annotations

import msgspec

from vm.contract_api import Address, BrandId, Count, Hash, Slug, TimeMs, event


@event("campaign.codes_opened")
class CodesOpened(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A campaign has a pool of so many codes."""

    campaign: Slug
    brand: BrandId
    root: Hash
    count: Count
    expires: TimeMs


@event("campaign.code_reserved")
class CodeReserved(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Only this member may redeem a code."""

    campaign: Slug
    brand: BrandId
    root: Hash
    leaf: Hash
    member: Address


@event("campaign.code_committed")
class CodeCommitted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An account has committed to a code that it will redeem."""

    member: Address
    commitment: Hash


@event("campaign.code_redeemed")
class CodeRedeemed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member has redeemed a code; what the campaign gave is in `campaign.recorded`."""

    campaign: Slug
    brand: BrandId
    root: Hash
    leaf: Hash
    member: Address
