"""The network between processes: connections of bytes in memory, with the delays and faults of the simulation.

A connection behaves as TCP does: bytes arrive once and in order, or the connection ends. A partition stalls it,
until it heals or one side gives up. A process that dies closes its connections, unless its power fails: then nobody
hears of it. Beyond TCP, single frames of kinds that a node must be able to lose, to get twice or to get late are
lost, doubled and delayed: each of them, a connection that ends at the wrong moment can bring about as well.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from network.errors import NotPermitted
from network.framing import HEADER_BYTES
from network.hearsay import Place
from network.kinds import Kind
from tests.simulation.world import World

from .loop import VirtualLoop

if TYPE_CHECKING:
    from .host import Life

ProtocolT = TypeVar("ProtocolT", bound=asyncio.BaseProtocol)

LOSABLE = frozenset(Kind) - {Kind.HELLO}
REPEATABLE = frozenset({Kind.STATUS, Kind.LINKS, Kind.ADDRESSES, Kind.CONSENSUS, Kind.TRANSACTIONS})
"""A second reply is something that was not asked for."""

STALLED_MS = 200
"""How often what is stalled by a partition tries again."""

TIGHT_WATER_BYTES = 64 * 1024
DIAL_MS = 30


class Network:
    """All wires of one run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.max_delay_ms = 20
        self.drop_percent = 0
        self.duplicate_percent = 0
        self.late_percent = 0
        self.break_percent = 0
        self.drop_kind_percent: dict[Kind, int] = {}
        self.groups: dict[int, int] = {}
        self.cuts: set[tuple[int, int]] = set()
        self.doors: dict[tuple[str, int], MemoryDoor] = {}
        self.before_send: Callable[[Life, Life, bytes], list[bytes]] = lambda sender, target, frame: [frame]
        """What leaves in place of a frame: checkers look at it, liars change it."""

    def carries(self, source: Life, target: Life) -> bool:
        """Tell whether the target hears the source now."""
        a, b = source.host.ident, target.host.ident
        return (a, b) not in self.cuts and self.groups.get(a, 0) == self.groups.get(b, 0)

    def delay(self) -> int:
        """Draw how long something is on its way."""
        return 1 + self.world.below(self.max_delay_ms)

    def heal(self) -> None:
        """From now on everything arrives, once and soon."""
        self.groups.clear()
        self.cuts.clear()
        self.drop_kind_percent.clear()
        self.drop_percent = self.duplicate_percent = self.late_percent = self.break_percent = 0
        self.max_delay_ms = 20

    # -- connecting --------------------------------------------------------------------------------

    def connect(
        self,
        life: Life,
        place: Place,
        key: bytes,
        make: Callable[[], ProtocolT],
        dialled: asyncio.Future[ProtocolT],
    ) -> None:
        """Let a life dial; the future gets its protocol, or what went wrong, or nothing at all."""
        self.world.after(self.delay(), lambda: self._knock(life, place, make, dialled))

    def _knock(
        self, life: Life, place: Place, make: Callable[[], ProtocolT], dialled: asyncio.Future[ProtocolT]
    ) -> None:
        door = self.doors.get((place.host, place.port))
        if not life.alive or dialled.done():
            return
        if door is None or not door.life.alive:
            life.loop.call_soon(_refuse, dialled)
            return
        if not (self.carries(life, door.life) and self.carries(door.life, life)):
            return
        far = MemoryTransport(self, door.life, life, (life.host.address, 50_000 + self.world.below(10_000)))
        near = MemoryTransport(self, life, door.life, (place.host, place.port))
        near.partner, far.partner = far, near
        door.life.loop.call_soon(far.open, door.make_protocol)
        life.loop.call_later(self.delay() / 1_000, near.open_dialled, make, dialled)


def _refuse(dialled: asyncio.Future[Any]) -> None:
    if not dialled.done():
        dialled.set_exception(ConnectionRefusedError(111, "Connection refused"))


class MemoryDoor:
    """Where one life listens: a `network.wire.Door`."""

    def __init__(self, network: Network, life: Life, make_protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        self._network = network
        self.life = life
        self.make_protocol = make_protocol
        self._place = ("", 0)

    @property
    def port(self) -> int:
        """See `Door.port`."""
        return self._place[1]

    def start(self, host: str, port: int) -> None:
        """See `Door.start`."""
        self._place = (host, port)
        self._network.doors[self._place] = self

    def know(self, host: str) -> None:
        """Nothing is crowded here."""

    async def close(self) -> None:
        """See `Door.close`."""
        if self._network.doors.get(self._place) is self:
            del self._network.doors[self._place]


class MemoryWire:
    """The wire of one life: a `network.wire.Wire`."""

    def __init__(self, network: Network, life: Life) -> None:
        self._network = network
        self._life = life

    def door(
        self, make_protocol: Callable[[], asyncio.BaseProtocol], is_welcome: Callable[[bytes], bool]
    ) -> MemoryDoor:
        """See `Wire.door`."""
        return MemoryDoor(self._network, self._life, make_protocol)

    async def dial(self, key: bytes, place: Place, make_protocol: Callable[[], ProtocolT]) -> ProtocolT:
        """See `Wire.dial`."""
        dialled: asyncio.Future[ProtocolT] = self._life.loop.create_future()
        self._network.connect(self._life, place, key, make_protocol, dialled)
        async with asyncio.timeout(10):
            return await dialled

    def proved_key(self, transport: asyncio.BaseTransport) -> bytes:
        """See `Wire.proved_key`."""
        if not isinstance(transport, MemoryTransport):
            raise NotPermitted("no transport of this network")
        return transport.target.host.key


class MemoryTransport(asyncio.Transport):
    """One side of a connection."""

    def __init__(self, network: Network, life: Life, target: Life, peername: tuple[str, int]) -> None:
        super().__init__({"peername": peername})
        self._network = network
        self._world = network.world
        self.life = life
        self.target = target
        self.partner: MemoryTransport | None = None
        self.protocol: Any = None
        self._loop: VirtualLoop = life.loop
        self._ended = False
        self._reading = True
        self._received: deque[bytes] = deque()
        self._stalled: deque[bytes] = deque()
        self._on_its_way = 0
        self._paused_writing = False
        self._high = TIGHT_WATER_BYTES
        self._last_arrival = 0
        life.transports[self] = None

    # -- beginning and ending ----------------------------------------------------------------------

    def open(self, make: Callable[[], asyncio.BaseProtocol]) -> None:
        """Begin, in a turn of its own loop."""
        if self._ended:
            return
        self.protocol = make()
        self.protocol.connection_made(self)
        self._feed()

    def open_dialled(self, make: Callable[[], ProtocolT], dialled: asyncio.Future[ProtocolT]) -> None:
        """Begin on the side that has dialled."""
        if dialled.done() or self._ended:
            self.abort()
            _refuse(dialled)
            return
        self.open(make)
        dialled.set_result(self.protocol)

    def abort(self) -> None:
        """See asyncio: end at once, and let the other side know."""
        if self._ended:
            return
        self._ended = True
        self.life.transports.pop(self, None)
        self._world.after(self._network.delay(), self._tell_end)
        if self.protocol is not None:
            self._loop.call_soon(self.protocol.connection_lost, None)

    close = abort

    def _tell_end(self) -> None:
        """The other side hears of the end as soon as anything gets through."""
        partner = self.partner
        if partner is None or partner._ended:
            return
        if not self._network.carries(self.life, self.target):
            self._world.after(STALLED_MS, self._tell_end)
            return
        partner._loop.call_soon(partner.ended_by_peer)

    def ended_by_peer(self) -> None:
        """The connection was reset."""
        if not self._ended:
            self._ended = True
            self.life.transports.pop(self, None)
            if self.protocol is not None:
                self.protocol.connection_lost(ConnectionResetError(104, "Connection reset by peer"))

    def process_ended(self, silently: bool) -> None:
        """The process is gone; its system closes the connection, if there still is one."""
        self._ended = True
        if not silently:
            self._world.after(self._network.delay(), self._tell_end)

    def is_closing(self) -> bool:
        """See asyncio."""
        return self._ended

    # -- sending -----------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """See asyncio; what production writes is whole frames."""
        if self._ended or not self.life.alive:
            return
        for frame in split_frames(bytes(data)):
            for changed in self._network.before_send(self.life, self.target, frame):
                self._send_frame(changed)

    def _send_frame(self, frame: bytes) -> None:
        network, world, kind = self._network, self._world, frame[HEADER_BYTES - 1]
        if kind in LOSABLE:
            if world.happens(network.break_percent) and world.below(50) == 0:
                self._world.after(network.delay(), self.ended_in_both_directions)
            if world.happens(max(network.drop_percent, network.drop_kind_percent.get(Kind(kind), 0))):
                return
        arrival = max(self._last_arrival, world.now + network.delay())
        if kind in REPEATABLE:
            if world.happens(network.duplicate_percent):
                self._put_on_its_way(frame, arrival + network.delay())
            if world.happens(network.late_percent):
                self._put_on_its_way(frame, arrival + 5 * network.delay())
                return
        self._last_arrival = arrival
        self._put_on_its_way(frame, arrival)

    def _put_on_its_way(self, frame: bytes, arrival: int) -> None:
        self._on_its_way += len(frame)
        self._world.after(arrival - self._world.now, lambda: self._arrive(frame))
        if self._on_its_way > self._high and not self._paused_writing:
            self._paused_writing = True
            self.protocol.pause_writing()

    def _arrive(self, frame: bytes) -> None:
        if self._stalled or not self._network.carries(self.life, self.target):
            if not self._stalled:
                self._world.after(STALLED_MS, self._go_on)
            self._stalled.append(frame)
        else:
            self._hand_over(frame)

    def _go_on(self) -> None:
        """What was stalled arrives in order, if anything gets through now."""
        if not self._network.carries(self.life, self.target):
            self._world.after(STALLED_MS, self._go_on)
            return
        while self._stalled:
            self._hand_over(self._stalled.popleft())

    def _hand_over(self, frame: bytes) -> None:
        partner = self.partner
        if partner is None or partner._ended or self._ended:
            return
        self._on_its_way -= len(frame)
        partner.receive(frame)
        if self._paused_writing and self._on_its_way <= self._high // 4:
            self._paused_writing = False
            self._loop.call_soon(self.protocol.resume_writing)

    def ended_in_both_directions(self) -> None:
        """The connection breaks on its way."""
        for side in (self, self.partner):
            if side is not None and not side._ended:
                side._loop.call_soon(side.ended_by_peer)

    def get_write_buffer_size(self) -> int:
        """See asyncio."""
        return self._on_its_way

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See asyncio."""
        self._high = TIGHT_WATER_BYTES if high is None else high

    # -- receiving ---------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Bytes are here; the process takes them in a turn of its loop."""
        self._received.append(data)
        self._loop.call_soon(self._feed)

    def _feed(self) -> None:
        try:
            while self._received and self._reading and not self._ended and self.protocol is not None:
                data = memoryview(self._received.popleft())
                while data:
                    buffer = self.protocol.get_buffer(len(data))
                    size = min(len(buffer), len(data))
                    buffer[:size] = data[:size]
                    self.protocol.buffer_updated(size)
                    data = data[size:]
        except Exception as error:
            message = "Fatal error: protocol.buffer_updated() call failed."
            context = {"message": message, "exception": error, "transport": self, "protocol": self.protocol}
            self._loop.call_exception_handler(context)
            self.abort()

    def pause_reading(self) -> None:
        """See asyncio."""
        self._reading = False

    def resume_reading(self) -> None:
        """See asyncio."""
        self._reading = True
        self._loop.call_soon(self._feed)

    def is_reading(self) -> bool:
        """See asyncio."""
        return self._reading


def split_frames(data: bytes) -> Iterator[bytes]:
    """Cut whole frames apart; what is none goes as it is."""
    start = 0
    while start < len(data):
        length = 4 + int.from_bytes(data[start : start + 4])
        yield data[start : start + length]
        start += length
