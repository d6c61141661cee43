"""Who may act for whom, and for which brand: what the machine and other contracts ask. It changes nothing."""

from __future__ import annotations

from collections.abc import Container

from contracts_py.identity.records import ACCOUNTS, BRANDS, NO_ACCOUNT, Account, Brand
from vm.contract_api import Context, Refused, address_of_key, refuse


class Authority:
    """Answers from the state; satisfies `vm.runtime.Authority`."""

    def may_act(self, ctx: Context, account: str, signers: tuple[str, ...]) -> bool:
        """Tell whether keys with these addresses may act for `account`."""
        return _may_act(ACCOUNTS.get(ctx, account), account, signers)

    def brands_of(self, ctx: Context, account: str) -> tuple[str, ...]:
        """Return the brands, not suspended, at which the account holds roles; sorted."""
        return self._unsuspended(ctx, ACCOUNTS.get(ctx, account))

    def brands_of_sender(self, ctx: Context, account: str, signers: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return `brands_of` where keys with these addresses `may_act` for the account, else None; in one look."""
        record = ACCOUNTS.get(ctx, account)
        return self._unsuspended(ctx, record) if _may_act(record, account, signers) else None

    def _unsuspended(self, ctx: Context, record: Account | None) -> tuple[str, ...]:
        if record is None:
            return ()
        return tuple([entry.brand for entry in record.roles if not self.brand_record(ctx, entry.brand).suspended])

    def brand_record(self, ctx: Context, brand: str) -> Brand:
        """Return a brand's record.

        Raises:
            Refused: NOT_FOUND.
        """
        return BRANDS.require(ctx, brand)

    def require_active(self, ctx: Context, brand: str) -> Brand:
        """Return the record of a brand that is not suspended.

        Raises:
            Refused: NOT_FOUND, SUSPENDED.
        """
        record = BRANDS.require(ctx, brand)
        if record.suspended:
            raise Refused("SUSPENDED", "the brand is suspended", brand=brand)
        return record

    def holds_role(self, ctx: Context, brand: str, *roles: str) -> bool:
        """Tell whether the sender, or the account of a key that signed, holds one of the brand's `roles`.

        The alliance itself (genesis, actions it has voted for) holds all.
        """
        if ctx.governance:
            return True
        sender = ctx.sender
        record = ACCOUNTS.get(ctx, sender)
        if record is not None and _has_any(record, brand, roles):
            return True
        for signer in ctx.signers:
            if signer != sender:
                record = ACCOUNTS.get(ctx, signer)
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
            record = ACCOUNTS.get(ctx, account) or NO_ACCOUNT
            brands = tuple([entry.brand for entry in record.roles if role in entry.roles])
            if brands and self.is_signer(ctx, account):
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
        while len(stem) > 1:  # no slug is shorter, so no brand has such a name
            if stem == brand:
                return
            if BRANDS.get(ctx, stem) is not None:
                raise Refused("NOT_AUTHORISED", f"the name is reserved for the brand {stem}", name=name, brand=stem)
            stem = stem.rpartition("-")[0]

    def is_signer(self, ctx: Context, account: str) -> bool:
        """Tell whether an account itself has signed; nothing does so for a custodial member."""
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
        record = ACCOUNTS.get(ctx, account)
        if record is None or record.member is None or not record.member.custodial:
            return None
        return record.member.brand

    def is_member(self, ctx: Context, account: str, brand: str) -> bool:
        """Tell whether the account is a member of the brand, custodial or not."""
        record = ACCOUNTS.get(ctx, account)
        return record is not None and record.member is not None and record.member.brand == brand


def _may_act(record: Account | None, account: str, signers: tuple[str, ...]) -> bool:
    if record is None or record.auth is None:
        return account in signers
    present = [key for key in record.auth.keys if address_of_key(bytes.fromhex(key)) in signers]
    return len(present) >= record.auth.threshold


def _has_any(record: Account, brand: str, roles: tuple[str, ...]) -> bool:
    return not set(roles).isdisjoint(record.roles_at(brand))
