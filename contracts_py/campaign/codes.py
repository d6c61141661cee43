"""Code pools: salted codes under a root, each redeemed once, by whom and when the pool says.

A code appears on the chain when it is redeemed, and not before. A transaction is seen by others before it is in a
block, so a code that anyone could redeem would be whoever's is fastest. Therefore a code is redeemed

    by a till or the brand itself (cashier or issuer), for the member that it names; or
    by the member to whom it is reserved (`reserve_code` names the leaf, not the code); or
    by an account that has committed to it at least COMMIT_BLOCKS blocks ago (`commit_code`): who only now sees the
    code has no commitment of that age, and one that was made without the code's salt does not fit.

Invariants:
    1. Each leaf of a pool is used at most once: CODES_USED has it by its hash, under which no path can rename it.
    2. A code is used if and only if its campaign has fired for it: where that did not, the redemption is refused.
    3. At most `count` codes of a pool are redeemed.
    4. `redeemed` of a pool = its records in CODES_USED = the sum of its CODE_USES.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from contracts_py.campaign.code_answers import (
    CodeCommittedNow,
    CodeNow,
    CodePoolShown,
    CodeRedeemedNow,
    CodeReservedNow,
)
from contracts_py.campaign.code_events import CodeCommitted, CodeRedeemed, CodeReserved, CodesOpened
from contracts_py.campaign.code_records import (
    CODE_COMMITMENTS,
    CODE_POOLS,
    CODE_USES,
    CODES_USED,
    COMMIT_BLOCKS,
    COMMIT_TAG,
    MAX_COMMITMENTS,
    POOLS_OF,
    RESERVED,
    CodeCount,
    CodePool,
    Commitment,
    PerMember,
    UsedCode,
)
from contracts_py.campaign.paths import HASH_UNITS, Path, code_leaf, longest_path, root_above
from contracts_py.campaign.recorder import Recorder
from contracts_py.identity import Authority
from vm.contract_api import (
    DEFAULT_PAGE,
    Address,
    Context,
    Contract,
    Cursor,
    Hash,
    Page,
    PageLimit,
    Ref,
    Refused,
    Slug,
    TimeMs,
    call,
    sha256,
    view,
)

EVENT: Final = "code"
"""The event of a campaign with codes; `code-…` as well, so that a brand's pools need not share their campaigns."""


def commitment_of(member: str, code: str, salt: bytes) -> str:
    """Return what an account commits to.

    It is made of the code and its salt, not of the leaf: leaves of codes that are still secret stand in the paths
    of their neighbours.
    """
    return sha256(COMMIT_TAG + member.encode() + b"\0" + salt + code.encode()).hex()


class Codes(Contract):
    """The room for code pools."""

    name = "campaign"

    def __init__(self, authority: Authority, recorder: Recorder) -> None:
        self._authority = authority
        self._recorder = recorder

    @call
    def codes(
        self,
        ctx: Context,
        campaign: Slug,
        root: Hash,
        count: CodeCount,
        expires: TimeMs,
        per_member: PerMember | None = None,
    ) -> CodePoolShown:
        """Give a campaign a pool of codes, by the root over their leaves (marketer)."""
        brand, event = self._recorder.brand_and_event(ctx, campaign)
        self._authority.require_active(ctx, brand)
        self._authority.require_role(ctx, brand, "marketer")
        if event != EVENT and not event.startswith(f"{EVENT}-"):
            raise Refused("NOT_ELIGIBLE", "the campaign's event is not code, nor code-…", event=event)
        CODE_POOLS.require_absent(ctx, root)
        if expires <= ctx.time:
            raise Refused("EXPIRED", "no code could be redeemed", expires=expires)
        CODE_POOLS.put(ctx, CodePool(campaign, brand, event, count, expires, per_member), root)
        POOLS_OF.add(ctx, campaign, item=root)
        ctx.emit(CodesOpened(campaign, brand, root, count, expires))
        return _shown(ctx, root)

    @call
    def reserve_code(self, ctx: Context, leaf: Hash, path: Path, member: Address) -> CodeReservedNow:
        """Let only one member redeem a code (issuer); a later reservation takes the place of the former."""
        root, pool = _pool_above(ctx, bytes.fromhex(leaf), path)
        self._authority.require_role(ctx, pool.brand, "issuer")
        self._require_usable(ctx, root, leaf, pool)
        RESERVED.put(ctx, member, root, leaf)
        ctx.emit(CodeReserved(pool.campaign, pool.brand, root, leaf, member))
        return CodeReservedNow(root, leaf, member)

    @call
    def commit_code(self, ctx: Context, member: Address, commitment: Hash) -> CodeCommittedNow:
        """Commit to a code, without saying which (the holder); a fifth commitment ends the oldest."""
        self._authority.require_acts_for(ctx, member)
        held = CODE_COMMITMENTS.get(ctx, member) or ()
        others = [one for one in held if one.commitment != commitment]
        # One that is repeated keeps its age: else a retry would make its holder wait anew.
        own = next((one for one in held if one.commitment == commitment), Commitment(commitment, ctx.height))
        CODE_COMMITMENTS.put(ctx, (*others, own)[-MAX_COMMITMENTS:], member)
        ctx.emit(CodeCommitted(member, commitment))
        return CodeCommittedNow(member, commitment, own.height + COMMIT_BLOCKS)

    @call
    def redeem_code(
        self, ctx: Context, code: Ref, salt: Hash, path: Path, member: Address | None = None
    ) -> CodeRedeemedNow:
        """Redeem a code: its campaign runs for the member, else for the sender (cashier, issuer; or see above)."""
        salt_bytes = bytes.fromhex(salt)
        leaf_bytes = code_leaf(code, salt_bytes)
        leaf = leaf_bytes.hex()
        root, pool = _pool_above(ctx, leaf_bytes, path)
        holder = self._authority.current_account(ctx, ctx.sender if member is None else member)
        self._require_usable(ctx, root, leaf, pool)
        self._require_may(ctx, root, leaf, pool, holder, code, salt_bytes)
        people = self._authority.linked_addresses(ctx, holder)
        uses = sum(CODE_USES.get(ctx, root, one) or 0 for one in people)
        if pool.per_member is not None and uses >= pool.per_member:
            raise Refused("LIMIT_EXCEEDED", "the shopper has redeemed his codes", limit=pool.per_member)
        self._run(ctx, pool, root, code, holder)
        CODES_USED.put(ctx, UsedCode(ctx.tx_id or None, holder, ctx.time), root, leaf)
        CODE_USES.put(ctx, (CODE_USES.get(ctx, root, holder) or 0) + 1, root, holder)
        CODE_POOLS.put(ctx, replace(pool, redeemed=pool.redeemed + 1), root)
        ctx.emit(CodeRedeemed(pool.campaign, pool.brand, root, leaf, holder))
        return CodeRedeemedNow(pool.campaign, pool.brand, pool.event, code, holder, root, leaf)

    def _require_usable(self, ctx: Context, root: str, leaf: str, pool: CodePool) -> None:
        if pool.expires <= ctx.time:
            raise Refused("EXPIRED", "the codes have expired", expires=pool.expires)
        used = CODES_USED.get(ctx, root, leaf)
        if used is not None:
            raise Refused("DUPLICATE_REF", "the code was redeemed", tx=used.tx, account=used.member)
        if pool.redeemed >= pool.count:
            # Below a leaf of its tree a brand could hide further ones; then `count` would promise too little.
            raise Refused("LIMIT_EXCEEDED", "as many codes as the pool has were redeemed", limit=pool.count)

    def _require_may(
        self, ctx: Context, root: str, leaf: str, pool: CodePool, holder: str, code: str, salt: bytes
    ) -> None:
        """Refuse who may not redeem a code; what is used up by it is taken away."""
        reserved = RESERVED.get(ctx, root, leaf)
        if reserved is not None:
            if not self._authority.linked(ctx, reserved, holder):
                raise Refused("NOT_ELIGIBLE", "the code is reserved to another member")
            RESERVED.delete(ctx, root, leaf)
        if self._authority.holds_role(ctx, pool.brand, "cashier", "issuer"):
            return
        self._authority.require_acts_for(ctx, holder)
        if reserved is None:
            self._require_committed(ctx, holder, code, salt)

    def _require_committed(self, ctx: Context, holder: str, code: str, salt: bytes) -> None:
        ctx.charge(HASH_UNITS)
        wanted = commitment_of(holder, code, salt)
        held = CODE_COMMITMENTS.get(ctx, holder) or ()
        own = next((one for one in held if one.commitment == wanted), None)
        if own is None:
            raise Refused("NOT_ELIGIBLE", "commit to the code first, or let the brand's till redeem it")
        if ctx.height < own.height + COMMIT_BLOCKS:
            raise Refused("NOT_DUE", "the commitment is too young", from_height=own.height + COMMIT_BLOCKS)
        left = tuple([one for one in held if one is not own])
        if left:
            CODE_COMMITMENTS.put(ctx, left, holder)
        else:
            CODE_COMMITMENTS.delete(ctx, holder)

    def _run(self, ctx: Context, pool: CodePool, root: str, code: str, holder: str) -> None:
        """Run the campaign; without it the code is not used up."""
        attrs = {"campaign": pool.campaign, "pool": root}
        ran = self._recorder.run(ctx, pool.brand, pool.event, holder, code, attrs)
        if pool.campaign not in ran.fired:
            raise _refusal_of(ran.skipped.get(pool.campaign, "ENDED"))

    @view
    def code_pool(self, ctx: Context, root: Hash) -> CodePoolShown:
        """Return a pool."""
        return _shown(ctx, root)

    @view
    def code_pools(
        self, ctx: Context, campaign: Slug, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[CodePoolShown]:
        """Return a campaign's pools, by root."""
        return POOLS_OF.page(ctx, campaign, cursor=cursor, limit=limit, show=lambda root: _shown(ctx, root))

    @view
    def code(self, ctx: Context, root: Hash, leaf: Hash) -> CodeNow:
        """Return what is known of a code; a client asks by its leaf, so that no node sees the code."""
        pool = CODE_POOLS.require(ctx, root)
        used = CODES_USED.get(ctx, root, leaf)
        if used is not None:
            return CodeNow(root, leaf, "used", used.member, used.time)
        if pool.expires <= ctx.time:
            return CodeNow(root, leaf, "expired")
        reserved = RESERVED.get(ctx, root, leaf)
        return CodeNow(root, leaf, "free" if reserved is None else "reserved", reserved)


def _refusal_of(reason: str) -> Refused:
    """Return the refusal of a code whose campaign did not fire, and why it did not."""
    if reason == "BUDGET_EXHAUSTED":
        return Refused("BUDGET_EXHAUSTED", "the campaign's budget is used up", reason=reason)
    if reason == "MEMBER_LIMIT":
        return Refused("LIMIT_EXCEEDED", "the campaign has given the shopper what it gives", reason=reason)
    if reason == "ENDED":
        return Refused("EXPIRED", "the campaign is over", reason=reason)
    return Refused("NOT_ELIGIBLE", "the campaign gives nothing for it", reason=reason)


def _pool_above(ctx: Context, leaf: bytes, path: Sequence[str]) -> tuple[str, CodePool]:
    """Return the pool to which a leaf's path leads.

    Raises:
        Refused: NOT_FOUND, there is none: the code, its salt or its path is wrong.
    """
    root = root_above(ctx, leaf, path)
    pool = CODE_POOLS.get(ctx, root)
    if pool is None or len(path) > longest_path(pool.count):
        raise Refused("NOT_FOUND", "no pool has such a code")
    return root, pool


def _shown(ctx: Context, root: str) -> CodePoolShown:
    pool = CODE_POOLS.require(ctx, root)
    return CodePoolShown(root, pool.campaign, pool.brand, pool.count, pool.redeemed, pool.expires, pool.per_member)
