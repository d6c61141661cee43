"""What the identity contract's calls and views answer."""

from __future__ import annotations

import msgspec

from contracts_py.calendar import Offsets
from contracts_py.identity.records import Auth, Exit, Membership, Role, RoleTuple, Threshold
from vm.contract_api import Address, Hash, Name, PublicKey, Slug


class BrandNamed(msgspec.Struct, frozen=True, gc=False):
    """The brand that was registered or changed."""

    brand: Slug


class RolesOfAccount(msgspec.Struct, frozen=True, gc=False):
    """All roles that the account holds at the brand now."""

    brand: Slug
    account: Address
    roles: RoleTuple


class AuthNow(msgspec.Struct, frozen=True, gc=False):
    """The keys, sorted, any `threshold` of which act for the account."""

    account: Address
    keys: tuple[PublicKey, ...]
    threshold: Threshold


class Claim(msgspec.Struct, frozen=True, gc=False):
    """The member and the key that acts for it now."""

    member: Address
    key: PublicKey


class BrandShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand; its local time is UTC plus what `offsets` say. `pooling` and `exit` are as in its record."""

    brand: Slug
    name: Name
    offsets: Offsets
    suspended: bool
    terms_hash: Hash | None = None
    pooling: bool = False
    exit: Exit | None = None


class RoleHolder(msgspec.Struct, frozen=True, gc=False):
    """An account and its roles at the brand asked for."""

    account: Address
    roles: RoleTuple


class AccountShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An account: its roles by brand; `auth` where other keys act for it than its own; `member` where it is one.

    Attributes:
        pool: it is a household pool's.
        merged_into: the account that stands in its place now.
    """

    account: Address
    roles: dict[str, list[Role]]
    auth: Auth | None = None
    member: Membership | None = None
    pool: bool = False
    merged_into: Address | None = None
