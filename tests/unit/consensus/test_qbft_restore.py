"""After a crash: the log's records bind the next life."""

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

from consensus.effects import Broadcast, CheckBlock, ExecuteBlock
from consensus.errors import InvariantBroken
from consensus.inputs import NewHeight, TimerExpired
from consensus.messages import Prepare, RoundChange, decode_record, encode_record


def reborn(core):
    """Start another core from the encoded records of this one."""
    records = tuple(decode_record(encode_record(record)) for record in core.records)
    again = Core(core.here, records)
    again.records = list(records)
    return again


def test_empty_log_starts_afresh():
    core = Core(context(own=3))
    assert core.begun == []
    assert (core.state.round, core.state.signed) == (0, {})


def test_sealed_block_is_re_executed_and_re_sent_byte_for_byte():
    core = Core(context(own=3))
    block = candidate(core.here)
    core.lock(block, [0, 1])
    sealed = sent(core.executed(block))
    again = reborn(core)
    assert kinds(again.begun) == [
        "Broadcast Prepare",
        "Broadcast Commit",
        "ScheduleRebroadcast",
        "ScheduleTimeout",
        "ExecuteBlock",
    ]
    assert again.begun[1] == Broadcast(sealed[0])
    assert again.begun[-1] == ExecuteBlock(block, (0, 1))
    assert again.state.lock == prepared_certificate(core.here, digest_of_candidate(block), 0, [0, 1, 3])
    assert again.executed(block) == []  # the same roots: nothing new to say
    digest = digest_of_candidate(block)
    effects = again.receive(commit(again.here, 0, digest), commit(again.here, 1, digest))
    assert kinds(effects) == ["CommitBlock"]


def test_other_roots_for_a_sealed_digest_halt():
    core = Core(context(own=3))
    block = candidate(core.here)
    core.lock(block, [0, 1])
    core.executed(block)
    again = reborn(core)
    assert kinds(again.executed(block, OTHER_ROOTS)) == ["Halt"]
    assert again.state.halted


def test_other_roots_in_a_later_round_halt_too():
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    core.lock(block, [0, 1])
    core.executed(block)
    core.feed(TimerExpired(1, 0))
    again = reborn(core)
    assert again.state.round == 1
    prepared = prepared_certificate(core.here, digest, 0, [0, 1, 3])
    changes = [round_change(core.here, 0), round_change(core.here, 1), round_change(core.here, 3, 1, prepared)]
    again.receive(proposal(core.here, block, 1, round_changes=changes, prepared=prepared))
    effects = again.receive(prepare(core.here, 0, digest, 1), prepare(core.here, 1, digest, 1))
    assert kinds(effects) == ["ExecuteBlock"]
    assert kinds(again.executed(block, OTHER_ROOTS)) == ["Halt"]


def test_prepared_vote_binds_after_restart():
    core = Core(context(own=3))
    block, other = candidate(core.here), candidate(core.here, tag=b"other")
    core.accept(block)
    again = reborn(core)
    # The proposer equivocates: our former life has prepared the first block.
    assert again.receive(proposal(again.here, other)) == []
    assert again.checked(other) == []
    votes = [m for m in again.state.signed.values() if isinstance(m, Prepare)]
    assert [vote.digest for vote in votes] == [digest_of_candidate(block)]


def test_prepared_block_may_be_proposed_to_us_again():
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    core.accept(block)
    again = reborn(core)
    # A PREPARE logs no block: its transactions are got and checked again, but nothing is signed again.
    assert again.receive(proposal(again.here, block)) == [CheckBlock(block, 0, True)]
    assert again.checked(block) == []
    effects = again.receive(prepare(again.here, 0, digest), prepare(again.here, 1, digest))
    assert kinds(effects) == ["ExecuteBlock"]


def test_proposer_re_sends_its_proposal_and_builds_no_other():
    core = Core(context(own=0))
    core.work()
    block = candidate(core.here)
    first = sent(core.built(block))
    again = reborn(core)
    assert sent(again.begun) == first
    assert again.work() == []
    assert again.built(candidate(core.here, tag=b"other")) == []


def test_crash_between_proposal_and_prepare():
    core = Core(context(own=0))
    core.work()
    block = candidate(core.here)
    core.built(block)
    core.records = core.records[:1]
    again = reborn(core)
    assert kinds(again.begun) == [
        "Broadcast Proposal",
        "ScheduleRebroadcast",
        "ScheduleTimeout",
        "CheckBlock",
    ]
    assert kinds(again.checked(block)) == ["Persist Prepare", "Broadcast Prepare"]


def test_round_and_lock_are_restored_from_a_round_change():
    core = Core(context(own=3))
    block = candidate(core.here)
    core.lock(block, [0, 1])  # locked, but the crash comes before execution
    core.feed(TimerExpired(1, 0))
    again = reborn(core)
    assert again.state.round == 1
    assert kinds(again.begun) == ["Broadcast RoundChange", "ScheduleRebroadcast"]
    assert again.state.candidate(digest_of_candidate(block)) == block
    again.receive(round_change(again.here, 0, 3), round_change(again.here, 1, 3))
    later = again.state.signed[(3, "round_change")]
    assert isinstance(later, RoundChange)
    assert later.prepared == core.state.lock


def test_the_highest_of_several_locks_is_restored():
    core = Core(context(own=3))
    block = candidate(core.here)
    digest = digest_of_candidate(block)
    core.lock(block, [0, 1])
    core.executed(block)
    core.feed(TimerExpired(1, 0))
    prepared = prepared_certificate(core.here, digest, 0, [0, 1, 3])
    changes = [round_change(core.here, 0), round_change(core.here, 1), round_change(core.here, 3, 1, prepared)]
    core.receive(proposal(core.here, block, 1, round_changes=changes, prepared=prepared))
    core.receive(prepare(core.here, 0, digest, 1), prepare(core.here, 1, digest, 1))
    assert core.state.lock.round == 1
    assert reborn(core).state.lock == core.state.lock


def test_round_change_is_not_signed_again_with_another_lock():
    core = Core(context(own=3))
    core.work()
    core.feed(TimerExpired(1, 0))
    before = core.records[-1].message
    again = reborn(core)
    assert sent(again.begun) == [before]
    assert again.state.signed == {(1, "round_change"): before}


def test_records_of_later_heights_wait_and_of_former_ones_go():
    core = Core(context(own=3))
    core.accept(candidate(core.here))
    later = Core(context(own=3, height=3))
    later.accept(candidate(later.here))
    again = Core(context(own=3, height=2), (*core.records, *later.records))
    assert again.state.signed == {}
    again.feed(NewHeight(context(own=3, height=3)))
    assert list(again.state.signed) == [(0, "prepare")]
    assert again.state.restored == {}


def test_log_of_another_validator_is_refused():
    core = Core(context(own=3))
    core.accept(candidate(core.here))
    with pytest.raises(InvariantBroken):
        Core(context(own=2), tuple(core.records))


def test_commit_record_holds_what_it_binds_to():
    core = Core(context(own=3))
    block = candidate(core.here)
    core.lock(block, [0, 1])
    core.executed(block)
    record = decode_record(encode_record(core.records[-1]))
    assert record.message.roots == ROOTS
    assert record.block == block
    assert record.prepared is not None
    assert record.prepared.digest == digest_of_candidate(block)
    # The proposer's record of PROPOSAL holds the block already, so its COMMIT does not repeat it.
    proposer = Core(context(own=0))
    proposer.work()
    proposer.built(block)
    digest = digest_of_candidate(block)
    proposer.receive(prepare(proposer.here, 1, digest), prepare(proposer.here, 2, digest))
    proposer.executed(block)
    assert [record.block for record in proposer.records] == [block, None, None]


def test_votes_of_a_key_that_was_rotated_away_bind_nobody():
    """The log was written by the validator's former key; with the new one the node only observes this height."""
    core = Core(context(own=3))
    core.lock(candidate(core.here), [0, 1])
    records = tuple(core.records)
    observer = Core(context(own=None), records)
    assert observer.begun == []
    assert (observer.state.round, observer.state.signed, observer.state.lock) == (0, {}, None)
    with pytest.raises(InvariantBroken, match="another validator"):
        Core(context(own=2), records)
