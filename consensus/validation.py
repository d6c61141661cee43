"""Header checks that need consensus data only (Dafny `validateNonPreparedBlock`, first half).

What needs transactions, state or a clock the shell answers through CheckBlock. That the header's
hashes bind the candidate (parent_commit, tx_root, tx_count) is `verification.candidate_is_whole`, which
every received candidate has passed.
"""

from __future__ import annotations

from consensus.types import Candidate, Certificate, HeightContext, seals_in_order


def parent_certificate_fault(certificate: Certificate | None, context: HeightContext) -> str | None:
    """Say why a block must not embed this certificate; None if it may.

    q or more distinct, index-sorted seals of one round, for the parent's digest and the roots that
    this validator computed; not necessarily the certificate that it holds itself. Source: Dafny `ValidNewBlock`.
    """
    if context.height == 1 or context.parent_validators is None:
        return None if certificate is None else "block 1 has no parent certificate"
    if certificate is None:
        return "no parent certificate"
    if certificate.height != context.height - 1 or certificate.digest != context.parent_digest:
        return "certificate of another block than the parent"
    if certificate.roots != context.parent_roots:
        return "certificate of other roots than the parent's"
    if len(certificate.seals) < context.parent_validators.quorum:
        return "parent certificate below the quorum"
    if not seals_in_order(certificate.seals):
        return "parent certificate not sorted and distinct"
    if certificate.seals[-1].index >= context.parent_validators.n:
        return "parent certificate names no validator"
    return None


def candidate_fault(candidate: Candidate, context: HeightContext, proposer: int | None) -> str | None:
    """Say why a candidate's header is invalid at this height; None if it is valid.

    Source: Dafny `validateNonPreparedBlock`; of a prepared block all but its proposer is checked as well.

    Args:
        proposer: whose key the header must carry; None for a block prepared in an earlier round, which
            keeps the proposer of the round it was made for.
    """
    header = candidate.header
    expected: tuple[tuple[str, object, object], ...] = (
        ("chain", header.chain, context.chain),
        ("version", header.version, context.version),
        ("height", header.height, context.height),
        ("parent", header.parent, context.parent_digest),
        ("parent_state_root", header.parent_state_root, context.parent_roots.state_root),
        ("validators_hash", header.validators_hash, context.validators.hash),
        ("next_validators_hash", header.next_validators_hash, context.next_validators.hash),
    )
    for name, found, wanted in expected:
        if found != wanted:
            return f"header: {name}"
    if header.time <= context.parent_time:
        return "header: time not after the parent's"
    index = context.validators.index_of(header.proposer)
    if index is None or (proposer is not None and index != proposer):
        return "header: proposer"
    return parent_certificate_fault(candidate.parent_certificate, context)
