"""The plan of a snapshot: who is asked for what, and what happens to those who fail."""

from __future__ import annotations

from network.snapshot_sync import OnceRange, ReplaySlot, SnapshotRules, SnapshotSync, StateRange, bucket_ranges

A, B = b"a" * 32, b"b" * 32
RULES = SnapshotRules(parallel=3, per_peer=2, timeout_ms=100, rest_ms=10, max_rest_ms=40)


def hashes(count: int) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in range(count))


def plan(parts: int, *peers: bytes) -> SnapshotSync:
    sync = SnapshotSync(bucket_ranges(1, hashes(parts), range(parts), 1), RULES)
    for peer in peers:
        sync.peer_offers(peer)
    return sync


def test_missing_buckets_are_cut_where_they_do_not_touch() -> None:
    ranges = bucket_ranges(2, hashes(256), [0, 1, 2, 5, 6, 255], 2)
    assert [(part.prefix, part.count) for part in ranges] == [("00", 2), ("02", 1), ("05", 2), ("ff", 1)]
    assert ranges[2].hashes == hashes(256)[5 * 32 : 7 * 32]
    assert bucket_ranges(2, hashes(256), [], 2) == []


def test_what_remains_of_a_range_keeps_the_length_of_its_name() -> None:
    part = StateRange("0f", hashes(3))
    rest = part.after(1)
    assert rest == StateRange("10", hashes(3)[32:])
    assert part.after(3) is None


def test_requests_are_spread_and_bounded() -> None:
    sync = plan(10, A, B)
    requests = sync.next_requests(0)
    assert len(requests) == 3
    assert {request.peer for request in requests} == {A, B}
    assert sync.next_requests(0) == []
    assert len({request.part.prefix for request in requests if isinstance(request.part, StateRange)}) == 3


def test_a_peer_that_fails_rests_and_its_part_is_asked_again() -> None:
    sync = plan(1, A)
    first = sync.next_requests(0)[0]
    assert sync.next_requests(99) == []
    assert sync.next_requests(100) == []
    assert not sync.is_wanted(first.id)
    again = sync.next_requests(110)[0]
    assert again.part == first.part
    sync.failed(again.id, 110)
    assert sync.next_requests(120) == []
    sync.stored(sync.next_requests(130)[0].id)
    assert sync.finished


def test_a_liar_is_asked_no_more_however_often_it_offers() -> None:
    sync = plan(4, A)
    first, second = sync.next_requests(0)
    sync.rejected(first.id)
    assert not sync.has_peers
    assert not sync.is_wanted(second.id)
    sync.peer_offers(A)
    assert sync.next_requests(1_000) == []
    sync.peer_offers(B)
    assert {request.peer for request in sync.next_requests(1_000)} == {B}
    assert sync.parts_left == 4


def test_a_split_node_is_replaced_by_its_children() -> None:
    sync = plan(1, A)
    request = sync.next_requests(0)[0]
    sync.stored(request.id, [StateRange("00", hashes(1)), StateRange("01", hashes(1))])
    assert not sync.finished
    assert [part.part for part in sync.next_requests(0)] == [
        StateRange("01", hashes(1)),
        StateRange("00", hashes(1)),
    ]


def test_replay_slots_are_parts_as_well() -> None:
    sync = plan(0, A)
    assert sync.finished
    sync.add(ReplaySlot(7, 3, bytes(32)))
    assert not sync.finished
    sync.stored(sync.next_requests(0)[0].id)
    assert sync.finished


def test_what_a_long_request_has_stored_is_not_asked_again_and_its_time_begins_anew() -> None:
    part = OnceRange("token.issue", 8, (b"a", b"b", b"c"))
    sync = SnapshotSync([part], RULES)
    sync.peer_offers(A)
    request = sync.next_requests(0)[0]
    sync.continues(request.id, part.after(1), 90)
    assert sync.next_requests(100) == []
    assert sync.is_wanted(request.id)
    assert sync.next_requests(189) == []
    assert sync.is_wanted(request.id)
    sync.next_requests(190)
    assert not sync.is_wanted(request.id)
    sync.continues(request.id, part.after(2), 190)  # too late: the part is free for another peer
    (again,) = sync.next_requests(200)
    assert again.part == OnceRange("token.issue", 9, (b"b", b"c"))
