"""How connections live: dialling, restarts, one connection per key, requests, gossip."""

import asyncio
import socket
import time

import pytest
from network_nodes import CHAIN, HOST, IMPATIENT, WAIT_SECONDS, Node, RawPeer, keys, running

from network.config import PeerAddress
from network.errors import PeerGone, RequestTimeout, TooManyRequests
from network.gossip_streams import GossipStreams
from network.gossiper import Gossiper
from network.kinds import Kind
from network.messages import (
    Blocks,
    CandidateReply,
    GetBlocks,
    GetCandidate,
    GetTransactions,
    Hello,
    Pong,
    Transactions,
    TransactionsReply,
    decode,
)
from network.peer import MAX_REQUESTS_IN_FLIGHT, Peer
from network.scoring import Offence
from vm.primitives.hashing import sha256

pytestmark = pytest.mark.integration

ALICE, BOB, CAROL, DAVE = keys(4)
PERMITTED = {key.public_key for key in (ALICE, BOB, CAROL, DAVE)}


async def connect(a: Node, b: Node) -> None:
    a.dial(b)
    await a.until(lambda: a.is_connected(b.key))
    await b.until(lambda: b.is_connected(a.key))


async def test_two_that_dial_each_other_keep_one_connection() -> None:
    alice, bob = Node(ALICE, PERMITTED), Node(BOB, PERMITTED)
    async with running(alice, bob):
        alice.dial(bob)
        bob.dial(alice)
        # A round trip on what is left, after the rest has been settled.
        for number in range(20):
            await alice.until(lambda: alice.is_connected(bob.key))
            await bob.until(lambda: bob.is_connected(alice.key))
            bob.manager.send(alice.key, Kind.CONSENSUS, bytes((number,)))
            await asyncio.sleep(0.02)
        await alice.until(lambda: b"\x13" in alice.received(Kind.CONSENSUS))
        mine, theirs = alice.manager.peers(), bob.manager.peers()
        assert len(mine) == len(theirs) == 1
        assert {mine[0].direction, theirs[0].direction} == {"in", "out"}
        assert len(alice.arrivals) <= 2


async def test_neither_side_lets_a_small_frame_wait_for_an_acknowledgement() -> None:
    alice, bob = Node(ALICE, PERMITTED), Node(BOB, PERMITTED)
    async with running(alice, bob):
        await connect(alice, bob)
        for node, other in ((alice, bob), (bob, alice)):
            peer = node.manager.peer(other.key)
            assert peer is not None
            assert peer.connection._transport is not None
            connected = peer.connection._transport.get_extra_info("socket")
            assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_peer_restarts_at_another_port_and_dials_again() -> None:
    alice = Node(ALICE, PERMITTED)
    async with running(alice):
        for _ in range(2):
            bob = Node(BOB, PERMITTED, peers=(alice.address,))
            async with running(bob):
                await alice.until(lambda: alice.is_connected(BOB.public_key))
            await alice.until(lambda: not alice.is_connected(BOB.public_key))
        assert len(alice.arrivals) == 2


async def test_a_peer_at_a_new_address_is_dialled_there() -> None:
    alice = Node(ALICE, PERMITTED)
    async with running(alice):
        first = Node(BOB, PERMITTED)
        async with running(first):
            await connect(alice, first)
        await alice.until(lambda: not alice.is_connected(BOB.public_key))
        second = Node(BOB, PERMITTED)
        async with running(second):
            await connect(alice, second)
            assert alice.manager.peers()[0].direction == "out"


async def test_a_peer_is_dialled_where_it_said_that_it_listens() -> None:
    """Bob came to Alice from a port that she never knew; after a hang-up she finds him there."""
    nowhere = PeerAddress(BOB.public_key, HOST, 1)
    alice = Node(ALICE, PERMITTED, peers=(nowhere,))
    bob = Node(BOB, PERMITTED)
    async with running(alice, bob):
        bob.dial(alice)
        await alice.until(lambda: alice.is_connected(bob.key))
        bob.manager.set_addresses([])
        alice.arrivals[0].connection.close("test")
        await alice.until(lambda: len(alice.arrivals) == 2)
        assert alice.arrivals[1].direction == "out"


async def test_names_are_resolved_at_each_dial(monkeypatch: pytest.MonkeyPatch) -> None:
    alice = Node(ALICE, PERMITTED)
    loop = asyncio.get_running_loop()
    resolve = loop.getaddrinfo
    asked = asyncio.Semaphore(0)

    async def counted(host: str, *args: object, **kwargs: object) -> object:
        asked.release()
        return await resolve(HOST, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "getaddrinfo", counted)
    async with running(alice):
        alice.manager.set_addresses([PeerAddress(BOB.public_key, "bob.example", 1)])
        async with asyncio.timeout(WAIT_SECONDS):
            for _ in range(3):
                await asked.acquire()


async def test_a_crashed_peer_that_comes_back_replaces_its_dead_connection() -> None:
    """Alice dialled Bob and believes in that connection; the rule of the smaller key must not keep it."""
    alice, former = Node(ALICE, PERMITTED), Node(BOB, PERMITTED)
    assert alice.key < former.key
    async with running(alice, former):
        await connect(alice, former)
        # As after a power cut: the former self never says that it is gone.
        bob = Node(BOB, PERMITTED, peers=(alice.address,))
        async with running(bob):
            await alice.until(lambda: len(alice.arrivals) == 2)
            assert alice.departures == [(BOB.public_key, "replaced by a newer connection")]
            assert alice.arrivals[1].direction == "in"
            await bob.until(lambda: bob.is_connected(alice.key))


async def test_a_peer_that_fell_silent_is_let_go() -> None:
    alice = Node(ALICE, PERMITTED, timing=IMPATIENT)
    async with running(alice):
        raw = await RawPeer.greeted(alice.manager.listen_port, BOB)
        await alice.until(lambda: bool(alice.departures))
        assert alice.departures == [(BOB.public_key, "silent for too long")]
        raw.close()


async def test_a_node_that_was_stopped_itself_blames_nobody() -> None:
    alice, bob = (Node(key, PERMITTED, timing=IMPATIENT) for key in (ALICE, BOB))
    async with running(alice, bob):
        await connect(alice, bob)
        time.sleep(1.2 * IMPATIENT.dead_after)  # noqa: ASYNC251 — the whole loop must stand still
        for number in range(3):
            await asyncio.sleep(IMPATIENT.tick)
            bob.manager.send(alice.key, Kind.CONSENSUS, bytes((number,)))
        await alice.until(lambda: len(alice.received(Kind.CONSENSUS)) == 3)
        assert not alice.departures
        assert not bob.departures


async def test_what_node_peers_shows() -> None:
    alice, bob = Node(ALICE, PERMITTED), Node(BOB, PERMITTED)
    async with running(alice, bob):
        bob.manager.set_status(7, 2, sha256(b"head"))
        await connect(alice, bob)
        assert alice.manager.peers()[0].height == 7
        await alice.until(lambda: bool(alice.received(Kind.STATUS)))
        peer = alice.manager.peer(bob.key)
        assert peer is not None
        assert (peer.height, peer.round, peer.digest) == (7, 2, sha256(b"head"))
        bob.manager.set_status(8, 0, sha256(b"next"))
        await alice.until(lambda: peer.height == 8)
        height = 8
        while peer.rtt_ms is None:
            height += 1
            bob.manager.set_status(height, 0, sha256(b"next"))
            await alice.until(lambda: peer.height == height)  # noqa: B023
        peer.penalise(Offence.BAD_SIGNATURE)
        (info,) = alice.manager.peers()
        assert (info.key, info.height, info.round, info.direction) == (bob.key, height, 0, "out")
        assert info.address == f"{HOST}:{bob.manager.listen_port}"
        assert info.score in (39, 40)
        assert info.rtt_ms is not None
        assert 0 <= info.rtt_ms < 5_000


async def test_links_are_told() -> None:
    alice, bob, carol = (Node(key, PERMITTED) for key in (ALICE, BOB, CAROL))
    async with running(alice, bob, carol):
        await connect(alice, bob)
        await connect(carol, bob)
        await alice.until(lambda: alice.arrivals[0].links == {alice.key, carol.key})
        await carol.manager.stop()
        await alice.until(lambda: alice.arrivals[0].links == {alice.key})


def answer(peer: Peer, kind: Kind, payload: bytes) -> None:
    """Answer requests as a node with a few blocks would."""
    if kind.name.startswith("GET_"):
        request = decode(kind, payload)
        if isinstance(request, GetBlocks):
            peer.send_message(Blocks(id=request.id, items=((b"block", b"%d" % request.first),)))
        elif isinstance(request, GetCandidate):
            peer.send_message(CandidateReply(id=request.id, body=request.digest))
        elif isinstance(request, GetTransactions):
            peer.send_message(
                TransactionsReply(id=request.id, items=tuple(tx_hash * 3 for tx_hash in request.hashes))
            )


async def test_requests_find_their_replies() -> None:
    alice, bob = Node(ALICE, PERMITTED), Node(BOB, PERMITTED)
    bob.reaction = answer
    async with running(alice, bob):
        await connect(alice, bob)
        peer = alice.arrivals[0]
        digest = sha256(b"x")
        blocks, candidate, transactions = await asyncio.gather(
            peer.request(GetBlocks(id=0, first=5, count=1), WAIT_SECONDS),
            peer.request(GetCandidate(id=0, digest=digest), WAIT_SECONDS),
            peer.request(GetTransactions(id=0, hashes=(digest, digest)), WAIT_SECONDS),
        )
        assert blocks.items == ((b"block", b"5"),)
        assert candidate.body == digest
        assert transactions.items == (digest * 3, digest * 3)
        assert not alice.received(Kind.BLOCKS)


async def test_a_reply_of_another_kind_is_no_reply() -> None:
    def confused(peer: Peer, kind: Kind, payload: bytes) -> None:
        request = decode(kind, payload)
        if isinstance(request, GetBlocks):
            peer.send_message(CandidateReply(id=request.id, body=b""))
            peer.send_message(Blocks(id=request.id, items=()))

    alice, bob = Node(ALICE, PERMITTED), Node(BOB, PERMITTED)
    bob.reaction = confused
    async with running(alice, bob):
        await connect(alice, bob)
        reply = await alice.arrivals[0].request(GetBlocks(id=0, first=5, count=1), WAIT_SECONDS)
        assert isinstance(reply, Blocks)


async def test_requests_end_by_timeout_bound_or_hang_up() -> None:
    alice, bob = Node(ALICE, PERMITTED), Node(BOB, PERMITTED)
    async with running(alice, bob):
        await connect(alice, bob)
        peer = alice.arrivals[0]
        wish = GetBlocks(id=0, first=1, count=1)
        with pytest.raises(RequestTimeout):
            await peer.request(wish, 0.01)
        waiting = [asyncio.ensure_future(peer.request(wish, WAIT_SECONDS)) for _ in range(MAX_REQUESTS_IN_FLIGHT)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests):
            await peer.request(wish, WAIT_SECONDS)
        await bob.manager.stop()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(result, PeerGone) for result in results)
        with pytest.raises(PeerGone):
            await peer.request(wish, WAIT_SECONDS)


async def test_replies_that_nobody_asked_for_cost_a_little() -> None:
    alice = Node(ALICE, PERMITTED)
    async with running(alice):
        raw = await RawPeer.greeted(alice.manager.listen_port, BOB)
        raw.send(CandidateReply(id=77, body=b""))
        raw.send(Pong(id=99))
        raw.write(b"\0\0\0\x05\x06done")
        await alice.until(lambda: bool(alice.received(Kind.CONSENSUS)))
        assert alice.is_connected(BOB.public_key)
        assert alice.manager.peers()[0].score in (1, 2)
        raw.close()


class GossipNode(Node):
    """Keeps a pool and passes on what is new, as a node does."""

    pool: dict[bytes, bytes]
    gossiper: Gossiper

    def peer_connected(self, peer: Peer) -> None:
        self.gossiper.peer_connected(peer)
        super().peer_connected(peer)

    def peer_disconnected(self, peer: Peer, reason: str) -> None:
        self.gossiper.peer_disconnected(peer)
        super().peer_disconnected(peer, reason)

    def on_frame(self, peer: Peer, kind: Kind, payload: bytes) -> None:
        if kind is Kind.LINKS:
            self.gossiper.links_changed(peer)
        elif kind is Kind.TRANSACTIONS:
            message = decode(kind, payload)
            assert isinstance(message, Transactions)
            hashes = [sha256(tx) for tx in message.items]
            self.gossiper.heard(peer, hashes)
            for tx_hash, tx in zip(hashes, message.items, strict=True):
                if tx_hash not in self.pool:
                    self.pool[tx_hash] = tx
                    self.gossiper.add([(tx_hash, tx)], peer.key, from_origin=message.origin)
        super().on_frame(peer, kind, payload)


async def test_transactions_reach_everybody_once_in_a_full_mesh() -> None:
    nodes = [GossipNode(key, PERMITTED) for key in (ALICE, BOB, CAROL, DAVE)]
    for node in nodes:
        node.pool, node.gossiper = {}, Gossiper(node.manager, node.key, GossipStreams())
    async with running(*nodes):
        for node in nodes:
            node.dial(*[other for other in nodes if other is not node])
        for node in nodes:
            await node.until(lambda node=node: len(node.manager.connected()) == 3)  # type: ignore[misc]
            full = [{other.key for other in nodes} - {peer.key} for peer in node.manager.connected()]
            await node.until(
                lambda node=node, full=full: [p.links for p in node.manager.connected()] == full  # type: ignore[misc]
            )
        for number in range(1_000):
            tx = number.to_bytes(300, "big")
            node = nodes[number % 4]
            node.pool[sha256(tx)] = tx
            node.gossiper.add([(sha256(tx), tx)])
        for node in nodes:
            await node.until(lambda node=node: len(node.pool) == 1_000)  # type: ignore[misc]
        carried = [decode(Kind.TRANSACTIONS, p) for node in nodes for p in node.received(Kind.TRANSACTIONS)]
        assert sum(len(m.items) for m in carried if isinstance(m, Transactions)) == 3_000


async def test_an_interrupted_frame_does_no_harm() -> None:
    alice = Node(ALICE, PERMITTED)
    async with running(alice):
        raw = await RawPeer.greeted(alice.manager.listen_port, BOB)
        raw.write(b"\0\x10\0\0\x06" + bytes(1_000))
        await raw.writer.drain()
        raw.close()
        await alice.until(lambda: bool(alice.departures))
        again = await RawPeer.greeted(alice.manager.listen_port, BOB)
        await alice.until(lambda: alice.is_connected(BOB.public_key))
        again.close()


async def test_frames_before_and_after_hello_are_in_their_place_only() -> None:
    alice = Node(ALICE, PERMITTED)
    hello = Hello(chain=CHAIN, version=1, height=0, instance=bytes(16))
    async with running(alice):
        early = await RawPeer.connect(alice.manager.listen_port, BOB)
        early.write(b"\0\0\0\x05\x06vote")
        await early.read_to_end()
        assert alice.arrivals == []
        twice = await RawPeer.greeted(alice.manager.listen_port, CAROL)
        twice.send(hello)
        await alice.until(lambda: alice.departures == [(CAROL.public_key, "a second HELLO")])
        other = await RawPeer.connect(alice.manager.listen_port, DAVE)
        other.send(Hello(chain="other", version=1, height=0, instance=bytes(16)))
        await other.read_to_end()
        assert not alice.is_connected(DAVE.public_key)
