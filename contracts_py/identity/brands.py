"""Brands and the roles that they give."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final

from msgspec.structs import replace

from contracts_py.calendar import Offsets
from contracts_py.identity.answers import BrandNamed, BrandShown, RoleHolder, RolesOfAccount
from contracts_py.identity.authority import Authority
from contracts_py.identity.events import (
    BrandRegistered,
    BrandResumed,
    BrandSuspended,
    BrandUpdated,
    RoleGranted,
    RoleRevoked,
)
from contracts_py.identity.records import (
    ACCOUNTS,
    ADMINS,
    ALL_BRANDS,
    BRANDS,
    NO_ACCOUNT,
    ROLE_HOLDERS,
    Brand,
    BrandRoles,
    Role,
)
from vm.contract_api import (
    DEFAULT_PAGE,
    MS_PER_MINUTE,
    Address,
    Context,
    Contract,
    Cursor,
    Hash,
    Meta,
    Name,
    Page,
    PageLimit,
    Refused,
    Slug,
    call,
    refuse,
    view,
)

MAX_ADMINS_AT_START: Final = 16

MAX_ADMINS: Final = 64
"""One vote can take the role from all of them and give it to others, within the work of any transaction."""

Admins = Annotated[tuple[Address, ...], Meta(min_length=1, max_length=MAX_ADMINS_AT_START)]


class Brands(Contract):
    """The room for brands."""

    name = "identity"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @call
    def register_brand(
        self,
        ctx: Context,
        brand: Slug,
        name: Name,
        admins: Admins,
        terms_hash: Hash | None = None,
        offsets: Offsets | None = None,
    ) -> BrandNamed:
        """Add a brand to the alliance, by a vote of it or in genesis; `admins` get the role admin."""
        if not ctx.governance:
            raise Refused("NOT_AUTHORISED", "only the alliance registers a brand", brand=brand)
        BRANDS.require_absent(ctx, brand)
        _require_different(admins)
        BRANDS.put(ctx, Brand(name, terms_hash, _checked_offsets(offsets or ())), brand)
        ALL_BRANDS.append(ctx, brand)
        ctx.emit(BrandRegistered(brand, name))
        for account in admins:
            self._grant(ctx, brand, "admin", account)
        return BrandNamed(brand)

    @call
    def update_brand(
        self,
        ctx: Context,
        brand: Slug,
        name: Name | None = None,
        terms_hash: Hash | None = None,
        offsets: Offsets | None = None,
        pooling: bool | None = None,
    ) -> BrandNamed:
        """Change what is given of a brand (admin). Dates that lots have already do not move with `offsets`.

        `pooling` lets points of the brand's programs be spent from household pools; it does not to begin with.
        """
        record = BRANDS.require(ctx, brand)
        self._authority.require_role(ctx, brand, "admin")
        changed = replace(
            record,
            name=record.name if name is None else name,
            terms_hash=record.terms_hash if terms_hash is None else terms_hash,
            offsets=record.offsets if offsets is None else _checked_offsets(offsets),
            pooling=record.pooling if pooling is None else pooling,
        )
        BRANDS.put(ctx, changed, brand)
        ctx.emit(BrandUpdated(brand, changed.name))
        return BrandNamed(brand)

    @call
    def grant_role(self, ctx: Context, brand: Slug, role: Role, account: Address) -> RolesOfAccount:
        """Give an account a role of a brand (admin)."""
        BRANDS.require(ctx, brand)
        self._authority.require_role(ctx, brand, "admin")
        return self._grant(ctx, brand, role, account)

    @call
    def revoke_role(self, ctx: Context, brand: Slug, role: Role, account: Address) -> RolesOfAccount:
        """Take a role of a brand from an account (admin, or the account itself); the last admin stays."""
        BRANDS.require(ctx, brand)
        if not self._authority.is_signer(ctx, account):
            self._authority.require_role(ctx, brand, "admin")
        held = (ACCOUNTS.get(ctx, account) or NO_ACCOUNT).roles_at(brand)
        if role not in held:
            raise Refused("NOT_FOUND", "the account does not hold the role", account=account, role=role)
        if role == "admin" and len(_admins(ctx, brand)) == 1:
            raise Refused("NOT_ELIGIBLE", "a brand keeps at least one admin", brand=brand)
        return self._revoke(ctx, brand, role, account, held)

    def _revoke(self, ctx: Context, brand: str, role: Role, account: str, held: tuple[Role, ...]) -> RolesOfAccount:
        if role == "admin":
            ADMINS.discard(ctx, brand, item=account)
        roles = tuple([name for name in held if name != role])
        if not roles:
            ROLE_HOLDERS.discard(ctx, brand, item=account)
        _put_roles(ctx, account, brand, roles)
        ctx.emit(RoleRevoked(brand, account, role))
        return RolesOfAccount(brand, account, roles)

    def _grant(self, ctx: Context, brand: str, role: Role, account: str) -> RolesOfAccount:
        held = (ACCOUNTS.get(ctx, account) or NO_ACCOUNT).roles_at(brand)
        if role in held:
            raise Refused("ALREADY_EXISTS", "the account holds the role", account=account, role=role)
        if role == "admin":
            if len(_admins(ctx, brand)) >= MAX_ADMINS:
                raise Refused("LIMIT_EXCEEDED", "the brand has too many admins", limit=MAX_ADMINS)
            ADMINS.add(ctx, brand, item=account)
        if not held:
            ROLE_HOLDERS.add(ctx, brand, item=account)
        roles = tuple(sorted((*held, role)))
        _put_roles(ctx, account, brand, roles)
        ctx.emit(RoleGranted(brand, account, role))
        return RolesOfAccount(brand, account, roles)

    # For actions that the alliance has voted for

    def set_suspended(self, ctx: Context, brand: str, suspended: bool) -> None:
        """Suspend or resume a brand."""
        require_governance(ctx, brand)
        record = BRANDS.require(ctx, brand)
        if record.suspended == suspended:
            words = "the brand is suspended" if suspended else "the brand is not suspended"
            raise Refused("NOT_ELIGIBLE", words, brand=brand)
        BRANDS.put(ctx, replace(record, suspended=suspended), brand)
        ctx.emit(BrandSuspended(brand) if suspended else BrandResumed(brand))

    def replace_admins(self, ctx: Context, brand: str, admins: tuple[str, ...]) -> None:
        """Give a brand these admins in place of those that it has."""
        require_governance(ctx, brand)
        BRANDS.require(ctx, brand)
        _require_different(admins)
        former = _admins(ctx, brand)
        for account in former:
            if account not in admins:
                held = ACCOUNTS.require(ctx, account).roles_at(brand)
                self._revoke(ctx, brand, "admin", account, held)
        for account in admins:
            if account not in former:
                self._grant(ctx, brand, "admin", account)

    # Views

    @view
    def brand(self, ctx: Context, brand: Slug) -> BrandShown:
        """Return a brand."""
        record = BRANDS.require(ctx, brand)
        return BrandShown(
            brand, record.name, record.offsets, record.suspended, record.terms_hash, record.pooling, record.exit
        )

    @view
    def brands(
        self, ctx: Context, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[BrandShown]:
        """Return the brands in the order of their registration."""
        return ALL_BRANDS.page(ctx, cursor=cursor, limit=limit, show=lambda brand: self.brand(ctx, brand))

    @view
    def roles(
        self, ctx: Context, brand: Slug, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[RoleHolder]:
        """Return who holds roles of a brand, by address."""
        BRANDS.require(ctx, brand)

        def show(account: str) -> RoleHolder:
            return RoleHolder(account, (ACCOUNTS.get(ctx, account) or NO_ACCOUNT).roles_at(brand))

        return ROLE_HOLDERS.page(ctx, brand, cursor=cursor, limit=limit, show=show)


def require_governance(ctx: Context, brand: str) -> None:
    """Refuse unless the alliance has voted for this, or it stands in genesis.

    Raises:
        Refused: NOT_AUTHORISED.
    """
    if not ctx.governance:
        raise Refused("NOT_AUTHORISED", "only the alliance does this", brand=brand)


def _require_different(admins: tuple[str, ...]) -> None:
    if len(set(admins)) != len(admins):
        refuse("admins", f"1 to {MAX_ADMINS_AT_START} different accounts")


def _admins(ctx: Context, brand: str) -> list[str]:
    return list(ADMINS.iterate(ctx, brand))


def _checked_offsets(offsets: Offsets) -> Offsets:
    if any(a.from_ >= b.from_ for a, b in pairwise(offsets)):
        refuse("offsets", "changes in increasing order of from")
    if any(change.from_ % MS_PER_MINUTE for change in offsets):
        # A lot's date is the start of a day, and a millisecond past a whole minute it has had its extension.
        refuse("offsets", "changes at whole minutes")
    return offsets


def _put_roles(ctx: Context, address: str, brand: str, roles: tuple[Role, ...]) -> None:
    record = ACCOUNTS.get(ctx, address) or NO_ACCOUNT
    others = [entry for entry in record.roles if entry.brand != brand]
    if roles:
        others.append(BrandRoles(brand, roles))
    changed = replace(record, roles=tuple(sorted(others, key=lambda entry: entry.brand)))
    if changed == NO_ACCOUNT:
        ACCOUNTS.delete(ctx, address)
    else:
        ACCOUNTS.put(ctx, changed, address)
