"""Accounts' keys, and members: custodial until they claim their own key."""

from __future__ import annotations

from typing import Annotated

from msgspec.structs import replace

from contracts_py.identity import groups
from contracts_py.identity.answers import AccountShown, AuthNow, Claim
from contracts_py.identity.authority import Authority
from contracts_py.identity.events import AuthSet, Claimed, Enrolled
from contracts_py.identity.person_answers import MemberShown
from contracts_py.identity.person_records import CARDS_OF, CODES, ERASED, MERGED_FROM, MERGES, POOL_OF, REFERRED
from contracts_py.identity.profiles import shown_terms
from contracts_py.identity.records import ACCOUNTS, MAX_KEYS, NO_ACCOUNT, Auth, Membership, Threshold
from contracts_py.identity.referrals import code_of
from vm.contract_api import (
    DERIVATION,
    Address,
    Context,
    Contract,
    Hash,
    Meta,
    PublicKey,
    Refused,
    Slug,
    address_of_key,
    address_of_member,
    call,
    refuse,
    view,
)

Keys = Annotated[tuple[PublicKey, ...], Meta(min_length=1, max_length=MAX_KEYS)]


class Members(Contract):
    """The room for accounts and members."""

    name = "identity"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @call
    def set_auth(self, ctx: Context, keys: Keys, threshold: Threshold) -> AuthNow:
        """Let any `threshold` of `keys` act for the sender from the next transaction on."""
        ordered = tuple(sorted(keys))
        if len(set(ordered)) != len(ordered):
            refuse("keys", f"1 to {MAX_KEYS} different keys")
        if threshold > len(ordered):
            refuse("threshold", "at most the number of keys")
        if not ctx.sender:
            raise Refused("NOT_AUTHORISED", "no account has sent this")
        record = ACCOUNTS.get(ctx, ctx.sender) or NO_ACCOUNT
        ACCOUNTS.put(ctx, replace(record, auth=Auth(ordered, threshold)), ctx.sender)
        ctx.emit(AuthSet(ctx.sender, ordered, threshold))
        return AuthNow(ctx.sender, ordered, threshold)

    @call
    def enroll(self, ctx: Context, brand: Slug, ref: Hash) -> str:
        """Enroll a custodial member under the brand's salted commitment `ref` (issuer); return its address."""
        self._authority.require_active(ctx, brand)
        self._authority.require_role(ctx, brand, "issuer")
        ctx.charge(DERIVATION)
        member = address_of_member(brand, bytes.fromhex(ref))
        record = ACCOUNTS.get(ctx, member) or NO_ACCOUNT
        if record.member is not None:
            raise Refused("ALREADY_EXISTS", "the member is enrolled", member=member)
        ACCOUNTS.put(ctx, replace(record, member=Membership(brand, ref, ctx.time, custodial=True)), member)
        ctx.emit(Enrolled(brand, member))
        return member

    @call
    def claim(self, ctx: Context, member: Address, key: PublicKey) -> Claim:
        """End custody: from now on `key` acts for the member. Signed by an issuer of the brand and by `key`."""
        record = ACCOUNTS.get(ctx, member) or NO_ACCOUNT
        membership = record.member
        if membership is None:
            raise Refused("NOT_FOUND", "no such member", member=member)
        if not membership.custodial:
            raise Refused("ALREADY_EXISTS", "the member has been claimed", member=member)
        brand = self._authority.brand_acting_for(ctx, membership)
        self._authority.require_role(ctx, brand, "issuer")
        if address_of_key(bytes.fromhex(key)) not in ctx.signers:
            raise Refused("NOT_AUTHORISED", "the new key must sign too", key=key)
        claimed = replace(record, auth=Auth((key,), 1), member=replace(membership, custodial=False))
        ACCOUNTS.put(ctx, claimed, member)
        ctx.emit(Claimed(brand, member, key))
        return Claim(member, key)

    # Views

    @view
    def member(self, ctx: Context, member: Address) -> MemberShown:
        """Return a member, and what is known of it; of what was merged into it too, where that is asked of both."""
        enrolled = (ACCOUNTS.get(ctx, member) or NO_ACCOUNT).member
        if enrolled is None:
            raise Refused("NOT_FOUND", "no such member", member=member)
        attested = self._authority.attestation_of(ctx, member)
        custodian = self._authority.custodian_of(ctx, member)
        merger, code = MERGES.get(ctx, member), code_of(member)
        accounts = tuple(groups.accounts_of(ctx, member))
        return MemberShown(
            member,
            enrolled.brand,
            enrolled.ref,
            enrolled.enrolled,
            enrolled.custodial,
            custodian=None if custodian == enrolled.brand else custodian,
            level=None if attested is None else attested.level,
            provider=None if attested is None else attested.provider,
            expires=None if attested is None else attested.expires,
            terms=shown_terms(ctx, member, enrolled.brand),
            links=tuple([other for other in groups.group_of(ctx, member) if other != member]),
            referrer=self._authority.referrer_of(ctx, member),
            referral_code=None if CODES.get(ctx, code) is None else code,
            referred=sum(REFERRED.get(ctx, account) or 0 for account in accounts),
            cards=sum(1 for account in accounts for _ in CARDS_OF.iterate(ctx, account)),
            pool=POOL_OF.get(ctx, member),
            merged_into=None if merger is None else merger.into,
            merged_from=MERGED_FROM.get(ctx, member) or (),
            erased=ERASED.get(ctx, member),
        )

    @view
    def account(self, ctx: Context, account: Address) -> AccountShown:
        """Return what is known of an account; without `auth` the key that the address is made of acts for it."""
        record = ACCOUNTS.get(ctx, account) or NO_ACCOUNT
        roles = {entry.brand: list(entry.roles) for entry in record.roles}
        merger = MERGES.get(ctx, account)
        into = None if merger is None else merger.into
        return AccountShown(account, roles, record.auth, record.member, record.pool, into)
