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

from collections.abc import Collection, Iterable, Sequence, Set
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

    def lacks(self, hashes: Set[bytes]) -> bool:
        """Tell whether none of these is remembered."""
        return self._newer.isdisjoint(hashes) and self._older.isdisjoint(hashes)

    def add_all(self, hashes: Collection[bytes]) -> None:
        """Remember hashes, together at most as many as a frame holds."""
        if len(self._newer) + len(hashes) > self._half:
            for tx_hash in hashes:
                self.add(tx_hash)
        else:
            self._newer.update(hashes)

    def discard(self, tx_hash: bytes) -> None:
        """Forget a hash."""
        self._newer.discard(tx_hash)
        self._older.discard(tx_hash)


Transmitted = tuple[bytes, bytes]
"""A transaction's hash, and its bytes."""


class _Batch(NamedTuple):
    """Transactions that came together.

    Attributes:
        covered: peers that have them from where they came from.
    """

    items: Sequence[Transmitted]
    covered: frozenset[bytes]


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
        self._own: list[_Batch] = []
        self._relayed: list[_Batch] = []
        self._waiting_bytes = 0

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the transactions that the next flush sends."""
        return self._waiting_bytes

    @property
    def own_waiting(self) -> list[bytes]:
        """The hashes of the clients' transactions that the next flush sends, in order."""
        return [tx_hash for batch in self._own for tx_hash, _ in batch.items]

    def peer_connected(self, peer: bytes) -> None:
        """Begin to remember what a peer has."""
        self._seen[peer] = SeenHashes(self._seen_per_peer)

    def peer_disconnected(self, peer: bytes) -> None:
        """Forget a peer; it may have lost everything when it is back."""
        self._seen.pop(peer, None)
        self._links.pop(peer, None)

    def set_links(self, peer: bytes, links: Iterable[bytes]) -> None:
        """Take note of whom a peer says to be connected to."""
        if peer in self._seen:
            self._links[peer] = frozenset(links)

    def heard(self, peer: bytes, hashes: Collection[bytes]) -> None:
        """Take note that a peer has these: it sent them."""
        seen = self._seen.get(peer)
        if seen is not None:
            seen.add_all(hashes)

    def add(self, items: Sequence[Transmitted], source: bytes | None = None, *, from_origin: bool = False) -> None:
        """Have newly admitted transactions, which came together, told to those who lack them.

        Args:
            source: the peer that they came from; None when they came from a client of this node.
            from_origin: what the peer's frame said of itself.
        """
        if source is None:
            self._wait(self._own, items, _NOBODY)
            return
        self.heard(source, [tx_hash for tx_hash, _ in items])
        covered = self._links.get(source, _NOBODY) if from_origin else _NOBODY
        if not self._seen.keys() - covered <= {source}:  # in a full mesh there is nobody left to be told
            self._wait(self._relayed, items, covered)

    def offer_again(self, items: Sequence[Transmitted]) -> None:
        """Have still pending transactions told to those not known to have them.

        For a peer that has just connected, and for what has been pending for suspiciously long.
        """
        self._wait(self._relayed, items, _NOBODY)

    def _wait(self, queue: list[_Batch], items: Sequence[Transmitted], covered: frozenset[bytes]) -> None:
        if items:
            queue.append(_Batch(items, covered))
            self._waiting_bytes += sum([len(tx) for _, tx in items])

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

    def _deliver(self, batches: Sequence[_Batch], *, origin: bool) -> list[Delivery]:
        receivers: dict[tuple[tuple[int, ...] | None, ...], list[bytes]] = {}
        hashes = [frozenset([tx_hash for tx_hash, _ in batch.items]) for batch in batches]
        for peer in sorted(self._seen):
            lacking = tuple([self._tell(peer, batch, own) for batch, own in zip(batches, hashes, strict=True)])
            if any(lacks is None or lacks for lacks in lacking):
                receivers.setdefault(lacking, []).append(peer)
        deliveries: list[Delivery] = []
        for lacking, peers in receivers.items():
            for frame in _frames(_lacked(batches, lacking)):
                payload = encode_message(Transactions(origin, tuple([tx for _, tx in frame])))
                deliveries.append(Delivery(tuple(peers), payload, tuple([tx_hash for tx_hash, _ in frame])))
        return deliveries

    def _tell(self, peer: bytes, batch: _Batch, hashes: frozenset[bytes]) -> tuple[int, ...] | None:
        """Return the indices of what a peer lacks (None: all), and count that as known to it from now on."""
        if peer in batch.covered:
            return ()
        seen = self._seen[peer]
        if len(hashes) == len(batch.items) and seen.lacks(hashes):
            seen.add_all(hashes)
            return None
        lacking: list[int] = []
        for index, (tx_hash, _) in enumerate(batch.items):
            if tx_hash not in seen:
                seen.add(tx_hash)
                lacking.append(index)
        return tuple(lacking)


def _lacked(batches: Sequence[_Batch], lacking: Sequence[tuple[int, ...] | None]) -> list[Transmitted]:
    found: list[Transmitted] = []
    for batch, indices in zip(batches, lacking, strict=True):
        found += batch.items if indices is None else [batch.items[index] for index in indices]
    return found


def _frames(items: Sequence[Transmitted]) -> Iterable[list[Transmitted]]:
    frame: list[Transmitted] = []
    size = 0
    for item in items:
        if frame and (size + len(item[1]) > FRAME_BYTES or len(frame) == MAX_TRANSACTIONS_PER_FRAME):
            yield frame
            frame, size = [], 0
        frame.append(item)
        size += len(item[1])
    yield frame
