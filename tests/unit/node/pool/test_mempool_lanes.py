"""Nobody pushes the others out of the pool: not by keys, not by addresses, not by size."""

from __future__ import annotations

import msgspec
import pytest

from node.pool.mempool import RECENT_BLOCKS, Mempool
from node.pool.mempool_lanes import Lane, Origin
from node.runtime.config import NodeConfig
from node.runtime.errors import TransactionRefused
from tests.unit.node.pool.test_mempool import KEYS, NOW, transaction
from vm.transaction import Transaction

FLOODER = Origin("198.51.100.1")
SHOPPER = Origin("192.0.2.1")
TILL = Origin("203.0.113.1", ("aurora",))


def pool(**limits: int) -> Mempool:
    return Mempool(msgspec.structs.replace(NodeConfig(), **limits))


def fill(mempool: Mempool, origin: Origin, first_nonce: int = 0) -> list[Transaction]:
    """Add transactions until one is refused; return those that were taken."""
    taken: list[Transaction] = []
    while True:
        tx = transaction(first_nonce + len(taken))
        try:
            mempool.check_room(tx, origin)
        except TransactionRefused:
            return taken
        mempool.add(tx, origin)
        taken.append(tx)


def lanes_of_strangers(mempool: Mempool) -> list[Lane]:
    (party,) = mempool.parties(has_brand_role=False)
    return list(party.lanes())


def test_senders_without_a_brand_role_leave_half_of_the_pool_to_tills() -> None:
    mempool = pool(mempool_transactions=64)
    for number in range(100):
        fill(mempool, Origin(f"198.51.100.{number}"), 1_000 * number)
    assert mempool.count(has_brand_role=False) == 32
    assert len(fill(mempool, TILL, 10**6)) == 16  # a single source of 32 that are left
    # Another till of the brand has room, but the brand not more than twice what it leaves to other brands.
    assert len(fill(mempool, Origin("another till", ("aurora",)), 10**7)) == 6
    assert len(fill(mempool, Origin("a third till", ("aurora",)), 10**8)) == 0
    assert len(fill(mempool, Origin("another till", ("basil",)), 10**9)) == 5


def test_tills_leave_a_quarter_of_the_pool_to_all_others() -> None:
    mempool = pool(mempool_transactions=64)
    for number in range(100):
        fill(mempool, Origin(f"till {number}", (f"brand-{number}",)), 1_000 * number)
    assert mempool.count(has_brand_role=True) == 48
    assert len(fill(mempool, SHOPPER, 10**6)) == 8


def test_greedy_sources_leave_as_much_as_each_of_them_holds() -> None:
    mempool = pool(mempool_transactions=240)
    shares = [len(fill(mempool, Origin(f"flooder {i}"), 1_000 * i)) for i in range(3)]
    assert shares == [60, 30, 15]  # each half of what it found
    assert len(fill(mempool, SHOPPER, 10**6)) == 8


def test_a_source_is_bounded_in_bytes_as_well() -> None:
    size = len(transaction(0).raw)
    mempool = pool(mempool_bytes=2 * 8 * size)
    assert len(fill(mempool, FLOODER)) == 4
    assert len(fill(mempool, SHOPPER, 100)) == 2
    mempool.check_room(transaction(10**6), TILL)


def test_a_refusal_says_whether_the_client_or_everybody_is_too_many() -> None:
    mempool = pool(mempool_transactions=8)
    fill(mempool, FLOODER)
    with pytest.raises(TransactionRefused, match="this client's share"):
        mempool.check_room(transaction(100), FLOODER)
    for number in range(4):
        fill(mempool, Origin(f"flooder {number}"), 1_000 * number)
    with pytest.raises(TransactionRefused, match="the pool of pending transactions is full; try") as refused:
        mempool.check_room(transaction(10**6), SHOPPER)
    assert refused.value.reason == "POOL_FULL"


def test_room_comes_back_with_blocks_and_expiry_and_nothing_is_pushed_out() -> None:
    mempool = pool(mempool_transactions=16)
    first = fill(mempool, FLOODER)
    tills = fill(mempool, TILL, 100)
    assert all(mempool.by_id(tx.id) is tx for tx in first)
    mempool.remove_committed([tx.id for tx in first])
    assert list(mempool.parties(has_brand_role=False)) == []
    again = [transaction(1_000 + nonce) for nonce in range(len(first))]
    for tx in again:
        mempool.check_room(tx, FLOODER)
        mempool.add(tx, FLOODER)
    assert mempool.remove_expired(NOW + 1) == len(tills) + len(again)
    assert (len(mempool), mempool.size_bytes) == (0, 0)


def test_a_lane_that_a_block_has_served_stands_behind_the_others() -> None:
    mempool = pool()
    for number, origin in enumerate((FLOODER, SHOPPER)):
        for nonce in range(3):
            mempool.add(transaction(nonce, KEYS[number]), origin)
    served = next(iter(mempool.in_order()))
    mempool.remove_committed([served.id])
    assert [lane.source for lane in lanes_of_strangers(mempool)] == [SHOPPER.source, FLOODER.source]
    mempool.remove_expired(NOW)
    assert [len(lane.entries) for lane in lanes_of_strangers(mempool)] == [3, 2]


def test_a_brand_that_gives_roles_to_anothers_till_does_not_get_it_into_its_own_party() -> None:
    mempool = pool(mempool_transactions=64)
    fill(mempool, Origin("flooder", ("bad",)))
    for number in range(9):
        fill(mempool, Origin(f"flooder {number}", ("bad",)), 1_000 * (number + 1))

    assert len(fill(mempool, Origin("till", ("aurora", "bad")), 10**6)) > 4
    assert {party.brands for party in mempool.parties(has_brand_role=True)} == {("bad",), ("aurora", "bad")}


def test_who_sent_something_lately_is_active_for_some_blocks() -> None:
    mempool = pool()
    till = transaction(1)
    mempool.add(till, TILL)
    mempool.add(transaction(2), SHOPPER)
    mempool.remove_committed([till.id])
    assert set(mempool.active()) == {TILL.brands, ()}
    for number in range(RECENT_BLOCKS):
        mempool.add(transaction(3 + number), SHOPPER)
        mempool.remove_committed([])
    assert set(mempool.active()) == {()}


SAME_SIZE = range(256, 65_536)
"""Numbers of transactions that have the same size."""


def test_bytes_are_shared_as_transactions_are_and_come_back_with_blocks() -> None:
    size = len(transaction(SAME_SIZE[0]).raw)
    mempool = pool(mempool_bytes=64 * size)  # of which tills may take 48
    first = fill(mempool, TILL, 1_000)
    assert len(first) == 24
    assert len(fill(mempool, Origin("another till", ("aurora",)), 2_000)) == 8, "the brand holds twice what is free"
    assert fill(mempool, Origin("a third till", ("aurora",)), 3_000) == []
    mempool.remove_committed([tx.id for tx in first[:4]])
    assert len(fill(mempool, Origin("a third till", ("aurora",)), 3_000)) == 4
    strangers = fill(mempool, FLOODER, 4_000)
    assert len(strangers) == 16
    mempool.remove_committed([tx.id for tx in strangers[:4]])
    assert len(fill(mempool, FLOODER, 5_000)) == 4


def test_no_number_of_sources_takes_more_bytes_than_the_groups_part() -> None:
    size = len(transaction(SAME_SIZE[0]).raw)
    mempool = pool(mempool_bytes=16 * size)
    for number in range(40):
        fill(mempool, Origin(f"198.51.100.{number}"), 1_000 + 100 * number)
    assert mempool.size_bytes == 8 * size
