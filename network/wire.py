"""How connections to peers come about: the one seam between the network's rules and the machine's sockets.

`TlsWire` is production: TLS 1.3 over TCP (`network.certificates`, `network.listener`). The simulator of whole nodes
has another one, in memory. Everything above knows neither sockets nor TLS: it gets an `asyncio.Transport` of bytes
and asks the wire which key the other side has proved to hold.

Invariants:
    1. `proved_key` is asked in `connection_made`, before anything is read or sent.
    2. A door gives no connection before `start`, and none after `close`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from network.certificates import SERVER_NAME, make_contexts, peer_key
from network.config import NetworkConfig
from network.hearsay import AddressOrigin, Place
from network.listener import Listener
from network.tickets import Tickets
from vm.primitives.keys import SigningKey

ProtocolT = TypeVar("ProtocolT", bound=asyncio.BaseProtocol)


class Door(Protocol):
    """Where peers knock."""

    @property
    def port(self) -> int:
        """The port that is listened on."""
        ...

    def start(self, host: str, port: int) -> None:
        """Begin to listen.

        Raises:
            OSError: the address cannot be had.
        """
        ...

    def know(self, host: str) -> None:
        """Note that a peer is at this address: what comes from there has places of its own."""
        ...

    async def close(self) -> None:
        """Stop listening and give up what is half-open."""
        ...


class Wire(Protocol):
    """Makes connections between this node's key and others."""

    def door(self, make_protocol: Callable[[], asyncio.BaseProtocol], is_welcome: Callable[[bytes], bool]) -> Door:
        """Return the door of this node; each connection that enters gets a protocol."""
        ...

    async def dial(self, key: bytes, place: Place, make_protocol: Callable[[], ProtocolT]) -> ProtocolT:
        """Connect to where a key is said to be; the protocol's `connection_made` has been called on return.

        Raises:
            OSError, TimeoutError: nothing answers there, or not as a peer does.
        """
        ...

    def proved_key(self, transport: asyncio.BaseTransport) -> bytes:
        """Return the key that the other side has proved to hold.

        Raises:
            NotPermitted: it has proved none.
        """
        ...


MakeWire = Callable[[NetworkConfig, SigningKey], Wire]


class TlsWire:
    """TLS 1.3 over TCP."""

    def __init__(self, config: NetworkConfig, key: SigningKey) -> None:
        self._config = config
        self._contexts = make_contexts(config.chain, key)
        self._tickets = Tickets(config.chain, key)

    def door(self, make_protocol: Callable[[], asyncio.BaseProtocol], is_welcome: Callable[[bytes], bool]) -> Door:
        """Return a listener for the system's sockets."""

        def holder(server_name: str) -> bytes | None:
            return self._tickets.holder(server_name, is_welcome, int(time.time()))

        timeout = self._config.timing.handshake
        return Listener(self._contexts.server, make_protocol, holder, timeout, self._config.door)

    async def dial(self, key: bytes, place: Place, make_protocol: Callable[[], ProtocolT]) -> ProtocolT:
        """Connect by TCP and shake hands; a listed key's ticket is shown where the place is more than hearsay."""
        # Hearsay may lead to a stranger, which is shown nothing.
        ticket = None if place.origin is AddressOrigin.TOLD else self._tickets.issue(key, int(time.time()))
        timing = self._config.timing
        async with asyncio.timeout(timing.dial):
            _, protocol = await asyncio.get_running_loop().create_connection(
                make_protocol,
                place.host,
                place.port,
                ssl=self._contexts.client,
                server_hostname=ticket or SERVER_NAME,
                ssl_handshake_timeout=timing.handshake,
            )
        return protocol

    def proved_key(self, transport: asyncio.BaseTransport) -> bytes:
        """Return the Ed25519 key of the certificate that the handshake has proved."""
        return peer_key(transport.get_extra_info("ssl_object"))
