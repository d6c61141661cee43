"""What brands attest of members, and what members accept and consent to."""

from __future__ import annotations

from typing import Final

from contracts_py.identity import groups
from contracts_py.identity.authority import Authority
from contracts_py.identity.person_answers import AttestationShown, ConsentShown, TermsShown
from contracts_py.identity.person_events import Attested, Consented, TermsAccepted
from contracts_py.identity.person_records import (
    ATTESTATIONS,
    CONSENTS,
    MAX_ATTESTATIONS,
    MAX_CONSENTS,
    TERMS,
    Acceptance,
    Attestation,
    Consent,
    Level,
)
from contracts_py.identity.records import BRANDS
from vm.contract_api import (
    DEFAULT_PAGE,
    Address,
    Context,
    Contract,
    Cursor,
    Hash,
    Name,
    Page,
    PageLimit,
    Refused,
    Slug,
    TimeMs,
    call,
    view,
)

WITHDRAWN: Final = 0
"""The level by which a brand takes its attestation back."""


class Profiles(Contract):
    """The room for attestations, terms and consents."""

    name = "identity"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @call
    def attest(
        self,
        ctx: Context,
        member: Address,
        level: Level,
        provider: Name,
        commitment: Hash,
        expires: TimeMs,
        brand: Slug | None = None,
    ) -> AttestationShown:
        """Attest a member's level until `expires`, in place of the brand's former word (compliance).

        Level 0 takes it back. `brand` may be left out where the signers hold the role at one brand only.
        """
        brand = self._authority.acting_brand(ctx, "compliance", brand)
        self._authority.require_present(ctx, brand)
        groups.require_person(ctx, member)
        others = [found for found in ATTESTATIONS.get(ctx, member) or () if found.brand != brand]
        attestation = Attestation(brand, level, provider, commitment, expires)
        if level != WITHDRAWN:
            if expires <= ctx.time:
                raise Refused("EXPIRED", "the attestation would have expired already", expires=expires)
            if len(others) >= MAX_ATTESTATIONS:
                raise Refused("LIMIT_EXCEEDED", "too many brands attest the member", limit=MAX_ATTESTATIONS)
            others.append(attestation)
        if others:
            ATTESTATIONS.put(ctx, tuple(sorted(others, key=lambda found: found.brand)), member)
        else:
            ATTESTATIONS.delete(ctx, member)
        ctx.emit(Attested(brand, member, level, provider, expires))
        return _shown(member, attestation)

    @call
    def accept_terms(self, ctx: Context, member: Address, brand: Slug, terms_hash: Hash) -> TermsShown:
        """Accept a brand's present terms (the holder)."""
        groups.require_person(ctx, member)
        self._authority.require_acts_for(ctx, member)
        present = self._authority.require_present(ctx, brand).terms_hash
        if present is None:
            raise Refused("NOT_FOUND", "the brand has no terms", brand=brand)
        if terms_hash != present:
            raise Refused("CHANGED", "the brand's terms are others", brand=brand, terms_hash=present)
        TERMS.put(ctx, Acceptance(terms_hash, ctx.time), member, item=brand)
        ctx.emit(TermsAccepted(brand, member, terms_hash))
        return TermsShown(brand, terms_hash, ctx.time, current=True)

    @call
    def consent(self, ctx: Context, member: Address, purpose: Slug, granted: bool, text_hash: Hash) -> ConsentShown:
        """Grant or withdraw consent to a purpose, in place of what was said to it before (the holder)."""
        groups.require_person(ctx, member)
        self._authority.require_acts_for(ctx, member)
        said = CONSENTS.get(ctx, member, item=purpose)
        if said is None and sum(1 for _ in CONSENTS.iterate(ctx, member)) >= MAX_CONSENTS:
            raise Refused("LIMIT_EXCEEDED", "the member was asked about too many purposes", limit=MAX_CONSENTS)
        CONSENTS.put(ctx, Consent(granted, text_hash, ctx.time), member, item=purpose)
        ctx.emit(Consented(member, purpose, granted, text_hash))
        return ConsentShown(purpose, granted, text_hash, ctx.time)

    @view
    def attestations(self, ctx: Context, member: Address) -> list[AttestationShown]:
        """Return what brands attest of a member, by brand; at most 16, those that have expired included."""
        return [_shown(member, found) for found in ATTESTATIONS.get(ctx, member) or ()]

    @view
    def terms(
        self, ctx: Context, member: Address, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[TermsShown]:
        """Return which terms a member has accepted, by brand."""
        return TERMS.page(
            ctx, member, cursor=cursor, limit=limit, show=lambda brand: shown_terms(ctx, member, brand)
        )

    @view
    def consents(
        self, ctx: Context, member: Address, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[ConsentShown]:
        """Return what a member has said, by purpose."""

        def show(purpose: str) -> ConsentShown | None:
            said = CONSENTS.get(ctx, member, item=purpose)
            return None if said is None else ConsentShown(purpose, said.granted, said.text_hash, said.given)

        return CONSENTS.page(ctx, member, cursor=cursor, limit=limit, show=show)


def shown_terms(ctx: Context, member: str, brand: str) -> TermsShown | None:
    """Return which terms of a brand a member has accepted, or None."""
    found = TERMS.get(ctx, member, item=brand)
    if found is None:
        return None
    current = found.terms_hash == BRANDS.require(ctx, brand).terms_hash
    return TermsShown(brand, found.terms_hash, found.accepted, current)


def _shown(member: str, found: Attestation) -> AttestationShown:
    return AttestationShown(member, found.brand, found.level, found.provider, found.commitment, found.expires)
