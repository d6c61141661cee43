"""Rounds: entering them, their timers, and proposing in them.

Round 0 begins with the height and its timer with the first sign of work. A later round begins on
timeout, on a valid proposal for it, or because f+1 senders have reached it; its timer starts only
once a quorum is there too. So validators that were apart meet again in one round, whatever their
timers did meanwhile.

Invariants:
    1. The round never decreases within a height.
    2. At most one round timer runs, that of the current round.
    3. Entering any round above 0 sends ROUND_CHANGE for it.
    4. Candidates asked for are those of the current round's round-changes, and the certified one.
"""

from __future__ import annotations

from consensus.effects import BuildBlock, CheckBlock, FetchCandidate, ScheduleTimeout, Send, Unready
from consensus.justification import choose, highest_prepared
from consensus.messages import STEP_PROPOSAL, STEP_ROUND_CHANGE, PreparedCertificate, Proposal, RoundChange
from consensus.state import State
from consensus.validation import candidate_fault
from consensus.voting import cast_proposal, cast_round_change, start_retransmitting, votes_here


def enter_round(state: State, round_: int) -> None:
    """Move to a higher round and say so. Source: Dafny `UponRoundTimeout`, `UponRoundChange`."""
    state.round = round_
    state.accepted = None
    state.building_round = None
    state.built = None
    certified = None if state.certified is None else state.certified.digest
    state.fetching = {digest: sources for digest, sources in state.fetching.items() if digest == certified}
    if votes_here(state):
        cast_round_change(state)
        start_timer_if_quorum_is_here(state)


def jump_with_others(state: State) -> None:
    """Jump to the highest round that f+1 senders have reached. Source: Dafny `UponRoundChange`, second case.

    f+1 senders hold an honest one, so no minority can drive us ahead.
    """
    highest = state.log.highest_round_reached_by(state.here.validators.f + 1)
    if highest > state.round:
        enter_round(state, highest)


def help_up(state: State, message: RoundChange) -> None:
    """Answer a round-change to a round left behind with our own: f+1 answers bring the sender here."""
    own = state.signed.get((state.round, STEP_ROUND_CHANGE))
    if own is not None and message.round < state.round:
        state.emit(Send(message.sender, own))


def start_timer(state: State) -> None:
    """Start the current round's timer, once."""
    if state.timer_round == state.round or not votes_here(state):
        return
    state.timer_round = state.round
    state.emit(ScheduleTimeout(state.here.height, state.round, state.here.timeout_ms(state.round)))


def start_timer_if_quorum_is_here(state: State) -> None:
    """Start the timer of a round above 0 once a quorum, ourselves included, is in it or above.

    Capped timers that start by themselves never meet again after a partition.
    """
    if state.round > 0 and state.log.reached(state.round) >= state.here.validators.quorum:
        start_timer(state)


def may_propose(state: State) -> bool:
    """Tell whether it is our turn in the current round and we have not proposed in it.

    Source: Dafny `UponBlockTimeout`, `isReceivedProposalJustification`.
    """
    here = state.here
    return (
        votes_here(state)
        and not state.decided
        and here.proposer(state.round) == here.own_index
        and state.accepted is None
        and (state.round, STEP_PROPOSAL) not in state.signed
    )


def ask_for_block(state: State) -> None:
    """Have a block built for the current round, once."""
    if state.building_round == state.round:
        return
    state.building_round = state.round
    certificate = state.embeddable_certificate()
    state.emit(BuildBlock(state.here.height, state.round, certificate, required=state.round > 0))


def propose_with_justification(state: State) -> Proposal | None:
    """Propose in a round above 0 as soon as a quorum of round-changes and the block are here.

    Any quorum of them justifies a proposal. A Byzantine validator may tell, in every round, of a block that nobody
    serves: those who prepared it without locking it may have lost it in a crash. So where the quorum with the
    highest prepared block waits for that block, the next quorum is tried, without it. A block that may have been
    decided is in every quorum.

    Liveness: once all n − f ≥ q honest round-changes are here, the highest of them begins a quorum, after at most f
    others. Its block is logged by the honest validator that is locked on it, and so served. What is fetched
    for the others does not hide it.

    Source: Dafny `UponRoundChange`, first case; `isReceivedProposalJustification`.
    """
    if state.round == 0 or not may_propose(state):
        return None
    round_changes = state.log.round_changes_for(state.round)
    quorum = state.here.validators.quorum
    for passed_over in range(len(round_changes) - quorum + 1):
        chosen = choose(round_changes, quorum, passed_over)
        best = highest_prepared([rc.vote for rc in chosen])
        votes = tuple(rc.vote for rc in chosen)
        if best is None:
            if state.built is not None:
                return cast_proposal(state, state.built, votes, None)
            ask_for_block(state)
            return None
        prepared = next(rc.prepared for rc in chosen if rc.sender == best.sender)
        if prepared is not None and _may_be_proposed(state, prepared, best.sender):
            return cast_proposal(state, state.candidates[prepared.digest], votes, prepared)
    return None


def _may_be_proposed(state: State, prepared: PreparedCertificate, sender: int) -> bool:
    """Tell whether a prepared block is here and valid; else get there."""
    candidate = state.candidates.get(prepared.digest)
    if candidate is None:
        fetch(state, prepared.digest, [sender, *(seal.index for seal in prepared.prepares)])
        return False
    fault = candidate_fault(candidate, state.here, None)
    verdict = state.valid.get(prepared.digest)
    if fault is not None or verdict is False:
        _tell_wrong(state, prepared.digest, fault or "the block")
    elif verdict is None:
        # Proposing binds us to the block's bytes, so its transactions must be here first.
        check_block(state, prepared.digest, sender, judge_time=False)
    else:
        return True
    return False


def _tell_wrong(state: State, digest: bytes, fault: str) -> None:
    """A quorum prepared it; if we find it invalid, either more than f are Byzantine or we are broken."""
    if not state.told_unready:
        state.told_unready = True
        reason = f"a quorum prepared {digest.hex()}, which is invalid here: {fault}"
        state.emit(Unready(state.here.height, reason))


def check_block(state: State, digest: bytes, source: int, judge_time: bool) -> None:
    """Have a block checked, once; again where a quorum has prepared what was held back for its time.

    Source: Dafny `validateEthereumBlock`.
    """
    asked = state.checking.get(digest)
    if asked is None or (asked and not judge_time):
        state.checking[digest] = judge_time
        state.emit(CheckBlock(state.candidates[digest], source, judge_time))


def fetch(state: State, digest: bytes, holders: list[int]) -> None:
    """Ask for a candidate, once; RebroadcastDue asks again, also those who were heard to hold it since.

    Each digest has its own slot: were there one for all, a block that somebody withholds would take the place of
    one that others serve.

    Source: Dafny `receivedBlocksInRoundChanges`, where messages carry their blocks.
    """
    known = state.fetching.get(digest)
    sources = tuple(i for i in dict.fromkeys([*(known or ()), *holders]) if i != state.here.own_index)
    state.fetching[digest] = sources
    if known is None:
        state.emit(FetchCandidate(state.here.height, digest, sources))
        start_retransmitting(state)
