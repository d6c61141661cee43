"""What each node has told its peers as its clients' own, in order; pure, with time as an input.

A node sends its clients' transactions to all its peers in one order over connections that keep it. So validators
that are connected to it hold the same stream, and one of them can name a run of it to the others in a few bytes
(`consensus.compact`). Streams are hints: a node that tells its peers different things makes its own runs useless,
and costs a question; what a run stands for is checked by its digest and by the block's header.

Invariants:
    1. Of one origin at most `per_origin` hashes are kept, none longer than KEPT_SECONDS after a later one came; of
       ORIGINS_KEPT origins. One that floods pushes out its own only.
    2. A hash stands in a stream once.
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

    def add(self, hashes: Sequence[bytes], now: float, bound: int) -> None:
        """Append what is new, and forget what is old or too much."""
        for tx_hash in hashes:
            if tx_hash not in self._places:
                self._places[tx_hash] = self._base + len(self._hashes)
                self._hashes.append(tx_hash)
                self._times.append(now)
        self._drop(max(bisect_left(self._times, now - KEPT_SECONDS), len(self._hashes) - bound))

    def _drop(self, count: int) -> None:
        if count > 0:
            for tx_hash in self._hashes[:count]:
                del self._places[tx_hash]
            del self._hashes[:count], self._times[:count]
            self._base += count

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
        self._found_last = b""

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
        stream.add(hashes, now, self._per_origin)
        if len(self._streams) > ORIGINS_KEPT:
            del self._streams[next(iter(self._streams))]

    def place(self, tx_hash: bytes, before: float) -> tuple[bytes, int] | None:
        """Return the origin that told of a transaction before some time, and where it stands there."""
        for origin in (self._found_last, *self._streams):  # neighbours in a block are mostly of one origin
            stream = self._streams.get(origin)
            position = None if stream is None else stream.position(tx_hash, before)
            if position is not None:
                self._found_last = origin
                return origin, position
        return None

    def run(self, origin: bytes, first: bytes, count: int) -> list[bytes] | None:
        """Return what an origin told, from one transaction on; None where not all of it is known here."""
        stream = self._streams.get(origin)
        return None if stream is None else stream.run(first, count)

    def size(self, origin: bytes) -> int:
        """Return how many hashes of an origin are kept."""
        stream = self._streams.get(origin)
        return 0 if stream is None else len(stream)
