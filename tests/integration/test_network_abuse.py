"""What one bad peer can do to the others: nothing."""

import asyncio
import contextlib
import gc

import pytest
from network_nodes import IMPATIENT, WAIT_SECONDS, Node, RawPeer, keys, running

from network.errors import MalformedFrame
from network.framing import encode_frame
from network.kinds import BURST_SECONDS, MIB, RULES, Kind
from network.messages import Ping, Transactions, decode, encode_message
from network.outbox import QUEUE_BYTES
from network.peer import Peer
from network.scoring import Offence, ScoringRules
from tests.support.frame_noise import HOSTILE_FRAMES
from vm.primitives.keys import SigningKey

pytestmark = pytest.mark.integration

ALICE, BOB, CAROL, MALLORY = keys(4)
PERMITTED = {key.public_key for key in (ALICE, BOB, CAROL, MALLORY)}


@pytest.mark.parametrize("offence", sorted(HOSTILE_FRAMES))
async def test_nonsense_drops_its_sender_and_nobody_else(offence: str) -> None:
    def decoded(peer: Peer, kind: Kind, payload: bytes) -> None:
        if kind is not Kind.CONSENSUS:
            decode(kind, payload)

    alice, bob = Node(ALICE, PERMITTED), Node(BOB, PERMITTED)
    alice.reaction = decoded
    async with running(alice, bob):
        bob.dial(alice)
        await alice.until(lambda: alice.is_connected(bob.key))
        mallory = await RawPeer.greeted(alice.manager.listen_port, MALLORY)
        await alice.until(lambda: alice.is_connected(MALLORY.public_key))
        mallory.write(HOSTILE_FRAMES[offence])
        await alice.until(lambda: not alice.is_connected(MALLORY.public_key))
        bob.manager.send(alice.key, Kind.CONSENSUS, b"still here")
        await alice.until(lambda: alice.received(Kind.CONSENSUS) == [b"still here"])
        assert [key for key, _ in alice.departures] == [MALLORY.public_key]
        assert alice.manager._scores.score(MALLORY.public_key, alice.manager._now_ms()) >= 19


async def test_a_repeated_offender_is_shut_out_until_the_ban_ends() -> None:
    alice = Node(ALICE, PERMITTED, scoring=ScoringRules(ban_ms=300))
    async with running(alice):
        for times in (1, 2, 3):
            mallory = await RawPeer.greeted(alice.manager.listen_port, MALLORY)
            await alice.until(lambda times=times: len(alice.arrivals) == times)  # type: ignore[misc]
            mallory.write(HOSTILE_FRAMES["an empty frame"])
            await alice.until(lambda times=times: len(alice.departures) == times)  # type: ignore[misc]
        mallory = await RawPeer.connect(alice.manager.listen_port, MALLORY)
        assert await mallory.read_to_end() == b""
        bob = await RawPeer.greeted(alice.manager.listen_port, BOB)
        await alice.until(lambda: alice.is_connected(BOB.public_key))
        bob.close()
        async with asyncio.timeout(WAIT_SECONDS):
            while not (greeting := await greet(alice, MALLORY)):
                pass
        assert greeting.startswith(b"\0\0\0")


async def greet(node: Node, key: SigningKey) -> bytes:
    """Connect, and return the first bytes that the node sends; none when it hangs up."""
    raw = await RawPeer.connect(node.manager.listen_port, key)
    data = b""
    with contextlib.suppress(ConnectionError):
        data = await raw.reader.read(5)
    raw.close()
    return data


async def test_what_only_the_node_can_judge_is_scored_too() -> None:
    def judge(peer: Peer, kind: Kind, payload: bytes) -> None:
        if kind is Kind.CONSENSUS and payload == b"forged":
            peer.penalise(Offence.BAD_SIGNATURE)
        if kind is Kind.CONSENSUS and payload == b"malformed":
            raise MalformedFrame("no consensus message")

    alice = Node(ALICE, PERMITTED)
    alice.reaction = judge
    async with running(alice):
        mallory = await RawPeer.greeted(alice.manager.listen_port, MALLORY)
        mallory.write(encode_frame(Kind.CONSENSUS, b"forged"))
        await alice.until(lambda: bool(alice.received(Kind.CONSENSUS)))
        assert alice.manager.peers()[0].score in (39, 40)
        mallory.write(encode_frame(Kind.CONSENSUS, b"malformed"))
        await alice.until(lambda: alice.departures == [(MALLORY.public_key, "no consensus message")])
        for _ in range(3):
            alice.manager.penalise(MALLORY.public_key, Offence.BAD_SIGNATURE)
        again = await RawPeer.connect(alice.manager.listen_port, MALLORY)
        assert await again.read_to_end() == b""


@pytest.mark.parametrize("frames_before", [0, BURST_SECONDS * RULES[Kind.CONSENSUS].frames_per_second + 1])
async def test_our_own_fault_in_a_handler_reaches_the_loops_exception_handler(frames_before: int) -> None:
    """Also where the frame was held back by the rate limit and comes up by a timer."""

    def broken(peer: Peer, kind: Kind, payload: bytes) -> None:
        if payload == b"the one":
            raise AssertionError("an invariant of the node")

    alice = Node(ALICE, PERMITTED)
    alice.reaction = broken
    caught: asyncio.Queue[object] = asyncio.Queue()
    asyncio.get_running_loop().set_exception_handler(lambda _, what: caught.put_nowait(what["exception"]))
    async with running(alice):
        bob = await RawPeer.greeted(alice.manager.listen_port, BOB)
        bob.write(encode_frame(Kind.CONSENSUS, b"") * frames_before + encode_frame(Kind.CONSENSUS, b"the one"))
        async with asyncio.timeout(WAIT_SECONDS):
            assert isinstance(await caught.get(), AssertionError)
        assert alice.departures == [(BOB.public_key, "an error of this node")]
        bob.close()


async def test_a_slow_reader_costs_bounded_memory_and_gets_the_urgent_first() -> None:
    alice = Node(ALICE, PERMITTED)
    async with running(alice):
        slow = await RawPeer.greeted(alice.manager.listen_port, BOB)
        await alice.until(lambda: alice.is_connected(BOB.public_key))
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        connection = alice.arrivals[0].connection
        chunk = bytes(500_000)
        accepted = 0
        for _ in range(200):
            accepted += alice.manager.broadcast(Kind.TRANSACTIONS, chunk)
            await asyncio.sleep(0)
        # The kernel's socket buffers hold a few MiB more on both sides.
        assert accepted * len(chunk) <= QUEUE_BYTES[RULES[Kind.TRANSACTIONS].priority] + 16 * MIB
        assert connection.queued_bytes <= QUEUE_BYTES[RULES[Kind.TRANSACTIONS].priority] + 2 * MIB
        assert alice.manager.broadcast(Kind.CONSENSUS, b"urgent") == 1
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        before = 0
        while (await slow.read_frame())[0] is not Kind.CONSENSUS:
            before += 1
        assert before < accepted
        slow.close()


async def test_a_peer_that_does_not_drain_is_disconnected() -> None:
    alice = Node(ALICE, PERMITTED)
    async with running(alice):
        slow = await RawPeer.greeted(alice.manager.listen_port, BOB)
        await alice.until(lambda: alice.is_connected(BOB.public_key))
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        while alice.manager.broadcast(Kind.CONSENSUS, bytes(RULES[Kind.CONSENSUS].max_bytes)):
            slow.send(Ping(id=1))
            await asyncio.sleep(0)
        await alice.until(lambda: alice.departures == [(BOB.public_key, "does not drain")])
        slow.close()


async def test_a_stalled_peer_that_still_talks_is_disconnected() -> None:
    alice = Node(ALICE, PERMITTED, timing=IMPATIENT)
    async with running(alice):
        slow = await RawPeer.greeted(alice.manager.listen_port, BOB)
        await alice.until(lambda: alice.is_connected(BOB.public_key))
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(200):
            alice.manager.broadcast(Kind.TRANSACTIONS, bytes(500_000))
            await asyncio.sleep(0)
        async with asyncio.timeout(WAIT_SECONDS):
            while not alice.departures:
                slow.send(Ping(id=1))
                await asyncio.sleep(0.1)
        assert alice.departures == [(BOB.public_key, "does not drain")]
        slow.close()


async def test_a_flood_is_slowed_then_shut_out_and_starves_nobody() -> None:
    alice, bob = Node(ALICE, PERMITTED, scoring=ScoringRules(threshold=20)), Node(BOB, PERMITTED)
    async with running(alice, bob):
        bob.dial(alice)
        await alice.until(lambda: alice.is_connected(bob.key))
        mallory = await RawPeer.greeted(alice.manager.listen_port, MALLORY)
        await alice.until(lambda: alice.is_connected(MALLORY.public_key))
        frame = encode_frame(Kind.TRANSACTIONS, encode_message(Transactions(True, (bytes(96),))))
        flood = asyncio.ensure_future(pour(mallory, frame * 200))
        for number in range(100):
            bob.manager.send(alice.key, Kind.CONSENSUS, bytes((number,)))
            await alice.until(lambda number=number: len(alice.received(Kind.CONSENSUS)) > number)  # type: ignore[misc]
        await alice.until(lambda: bool(alice.departures))
        await flood
        assert alice.departures == [(MALLORY.public_key, "banned: flood")]
        assert alice.is_connected(bob.key)
        rate = RULES[Kind.TRANSACTIONS].frames_per_second
        assert len(alice.received(Kind.TRANSACTIONS)) <= rate * (BURST_SECONDS + 10)


async def pour(peer: RawPeer, data: bytes) -> None:
    """Write as fast as the other side lets us, until it hangs up."""
    try:
        while True:
            peer.write(data)
            await peer.writer.drain()
    except ConnectionError:
        return


async def test_a_hello_that_trickles_in_is_not_waited_for() -> None:
    """Never silent, never greeted: bytes alone do not keep a connection."""
    alice = Node(ALICE, PERMITTED, timing=IMPATIENT)
    async with running(alice):
        mallory = await RawPeer.connect(alice.manager.listen_port, MALLORY)
        end = asyncio.ensure_future(mallory.read_to_end())
        mallory.write(b"\0\0\x03\xff\x01")
        async with asyncio.timeout(WAIT_SECONDS):
            while not end.done():
                mallory.write(b"x")
                await asyncio.wait([end], timeout=0.1)
        assert alice.arrivals == []


async def test_a_bomb_of_connections_leaves_no_litter() -> None:
    alice = Node(ALICE, PERMITTED)
    async with running(alice):
        for _ in range(20):
            mallory = await RawPeer.greeted(alice.manager.listen_port, MALLORY)
            mallory.close()
        await alice.until(lambda: len(alice.departures) == len(alice.arrivals) == 20)
        gc.collect()
        assert alice.manager.peers() == []
        assert not alice.manager._ungreeted


async def test_hanging_up_does_not_refill_what_a_peer_may_send_at_once() -> None:
    """A burst is free once: otherwise twenty connections a second would be twenty bursts a second."""
    alice = Node(ALICE, PERMITTED)
    burst = BURST_SECONDS * RULES[Kind.CONSENSUS].frames_per_second
    async with running(alice):
        first = await RawPeer.greeted(alice.manager.listen_port, MALLORY)
        await alice.until(lambda: len(alice.arrivals) == 1)
        first.write(encode_frame(Kind.CONSENSUS, b"vote") * burst)
        await alice.until(lambda: len(alice.received(Kind.CONSENSUS)) == burst)
        assert alice.manager.peers()[0].score == 0
        first.close()
        await alice.until(lambda: len(alice.departures) == 1)
        again = await RawPeer.greeted(alice.manager.listen_port, MALLORY)
        await alice.until(lambda: len(alice.arrivals) == 2)
        again.write(encode_frame(Kind.CONSENSUS, b"vote") * burst)
        await alice.until(lambda: alice.manager.peers()[0].score > 0 or len(alice.frames) == 2 * burst)
        assert len(alice.frames) < 2 * burst
        again.close()
