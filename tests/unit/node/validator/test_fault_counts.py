"""What is counted against whom."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from consensus.message_log import MessageLog
from consensus.messages import Commit
from consensus.types import Certificate, Roots, Seal, Validator, ValidatorSet
from node.validator.fault_counts import (
    LOST_ROUNDS,
    OMITTED_SEALS,
    OTHER_ROOTS,
    OUT_OF_REACH,
    PASSED_OVER,
    FaultCounts,
)
from vm.params import Params

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


def counters(fault_counts: FaultCounts) -> list[dict[str, int]]:
    return [dict(fault_counts.of(VALIDATORS.validators[i].public_key)) for i in range(4)]


def test_each_round_before_the_decision_is_lost_by_its_own_proposer() -> None:
    fault_counts = FaultCounts()
    fault_counts.height_decided(state(MessageLog()), certificate(0))
    assert counters(fault_counts) == [{}, {}, {}, {}]
    fault_counts.height_decided(state(MessageLog()), certificate(2))
    assert counters(fault_counts) == [{LOST_ROUNDS: 1}, {}, {LOST_ROUNDS: 1}, {}]


def test_a_huge_round_is_counted_in_little_time() -> None:
    fault_counts = FaultCounts()
    fault_counts.height_decided(state(MessageLog()), certificate(10**9))
    assert counters(fault_counts) == [{LOST_ROUNDS: 1}] * 4


def test_a_seal_of_other_roots_at_the_parent_counts_even_where_it_came_late() -> None:
    log = MessageLog()
    for sender, root in ((0, ROOT), (1, ROOT), (2, ROOT), (3, LIE)):
        log.add(Commit(6, 0, sender, DIGEST, root, ROOT, bytes(64)))
    fault_counts = FaultCounts()
    fault_counts.height_decided(state(log), certificate(0))
    assert counters(fault_counts) == [{}, {}, {}, {OTHER_ROOTS: 1}]
    assert Roots(ROOT, ROOT) == PARENT.roots


def test_the_first_height_has_no_parent_to_look_at() -> None:
    fault_counts = FaultCounts()
    fault_counts.height_decided(state(MessageLog(), None), certificate(0))
    assert counters(fault_counts) == [{}, {}, {}, {}]


# Blocks, beside what was here when work on them began

PROPOSER = VALIDATORS.validators[2].public_key
WAITING = SimpleNamespace(id=b"w" * 32, body=SimpleNamespace(expires=5_001), raw=bytes(100))
OTHER = SimpleNamespace(id=b"o" * 32, raw=bytes(100))


def height_7(seals: tuple[int, ...] = (), parent_round: int = 0) -> Any:
    """The height of block 7, whose parent has seals of these validators here."""
    parent = Certificate(6, parent_round, DIGEST, ROOT, ROOT, ())
    here = SimpleNamespace(height=7, validators=VALIDATORS, parent_certificate=parent)
    return SimpleNamespace(here=here, context=here, parent_seals=dict.fromkeys(seals), round=0)


def block(
    seals: tuple[int, ...] = (),
    transactions: tuple[Any, ...] = (),
    time: int = 5_000,
    cost: int = 0,
    height: int = 7,
) -> Any:
    embedded = Certificate(6, 0, DIGEST, ROOT, ROOT, tuple(Seal(i, bytes(64)) for i in seals))
    header = SimpleNamespace(height=height, proposer=PROPOSER, time=time)
    candidate = SimpleNamespace(header=header, parent_certificate=embedded)
    return SimpleNamespace(candidate=candidate, transactions=transactions, result=SimpleNamespace(cost=cost))


def judged(decided: Any, state: Any, *, settled: bool = True, waiting: tuple[Any, ...] = ()) -> dict[str, int]:
    fault_counts = FaultCounts()
    fault_counts.height_began(waiting)
    fault_counts.work_began(state, settled)
    fault_counts.block_decided(state, decided, Params())
    return dict(fault_counts.of(PROPOSER))


def test_seals_that_were_here_and_are_not_in_the_block_count() -> None:
    assert judged(block((0, 1, 2)), height_7((0, 1, 2, 3))) == {OMITTED_SEALS: 1}
    assert judged(block((0, 1, 2, 3)), height_7((0, 1, 2))) == {}
    assert judged(block((0, 1, 2)), height_7((0, 1, 3), parent_round=1)) == {}, "a certificate of another round"


def test_a_block_with_room_that_leaves_a_waiting_transaction_counts_once() -> None:
    assert judged(block(transactions=(OTHER,)), height_7(), waiting=(WAITING, WAITING)) == {PASSED_OVER: 1}
    assert judged(block(transactions=(OTHER, WAITING)), height_7(), waiting=(WAITING,)) == {}
    assert judged(block(time=5_001), height_7(), waiting=(WAITING,)) == {}, "it had expired"


def test_a_full_block_passes_nobody_over() -> None:
    large = SimpleNamespace(id=b"l" * 32, raw=bytes(Params().max_block_bytes // 2 + 1))
    assert judged(block(transactions=(large,)), height_7(), waiting=(WAITING,)) == {}
    assert judged(block(cost=Params().max_block_cost // 2 + 1), height_7(), waiting=(WAITING,)) == {}


def test_nothing_is_expected_of_who_cannot_have_it_yet() -> None:
    assert judged(block((0, 1, 2)), height_7((0, 1, 2, 3)), settled=False, waiting=(WAITING,)) == {}
    assert judged(block((0, 1, 2), height=8), height_7((0, 1, 2, 3)), waiting=(WAITING,)) == {}


def test_what_comes_after_work_began_is_not_expected() -> None:
    fault_counts = FaultCounts()
    state = height_7((0, 1, 2))
    fault_counts.work_began(state, True)
    state.parent_seals[3] = None
    fault_counts.work_began(state, True)  # a height is told of its work again and again
    fault_counts.block_decided(state, block((0, 1, 2)), Params())
    assert fault_counts.of(PROPOSER) == {}


def test_messages_of_far_heights_and_rounds_count_against_validators_only() -> None:
    fault_counts = FaultCounts()
    fault_counts.message_out_of_reach(VALIDATORS, b"full node" + bytes(23))
    fault_counts.message_out_of_reach(VALIDATORS, PROPOSER)
    for height, round_ in ((7, 8), (7, 9), (8, 2**50)):
        fault_counts.message_of_round(height_7(), PROPOSER, height, round_)
    assert counters(fault_counts) == [{}, {}, {OUT_OF_REACH: 2}, {}]
