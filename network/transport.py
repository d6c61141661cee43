"""One authenticated connection: asyncio and TLS below, whole frames above.

A `BufferedProtocol`: TLS decrypts into the frame reader's own buffer; each frame is handed to the
owner synchronously, without a task. Sending queues a frame; what was queued in one turn of the loop
leaves in one write, most urgent first, and only while the transport is below its high-water mark.

Invariants:
    1. The owner hears of a connection only after its key passed `authenticate`; before, nothing is
       parsed and nothing is sent.
    2. Reading pauses when a kind's allowance is spent; what was read already is held, not dropped.
    3. Memory is bounded: reader, outbox and transport buffers each have their limit.
    4. Exactly one `connection_closed` follows each `connection_ready`.

An exception other than PeerError out of the owner's callbacks is our own fault. It ends the connection
and goes on to the loop's exception handler, which the node sets.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Final, Protocol, cast

from network.errors import NotPermitted, PeerError
from network.framing import FrameReader, encode_frame
from network.kinds import KIB, RULES, Kind, KindRule, Priority
from network.outbox import Outbox
from network.rate_limit import InboundLimits
from network.scoring import Offence
from network.stages import STAGES

HIGH_WATER_BYTES: Final = 256 * KIB
"""Above this much unsent in the transport, frames wait in the outbox, where the urgent overtake."""

FLUSH_BYTES: Final = 1024 * KIB
"""At most about this much is encrypted in one turn of the loop."""

MIN_PAUSE_SECONDS: Final = 0.25
"""Reading pauses at least so long, so that a flooding peer cannot make us pause at each frame."""


class ConnectionOwner(Protocol):
    """Who runs a connection: the peer manager."""

    def connection_ready(self, connection: Connection) -> None:
        """The other side is authenticated; frames may flow from now on."""

    def frame_received(self, connection: Connection, kind: Kind, payload: bytes) -> None:
        """A whole frame has come; may raise PeerError."""

    def offence_committed(self, connection: Connection, offence: Offence) -> None:
        """The peer did something wrong; the owner scores it."""

    def connection_closed(self, connection: Connection, reason: str) -> None:
        """The connection is over."""


class Connection(asyncio.BufferedProtocol):
    """Frames to and from one authenticated peer.

    Args:
        is_welcome: whether a proved key may connect now.
        proved_key: the key that a transport's other side has proved to hold; raises NotPermitted.
        rules: how much of each kind is read without pausing.
        dialled_key: whom this side meant to reach; None when the other side dialled.
    """

    def __init__(
        self,
        owner: ConnectionOwner,
        is_welcome: Callable[[bytes], bool],
        proved_key: Callable[[asyncio.BaseTransport], bytes],
        rules: Mapping[Kind, KindRule],
        dialled_key: bytes | None = None,
    ) -> None:
        self._owner = owner
        self._is_welcome = is_welcome
        self._proved_key = proved_key
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._limits = InboundLimits(self._loop.time(), rules)
        self._outbox = Outbox()
        self._transport: asyncio.Transport | None = None
        self._flush_scheduled = False
        self._writing_paused_at: float | None = None
        self._held: asyncio.TimerHandle | None = None
        self._reason = "closed by the peer"
        self.dialled_key = dialled_key
        self.key = b""
        self.address: tuple[str, int] = ("", 0)
        self.closed = False
        self.opened_at = self.heard_at = self._loop.time()
        self._ended = asyncio.Event()

    @property
    def dialled(self) -> bool:
        """Whether this side opened the connection."""
        return self.dialled_key is not None

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait to be sent, in the outbox and in the transport."""
        unsent = self._transport.get_write_buffer_size() if self._transport and not self.closed else 0
        return self._outbox.waiting_bytes + unsent

    def waiting_bytes(self, priority: Priority) -> int:
        """Return the bytes of one priority that wait in the outbox."""
        return self._outbox.waiting(priority)

    def stalled_seconds(self, now: float) -> float:
        """Return for how long the peer has not taken what the transport holds for it."""
        return 0.0 if self._writing_paused_at is None else now - self._writing_paused_at

    # -- sending -----------------------------------------------------------------------------------

    def send(self, kind: Kind, payload: bytes) -> bool:
        """Queue a frame; returns False when it was dropped."""
        return self.send_frame(RULES[kind].priority, encode_frame(kind, payload))

    def send_frame(self, priority: Priority, frame: bytes) -> bool:
        """Queue an encoded frame; returns False when it was dropped."""
        if self.closed or not self.key:
            return False
        if not self._outbox.push(priority, frame):
            if priority is Priority.URGENT:
                self.close("does not drain")
            return False
        self._schedule_flush()
        return True

    def _schedule_flush(self) -> None:
        if not self._flush_scheduled and self._writing_paused_at is None:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = False
        budget = FLUSH_BYTES
        while self._outbox and self._writing_paused_at is None and not self.closed:
            if budget <= 0:
                self._schedule_flush()
                return
            chunk = b"".join(self._outbox.take(HIGH_WATER_BYTES))
            budget -= len(chunk)
            assert self._transport is not None
            with STAGES.wire:
                self._transport.write(chunk)

    def pause_writing(self) -> None:
        """asyncio: the transport is above its high-water mark."""
        self._writing_paused_at = self._loop.time()

    def resume_writing(self) -> None:
        """asyncio: the transport has drained."""
        self._writing_paused_at = None
        self._schedule_flush()

    # -- receiving ---------------------------------------------------------------------------------

    def continue_limits(self, limits: dict[bytes, InboundLimits]) -> None:
        """Count on where the key's former connection ended, or hanging up would refill every bucket.

        Args:
            limits: by key, those of the present or latest connection.
        """
        self._limits = limits.setdefault(self.key, self._limits)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the handshake is done; check whose it was before anything else."""
        self._transport = cast(asyncio.Transport, transport)
        self.address = tuple(transport.get_extra_info("peername") or ("", 0))[:2]
        _send_at_once(transport)
        try:
            key = self._authenticate(transport)
        except NotPermitted as error:
            self.close(str(error))
            return
        self.key = key
        self._transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self._owner.connection_ready(self)

    def _authenticate(self, transport: asyncio.BaseTransport) -> bytes:
        key = self._proved_key(transport)
        if self.dialled_key is not None and key != self.dialled_key:
            raise NotPermitted("another key than the one dialled")
        if not self._is_welcome(key):
            raise NotPermitted("a key that is not in the node list")
        return key

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: where to put received bytes."""
        return self._reader.free_space()

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: bytes have been received."""
        if self.closed:
            return
        self._reader.received(nbytes)
        self.heard_at = self._loop.time()
        with STAGES.wire:
            self._process()

    def _process(self) -> None:
        try:
            while not self.closed and self._held is None:
                frame = self._reader.next_frame()
                if frame is None:
                    return
                kind, payload = frame
                wait = self._limits.charge(kind, len(payload), self.heard_at)
                if wait > 0:
                    self._hold(wait)
                self._owner.frame_received(self, kind, payload)
        except PeerError as error:
            self._owner.offence_committed(self, error.offence)
            self.close(str(error))
        except Exception:
            # Our own fault: nothing more is taken from this connection, and the loop hears of it.
            self.close("an error of this node")
            raise

    def _hold(self, seconds: float) -> None:
        assert self._transport is not None
        self._transport.pause_reading()
        self._held = self._loop.call_later(max(seconds, MIN_PAUSE_SECONDS), self._release)
        self._owner.offence_committed(self, Offence.FLOOD)

    def _release(self) -> None:
        self._held = None
        if self.closed:
            return
        self.heard_at = self._loop.time()
        self._process()
        if self._held is None and not self.closed:
            assert self._transport is not None
            self._transport.resume_reading()

    # -- ending ------------------------------------------------------------------------------------

    def close(self, reason: str) -> None:
        """Close at once; nothing that is still queued is sent."""
        if self.closed:
            return
        self.closed = True
        self._reason = reason
        self._outbox.clear()
        self._reader.release()
        if self._held is not None:
            self._held.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._ended.set()
        if self.key:
            self._owner.connection_closed(self, reason)

    async def wait_closed(self) -> None:
        """Wait until the connection is over."""
        await self._ended.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the transport is gone."""
        self.close(str(exc) if exc else self._reason)
        # It refers to us as we to it: let neither, and no buffer of TLS, wait for the garbage collector.
        self._transport = None


def _send_at_once(transport: asyncio.BaseTransport) -> None:
    """Let no vote wait for the acknowledgement of the one before: a whole round trip, or 40 ms if that is longer.

    asyncio does so for sockets that it opened, but not for those that it got from `sock_accept`.
    """
    connected = transport.get_extra_info("socket")
    if connected is not None and connected.family in (socket.AF_INET, socket.AF_INET6):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
