"""The log of votes: one per sender, bounded for each sender."""

from consensus_kit import (
    OTHER_ROOTS,
    ROOTS,
    candidate,
    commit,
    context,
    prepare,
    prepared_certificate,
    proposal,
    round_change,
)

from consensus.message_log import ROUNDS_KEPT, MessageLog, Outcome

HERE = context(4, own=3)
A, B = b"\1" * 32, b"\2" * 32


def test_outcomes_of_votes():
    log = MessageLog()
    first = prepare(HERE, 0, A)
    assert log.add(first).outcome is Outcome.ADDED
    assert log.add(first).outcome is Outcome.DUPLICATE
    conflict = log.add(prepare(HERE, 0, B))
    assert (conflict.outcome, conflict.prior) == (Outcome.CONFLICT, first)
    assert log.add(prepare(HERE, 0, B, 1)).outcome is Outcome.ADDED
    assert log.add(commit(HERE, 0, A)).outcome is Outcome.ADDED
    assert log.add(commit(HERE, 0, A, roots=OTHER_ROOTS)).outcome is Outcome.CONFLICT


def test_outcomes_of_round_changes_and_proposals():
    log = MessageLog()
    assert log.add(round_change(HERE, 0, 3)).outcome is Outcome.ADDED
    assert log.add(round_change(HERE, 0, 2)).outcome is Outcome.STALE
    assert log.add(round_change(HERE, 0, 3)).outcome is Outcome.DUPLICATE
    assert log.add(round_change(HERE, 0, 3, prepared_certificate(HERE, A))).outcome is Outcome.CONFLICT
    log.add(round_change(HERE, 2, 3, prepared_certificate(HERE, A)))
    assert log.add(round_change(HERE, 2, 3, prepared_certificate(HERE, B))).outcome is Outcome.CONFLICT
    # Other PREPAREs for the same lock are the same vote.
    lock = prepared_certificate(HERE, A, 0, [0, 1, 2])
    log.add(round_change(HERE, 1, 3, lock))
    again = round_change(HERE, 1, 3, prepared_certificate(HERE, A, 0, [1, 2, 3]))
    assert log.add(again).outcome is Outcome.DUPLICATE
    assert log.add(proposal(HERE, candidate(HERE))).outcome is Outcome.ADDED
    assert log.add(proposal(HERE, candidate(HERE, tag=b"other"))).outcome is Outcome.CONFLICT


def test_seals_are_sorted_and_of_one_kind():
    log = MessageLog()
    for sender in (3, 0, 2):
        log.add(prepare(HERE, sender, A))
        log.add(commit(HERE, sender, A))
    log.add(prepare(HERE, 1, B))
    log.add(commit(HERE, 1, A, roots=OTHER_ROOTS))
    assert [seal.index for seal in log.prepare_seals(0, A)] == [0, 2, 3]
    assert [seal.index for seal in log.commit_seals(0, A, ROOTS)] == [0, 2, 3]
    assert log.prepare_seals(1, A) == []
    assert log.senders_of_other_roots(A, ROOTS) == [1]


def test_seals_of_blocks_that_yield_equal_roots_do_not_mix():
    log = MessageLog()
    for sender, digest in ((0, A), (1, A), (2, B)):
        log.add(commit(HERE, sender, digest))
    assert [seal.index for seal in log.commit_seals(0, A, ROOTS)] == [0, 1]
    assert log.senders_of_other_roots(A, OTHER_ROOTS) == [0, 1], "2 sealed another block"


def test_each_sender_has_its_own_bound():
    log = MessageLog()
    mine = prepare(HERE, 1, A, 0)
    log.add(mine)
    for round_ in range(1_000):
        log.add(prepare(HERE, 0, A, round_))
    kept = [round_ for round_, votes in log.prepares.rounds.items() if 0 in votes]
    assert kept == list(range(1_000 - ROUNDS_KEPT, 1_000))
    assert log.prepares.rounds[0] == {1: mine}
    assert log.add(prepare(HERE, 0, A, 5)).outcome is Outcome.STALE


def test_highest_round_reached():
    log = MessageLog()
    assert log.highest_round_reached_by(2) == 0
    for sender, round_ in ((0, 9), (1, 4), (2, 6)):
        log.add(round_change(HERE, sender, round_))
    assert [log.highest_round_reached_by(count) for count in (1, 2, 3, 4)] == [9, 6, 4, 0]
    assert [log.reached(round_) for round_ in (4, 5, 7, 10)] == [3, 2, 1, 0]
    assert [rc.sender for rc in log.round_changes_for(6)] == [2]
