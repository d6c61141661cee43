"""Purchases that no till has recorded: the member claims one, an issuer of the brand decides.

The claim names what was bought by a commitment only (a salted hash of the receipt's number, say), which the member
opens to the brand off the chain. What is accepted is recorded at the time of the purchase, as if the till had done
so: a claim can be made and decided as long as a record of that time can, which is `max_backdate_ms`.

Invariants:
    1. A commitment is claimed at a brand once, whatever became of it.
    2. CLAIMS_WAITING of an account = its claims in CLAIMS; each of these is in CLAIMS_OF, and on the agenda.
"""

from __future__ import annotations

from typing import Final

from contracts_py.campaign.attrs import Attrs
from contracts_py.campaign.claim_records import (
    CLAIM_ENDS,
    CLAIMS,
    CLAIMS_OF,
    CLAIMS_WAITING,
    DECISIONS,
    MAX_CLAIMS,
    ClaimDecided,
    ClaimShown,
    Decision,
    Outcome,
    PurchaseClaim,
    PurchaseClaimed,
)
from contracts_py.campaign.recorder import Recorder
from contracts_py.identity import Authority
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
    Ref,
    Refused,
    Slug,
    TimeMs,
    call,
    current_params,
    due,
    refuse,
    view,
)

PURCHASE: Final = "purchase"


class Claims(Contract):
    """The room for claimed purchases."""

    name = "campaign"

    def __init__(self, authority: Authority, recorder: Recorder) -> None:
        self._authority = authority
        self._recorder = recorder

    @call
    def claim_purchase(
        self, ctx: Context, brand: Slug, commitment: Hash, at: TimeMs, member: Address | None = None
    ) -> ClaimShown:
        """Claim a purchase of `at` that was not recorded (the holder)."""
        self._authority.require_active(ctx, brand)
        account = self._authority.current_account(ctx, ctx.sender if member is None else member)
        self._authority.require_acts_for(ctx, account)
        if not self._authority.is_member(ctx, account, brand):
            raise Refused("NOT_ELIGIBLE", "the account is no member of the brand", account=account, brand=brand)
        lapses = at + current_params(ctx).max_backdate_ms
        if at > ctx.time:
            refuse("at", "a time that has come")
        if lapses <= ctx.time:
            raise Refused("EXPIRED", "it is too long ago to be recorded", at=at)
        if CLAIMS.get(ctx, brand, commitment) is not None:
            raise Refused("ALREADY_EXISTS", "the purchase was claimed before", commitment=commitment)
        DECISIONS.require_absent(ctx, brand, commitment)
        waiting = CLAIMS_WAITING.get(ctx, account) or 0
        if waiting >= MAX_CLAIMS:
            raise Refused("LIMIT_EXCEEDED", "too many claims wait for a decision", limit=MAX_CLAIMS)
        CLAIMS.put(ctx, PurchaseClaim(account, at, lapses), brand, commitment)
        CLAIMS_OF.add(ctx, brand, item=(lapses, commitment))
        CLAIMS_WAITING.put(ctx, waiting + 1, account)
        CLAIM_ENDS.put(ctx, lapses, brand, commitment)
        ctx.emit(PurchaseClaimed(brand, account, commitment, at))
        return _shown(ctx, brand, commitment)

    @call
    def decide_claim(
        self,
        ctx: Context,
        brand: Slug,
        commitment: Hash,
        accepted: bool,
        ref: Ref | None = None,
        attrs: Attrs | None = None,
        reason: Name | None = None,
    ) -> ClaimShown:
        """Accept a claim, and record the purchase under `ref` with `attrs`; or refuse it (issuer)."""
        self._authority.require_role(ctx, brand, "issuer")
        claim = CLAIMS.require(ctx, brand, commitment)
        if claim.lapses <= ctx.time:
            raise Refused("EXPIRED", "the claim has lapsed", lapses=claim.lapses)
        if accepted != (ref is not None) or accepted != (attrs is not None):
            refuse("ref", "a ref and attrs where the claim is accepted, and only there")
        CLAIM_ENDS.cancel(ctx, claim.lapses, brand, commitment)
        outcome: Outcome = "accepted" if accepted else "refused"
        if ref is not None and attrs is not None:
            self._recorder.run(ctx, brand, PURCHASE, claim.member, ref, attrs, claim.at)
        self._close(ctx, brand, commitment, claim, outcome, ref, reason)
        return _shown(ctx, brand, commitment)

    @due(CLAIM_ENDS)
    def lapse_claim(self, ctx: Context, at: int, brand: str, commitment: str) -> bool:
        """End a claim that no one has decided."""
        del at
        claim = CLAIMS.get(ctx, brand, commitment)
        if claim is not None:
            self._close(ctx, brand, commitment, claim, "lapsed", None, None)
        return False

    def _close(
        self,
        ctx: Context,
        brand: str,
        commitment: str,
        claim: PurchaseClaim,
        outcome: Outcome,
        ref: str | None,
        reason: str | None,
    ) -> None:
        CLAIMS.delete(ctx, brand, commitment)
        CLAIMS_OF.discard(ctx, brand, item=(claim.lapses, commitment))
        left = CLAIMS_WAITING.require(ctx, claim.member) - 1
        if left:
            CLAIMS_WAITING.put(ctx, left, claim.member)
        else:
            CLAIMS_WAITING.delete(ctx, claim.member)
        DECISIONS.put(ctx, Decision(ctx.tx_id or None, claim.member, outcome, ref), brand, commitment)
        ctx.emit(ClaimDecided(brand, claim.member, commitment, outcome, ref, reason))

    @view
    def claim(self, ctx: Context, brand: Slug, commitment: Hash) -> ClaimShown:
        """Return a claim, and what became of it."""
        return _shown(ctx, brand, commitment)

    @view
    def claims(
        self, ctx: Context, brand: Slug, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[ClaimShown]:
        """Return a brand's claims that wait for a decision, those first that lapse first."""
        self._authority.brand_record(ctx, brand)
        return CLAIMS_OF.page(ctx, brand, cursor=cursor, limit=limit, show=lambda item: _shown(ctx, brand, item[1]))


def _shown(ctx: Context, brand: str, commitment: str) -> ClaimShown:
    decision = DECISIONS.get(ctx, brand, commitment)
    if decision is not None:
        return ClaimShown(brand, commitment, decision.member, outcome=decision.outcome, ref=decision.ref)
    claim = CLAIMS.require(ctx, brand, commitment)
    return ClaimShown(brand, commitment, claim.member, claim.at, claim.lapses)
