"""Nodes and attackers on localhost for the network's integration tests."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from network.certificates import SERVER_NAME, make_contexts
from network.config import NetworkConfig, PeerAddress, Timing
from network.door import DoorRules
from network.framing import HEADER_BYTES, encode_frame
from network.kinds import Kind
from network.messages import Hello, Message, encode_message, kind_of
from network.peer import Peer
from network.peers import PeerManager
from network.scoring import ScoringRules
from vm.primitives.keys import SigningKey

CHAIN = "demo-0123456789abcdef"
HOST = "127.0.0.1"
WAIT_SECONDS = 20.0
"""How long a test waits for what must happen; reached only by a failing test."""

QUICK = Timing(redial_base=0.02, redial_cap=0.1, stable=0.5, stagger=0.05, ping_interval=0.2, tick=0.1)
"""Comes back quickly, and is patient with a busy machine."""

IMPATIENT = replace(QUICK, handshake=1.0, hello=1.0, dead_after=1.0, drain=1.0)
"""For tests that wait until patience ends."""


def keys(count: int) -> list[SigningKey]:
    """Return signing keys in the order of their public keys."""
    return sorted((SigningKey(bytes([i + 1]) * 32) for i in range(count)), key=lambda key: key.public_key)


class Node:
    """A peer manager whose handlers remember what they were told."""

    def __init__(
        self,
        key: SigningKey,
        permitted: set[bytes],
        chain: str = CHAIN,
        timing: Timing = QUICK,
        scoring: ScoringRules | None = None,
        peers: tuple[PeerAddress, ...] = (),
        port: int = 0,
        door: DoorRules | None = None,
    ) -> None:
        self.key = key.public_key
        self.frames: list[tuple[bytes, Kind, bytes]] = []
        self.arrivals: list[Peer] = []
        self.departures: list[tuple[bytes, str]] = []
        self.reaction: Callable[[Peer, Kind, bytes], None] | None = None
        self._news = asyncio.Event()
        config = NetworkConfig(
            chain=chain,
            listen_host=HOST,
            listen_port=port,
            peers=peers,
            timing=timing,
            scoring=scoring or ScoringRules(),
            door=door or DoorRules(),
        )
        self.manager = PeerManager(config, key, permitted.__contains__)

    @property
    def address(self) -> PeerAddress:
        return PeerAddress(self.key, HOST, self.manager.listen_port)

    def dial(self, *others: Node) -> None:
        self.manager.set_addresses([other.address for other in others])

    def peer_connected(self, peer: Peer) -> None:
        self.arrivals.append(peer)
        self._news.set()

    def peer_disconnected(self, peer: Peer, reason: str) -> None:
        self.departures.append((peer.key, reason))
        self._news.set()

    def on_frame(self, peer: Peer, kind: Kind, payload: bytes) -> None:
        self.frames.append((peer.key, kind, payload))
        self._news.set()
        if self.reaction is not None:
            self.reaction(peer, kind, payload)

    def received(self, kind: Kind, sender: bytes | None = None) -> list[bytes]:
        return [p for key, k, p in self.frames if k is kind and sender in (None, key)]

    def is_connected(self, other: bytes) -> bool:
        return self.manager.peer(other) is not None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds, looking again at each thing that the handlers are told."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not condition():
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def running(*nodes: Node) -> AsyncIterator[None]:
    """Start nodes, and stop them at the end."""
    for node in nodes:
        await node.manager.start(node)
    try:
        yield
    finally:
        for node in nodes:
            await node.manager.stop()


class RawPeer:
    """A TLS client that speaks only as its test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(
        cls, port: int, key: SigningKey, chain: str = CHAIN, context: ssl.SSLContext | None = None
    ) -> RawPeer:
        context = context or make_contexts(chain, key).client
        return cls(*await asyncio.open_connection(HOST, port, ssl=context, server_hostname=SERVER_NAME))

    @classmethod
    async def greeted(cls, port: int, key: SigningKey) -> RawPeer:
        """Connect and exchange HELLOs."""
        raw = await cls.connect(port, key)
        raw.send(Hello(chain=CHAIN, version=1, height=0, instance=key.seed[:16]))
        kind, _ = await raw.read_frame()
        assert kind is Kind.HELLO
        return raw

    def send(self, message: Message) -> None:
        self.write(encode_frame(kind_of(message), encode_message(message)))

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def read_frame(self) -> tuple[Kind, bytes]:
        async with asyncio.timeout(WAIT_SECONDS):
            header = await self.reader.readexactly(HEADER_BYTES)
            length = int.from_bytes(header[:4], "big") - 1
            return Kind(header[4]), await self.reader.readexactly(length)

    async def read_to_end(self) -> bytes:
        """Return everything until the other side closes, however it does."""
        data = b""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            async with asyncio.timeout(WAIT_SECONDS):
                while chunk := await self.reader.read(65_536):
                    data += chunk
        return data

    def close(self) -> None:
        self.writer.transport.abort()
