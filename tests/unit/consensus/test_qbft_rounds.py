"""Rounds: timers, jumps, round-changes, proposals with justification, locks across rounds."""

import pytest
from consensus_kit import (
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

from consensus.effects import BuildBlock, CheckBlock, FetchCandidate, ScheduleTimeout, Send
from consensus.inputs import CandidateFetched, RebroadcastDue, TimerExpired
from consensus.messages import Commit, Prepare, Proposal, RoundChange
from consensus.rounds import fetch


def timers(effects):
    return [(e.round, e.duration_ms) for e in effects if isinstance(e, ScheduleTimeout)]


def fetches(effects):
    return [e.digest for e in effects if isinstance(e, FetchCandidate)]


# Timers


def test_round_0_timer_starts_with_work_once():
    core = Core(context(own=3))
    assert core.begun == []
    assert core.work() == [ScheduleTimeout(1, 0, 1_000)]
    assert core.work() == []


def test_work_starts_nothing_in_a_later_round():
    core = Core(context(own=0))
    core.work()
    core.feed(TimerExpired(1, 0))
    assert core.work() == []


def test_round_0_timer_starts_with_a_proposal():
    core = Core(context(own=3))
    assert timers(core.receive(proposal(core.here, candidate(core.here)))) == [(0, 1_000)]
    assert core.work() == []


@pytest.mark.parametrize(
    ("round_", "duration_ms"), [(0, 1_000), (1, 2_000), (3, 8_000), (4, 10_000), (60, 10_000), (10**9, 10_000)]
)
def test_timeouts_double_and_are_capped(round_, duration_ms):
    assert context().timeout_ms(round_) == duration_ms


def test_timeout_sends_round_change_and_starts_no_timer_alone():
    core = Core(context(own=3))
    core.work()
    effects = core.feed(TimerExpired(1, 0))
    assert kinds(effects) == ["Persist RoundChange", "Broadcast RoundChange", "ScheduleRebroadcast"]
    assert sent(effects)[0].round == 1
    assert core.feed(TimerExpired(1, 0)) == []
    assert core.feed(TimerExpired(1, 1)) == []  # a timer that was never started


@pytest.mark.parametrize("n", [4, 5, 6, 7])
def test_timer_of_a_later_round_starts_with_a_quorum_own_included(n):
    core = Core(context(n, own=n - 1))
    core.work()
    core.feed(TimerExpired(1, 0))
    quorum = core.here.validators.quorum
    for sender in range(1, quorum - 1):
        assert timers(core.receive(round_change(core.here, sender, 1))) == []
    # A sender in a higher round is past this one, so it counts.
    assert timers(core.receive(round_change(core.here, 0, 5))) == [(1, 2_000)]


def test_timer_of_a_later_round_starts_with_a_valid_proposal():
    core = Core(context(own=3))
    changes = [round_change(core.here, i, 2) for i in range(3)]
    block = candidate(core.here, proposer=2)
    effects = core.receive(proposal(core.here, block, 2, round_changes=changes))
    assert kinds(effects) == [
        "Persist RoundChange",
        "Broadcast RoundChange",
        "ScheduleRebroadcast",
        "ScheduleTimeout",
        "CheckBlock",
    ]
    assert timers(effects) == [(2, 4_000)]
    assert kinds(core.checked(block)) == ["Persist Prepare", "Broadcast Prepare"]


# Jumps


@pytest.mark.parametrize(("n", "f"), [(4, 1), (5, 1), (6, 1), (7, 2)])
def test_jump_takes_f_plus_1_senders(n, f):
    core = Core(context(n, own=n - 1))
    for sender in range(f):
        assert core.receive(round_change(core.here, sender, 9 + sender)) == []
    effects = core.receive(round_change(core.here, f, 4))
    assert core.state.round == 4  # the highest that all f + 1 have reached
    assert [message.round for message in sent(effects)] == [4]
    # One of them alone going on does not drag us along.
    assert core.receive(round_change(core.here, 0, 10**9)) == []
    # Who comes later to a lower round is helped up at once.
    own = core.state.signed[(4, "round_change")]
    assert core.receive(round_change(core.here, f + 1, 2)) == [Send(f + 1, own)]
    assert core.receive(round_change(core.here, f + 1, 2)) == [], "it is repeated, and so is our own"


def test_only_the_latest_round_change_of_a_sender_counts():
    core = Core(context(own=3))
    core.receive(round_change(core.here, 0, 1), round_change(core.here, 0, 2), round_change(core.here, 0, 3))
    assert core.state.round == 0
    assert core.receive(round_change(core.here, 0, 1)) == []


@pytest.mark.parametrize(
    ("round_", "prepared_round", "signers", "reason"),
    [
        (0, None, None, "round_change: a round-change to round 0"),
        (1, 1, [0, 1, 2], "round_change: prepared in a round that is not lower"),
        (1, 0, [0, 1], "round_change: not a quorum of distinct PREPAREs"),
        (1, 0, [0, 1, 1], "round_change: not a quorum of distinct PREPAREs"),
        (1, 0, [2, 1, 0], "round_change: not a quorum of distinct PREPAREs"),
    ],
)
def test_bad_round_changes_count_for_nothing(round_, prepared_round, signers, reason):
    core = Core(context(own=3))
    prepared = None
    if prepared_round is not None:
        prepared = prepared_certificate(core.here, b"\1" * 32, prepared_round, signers)
    (effect,) = core.receive(round_change(core.here, 0, round_, prepared))
    assert effect.reason == reason
    assert core.state.log.round_changes == {}


# Proposing in later rounds


def proposer_of_round_1(n=4):
    """The proposer of round 1, in round 1, with its own round-change only."""
    core = Core(context(n, own=1))
    core.work()
    core.feed(TimerExpired(1, 0))
    return core


def test_unprepared_round_gets_a_new_block():
    core = proposer_of_round_1()
    core.receive(round_change(core.here, 0))
    effects = core.receive(round_change(core.here, 3))
    assert effects == [ScheduleTimeout(1, 1, 2_000), BuildBlock(1, 1, None, required=True)]
    assert core.receive(round_change(core.here, 2)) == [], "a block is being built"
    block = candidate(core.here, proposer=1)
    message = sent(core.built(block, 1))[0]
    assert isinstance(message, Proposal)
    assert [vote.sender for vote in message.round_changes] == [0, 1, 2]
    assert message.prepared is None


@pytest.mark.parametrize("n", [4, 5, 6, 7])
def test_later_proposal_needs_a_quorum_for_exactly_the_round(n):
    core = proposer_of_round_1(n)
    quorum = core.here.validators.quorum
    others = [i for i in range(n) if i != 1]
    for sender in others[: quorum - 2]:
        assert not any(isinstance(e, BuildBlock) for e in core.receive(round_change(core.here, sender)))
    elsewhere = round_change(core.here, others[quorum - 2], 2)
    assert not any(isinstance(e, BuildBlock) for e in core.receive(elsewhere))


def test_highest_prepared_block_is_proposed_again():
    """n = 7: round-changes for round 3 show blocks prepared in rounds 0 and 1; that of 1 must return."""
    here = context(7, own=3)
    core = Core(here)
    old, newer = candidate(here, proposer=0), candidate(here, proposer=1, tag=b"newer")
    low = prepared_certificate(here, digest_of_candidate(old), 0)
    high = prepared_certificate(here, digest_of_candidate(newer), 1)
    core.receive(round_change(here, 0, 3, low), round_change(here, 1, 3, high), round_change(here, 2, 3))
    assert core.state.round == 3
    effects = core.receive(round_change(here, 4, 3, low))
    assert effects[-1] == FetchCandidate(1, digest_of_candidate(newer), (1, 0, 2, 4))
    # Proposing binds us to the block's bytes: the transactions must be here first.
    assert core.feed(CandidateFetched(newer)) == [CheckBlock(newer, 1, judge_time=False)]
    effects = core.checked(newer)
    assert kinds(effects)[:2] == ["Persist Proposal", "Broadcast Proposal"]
    assert kinds(effects)[-2:] == ["Persist Prepare", "Broadcast Prepare"]
    message = sent(effects)[0]
    assert message.candidate == newer
    assert message.candidate.header.proposer == here.validators.validators[1].public_key
    assert message.prepared == high


def test_a_prepared_block_that_nobody_serves_holds_up_no_round():
    """Validator 0 tells of a block that those who prepared it lost in a crash, before any of them was locked."""
    core = proposer_of_round_1(4)
    lost = prepared_certificate(core.here, b"\7" * 32, 0, [0, 2, 3])
    assert fetches(core.receive(round_change(core.here, 0, 1, lost), round_change(core.here, 2))) == [b"\7" * 32]
    # With the last honest one there is a quorum without it; the lost block cannot have been decided.
    effects = core.receive(round_change(core.here, 3))
    assert [e.round for e in effects if isinstance(e, BuildBlock)] == [1]
    message = sent(core.built(candidate(core.here, proposer=1), 1))[0]
    assert [vote.sender for vote in message.round_changes] == [1, 2, 3]
    assert message.prepared is None


def test_a_withheld_block_does_not_take_the_place_of_one_that_is_served():
    """The same, while an honest validator is locked on a block of a lower round, which must return."""
    core = Core(context(own=2))
    block = candidate(core.here)
    served = prepared_certificate(core.here, digest_of_candidate(block), 0, [0, 1, 3])
    withheld = prepared_certificate(core.here, b"\7" * 32, 1, [0, 1, 3])
    effects = core.receive(*(round_change(core.here, i, 2, c) for i, c in ((0, withheld), (1, None), (3, served))))
    wanted = [b"\7" * 32, digest_of_candidate(block)]
    assert fetches(effects) == wanted
    assert fetches(core.feed(RebroadcastDue(1))) == wanted
    assert core.feed(CandidateFetched(block)) == [CheckBlock(block, 3, judge_time=False)]
    message = sent(core.checked(block))[0]
    assert [vote.sender for vote in message.round_changes] == [1, 2, 3]
    assert (message.candidate, message.prepared) == (block, served)
    core.feed(TimerExpired(1, 2))
    assert core.state.fetching == {}


def test_a_lower_quorum_does_not_hide_a_block_that_may_have_been_decided():
    """Three validators are locked on it: without the block there is no proposal."""
    core = proposer_of_round_1(4)
    digest = digest_of_candidate(candidate(core.here))
    locked = prepared_certificate(core.here, digest, 0, [0, 2, 3])
    core.receive(round_change(core.here, 0, 1, locked), round_change(core.here, 2, 1, locked))
    effects = core.receive(round_change(core.here, 3, 1, locked))
    assert fetches(effects) == []
    assert sent(effects) == []
    assert core.state.building_round is None


def test_highest_prepared_is_chosen_among_more_than_a_quorum():
    here = context(5, own=1)
    core = Core(here)
    block = candidate(here)
    core.lock(block, [0, 2, 3])  # we are locked ourselves, in round 0
    core.feed(TimerExpired(1, 0))
    core.receive(round_change(here, 0), round_change(here, 2))
    effects = core.receive(round_change(here, 3))
    message = sent(effects)[0]
    assert message.candidate == block
    assert message.prepared == core.state.lock or message.prepared.round == 0


def test_locked_validator_reports_its_lock_in_every_later_round():
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    core.lock(block, [0, 1])
    (message,) = sent(core.feed(TimerExpired(1, 0)))
    assert message.prepared == prepared_certificate(core.here, digest, 0, [0, 1, 3])
    assert core.records[-1].candidate == block  # so that it can serve the block after a crash
    core.receive(round_change(core.here, 0, 4), round_change(core.here, 1, 4))
    later = core.state.signed[(4, "round_change")]
    assert isinstance(later, RoundChange)
    assert later.prepared == message.prepared
    assert core.records[-1].candidate is None  # logged before


def test_re_proposed_block_is_prepared_and_sealed_in_the_new_round():
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    core.lock(block, [0, 1])
    core.executed(block)
    core.feed(TimerExpired(1, 0))
    prepared = prepared_certificate(core.here, digest, 0, [0, 1, 3])
    changes = [round_change(core.here, 0), round_change(core.here, 1), round_change(core.here, 3, 1, prepared)]
    effects = core.receive(proposal(core.here, block, 1, round_changes=changes, prepared=prepared))
    assert kinds(effects) == ["ScheduleTimeout", "Persist Prepare", "Broadcast Prepare"]
    effects = core.receive(prepare(core.here, 0, digest, 1), prepare(core.here, 1, digest, 1))
    (seal,) = sent(effects)
    assert isinstance(seal, Commit)
    assert (seal.round, seal.roots) == (1, ROOTS)
    assert core.state.lock.round == 1
    core.feed(TimerExpired(1, 1))
    assert [message.round for message in sent(core.feed(RebroadcastDue(1)))] == [2, 1], "the latest seal"


def test_freshness_of_a_prepared_block_is_not_judged_again():
    """A block held back for its time is asked again, without its time, once a quorum prepared it."""
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    effects = core.receive(proposal(core.here, block))
    assert CheckBlock(block, 0, judge_time=True) in effects
    prepared = prepared_certificate(core.here, digest, 0, [0, 1, 2])
    changes = [round_change(core.here, i, 1, prepared) for i in range(3)]
    effects = core.receive(proposal(core.here, block, 1, round_changes=changes, prepared=prepared))
    assert CheckBlock(block, 1, judge_time=False) in effects


def test_new_block_in_a_later_round_must_be_its_proposers_own():
    core = Core(context(own=3))
    changes = [round_change(core.here, i) for i in range(3)]
    block = candidate(core.here, proposer=0)
    (effect,) = core.receive(proposal(core.here, block, 1, round_changes=changes))
    assert effect.reason == "proposal: header: proposer"
    assert core.state.round == 0


def test_proposals_of_rounds_left_behind_are_ignored():
    core = Core(context(own=3))
    core.work()
    core.feed(TimerExpired(1, 0))
    assert core.receive(proposal(core.here, candidate(core.here))) == []


# Retransmission


def test_rebroadcast_repeats_the_round_and_the_latest_seal():
    core = Core(context(own=3))
    block = candidate(core.here)
    core.lock(block, [0, 1])
    core.executed(block)
    effects = core.feed(RebroadcastDue(1))
    assert kinds(effects) == ["Broadcast Prepare", "Broadcast Commit", "ScheduleRebroadcast"]
    core.feed(TimerExpired(1, 0))
    effects = core.feed(RebroadcastDue(1))
    assert kinds(effects) == ["Broadcast RoundChange", "Broadcast Commit", "ScheduleRebroadcast"]
    assert effects[-1].duration_ms == 500


def test_rebroadcast_is_byte_for_byte():
    core = Core(context(own=0))
    core.work()
    first = sent(core.built(candidate(core.here)))
    assert sent(core.feed(RebroadcastDue(1))) == first
    assert [type(message) for message in first] == [Proposal, Prepare]


def test_quorum_that_prepared_what_we_find_invalid_makes_us_unready():
    here = context(own=1)
    core = Core(here)
    block = candidate(here, version=2)
    prepared = prepared_certificate(here, digest_of_candidate(block), 0, [0, 2, 3])
    core.receive(*(round_change(here, i, 1, prepared) for i in (0, 2, 3)))
    effects = core.feed(CandidateFetched(block))
    assert kinds(effects) == ["Unready"]


def test_quorum_that_prepared_what_our_check_refuses_makes_us_unready():
    here = context(own=1)
    core = Core(here)
    block = candidate(here)
    prepared = prepared_certificate(here, digest_of_candidate(block), 0, [0, 2, 3])
    core.receive(*(round_change(here, i, 1, prepared) for i in (0, 2, 3)))
    assert kinds(core.feed(CandidateFetched(block))) == ["CheckBlock"]
    assert kinds(core.checked(block, valid=False)) == ["Unready"]


def test_seals_decide_while_we_wait_in_a_later_round():
    core = Core(context(own=3))
    core.receive(round_change(core.here, 0, 2), round_change(core.here, 1, 2))
    assert core.state.round == 2
    digest = b"\1" * 32
    effects = core.receive(*(commit(core.here, i, digest) for i in range(3)))
    assert kinds(effects) == ["FetchCandidate"]


def test_who_was_heard_to_hold_a_block_later_is_asked_beside_the_others():
    core = Core(context(own=2))
    fetch(core.state, b"\7" * 32, [0])
    fetch(core.state, b"\7" * 32, [3, 2, 0])
    core.state.effects.clear()
    asked = [e for e in core.feed(RebroadcastDue(1)) if isinstance(e, FetchCandidate)]
    assert asked == [FetchCandidate(1, b"\7" * 32, (0, 3))]
