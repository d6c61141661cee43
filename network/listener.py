"""Accepts connections and guards the time before their senders are known.

Until the TLS handshake is over a connection has no key, only a source address. So what strangers can
cost is bounded by address: connections in handshake, and new ones per second. Beyond that a socket is
closed before a byte of it is read. Sockets are accepted here rather than by `create_server`, which
would begin a handshake before anybody could ask whose it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final

from network.rate_limit import TokenBucket
from network.tasks import start_task

_log = logging.getLogger(__name__)

MAX_HANDSHAKES_PER_ADDRESS: Final = 16
MAX_HANDSHAKES: Final = 128
CONNECTIONS_PER_SECOND: Final = 20
CONNECTION_BURST: Final = 100
"""A whole testnet behind one address may start at once."""
_MAX_ADDRESSES: Final = 1_024
_BACKLOG: Final = 128
_OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class AddressLimits:
    """How many handshakes each source address may have going; pure."""

    def __init__(self) -> None:
        self._handshakes: Counter[str] = Counter()
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def admit(self, address: str, now: float) -> bool:
        """Tell whether a new connection may begin its handshake, and count it if so."""
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = self._buckets[address] = TokenBucket(CONNECTIONS_PER_SECOND, CONNECTION_BURST, now)
            if len(self._buckets) > _MAX_ADDRESSES:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(address)
        if bucket.charge(1, now) > 0:
            return False
        if self._handshakes[address] >= MAX_HANDSHAKES_PER_ADDRESS:
            return False
        if self._handshakes.total() >= MAX_HANDSHAKES:
            return False
        self._handshakes[address] += 1
        return True

    def finished(self, address: str) -> None:
        """Tell that an admitted connection's handshake is over, whatever came of it."""
        self._handshakes[address] -= 1
        if self._handshakes[address] <= 0:
            del self._handshakes[address]


class Listener:
    """One listening socket."""

    def __init__(
        self,
        context: ssl.SSLContext,
        make_protocol: Callable[[], asyncio.BaseProtocol],
        handshake_timeout: float,
    ) -> None:
        self._context = context
        self._make_protocol = make_protocol
        self._handshake_timeout = handshake_timeout
        self._limits = AddressLimits()
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._handshakes: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._socket is not None
        return int(self._socket.getsockname()[1])

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
        self._accepting = start_task(self._accept_for_ever(self._socket), "network-accept")

    async def close(self) -> None:
        """Stop listening and give up handshakes that are under way."""
        tasks = [*self._handshakes, *([self._accepting] if self._accepting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()

    async def _accept_for_ever(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
            except OSError as error:
                # A connection that vanished in the queue is nothing; without descriptors, wait for some.
                if error.errno in _OUT_OF_DESCRIPTORS:
                    _log.warning("cannot accept: %s", error)
                    await asyncio.sleep(1)
                continue
            if not self._limits.admit(address[0], loop.time()):
                accepted.close()
                continue
            task = start_task(self._handshake(accepted, address[0]), "network-handshake")
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _handshake(self, accepted: socket.socket, address: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            # What goes wrong here is the stranger's affair, and asyncio has closed the socket.
            with contextlib.suppress(OSError):
                await loop.connect_accepted_socket(
                    self._make_protocol,
                    accepted,
                    ssl=self._context,
                    ssl_handshake_timeout=self._handshake_timeout,
                )
        finally:
            self._limits.finished(address)
