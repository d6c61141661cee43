"""The events of the identity contract."""

from __future__ import annotations

from typing import Annotated

import msgspec

from contracts_py.identity.records import MAX_KEYS, Role, Threshold
from vm.contract_api import Address, BrandId, Meta, Name, PublicKey, TimeMs, event


@event("identity.brand_registered")
class BrandRegistered(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has joined the alliance."""

    brand: BrandId
    name: Name


@event("identity.brand_updated")
class BrandUpdated(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has changed what is known of it."""

    brand: BrandId
    name: Name


@event("identity.brand_suspended")
class BrandSuspended(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The alliance has suspended a brand."""

    brand: BrandId


@event("identity.brand_resumed")
class BrandResumed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The alliance has ended a brand's suspension."""

    brand: BrandId


@event("identity.role_granted")
class RoleGranted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An account has got a role of a brand."""

    brand: BrandId
    account: Address
    role: Role


@event("identity.role_revoked")
class RoleRevoked(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An account has lost a role of a brand."""

    brand: BrandId
    account: Address
    role: Role


@event("identity.auth_set")
class AuthSet(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Other keys act for an account from now on."""

    account: Address
    keys: Annotated[tuple[PublicKey, ...], Meta(max_length=MAX_KEYS)]
    threshold: Threshold


@event("identity.enrolled")
class Enrolled(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has enrolled a member."""

    brand: BrandId
    member: Address


@event("identity.claimed")
class Claimed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member has left custody: `key` acts for it."""

    brand: BrandId
    member: Address
    key: PublicKey


@event("identity.brand_exiting")
class BrandExiting(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand leaves the alliance: it issues no more, and its points can be redeemed before `ends`."""

    brand: BrandId
    custodian: BrandId
    ends: TimeMs


@event("identity.brand_exited")
class BrandExited(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has left the alliance; the custodian acts for its custodial members."""

    brand: BrandId
    custodian: BrandId
