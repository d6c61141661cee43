"""Floods of connections from a peer's own address: the peer is served, and what is half-open is bounded."""

import asyncio
import contextlib
import gc
import os
import sys
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from network_nodes import CHAIN, HOST, IMPATIENT, QUICK, WAIT_SECONDS, Node, RawPeer, keys, running

from network.door import DoorRules, LaneRule
from network.listener import Listener
from tests.support.frame_noise import from_fresh_keys
from tests.support.p2p_flood import MODES

pytestmark = pytest.mark.integration

ALICE, BOB, CAROL, MALLORY = keys(4)
PERMITTED = {ALICE.public_key, BOB.public_key, CAROL.public_key}

FRESH_KEYS = int(os.environ.get("ENTENTE_FRAME_NOISE", "300"))
OPEN_DOOR = DoorRules(strangers=LaneRule(64, 64), known=LaneRule(64, 64))
"""Every handshake is served, so that what comes after it is tested."""


def listener(node: Node) -> Listener:
    assert node.manager._listener is not None
    return node.manager._listener


@contextlib.asynccontextmanager
async def flooded(node: Node, mode: str) -> AsyncIterator[None]:
    """Flood a node from another process, which has made some connections already."""
    arguments = ("-m", "tests.support.p2p_flood", mode, str(node.manager.listen_port), CHAIN)
    flooder = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        assert flooder.stdout is not None
        async with asyncio.timeout(WAIT_SECONDS):
            for _ in range(4):
                assert await flooder.stdout.readline()
        yield
        assert flooder.returncode is None, "the flooder has ended by itself"
    finally:
        with contextlib.suppress(ProcessLookupError):
            flooder.kill()
        # What it still writes must not keep its end of the pipe open.
        await flooder.communicate()


@pytest.mark.parametrize("mode", MODES)
async def test_a_peer_behind_the_flooders_address_is_served(mode: str) -> None:
    alice = Node(ALICE, PERMITTED)
    bob = Node(BOB, PERMITTED, timing=replace(QUICK, redial_base=0.2, redial_cap=1.0))
    async with running(alice, bob), flooded(alice, mode):
        for times in (1, 2, 3):
            bob.dial(alice)
            await alice.until(lambda times=times: len(alice.arrivals) == times)  # type: ignore[misc]
            alice.arrivals[-1].connection.close("test")
        assert listener(alice).half_open <= DoorRules().half_open


async def test_after_a_flood_there_is_no_debt() -> None:
    """Carol shows no ticket, as another implementation may not."""
    alice = Node(ALICE, PERMITTED)
    async with running(alice):
        async with flooded(alice, "connect"):
            pass
        carol = await RawPeer.greeted(alice.manager.listen_port, CAROL)
        await alice.until(lambda: alice.is_connected(CAROL.public_key))
        carol.close()


async def test_the_oldest_silent_connections_make_room() -> None:
    alice = Node(ALICE, PERMITTED)
    share = DoorRules().strangers_waiting.per_source
    async with running(alice):
        silent = [await asyncio.open_connection(HOST, alice.manager.listen_port) for _ in range(share + 40)]
        async with asyncio.timeout(WAIT_SECONDS):
            for reader, _ in silent[:40]:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
        assert not any(reader.at_eof() for reader, _ in silent[40:])
        assert listener(alice).half_open == share
        for _, writer in silent:
            writer.transport.abort()


@pytest.mark.parametrize("beginning", [b"", b"\x16", b"\x16\x03\x01\x01\x00\x01"])
async def test_a_client_hello_that_does_not_come_whole_is_not_waited_for(beginning: bytes) -> None:
    alice = Node(ALICE, PERMITTED, timing=IMPATIENT)
    async with running(alice):
        reader, writer = await asyncio.open_connection(HOST, alice.manager.listen_port)
        writer.write(beginning)
        async with asyncio.timeout(WAIT_SECONDS):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
        assert listener(alice).half_open == 0


async def test_a_client_hello_in_pieces_is_put_together() -> None:
    alice, bob = Node(ALICE, PERMITTED), Node(BOB, PERMITTED)

    async def trickle(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        reader, writer = await asyncio.open_connection(HOST, alice.manager.listen_port)
        back = asyncio.ensure_future(pipe(reader, outgoing))
        for _ in range(3):
            writer.write(await incoming.readexactly(40))
            await asyncio.sleep(0.03)
        await pipe(incoming, writer)
        await back

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    relay = await asyncio.start_server(trickle, HOST, 0)
    async with running(alice, bob):
        bob.manager.set_addresses([replace(alice.address, port=relay.sockets[0].getsockname()[1])])
        await alice.until(lambda: alice.is_connected(bob.key))
    relay.close()


async def test_random_frames_from_fresh_keys_are_closed_and_leave_nothing() -> None:
    """ENTENTE_FRAME_NOISE=10000 makes it as many."""
    alice = Node(ALICE, PERMITTED, door=OPEN_DOOR)
    async with running(alice):
        await from_fresh_keys(alice.manager.listen_port, CHAIN, 50)
        gc.collect()
        gc.disable()
        tracemalloc.start()
        try:
            before = held_by_the_network()
            tally = await from_fresh_keys(alice.manager.listen_port, CHAIN, FRESH_KEYS, seed=2)
            await until_empty(alice)
            grown = held_by_the_network() - before
        finally:
            tracemalloc.stop()
            gc.enable()
        assert (tally.served, tally.hung_up) == (0, FRESH_KEYS)
        assert alice.arrivals == []
        # Two receive buffers; 10,000 strangers leave 0.1 MB of small cycles to the collector, which is off here.
        assert grown < 256 * 1024
        bob = await RawPeer.greeted(alice.manager.listen_port, BOB)
        await alice.until(lambda: alice.is_connected(BOB.public_key))
        bob.close()


async def until_empty(node: Node) -> None:
    """Wait until the node has noticed that the last strangers are gone; it tells nobody of strangers."""
    async with asyncio.timeout(WAIT_SECONDS):
        while listener(node).half_open or node.manager._ungreeted:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def held_by_the_network() -> int:
    """Return the bytes that the network's own lines have allocated and still hold; garbage counts."""
    taken = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/network/*")])
    return sum(statistic.size for statistic in taken.statistics("filename"))
