"""Two accounts of one shopper become one, and for 30 days may become two again.

Nothing of identity's moves: the source is marked, and whatever asks about the target looks at its sources too
(`contracts_py.identity.groups`). What other contracts keep under the source's address, they move when they are
told.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from contracts_py.identity import groups
from contracts_py.identity.authority import Authority
from contracts_py.identity.hooks import IdentityHooks, Merge
from contracts_py.identity.person_answers import MergeNow, MergeUndone
from contracts_py.identity.person_events import Merged, Unmerged
from contracts_py.identity.person_records import LINKS, MERGED_FROM, MERGES, Merger
from contracts_py.identity.pools import leave_pool
from contracts_py.identity.records import ACCOUNTS, NO_ACCOUNT
from vm.contract_api import MS_PER_DAY, Address, Context, Contract, Name, Refused, call, refuse

UNMERGE_MS: Final = 30 * MS_PER_DAY
"""SPEC-2 section 10."""


class Merges(Contract):
    """The room for merges."""

    name = "identity"

    def __init__(self, authority: Authority, hooks: IdentityHooks) -> None:
        self._authority = authority
        self._hooks = hooks

    @call
    def merge(self, ctx: Context, from_: Address, into: Address, reason: Name) -> MergeNow:
        """Merge a member into another (issuers of both sides' brands; holders of those that have been claimed)."""
        if from_ == into:
            refuse("into", "another member than from")
        for side in (from_, into):
            groups.require_person(ctx, side)
            self._require_side(ctx, side)
        leave_pool(ctx, self._hooks, from_)
        linked = into in (LINKS.get(ctx, from_) or ())
        if not linked:
            groups.add_edge(ctx, from_, into)
        MERGES.put(ctx, Merger(into, ctx.time, reason, linked), from_)
        MERGED_FROM.put(ctx, (*(MERGED_FROM.get(ctx, into) or ()), from_), into)
        ctx.emit(Merged(from_, into, reason))
        self._hooks.merged.tell(ctx, Merge(from_, into))
        return MergeNow(from_, into, ctx.time + UNMERGE_MS)

    @call
    def unmerge(
        self, ctx: Context, from_: Address, into: Address | None = None, reason: Name | None = None
    ) -> MergeUndone:
        """Undo a merge within 30 days (as `merge`); `into`, if given, is what it must have been merged into."""
        del reason  # It stands in the transaction, for who reads it there.
        merger = MERGES.require(ctx, from_)
        if into not in (None, merger.into):
            refuse("into", "what it was merged into, or nothing")
        if ctx.time >= merger.merged + UNMERGE_MS:
            raise Refused("EXPIRED", "a merge is undone within 30 days", until=merger.merged + UNMERGE_MS)
        groups.require_person(ctx, merger.into)
        for side in (from_, merger.into):
            self._require_side(ctx, side)
        if not merger.linked:
            groups.remove_edge(ctx, from_, merger.into)
        MERGES.delete(ctx, from_)
        others = tuple([source for source in MERGED_FROM.get(ctx, merger.into) or () if source != from_])
        groups.put_or_delete(ctx, MERGED_FROM, others, merger.into)
        ctx.emit(Unmerged(from_, merger.into))
        self._hooks.unmerged.tell(ctx, Merge(from_, merger.into))
        return MergeUndone(from_, merger.into)

    def _require_side(self, ctx: Context, side: str) -> None:
        """Refuse unless an issuer of the side's brand has signed and, once the brand has no custody, its holder.

        Raises:
            Refused: NOT_FOUND, it is no member; NOT_AUTHORISED.
        """
        member = (ACCOUNTS.get(ctx, side) or NO_ACCOUNT).member
        if member is None:
            raise Refused("NOT_FOUND", "no such member", member=side)
        self._authority.require_role(ctx, self._authority.brand_acting_for(ctx, member), "issuer")
        if not member.custodial and not self._authority.is_signer(ctx, side):
            raise Refused("NOT_AUTHORISED", "the member must sign too", member=side)


def forget_reason(ctx: Context, source: str) -> None:
    """Remove why an account was merged, which its brand has put into words; that it was stays."""
    merger = MERGES.get(ctx, source)
    if merger is not None:
        MERGES.put(ctx, replace(merger, reason=None), source)
