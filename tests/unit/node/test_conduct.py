"""What is counted against whom."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from consensus.message_log import MessageLog
from consensus.messages import Commit
from consensus.types import Certificate, Roots, Validator, ValidatorSet
from node.conduct import LOST_ROUNDS, OTHER_ROOTS, Conduct

VALIDATORS = ValidatorSet([Validator(bytes([i]) * 32, f"brand-{i}") for i in range(4)])
DIGEST, ROOT, LIE = b"d" * 32, b"r" * 32, b"l" * 32
PARENT = Certificate(6, 0, DIGEST, ROOT, ROOT, ())


def state(log: MessageLog, parent: Certificate | None = PARENT) -> Any:
    here = SimpleNamespace(
        validators=VALIDATORS,
        parent_validators=VALIDATORS,
        parent_certificate=parent,
        proposer=lambda round_: (2, 0, 3, 1)[round_ % 4],
    )
    return SimpleNamespace(here=here, previous_log=log)


def certificate(round_: int) -> Certificate:
    return Certificate(7, round_, DIGEST, ROOT, ROOT, ())


def counters(conduct: Conduct) -> list[dict[str, int]]:
    return [dict(conduct.of(VALIDATORS.validators[i].public_key)) for i in range(4)]


def test_each_round_before_the_decision_is_lost_by_its_own_proposer() -> None:
    conduct = Conduct()
    conduct.height_decided(state(MessageLog()), certificate(0))
    assert counters(conduct) == [{}, {}, {}, {}]
    conduct.height_decided(state(MessageLog()), certificate(2))
    assert counters(conduct) == [{LOST_ROUNDS: 1}, {}, {LOST_ROUNDS: 1}, {}]


def test_a_huge_round_is_counted_in_little_time() -> None:
    conduct = Conduct()
    conduct.height_decided(state(MessageLog()), certificate(10**9))
    assert counters(conduct) == [{LOST_ROUNDS: 1}] * 4


def test_a_seal_of_other_roots_at_the_parent_counts_even_where_it_came_late() -> None:
    log = MessageLog()
    for sender, root in ((0, ROOT), (1, ROOT), (2, ROOT), (3, LIE)):
        log.add(Commit(6, 0, sender, DIGEST, root, ROOT, bytes(64)))
    conduct = Conduct()
    conduct.height_decided(state(log), certificate(0))
    assert counters(conduct) == [{}, {}, {}, {OTHER_ROOTS: 1}]
    assert Roots(ROOT, ROOT) == PARENT.roots


def test_the_first_height_has_no_parent_to_look_at() -> None:
    conduct = Conduct()
    conduct.height_decided(state(MessageLog(), None), certificate(0))
    assert counters(conduct) == [{}, {}, {}, {}]
