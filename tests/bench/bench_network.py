"""How much one connection carries: frames and bytes per second between two processes over TLS.

    python tests/bench/bench_network.py [--seconds 5] [--transactions 64] [--bytes 300]

The sender encodes and sends batches of transactions as fast as the receiver takes them; the receiver
decodes each frame strictly, as a node does. Both processes' CPU time is told, so that the cost per
frame can be read on a machine that does other things at once. Consensus votes travel on the same
connection meanwhile; their round trip shows what a loaded connection does to latency.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection as Pipe

from network.config import NetworkConfig, PeerAddress
from network.kinds import RULES, Kind, KindRule
from network.messages import Transactions, decode, encode_message
from network.peer import Peer
from network.peers import PeerManager
from vm.primitives.keys import SigningKey

CHAIN = "bench-0123456789abcdef"
SENDER, RECEIVER = SigningKey(b"s" * 32), SigningKey(b"r" * 32)
PERMITTED = {SENDER.public_key, RECEIVER.public_key}
IN_FLIGHT_FRAMES = 64
VOTE_INTERVAL_SECONDS = 0.02


class Receiver:
    """Counts what it decodes; acknowledges votes and every few frames of transactions."""

    def __init__(self) -> None:
        self.frames = self.transactions = self.bytes = 0
        self.gone = asyncio.Event()

    def peer_connected(self, peer: Peer) -> None:
        """Nothing to do."""

    def peer_disconnected(self, peer: Peer, reason: str) -> None:
        """The sender has finished."""
        self.gone.set()

    def on_frame(self, peer: Peer, kind: Kind, payload: bytes) -> None:
        """Do with a frame what a node does before its mempool."""
        if kind is Kind.TRANSACTIONS:
            message = decode(kind, payload)
            assert isinstance(message, Transactions)
            self.frames += 1
            self.transactions += len(message.items)
            self.bytes += len(payload)
            if self.frames % (IN_FLIGHT_FRAMES // 2) == 0:
                peer.send(Kind.CONSENSUS, b"ack")
        elif kind is Kind.CONSENSUS:
            peer.send(Kind.CONSENSUS, payload)


async def receive(pipe: Pipe) -> None:
    """Run the receiving process until its peer leaves."""
    receiver = Receiver()
    config = NetworkConfig(chain=CHAIN, listen_host="127.0.0.1", inbound_rules=without_limits())
    manager = PeerManager(config, RECEIVER, PERMITTED.__contains__)
    await manager.start(receiver)
    pipe.send(manager.listen_port)
    before = time.process_time()
    await receiver.gone.wait()
    cpu = time.process_time() - before
    pipe.send((receiver.frames, receiver.transactions, receiver.bytes, cpu))
    await manager.stop()


def receive_in_process(pipe: Pipe) -> None:
    """Entry point of the receiving process."""
    asyncio.run(receive(pipe))


def without_limits() -> Mapping[Kind, KindRule]:
    """Return rules by which one peer may send more transactions than any node lets it."""
    rule = RULES[Kind.TRANSACTIONS]
    return {**RULES, Kind.TRANSACTIONS: KindRule(rule.max_bytes, rule.priority, 10**9, 10**12)}


class Sender:
    """Keeps a window of frames in flight and times votes."""

    def __init__(self) -> None:
        self.connected: asyncio.Future[Peer] = asyncio.get_running_loop().create_future()
        self.room = asyncio.Semaphore(IN_FLIGHT_FRAMES)
        self.round_trips: list[float] = []

    def peer_connected(self, peer: Peer) -> None:
        """Begin."""
        if not self.connected.done():
            self.connected.set_result(peer)

    def peer_disconnected(self, peer: Peer, reason: str) -> None:
        """Nothing to do."""

    def on_frame(self, peer: Peer, kind: Kind, payload: bytes) -> None:
        """Take acknowledgements."""
        if payload == b"ack":
            for _ in range(IN_FLIGHT_FRAMES // 2):
                self.room.release()
        elif kind is Kind.CONSENSUS:
            self.round_trips.append(time.perf_counter() - float(payload))


async def vote(peer: Peer) -> None:
    """Send small urgent frames at a steady pace."""
    while True:
        peer.send(Kind.CONSENSUS, repr(time.perf_counter()).encode().ljust(300))
        await asyncio.sleep(VOTE_INTERVAL_SECONDS)


async def send(port: int, seconds: float, transactions: int, size: int) -> tuple[float, list[float]]:
    """Run the sending side; returns the seconds that it took and the votes' round trips."""
    sender = Sender()
    config = NetworkConfig(
        chain=CHAIN,
        listen_host="127.0.0.1",
        peers=(PeerAddress(RECEIVER.public_key, "127.0.0.1", port),),
    )
    manager = PeerManager(config, SENDER, PERMITTED.__contains__)
    await manager.start(sender)
    peer = await sender.connected
    items = tuple(os.urandom(size) for _ in range(transactions))
    voting = asyncio.create_task(vote(peer))
    began = time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        await sender.room.acquire()
        peer.send(Kind.TRANSACTIONS, encode_message(Transactions(True, items)))
    voting.cancel()
    await manager.stop()
    return now - began, sender.round_trips


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--transactions", type=int, default=64)
    parser.add_argument("--bytes", type=int, default=300)
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=receive_in_process, args=(theirs,))
    process.start()
    port = ours.recv()
    before = time.process_time()
    elapsed, trips = asyncio.run(send(port, options.seconds, options.transactions, options.bytes))
    cpu = time.process_time() - before
    frames, transactions, volume, receiver_cpu = ours.recv()
    process.join()
    print(f"{frames / elapsed:,.0f} frames/s   {transactions / elapsed:,.0f} transactions/s")
    print(f"{volume / elapsed / 1e6:.1f} MB/s")
    print(f"CPU per frame: sender {cpu / frames * 1e6:.0f} µs, receiver {receiver_cpu / frames * 1e6:.0f} µs")
    trips.sort()
    print(
        f"vote round trip under load: median {statistics.median(trips) * 1e3:.1f} ms,"
        f" p99 {trips[int(len(trips) * 0.99)] * 1e3:.1f} ms ({len(trips)} votes)"
    )


if __name__ == "__main__":
    main()
