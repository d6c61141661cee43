"""Signing: every message of ours passes through `cast`, and so through the write-ahead rule.

A vote is first persisted, then sent, then counted as our own. What was signed once for a (height,
round, step) is never signed differently: a second attempt returns the first message, or None where
that one binds us to something else. After a crash the log's records are taken in here before
anything else can sign.

Invariants:
    1. Broadcast of a vote of ours comes after its Persist, in this life or in a former one.
    2. At most one message is signed per (height, round, step), over all lives.
    3. One digest is sealed with one pair of roots only, over all rounds and lives; otherwise Halt.
"""

from __future__ import annotations

from consensus.effects import Broadcast, Persist, ScheduleRebroadcast
from consensus.errors import InvariantBroken
from consensus.messages import (
    STEP_COMMIT,
    STEP_PREPARE,
    STEP_PROPOSAL,
    STEP_ROUND_CHANGE,
    Commit,
    Message,
    Prepare,
    PreparedCertificate,
    Proposal,
    RoundChange,
    RoundChangeVote,
    VoteRecord,
    round_change_payload,
    seal_payload,
    step_of,
    vote_payload,
)
from consensus.state import State
from consensus.types import Candidate, Roots, header_digest
from vm.primitives.keys import Domain


def votes_here(state: State) -> bool:
    """Tell whether we are a validator of this height that may sign."""
    return state.here.own_index is not None and state.sign is not None


def _own(state: State) -> int:
    own = state.here.own_index
    if own is None:
        raise InvariantBroken("a full node does not vote")
    return own


def _sign(state: State, domain: bytes, payload: bytes) -> bytes:
    if state.sign is None:
        raise InvariantBroken("no key to sign with")
    return state.sign(domain, payload)


def cast_proposal(
    state: State,
    candidate: Candidate,
    round_changes: tuple[RoundChangeVote, ...],
    prepared: PreparedCertificate | None,
) -> Proposal | None:
    """Sign and send PROPOSAL of the current round, unless one is signed already.

    Source: Dafny `UponBlockTimeout`, `UponRoundChange`.
    """
    if (state.round, STEP_PROPOSAL) in state.signed:
        return None
    here = state.here
    payload = vote_payload(here.chain, here.height, state.round, header_digest(candidate.header))
    signature = _sign(state, Domain.PROPOSAL, payload)
    message = Proposal(here.height, state.round, _own(state), candidate, round_changes, prepared, signature)
    _log_and_send(state, message, None, None)
    return message


def cast_prepare(state: State, digest: bytes) -> bool:
    """Sign and send PREPARE of the current round; tell whether our vote there is for `digest`.

    Source: Dafny `UponProposal`.
    """
    prior = state.signed.get((state.round, STEP_PREPARE))
    if isinstance(prior, Prepare):
        return prior.digest == digest
    here = state.here
    payload = vote_payload(here.chain, here.height, state.round, digest)
    signature = _sign(state, Domain.PREPARE, payload)
    _log_and_send(state, Prepare(here.height, state.round, _own(state), digest, signature), None, None)
    return True


def cast_commit(state: State, prepared: PreparedCertificate, roots: Roots) -> Commit | None:
    """Sign and send the seal of the block that we are locked on in this round, unless it is signed.

    Source: Dafny `UponPrepare`, whose COMMIT is sent once as well.
    """
    if (state.round, STEP_COMMIT) in state.signed:
        return None
    here = state.here
    digest = prepared.digest
    if state.sealed.setdefault(digest, roots) != roots:
        raise InvariantBroken("other roots for a sealed digest must have halted the node before")
    payload = seal_payload(here.chain, here.height, state.round, digest, roots)
    signature = _sign(state, Domain.COMMIT, payload)
    message = Commit(
        here.height,
        state.round,
        _own(state),
        digest,
        roots.state_root,
        roots.receipts_root,
        signature,
    )
    _log_and_send(state, message, prepared, _unlogged(state, digest))
    return message


def cast_round_change(state: State) -> None:
    """Sign and send ROUND_CHANGE to the current round.

    Source: Dafny `createRoundChange`, `getRoundChangeJustification`.
    """
    if (state.round, STEP_ROUND_CHANGE) in state.signed:
        return
    here = state.here
    lock = state.lock
    payload = round_change_payload(
        here.chain,
        here.height,
        state.round,
        None if lock is None else lock.round,
        None if lock is None else lock.digest,
    )
    signature = _sign(state, Domain.ROUND_CHANGE, payload)
    message = RoundChange(here.height, state.round, _own(state), lock, signature)
    _log_and_send(state, message, None, None if lock is None else _unlogged(state, lock.digest))


def _unlogged(state: State, digest: bytes) -> Candidate | None:
    """Return the candidate if no record of this height holds it yet."""
    return None if digest in state.logged_blocks else state.candidates[digest]


def _log_and_send(
    state: State, message: Message, prepared: PreparedCertificate | None, candidate: Candidate | None
) -> None:
    record = VoteRecord(message, prepared, candidate)
    if record.block is not None:
        state.logged_blocks[header_digest(record.block.header)] = None
    state.signed[(message.round, step_of(message))] = message
    state.log.add(message)
    state.emit(Persist(record))
    state.emit(Broadcast(message))
    start_retransmitting(state)


def start_retransmitting(state: State) -> None:
    """Begin to repeat what was said and asked for at this height, once."""
    if not state.retransmitting:
        schedule_rebroadcast(state)


def schedule_rebroadcast(state: State) -> None:
    """Ask for RebroadcastDue in half a base timeout."""
    state.retransmitting = True
    state.emit(ScheduleRebroadcast(state.here.height, max(1, state.here.base_timeout_ms // 2)))


def rebroadcast(state: State) -> None:
    """Send again what we said in this round, and our latest seal of any round."""
    steps = (STEP_ROUND_CHANGE, STEP_PROPOSAL, STEP_PREPARE, STEP_COMMIT)
    for step in steps:
        message = state.signed.get((state.round, step))
        if message is not None:
            state.emit(Broadcast(message))
    if (state.round, STEP_COMMIT) not in state.signed:
        rounds = [round_ for round_, step in state.signed if step == STEP_COMMIT]
        if rounds:
            state.emit(Broadcast(state.signed[(max(rounds), STEP_COMMIT)]))


def restore(state: State, records: list[VoteRecord]) -> None:
    """Take in what former lives signed at this height: round, votes, lock, seals, blocks."""
    for record in records:
        message = record.message
        if message.sender != state.here.own_index:
            raise InvariantBroken("the write-ahead log holds another validator's votes")
        state.signed[(message.round, step_of(message))] = message
        state.log.add(message)
        state.round = max(state.round, message.round)
        if record.block is not None:
            digest = header_digest(record.block.header)
            state.keep_candidate(digest, record.block)
            state.logged_blocks[digest] = None
        prepared = message.prepared if isinstance(message, RoundChange) else record.prepared
        if prepared is not None and (state.lock is None or prepared.round >= state.lock.round):
            state.lock = prepared
        if isinstance(message, Commit):
            state.sealed[message.digest] = message.roots
    _restore_verdicts(state)
    accepted = _accepted_before(state)
    if accepted is not None and accepted in state.candidates:
        state.accepted = accepted


def _restore_verdicts(state: State) -> None:
    """What we prepared or locked we found valid, and a verdict never changes.

    Only for blocks in the log: a verdict says that the shell holds the transactions too. The others
    are checked again when they are proposed again.
    """
    for message in state.signed.values():
        if isinstance(message, Prepare | Commit) and message.digest in state.logged_blocks:
            state.valid[message.digest] = True
    if state.lock is not None:
        state.valid[state.lock.digest] = True


def _accepted_before(state: State) -> bytes | None:
    """Return the digest that our own votes of the current round stand for."""
    prepare = state.signed.get((state.round, STEP_PREPARE))
    if isinstance(prepare, Prepare):
        return prepare.digest
    proposal = state.signed.get((state.round, STEP_PROPOSAL))
    return header_digest(proposal.candidate.header) if isinstance(proposal, Proposal) else None
