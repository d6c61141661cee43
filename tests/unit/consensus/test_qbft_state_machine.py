"""The common case and its guards: tables of (state, inputs, expected effects)."""

import msgspec
import pytest
from consensus_kit import (
    OTHER_ROOTS,
    ROOTS,
    Core,
    candidate,
    commit,
    context,
    digest_of_candidate,
    kinds,
    prepare,
    prepared_certificate,
    proposal,
    round_change,
    sent,
)

from consensus.effects import (
    Behind,
    BuildBlock,
    CheckBlock,
    CommitBlock,
    Evidence,
    ExecuteBlock,
    FetchCandidate,
    Halt,
    PeerBehind,
    Persist,
    ScheduleRebroadcast,
    ScheduleTimeout,
    Unready,
)
from consensus.errors import InvariantBroken
from consensus.inputs import (
    BlockChecked,
    BlockExecuted,
    CandidateFetched,
    NewHeight,
    RebroadcastDue,
    Restored,
    TimerExpired,
)
from consensus.message_log import ROUNDS_KEPT
from consensus.messages import Commit, Prepare, Proposal, RoundChange
from consensus.state import CANDIDATES_KEPT, EVIDENCE_TOLD


def test_proposer_builds_proposes_and_prepares():
    core = Core(context(own=0))
    assert kinds(core.work()) == ["ScheduleTimeout", "BuildBlock"]
    block = candidate(core.here)
    effects = core.built(block)
    assert kinds(effects) == [
        "Persist Proposal",
        "Broadcast Proposal",
        "ScheduleRebroadcast",
        "Persist Prepare",
        "Broadcast Prepare",
    ]
    assert sent(effects)[0].candidate == block
    assert core.work() == []


def test_validator_checks_prepares_locks_executes_commits():
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    assert kinds(core.receive(proposal(core.here, block))) == ["ScheduleTimeout", "CheckBlock"]
    assert kinds(core.checked(block)) == ["Persist Prepare", "Broadcast Prepare", "ScheduleRebroadcast"]
    assert core.receive(prepare(core.here, 0, digest)) == []
    effects = core.receive(prepare(core.here, 1, digest))
    assert effects == [ExecuteBlock(block, (0, 1))]
    effects = core.executed(block)
    assert kinds(effects) == ["Persist Commit", "Broadcast Commit"]
    record = core.records[-1]
    assert record.candidate == block
    assert record.prepared == prepared_certificate(core.here, digest, 0, [0, 1, 3])
    assert core.receive(commit(core.here, 0, digest)) == []
    (decision,) = core.receive(commit(core.here, 1, digest))
    assert isinstance(decision, CommitBlock)
    assert decision.candidate == block
    assert [seal.index for seal in decision.certificate.seals] == [0, 1, 3]
    assert decision.certificate.roots == ROOTS


@pytest.mark.parametrize("n", [4, 5, 6, 7])
def test_lock_and_decision_need_exactly_a_quorum(n):
    core = Core(context(n, own=n - 1))
    quorum = {4: 3, 5: 4, 6: 4, 7: 5}[n]
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    core.accept(block)  # our own PREPARE is the first
    for sender in range(quorum - 2):
        assert core.receive(prepare(core.here, sender, digest)) == []
    assert kinds(core.receive(prepare(core.here, quorum - 2, digest))) == ["ExecuteBlock"]
    core.executed(block)
    for sender in range(quorum - 2):
        assert core.receive(commit(core.here, sender, digest)) == []
    assert kinds(core.receive(commit(core.here, quorum - 2, digest))) == ["CommitBlock"]


def test_one_vote_per_sender():
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    core.accept(block)
    vote = prepare(core.here, 0, digest)
    assert core.receive(vote, vote, vote) == []
    other = prepare(core.here, 0, b"\1" * 32)
    assert core.receive(other) == [Evidence(vote, other)]
    assert core.receive(other) == []  # told once
    assert core.state.lock is None


@pytest.mark.parametrize("what", ["prepare", "commit", "round_change", "proposal"])
def test_conflicting_messages_are_evidence(what):
    core = Core(context(own=3))
    block, other = candidate(core.here), candidate(core.here, tag=b"other")
    digest = digest_of_candidate(block)
    pairs = {
        "prepare": (prepare(core.here, 1, digest), prepare(core.here, 1, b"\1" * 32)),
        "commit": (commit(core.here, 1, digest), commit(core.here, 1, digest, roots=OTHER_ROOTS)),
        "round_change": (
            round_change(core.here, 1, 2),
            round_change(core.here, 1, 2, prepared_certificate(core.here, digest)),
        ),
        "proposal": (proposal(core.here, block), proposal(core.here, other)),
    }
    first, second = pairs[what]
    core.receive(first)
    assert core.receive(second) == [Evidence(first, second)]


def test_evidence_of_one_sender_is_bounded_for_each_height():
    core = Core(context(own=3))
    told = []
    for round_ in range(100):
        for digest in (ROOTS.state_root, OTHER_ROOTS.state_root):
            told += kinds(core.receive(prepare(core.here, 0, digest, round_)))
    assert told == ["Evidence"] * EVIDENCE_TOLD
    assert len(core.state.told_evidence) == EVIDENCE_TOLD
    first, second = (prepare(core.here, 1, digest) for digest in (ROOTS.state_root, OTHER_ROOTS.state_root))
    core.receive(first)
    assert core.receive(second) == [Evidence(first, second)], "another sender's is told all the same"


def test_evidence_of_the_height_before_does_not_hide_that_of_this_one():
    core = Core(context(own=3))
    core.feed(NewHeight(context(own=3, height=2)))
    for height in (1, 2):
        here = context(own=3, height=height)
        first, second = prepare(here, 1, b"\1" * 32), prepare(here, 1, b"\2" * 32)
        core.receive(first)
        assert Evidence(first, second) in core.receive(second)


def test_own_messages_that_come_back_do_not_count():
    core = Core(context(own=3))
    digest = b"\1" * 32
    assert core.receive(prepare(core.here, 3, digest), commit(core.here, 3, digest)) == []
    assert core.state.log.prepares.rounds == {}


def test_invalid_block_is_not_prepared():
    core = Core(context(own=3))
    block = candidate(core.here)
    core.receive(proposal(core.here, block))
    assert core.checked(block, valid=False) == []
    votes = [prepare(core.here, i, digest_of_candidate(block)) for i in range(3)]
    assert core.receive(*votes) == []
    assert core.state.lock is None


def test_a_verdict_is_for_ever():
    core = Core(context(own=3))
    block = candidate(core.here)
    core.accept(block)
    core.checked(block, valid=False)
    core.receive(*(commit(core.here, i, digest_of_candidate(block)) for i in range(3)))
    assert kinds(core.executed(block)) == ["CommitBlock"]


def test_an_execution_that_was_not_asked_for_is_ignored():
    core = Core(context(own=3))
    block = candidate(core.here)
    assert core.executed(block) == []
    assert kinds(core.lock(block, [0, 1]))[-1] == "ExecuteBlock"


def test_prepares_before_the_proposal_count():
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    core.receive(prepare(core.here, 0, digest), prepare(core.here, 1, digest))
    assert kinds(core.accept(block))[-1] == "ExecuteBlock"


def test_second_proposal_of_a_round_is_not_prepared():
    core = Core(context(own=3))
    core.accept(candidate(core.here))
    effects = core.receive(proposal(core.here, candidate(core.here, tag=b"other")))
    assert kinds(effects) == ["Evidence"]


@pytest.mark.parametrize(
    ("changes", "sender", "reason"),
    [
        ({}, 1, "proposal: not the proposer of the round"),
        ({"proposer": 1}, 0, "proposal: header: proposer"),
        ({"height": 2}, 0, "proposal: header: height"),
        ({"parent": b"\1" * 32}, 0, "proposal: header: parent"),
        ({"time": 1_000}, 0, "proposal: header: time not after the parent's"),
    ],
)
def test_bad_proposals_are_refused(changes, sender, reason):
    core = Core(context(own=3))
    block = candidate(core.here, **changes)
    (effect,) = core.receive(proposal(core.here, block, sender=sender))
    assert effect.reason == reason
    assert core.state.accepted is None


def test_an_unjustified_proposal_of_a_later_round_is_refused():
    core = Core(context(own=3))
    (effect,) = core.receive(proposal(core.here, candidate(core.here, proposer=1), 1))
    assert effect.reason == "proposal: not a quorum of round-changes"
    assert core.state.round == 0


def test_a_proposal_on_too_few_parent_seals_is_refused():
    here = context(own=3, height=2)
    parent = msgspec.structs.replace(here.parent_certificate, seals=here.parent_certificate.seals[:2])
    block = candidate(msgspec.structs.replace(here, parent_certificate=parent))
    (effect,) = Core(here).receive(proposal(here, block))
    assert effect.reason == "proposal: parent certificate below the quorum"


def test_candidates_are_bounded_and_the_accepted_one_stays():
    core = Core(context(own=None))
    accepted = candidate(core.here)
    core.state.accepted = digest_of_candidate(accepted)
    blocks = [accepted, *(candidate(core.here, tag=b"%d" % i) for i in range(3 * CANDIDATES_KEPT))]
    for block in blocks:
        core.state.keep_candidate(digest_of_candidate(block), block)
    assert list(core.state.candidates.values()) == [accepted, *blocks[-CANDIDATES_KEPT + 1 :]]


def test_the_candidate_of_the_lock_stays_in_later_rounds():
    """It must be proposed again, and may be in no other hands."""
    core = Core(context(own=3))
    locked = candidate(core.here)
    core.lock(locked, [0, 1])
    core.feed(TimerExpired(1, 0))
    assert core.state.accepted is None
    for number in range(3 * CANDIDATES_KEPT):
        block = candidate(core.here, tag=b"%d" % number)
        core.state.keep_candidate(digest_of_candidate(block), block)
    assert core.state.candidate(digest_of_candidate(locked)) == locked


def test_a_candidate_that_was_not_asked_for_is_not_kept():
    core = Core(context(own=3))
    block = candidate(core.here)
    assert core.feed(CandidateFetched(block)) == []
    assert core.state.candidate(digest_of_candidate(block)) is None


# Execution and decision


def test_decision_without_own_lock_fetches_executes_compares():
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    core.receive(commit(core.here, 0, digest), commit(core.here, 1, digest))
    effects = core.receive(commit(core.here, 2, digest))
    assert effects == [FetchCandidate(1, digest, (0, 1, 2)), ScheduleRebroadcast(1, 500)]
    assert core.feed(CandidateFetched(candidate(core.here, tag=b"not it"))) == []
    assert core.feed(CandidateFetched(block)) == [ExecuteBlock(block, (0, 1, 2))]
    assert kinds(core.executed(block)) == ["CommitBlock"]


def test_certified_candidate_is_asked_for_again():
    core = Core(context(6, own=5))
    digest = digest_of_candidate(candidate(core.here))
    core.receive(*(commit(core.here, i, digest) for i in range(4)))
    effects = core.feed(RebroadcastDue(1))
    assert kinds(effects) == ["FetchCandidate", "ScheduleRebroadcast"]
    # Whoever seals it later is asked as well, from then on.
    assert core.receive(commit(core.here, 4, digest)) == []
    assert core.feed(RebroadcastDue(1))[0] == FetchCandidate(1, digest, (0, 1, 2, 3, 4))


def test_seals_of_different_rounds_never_add_up():
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    core.accept(block)
    core.receive(commit(core.here, 0, digest, 0), commit(core.here, 1, digest, 1), commit(core.here, 2, digest, 2))
    assert core.state.certified is None


def test_seals_of_different_roots_never_add_up():
    core = Core(context(own=3))
    digest = digest_of_candidate(candidate(core.here))
    core.receive(commit(core.here, 0, digest), commit(core.here, 1, digest))
    core.receive(commit(core.here, 2, digest, roots=OTHER_ROOTS))
    assert core.state.certified is None


def test_a_flood_of_seals_takes_none_out_of_a_quorum_whose_block_is_executed_later():
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    core.accept(block)
    core.receive(*(commit(core.here, i, digest) for i in range(3)))
    core.receive(*(commit(core.here, 0, digest, round_) for round_ in range(1, 2 * ROUNDS_KEPT)))
    assert 0 not in core.state.log.commits.rounds[0], "it fell out of its sender's slots"
    (decided,) = core.executed(block)
    assert [seal.index for seal in decided.certificate.seals] == [0, 1, 2]
    assert decided.certificate.round == 0


def test_seals_of_an_earlier_round_decide():
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    core.lock(block, [0, 1])
    core.executed(block)
    core.feed(TimerExpired(1, 0))
    assert core.state.round == 1
    effects = core.receive(commit(core.here, 0, digest), commit(core.here, 1, digest))
    assert kinds(effects) == ["CommitBlock"]
    assert effects[0].certificate.round == 0


def test_other_roots_from_a_quorum_halt():
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    core.lock(block, [0, 1])
    core.executed(block)
    effects = core.receive(*(commit(core.here, i, digest, roots=OTHER_ROOTS) for i in range(3)))
    assert kinds(effects) == ["Unready", "Halt"]
    details = effects[-1].details
    assert details["own_state_root"] == ROOTS.state_root.hex()
    assert details["sealed_state_root"] == OTHER_ROOTS.state_root.hex()
    assert core.state.halted
    assert core.feed(TimerExpired(1, 0)) == []


@pytest.mark.parametrize(("n", "liars", "unready"), [(4, 1, False), (4, 2, True), (7, 2, False), (7, 3, True)])
def test_other_roots_from_a_minority(n, liars, unready):
    """From f nothing; from f + 1 the node is not ready, whichever comes first: execution or seals."""
    for executed_first in (True, False):
        core = Core(context(n, own=n - 1))
        block = candidate(core.here)
        digest = digest_of_candidate(block)
        core.lock(block, list(range(core.here.validators.quorum - 1)))
        effects = core.executed(block) if executed_first else []
        effects += core.receive(*(commit(core.here, i, digest, roots=OTHER_ROOTS) for i in range(liars)))
        effects += [] if executed_first else core.executed(block)
        assert any(isinstance(effect, Unready) for effect in effects) is unready
        assert not core.state.halted


def test_quorum_for_a_block_that_we_found_invalid_halts():
    core = Core(context(own=3))
    block = candidate(core.here)
    core.receive(proposal(core.here, block))
    core.checked(block, valid=False)
    effects = core.receive(*(commit(core.here, i, digest_of_candidate(block)) for i in range(3)))
    assert kinds(effects) == ["Halt"]


def test_no_commit_after_the_round_was_left():
    core = Core(context(own=3))
    block = candidate(core.here)
    core.lock(block, [0, 1])
    core.feed(TimerExpired(1, 0))
    assert core.executed(block) == []
    assert not any(isinstance(message, Commit) for message in core.state.signed.values())


def test_late_answers_are_ignored():
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    assert core.feed(BlockExecuted(1, digest, ROOTS)) == []  # never asked for
    core.lock(block, [0, 1])
    assert core.feed(BlockExecuted(2, digest, ROOTS)) == []
    assert core.feed(BlockChecked(2, digest, False)) == []
    assert core.feed(TimerExpired(2, 0)) == []
    assert core.built(block) == []
    assert core.feed(RebroadcastDue(2)) == []


# Building


def test_round_0_builder_may_decline_and_be_asked_again():
    core = Core(context(own=0))
    core.work()
    assert core.built(None) == []
    assert kinds(core.work()) == ["BuildBlock"]


def test_a_built_block_that_is_invalid_is_our_own_fault():
    core = Core(context(own=0))
    core.work()
    with pytest.raises(InvariantBroken):
        core.built(candidate(core.here, height=7))


def test_a_stale_built_block_is_dropped():
    core = Core(context(own=0))
    core.work()
    core.feed(TimerExpired(1, 0))
    assert core.built(candidate(core.here)) == []


def test_a_block_built_for_an_earlier_turn_of_ours_is_dropped():
    core = Core(context(own=0))
    core.work()
    asked = core.receive(*(round_change(core.here, i, 4) for i in (1, 2, 3)))
    assert BuildBlock(1, 4, None, required=True) in asked
    assert core.built(candidate(core.here), 0) == []
    assert [type(message) for message in sent(core.built(candidate(core.here), 4))] == [Proposal, Prepare]


# Neighbouring heights


def test_early_messages_are_kept_and_used():
    core = Core(context(own=3))
    following = context(own=3, height=2)
    block = candidate(following)
    message = proposal(following, block)
    assert core.receive(message, prepare(following, 0, digest_of_candidate(block))) == [Behind(0, 2)]
    core.here = following
    assert kinds(core.feed(NewHeight(following))) == ["ScheduleTimeout", "CheckBlock"]
    core.checked(block)
    assert kinds(core.receive(prepare(following, 1, digest_of_candidate(block)))) == ["ExecuteBlock"]


def test_a_repeated_early_message_tells_again_that_we_are_behind():
    core = Core(context(own=3))
    message = round_change(context(own=3, height=2), 0)
    assert core.receive(message) == [Behind(0, 2)]
    assert core.receive(round_change(context(own=3, height=2), 0, 2)) == []
    assert core.receive(message) == [Behind(0, 2)]


def test_contexts_that_contradict_the_chain_are_our_own_fault():
    core = Core(context(own=3))
    with pytest.raises(InvariantBroken):
        core.feed(NewHeight(context(5, own=3, height=2)))
    with pytest.raises(InvariantBroken):
        Core(msgspec.structs.replace(context(), order=(0, 1, 2)))


def test_early_messages_are_bounded():
    core = Core(context(own=3))
    following = context(own=3, height=2)
    core.receive(*(round_change(following, 0, round_) for round_ in range(1, 100)))
    core.receive(round_change(context(own=3, height=3), 1))
    assert {sender: len(kept) for sender, kept in core.state.early.items()} == {0: 16}


def test_early_proposals_have_a_bound_of_their_own_as_they_may_be_large():
    core = Core(context(own=3))
    following = context(own=3, height=2)
    core.receive(*(proposal(following, candidate(following), round_, 0) for round_ in range(16)))
    core.receive(round_change(following, 0, 1))
    assert [type(message) for message in core.state.early[0]] == [Proposal, Proposal, RoundChange]


def test_late_seals_are_embedded():
    core = Core(context(own=0))
    following = context(own=0, height=2)
    core.feed(NewHeight(following))
    parent = following.parent_digest
    assert core.receive(commit(following, 3, parent, roots=following.parent_roots, height=1)) == []
    wrong = commit(following, 3, parent, 1, roots=following.parent_roots, height=1)
    assert core.receive(wrong) == []  # of another round: of no use
    core.here = following
    build = core.work()[-1]
    assert isinstance(build, BuildBlock)
    assert [seal.index for seal in build.parent_certificate.seals] == [0, 1, 2, 3]


@pytest.mark.parametrize("agrees", [True, False])
def test_seals_that_come_between_the_decision_and_the_next_height_are_embedded_if_of_equal_roots(agrees):
    core = Core(context(own=0))
    following = context(own=0, height=2)
    roots = following.parent_roots if agrees else OTHER_ROOTS
    core.receive(commit(core.here, 3, following.parent_digest, roots=roots))
    core.feed(NewHeight(following))
    core.here = following
    build = core.work()[-1]
    assert isinstance(build, BuildBlock)
    assert [seal.index for seal in build.parent_certificate.seals] == ([0, 1, 2, 3] if agrees else [0, 1, 2])


def test_own_messages_of_other_heights_show_nobody_ahead_or_behind():
    core = Core(context(own=3, height=5))
    for height in (4, 6):
        assert core.receive(round_change(context(own=3, height=height), 3)) == []
    assert core.state.early == {}


def test_a_repeated_vote_or_a_round_change_shows_a_peer_behind():
    core = Core(context(own=0))
    digest = b"\1" * 32
    early, vote = prepare(core.here, 1, digest), prepare(core.here, 2, digest)
    core.receive(early)
    change = round_change(core.here, 3)
    core.feed(NewHeight(context(own=0, height=2)))
    assert core.receive(vote) == []  # merely late
    assert core.receive(early) == [PeerBehind(1, 1)]
    assert core.receive(vote) == [PeerBehind(2, 1)]
    assert core.receive(change) == [PeerBehind(3, 1)]


def test_heights_only_grow_and_a_larger_one_abandons():
    core = Core(context(own=3, height=5))
    core.accept(candidate(core.here))
    accepted = core.state.accepted
    assert core.feed(NewHeight(context(own=3, height=4))) == []
    assert core.feed(NewHeight(context(own=3, height=5))) == []
    assert core.state.accepted == accepted
    assert core.state.here.height == 5
    core.feed(NewHeight(context(own=3, height=9)))
    assert (core.state.here.height, core.state.round, core.state.signed) == (9, 0, {})


def test_votes_of_a_height_that_is_passed_over_count_for_no_other():
    core = Core(context(own=3, height=5))
    former, early = prepare(core.here, 1, b"\1" * 32), prepare(context(own=3, height=6), 2, b"\2" * 32)
    core.receive(former, early)
    core.feed(NewHeight(context(own=3, height=9)))
    assert core.state.log.prepares.rounds == {}
    late = prepare(context(own=3, height=8), 1, b"\3" * 32)
    assert core.receive(late) == [], "no evidence: the two are of different heights"


def test_full_node_follows_and_never_signs():
    core = Core(context(own=None))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    effects = core.receive(
        proposal(core.here, block),
        *(prepare(core.here, i, digest) for i in range(4)),
        *(round_change(core.here, i, 3) for i in range(3)),
        *(commit(core.here, i, digest) for i in range(3)),
    )
    assert effects == [ExecuteBlock(block, (0, 1, 2))]
    assert core.work() == []
    assert kinds(core.executed(block)) == ["CommitBlock"]


def test_nothing_happens_after_the_decision():
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    core.lock(block, [0, 1])
    core.executed(block)
    core.receive(commit(core.here, 0, digest), commit(core.here, 1, digest))
    assert core.state.decided
    assert core.feed(TimerExpired(1, 0)) == []
    assert core.feed(RebroadcastDue(1)) == []
    assert core.receive(*(round_change(core.here, i, 4) for i in range(3))) == []
    # A seal that comes now is embedded in the next block all the same.
    assert core.receive(commit(core.here, 2, digest)) == []
    assert len(core.state.log.commit_seals(0, digest, ROOTS)) == 4


def test_persist_comes_before_the_broadcast_that_depends_on_it():
    core = Core(context(own=0))
    effects = core.work() + core.built(candidate(core.here))
    for place, effect in enumerate(effects):
        if kinds([effect])[0].startswith("Broadcast"):
            before = effects[place - 1]
            assert isinstance(before, Persist)
            assert before.record.message == effect.message


def test_log_is_restored_first_or_not_at_all():
    core = Core(context())
    with pytest.raises(InvariantBroken):
        core.feed(Restored(()))


def test_steps_are_deterministic():
    def run():
        core = Core(context(own=3))
        block = candidate(core.here)
        effects = core.lock(block, [0, 1]) + core.executed(block)
        return effects, [type(message) for message in core.state.signed.values()]

    assert run() == run()
    assert run()[1] == [Prepare, Commit]


def test_check_names_who_has_the_block():
    core = Core(context(own=3))
    block = candidate(core.here)
    effects = core.receive(proposal(core.here, block))
    assert effects == [ScheduleTimeout(1, 0, 1_000), CheckBlock(block, 0, True)]


def test_halt_is_the_last_effect():
    core = Core(context(own=3))
    block = candidate(core.here)
    core.lock(block, [0, 1])
    core.executed(block)
    core.state.executing[digest_of_candidate(block)] = None  # as if asked again
    (effect,) = core.executed(block, OTHER_ROOTS)
    assert isinstance(effect, Halt)
    assert effect.reason == "executing a block again gave other roots"
    assert core.receive(round_change(core.here, 0), round_change(core.here, 1)) == []
    assert core.state.round == 0


def test_messages_before_any_height_are_ignored():
    here = context()
    core = Core(here)
    core.state.context = None
    assert core.receive(prepare(here, 1, b"\1" * 32)) == []


def test_proposal_is_signed_once_per_round():
    core = Core(context(own=0))
    core.work()
    core.built(candidate(core.here))
    assert core.built(candidate(core.here, tag=b"other")) == []
    assert sum(isinstance(record.message, Proposal) for record in core.records) == 1
