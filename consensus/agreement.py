"""Agreement within a round: accept, prepare, lock, execute, seal, decide.

The steps of the common case, in order: a Proposal is judged and accepted; the shell checks its block; we
PREPARE; a quorum of PREPAREs locks it; the shell executes it; we COMMIT to the resulting roots; a
quorum of equal seals of one round decides.

Invariants:
    1. PREPARE is cast for the accepted block only, and only once it is known to be valid.
    2. COMMIT is cast only for the block locked in this very round, with roots of our own execution.
    3. CommitBlock needs a quorum of seals of one round with one digest and one pair of roots: ours.
    4. A quorum of seals over other roots than ours, or over a block invalid here, halts the node.
"""

from __future__ import annotations

from consensus.effects import CommitBlock, ExecuteBlock, Misbehaved, Unready
from consensus.inputs import BlockChecked, BlockExecuted
from consensus.justification import proposal_fault
from consensus.messages import STEP_PREPARE, Commit, Message, Prepare, PreparedCertificate, Proposal, step_of
from consensus.rounds import check_block, enter_round, fetch, propose_with_justification, start_timer
from consensus.state import Certified, State
from consensus.types import Certificate, Roots, Seal, header_digest
from consensus.validation import candidate_fault
from consensus.voting import cast_commit, cast_prepare, votes_here


def tell_misbehaved(state: State, message: Message, reason: str) -> None:
    """Blame the sender of a signed message that no correct validator sends."""
    state.emit(Misbehaved(message.sender, message.height, f"{step_of(message)}: {reason}"))


def upon_proposal(state: State, message: Proposal) -> None:
    """Accept a valid proposal for the current or any higher round. Source: Dafny `UponProposal`."""
    if message.round < state.round or (message.round == state.round and state.accepted is not None):
        return
    fault = _proposal_fault(state, message)
    if fault is not None:
        tell_misbehaved(state, message, fault)
        return
    digest = header_digest(message.candidate.header)
    if not votes_here(state):
        state.keep_candidate(digest, message.candidate)
        return
    prior = state.signed.get((message.round, STEP_PREPARE))
    if isinstance(prior, Prepare) and prior.digest != digest:
        return  # a former life prepared another proposal of this round
    if message.round > state.round:
        enter_round(state, message.round)
    _accept(state, message, digest)


def _proposal_fault(state: State, message: Proposal) -> str | None:
    """Source: Dafny `isValidProposal`."""
    here = state.here
    if message.sender != here.proposer(message.round):
        return "not the proposer of the round"
    fault = proposal_fault(message, here.validators)
    if fault is not None:
        return fault
    return candidate_fault(message.candidate, here, message.sender if message.prepared is None else None)


def _accept(state: State, message: Proposal, digest: bytes) -> None:
    """Work on this proposal in its round. Source: Dafny `UponProposal`, `proposalAcceptedForCurrentRound`."""
    state.accepted = digest
    state.keep_candidate(digest, message.candidate)
    start_timer(state)
    prepare_if_valid(state, judge_time=message.prepared is None)


def prepare_if_valid(state: State, judge_time: bool) -> None:
    """PREPARE the accepted block if it is known to be valid; otherwise have it checked.

    Source: Dafny `UponProposal`, its second half.
    """
    digest = state.accepted
    if digest is None:
        return
    verdict = state.valid.get(digest)
    if verdict is None:
        check_block(state, digest, state.here.proposer(state.round), judge_time)
    elif verdict and cast_prepare(state, digest):
        upon_prepare(state)


def on_block_checked(state: State, event: BlockChecked) -> None:
    """Take the shell's verdict in: PREPARE, propose again, or decide, whichever waited for it.

    Source: Dafny `validateEthereumBlock`, answered by the shell.
    """
    if state.context is None or event.height != state.context.height or state.decided:
        return
    state.checking.pop(event.digest, None)
    state.valid.setdefault(event.digest, event.valid)
    if event.digest == state.accepted:
        prepare_if_valid(state, judge_time=True)
    propose(state)
    decide(state)


def upon_prepare(state: State, _message: Prepare | None = None) -> None:
    """Lock the accepted block on q PREPAREs of this round, and execute it. Source: Dafny `UponPrepare`."""
    digest = state.accepted
    if digest is None or not state.valid.get(digest) or not votes_here(state):
        return
    if state.lock is None or (state.lock.round, state.lock.digest) != (state.round, digest):
        seals = state.log.prepare_seals(state.round, digest)
        quorum = state.here.validators.quorum
        if len(seals) < quorum:
            return
        state.lock = PreparedCertificate(state.round, digest, tuple(seals[:quorum]))
    _commit_if_executed(state)


def _commit_if_executed(state: State) -> None:
    """Seal the block that we are locked on in this round, with the roots that we computed.

    Source: Dafny `UponPrepare`, its second half; execution lies between.
    """
    lock = state.lock
    if lock is None or lock.round != state.round or lock.digest != state.accepted:
        return
    roots = state.roots.get(lock.digest)
    if roots is None:
        _execute(state, lock.digest, [seal.index for seal in lock.prepares])
        return
    own = cast_commit(state, lock, roots)
    if own is not None:
        upon_commit(state, own)


def _execute(state: State, digest: bytes, holders: list[int]) -> None:
    if digest not in state.executing:
        state.executing[digest] = None
        sources = tuple(i for i in holders if i != state.here.own_index)
        state.emit(ExecuteBlock(state.candidates[digest], sources))


def on_block_executed(state: State, event: BlockExecuted) -> None:
    """Never seal other roots for a digest that was sealed, in any round or life."""
    if state.context is None or event.height != state.context.height or state.decided:
        return
    if event.digest not in state.executing:
        return
    earlier = state.sealed.get(event.digest, state.roots.get(event.digest, event.roots))
    if earlier != event.roots:
        reason = "executing a block again gave other roots"
        _halt_on_roots(state, reason, event.digest, earlier, event.roots)
        return
    state.executing.pop(event.digest)
    state.roots[event.digest] = event.roots
    _tell_other_roots(state, event.digest)
    _commit_if_executed(state)
    decide(state)


def upon_commit(state: State, message: Commit) -> None:
    """Count seals of one round with equal digest and roots. Source: Dafny `UponCommit`."""
    _find_certified(state, message)
    _tell_other_roots(state, message.digest)
    decide(state)


def _find_certified(state: State, vote: Commit) -> None:
    """Notice a quorum of seals equal to this one; seals of different rounds never add up."""
    seals = state.log.commit_seals(vote.round, vote.digest, vote.roots)
    if state.certified is None and len(seals) >= state.here.validators.quorum:
        state.certified = Certified(vote.round, vote.digest, vote.roots, tuple(seals))


def _tell_other_roots(state: State, digest: bytes) -> None:
    """f+1 validators that seal other roots than ours hold an honest one: report not ready."""
    roots = state.roots.get(digest)
    if roots is None or state.told_unready:
        return
    others = state.log.senders_of_other_roots(digest, roots)
    if len(others) > state.here.validators.f:
        state.told_unready = True
        state.emit(Unready(state.here.height, f"validators {others} seal other roots for {digest.hex()}"))


def decide(state: State) -> None:
    """Commit a certified block once it is here and executed to the certified roots; else get there.

    Source: Dafny `UponCommit`, its second half.
    """
    certified = state.certified
    if certified is None or state.decided or state.halted:
        return
    seals = _seals_of(state, certified)
    holders = [seal.index for seal in seals]
    candidate = state.candidates.get(certified.digest)
    if candidate is None:
        fetch(state, certified.digest, holders)
        return
    if state.valid.get(certified.digest) is False:
        state.halt("a quorum sealed a block that we find invalid", digest=certified.digest.hex())
        return
    roots = state.roots.get(certified.digest)
    if roots is None:
        _execute(state, certified.digest, holders)
    elif roots != certified.roots:
        _halt_on_roots(state, "a quorum sealed other roots than ours", certified.digest, certified.roots, roots)
    else:
        state.decided = True
        height, round_, digest = state.here.height, certified.round, certified.digest
        certificate = Certificate(height, round_, digest, roots.state_root, roots.receipts_root, seals)
        state.emit(CommitBlock(candidate, certificate))


def _seals_of(state: State, certified: Certified) -> tuple[Seal, ...]:
    """Return the quorum's seals and those that have come since, sorted by index."""
    late = state.log.commit_seals(certified.round, certified.digest, certified.roots)
    by_index = {seal.index: seal for seal in (*certified.seals, *late)}
    return tuple(by_index[index] for index in sorted(by_index))


def _halt_on_roots(state: State, reason: str, digest: bytes, sealed: Roots, own: Roots) -> None:
    state.halt(
        reason,
        digest=digest.hex(),
        sealed_state_root=sealed.state_root.hex(),
        sealed_receipts_root=sealed.receipts_root.hex(),
        own_state_root=own.state_root.hex(),
        own_receipts_root=own.receipts_root.hex(),
    )


def propose(state: State) -> None:
    """Propose in a round above 0 where it is our turn and possible, and take our own proposal in.

    Source: Dafny `UponRoundChange`, first case.
    """
    message = propose_with_justification(state)
    if message is not None:
        accept_own(state, message)


def accept_own(state: State, message: Proposal) -> None:
    """Take our own proposal in, as every other validator does."""
    digest = header_digest(message.candidate.header)
    if message.prepared is None:
        state.valid.setdefault(digest, True)  # the shell vouches for what it built
    _accept(state, message, digest)
