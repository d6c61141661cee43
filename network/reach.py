"""How this node reaches its peers: the book of places and the dialers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from network.config import NetworkConfig, PeerAddress
from network.dialer import Dialers
from network.hearsay import AddressBook, AddressOrigin, Place
from network.transport import Connection
from network.wire import Wire


class Reach:
    """Dials whom this node lacks.

    Args:
        new_connection: makes the protocol of a connection to a key.
        is_missing: whether a key's connection is missing and allowed.
    """

    def __init__(
        self,
        config: NetworkConfig,
        own_key: bytes,
        wire: Wire,
        new_connection: Callable[[bytes], Connection],
        is_missing: Callable[[bytes], bool],
    ) -> None:
        self._own_key = own_key
        self._wire = wire
        self._new_connection = new_connection
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
        connection = await self._wire.dial(key, place, lambda: self._new_connection(key))
        if place.origin is AddressOrigin.CONFIGURED and not connection.closed:
            self._book.ours(connection.address[0])
        return connection
