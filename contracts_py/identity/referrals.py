"""Who has referred whom: never oneself, no circles, once for each member.

Linked addresses count as one, and so do addresses that were linked once: a shopper who parts from his own second
account does not become its friend.
"""

from __future__ import annotations

from typing import Final

from contracts_py.identity import groups
from contracts_py.identity.authority import Authority
from contracts_py.identity.person_answers import CodeOfMember, ReferralNow
from contracts_py.identity.person_events import ReferralCodeGiven, Referred
from contracts_py.identity.person_records import CODE_LENGTH, CODES, REFERRALS, REFERRED, Referral, ReferralCode
from contracts_py.identity.referral_graph import MAX_WALK, closes_circle
from vm.contract_api import Address, Context, Contract, Refused, call, refuse, sha256

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's: 32 characters that are not taken for one another."""


class Referrals(Contract):
    """The room for referrals."""

    name = "identity"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @call
    def referral_code(self, ctx: Context, member: Address) -> CodeOfMember:
        """Make the code by which others name a member as their referrer (the holder); always the same one."""
        groups.require_person(ctx, member)
        self._authority.require_acts_for(ctx, member)
        code = code_of(member)
        owner = CODES.get(ctx, code)
        if owner is not None and owner != member:
            raise Refused("ALREADY_EXISTS", "the code is another account's", code=code)
        if owner is None:
            CODES.put(ctx, member, code)
            ctx.emit(ReferralCodeGiven(member, code))
        return CodeOfMember(member, code)

    @call
    def refer(
        self, ctx: Context, member: Address, referrer: Address | None = None, code: ReferralCode | None = None
    ) -> ReferralNow:
        """Note who has referred a member, by address or code (the member's holder); once for ever."""
        if (referrer is None) == (code is None):
            refuse("referrer", "an account, or in its place a code")
        groups.require_person(ctx, member)
        self._authority.require_acts_for(ctx, member)
        found = groups.current_account(ctx, CODES.require(ctx, code) if referrer is None else referrer)
        groups.require_person(ctx, found)
        for account in groups.accounts_of(ctx, member):
            if REFERRALS.get(ctx, account) is not None:
                raise Refused("ALREADY_EXISTS", "the member has been referred", member=member)
        if groups.are_or_were_one(ctx, member, found):
            raise Refused(
                "NOT_ELIGIBLE",
                "an account does not refer itself, nor what is linked to it",
                member=member,
                referrer=found,
            )
        circle = closes_circle(ctx, member, found, ctx.time)
        if circle is None:
            raise Refused("LIMIT_EXCEEDED", "too long a line of referrals", limit=MAX_WALK)
        if circle:
            raise Refused("NOT_ELIGIBLE", "the member has referred its referrer", member=member, referrer=found)
        REFERRALS.put(ctx, Referral(found, ctx.time), member)
        REFERRED.put(ctx, (REFERRED.get(ctx, found) or 0) + 1, found)
        ctx.emit(Referred(member, found))
        return ReferralNow(member, found)


def code_of(member: str) -> str:
    """Return the only referral code that an account can have."""
    bits = int.from_bytes(sha256(b"referral\0" + member.encode()), "big")
    return "".join([_ALPHABET[bits >> 5 * place & 31] for place in range(CODE_LENGTH)])


def forget_referrals(ctx: Context, account: str) -> None:
    """Remove who has referred an account, and its code."""
    REFERRALS.delete(ctx, account)
    REFERRED.delete(ctx, account)
    CODES.delete(ctx, code_of(account))
