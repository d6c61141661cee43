"""Brands and the roles that they give."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import Annotated, Any, Final

from msgspec.structs import replace

from contracts_py.calendar import Offsets
from contracts_py.identity import records
from contracts_py.identity.authority import Authority
from contracts_py.identity.events import (
    BrandRegistered,
    BrandResult,
    BrandResumed,
    BrandSuspended,
    BrandUpdated,
    RoleGranted,
    RoleRevoked,
    RolesResult,
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
from contracts_py.paging import DEFAULT_PAGE, Cursor, PageLimit, shown
from vm.contract_api import Address, Context, Contract, Hash, Meta, Name, Refused, Slug, call, refuse, view

MAX_ADMINS_AT_START: Final = 16

Admins = Annotated[tuple[Address, ...], Meta(min_length=1, max_length=MAX_ADMINS_AT_START)]


class Brands(Contract):
    """The room for brands."""

    name = "identity"
    state = (records,)

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
    ) -> BrandResult:
        """Add a brand to the alliance, by a vote of it or in genesis; `admins` get the role admin."""
        if not ctx.governance:
            raise Refused("NOT_AUTHORISED", "only the alliance registers a brand", brand=brand)
        BRANDS.require_absent(ctx, brand)
        if len(set(admins)) != len(admins):
            refuse("admins", f"1 to {MAX_ADMINS_AT_START} different accounts")
        BRANDS.put(ctx, Brand(name, terms_hash, _checked_offsets(offsets or ())), brand)
        ALL_BRANDS.append(ctx, brand)
        ctx.emit(BrandRegistered(brand, name))
        for account in admins:
            self._grant(ctx, brand, "admin", account)
        return BrandResult(brand)

    @call
    def update_brand(
        self,
        ctx: Context,
        brand: Slug,
        name: Name | None = None,
        terms_hash: Hash | None = None,
        offsets: Offsets | None = None,
    ) -> BrandResult:
        """Change what is given of a brand (admin). Dates that lots have already do not move with `offsets`."""
        record = BRANDS.require(ctx, brand)
        self._authority.require_role(ctx, brand, "admin")
        changed = replace(
            record,
            name=record.name if name is None else name,
            terms_hash=record.terms_hash if terms_hash is None else terms_hash,
            offsets=record.offsets if offsets is None else _checked_offsets(offsets),
        )
        BRANDS.put(ctx, changed, brand)
        ctx.emit(BrandUpdated(brand, changed.name))
        return BrandResult(brand)

    @call
    def grant_role(self, ctx: Context, brand: Slug, role: Role, account: Address) -> RolesResult:
        """Give an account a role of a brand (admin)."""
        BRANDS.require(ctx, brand)
        self._authority.require_role(ctx, brand, "admin")
        return self._grant(ctx, brand, role, account)

    @call
    def revoke_role(self, ctx: Context, brand: Slug, role: Role, account: Address) -> RolesResult:
        """Take a role of a brand from an account (admin, or the account itself); the last admin stays."""
        BRANDS.require(ctx, brand)
        if not self._authority.is_signer(ctx, account):
            self._authority.require_role(ctx, brand, "admin")
        held = (ACCOUNTS.get(ctx, account) or NO_ACCOUNT).roles_at(brand)
        if role not in held:
            raise Refused("NOT_FOUND", "the account does not hold the role", account=account, role=role)
        if role == "admin":
            if len(list(islice(ADMINS.iterate(ctx, brand), 2))) < 2:
                raise Refused("NOT_ELIGIBLE", "a brand keeps at least one admin", brand=brand)
            ADMINS.discard(ctx, brand, item=account)
        roles = tuple([name for name in held if name != role])
        if not roles:
            ROLE_HOLDERS.discard(ctx, brand, item=account)
        _put_roles(ctx, account, brand, roles)
        ctx.emit(RoleRevoked(brand, account, role))
        return RolesResult(brand, account, roles)

    def _grant(self, ctx: Context, brand: str, role: Role, account: str) -> RolesResult:
        held = (ACCOUNTS.get(ctx, account) or NO_ACCOUNT).roles_at(brand)
        if role in held:
            raise Refused("ALREADY_EXISTS", "the account holds the role", account=account, role=role)
        if role == "admin":
            ADMINS.add(ctx, brand, item=account)
        if not held:
            ROLE_HOLDERS.add(ctx, brand, item=account)
        roles = tuple(sorted((*held, role)))
        _put_roles(ctx, account, brand, roles)
        ctx.emit(RoleGranted(brand, account, role))
        return RolesResult(brand, account, roles)

    # For actions that the alliance has voted for

    def set_suspended(self, ctx: Context, brand: str, suspended: bool) -> None:
        """Suspend or resume a brand."""
        _require_governance(ctx, brand)
        record = BRANDS.require(ctx, brand)
        if record.suspended == suspended:
            words = "the brand is suspended" if suspended else "the brand is not suspended"
            raise Refused("NOT_ELIGIBLE", words, brand=brand)
        BRANDS.put(ctx, replace(record, suspended=suspended), brand)
        ctx.emit(BrandSuspended(brand) if suspended else BrandResumed(brand))

    def replace_admins(self, ctx: Context, brand: str, admins: tuple[str, ...]) -> None:
        """Give a brand other admins; the new ones come first, as a brand is never without."""
        _require_governance(ctx, brand)
        BRANDS.require(ctx, brand)
        former = list(ADMINS.iterate(ctx, brand))
        for account in admins:
            if account not in former:
                self._grant(ctx, brand, "admin", account)
        for account in former:
            if account not in admins:
                self.revoke_role(ctx, brand, "admin", account)

    # Views

    @view
    def brand(self, ctx: Context, brand: Slug) -> dict[str, Any]:
        """Return {brand, name, terms_hash?, offsets, suspended}."""
        record = BRANDS.require(ctx, brand)
        told = {
            "brand": brand,
            "name": record.name,
            "offsets": [{"from": offset.from_, "minutes": offset.minutes} for offset in record.offsets],
            "suspended": record.suspended,
        }
        return told if record.terms_hash is None else {**told, "terms_hash": record.terms_hash}

    @view
    def brands(self, ctx: Context, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE) -> dict[str, Any]:
        """Return {items, next}: the brands in the order of their registration, as `brand` shows them."""
        page = ALL_BRANDS.page(ctx, cursor=cursor, limit=limit)
        return shown(page, lambda brand: self.brand(ctx, brand))

    @view
    def roles(
        self, ctx: Context, brand: Slug, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> dict[str, Any]:
        """Return {items: [{account, roles}], next}: who holds roles of a brand, by address."""
        BRANDS.require(ctx, brand)

        def show(account: str) -> dict[str, Any]:
            record = ACCOUNTS.get(ctx, account) or NO_ACCOUNT
            return {"account": account, "roles": list(record.roles_at(brand))}

        return shown(ROLE_HOLDERS.page(ctx, brand, cursor=cursor, limit=limit), show)


def _require_governance(ctx: Context, brand: str) -> None:
    if not ctx.governance:
        raise Refused("NOT_AUTHORISED", "only the alliance does this", brand=brand)


def _checked_offsets(offsets: Offsets) -> Offsets:
    if any(a.from_ >= b.from_ for a, b in pairwise(offsets)):
        refuse("offsets", "changes in increasing order of from")
    return offsets


def _put_roles(ctx: Context, address: str, brand: str, roles: tuple[str, ...]) -> None:
    record = ACCOUNTS.get(ctx, address) or NO_ACCOUNT
    others = [entry for entry in record.roles if entry.brand != brand]
    if roles:
        others.append(BrandRoles(brand, roles))
    changed = replace(record, roles=tuple(sorted(others, key=lambda entry: entry.brand)))
    if changed == NO_ACCOUNT:
        ACCOUNTS.delete(ctx, address)
    else:
        ACCOUNTS.put(ctx, changed, address)
