"""Gossip's clock and hands: sends what `network.gossip` decides, in time.

A batch leaves when it is large enough, else `delay` seconds after its first transaction. There is
one timer for a batch, nothing for a transaction.

What is offered again is all that is pending, tens of thousands of transactions after an outage, and peers come back
just then. So it is looked through in parts, one with each batch, `delay` apart where nothing else is sent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from network.gossip import BATCH_BYTES, Gossip, Transmitted
from network.gossip_streams import GossipStreams
from network.kinds import Kind
from network.peer import Peer
from network.peers import PeerManager
from network.stages import STAGES
from network.tasks import start_timer
from vm.primitives.hashing import sha256

DELAY_SECONDS: Final = 0.005

AGAIN_AT_ONCE: Final = 500
"""Transactions offered again in one part: half a millisecond to find who lacks them, a frame to who does."""

MAX_OFFERS: Final = 16
"""Offers on their way at a time, each of up to a whole pool; one more is left out, as what waits long is offered
again every few seconds."""


class Gossiper:
    """Spreads transactions over the peers of a manager; tell it of peers and of transactions.

    Args:
        key: this node's own.

    Attributes:
        streams: what this node and its peers have told as their clients' own.
    """

    def __init__(
        self, manager: PeerManager, key: bytes, streams: GossipStreams, delay: float = DELAY_SECONDS
    ) -> None:
        self._manager = manager
        self._key = key
        self.streams = streams
        self._gossip = Gossip()
        self._delay = delay
        self._timer: asyncio.TimerHandle | None = None
        self._offers: deque[Iterator[Transmitted]] = deque()

    def peer_connected(self, peer: Peer) -> None:
        """Begin to gossip with a peer."""
        self._gossip.peer_connected(peer.key)

    def peer_disconnected(self, peer: Peer) -> None:
        """End it."""
        self._gossip.peer_disconnected(peer.key)

    def links_changed(self, peer: Peer) -> None:
        """A LINKS frame has come: `peer.links` is new."""
        self._gossip.set_links(peer.key, peer.links)

    def origin_told(self, peer: Peer, transactions: Sequence[bytes]) -> None:
        """A peer sent transactions of its own clients."""
        if self.streams.is_wanted:
            hashes = [sha256(tx) for tx in transactions]
            self.streams.told(peer.key, hashes, asyncio.get_running_loop().time())

    def heard(self, peer: Peer, hashes: Collection[bytes]) -> None:
        """A peer sent transactions that this node has already."""
        self._gossip.heard(peer.key, hashes)

    def add(self, items: Sequence[Transmitted], source: bytes | None = None, *, from_origin: bool = False) -> None:
        """Transactions have been admitted together; see `Gossip.add`."""
        self._gossip.add(items, source, from_origin=from_origin)
        self._schedule()

    def offer_again(self, items: Iterable[Transmitted]) -> None:
        """Tell pending transactions to peers that are not known to have them, part by part.

        Args:
            items: looked at little by little, so that they must not change meanwhile.
        """
        if len(self._offers) < MAX_OFFERS:
            self._offers.append(iter(items))
            self._schedule()

    def _go_on_offering(self) -> None:
        if self._offers:
            part = list(islice(self._offers[0], AGAIN_AT_ONCE))
            if len(part) < AGAIN_AT_ONCE:
                self._offers.popleft()
            self._gossip.offer_again(part)

    def close(self) -> None:
        """Send nothing more."""
        self._offers.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self) -> None:
        waiting = self._gossip.waiting_bytes
        if waiting >= BATCH_BYTES:
            self._flush()
        elif (waiting or self._offers) and self._timer is None:
            self._timer = start_timer(self._delay, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with STAGES.gossip:
            self._go_on_offering()
            if self.streams.is_wanted:
                self.streams.told(self._key, self._gossip.own_waiting, asyncio.get_running_loop().time())
            for delivery in self._gossip.flush():
                for key in self._manager.send_to(delivery.peers, Kind.TRANSACTIONS, delivery.payload):
                    self._gossip.not_sent(key, delivery.hashes)
        if self._offers:
            self._schedule()
