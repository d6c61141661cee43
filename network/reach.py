"""How this node reaches its peers: the book of places, the dialers, and the tickets that it shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

from network.certificates import SERVER_NAME, TlsContexts
from network.config import NetworkConfig, PeerAddress
from network.dialer import Dialers
from network.hearsay import AddressBook, Origin, Place
from network.tickets import Tickets
from network.transport import Connection
from vm.primitives.keys import SigningKey


class Reach:
    """Dials whom this node lacks.

    Args:
        new_connection: makes the protocol of a connection to a key.
        is_missing: whether a key's connection is missing and allowed.
    """

    def __init__(
        self,
        config: NetworkConfig,
        key: SigningKey,
        contexts: TlsContexts,
        new_connection: Callable[[bytes], Connection],
        is_missing: Callable[[bytes], bool],
    ) -> None:
        self._timing = config.timing
        self._own_key = key.public_key
        self._contexts = contexts
        self._new_connection = new_connection
        self._tickets = Tickets(config.chain, key)
        own_hosts = [config.listen_host, *([config.advertise[0]] if config.advertise else [])]
        self._book = AddressBook(self._own_key, own_hosts, is_missing)
        self._dialers = Dialers(self._own_key, self._book, self._dial, is_missing, config.timing)

    def configure(self, peers: Iterable[PeerAddress]) -> None:
        """Replace the configured addresses: whom to dial, and where."""
        self._dialers.configure(peer for peer in peers if peer.public_key != self._own_key)

    def announced(self, key: bytes, seen_host: str, listen: tuple[str, int]) -> None:
        """Note where a connected peer says that it listens."""
        self._book.announced(key, seen_host, listen)

    def told(self, teller: bytes, entries: Sequence[tuple[bytes, str, int]]) -> None:
        """A peer tells where its peers listen: dial whom we lack and no operator has configured here."""
        self._book.told(teller, entries)
        self._dialers.book_changed()

    def ticket_holder(self, server_name: str, is_welcome: Callable[[bytes], bool]) -> bytes | None:
        """Return the welcome key whose ticket a ClientHello's server name shows, if it shows one."""
        return self._tickets.holder(server_name, is_welcome, int(time.time()))

    def wake(self, key: bytes) -> None:
        """Look at one peer again: its connection ended."""
        self._dialers.wake(key)

    def wake_all(self) -> None:
        """Look at every peer again: permissions have changed."""
        self._dialers.wake_all()

    async def stop(self) -> None:
        """End all dialling."""
        await self._dialers.stop()

    async def _dial(self, key: bytes, place: Place) -> Connection:
        # Hearsay may lead to a stranger, which is shown nothing.
        ticket = None if place.origin is Origin.TOLD else self._tickets.issue(key, int(time.time()))
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._timing.dial):
            _, connection = await loop.create_connection(
                lambda: self._new_connection(key),
                place.host,
                place.port,
                ssl=self._contexts.client,
                server_hostname=ticket or SERVER_NAME,
                ssl_handshake_timeout=self._timing.handshake,
            )
        if place.origin is Origin.CONFIGURED and not connection.closed:
            self._book.ours(connection.address[0])
        return connection
