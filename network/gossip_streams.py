"""What each node has told its peers as its clients' own, in order; pure, with time as an input.

A node sends its clients' transactions to all its peers in one order over connections that keep it. So validators
that are connected to it hold the same stream, and one of them can name a run of it to the others in a few bytes
(`consensus.compact`). Streams are hints: a node that tells its peers different things makes its own runs useless,
and costs a question; what a run stands for is checked by its digest and by the block's header.

Invariants:
    1. Of one origin at most `per_origin` hashes are kept, none longer than KEPT_SECONDS after a later one came; of
       ORIGINS_KEPT origins. One that floods pushes out its own only.
    2. A hash stands in a stream once.
    3. A hash has its place in the stream of the origin that told of it first: who repeats it takes nothing over.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final

PER_ORIGIN: Final = 8_192
"""Three seconds of all that an alliance takes, from one node; some 1.4 MB."""

ORIGINS_KEPT: Final = 64
"""Twice the validators of the largest alliance that is measured."""

KEPT_SECONDS: Final = 15.0
"""Longer than a transaction waits for its block while validators keep up."""


class _Stream:
    """One origin's hashes, with the times at which they came."""

    __slots__ = ("_base", "_hashes", "_places", "_times")

    def __init__(self) -> None:
        self._base = 0
        self._hashes: list[bytes] = []
        self._times: list[float] = []
        self._places: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, hashes: Sequence[bytes], now: float, bound: int) -> list[bytes]:
        """Append what is new; return what is forgotten, as it is old or too much."""
        for tx_hash in hashes:
            if tx_hash not in self._places:
                self._places[tx_hash] = self._base + len(self._hashes)
                self._hashes.append(tx_hash)
                self._times.append(now)
        return self.drop(max(bisect_left(self._times, now - KEPT_SECONDS), len(self._hashes) - bound))

    def drop(self, count: int) -> list[bytes]:
        """Forget the oldest hashes; return them."""
        if count <= 0:
            return []
        dropped = self._hashes[:count]
        for tx_hash in dropped:
            del self._places[tx_hash]
        del self._hashes[:count], self._times[:count]
        self._base += count
        return dropped

    def position(self, tx_hash: bytes, before: float) -> int | None:
        """Return where a hash stands that came before some time."""
        position = self._places.get(tx_hash)
        if position is None or self._times[position - self._base] >= before:
            return None
        return position

    def run(self, first: bytes, count: int) -> list[bytes] | None:
        """Return `count` hashes from the first on, if there are as many."""
        position = self._places.get(first)
        if position is None:
            return None
        start = position - self._base
        run = self._hashes[start : start + count]
        return run if len(run) == count else None


class GossipStreams:
    """The streams of all origins.

    Args:
        is_wanted: whether anything is to be remembered; in a small alliance nothing is.
    """

    def __init__(self, is_wanted: Callable[[], bool] = lambda: True, per_origin: int = PER_ORIGIN) -> None:
        self._is_wanted = is_wanted
        self._per_origin = per_origin
        self._streams: dict[bytes, _Stream] = {}
        self._told_first: dict[bytes, bytes] = {}
        """Hash → the origin whose stream it has its place in."""

    @property
    def is_wanted(self) -> bool:
        """Whether anything is remembered."""
        return self._is_wanted()

    def told(self, origin: bytes, hashes: Sequence[bytes], now: float) -> None:
        """An origin has told its peers of its clients' transactions, in this order."""
        if not self.is_wanted:
            return
        stream = self._streams.pop(origin, None) or _Stream()
        self._streams[origin] = stream  # those that spoke last come last
        first = self._told_first
        for tx_hash in hashes:
            first.setdefault(tx_hash, origin)
        self._forget(origin, stream.add(hashes, now, self._per_origin))
        if len(self._streams) > ORIGINS_KEPT:
            silent = next(iter(self._streams))
            stream = self._streams.pop(silent)
            self._forget(silent, stream.drop(len(stream)))

    def _forget(self, origin: bytes, hashes: Sequence[bytes]) -> None:
        for tx_hash in hashes:
            if self._told_first.get(tx_hash) == origin:
                del self._told_first[tx_hash]

    def place(self, tx_hash: bytes, before: float) -> tuple[bytes, int] | None:
        """Return the origin that told of a transaction first, before some time, and where it stands there."""
        origin = self._told_first.get(tx_hash)
        stream = None if origin is None else self._streams.get(origin)
        if origin is None or stream is None:
            return None
        position = stream.position(tx_hash, before)
        return None if position is None else (origin, position)

    def run(self, origin: bytes, first: bytes, count: int) -> list[bytes] | None:
        """Return what an origin told, from one transaction on; None where not all of it is known here."""
        stream = self._streams.get(origin)
        return None if stream is None else stream.run(first, count)

    def size(self, origin: bytes) -> int:
        """Return how many hashes of an origin are kept."""
        stream = self._streams.get(origin)
        return 0 if stream is None else len(stream)
