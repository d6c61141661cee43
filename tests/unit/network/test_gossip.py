"""Every peer is told what it lacks, once, in frames of bounded size."""

from network.gossip import FRAME_BYTES, Delivery, Gossip, SeenHashes
from network.kinds import Kind
from network.messages import Transactions, decode
from vm.primitives.hashing import sha256

B, C, D = b"b" * 32, b"c" * 32, b"d" * 32


def tx(number: int, size: int = 300) -> tuple[bytes, bytes]:
    """Return the hash and bytes of some transaction."""
    data = number.to_bytes(size, "big")
    return sha256(data), data


def with_peers(*peers: bytes) -> Gossip:
    gossip = Gossip()
    for peer in peers:
        gossip.peer_connected(peer)
    return gossip


def told(deliveries: list[Delivery]) -> dict[bytes, list[bytes]]:
    """Return the transactions that each peer is sent."""
    result: dict[bytes, list[bytes]] = {}
    for delivery in deliveries:
        message = decode(Kind.TRANSACTIONS, delivery.payload)
        assert isinstance(message, Transactions)
        assert tuple(sha256(item) for item in message.items) == delivery.hashes
        for peer in delivery.peers:
            result.setdefault(peer, []).extend(message.items)
    return result


def origin_of(delivery: Delivery) -> bool:
    message = decode(Kind.TRANSACTIONS, delivery.payload)
    assert isinstance(message, Transactions)
    return message.origin


def test_own_transactions_go_to_all_in_one_shared_frame() -> None:
    gossip = with_peers(B, C, D)
    for number in range(64):
        gossip.add([tx(number)])
    assert gossip.waiting_bytes == 64 * 300
    deliveries = gossip.flush()
    assert [delivery.peers for delivery in deliveries] == [(B, C, D)]
    assert origin_of(deliveries[0])
    assert told(deliveries)[B] == [tx(number)[1] for number in range(64)]
    assert gossip.waiting_bytes == 0
    assert gossip.flush() == []


def test_of_what_came_together_each_peer_is_told_what_it_lacks() -> None:
    gossip = with_peers(B, C, D)
    together = [tx(number) for number in range(4)]
    gossip.heard(B, [tx(1)[0], tx(2)[0]])
    gossip.add(together)
    gossip.add([tx(3), tx(4), tx(4)])  # what stands twice is told once
    whole = [data for _, data in [*together, tx(4)]]
    assert told(gossip.flush()) == {C: whole, D: whole, B: [tx(number)[1] for number in (0, 3, 4)]}
    gossip.offer_again([tx(number) for number in range(5)])
    assert gossip.flush() == []
    gossip.add([tx(9), tx(9)])
    assert told(gossip.flush()) == {peer: [tx(9)[1]] for peer in (B, C, D)}


def test_what_all_peers_have_from_its_sender_does_not_wait() -> None:
    gossip = with_peers(B, C)
    gossip.set_links(B, [C])
    gossip.add([tx(1)], source=B, from_origin=True)
    assert gossip.waiting_bytes == 0
    gossip.peer_connected(D)
    gossip.add([tx(2)], source=B, from_origin=True)
    gossip.offer_again([tx(1)])  # as the newcomer is told what is pending
    assert told(gossip.flush()) == {C: [tx(1)[1]], D: [tx(2)[1], tx(1)[1]]}


def test_a_peer_is_not_told_what_it_sent() -> None:
    gossip = with_peers(B, C)
    gossip.add([tx(1)], source=B)
    assert told(gossip.flush()) == {C: [tx(1)[1]]}
    gossip.add([tx(2)])
    gossip.heard(C, [tx(2)[0]])
    assert told(gossip.flush()) == {B: [tx(2)[1]]}


def test_in_a_full_mesh_nothing_is_passed_on() -> None:
    gossip = with_peers(B, C, D)
    gossip.set_links(B, [C, D])
    gossip.add([tx(1)], source=B, from_origin=True)
    assert gossip.flush() == []


def test_nothing_is_looked_up_for_what_reaches_everyone_by_itself() -> None:
    """Each node of n would look n receivers up for each transaction of all others."""
    gossip = with_peers(B, C, D)
    gossip.set_links(B, [C, D])
    gossip.add([tx(1)], source=B, from_origin=True)
    assert (gossip.waiting_bytes, gossip._relayed) == (0, [])


def test_links_and_peers_that_change_are_taken_note_of() -> None:
    gossip = with_peers(B, C)
    gossip.set_links(B, [C])
    gossip.add([tx(1)], source=B, from_origin=True)
    gossip.set_links(B, [])
    gossip.add([tx(6)], source=B, from_origin=True)
    assert told(gossip.flush()) == {C: [tx(6)[1]]}
    gossip.set_links(B, [C])
    gossip.add([tx(7)], source=B, from_origin=True)
    gossip.peer_connected(D)
    gossip.add([tx(2)], source=B, from_origin=True)
    assert told(gossip.flush()) == {D: [tx(2)[1]]}
    gossip.set_links(B, [C, D])
    gossip.add([tx(3)], source=B, from_origin=True)
    gossip.set_links(B, [D])
    gossip.add([tx(4)], source=B, from_origin=True)
    assert told(gossip.flush()) == {C: [tx(4)[1]]}
    gossip.peer_disconnected(C)
    gossip.add([tx(5)], source=B, from_origin=True)
    assert gossip.flush() == []


def test_own_transactions_wait_in_the_order_in_which_they_leave() -> None:
    gossip = with_peers(B, C)
    gossip.add([tx(2)])
    gossip.add([tx(3)], source=B)
    gossip.add([tx(1)])
    assert gossip.own_waiting == [tx(2)[0], tx(1)[0]]
    assert told(gossip.flush())[B] == [tx(2)[1], tx(1)[1]]
    assert gossip.own_waiting == []


def test_where_the_mesh_has_a_hole_it_is_passed_on_to_those_behind_it() -> None:
    gossip = with_peers(B, C, D)
    gossip.set_links(B, [C])
    gossip.add([tx(1)], source=B, from_origin=True)
    deliveries = gossip.flush()
    assert told(deliveries) == {D: [tx(1)[1]]}
    assert not origin_of(deliveries[0])


def test_what_its_sender_only_passed_on_is_passed_on_to_all_who_may_lack_it() -> None:
    gossip = with_peers(B, C, D)
    gossip.set_links(B, [C, D])
    gossip.add([tx(1)], source=B, from_origin=False)
    assert told(gossip.flush()) == {C: [tx(1)[1]], D: [tx(1)[1]]}


def test_what_could_not_be_sent_is_offered_again() -> None:
    gossip = with_peers(B, C)
    gossip.add([tx(1)])
    (delivery,) = gossip.flush()
    gossip.not_sent(C, delivery.hashes)
    gossip.offer_again([tx(1)])
    assert told(gossip.flush()) == {C: [tx(1)[1]]}


def test_a_peer_that_comes_back_is_told_again() -> None:
    gossip = with_peers(B)
    gossip.add([tx(1)])
    gossip.flush()
    gossip.peer_disconnected(B)
    gossip.peer_connected(B)
    gossip.offer_again([tx(1)])
    assert told(gossip.flush()) == {B: [tx(1)[1]]}


def test_without_peers_nothing_is_kept() -> None:
    gossip = Gossip()
    gossip.add([tx(1)], source=B)
    gossip.heard(B, [tx(1)[0]])
    gossip.set_links(B, [C])
    gossip.not_sent(B, [tx(1)[0]])
    assert gossip.flush() == []
    assert not gossip._seen
    assert not gossip._links


def test_frames_are_bounded() -> None:
    gossip = with_peers(B)
    transactions = [tx(number, 100_000) for number in range(10)]
    gossip.offer_again(transactions)
    deliveries = gossip.flush()
    assert told(deliveries)[B] == [data for _, data in transactions]
    assert all(len(delivery.payload) <= FRAME_BYTES + 100 for delivery in deliveries)


def test_many_small_transactions_are_cut_into_frames_that_can_be_read() -> None:
    gossip = with_peers(B)
    gossip.offer_again([tx(number, 100) for number in range(5_000)])
    assert len(told(gossip.flush())[B]) == 5_000


def test_seen_hashes_are_bounded_and_forget_the_oldest() -> None:
    seen = SeenHashes(bound=100)
    for number in range(1_000):
        seen.add(tx(number)[0])
        assert len(seen) <= 100
    assert all(tx(number)[0] in seen for number in range(950, 1_000))
    assert tx(0)[0] not in seen
    for first in range(2_000, 3_000, 30):
        seen.add_all([tx(number)[0] for number in range(first, first + 30)])
        assert len(seen) <= 100
        assert not seen.lacks({tx(first)[0]})
    assert seen.lacks({tx(999)[0], tx(2_000)[0]})
    seen.add(tx(999)[0])
    seen.discard(tx(999)[0])
    assert tx(999)[0] not in seen
