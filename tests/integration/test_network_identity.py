"""Who gets in: mutual TLS on real sockets, and everybody who must stay outside."""

import asyncio
import contextlib
import ssl

import pytest
from network_nodes import CHAIN, HOST, IMPATIENT, WAIT_SECONDS, Node, RawPeer, keys, running

from network.certificates import TlsContexts, make_contexts
from network.config import PeerAddress
from network.kinds import Kind

pytestmark = pytest.mark.integration

ALICE, BOB, CAROL, MALLORY = keys(4)
PERMITTED = {ALICE.public_key, BOB.public_key, CAROL.public_key}


def old_tls(contexts: TlsContexts) -> ssl.SSLContext:
    context = contexts.client
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def without_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def assert_still_serves(node: Node) -> None:
    """A permitted peer gets through, whatever strangers did before."""
    raw = await RawPeer.greeted(node.manager.listen_port, BOB)
    await node.until(lambda: node.is_connected(BOB.public_key))
    raw.close()


async def test_permitted_nodes_talk_both_ways() -> None:
    alice, bob = Node(ALICE, PERMITTED), Node(BOB, PERMITTED)
    async with running(alice, bob):
        bob.dial(alice)
        await bob.until(lambda: bob.is_connected(alice.key))
        await alice.until(lambda: alice.is_connected(bob.key))
        assert bob.manager.send(alice.key, Kind.CONSENSUS, b"from bob")
        assert alice.manager.broadcast(Kind.CONSENSUS, b"from alice") == 1
        await alice.until(lambda: alice.received(Kind.CONSENSUS) == [b"from bob"])
        await bob.until(lambda: bob.received(Kind.CONSENSUS) == [b"from alice"])


async def test_a_key_outside_the_node_list_is_closed_before_any_frame() -> None:
    alice = Node(ALICE, PERMITTED)
    async with running(alice):
        raw = await RawPeer.connect(alice.manager.listen_port, MALLORY)
        raw.write(b"\0\0\0\x05\x06vote")
        assert await raw.read_to_end() == b""
        await assert_still_serves(alice)
        assert [peer.key for peer in alice.arrivals] == [BOB.public_key]
        assert not alice.received(Kind.CONSENSUS)


async def test_a_permission_can_be_given_and_taken_while_running() -> None:
    permitted = set(PERMITTED)
    alice, mallory = Node(ALICE, permitted), Node(MALLORY, {ALICE.public_key})
    async with running(alice, mallory):
        mallory.dial(alice)
        permitted.add(MALLORY.public_key)
        await alice.until(lambda: alice.is_connected(MALLORY.public_key))
        permitted.remove(MALLORY.public_key)
        alice.manager.enforce_permissions()
        assert not alice.is_connected(MALLORY.public_key)
        assert alice.departures == [(MALLORY.public_key, "removed from the node list")]
        await mallory.until(lambda: not mallory.is_connected(ALICE.public_key))


@pytest.mark.parametrize("stranger", ["another chain", "tls 1.2", "no certificate"])
async def test_a_handshake_that_does_not_fit_fails(stranger: str) -> None:
    context = {
        "another chain": make_contexts("demo-fedcba9876543210", BOB).client,
        "tls 1.2": old_tls(make_contexts(CHAIN, BOB)),
        "no certificate": without_certificate(),
    }[stranger]
    alice = Node(ALICE, PERMITTED)
    async with running(alice):
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            raw = await RawPeer.connect(alice.manager.listen_port, BOB, context=context)
            assert await raw.read_to_end() == b""
        assert alice.arrivals == []
        await assert_still_serves(alice)


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", bytes(1_000), b"\x16\x03\x01\xff\xff" * 50])
async def test_plain_tcp_garbage_is_closed(garbage: bytes) -> None:
    alice = Node(ALICE, PERMITTED)
    async with running(alice):
        reader, writer = await asyncio.open_connection(HOST, alice.manager.listen_port)
        writer.write(garbage)
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(WAIT_SECONDS):
                await reader.read()
        writer.close()
        await assert_still_serves(alice)


async def test_whoever_connects_and_says_nothing_is_closed() -> None:
    alice = Node(ALICE, PERMITTED, timing=IMPATIENT)
    async with running(alice):
        reader, writer = await asyncio.open_connection(HOST, alice.manager.listen_port)
        async with asyncio.timeout(WAIT_SECONDS):
            assert await reader.read() == b""
        writer.close()
        raw = await RawPeer.connect(alice.manager.listen_port, CAROL)
        kind, _ = await raw.read_frame()
        assert kind is Kind.HELLO
        assert await raw.read_to_end() == b""
        assert alice.arrivals == []
        await assert_still_serves(alice)


async def test_a_dialler_notices_that_it_reached_another_node() -> None:
    """Carol is permitted, but she sits at Bob's address: she gets no frame, not even a HELLO."""
    accepted = asyncio.Semaphore(0)
    heard: list[bytes] = []

    class Carol(asyncio.Protocol):
        def __init__(self) -> None:
            accepted.release()

        def data_received(self, data: bytes) -> None:
            heard.append(data)

    contexts = make_contexts(CHAIN, CAROL)
    impostor = await asyncio.get_running_loop().create_server(Carol, HOST, 0, ssl=contexts.server)
    port = impostor.sockets[0].getsockname()[1]
    alice = Node(ALICE, PERMITTED, peers=(PeerAddress(BOB.public_key, HOST, port),))
    async with impostor, running(alice):
        async with asyncio.timeout(WAIT_SECONDS):
            for _ in range(4):
                await accepted.acquire()
        assert heard == []
        assert alice.arrivals == []


async def test_a_node_never_connects_to_itself() -> None:
    alice = Node(ALICE, PERMITTED)
    async with running(alice):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            raw = await RawPeer.connect(alice.manager.listen_port, ALICE)
            assert await raw.read_to_end() == b""
        assert alice.arrivals == []


async def test_a_session_ticket_does_not_spare_the_check() -> None:
    """A removed node that tries to resume its old session finds no session to resume."""
    permitted = set(PERMITTED)
    alice = Node(ALICE, permitted)
    async with running(alice):
        context = make_contexts(CHAIN, CAROL).client
        raw = await RawPeer.connect(alice.manager.listen_port, CAROL, context=context)
        await raw.read_frame()
        session = raw.writer.get_extra_info("ssl_object").session
        raw.close()
        assert session is None or not session.has_ticket
        permitted.remove(CAROL.public_key)
        again = await RawPeer.connect(alice.manager.listen_port, CAROL, context=context)
        assert await again.read_to_end() == b""
