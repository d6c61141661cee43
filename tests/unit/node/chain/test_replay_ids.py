"""Ids of committed transactions in memory: whole slots, bounded, and what is not known is not denied."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from node.chain.replay_ids import ReplayIds

SLOT = 1_000


def id_of(number: int) -> bytes:
    return number.to_bytes(32, "big")


def ids(first: int = 0, stored: Iterable[tuple[int, bytes]] = (), limit: int = 100) -> ReplayIds:
    return ReplayIds(SLOT, stored, first, limit)


def test_what_is_committed_is_held_in_its_slot_only() -> None:
    known = ids()
    known.committed({3: [id_of(1), id_of(2)]}, 2_500)
    assert known.holds(id_of(1), 3_000) is True
    assert known.holds(id_of(2), 3_999) is True
    assert known.holds(id_of(3), 3_500) is False
    assert known.holds(id_of(1), 4_000) is False
    assert len(known) == 2


def test_a_slot_that_has_passed_is_asked_of_the_store() -> None:
    known = ids()
    known.committed({3: [id_of(1)], 5: [id_of(2)]}, 2_500)
    known.committed({}, 3_999)
    assert known.holds(id_of(1), 3_999) is True, "the slot of the head's time is here still"
    known.committed({}, 4_000)
    assert known.holds(id_of(1), 3_999) is None
    assert (known.holds(id_of(2), 5_000), len(known)) == (True, 1)


def test_what_was_stored_is_taken_over_in_parts() -> None:
    stored = [(2, id_of(1) + id_of(2)), (2, id_of(3)), (4, id_of(4))]
    known = ids(2, stored)
    assert [known.holds(id_of(number), 2_000) for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert known.holds(id_of(4), 4_500) is True
    assert known.holds(id_of(1), 1_999) is None


def test_beyond_the_bound_the_slot_goes_that_passes_first() -> None:
    known = ids(limit=3)
    known.committed({2: [id_of(1), id_of(2)], 7: [id_of(3)]}, 1_000)
    known.committed({5: [id_of(4)]}, 1_000)
    assert known.holds(id_of(1), 2_000) is None
    assert known.holds(id_of(9), 3_000) is False or known.holds(id_of(9), 3_000) is None
    assert (known.holds(id_of(3), 7_000), known.holds(id_of(4), 5_000), len(known)) == (True, True, 2)
    known.committed({2: [id_of(5)]}, 1_000)
    assert known.holds(id_of(5), 2_000) is None, "of a slot that was dropped nothing is known, ever"


def test_one_slot_alone_may_be_too_much() -> None:
    known = ids(limit=2)
    known.committed({2: [id_of(number) for number in range(3)]}, 1_000)
    assert (known.holds(id_of(0), 2_000), len(known)) == (None, 0)
    assert known.holds(id_of(0), 3_000) is False


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.integers(0, 12), st.lists(st.integers(0, 40), max_size=4), max_size=3),
            st.integers(0, 9_000),
        ),
        max_size=12,
    ),
    st.integers(1, 20),
)
def test_it_never_denies_what_is_committed(blocks: list[tuple[dict[int, list[int]], int]], limit: int) -> None:
    """A naive twin keeps everything; ids are one per number and slot."""
    known, everything, time = ids(limit=limit), set[tuple[int, int]](), 0
    for by_slot, step in blocks:
        time = max(time, step)
        everything |= {(slot, number) for slot, numbers in by_slot.items() for number in numbers}
        known.committed({slot: [id_of(n) for n in numbers] for slot, numbers in by_slot.items()}, time)
        assert len(known) <= limit
        for slot in range(13):
            for number in range(41):
                found = known.holds(id_of(number), slot * SLOT)
                assert found is None or found is ((slot, number) in everything)
