"""Who may act for whom, and for which brand: what the machine and other contracts ask. It changes nothing."""

from __future__ import annotations

from collections.abc import Container, Iterable

from contracts_py.identity import groups
from contracts_py.identity.person_records import ATTESTATIONS, ERASED, POOL_OF, POOLS, TERMS, Attestation, Pool
from contracts_py.identity.records import ACCOUNTS, BRANDS, NO_ACCOUNT, Account, Brand, Membership
from contracts_py.identity.referral_graph import referrer_in_force
from vm.contract_api import Context, Refused, address_of_key, refuse


class Authority:
    """Answers from the state; satisfies `vm.runtime.Authority`."""

    def may_act(self, ctx: Context, account: str, signers: tuple[str, ...]) -> bool:
        """Tell whether keys with these addresses may act for `account`."""
        return _have_signed(ACCOUNTS.get(ctx, account), account, signers)

    def brands_of(self, ctx: Context, account: str) -> tuple[str, ...]:
        """Return the brands, not suspended and not gone, at which the account holds roles; sorted."""
        return self._present(ctx, ACCOUNTS.get(ctx, account))

    def brands_of_sender(self, ctx: Context, account: str, signers: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return `brands_of` where keys with these addresses `may_act` for the account, else None; in one look."""
        record = ACCOUNTS.get(ctx, account)
        return self._present(ctx, record) if _have_signed(record, account, signers) else None

    def _present(self, ctx: Context, record: Account | None) -> tuple[str, ...]:
        if record is None:
            return ()
        return tuple([entry.brand for entry in record.roles if self._is_present(ctx, entry.brand)])

    def _is_present(self, ctx: Context, brand: str) -> bool:
        record = BRANDS.require(ctx, brand)
        return not record.suspended and not record.has_left(ctx.time)

    def brand_record(self, ctx: Context, brand: str) -> Brand:
        """Return a brand's record.

        Raises:
            Refused: NOT_FOUND.
        """
        return BRANDS.require(ctx, brand)

    def require_active(self, ctx: Context, brand: str) -> Brand:
        """Return the record of a brand that is not suspended and does not leave the alliance: it may issue.

        Raises:
            Refused: NOT_FOUND, SUSPENDED.
        """
        record = BRANDS.require(ctx, brand)
        if record.suspended:
            raise Refused("SUSPENDED", "the brand is suspended", brand=brand)
        if record.exit is not None:
            raise Refused("SUSPENDED", "the brand leaves the alliance", brand=brand, ends=record.exit.ends)
        return record

    def is_active(self, ctx: Context, brand: str) -> bool:
        """Tell whether `require_active` would let a brand pass."""
        record = BRANDS.require(ctx, brand)
        return not record.suspended and record.exit is None

    def require_present(self, ctx: Context, brand: str) -> Brand:
        """Return the record of a brand that is not suspended and has not left the alliance.

        Raises:
            Refused: NOT_FOUND, SUSPENDED.
        """
        record = BRANDS.require(ctx, brand)
        if record.suspended:
            raise Refused("SUSPENDED", "the brand is suspended", brand=brand)
        if record.has_left(ctx.time):
            raise Refused("SUSPENDED", "the brand has left the alliance", brand=brand)
        return record

    def is_exiting(self, ctx: Context, brand: str) -> bool:
        """Tell whether a brand is in its run-off: it issues no more, and its points can still be redeemed."""
        record = BRANDS.require(ctx, brand)
        return record.exit is not None and not record.has_left(ctx.time)

    def has_left(self, ctx: Context, brand: str) -> bool:
        """Tell whether a brand's run-off is over."""
        return BRANDS.require(ctx, brand).has_left(ctx.time)

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

        That is the sender, another account that has signed, a custodial member whose custodian's
        cashier or issuer has signed, or a household pool for one of whose spenders the transaction acts.
        """
        if account == ctx.sender:
            return True
        record = ACCOUNTS.get(ctx, account)
        if record is None:
            return account in ctx.signers
        if record.pool:
            pool = POOLS.get(ctx, account)
            return pool is not None and any(self.acts_for(ctx, spender) for spender in pool.may_spend())
        if record.member is not None and record.member.custodial:
            return self.holds_role(ctx, self.brand_acting_for(ctx, record.member), "cashier", "issuer")
        return _have_signed(record, account, ctx.signers)

    def require_acts_for(self, ctx: Context, account: str) -> None:
        """Refuse unless the transaction acts for a holder.

        Raises:
            Refused: NOT_AUTHORISED.
        """
        if not self.acts_for(ctx, account):
            raise Refused("NOT_AUTHORISED", "the signers may not act for the account", account=account)

    def brand_acting_for(self, ctx: Context, member: Membership) -> str:
        """Return the brand that looks after a member: its own, or once that has left, its custodian."""
        return self.custodian_after(ctx, member.brand)

    def custodian_after(self, ctx: Context, brand: str) -> str:
        """Return a brand, or where it has left, the one that looks after its members.

        A custodian does not leave when it is named, so that the way from brand to custodian has no circle.
        """
        record = BRANDS.require(ctx, brand)
        while record.exit is not None and record.exit.ends <= ctx.time:
            brand = record.exit.custodian
            record = BRANDS.require(ctx, brand)
        return brand

    def custodian_of(self, ctx: Context, account: str) -> str | None:
        """Return the brand that acts for a custodial member, or None."""
        record = ACCOUNTS.get(ctx, account)
        if record is None or record.member is None or not record.member.custodial:
            return None
        return self.brand_acting_for(ctx, record.member)

    def is_member(self, ctx: Context, account: str, brand: str) -> bool:
        """Tell whether the account, or one that was merged into it, is a member of the brand, custodial or not."""
        return any(_enrolled_at(ctx, one, brand) is not None for one in groups.accounts_of(ctx, account))

    def enrolled_at(self, ctx: Context, account: str, brand: str) -> int | None:
        """Return when the account, or one that was merged into it, was enrolled at a brand; None: never."""
        times = [_enrolled_at(ctx, one, brand) for one in groups.accounts_of(ctx, account)]
        return min([time for time in times if time is not None], default=None)

    def require_person(self, ctx: Context, account: str) -> None:
        """Refuse an account about which nothing more is to be noted.

        Raises:
            Refused: NOT_ELIGIBLE, it is a household pool, was merged into another account, or was erased.
        """
        groups.require_person(ctx, account)

    # What is known of persons

    def linked(self, ctx: Context, a: str, b: str) -> bool:
        """Tell whether two addresses are one shopper's; an address is linked to itself."""
        return groups.are_linked(ctx, a, b)

    def linked_addresses(self, ctx: Context, account: str) -> tuple[str, ...]:
        """Return all addresses of the account's shopper, itself included; sorted, at most 16."""
        return groups.group_of(ctx, account)

    def accounts_of(self, ctx: Context, account: str) -> Iterable[str]:
        """Yield an account, and those merged into it, directly or over others."""
        return groups.accounts_of(ctx, account)

    def current_account(self, ctx: Context, account: str) -> str:
        """Return the account into which this one was merged; itself where it was not."""
        return groups.current_account(ctx, account)

    def is_erased(self, ctx: Context, account: str) -> bool:
        """Tell whether the facts of the person behind an account were erased."""
        return ERASED.get(ctx, account) is not None

    def way_to_current(self, ctx: Context, account: str) -> tuple[str, ...]:
        """Return an account, the one that it was merged into, and so on, up to its current one."""
        return groups.way_to_current(ctx, account)

    def attestation_of(self, ctx: Context, account: str) -> Attestation | None:
        """Return the attestation in force of the highest level, and of these the one that lasts longest."""
        in_force = [
            found
            for one in groups.accounts_of(ctx, account)
            for found in ATTESTATIONS.get(ctx, one) or ()
            if found.expires > ctx.time
        ]
        return max(in_force, key=lambda found: (found.level, found.expires, found.brand), default=None)

    def has_accepted_terms(self, ctx: Context, account: str, brand: str) -> bool:
        """Tell whether the account, or one merged into it, has accepted the brand's present terms."""
        present = BRANDS.require(ctx, brand).terms_hash
        for one in groups.accounts_of(ctx, account):
            accepted = TERMS.get(ctx, one, item=brand)
            if accepted is not None and accepted.terms_hash == present:
                return True
        return False

    def referrer_of(self, ctx: Context, account: str) -> str | None:
        """Return who has referred a member; None where that turned out to be the same shopper, or a circle."""
        return referrer_in_force(ctx, account)

    def is_pool(self, ctx: Context, account: str) -> bool:
        """Tell whether the account is a household pool."""
        record = ACCOUNTS.get(ctx, account)
        return record is not None and record.pool

    def pool_of(self, ctx: Context, member: str) -> tuple[str, Pool] | None:
        """Return the address and the rules of the household pool that a member is in, or None."""
        address = POOL_OF.get(ctx, member)
        return None if address is None else (address, POOLS.require(ctx, address))


def _has_any(record: Account, brand: str, roles: tuple[str, ...]) -> bool:
    return not set(roles).isdisjoint(record.roles_at(brand))


def _have_signed(record: Account | None, account: str, signers: tuple[str, ...]) -> bool:
    if record is None or record.auth is None:
        return account in signers
    present = [key for key in record.auth.keys if address_of_key(bytes.fromhex(key)) in signers]
    return len(present) >= record.auth.threshold


def _enrolled_at(ctx: Context, account: str, brand: str) -> int | None:
    record = ACCOUNTS.get(ctx, account)
    if record is None or record.member is None or record.member.brand != brand:
        return None
    return record.member.enrolled
