"""What origins told is kept in order, within bounds, and for a while."""

from __future__ import annotations

import math

import pytest

from network.gossip_streams import KEPT_SECONDS, ORIGINS_KEPT, GossipStreams
from vm.primitives.hashing import sha256

ALICE, BOB = b"A" * 32, b"B" * 32


def hashes(first: int, count: int) -> list[bytes]:
    return [sha256(i.to_bytes(4, "big")) for i in range(first, first + count)]


def test_a_run_is_what_an_origin_told_one_after_another() -> None:
    streams = GossipStreams()
    streams.told(ALICE, hashes(0, 5), 1.0)
    streams.told(BOB, hashes(50, 5), 1.0)
    streams.told(ALICE, hashes(5, 5), 1.1)
    assert streams.run(ALICE, hashes(3, 1)[0], 4) == hashes(3, 4)
    assert streams.run(ALICE, hashes(3, 1)[0], 8) is None
    assert streams.run(BOB, hashes(3, 1)[0], 4) is None
    assert streams.run(b"C" * 32, hashes(3, 1)[0], 1) is None


def test_places_are_of_what_has_had_time_to_spread() -> None:
    streams = GossipStreams()
    streams.told(ALICE, hashes(0, 2), 1.0)
    streams.told(ALICE, hashes(2, 2), 2.0)
    old, new = hashes(1, 2)
    assert streams.place(old, 1.5) == (ALICE, 1)
    assert streams.place(old, 1.0) is None
    assert streams.place(new, 1.5) is None
    assert streams.place(new, math.inf) == (ALICE, 2)
    assert streams.place(hashes(9, 1)[0], math.inf) is None


def test_who_repeats_what_another_told_takes_its_place_over_in_no_order() -> None:
    """Else any peer could put others' transactions into an order of its own."""
    streams = GossipStreams()
    streams.told(ALICE, hashes(0, 3), 1.0)
    streams.told(BOB, [*hashes(10, 1), *hashes(0, 1), *hashes(11, 1)], 1.0)
    assert [streams.place(each, math.inf) for each in (*hashes(10, 1), *hashes(0, 1), *hashes(11, 1))] == [
        (BOB, 0),
        (ALICE, 0),
        (BOB, 2),
    ]
    streams.told(BOB, hashes(0, 3)[::-1], 2.0)
    streams.told(ALICE, hashes(3, 1), 3.0)
    assert [streams.place(each, math.inf) for each in hashes(0, 4)] == [(ALICE, at) for at in range(4)]


def test_what_was_forgotten_may_be_told_by_another() -> None:
    streams = GossipStreams(per_origin=2)
    streams.told(ALICE, hashes(0, 3), 1.0)
    assert streams.place(hashes(0, 1)[0], math.inf) is None
    streams.told(BOB, hashes(0, 1), 2.0)
    assert streams.place(hashes(0, 1)[0], math.inf) == (BOB, 0)
    for number in range(ORIGINS_KEPT):
        streams.told(b"origin-%d" % number, hashes(100 + number, 1), 3.0)
    assert streams.place(hashes(0, 1)[0], math.inf) is None
    assert len(streams._told_first) == sum(map(streams.size, streams._streams))


def test_what_is_told_again_keeps_its_place() -> None:
    streams = GossipStreams()
    streams.told(ALICE, [*hashes(0, 2), *hashes(0, 1)], 1.0)
    streams.told(ALICE, [*hashes(1, 1), *hashes(2, 1)], 1.0)
    assert streams.size(ALICE) == 3
    assert streams.run(ALICE, hashes(0, 1)[0], 3) == hashes(0, 3)


def test_an_origin_that_floods_pushes_out_its_own_only() -> None:
    streams = GossipStreams(per_origin=100)
    streams.told(BOB, hashes(5_000, 4), 1.0)
    for start in range(0, 1_000, 10):
        streams.told(ALICE, hashes(start, 10), 1.0)
        assert streams.size(ALICE) <= 100
    assert streams.run(ALICE, hashes(900, 1)[0], 100) == hashes(900, 100)
    assert streams.run(ALICE, hashes(899, 1)[0], 4) is None
    assert streams.place(hashes(950, 1)[0], math.inf) == (ALICE, 950)
    assert streams.run(BOB, hashes(5_000, 1)[0], 4) == hashes(5_000, 4)
    streams.told(ALICE, hashes(2_000, 300), 1.0)
    assert streams.run(ALICE, hashes(2_200, 1)[0], 100) == hashes(2_200, 100)


def test_what_is_old_is_forgotten_once_more_comes() -> None:
    streams = GossipStreams()
    streams.told(ALICE, hashes(0, 4), 1.0)
    streams.told(ALICE, hashes(4, 4), 2.0)
    streams.told(ALICE, hashes(8, 4), 1.5 + KEPT_SECONDS)
    assert streams.run(ALICE, hashes(3, 1)[0], 1) is None
    assert streams.place(hashes(3, 1)[0], math.inf) is None
    assert streams.run(ALICE, hashes(4, 1)[0], 8) == hashes(4, 8)


def test_of_many_origins_the_one_that_has_been_silent_longest_goes() -> None:
    streams = GossipStreams()
    keys = [bytes([i]) * 32 for i in range(ORIGINS_KEPT + 1)]
    for number, key in enumerate(keys[:-1]):
        streams.told(key, hashes(number, 1), 1.0)
    streams.told(keys[0], hashes(1_000, 1), 1.0)
    streams.told(keys[-1], hashes(2_000, 1), 1.0)
    assert [streams.size(key) for key in keys[:3]] == [2, 0, 1]
    assert streams.size(keys[-1]) == 1


@pytest.mark.parametrize("wanted", [False, True])
def test_a_small_alliance_remembers_nothing(wanted: bool) -> None:
    streams = GossipStreams(lambda: wanted)
    streams.told(ALICE, hashes(0, 4), 1.0)
    assert streams.size(ALICE) == 4 * wanted
