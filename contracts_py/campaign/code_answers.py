"""What calls and views answer about code pools."""

from __future__ import annotations

from typing import Literal

import msgspec

from vm.contract_api import Address, Count, Hash, Slug, TimeMs


class CodePoolShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A pool of codes.

    Attributes:
        count, redeemed: how many codes it has, and how many were redeemed.
        expires: from then on none is redeemed.
        per_member: how many one shopper redeems; None: as many as he has.
    """

    root: Hash
    campaign: Slug
    brand: Slug
    count: Count
    redeemed: Count
    expires: TimeMs
    per_member: Count | None = None


class CodeNow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What is known of a code by its leaf: whether such a code exists, only its path tells.

    Attributes:
        state: free; reserved to `member`; used by `member` at `used`; expired.
    """

    root: Hash
    leaf: Hash
    state: Literal["free", "reserved", "used", "expired"]
    member: Address | None = None
    used: TimeMs | None = None


class CodeReservedNow(msgspec.Struct, frozen=True, gc=False):
    """For whom a code is reserved."""

    root: Hash
    leaf: Hash
    member: Address


class CodeCommittedNow(msgspec.Struct, frozen=True, gc=False):
    """From which height on an account may redeem the code to which it has committed."""

    member: Address
    commitment: Hash
    from_height: Count


class CodeRedeemedNow(msgspec.Struct, frozen=True, gc=False):
    """A code that was redeemed; (brand, event, ref) name the record of what its campaign gave."""

    campaign: Slug
    brand: Slug
    event: Slug
    ref: str
    member: Address
    root: Hash
    leaf: Hash
