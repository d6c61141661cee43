"""The alliance governs itself: proposals, votes, and evidence of validators that contradict themselves.

Every brand with a validator in the current set has one vote, cast by its admins. A proposal passes with the
vote that brings it above two thirds, and its actions happen in the same operation, all or none: one that
cannot be done leaves the proposal `failed`, with the reason, and nothing else changed. A proposal that can no
longer pass is `rejected`; one that is open when its time is over has expired.

Invariants:
    1. At most one vote of a brand counts per proposal, and only while the brand has a validator.
    2. A proposal's actions are executed at most once.
    3. Only here does anything set `ctx.governance`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from contracts_py import gov_reports
from contracts_py.gov_actions import Actions
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
from contracts_py.sequences import DEFAULT_PAGE, Cursor, PageLimit, append, list_page
from vm.contract_api import (
    MAX_INT,
    MS_PER_DAY,
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
VOTING_DAYS: Final = 14
"""Brands decide in meetings; what nobody cared to vote on for two weeks is proposed again."""


class Gov(Contract):
    """Proposals and votes, key rotation, and reports of evidence."""

    name = "gov"

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._actions = Actions(identity)

    # Proposals and votes

    @call
    def propose(
        self,
        ctx: Context,
        proposal: Slug,
        title: Name,
        actions: Annotated[list[Action], MaxItems(MAX_ACTIONS)],
        text_hash: Hash | None = None,
    ) -> dict[str, Any]:
        """Propose actions to the alliance (admin of a brand with a validator); voting for it is a step of its own.

        Returns:
            {proposal, expires}.
        """
        if not self._signing_brands(ctx):
            raise Refused("NOT_AUTHORISED", "needs an admin of a brand with a validator")
        if not actions:
            refuse("actions", f"1 to {MAX_ACTIONS} actions")
        for action in actions:
            self._actions.check_possible(action)
        if ctx.get(proposal_key(proposal), Proposal) is not None:
            raise Refused("ALREADY_EXISTS", "the proposal exists", proposal=proposal)
        expires = min(ctx.time + VOTING_DAYS * MS_PER_DAY, MAX_INT)
        record = Proposal(title, ctx.sender, ctx.time, expires, tuple(actions), text_hash)
        ctx.put(proposal_key(proposal), record)
        append(ctx, PROPOSALS, proposal)
        ctx.emit("gov.proposed", {"proposal": proposal, "title": title, "expires": expires})
        return {"proposal": proposal, "expires": expires}

    @call
    def vote(self, ctx: Context, proposal: Slug, choice: Choice) -> dict[str, Any]:
        """Vote for every brand with a validator whose admin has signed; a vote stays as it was cast.

        Returns:
            {proposal, status}: "open", or what the vote has led to.
        """
        record = self._record(ctx, proposal)
        if record.status != "open":
            raise Refused("NOT_ELIGIBLE", f"the proposal is {record.status}", proposal=proposal)
        if ctx.time >= record.expires:
            raise Refused("EXPIRED", "the time to vote is over", proposal=proposal, expires=record.expires)
        brands = self._signing_brands(ctx)
        if not brands:
            raise Refused("NOT_AUTHORISED", "needs an admin of a brand with a validator")
        voted = {cast.brand for cast in record.votes}
        fresh = [BrandVote(brand, choice) for brand in brands if brand not in voted]
        votes = tuple(sorted((*record.votes, *fresh), key=lambda cast: cast.brand))
        record = msgspec.structs.replace(record, votes=votes)
        for cast in fresh:
            ctx.emit("gov.voted", {"proposal": proposal, "brand": cast.brand, "choice": choice})
        outcome = self._decide(ctx, proposal, record)
        # A set that has become smaller may turn votes cast before into enough: then voting again brings it about.
        if not fresh and outcome.status == "open":
            raise Refused("ALREADY_EXISTS", "the brand has voted", proposal=proposal)
        ctx.put(proposal_key(proposal), outcome)
        return {"proposal": proposal, "status": outcome.status}

    def _signing_brands(self, ctx: Context) -> list[str]:
        """Return the brands with a validator whose admins have signed."""
        if not ctx.sender:
            raise Refused("NOT_AUTHORISED", "no account has sent this")
        return [brand for brand in _voters(ctx) if self._identity.holds_role(ctx, brand, "admin")]

    def _decide(self, ctx: Context, proposal: str, record: Proposal) -> Proposal:
        voters = _voters(ctx)
        yes, no = _count(record, voters)
        if 3 * yes > 2 * len(voters):
            return self._execute(ctx, proposal, record)
        if 3 * (len(voters) - no) <= 2 * len(voters):
            ctx.emit("gov.rejected", {"proposal": proposal})
            return msgspec.structs.replace(record, status="rejected", closed=ctx.height)
        return record

    def _execute(self, ctx: Context, proposal: str, record: Proposal) -> Proposal:
        place = 0

        def act() -> None:
            nonlocal place
            for place, action in enumerate(record.actions):  # noqa: B007 (read where the refusal is told)
                self._actions.perform(ctx, action)
            self._actions.check_set(ctx)

        ctx.governance = True
        try:
            refusal = ctx.attempt(act)
        finally:
            ctx.governance = False
        if refusal is None:
            ctx.emit("gov.passed", {"proposal": proposal})
            return msgspec.structs.replace(record, status="passed", closed=ctx.height)
        failure = Failure(place, refusal.code, refusal.message)
        ctx.emit("gov.failed", {"proposal": proposal, "code": failure.code, "message": failure.message})
        return msgspec.structs.replace(record, status="failed", closed=ctx.height, failure=failure)

    def _record(self, ctx: Context, proposal: str) -> Proposal:
        record = ctx.get(proposal_key(proposal), Proposal)
        if record is None:
            raise Refused("NOT_FOUND", "no such proposal", proposal=proposal)
        return record

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
        """Return a proposal: its actions, votes, how many are needed, and its status.

        `status` is open, passed, failed (with `failure`), rejected or expired; `closed` the height that ended it.
        """
        return self._show(ctx, proposal)

    @view
    def proposals(
        self, ctx: Context, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> dict[str, Any]:
        """Return {items, next}: the proposals in the order of their making, as `proposal` shows them."""
        return list_page(ctx, PROPOSALS, cursor, limit, lambda proposal: self._show(ctx, proposal))

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

    def _show(self, ctx: Context, proposal: str) -> dict[str, Any]:
        record = self._record(ctx, proposal)
        voters = _voters(ctx)
        yes, no = _count(record, voters)
        expired = record.status == "open" and ctx.time >= record.expires
        shown: dict[str, Any] = {
            "proposal": proposal,
            "title": record.title,
            "proposer": record.proposer,
            "created": record.created,
            "expires": record.expires,
            "actions": [msgspec.to_builtins(action) for action in record.actions],
            "votes": {cast.brand: cast.choice for cast in record.votes},
            "yes": yes,
            "no": no,
            "voters": len(voters),
            "needed": 2 * len(voters) // 3 + 1,
            "status": "expired" if expired else record.status,
        }
        if record.text_hash is not None:
            shown["text_hash"] = record.text_hash
        if record.status != "open":
            shown["closed"] = record.closed
        if record.failure is not None:
            shown["failure"] = msgspec.structs.asdict(record.failure)
        return shown


def _voters(ctx: Context) -> list[str]:
    """Return the brands with a validator in the newest set, sorted."""
    return sorted({entry.brand for entry in current_validators(ctx)})


def _count(record: Proposal, voters: list[str]) -> tuple[int, int]:
    """Return how many of the voters said yes and no; votes of brands that have left do not count."""
    choices = [cast.choice for cast in record.votes if cast.brand in voters]
    return choices.count("yes"), choices.count("no")
