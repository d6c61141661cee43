"""Whose turn it is: rotation, activity, skipping, return."""

import pytest
from consensus_kit import validator_set

from consensus.proposer import ACTIVE_WINDOW, SealRecord, is_active, proposer_order, skipped

VALIDATORS = validator_set(4)
KEYS = [v.public_key for v in VALIDATORS.validators]


def order(height, previous, **records):
    by_key = {KEYS[int(name[1:])]: SealRecord(*record) for name, record in records.items()}
    return proposer_order(VALIDATORS, by_key, height, previous)


def test_height_1_begins_with_the_first():
    assert order(1, None) == (0, 1, 2, 3)


@pytest.mark.parametrize("previous", [0, 1, 2, 3])
def test_rotation_begins_after_the_previous_proposer(previous):
    assert order(2, KEYS[previous]) == tuple((previous + 1 + i) % 4 for i in range(4))


def test_rotation_after_a_proposer_that_left():
    between = KEYS[1][:-1] + bytes([min(KEYS[1][-1] + 1, 255)])
    assert order(2, between) == (2, 3, 0, 1)
    assert order(2, b"\xff" * 32) == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("last_seal", "last_skip", "height", "active"),
    [
        (0, 0, ACTIVE_WINDOW, True),
        (0, 5, ACTIVE_WINDOW, True),
        (0, 0, ACTIVE_WINDOW + 1, False),
        (30, 0, 47, True),
        (29, 0, 47, False),
        (40, 40, 47, False),
        (40, 41, 47, False),
        (42, 41, 47, True),
    ],
)
def test_active(last_seal, last_skip, height, active):
    assert is_active(SealRecord(last_seal, last_skip), height) is active


def test_inactive_validators_come_last_in_rotation_order():
    alive = {"k1": (99, 0), "k3": (98, 0)}
    assert order(100, KEYS[1], **alive, k0=(50, 0), k2=(97, 98)) == (3, 1, 2, 0)


def test_nobody_active_is_plain_rotation():
    assert order(100, KEYS[0]) == (1, 2, 3, 0)


@pytest.mark.parametrize(("proposer", "expected"), [(3, ()), (1, (3,)), (2, (3, 1)), (0, (3, 1, 2))])
def test_skipped_are_those_before_the_proposer(proposer, expected):
    assert skipped((3, 1, 2, 0), proposer) == expected
