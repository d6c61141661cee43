"""Accepts connections and guards the time before their senders are known.

Until the TLS handshake is over a connection has no proved key. So it first waits, as a bare socket, until
its ClientHello has come; no TLS machine and no task exist for it yet. Then its class is known (a ticket, an
address of a peer, a stranger), and it enters the handshakes of that class. `network.door` says who may stay, and
who goes when a class is full. Sockets are accepted here rather than by `create_server`, which would begin a
handshake before its sender could be judged.

Invariants:
    1. At most `DoorRules.half_open` descriptors belong to connections whose handshake is not over.
    2. A connection is half-open for `handshake_timeout` seconds in each of the two stages at most.
    3. A guest is in exactly one lane until its socket is closed or its handshake is over.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
import traceback
from collections.abc import Callable
from typing import Final

from cachetools import FIFOCache

from network.client_hello import MAX_CLIENT_HELLO_BYTES, read_client_hello
from network.door import DoorRules, Lane, Source, source_of
from network.errors import NotTls
from network.tasks import start_task, start_timer, vital

_log = logging.getLogger(__name__)

_BACKLOG: Final = 512
"""While the event loop is busy with a block, a flood must not fill the kernel's queue at once."""

ACCEPTS_PER_TURN: Final = 16
"""Some 0.5 ms; then the event loop turns, and everything else that waits gets its turn."""

LOOK_AGAIN_SECONDS: Final = 0.02
"""A ClientHello that has come in part leaves its socket readable: look again later, not at once."""

_MAX_KNOWN: Final = 1_024
_REST_SECONDS: Final = 1.0
_WARN_AGAIN_SECONDS: Final = 60.0
_OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class _Guest:
    """One half-open connection."""

    __slots__ = ("accepted", "lane", "source", "task", "timer")

    def __init__(self, accepted: socket.socket, lane: Lane[_Guest], source: Source) -> None:
        self.accepted: socket.socket | None = accepted
        self.lane = lane
        self.source = source
        self.timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None


class Listener:
    """One listening socket.

    Args:
        holder: the listed key whose ticket a server name shows, if it shows one.
        handshake_timeout: seconds until the ClientHello is here, and again until the handshake is over.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        make_protocol: Callable[[], asyncio.BaseProtocol],
        holder: Callable[[str], bytes | None],
        handshake_timeout: float,
        rules: DoorRules,
    ) -> None:
        self._context = context
        self._make_protocol = make_protocol
        self._holder = holder
        self._handshake_timeout = handshake_timeout
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._strangers_waiting: Lane[_Guest] = Lane(rules.strangers_waiting, now)
        self._known_waiting: Lane[_Guest] = Lane(rules.known_waiting, now)
        self._strangers: Lane[_Guest] = Lane(rules.strangers, now)
        self._known: Lane[_Guest] = Lane(rules.known, now)
        self._ticketed: Lane[_Guest] = Lane(rules.ticketed, now)
        self._known_sources: FIFOCache[str, None] = FIFOCache(_MAX_KNOWN)
        self._guests: set[_Guest] = set()
        self._socket: socket.socket | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._warned_at: float | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._socket is not None
        return int(self._socket.getsockname()[1])

    @property
    def half_open(self) -> int:
        """How many connections have no proved key yet."""
        return len(self._guests)

    def start(self, host: str, port: int) -> None:
        """Begin to listen.

        Raises:
            OSError: the address cannot be had.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        every_family = host == "::" and socket.has_dualstack_ipv6()
        self._socket = socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=every_family
        )
        self._socket.setblocking(False)
        self._accept_from(self._socket)

    def know(self, host: str) -> None:
        """Note that a peer is at this address: what comes from there has places of its own."""
        self._known_sources[source_of(host)] = None

    async def close(self) -> None:
        """Stop listening and give up what is half-open."""
        if self._resting is not None:
            self._resting.cancel()
        if self._socket is not None and self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        tasks = [guest.task for guest in self._guests if guest.task is not None]
        for guest in list(self._guests):
            self._drop(guest)
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- accepting ---------------------------------------------------------------------------------

    def _accept_from(self, listening: socket.socket) -> None:
        self._loop.add_reader(listening, vital(self._accept_some), listening)

    def _accept_some(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                # A connection that vanished in the queue is nothing.
                if error.errno in _OUT_OF_DESCRIPTORS:
                    self._make_room(listening, error)
                    return
                continue
            accepted.setblocking(False)
            self._wait_for_hello(accepted, source_of(address[0]))

    def _make_room(self, listening: socket.socket, error: OSError) -> None:
        """Out of descriptors: close the oldest that waits, or else accept nothing for a while."""
        now = self._loop.time()
        if self._warned_at is None or now - self._warned_at >= _WARN_AGAIN_SECONDS:
            self._warned_at = now
            _log.warning("cannot accept connections of peers: %s", error)
        victim = self._strangers_waiting.drop_one() or self._known_waiting.drop_one()
        if victim is not None:
            self._drop(victim)
            return
        self._loop.remove_reader(listening)
        self._resting = start_timer(_REST_SECONDS, self._accept_from, listening)

    def _wait_for_hello(self, accepted: socket.socket, source: str) -> None:
        lane = self._known_waiting if source in self._known_sources else self._strangers_waiting
        guest = _Guest(accepted, lane, source)
        if self._enter(guest, lane, source):
            guest.timer = self._loop.call_later(self._handshake_timeout, self._drop, guest)
            self._loop.add_reader(accepted, self._look, guest, self._loop.time())

    def _look(self, guest: _Guest, since: float) -> None:
        """Read what a guest has sent without taking it: TLS reads it again."""
        assert guest.accepted is not None
        assert guest.timer is not None
        try:
            data = guest.accepted.recv(MAX_CLIENT_HELLO_BYTES, socket.MSG_PEEK)
            hello = read_client_hello(data)
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, NotTls):
            self._drop(guest)
            return
        self._loop.remove_reader(guest.accepted)
        guest.timer.cancel()
        if hello is not None:
            self._begin_handshake(guest, hello.server_name)
        elif data and self._loop.time() - since < self._handshake_timeout:
            guest.timer = self._loop.call_later(LOOK_AGAIN_SECONDS, self._look, guest, since)
        else:
            self._drop(guest)

    # -- handshakes --------------------------------------------------------------------------------

    def _begin_handshake(self, guest: _Guest, server_name: str) -> None:
        address_source = guest.source
        guest.lane.leave(guest.source, guest)
        key = self._holder(server_name)
        if key is not None and self._try_to_enter(guest, self._ticketed, key):
            self._start(guest)
            return
        # A key whose tickets are used up is served like others at its address: it may be a repeated ticket.
        known = address_source in self._known_sources
        if self._enter(guest, self._known if known else self._strangers, address_source):
            self._start(guest)

    def _start(self, guest: _Guest) -> None:
        guest.task = start_task(self._handshake(guest), "network-handshake", vital=False)
        guest.task.add_done_callback(lambda _: self._handshake_over(guest))

    async def _handshake(self, guest: _Guest) -> None:
        accepted, guest.accepted = guest.accepted, None  # asyncio's from here on
        assert accepted is not None
        try:
            await self._loop.connect_accepted_socket(
                self._make_protocol,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=self._handshake_timeout,
            )
        except (OSError, asyncio.CancelledError) as error:
            # What goes wrong here is the stranger's affair, and asyncio has closed the socket. But its future keeps
            # the error, whose frames keep the future and 0.4 MB of TLS: garbage that a node collects rarely.
            traceback.clear_frames(error.__traceback__)
            if isinstance(error, asyncio.CancelledError):
                raise

    def _handshake_over(self, guest: _Guest) -> None:
        guest.task = None  # it refers to its guest
        self._forget(guest)

    # -- guests ------------------------------------------------------------------------------------

    def _enter(self, guest: _Guest, lane: Lane[_Guest], source: Source) -> bool:
        entered = self._try_to_enter(guest, lane, source)
        if not entered:
            self._drop(guest)
        return entered

    def _try_to_enter(self, guest: _Guest, lane: Lane[_Guest], source: Source) -> bool:
        entry = lane.enter(source, guest, self._loop.time())
        if entry.dropped is not None:
            self._drop(entry.dropped)
        if entry.admitted:
            guest.lane, guest.source = lane, source
            self._guests.add(guest)
        return entry.admitted

    def _drop(self, guest: _Guest) -> None:
        """Close a guest, wherever it stands."""
        if guest.task is not None:
            guest.task.cancel()
        self._forget(guest)

    def _forget(self, guest: _Guest) -> None:
        self._guests.discard(guest)
        guest.lane.leave(guest.source, guest)
        if guest.timer is not None:
            guest.timer.cancel()
        if guest.accepted is not None:
            self._loop.remove_reader(guest.accepted)
            guest.accepted.close()
            guest.accepted = None
