"""Which transactions go to which peer; pure, without sockets or clock.

New transactions are collected for a few milliseconds or until a frame is worth sending; `flush` then
says what each peer gets. A peer gets what it is not known to have: it did not send it, and was not
sent it.

In a full mesh one hop reaches every node. So a transaction whose sender had it from a client
(`from_origin`) is passed on only to those who are not among the sender's links, which the sender tells:
none, where the mesh is full; all others, where it is not. A sender that lies about its links hides
a transaction from no one for long, as the honest receivers propose it themselves.

Invariants:
    1. A frame holds at most FRAME_BYTES and MAX_TRANSACTIONS_PER_FRAME, or one transaction.
    2. What is remembered of one peer is bounded; forgetting costs a second copy, never a loss.
    3. No transaction is sent to the peer that sent it, nor twice to one connection while remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from network.kinds import KIB
from network.messages import MAX_TRANSACTIONS_PER_FRAME, Transactions, encode_message

BATCH_BYTES: Final = 64 * KIB
"""A batch of so much is sent at once: 64 messages in one write cost TLS nothing more (docs/performance.md, 7)."""
FRAME_BYTES: Final = 256 * KIB
SEEN_PER_PEER: Final = 65_536
"""Some twenty seconds of full load."""

_NOBODY: Final[frozenset[bytes]] = frozenset()


class SeenHashes:
    """A bounded set of hashes that forgets the oldest half at a time."""

    __slots__ = ("_half", "_newer", "_older")

    def __init__(self, bound: int = SEEN_PER_PEER) -> None:
        self._half = max(1, bound // 2)
        self._newer: set[bytes] = set()
        self._older: set[bytes] = set()

    def __contains__(self, tx_hash: bytes) -> bool:
        return tx_hash in self._newer or tx_hash in self._older

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def add(self, tx_hash: bytes) -> None:
        """Remember a hash."""
        if len(self._newer) >= self._half:
            self._older = self._newer
            self._newer = set()
        self._newer.add(tx_hash)

    def discard(self, tx_hash: bytes) -> None:
        """Forget a hash."""
        self._newer.discard(tx_hash)
        self._older.discard(tx_hash)


class _Item(NamedTuple):
    tx_hash: bytes
    tx: bytes
    covered: frozenset[bytes]
    """Peers that have it from where it came from."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One frame of kind TRANSACTIONS, the peers that get it, and what is in it."""

    peers: tuple[bytes, ...]
    payload: bytes
    hashes: tuple[bytes, ...]


class Gossip:
    """What each peer knows, and what waits to be told."""

    def __init__(self, seen_per_peer: int = SEEN_PER_PEER) -> None:
        self._seen_per_peer = seen_per_peer
        self._seen: dict[bytes, SeenHashes] = {}
        self._links: dict[bytes, frozenset[bytes]] = {}
        self._reach_all: dict[bytes, bool] = {}
        self._own: list[_Item] = []
        self._relayed: list[_Item] = []
        self._waiting_bytes = 0

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the transactions that the next flush sends."""
        return self._waiting_bytes

    def peer_connected(self, peer: bytes) -> None:
        """Begin to remember what a peer has."""
        self._reach_all.clear()
        self._seen[peer] = SeenHashes(self._seen_per_peer)

    def peer_disconnected(self, peer: bytes) -> None:
        """Forget a peer; it may have lost everything when it is back."""
        self._reach_all.clear()
        self._seen.pop(peer, None)
        self._links.pop(peer, None)

    def set_links(self, peer: bytes, links: Iterable[bytes]) -> None:
        """Take note of whom a peer says to be connected to."""
        if peer in self._seen:
            self._links[peer] = frozenset(links)
            self._reach_all.pop(peer, None)

    def heard(self, peer: bytes, hashes: Iterable[bytes]) -> None:
        """Take note that a peer has these: it sent them."""
        seen = self._seen.get(peer)
        if seen is not None:
            for tx_hash in hashes:
                seen.add(tx_hash)

    @property
    def own_waiting(self) -> list[bytes]:
        """The hashes of the clients' transactions that the next flush sends, in order."""
        return [item.tx_hash for item in self._own]

    def add(self, tx_hash: bytes, tx: bytes, source: bytes | None = None, *, from_origin: bool = False) -> None:
        """Have a newly admitted transaction told to those who lack it.

        Args:
            source: the peer that it came from; None when it came from a client of this node.
            from_origin: what the peer's frame said of itself.
        """
        if source is None:
            self._own.append(_Item(tx_hash, tx, _NOBODY))
        else:
            self.heard(source, (tx_hash,))
            if from_origin and self._covers_all(source):
                return  # a full mesh: to look for those who lack it would cost each node n look-ups a transaction
            covered = self._links.get(source, _NOBODY) if from_origin else _NOBODY
            self._relayed.append(_Item(tx_hash, tx, covered))
        self._waiting_bytes += len(tx)

    def _covers_all(self, source: bytes) -> bool:
        """Tell whether a peer reaches all peers of this node by its own links."""
        known = self._reach_all.get(source)
        if known is None:
            known = self._reach_all[source] = self._seen.keys() - {source} <= self._links.get(source, _NOBODY)
        return known

    def offer_again(self, transactions: Iterable[tuple[bytes, bytes]]) -> None:
        """Have (hash, bytes) of still pending transactions told to those not known to have them.

        For a peer that has just connected, and for what has been pending for suspiciously long.
        """
        for tx_hash, tx in transactions:
            self._relayed.append(_Item(tx_hash, tx, _NOBODY))
            self._waiting_bytes += len(tx)

    def flush(self) -> list[Delivery]:
        """Return the frames to send now, and count them as sent."""
        own, relayed = self._own, self._relayed
        self._own, self._relayed, self._waiting_bytes = [], [], 0
        deliveries = self._deliver(own, origin=True)
        return deliveries + self._deliver(relayed, origin=False)

    def not_sent(self, peer: bytes, hashes: Iterable[bytes]) -> None:
        """Take back that a peer was told: its queue was full."""
        seen = self._seen.get(peer)
        if seen is not None:
            for tx_hash in hashes:
                seen.discard(tx_hash)

    def _deliver(self, items: Sequence[_Item], *, origin: bool) -> list[Delivery]:
        if not items:
            return []
        receivers: dict[tuple[int, ...], list[bytes]] = {}
        for peer in sorted(self._seen):
            lacking = self._tell(peer, items)
            if lacking:
                receivers.setdefault(lacking, []).append(peer)
        deliveries: list[Delivery] = []
        for lacking, peers in receivers.items():
            for frame in _frames([items[index] for index in lacking]):
                payload = encode_message(Transactions(origin, tuple(item.tx for item in frame)))
                hashes = tuple(item.tx_hash for item in frame)
                deliveries.append(Delivery(tuple(peers), payload, hashes))
        return deliveries

    def _tell(self, peer: bytes, items: Sequence[_Item]) -> tuple[int, ...]:
        """Return the indices of what a peer lacks, and count that as known to it from now on."""
        seen = self._seen[peer]
        lacking: list[int] = []
        for index, item in enumerate(items):
            if item.tx_hash not in seen and peer not in item.covered:
                seen.add(item.tx_hash)
                lacking.append(index)
        return tuple(lacking)


def _frames(items: Sequence[_Item]) -> Iterable[list[_Item]]:
    frame: list[_Item] = []
    size = 0
    for item in items:
        if frame and (size + len(item.tx) > FRAME_BYTES or len(frame) == MAX_TRANSACTIONS_PER_FRAME):
            yield frame
            frame, size = [], 0
        frame.append(item)
        size += len(item.tx)
    yield frame
