"""Justifications and headers: tables of what is wrong with them."""

import msgspec
import pytest
from consensus_kit import (
    OTHER_ROOTS,
    PARENT_ROOTS,
    candidate,
    certificate,
    context,
    digest_of_candidate,
    prepared_certificate,
    proposal,
    round_change,
)

from consensus.justification import choose, highest_prepared, proposal_fault
from consensus.messages import RoundChangeVote
from consensus.validation import candidate_fault, parent_certificate_fault

HERE = context(4, own=3)
BLOCK = candidate(HERE)
DIGEST = digest_of_candidate(BLOCK)
OTHER = candidate(HERE, tag=b"other")


def prepared_in(round_, digest=DIGEST, signers=None):
    return prepared_certificate(HERE, digest, round_, signers)


def changes(round_, *prepared):
    return [round_change(HERE, i, round_, each) for i, each in enumerate(prepared)]


def message(round_, prepared, round_changes, block=BLOCK):
    return proposal(HERE, block, round_, round_changes=round_changes, prepared=prepared)


VALID = [
    message(0, None, []),
    message(2, None, changes(2, None, None, None)),
    message(2, None, changes(2, None, None, None, None)),
    message(2, prepared_in(0), changes(2, None, prepared_in(0), None)),
    message(2, prepared_in(1), changes(2, prepared_in(0, b"\2" * 32), prepared_in(1), None)),
]


@pytest.mark.parametrize("each", VALID)
def test_valid_justifications(each):
    assert proposal_fault(each, HERE.validators) is None


FAULTY = [
    (message(0, None, changes(1, None, None, None)), "round 0 needs no justification"),
    (message(0, prepared_in(0), []), "round 0 needs no justification"),
    (message(2, None, changes(2, None, None)), "not a quorum of round-changes"),
    (message(2, None, changes(2, None, None)[:1] * 3), "round-changes not distinct and sorted"),
    (message(2, None, changes(2, None, None, None)[::-1]), "round-changes not distinct and sorted"),
    (
        message(2, prepared_in(2), changes(2, None, None, prepared_in(2))),
        "prepared in a round that is not lower",
    ),
    (
        message(2, None, changes(2, None, None, prepared_in(1))),
        "no prepared certificate for the highest prepared round",
    ),
    (
        message(2, prepared_in(0), changes(2, None, None, None)),
        "prepared certificate without a prepared round-change",
    ),
    (
        message(2, prepared_in(0), changes(2, prepared_in(0), prepared_in(1, b"\2" * 32), None)),
        "prepared certificate is not of the highest prepared round",
    ),
    (
        message(2, prepared_in(1, b"\2" * 32), changes(2, None, None, prepared_in(1))),
        "prepared certificate is not of the highest prepared round",
    ),
    (
        message(2, prepared_in(1), changes(2, None, None, prepared_in(1)), OTHER),
        "not the block of the highest prepared round",
    ),
    (
        message(2, prepared_in(1, signers=[0, 1]), changes(2, None, None, prepared_in(1))),
        "not a quorum of distinct PREPAREs",
    ),
    (
        message(2, prepared_in(1, signers=[0, 1, 1]), changes(2, None, None, prepared_in(1))),
        "not a quorum of distinct PREPAREs",
    ),
]


@pytest.mark.parametrize(("each", "fault"), FAULTY)
def test_faulty_justifications(each, fault):
    assert proposal_fault(each, HERE.validators) == fault


def test_half_a_prepared_round_change_is_faulty():
    votes = tuple(rc.vote for rc in changes(2, None, None, None))
    half = RoundChangeVote(2, 1, None, votes[2].signature)
    each = msgspec.structs.replace(message(2, None, []), round_changes=(*votes[:2], half))
    assert proposal_fault(each, HERE.validators) == "prepared round without digest"


@pytest.mark.parametrize(("n", "enough"), [(4, 3), (5, 4), (6, 4), (7, 5)])
def test_quorums_of_every_size(n, enough):
    here = context(n, own=0)
    block = candidate(here, proposer=1)
    for count in (enough - 1, enough):
        votes = [round_change(here, i) for i in range(count)]
        fault = proposal_fault(proposal(here, block, 1, round_changes=votes), here.validators)
        assert (fault is None) is (count == enough)


def test_choice_keeps_the_highest_prepared():
    votes = [*changes(4, None, None, None), round_change(HERE, 3, 4, prepared_in(2))]
    chosen = choose(votes, 3)
    assert [rc.sender for rc in chosen] == [0, 1, 3]
    best = highest_prepared([rc.vote for rc in chosen])
    assert best is not None
    assert best.prepared_round == 2
    assert highest_prepared([rc.vote for rc in votes[:3]]) is None
    mixed = changes(4, prepared_in(0), prepared_in(3), prepared_in(1))
    best = highest_prepared([rc.vote for rc in mixed])
    assert best is not None
    assert best.sender == 1


# Headers

SECOND = context(4, own=3, height=2)


@pytest.mark.parametrize(
    ("changes_", "fault"),
    [
        ({}, None),
        ({"chain": "elsewhere"}, "header: chain"),
        ({"version": 2}, "header: version"),
        ({"height": 3}, "header: height"),
        ({"parent": b"\1" * 32}, "header: parent"),
        ({"parent_state_root": OTHER_ROOTS.state_root}, "header: parent_state_root"),
        ({"validators_hash": b"\1" * 32}, "header: validators_hash"),
        ({"next_validators_hash": b"\1" * 32}, "header: next_validators_hash"),
        ({"time": 1_000}, "header: time not after the parent's"),
        ({"time": 1_001}, None),
    ],
)
def test_header_faults(changes_, fault):
    assert candidate_fault(candidate(SECOND, **changes_), SECOND, 0) == fault


def test_header_proposer():
    assert candidate_fault(candidate(SECOND, proposer=2), SECOND, 0) == "header: proposer"
    assert candidate_fault(candidate(SECOND, proposer=2), SECOND, None) is None
    stranger = msgspec.structs.replace(BLOCK.header, proposer=b"\1" * 32)
    block = msgspec.structs.replace(BLOCK, header=stranger)
    assert candidate_fault(block, HERE, None) == "header: proposer"


def sealed(signers, round_=0, digest=SECOND.parent_digest, roots=PARENT_ROOTS, height=1):
    return certificate(SECOND.validators, height, digest, roots, signers, round_)


@pytest.mark.parametrize(
    ("parent", "fault"),
    [
        (sealed([0, 1, 2]), None),
        (sealed([1, 2, 3], round_=4), None),  # not the one that this validator holds itself
        (sealed([0, 1, 2, 3]), None),
        (None, "no parent certificate"),
        (sealed([0, 1]), "parent certificate below the quorum"),
        (sealed([0, 1, 1]), "parent certificate not sorted and distinct"),
        (sealed([2, 1, 0]), "parent certificate not sorted and distinct"),
        (sealed([0, 1, 2], digest=b"\1" * 32), "certificate of another block than the parent"),
        (sealed([0, 1, 2], height=2), "certificate of another block than the parent"),
        (sealed([0, 1, 2], roots=OTHER_ROOTS), "certificate of other roots than the parent's"),
    ],
)
def test_parent_certificates(parent, fault):
    assert parent_certificate_fault(parent, SECOND) == fault


def test_parent_certificate_names_validators_only():
    good = sealed([0, 1, 2])
    far = msgspec.structs.replace(good.seals[2], index=4)
    parent = msgspec.structs.replace(good, seals=(*good.seals[:2], far))
    assert parent_certificate_fault(parent, SECOND) == "parent certificate names no validator"


def test_block_1_has_no_parent_certificate():
    assert parent_certificate_fault(None, HERE) is None
    assert parent_certificate_fault(sealed([0, 1, 2]), HERE) == "block 1 has no parent certificate"
