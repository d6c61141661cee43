"""The QBFT core: `step(state, input) -> Transition(state, effects)`, pure and total.

One height is in flight. A proposal is accepted, checked by the shell, prepared; a quorum of PREPAREs
locks it; it is executed; COMMIT seals it with the resulting roots; a quorum of equal seals of one round
makes it final. What goes wrong costs a round, never agreement. `docs/consensus.md` maps each rule of
SPEC section 3 to its function here; docstrings name the predicate of Consensys' Dafny spec.

Invariants:
    1. Same state and input, same next state and effects: no clock, randomness, float, set order.
    2. No message counts before its justification was judged; signatures were verified before the step.
    3. CommitBlock is emitted at most once per height, with a quorum of seals over the roots that we computed.
    4. A quorum of seals over other roots than ours halts the node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from consensus.agreement import (
    accept_own,
    decide,
    on_block_checked,
    on_block_executed,
    prepare_if_valid,
    propose,
    tell_misbehaved,
    upon_commit,
    upon_prepare,
    upon_proposal,
)
from consensus.effects import Behind, Evidence, FetchCandidate, PeerBehind
from consensus.errors import InvariantBroken
from consensus.inputs import (
    BlockBuilt,
    BlockChecked,
    BlockExecuted,
    CandidateFetched,
    Input,
    MessageReceived,
    NewHeight,
    RebroadcastDue,
    Restored,
    TimerExpired,
    WorkAvailable,
)
from consensus.justification import round_change_fault
from consensus.message_log import Outcome
from consensus.messages import STEP_PROPOSAL, Commit, Message, Prepare, Proposal, RoundChange, step_of
from consensus.rounds import (
    ask_for_block,
    enter_round,
    help_up,
    jump_with_others,
    may_propose,
    start_timer,
    start_timer_if_quorum_is_here,
)
from consensus.state import EARLY_KEPT, EARLY_PROPOSALS_KEPT, EVIDENCE_TOLD, Sign, State, Transition
from consensus.types import HeightContext, header_digest
from consensus.validation import candidate_fault
from consensus.voting import cast_proposal, rebroadcast, restore, schedule_rebroadcast, votes_here

__all__ = ["Sign", "State", "Transition", "step"]


def step(state: State, event: Input) -> Transition:
    """Take one input and return the next state with the effects to perform in order.

    Raises:
        InvariantBroken: the shell or the core broke its contract; the shell halts.
    """
    if not state.halted:
        _HANDLERS[type(event)](state, event)
    effects = tuple(state.effects)
    state.effects.clear()
    return Transition(state, effects)


# Heights


def _on_restored(state: State, event: Restored) -> None:
    if state.context is not None:
        raise InvariantBroken("the log is restored before the first height begins")
    for record in event.records:
        state.restored.setdefault(record.message.height, []).append(record)


def _on_new_height(state: State, event: NewHeight) -> None:
    """Begin a height. Source: Dafny `UponNewBlock`, `NodeInit`."""
    context = event.context
    if state.context is not None and context.height <= state.context.height:
        return
    follows = state.context is not None and state.context.height + 1 == context.height
    early = state.early if follows else {}
    state.early = {}
    state.begin(context)
    _add_known_parent_seals(state)
    records = state.restored.pop(context.height, [])
    state.restored = {h: kept for h, kept in state.restored.items() if h > context.height}
    # Records at a height that does not name us are those of a key that this node had before: they bind nothing.
    if records and context.own_index is not None:
        restore(state, records)
        _resume(state)
    for sender in sorted(early):
        for message in early[sender]:
            _on_current_message(state, message)


def _resume(state: State) -> None:
    """Go on where the former life ended: say again what it said, then do what was left undone."""
    rebroadcast(state)
    schedule_rebroadcast(state)
    if state.round == 0:
        start_timer(state)  # there was work, or nothing would have been signed
    start_timer_if_quorum_is_here(state)
    propose(state)
    if state.accepted is not None:
        own = state.signed.get((state.round, STEP_PROPOSAL))
        prepare_if_valid(state, judge_time=not isinstance(own, Proposal) or own.prepared is None)


def _add_known_parent_seals(state: State) -> None:
    """Late COMMITs may have come between CommitBlock and NewHeight."""
    certificate = state.here.parent_certificate
    if certificate is None:
        return
    seals = state.previous_log.commit_seals(certificate.round, certificate.digest, certificate.roots)
    for seal in seals:
        state.parent_seals.setdefault(seal.index, seal)


# Messages


def _on_message(state: State, event: MessageReceived) -> None:
    if state.context is None:
        return
    message = event.message
    if message.height == state.context.height:
        _on_current_message(state, message)
    elif _is_own(state.context, message):
        return
    elif message.height > state.context.height:
        _on_early_message(state, message)
    else:
        _on_late_message(state, message)


def _is_own(context: HeightContext, message: Message) -> bool:
    """Tell whether another height's message is ours, come back to us."""
    if context.own_index is None:
        return False
    validators = context.validators_at(message.height)
    own_key = context.validators.key(context.own_index)
    return validators is not None and validators.key(message.sender) == own_key


def _on_early_message(state: State, message: Message) -> None:
    """The sender is ahead; keep what we can use next, within the sender's own bound.

    Source: Dafny `messagesReceived`, which also holds what is early.
    """
    repeated = False
    if message.height == state.here.height + 1:
        kept = state.early.setdefault(message.sender, [])
        repeated = message in kept
        if not repeated and _has_room(kept, message):
            kept.append(message)
    # Told at the first message, and again when the sender repeats itself: the others may wait for us.
    if repeated or message.sender not in state.told_behind:
        state.told_behind[message.sender] = None
        state.emit(Behind(message.sender, message.height))


def _has_room(kept: list[Message], message: Message) -> bool:
    """Tell whether a sender's early messages are within their bounds with one more."""
    if isinstance(message, Proposal) and sum(isinstance(early, Proposal) for early in kept) >= EARLY_PROPOSALS_KEPT:
        return False
    return len(kept) < EARLY_KEPT


def _on_late_message(state: State, message: Message) -> None:
    """A seal of the parent is worth embedding; a repeated vote or a round-change shows a peer behind."""
    if message.height != state.here.height - 1:
        state.emit(PeerBehind(message.sender, message.height))
        return
    added = state.previous_log.add(message)
    if added.prior is not None:
        _tell_evidence(state, added.prior, message)
    if isinstance(message, RoundChange) or added.outcome is Outcome.DUPLICATE:
        state.emit(PeerBehind(message.sender, message.height))
    certificate = state.here.parent_certificate
    if certificate is None or added.outcome is not Outcome.ADDED or not isinstance(message, Commit):
        return
    sealed = (message.round, message.digest, message.roots)
    if sealed == (certificate.round, certificate.digest, certificate.roots):
        _add_known_parent_seals(state)


def _on_current_message(state: State, message: Message) -> None:
    if message.sender == state.here.own_index:
        return  # our own votes were counted when they were cast
    if isinstance(message, RoundChange):
        fault = round_change_fault(message, state.here.validators)
        if fault is not None:
            tell_misbehaved(state, message, fault)
            return
    added = state.log.add(message)
    if added.prior is not None:
        _tell_evidence(state, added.prior, message)
    if added.outcome is not Outcome.ADDED or state.decided:
        return
    _UPON[type(message)](state, message)


def _tell_evidence(state: State, first: Message, second: Message) -> None:
    """Tell of two conflicting votes, once per step and within a bound for each sender and height."""
    key = (second.height, second.sender, second.round, step_of(second))
    if sum(told[:2] == key[:2] for told in state.told_evidence) >= EVIDENCE_TOLD:
        return
    if key not in state.told_evidence:
        state.told_evidence[key] = None
        state.emit(Evidence(first, second))


# Rounds


def _upon_round_change(state: State, message: RoundChange) -> None:
    """Source: Dafny `UponRoundChange`."""
    if not votes_here(state):
        return
    jump_with_others(state)
    help_up(state, message)
    start_timer_if_quorum_is_here(state)
    propose(state)


def _on_timer_expired(state: State, event: TimerExpired) -> None:
    """Source: Dafny `UponRoundTimeout`."""
    if state.context is None or event.height != state.context.height or state.decided:
        return
    if event.round == state.round and state.timer_round == event.round and votes_here(state):
        enter_round(state, state.round + 1)
        propose(state)


def _on_work_available(state: State, event: WorkAvailable) -> None:
    """Start round 0 in earnest. Source: Dafny `UponBlockTimeout`."""
    if state.context is None or event.height != state.context.height or state.decided:
        return
    if state.round == 0 and votes_here(state):
        start_timer(state)
        if may_propose(state):
            ask_for_block(state)


def _on_block_built(state: State, event: BlockBuilt) -> None:
    """Propose what the shell has built. Source: Dafny `UponBlockTimeout`, `getNewBlock`."""
    if state.context is None or event.height != state.context.height or event.round != state.building_round:
        return
    if event.candidate is None:
        state.building_round = None
        return
    if not may_propose(state):
        return
    fault = candidate_fault(event.candidate, state.here, state.here.own_index)
    if fault is not None:
        raise InvariantBroken(f"the shell built an invalid block: {fault}")
    if state.round > 0:
        state.built = event.candidate
        propose(state)
        return
    message = cast_proposal(state, event.candidate, (), None)
    if message is not None:
        accept_own(state, message)


def _on_candidate_fetched(state: State, event: CandidateFetched) -> None:
    digest = header_digest(event.candidate.header)
    if state.fetching.pop(digest, None) is None:
        return
    state.keep_candidate(digest, event.candidate)
    propose(state)
    decide(state)


def _on_rebroadcast_due(state: State, event: RebroadcastDue) -> None:
    """Retransmit until the height is decided."""
    if state.context is None or event.height != state.context.height or state.decided:
        return
    rebroadcast(state)
    for digest, sources in state.fetching.items():
        state.emit(FetchCandidate(event.height, digest, sources))
    schedule_rebroadcast(state)


_UPON: dict[type, Callable[[State, Any], None]] = {
    Proposal: upon_proposal,
    Prepare: upon_prepare,
    Commit: upon_commit,
    RoundChange: _upon_round_change,
}

_HANDLERS: dict[type, Callable[[State, Any], None]] = {
    Restored: _on_restored,
    NewHeight: _on_new_height,
    MessageReceived: _on_message,
    TimerExpired: _on_timer_expired,
    RebroadcastDue: _on_rebroadcast_due,
    WorkAvailable: _on_work_available,
    BlockBuilt: _on_block_built,
    BlockChecked: on_block_checked,
    BlockExecuted: on_block_executed,
    CandidateFetched: _on_candidate_fetched,
}
