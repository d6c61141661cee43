"""Why a proposal of a round above 0 may be made: round-changes and the highest prepared block.

Safety across rounds rests here. A block that a quorum sealed in round r was prepared by a quorum in r;
any later quorum of round-changes holds one of those validators' prepared certificate; so the highest
prepared block of such a quorum is the one that must be proposed again.

All functions judge shapes and counts. Signatures were verified before (`verification`), and a
Proposal's round-changes are of its own height and round because their signatures are checked so.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from consensus.messages import PreparedCertificate, Proposal, RoundChange, RoundChangeVote, digest_of
from consensus.types import ValidatorSet, seals_in_order


def prepared_fault(prepared: PreparedCertificate, round_: int, validators: ValidatorSet) -> str | None:
    """Say why this is no prepared certificate of a round below `round_`; None if it is one.

    Source: Dafny `validSignedPrepareForHeightRoundAndDigest`, `quorum`.
    """
    if prepared.round >= round_:
        return "prepared in a round that is not lower"
    if len(prepared.prepares) < validators.quorum or not seals_in_order(prepared.prepares):
        return "not a quorum of distinct PREPAREs"
    return None


def round_change_fault(message: RoundChange, validators: ValidatorSet) -> str | None:
    """Say why a ROUND_CHANGE is invalid; None if it is valid. Source: Dafny `validRoundChange`."""
    if message.round == 0:
        return "a round-change to round 0"
    if message.prepared is None:
        return None
    return prepared_fault(message.prepared, message.round, validators)


def highest_prepared(votes: Sequence[RoundChangeVote]) -> RoundChangeVote | None:
    """Return the vote with the highest prepared round, None where none is prepared.

    Two votes with one prepared round name one digest, as two quorums of PREPAREs share an honest
    validator. Source: Dafny `isHighestPrepared`.
    """
    best: RoundChangeVote | None = None
    for vote in votes:
        if vote.prepared_round is None:
            continue
        if best is None or best.prepared_round is None or vote.prepared_round > best.prepared_round:
            best = vote
    return best


def proposal_fault(message: Proposal, validators: ValidatorSet) -> str | None:
    """Say why a Proposal's justification fails; None if it holds.

    Source: Dafny `isProposalJustification`.
    """
    if message.round == 0:
        if message.round_changes or message.prepared is not None:
            return "round 0 needs no justification"
        return None
    votes = message.round_changes
    if len(votes) < validators.quorum:
        return "not a quorum of round-changes"
    if any(a.sender >= b.sender for a, b in pairwise(votes)):
        return "round-changes not distinct and sorted"
    for vote in votes:
        if (vote.prepared_round is None) != (vote.prepared_digest is None):
            return "prepared round without digest"
        if vote.prepared_round is not None and vote.prepared_round >= message.round:
            return "prepared in a round that is not lower"
    return _highest_fault(message, highest_prepared(votes), validators)


def _highest_fault(message: Proposal, best: RoundChangeVote | None, validators: ValidatorSet) -> str | None:
    """Check the second half: the highest prepared block is proposed, and was prepared.

    Source: Dafny `isProposalJustification`, `isHighestPrepared`.
    """
    prepared = message.prepared
    if best is None:
        return None if prepared is None else "prepared certificate without a prepared round-change"
    if prepared is None:
        return "no prepared certificate for the highest prepared round"
    if (prepared.round, prepared.digest) != (best.prepared_round, best.prepared_digest):
        return "prepared certificate is not of the highest prepared round"
    if prepared.digest != digest_of(message):
        return "not the block of the highest prepared round"
    return prepared_fault(prepared, message.round, validators)


def choose(round_changes: Sequence[RoundChange], quorum: int, passed_over: int = 0) -> tuple[RoundChange, ...]:
    """Choose a quorum for a Proposal, sorted by sender: the highest prepared come first in the choice.

    Any quorum justifies a Proposal of its own highest prepared block.
    Source: Dafny `isReceivedProposalJustification`.

    Args:
        passed_over: leave out so many of the highest.
    """
    ranked = sorted(round_changes, key=lambda rc: 0 if rc.prepared is None else -1 - rc.prepared.round)
    return tuple(sorted(ranked[passed_over : passed_over + quorum], key=lambda rc: rc.sender))
