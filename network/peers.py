"""All connections of a node: who may connect, whom to dial, and one peer for each key.

The manager listens, keeps a dialer for each configured peer, greets authenticated connections
with HELLO, keeps one connection per key, watches that peers live and drain, and scores what they
do wrong. Frames for the node go to its handlers as they come, synchronously.

Invariants:
    1. `peers` holds at most one connected peer for each key, permitted and not banned.
    2. `peer_connected` precedes every frame of a peer, `peer_disconnected` follows the last.
    3. Handlers see no HELLO, PING, PONG and no reply: those are settled here.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol, cast

from network.config import NetworkConfig, PeerAddress
from network.errors import OutOfPlace
from network.framing import encode_frame
from network.handshake import keeps_newcomer, read_hello
from network.hearsay import scope_of
from network.kinds import RULES, Kind
from network.messages import (
    COMPACT_PROPOSALS,
    PROTOCOL_VERSION,
    REPLY_KINDS,
    Addresses,
    Hello,
    Links,
    Message,
    Status,
    decode,
    encode_message,
    kind_of,
)
from network.peer import Peer, PeerInfo
from network.rate_limit import InboundLimits
from network.reach import Reach
from network.scoring import Offence, Scoreboard
from network.tasks import start_task, start_timer
from network.transport import Connection
from network.wire import Door, TlsWire, Wire
from vm.primitives.hashing import ZERO_HASH
from vm.primitives.keys import SigningKey

_log = logging.getLogger(__name__)

MAX_UNGREETED_PER_KEY: Final = 4
INSTANCE_BYTES: Final = 16
_LINKS_DELAY_SECONDS: Final = 0.05
_REPLIES: Final = frozenset(REPLY_KINDS.values())


class Handlers(Protocol):
    """What the node does with its peers; called from the event loop, must not block."""

    def peer_connected(self, peer: Peer) -> None:
        """A peer has been greeted; `peer.height` is what it says of itself."""

    def peer_disconnected(self, peer: Peer, reason: str) -> None:
        """A peer is gone; the same node may come back as another `Peer`."""

    def on_frame(self, peer: Peer, kind: Kind, payload: bytes) -> None:
        """A frame of kind STATUS or LINKS (already in the peer's fields), CONSENSUS, TRANSACTIONS or GET_*.

        May raise PeerError, which scores and drops the peer.
        """


class PeerManager:
    """The node's network.

    Args:
        key: the node's own key, its identity in TLS.
        is_permitted: asked at each handshake whether a key is in the chain's node list.
        wire: how connections come about; TLS over TCP without.
    """

    def __init__(
        self,
        config: NetworkConfig,
        key: SigningKey,
        is_permitted: Callable[[bytes], bool],
        wire: Wire | None = None,
    ) -> None:
        self._config = config
        self._own_key = key.public_key
        self._is_permitted = is_permitted
        self._scores = Scoreboard(config.scoring)
        self._wire: Wire = wire or TlsWire(config, key)
        self._instance = config.instance or os.urandom(INSTANCE_BYTES)
        self._status = Status(height=0, round=0, digest=ZERO_HASH)
        self._ungreeted: dict[Connection, None] = {}
        self._peers: dict[bytes, Peer] = {}
        self._limits: dict[bytes, InboundLimits] = {}
        self._reach = Reach(config, key.public_key, self._wire, self._new_connection, self._is_missing)
        self._listener: Door | None = None
        self._watching: asyncio.Task[None] | None = None
        self._links_due: asyncio.TimerHandle | None = None

    # -- starting and stopping ---------------------------------------------------------------------

    async def start(self, handlers: Handlers) -> None:
        """Listen and begin to dial.

        Args:
            handlers: are told from now on what comes.

        Raises:
            OSError: the listening address cannot be had.
        """
        self._handlers = handlers
        self._listener = self._wire.door(self._new_connection, self._is_welcome)
        self._listener.start(self._config.listen_host, self._config.listen_port)
        self._watching = start_task(self._watch(), "network-watch")
        self.set_addresses(self._config.peers)

    async def stop(self) -> None:
        """Close everything."""
        if self._listener is not None:
            await self._listener.close()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._reach.stop()
        for connection in self._connections():
            connection.close("this node stops")
        if self._links_due is not None:
            self._links_due.cancel()

    @property
    def listen_port(self) -> int:
        """The port that is listened on."""
        assert self._listener is not None
        return self._listener.port

    def set_addresses(self, peers: Iterable[PeerAddress]) -> None:
        """Replace the configured addresses: whom to dial, and where."""
        addresses = list(peers)
        for peer in addresses:
            if scope_of(peer.host) is not None:
                self._know(peer.host)
        self._reach.configure(addresses)

    # -- what the node uses ------------------------------------------------------------------------

    def peer(self, key: bytes) -> Peer | None:
        """Return the connected peer with this key."""
        return self._peers.get(key)

    def connected(self) -> list[Peer]:
        """Return the connected peers, in the order of their keys."""
        return [self._peers[key] for key in sorted(self._peers)]

    def peers(self) -> list[PeerInfo]:
        """Return what `node_peers` shows."""
        now_ms = self._now_ms()
        return [
            PeerInfo(
                address=peer.address,
                key=peer.key,
                direction=peer.direction,
                height=peer.height,
                round=peer.round,
                rtt_ms=peer.rtt_ms,
                score=self._scores.score(peer.key, now_ms),
            )
            for peer in self.connected()
        ]

    def broadcast(self, kind: Kind, payload: bytes, except_: bytes | None = None) -> int:
        """Queue a frame to all peers, but not to the key `except_`; returns how many took it."""
        frame = encode_frame(kind, payload)
        priority = RULES[kind].priority
        peers = [peer for peer in self._peers.values() if peer.key != except_]
        return sum(peer.connection.send_frame(priority, frame) for peer in peers)

    def broadcast_message(self, message: Message) -> int:
        """Queue a message to all peers; returns how many took it."""
        return self.broadcast(kind_of(message), encode_message(message))

    def send_to(self, keys: Iterable[bytes], kind: Kind, payload: bytes) -> list[bytes]:
        """Queue a frame to several peers, encoded once; returns those that did not take it."""
        frame = encode_frame(kind, payload)
        priority = RULES[kind].priority
        refused = []
        for key in keys:
            peer = self._peers.get(key)
            if peer is None or not peer.connection.send_frame(priority, frame):
                refused.append(key)
        return refused

    def send(self, key: bytes, kind: Kind, payload: bytes) -> bool:
        """Queue a frame to one peer; returns False when it is not connected or the frame was dropped."""
        peer = self._peers.get(key)
        return peer is not None and peer.send(kind, payload)

    def set_status(self, height: int, round_: int, digest: bytes) -> None:
        """Tell the peers where this node stands, if that is news."""
        status = Status(height=height, round=round_, digest=digest)
        if status != self._status:
            self._status = status
            self.broadcast_message(status)

    def penalise(self, key: bytes, offence: Offence) -> None:
        """Score a key; at the threshold its connections are dropped and it is shut out for a while."""
        if self._scores.add(key, offence, self._now_ms()):
            self._close_all(key, f"banned: {offence.value}")

    def enforce_permissions(self) -> None:
        """Disconnect peers that are not permitted any more; call it when the node list has changed."""
        for connection in self._connections():
            if not self._is_permitted(connection.key):
                connection.close("removed from the node list")
        self._limits = {key: limits for key, limits in self._limits.items() if self._is_permitted(key)}
        self._reach.wake_all()

    # -- connections: the owner's side of `transport` ----------------------------------------------

    def connection_ready(self, connection: Connection) -> None:
        """Greet an authenticated connection."""
        self._ungreeted[connection] = None
        connection.continue_limits(self._limits)
        listen = self._config.advertise or ("", self.listen_port)
        hello = Hello(
            chain=self._config.chain,
            version=PROTOCOL_VERSION,
            height=self._status.height,
            instance=self._instance,
            listen=listen,
        )
        connection.send(Kind.HELLO, encode_message(hello))

    def frame_received(self, connection: Connection, kind: Kind, payload: bytes) -> None:
        """Settle what is the network's own, and hand the rest to the node."""
        peer = self._peers.get(connection.key)
        if peer is None or peer.connection is not connection:
            self._greeted(connection, read_hello(self._config.chain, kind, payload))
        elif kind in _REPLIES:
            peer.reply_received(kind, payload)
        elif kind is Kind.PING:
            decode(kind, payload)
            peer.send(Kind.PONG, payload)
        elif kind is Kind.PONG:
            peer.pong_received(payload, asyncio.get_running_loop().time())
        elif kind is Kind.ADDRESSES:
            self._reach.told(peer.key, cast(Addresses, decode(kind, payload)).entries)
        elif kind is Kind.HELLO:
            raise OutOfPlace("a second HELLO")
        else:
            self._note(peer, kind, payload)
            self._handlers.on_frame(peer, kind, payload)

    def offence_committed(self, connection: Connection, offence: Offence) -> None:
        """Score the key behind a connection."""
        _log.info("peer %s: %s", connection.key.hex()[:16], offence.value)
        self.penalise(connection.key, offence)

    def connection_closed(self, connection: Connection, reason: str) -> None:
        """Forget a connection."""
        self._ungreeted.pop(connection, None)
        peer = self._peers.get(connection.key)
        if peer is not None and peer.connection is connection:
            del self._peers[connection.key]
            _log.info("peer %s at %s is gone: %s", peer.key.hex()[:16], peer.address, reason)
            peer.connection_ended(reason)
            self._links_changed()
            self._handlers.peer_disconnected(peer, reason)
        self._reach.wake(connection.key)

    # -- inside ------------------------------------------------------------------------------------

    def _new_connection(self, dialled_key: bytes | None = None) -> Connection:
        return Connection(self, self._is_welcome, self._wire.proved_key, self._config.inbound_rules, dialled_key)

    def _is_welcome(self, key: bytes) -> bool:
        if key == self._own_key or not self._is_permitted(key):
            return False
        ungreeted = sum(connection.key == key for connection in self._ungreeted)
        return ungreeted < MAX_UNGREETED_PER_KEY and not self._scores.is_banned(key, self._now_ms())

    def _greeted(self, connection: Connection, hello: Hello) -> None:
        self._ungreeted.pop(connection, None)
        standing = self._peers.get(connection.key)
        if standing is not None:
            if not keeps_newcomer(
                self._own_key,
                connection.key,
                same_instance=standing.instance == hello.instance,
                standing_dialled_by_us=standing.connection.dialled,
                newcomer_dialled_by_us=connection.dialled,
            ):
                connection.close("connected already")
                return
            standing.connection.close("replaced by a newer connection")
        peer = Peer(connection, hello, self.offence_committed)
        self._peers[peer.key] = peer
        self._know(connection.address[0])
        if hello.listen is not None:
            self._reach.announced(peer.key, connection.address[0], hello.listen)
        _log.info("peer %s at %s connected (%s)", peer.key.hex()[:16], peer.address, peer.direction)
        peer.send_message(self._status)
        peer.ping(asyncio.get_running_loop().time())
        self._links_changed()
        self._handlers.peer_connected(peer)

    def _note(self, peer: Peer, kind: Kind, payload: bytes) -> None:
        if kind is Kind.STATUS:
            status = decode(kind, payload)
            assert isinstance(status, Status)
            peer.height, peer.round, peer.digest = status.height, status.round, status.digest
        elif kind is Kind.LINKS:
            links = decode(kind, payload)
            assert isinstance(links, Links)
            peer.links = frozenset(links.keys) - {COMPACT_PROPOSALS}
            peer.reads_compact_proposals = COMPACT_PROPOSALS in links.keys

    def _links_changed(self) -> None:
        if self._links_due is None and self._listener is not None:
            self._links_due = start_timer(_LINKS_DELAY_SECONDS, self._send_links)

    def _send_links(self) -> None:
        self._links_due = None
        self.broadcast_message(Links(keys=(*sorted(self._peers), COMPACT_PROPOSALS)))
        self.broadcast_message(Addresses(entries=tuple(self._listening_peers())))

    def _listening_peers(self) -> Iterator[tuple[bytes, str, int]]:
        for peer in self.connected():
            if peer.listen is not None:
                host, port = peer.listen
                yield peer.key, host or peer.connection.address[0], port

    def _know(self, host: str) -> None:
        """Note that a peer is at an address: what comes from there has places of its own at the door."""
        if self._listener is not None:
            self._listener.know(host)

    def _is_missing(self, key: bytes) -> bool:
        return key not in self._peers and self._is_welcome(key)

    async def _watch(self) -> None:
        """Ping, and close what is dead, silent or does not drain."""
        timing = self._config.timing
        loop = asyncio.get_running_loop()
        last = next_ping = loop.time()
        while True:
            await asyncio.sleep(timing.tick)
            now = loop.time()
            # After a long stop of this very process no peer has been heard, by no fault of theirs.
            was_stopped = now - last > timing.dead_after / 2
            last = now
            self._close_overdue(now, was_stopped)
            if now >= next_ping:
                next_ping = now + timing.ping_interval
                for peer in list(self._peers.values()):
                    peer.ping(now)

    def _close_overdue(self, now: float, was_stopped: bool) -> None:
        timing = self._config.timing
        for connection in self._connections():
            if was_stopped:
                connection.heard_at = now
            elif now - connection.heard_at > timing.dead_after:
                connection.close("silent for too long")
            elif connection.stalled_seconds(now) > timing.drain:
                connection.close("does not drain")
            elif connection in self._ungreeted and now - connection.opened_at > timing.hello:
                connection.close("no HELLO in time")

    def _connections(self) -> Iterator[Connection]:
        return iter([*self._ungreeted, *(peer.connection for peer in self._peers.values())])

    def _close_all(self, key: bytes, reason: str) -> None:
        for connection in self._connections():
            if connection.key == key:
                connection.close(reason)

    def _now_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1_000)
