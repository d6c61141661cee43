"""What identity keeps in the state, and under which keys.

identity/brand/<brand>      Brand
identity/brands             list of brand slugs (see `contracts_py.sequences`)
identity/roles/<brand>      RoleHolders: which accounts hold a role of the brand
identity/account/<address>  Account: who may act for it, its roles, its membership; absent for a plain
                            account, for which the one key that its address is made of may act
"""

from __future__ import annotations

from typing import Literal

import msgspec

from contracts_py.calendar import Offsets

BRANDS = "identity/brands"

Role = Literal["admin", "issuer", "cashier", "marketer", "compliance", "oracle", "treasurer"]


class Brand(msgspec.Struct, frozen=True, omit_defaults=True):
    """A partner of the alliance. `terms_hash` is that of its terms, hex; `offsets` is its local time."""

    name: str
    terms_hash: str | None = None
    offsets: Offsets = ()
    suspended: bool = False


class RoleHolders(msgspec.Struct, frozen=True):
    """The accounts that hold any role of a brand, sorted, and how many of them are admins."""

    accounts: tuple[str, ...] = ()
    admins: int = 0


class Auth(msgspec.Struct, frozen=True):
    """Public keys (hex, sorted), any `threshold` of which act for the account together."""

    keys: tuple[str, ...]
    threshold: int


class Membership(msgspec.Struct, frozen=True):
    """An enrolled member: whose, under which commitment, since when, and whether the brand acts for it."""

    brand: str
    ref: str
    enrolled: int
    custodial: bool


class BrandRoles(msgspec.Struct, frozen=True, array_like=True):
    """One account's roles at one brand, sorted."""

    brand: str
    roles: tuple[str, ...]


class Account(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that identity knows of an account; `roles` is sorted by brand."""

    auth: Auth | None = None
    roles: tuple[BrandRoles, ...] = ()
    member: Membership | None = None

    def roles_at(self, brand: str) -> tuple[str, ...]:
        """Return the account's roles at a brand."""
        for entry in self.roles:
            if entry.brand == brand:
                return entry.roles
        return ()


NO_ACCOUNT = Account()


def brand_key(brand: str) -> str:
    """Return the key of a Brand."""
    return f"identity/brand/{brand}"


def role_holders_key(brand: str) -> str:
    """Return the key of a brand's RoleHolders."""
    return f"identity/roles/{brand}"


def account_key(address: str) -> str:
    """Return the key of an Account."""
    return f"identity/account/{address}"
