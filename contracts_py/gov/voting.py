"""Proposals and votes.

Every brand with a validator in the current set has one vote, cast by its admins. A proposal passes with the
vote that brings it above two thirds, and its actions happen in the same operation, all or none: one that
cannot be done leaves the proposal `failed`, with the reason, and nothing else changed. A proposal that can no
longer pass is `rejected`; one that is open when its time is over has expired; its own brand may withdraw it.

What a proposal is in the state, and what a brand may have open, is in `contracts_py.gov.proposals`.

Invariants:
    1. At most one vote of a brand counts per proposal, and only while the brand has a validator.
    2. A proposal's actions are executed at most once.
    3. Only here does anything set `ctx.governance`.
    4. A signer who is admin at several brands with a validator proposes and votes for the one that the call names.
"""

from __future__ import annotations

from msgspec.structs import replace

from contracts_py.gov.actions import Actions
from contracts_py.gov.answers import ProposalMade, ProposalShown, ProposalStatus
from contracts_py.gov.events import Failed, Passed, Proposed, Rejected, Voted, Withdrawn
from contracts_py.gov.proposals import (
    close_proposal,
    count_votes,
    count_withdrawal,
    expire_proposal,
    find_proposal,
    open_proposal,
    read_actions,
    require_open,
    show_proposal,
)
from contracts_py.gov.records import (
    ALL_PROPOSALS,
    EXPIRIES,
    PROPOSALS,
    ActionList,
    BrandVote,
    Choice,
    Failure,
    Proposal,
)
from contracts_py.identity import Authority
from vm.contract_api import (
    DEFAULT_PAGE,
    Context,
    Contract,
    Cursor,
    Hash,
    Name,
    Page,
    PageLimit,
    Refused,
    Slug,
    call,
    current_validators,
    due,
    refuse,
    view,
)


class Voting(Contract):
    """The room for proposals and votes."""

    name = "gov"

    def __init__(self, authority: Authority, actions: Actions) -> None:
        self._authority = authority
        self._actions = actions

    @call
    def propose(
        self,
        ctx: Context,
        proposal: Slug,
        title: Name,
        actions: ActionList,
        text_hash: Hash | None = None,
        brand: Slug | None = None,
    ) -> ProposalMade:
        """Propose actions to the alliance (admin of a brand with a validator); voting for it is a step of its own.

        Args:
            brand: whose proposal it is; left out: the only such brand where the sender is admin, else the only one
                where any signer is.
        """
        _require_sender(ctx)
        proposing = self._proposing_brand(ctx, brand, _voters(ctx))
        for action in actions:
            self._actions.check_possible(action)
        self._authority.require_free_name(ctx, proposal, proposing)
        record = open_proposal(ctx, proposal, proposing, title, actions, text_hash)
        ctx.emit(Proposed(proposal, proposing, record.expires, record.actions_hash, title))
        return ProposalMade(proposal, proposing, record.expires, record.actions_hash)

    @call
    def vote(
        self,
        ctx: Context,
        proposal: Slug,
        choice: Choice,
        actions_hash: Hash | None = None,
        brand: Slug | None = None,
    ) -> ProposalStatus:
        """Vote for the brand of each admin who has signed, where it has a validator; a vote stays as it was cast.

        Args:
            actions_hash: what the voters have read; another proposal under the same name is refused with CHANGED.
            brand: the one brand to vote for; needed where one account is admin of several.
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
        record = replace(record, votes=votes)
        for cast in fresh:
            ctx.emit(Voted(proposal, cast.brand, choice))
        outcome = self._decide(ctx, proposal, record, voters)
        if outcome.status == "open":
            # A set that has become smaller may turn votes cast before into enough: voting again brings it about.
            if not fresh:
                raise Refused("ALREADY_EXISTS", "the brand has voted", proposal=proposal)
            PROPOSALS.put(ctx, outcome, proposal)
        return ProposalStatus(proposal, outcome.status)

    @call
    def withdraw(self, ctx: Context, proposal: Slug) -> ProposalStatus:
        """End an open proposal of one's own brand (admin), whose place becomes free."""
        record = find_proposal(ctx, proposal)
        require_open(ctx, proposal, record)
        _require_sender(ctx)
        self._authority.require_role(ctx, record.brand, "admin")
        count_withdrawal(ctx, record.brand)
        close_proposal(ctx, proposal, record, "withdrawn")
        ctx.emit(Withdrawn(proposal, record.brand))
        return ProposalStatus(proposal, "withdrawn")

    @due(EXPIRIES)
    def expire(self, ctx: Context, at: int, proposal: str) -> bool:
        """End a proposal whose time is over."""
        del at
        expire_proposal(ctx, proposal)
        return False

    def _proposing_brand(self, ctx: Context, brand: str | None, voters: frozenset[str]) -> str:
        if brand is None:
            for account, brands in self._authority.brands_of_signers(ctx, "admin"):
                own = [name for name in brands if name in voters]
                if account == ctx.sender and len(own) == 1:
                    return own[0]
        return self._authority.acting_brand(ctx, "admin", brand, voters)

    def _voting_brands(self, ctx: Context, brand: str | None, voters: frozenset[str]) -> list[str]:
        """Return the brands that the signers vote for, each account for one."""
        if brand is not None:
            return [self._authority.acting_brand(ctx, "admin", brand, voters)]
        found = set()
        for _, brands in self._authority.brands_of_signers(ctx, "admin"):
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
            ctx.emit(Rejected(proposal))
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
            ctx.emit(Passed(proposal))
            return close_proposal(ctx, proposal, record, "passed")
        failure = Failure(place, refusal.code, refusal.message)
        ctx.emit(Failed(proposal, failure.code, failure.message))
        return close_proposal(ctx, proposal, record, "failed", failure)

    @view
    def proposal(self, ctx: Context, proposal: Slug) -> ProposalShown:
        """Return a proposal."""
        return show_proposal(ctx, proposal, _voters(ctx))

    @view
    def proposals(
        self, ctx: Context, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[ProposalShown]:
        """Return the proposals in the order of their making."""
        voters = _voters(ctx)
        return ALL_PROPOSALS.page(
            ctx, cursor=cursor, limit=limit, show=lambda proposal: show_proposal(ctx, proposal, voters)
        )


def _voters(ctx: Context) -> frozenset[str]:
    """Return the brands with a validator in the newest set."""
    entries = current_validators(ctx)
    ctx.charge(len(entries))
    return frozenset([entry.brand for entry in entries])


def _require_sender(ctx: Context) -> None:
    """Refuse what genesis would do: it is agreed upon as a whole, and proposes nothing to itself."""
    if not ctx.sender:
        raise Refused("NOT_AUTHORISED", "no account has sent this")
