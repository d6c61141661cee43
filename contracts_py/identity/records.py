"""What the identity contract keeps in the state."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from contracts_py.calendar import Offsets
from vm.contract_api import (
    ADDRESS,
    SLUG,
    Address,
    Hash,
    Meta,
    Name,
    OrderedSet,
    PublicKey,
    Schedule,
    Sequence,
    Slug,
    Table,
    TimeMs,
)

MAX_KEYS: Final = 8
"""SPEC section 2: a transaction names at most 8 signers, so no further key could add to a threshold."""

MAX_BRANDS_OF_ACCOUNT: Final = 256
"""At how many brands one account may hold roles: as many as can have a validator."""

Role = Literal["admin", "issuer", "cashier", "marketer", "compliance", "oracle", "treasurer"]
ROLES: Final = 7

Threshold = Annotated[int, Meta(ge=1, le=MAX_KEYS)]
RoleTuple = Annotated[tuple[Role, ...], Meta(max_length=ROLES)]


class Exit(msgspec.Struct, frozen=True, gc=False):
    """A brand is leaving: its points are good until `ends`; from then on `custodian` acts for its members."""

    ends: TimeMs
    custodian: Slug


class Brand(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A partner of the alliance.

    Attributes:
        terms_hash: that of its terms, hex.
        offsets: its local time.
        pooling: whether points of its programs may be spent from household pools.
        exit: where the alliance has voted that it leaves.
    """

    name: Name
    terms_hash: Hash | None = None
    offsets: Offsets = ()
    suspended: bool = False
    pooling: bool = False
    exit: Exit | None = None

    def has_left(self, time: int) -> bool:
        """Tell whether the brand's run-off is over."""
        return self.exit is not None and self.exit.ends <= time


class Auth(msgspec.Struct, frozen=True, gc=False):
    """Public keys (hex, sorted), any `threshold` of which act for the account together."""

    keys: Annotated[tuple[PublicKey, ...], Meta(max_length=MAX_KEYS)]
    threshold: Threshold


class Membership(msgspec.Struct, frozen=True, gc=False):
    """An enrolled member: whose, under which commitment, since when, and whether the brand acts for it."""

    brand: Slug
    ref: Hash
    enrolled: TimeMs
    custodial: bool


class BrandRoles(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One account's roles at one brand, sorted."""

    brand: Slug
    roles: RoleTuple


class Account(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What identity must know of an account whenever it is used; all else is in tables of its own.

    Attributes:
        roles: sorted by brand.
        pool: the account is a household pool's; no key acts for it.
    """

    auth: Auth | None = None
    roles: Annotated[tuple[BrandRoles, ...], Meta(max_length=MAX_BRANDS_OF_ACCOUNT)] = ()
    member: Membership | None = None
    pool: bool = False

    def roles_at(self, brand: str) -> tuple[Role, ...]:
        """Return the account's roles at a brand."""
        for entry in self.roles:
            if entry.brand == brand:
                return entry.roles
        return ()


NO_ACCOUNT: Final = Account()

BRAND: Final = ("brand", SLUG)

BRANDS: Final[Table[Brand]] = Table(
    "identity/brand", (BRAND,), Brand, "a partner", missing="no such brand", present="the brand exists"
)
ALL_BRANDS: Final[Sequence[str]] = Sequence("identity/brands", (), Slug, "all brands, in order of registration")
ROLE_HOLDERS: Final[OrderedSet[str]] = OrderedSet(
    "identity/role-holders", (BRAND,), Address, "accounts that hold any role of a brand"
)
ADMINS: Final[OrderedSet[str]] = OrderedSet("identity/admins", (BRAND,), Address, "a brand's admins")
ACCOUNTS: Final[Table[Account]] = Table(
    "identity/account",
    (("address", ADDRESS),),
    Account,
    "who may act for an account, its roles, its membership; absent for a plain account, whose own key acts",
)
EXITS: Final = Schedule("identity/exit", (BRAND,), "the end of a brand's run-off")
