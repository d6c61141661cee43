"""Brands, roles and members: who is who, and who may act for whom.

An account without an auth record is held by the one key that its address is made of. With one, any
`threshold` of the record's keys act for it, and the original key no longer does, unless it is among them. A
custodial member has no key: its custodian brand's cashiers and issuers act for it, until it is claimed.

Whoever signs a transaction consents to all of it. So a role counts where the transaction's sender holds
it, or the account of any key that signed. A brand gives roles without asking, though: so no call acts for every
brand at which a signer holds a role, and a holder may give a role up (docs/decisions/abuse-of-names-and-roles.md).

Invariants:
    1. A brand has at least one admin, always.
    2. RoleHolders and the roles in the accounts' records say the same.
    3. A member's address never changes: balances, tiers and badges stay where they are.
    4. An id that is a registered brand's slug, or begins with it and a dash, is that brand's, unless it is older.
"""

from __future__ import annotations

from collections.abc import Container
from itertools import pairwise
from typing import Annotated, Any

import msgspec

from contracts_py import identity_views
from contracts_py.calendar import Offset, Offsets
from contracts_py.identity_records import (
    BRANDS,
    NO_ACCOUNT,
    Account,
    Auth,
    Brand,
    BrandRoles,
    Membership,
    Role,
    RoleHolders,
    account_key,
    brand_key,
    role_holders_key,
)
from contracts_py.sequences import DEFAULT_PAGE, Cursor, PageLimit, append
from vm.contract_api import (
    Address,
    Amount,
    Context,
    Contract,
    Hash,
    Meta,
    Name,
    PublicKey,
    Refused,
    Slug,
    address_of_key,
    address_of_member,
    call,
    refuse,
    view,
)

MAX_KEYS = 8
"""SPEC section 2: a transaction names at most 8 signers, so no further key could add to a threshold."""

MAX_ADMINS_AT_START = 16
MAX_ROLE_HOLDERS = 1_000
"""Accounts with a role at one brand: one record holds them all."""

MAX_OFFSETS = 200
"""A century of summer times."""


class Identity(Contract):
    """The identity contract, and the authority (`vm.runtime.Authority`) that all others ask."""

    name = "identity"

    # Brands and roles

    @call
    def register_brand(
        self,
        ctx: Context,
        brand: Slug,
        name: Name,
        admins: Annotated[tuple[Address, ...], Meta(max_length=MAX_ADMINS_AT_START)],
        terms_hash: Hash | None = None,
        offsets: Annotated[tuple[Offset, ...], Meta(max_length=MAX_OFFSETS)] | None = None,
    ) -> dict[str, Any]:
        """Add a brand to the alliance, by a vote of it or in genesis; `admins` get the role admin.

        Returns:
            {brand}.
        """
        if not ctx.governance:
            raise Refused("NOT_AUTHORISED", "only the alliance registers a brand", brand=brand)
        if ctx.get(brand_key(brand), Brand) is not None:
            raise Refused("ALREADY_EXISTS", "the brand exists", brand=brand)
        accounts = tuple(admins)
        if not 1 <= len(accounts) <= MAX_ADMINS_AT_START or len(set(accounts)) != len(accounts):
            refuse("admins", f"1 to {MAX_ADMINS_AT_START} different accounts")
        ctx.put(brand_key(brand), Brand(name, terms_hash, _checked_offsets(tuple(offsets or ()))))
        ctx.put(role_holders_key(brand), RoleHolders())
        append(ctx, BRANDS, brand)
        ctx.emit("identity.brand_registered", {"brand": brand, "name": name})
        for account in accounts:
            self._grant(ctx, brand, "admin", account)
        return {"brand": brand}

    @call
    def update_brand(
        self,
        ctx: Context,
        brand: Slug,
        name: Name | None = None,
        terms_hash: Hash | None = None,
        offsets: Annotated[tuple[Offset, ...], Meta(max_length=MAX_OFFSETS)] | None = None,
    ) -> dict[str, Any]:
        """Change what is given of a brand (admin). Dates that lots have already do not move with `offsets`.

        Returns:
            {brand}.
        """
        record = self.brand_record(ctx, brand)
        self.require_role(ctx, brand, "admin")
        changed = Brand(
            name=record.name if name is None else name,
            terms_hash=record.terms_hash if terms_hash is None else terms_hash,
            offsets=record.offsets if offsets is None else _checked_offsets(tuple(offsets)),
            suspended=record.suspended,
        )
        ctx.put(brand_key(brand), changed)
        ctx.emit("identity.brand_updated", {"brand": brand, "name": changed.name})
        return {"brand": brand}

    @call
    def grant_role(self, ctx: Context, brand: Slug, role: Role, account: Address) -> dict[str, Any]:
        """Give an account a role of a brand (admin).

        Returns:
            {brand, account, roles}: all the account's roles there.
        """
        self.brand_record(ctx, brand)
        self.require_role(ctx, brand, "admin")
        roles = self._grant(ctx, brand, role, account)
        return {"brand": brand, "account": account, "roles": list(roles)}

    @call
    def revoke_role(self, ctx: Context, brand: Slug, role: Role, account: Address) -> dict[str, Any]:
        """Take a role of a brand from an account (admin, or the account itself); the last admin stays.

        Returns:
            {brand, account, roles}: what the account still holds there.
        """
        self.brand_record(ctx, brand)
        if not self._is_signer(ctx, account):
            self.require_role(ctx, brand, "admin")
        held = (ctx.get(account_key(account), Account) or NO_ACCOUNT).roles_at(brand)
        if role not in held:
            raise Refused("NOT_FOUND", "the account does not hold the role", account=account, role=role)
        holders = _role_holders(ctx, brand)
        if role == "admin" and holders.admins == 1:
            raise Refused("NOT_ELIGIBLE", "a brand keeps at least one admin", brand=brand)
        roles = tuple([name for name in held if name != role])
        accounts = holders.accounts if roles else tuple([a for a in holders.accounts if a != account])
        ctx.put(role_holders_key(brand), RoleHolders(accounts, holders.admins - (role == "admin")))
        _put_roles(ctx, account, brand, roles)
        ctx.emit("identity.role_revoked", {"brand": brand, "account": account, "role": role})
        return {"brand": brand, "account": account, "roles": list(roles)}

    def _grant(self, ctx: Context, brand: str, role: str, account: str) -> tuple[str, ...]:
        held = (ctx.get(account_key(account), Account) or NO_ACCOUNT).roles_at(brand)
        if role in held:
            raise Refused("ALREADY_EXISTS", "the account holds the role", account=account, role=role)
        holders = _role_holders(ctx, brand)
        accounts = holders.accounts if held else tuple(sorted((*holders.accounts, account)))
        if len(accounts) > MAX_ROLE_HOLDERS:
            raise Refused("LIMIT_EXCEEDED", "too many accounts hold roles of the brand", limit=MAX_ROLE_HOLDERS)
        ctx.put(role_holders_key(brand), RoleHolders(accounts, holders.admins + (role == "admin")))
        roles = tuple(sorted((*held, role)))
        _put_roles(ctx, account, brand, roles)
        ctx.emit("identity.role_granted", {"brand": brand, "account": account, "role": role})
        return roles

    # Accounts and members

    @call
    def set_auth(
        self, ctx: Context, keys: Annotated[tuple[PublicKey, ...], Meta(max_length=MAX_KEYS)], threshold: Amount
    ) -> dict[str, Any]:
        """Let any `threshold` of `keys` act for the sender from the next transaction on.

        Returns:
            {account, keys, threshold}.
        """
        ordered = tuple(sorted(keys))
        if not 1 <= len(ordered) <= MAX_KEYS or len(set(ordered)) != len(ordered):
            refuse("keys", f"1 to {MAX_KEYS} different keys")
        if threshold > len(ordered):
            refuse("threshold", "at most the number of keys")
        if not ctx.sender:
            raise Refused("NOT_AUTHORISED", "no account has sent this")
        _put_auth(ctx, ctx.sender, Auth(ordered, threshold))
        result = {"account": ctx.sender, "keys": list(ordered), "threshold": threshold}
        ctx.emit("identity.auth_set", result)
        return result

    @call
    def enroll(self, ctx: Context, brand: Slug, ref: Hash) -> str:
        """Enroll a custodial member under the brand's salted commitment `ref` (issuer).

        Returns:
            The member's address.
        """
        self.require_active(ctx, brand)
        self.require_role(ctx, brand, "issuer")
        member = address_of_member(brand, bytes.fromhex(ref))
        record = ctx.get(account_key(member), Account) or NO_ACCOUNT
        if record.member is not None:
            raise Refused("ALREADY_EXISTS", "the member is enrolled", member=member)
        membership = Membership(brand, ref, ctx.time, custodial=True)
        ctx.put(account_key(member), msgspec.structs.replace(record, member=membership))
        ctx.emit("identity.enrolled", {"brand": brand, "member": member})
        return member

    @call
    def claim(self, ctx: Context, member: Address, key: PublicKey) -> dict[str, Any]:
        """End custody: from now on `key` acts for the member. Signed by an issuer of the brand and by `key`.

        Returns:
            {member, key}.
        """
        record = ctx.get(account_key(member), Account) or NO_ACCOUNT
        membership = record.member
        if membership is None:
            raise Refused("NOT_FOUND", "no such member", member=member)
        if not membership.custodial:
            raise Refused("ALREADY_EXISTS", "the member has been claimed", member=member)
        self.require_role(ctx, membership.brand, "issuer")
        if address_of_key(bytes.fromhex(key)) not in ctx.signers:
            raise Refused("NOT_AUTHORISED", "the new key must sign too", key=key)
        claimed = Account(
            auth=Auth((key,), 1),
            roles=record.roles,
            member=msgspec.structs.replace(membership, custodial=False),
        )
        ctx.put(account_key(member), claimed)
        ctx.emit("identity.claimed", {"brand": membership.brand, "member": member, "key": key})
        return {"member": member, "key": key}

    # What the machine and other contracts ask

    def may_act(self, ctx: Context, account: str, signers: tuple[str, ...]) -> bool:
        """Tell whether keys with these addresses may act for `account`."""
        record = ctx.get(account_key(account), Account)
        if record is None or record.auth is None:
            return account in signers
        present = [key for key in record.auth.keys if address_of_key(bytes.fromhex(key)) in signers]
        return len(present) >= record.auth.threshold

    def brands_of(self, ctx: Context, account: str) -> tuple[str, ...]:
        """Return the brands, not suspended, at which the account holds roles; sorted."""
        record = ctx.get(account_key(account), Account)
        if record is None:
            return ()
        return tuple([entry.brand for entry in record.roles if not self.brand_record(ctx, entry.brand).suspended])

    def brand_record(self, ctx: Context, brand: str) -> Brand:
        """Return a brand's record.

        Raises:
            Refused: NOT_FOUND.
        """
        record = ctx.get(brand_key(brand), Brand)
        if record is None:
            raise Refused("NOT_FOUND", "no such brand", brand=brand)
        return record

    def require_active(self, ctx: Context, brand: str) -> Brand:
        """Return the record of a brand that is not suspended.

        Raises:
            Refused: NOT_FOUND, SUSPENDED.
        """
        record = self.brand_record(ctx, brand)
        if record.suspended:
            raise Refused("SUSPENDED", "the brand is suspended", brand=brand)
        return record

    def set_suspended(self, ctx: Context, brand: str, suspended: bool) -> None:
        """Suspend or resume a brand, for actions that the alliance has voted for."""
        if not ctx.governance:
            raise Refused("NOT_AUTHORISED", "only the alliance suspends a brand", brand=brand)
        record = self.brand_record(ctx, brand)
        ctx.put(brand_key(brand), msgspec.structs.replace(record, suspended=suspended))
        ctx.emit("identity.brand_suspended" if suspended else "identity.brand_resumed", {"brand": brand})

    def holds_role(self, ctx: Context, brand: str, *roles: str) -> bool:
        """Tell whether the sender, or the account of a key that signed, holds one of the brand's `roles`.

        The alliance itself (genesis, actions it has voted for) holds all.
        """
        if ctx.governance:
            return True
        sender = ctx.sender
        record = ctx.get(account_key(sender), Account)
        if record is not None and _has_any(record, brand, roles):
            return True
        for signer in ctx.signers:
            if signer != sender:
                record = ctx.get(account_key(signer), Account)
                if record is not None and _has_any(record, brand, roles) and self.may_act(ctx, signer, ctx.signers):
                    return True
        return False

    def require_role(self, ctx: Context, brand: str, *roles: str) -> None:
        """Refuse unless someone with one of the brand's `roles` has signed.

        Raises:
            Refused: NOT_AUTHORISED.
        """
        if not self.holds_role(ctx, brand, *roles):
            raise Refused("NOT_AUTHORISED", f"needs the role {' or '.join(roles)}", brand=brand)

    def brands_of_signers(self, ctx: Context, role: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return (account, brands, sorted) of the sender, and then each other that signed, which hold a role."""
        accounts = [ctx.sender, *[signer for signer in ctx.signers if signer != ctx.sender]]
        found = []
        for account in accounts:
            record = ctx.get(account_key(account), Account) or NO_ACCOUNT
            brands = tuple([entry.brand for entry in record.roles if role in entry.roles])
            if brands and self._is_signer(ctx, account):
                found.append((account, brands))
        return found

    def acting_brand(self, ctx: Context, role: str, brand: str | None, among: Container[str] | None = None) -> str:
        """Return the brand for which the signers act by a role: the one named, or the only one there is.

        Args:
            among: the brands that come into question; None: all.

        Raises:
            Refused: NOT_AUTHORISED; INVALID_ARGS, the signers hold the role at several brands and name none.
        """
        if brand is None:
            held = {name for _, brands in self.brands_of_signers(ctx, role) for name in brands}
            brands = sorted(name for name in held if among is None or name in among)
            if not brands:
                raise Refused("NOT_AUTHORISED", f"needs the role {role}")
            if len(brands) > 1:
                refuse("brand", f"a brand's name, as the signers hold the role {role} at several")
            return brands[0]
        if among is not None and brand not in among:
            raise Refused("NOT_AUTHORISED", "this brand may not", brand=brand)
        self.brand_record(ctx, brand)
        self.require_role(ctx, brand, role)
        return brand

    def require_free_name(self, ctx: Context, name: str, brand: str) -> None:
        """Refuse an id (of a program, a proposal, …) that is another brand's: its slug, alone or before a dash.

        Where several brands' slugs fit, the longest tells whose it is. Costs one read for each dash and one more.

        Raises:
            Refused: NOT_AUTHORISED, with the brand whose name it is.
        """
        stem = name
        while stem:
            if stem == brand:
                return
            if ctx.get(brand_key(stem), Brand) is not None:
                raise Refused("NOT_AUTHORISED", f"the name is reserved for the brand {stem}", name=name, brand=stem)
            stem = stem.rpartition("-")[0]

    def _is_signer(self, ctx: Context, account: str) -> bool:
        """Tell whether an account itself has signed; nobody does so for a custodial member."""
        return account == ctx.sender or self.may_act(ctx, account, ctx.signers)

    def acts_for(self, ctx: Context, account: str) -> bool:
        """Tell whether the transaction acts for a holder.

        That is the sender, another account that has signed, or a custodial member whose custodian's
        cashier or issuer has signed.
        """
        if account == ctx.sender:
            return True
        brand = self.custodian_of(ctx, account)
        if brand is not None:
            return self.holds_role(ctx, brand, "cashier", "issuer")
        return self.may_act(ctx, account, ctx.signers)

    def custodian_of(self, ctx: Context, account: str) -> str | None:
        """Return the brand that acts for a custodial member, or None."""
        record = ctx.get(account_key(account), Account)
        if record is None or record.member is None or not record.member.custodial:
            return None
        return record.member.brand

    def is_member(self, ctx: Context, account: str, brand: str) -> bool:
        """Tell whether the account is a member of the brand, custodial or not."""
        record = ctx.get(account_key(account), Account)
        return record is not None and record.member is not None and record.member.brand == brand

    # Views

    @view
    def brand(self, ctx: Context, brand: Slug) -> dict[str, Any]:
        """Return {brand, name, terms_hash?, offsets, suspended}."""
        return identity_views.show_brand(brand, self.brand_record(ctx, brand))

    @view
    def brands(self, ctx: Context, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE) -> dict[str, Any]:
        """Return {items, next}: the brands in the order of their registration, as `brand` shows them."""
        return identity_views.list_brands(ctx, cursor, limit)

    @view
    def roles(
        self, ctx: Context, brand: Slug, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> dict[str, Any]:
        """Return {items: [{account, roles}], next}: who holds roles of a brand, by address."""
        self.brand_record(ctx, brand)
        return identity_views.list_roles(ctx, brand, cursor, limit)

    @view
    def member(self, ctx: Context, member: Address) -> dict[str, Any]:
        """Return {member, brand, ref, enrolled, custodial}."""
        return identity_views.show_member(ctx, member)

    @view
    def account(self, ctx: Context, account: Address) -> dict[str, Any]:
        """Return {account, roles: {brand: [role]}, auth?: {keys, threshold}, member?: {brand, …}}.

        Without `auth` the key that the address is made of acts for the account.
        """
        return identity_views.show_account(ctx, account)


def _checked_offsets(offsets: Offsets) -> Offsets:
    if any(a.from_ >= b.from_ for a, b in pairwise(offsets)):
        refuse("offsets", "changes in increasing order of from")
    return offsets


def _has_any(record: Account, brand: str, roles: tuple[str, ...]) -> bool:
    return not set(roles).isdisjoint(record.roles_at(brand))


def _role_holders(ctx: Context, brand: str) -> RoleHolders:
    return ctx.get(role_holders_key(brand), RoleHolders) or RoleHolders()


def _put_roles(ctx: Context, address: str, brand: str, roles: tuple[str, ...]) -> None:
    record = ctx.get(account_key(address), Account) or NO_ACCOUNT
    others = [entry for entry in record.roles if entry.brand != brand]
    if roles:
        others.append(BrandRoles(brand, roles))
    entries = tuple(sorted(others, key=lambda entry: entry.brand))
    changed = msgspec.structs.replace(record, roles=entries)
    if changed == NO_ACCOUNT:
        ctx.delete(account_key(address))
    else:
        ctx.put(account_key(address), changed)


def _put_auth(ctx: Context, address: str, auth: Auth) -> None:
    record = ctx.get(account_key(address), Account) or NO_ACCOUNT
    ctx.put(account_key(address), msgspec.structs.replace(record, auth=auth))
