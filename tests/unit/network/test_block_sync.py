"""A node that is behind asks for bounded ranges, from whoever answers, and imports in order."""

import pytest

from network.block_sync import MAX_MORE_FAILURES, BlockSync, RangeRequest, SyncedBlock, SyncRules, collect_blocks

A, B, C = b"a" * 32, b"b" * 32, b"c" * 32
RULES = SyncRules(max_blocks=10, parallel=2, max_ahead=40, timeout_ms=1_000, rest_ms=100)


def blocks(first: int, count: int) -> list[SyncedBlock]:
    return [(b"block %d" % height, b"certificate") for height in range(first, first + count)]


def ranges(requests: list[RangeRequest]) -> list[tuple[bytes, int, int]]:
    return [(asked.peer, asked.first, asked.count) for asked in requests]


def test_nothing_is_asked_when_nobody_has_more() -> None:
    sync = BlockSync(5, RULES)
    sync.peer_at(A, 5)
    assert not sync.behind
    assert sync.next_requests(0) == []


def test_ranges_go_to_different_peers_and_end_at_the_claimed_height() -> None:
    sync = BlockSync(5, RULES)
    sync.peer_at(A, 17)
    sync.peer_at(B, 17)
    sync.peer_at(C, 17)
    assert sync.behind
    assert ranges(sync.next_requests(0)) == [(A, 6, 10), (B, 16, 2)]
    assert sync.next_requests(0) == []


def test_the_peers_ahead_are_told_the_highest_first() -> None:
    sync = BlockSync(5, RULES)
    for peer, height in ((A, 6), (B, 5), (C, 9)):
        sync.peer_at(peer, height)
    assert sync.ahead == [C, A]
    sync.advanced(9)
    assert sync.ahead == []


def test_replies_out_of_order_are_handed_out_in_order() -> None:
    sync = BlockSync(0, RULES)
    sync.peer_at(A, 20)
    sync.peer_at(B, 20)
    first, second = sync.next_requests(0)
    assert sync.received(second.id, blocks(11, 10), 1)
    assert sync.take_ready() is None
    assert sync.received(first.id, blocks(1, 10), 2)
    ready = [sync.take_ready(), sync.take_ready(), sync.take_ready()]
    assert [(item.peer, item.first, len(item.blocks)) for item in ready if item] == [(A, 1, 10), (B, 11, 10)]
    sync.advanced(20)
    assert not sync.behind


def test_a_short_reply_leaves_a_gap_that_is_asked_for() -> None:
    sync = BlockSync(0, RULES)
    sync.peer_at(A, 30)
    sync.peer_at(B, 30)
    first, _ = sync.next_requests(0)
    sync.received(first.id, blocks(1, 4), 1)
    assert ranges(sync.next_requests(1)) == [(A, 5, 6)]


@pytest.mark.parametrize("how", ["timeout", "failed", "gone", "empty"])
def test_another_peer_is_asked_when_one_fails(how: str) -> None:
    sync = BlockSync(0, SyncRules(max_blocks=10, parallel=1, timeout_ms=1_000, rest_ms=500))
    sync.peer_at(A, 10)
    sync.peer_at(B, 10)
    (asked,) = sync.next_requests(0)
    now = 1_000 if how == "timeout" else 10
    if how == "failed":
        sync.failed(asked.id, now)
    elif how == "gone":
        sync.peer_gone(A)
    elif how == "empty":
        assert sync.received(asked.id, [], now)
    assert ranges(sync.next_requests(now)) == [(B, 1, 10)]
    assert not sync.received(asked.id, blocks(1, 10), now)


def test_a_peer_that_fails_rests_longer_each_time_and_is_asked_again() -> None:
    sync = BlockSync(0, RULES)
    sync.peer_at(A, 10)
    now = 0
    for rest in (100, 200, 400):
        (asked,) = sync.next_requests(now)
        sync.failed(asked.id, now)
        assert sync.next_requests(now + rest - 1) == []
        now += rest
    assert len(sync.next_requests(now)) == 1


def test_a_peer_that_always_keeps_us_waiting_is_asked_three_times_and_no_more_beside_a_good_one() -> None:
    """It may send a byte a second, or nothing, and claim any height; the other one is asked for everything."""
    sync = BlockSync(0, SyncRules(max_blocks=10, parallel=2, max_ahead=20, timeout_ms=1_000, rest_ms=100))
    sync.peer_at(A, 2**50)
    sync.peer_at(B, 2_000)
    now, waited, height = 0, 0, 0
    while height < 1_000:
        asked = sync.next_requests(now)
        now += 100
        waited += sum(request.peer == A for request in asked)
        for request in asked:
            if request.peer == B:
                sync.received(request.id, blocks(request.first, request.count), now)
        while (ready := sync.take_ready()) is not None:
            height = ready.first + len(ready.blocks) - 1
            sync.advanced(height)
    assert waited == MAX_MORE_FAILURES + 1
    sync.peer_gone(B)
    assert ranges(sync.next_requests(now + 60_000)) == [(A, 1_001, 10)]  # nobody is left who fails less


def test_a_claim_without_blocks_is_believed_only_when_repeated() -> None:
    sync = BlockSync(0, RULES)
    sync.peer_at(A, 2**53 - 1)
    (asked,) = sync.next_requests(0)
    sync.received(asked.id, [], 0)
    assert not sync.behind
    assert sync.next_requests(10_000) == []
    sync.peer_at(A, 5)
    assert ranges(sync.next_requests(10_000)) == [(A, 1, 5)]


def test_bad_blocks_are_asked_from_another_and_all_of_the_senders_go() -> None:
    sync = BlockSync(0, RULES)
    sync.peer_at(A, 40)
    sync.peer_at(B, 40)
    first, second = sync.next_requests(0)
    sync.received(second.id, blocks(11, 10), 0)
    sync.received(first.id, blocks(1, 10), 0)
    third, _ = sync.next_requests(0)
    assert third.peer == A
    sync.received(third.id, blocks(third.first, 10), 0)
    ready = sync.take_ready()
    assert ready is not None
    assert ready.peer == A
    sync.advanced(3)
    sync.rejected(ready, 0)
    assert sync.take_ready() is None
    sync.peer_at(C, 40)
    (asked,) = sync.next_requests(0)
    assert ranges([asked]) == [(C, 4, 7)]
    sync.received(asked.id, blocks(4, 7), 0)
    assert ranges(sync.next_requests(0)) == [(C, 21, 10)]


def test_blocks_decided_meanwhile_are_not_handed_out() -> None:
    sync = BlockSync(0, RULES)
    sync.peer_at(A, 10)
    (asked,) = sync.next_requests(0)
    sync.advanced(4)
    sync.received(asked.id, blocks(1, 10), 0)
    ready = sync.take_ready()
    assert ready is not None
    assert (ready.first, ready.blocks[0]) == (5, (b"block 5", b"certificate"))
    sync.advanced(2)
    assert sync.take_ready() is None


def test_more_than_asked_for_is_cut_off() -> None:
    sync = BlockSync(0, RULES)
    sync.peer_at(A, 3)
    (asked,) = sync.next_requests(0)
    sync.received(asked.id, blocks(1, 50), 0)
    ready = sync.take_ready()
    assert ready is not None
    assert len(ready.blocks) == 3


def test_what_is_kept_ahead_is_bounded() -> None:
    sync = BlockSync(0, RULES)
    for peer in (A, B):
        sync.peer_at(peer, 10_000)
    kept = 0
    asked = [request for request in sync.next_requests(0) if request.first > 1 or kept]
    while asked:
        for request in asked:
            sync.received(request.id, blocks(request.first, request.count), 0)
            kept += request.count
        asked = sync.next_requests(0)
    assert kept == RULES.max_ahead - RULES.max_blocks


def test_a_reply_is_bounded_in_bytes_and_never_empty_where_there_is_a_block() -> None:
    chain = {height: (bytes(1_000), bytes(100)) for height in range(1, 200)}
    assert len(collect_blocks(1, 64, chain.get)) == 64
    assert len(collect_blocks(1, 1_000, chain.get)) == 64
    assert len(collect_blocks(150, 64, chain.get)) == 50
    assert len(collect_blocks(1, 64, chain.get, max_bytes=5_500)) == 5
    assert len(collect_blocks(1, 64, chain.get, max_bytes=1)) == 1
    assert collect_blocks(200, 64, chain.get) == ()


def test_a_peer_that_has_pruned_the_next_block_is_not_asked_again_nor_blamed() -> None:
    sync = BlockSync(5, RULES)
    sync.peer_at(A, 100)
    sync.peer_at(B, 100)
    first, second = sync.next_requests(0)
    assert sync.received(first.id, [], 0, oldest=50)
    assert not sync.is_stuck
    assert ranges(sync.next_requests(0)) == []
    assert sync.received(second.id, [], 0, oldest=20)
    assert sync.next_requests(0) == []
    assert sync.is_stuck
    sync.peer_at(C, 60)
    assert not sync.is_stuck
    assert ranges(sync.next_requests(0)) == [(C, 6, 10)]
    sync.advanced(30)
    assert (B, 31, 10) in ranges(sync.next_requests(0)), "what it keeps it is asked for"


def test_a_peer_that_claims_to_have_pruned_more_than_it_has_rests() -> None:
    sync = BlockSync(5, RULES)
    sync.peer_at(A, 10)
    (asked,) = sync.next_requests(0)
    assert sync.received(asked.id, [], 0, oldest=1_000)
    sync.peer_at(A, 10)
    assert sync.next_requests(50) == []
    assert ranges(sync.next_requests(100)) == [(A, 6, 5)]
