"""The alliance governs itself: proposals, votes, and evidence of validators that contradict themselves.

Every brand with a validator in the current set has one vote, cast by its admins. A proposal passes with the
vote that brings it above two thirds, and its actions happen in the same operation, all or none: one that
cannot be done leaves the proposal `failed`, with the reason, and nothing else changed. A proposal that can no
longer pass is `rejected`; one that is open when its time is over has expired; its own brand may withdraw it.

What a proposal is in the state, and what a brand may have open, is in `contracts_py.gov_proposals`.

Invariants:
    1. At most one vote of a brand counts per proposal, and only while the brand has a validator.
    2. A proposal's actions are executed at most once.
    3. Only here does anything set `ctx.governance`.
    4. A signer who is admin at several brands with a validator proposes and votes for the one that the call names.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from contracts_py import gov_reports
from contracts_py.gov_actions import Actions
from contracts_py.gov_proposals import (
    close_proposal,
    count_votes,
    count_withdrawal,
    expire_due,
    find_proposal,
    open_proposal,
    read_actions,
    require_open,
    show_proposal,
)
from contracts_py.gov_records import (
    PROPOSALS,
    Action,
    BrandVote,
    Choice,
    Failure,
    Proposal,
    Statement,
    Step,
    proposal_key,
)
from contracts_py.identity import Identity
from contracts_py.sequences import DEFAULT_PAGE, Cursor, PageLimit, list_page
from vm.contract_api import (
    Context,
    Contract,
    Count,
    Hash,
    MaxItems,
    Name,
    PublicKey,
    Refused,
    Slug,
    call,
    current_params,
    current_validators,
    refuse,
    view,
)

MAX_ACTIONS: Final = 16


class Gov(Contract):
    """Proposals and votes, key rotation, and reports of evidence."""

    name = "gov"

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._actions = Actions(identity)

    def on_block(self, ctx: Context) -> None:
        """Close proposals whose time is over, a bounded number."""
        expire_due(ctx)

    # Proposals and votes

    @call
    def propose(
        self,
        ctx: Context,
        proposal: Slug,
        title: Name,
        actions: Annotated[list[Action], MaxItems(MAX_ACTIONS)],
        text_hash: Hash | None = None,
        brand: Slug | None = None,
    ) -> dict[str, Any]:
        """Propose actions to the alliance (admin of a brand with a validator); voting for it is a step of its own.

        Args:
            brand: whose proposal it is; left out: the only such brand where the sender is admin, else the only one
                where any signer is.

        Returns:
            {proposal, brand, expires, actions_hash}.
        """
        _require_sender(ctx)
        proposing = self._proposing_brand(ctx, brand, _voters(ctx))
        if not actions:
            refuse("actions", f"1 to {MAX_ACTIONS} actions")
        for action in actions:
            self._actions.check_possible(action)
        self._identity.require_free_name(ctx, proposal, proposing)
        record = open_proposal(ctx, proposal, proposing, title, tuple(actions), text_hash)
        result = {
            "proposal": proposal,
            "brand": proposing,
            "expires": record.expires,
            "actions_hash": record.actions_hash,
        }
        ctx.emit("gov.proposed", {**result, "title": title})
        return result

    @call
    def vote(
        self,
        ctx: Context,
        proposal: Slug,
        choice: Choice,
        actions_hash: Hash | None = None,
        brand: Slug | None = None,
    ) -> dict[str, Any]:
        """Vote for the brand of each admin who has signed, where it has a validator; a vote stays as it was cast.

        Args:
            actions_hash: what the voters have read; another proposal under the same name is refused with CHANGED.
            brand: the one brand to vote for; needed where one account is admin of several.

        Returns:
            {proposal, status}: "open", or what the vote has led to.
        """
        record = find_proposal(ctx, proposal)
        if actions_hash is not None and actions_hash != record.actions_hash:
            words = "the proposal has other actions than those that the vote names"
            raise Refused("CHANGED", words, proposal=proposal, actions_hash=record.actions_hash)
        require_open(ctx, proposal, record)
        _require_sender(ctx)
        voters = _voters(ctx)
        voted = {cast.brand for cast in record.votes}
        fresh = [BrandVote(name, choice) for name in self._voting_brands(ctx, brand, voters) if name not in voted]
        votes = tuple(sorted((*record.votes, *fresh), key=lambda cast: cast.brand))
        record = msgspec.structs.replace(record, votes=votes)
        for cast in fresh:
            ctx.emit("gov.voted", {"proposal": proposal, "brand": cast.brand, "choice": choice})
        outcome = self._decide(ctx, proposal, record, voters)
        if outcome.status == "open":
            # A set that has become smaller may turn votes cast before into enough: voting again brings it about.
            if not fresh:
                raise Refused("ALREADY_EXISTS", "the brand has voted", proposal=proposal)
            ctx.put(proposal_key(proposal), outcome)
        return {"proposal": proposal, "status": outcome.status}

    @call
    def withdraw(self, ctx: Context, proposal: Slug) -> dict[str, Any]:
        """End an open proposal of one's own brand (admin), whose place becomes free.

        Returns:
            {proposal, status}: "withdrawn".
        """
        record = find_proposal(ctx, proposal)
        require_open(ctx, proposal, record)
        _require_sender(ctx)
        self._identity.require_role(ctx, record.brand, "admin")
        count_withdrawal(ctx, record.brand)
        close_proposal(ctx, proposal, record, "withdrawn")
        ctx.emit("gov.withdrawn", {"proposal": proposal, "brand": record.brand})
        return {"proposal": proposal, "status": "withdrawn"}

    def _proposing_brand(self, ctx: Context, brand: str | None, voters: frozenset[str]) -> str:
        if brand is None:
            for account, brands in self._identity.brands_of_signers(ctx, "admin"):
                own = [name for name in brands if name in voters]
                if account == ctx.sender and len(own) == 1:
                    return own[0]
        return self._identity.acting_brand(ctx, "admin", brand, voters)

    def _voting_brands(self, ctx: Context, brand: str | None, voters: frozenset[str]) -> list[str]:
        """Return the brands that the signers vote for, each account for one."""
        if brand is not None:
            return [self._identity.acting_brand(ctx, "admin", brand, voters)]
        found = set()
        for _, brands in self._identity.brands_of_signers(ctx, "admin"):
            voting = [name for name in brands if name in voters]
            if len(voting) > 1:
                refuse("brand", "a brand's name, as one account is admin of several brands with a validator")
            found.update(voting)
        if not found:
            raise Refused("NOT_AUTHORISED", "needs an admin of a brand with a validator")
        return sorted(found)

    def _decide(self, ctx: Context, proposal: str, record: Proposal, voters: frozenset[str]) -> Proposal:
        yes, no = count_votes(record, voters)
        if 3 * yes > 2 * len(voters):
            return self._execute(ctx, proposal, record)
        if 3 * (len(voters) - no) <= 2 * len(voters):
            ctx.emit("gov.rejected", {"proposal": proposal})
            return close_proposal(ctx, proposal, record, "rejected")
        return record

    def _execute(self, ctx: Context, proposal: str, record: Proposal) -> Proposal:
        place = 0
        actions = read_actions(ctx, proposal, record)

        def act() -> None:
            nonlocal place
            for place, action in enumerate(actions):  # noqa: B007 (read where the refusal is told)
                self._actions.perform(ctx, action)
            self._actions.check_set(ctx)

        ctx.governance = True
        try:
            refusal = ctx.attempt(act)
        finally:
            ctx.governance = False
        if refusal is None:
            ctx.emit("gov.passed", {"proposal": proposal})
            return close_proposal(ctx, proposal, record, "passed")
        failure = Failure(place, refusal.code, refusal.message)
        ctx.emit("gov.failed", {"proposal": proposal, "code": failure.code, "message": failure.message})
        return close_proposal(ctx, proposal, record, "failed", failure)

    # What needs no vote

    @call
    def rotate_key(self, ctx: Context, old: PublicKey, new: PublicKey) -> dict[str, Any]:
        """Give a brand's validator another key: signed by an admin of the brand and by the new key.

        Returns:
            {brand, old, new, decides}: from height `decides` on the new key votes.
        """
        brand = self._actions.rotate_key(ctx, old, new)
        told = {"brand": brand, "old": old, "new": new, "decides": ctx.height + 2}
        ctx.emit("gov.key_rotated", told)
        return told

    @call
    def report(
        self,
        ctx: Context,
        validator: PublicKey,
        height: Count,
        round_: Count,
        step: Step,
        first: Statement,
        second: Statement,
    ) -> dict[str, Any]:
        """Record that a validator signed two different statements for one step; anyone may, as it proves itself.

        Returns:
            {validator, brand, height, round, step, kept, counted}: how many of the validator are kept in full, and
            how many more have been counted.
        """
        return gov_reports.record_report(ctx, validator, height, round_, step, first, second)

    # Views

    @view
    def proposal(self, ctx: Context, proposal: Slug) -> dict[str, Any]:
        """Return a proposal: its actions while it is open, their hash, its votes, how many are needed, its status.

        `status` is open, passed, failed (with `failure`), rejected, withdrawn or expired; `closed` the height that
        ended it; `tx` the transaction that proposed it, which keeps the actions of one that is closed.
        """
        return show_proposal(ctx, proposal, _voters(ctx))

    @view
    def proposals(
        self, ctx: Context, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> dict[str, Any]:
        """Return {items, next}: the proposals in the order of their making, as `proposal` shows them."""
        voters = _voters(ctx)
        return list_page(ctx, PROPOSALS, cursor, limit, lambda proposal: show_proposal(ctx, proposal, voters))

    @view
    def params(self, ctx: Context) -> dict[str, Any]:
        """Return the chain's parameters by name, as they hold from the next height on."""
        return msgspec.structs.asdict(current_params(ctx))

    @view
    def reports(
        self, ctx: Context, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> dict[str, Any]:
        """Return {items, next}: validators that contradicted themselves, with what they signed."""
        return gov_reports.list_reports(ctx, cursor, limit)

    @view
    def reported(self, ctx: Context, validator: PublicKey) -> dict[str, Any]:
        """Return {kept, counted, height}: how often a validator was reported, in full and beyond, and how late."""
        return msgspec.structs.asdict(gov_reports.report_count(ctx, validator))


def _voters(ctx: Context) -> frozenset[str]:
    """Return the brands with a validator in the newest set."""
    entries = current_validators(ctx)
    ctx.charge(len(entries))
    return frozenset([entry.brand for entry in entries])


def _require_sender(ctx: Context) -> None:
    """Refuse what genesis would do: it is agreed upon as a whole, and proposes nothing to itself."""
    if not ctx.sender:
        raise Refused("NOT_AUTHORISED", "no account has sent this")
