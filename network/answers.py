"""How much a peer is answered: decided before an answer is built, since building is what costs.

A request has some bytes, its answer up to 8 MiB that are read, encoded and encrypted. So each key has an
allowance of answered bytes, several times what the fastest catching up takes, and a peer whose earlier
answers still wait in its outbox gets no further ones: it reads too slowly, and asks again or elsewhere.

Invariants:
    1. For a refused request nothing is read and nothing is built.
    2. Answers that wait for one peer are at most MAX_WAITING_BYTES and one more.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from cachetools import LRUCache

from network.kinds import MIB, Kind
from network.messages import Reply, encode_message, kind_of
from network.rate_limit import TokenBucket
from network.scoring import Offence

BYTES_PER_SECOND: Final = 24 * MIB
"""Some eighth of a core to read, encode and encrypt; a node executes 3 MB of transactions per second."""
BURST_BYTES: Final = 64 * MIB

MAX_WAITING_BYTES: Final = 8 * MIB
"""The longest answer. The outbox itself would take twice as much, after it has been built."""

_MAX_KEYS: Final = 4_096


class Asker(Protocol):
    """The peer that asks."""

    key: bytes

    @property
    def waiting_reply_bytes(self) -> int:
        """Bytes of replies that it has not taken yet."""
        ...

    def send(self, kind: Kind, payload: bytes) -> bool:
        """Queue a frame to it."""
        ...

    def penalise(self, offence: Offence) -> None:
        """Score it."""
        ...


class Answers:
    """The allowances of all keys; they outlive connections, or hanging up would refill them."""

    def __init__(self) -> None:
        self._buckets: LRUCache[bytes, TokenBucket] = LRUCache(_MAX_KEYS)

    def may_answer(self, peer: Asker) -> bool:
        """Tell whether to build an answer; a peer beyond its allowance is scored."""
        if peer.waiting_reply_bytes >= MAX_WAITING_BYTES:
            return False
        now = asyncio.get_running_loop().time()
        if not self._bucket(peer.key, now).has(0, now):
            peer.penalise(Offence.FLOOD)
            return False
        return True

    def send(self, peer: Asker, reply: Reply) -> None:
        """Send an answer, and charge its bytes."""
        payload = encode_message(reply)
        now = asyncio.get_running_loop().time()
        self._bucket(peer.key, now).charge(len(payload), now)
        peer.send(kind_of(reply), payload)

    def _bucket(self, key: bytes, now: float) -> TokenBucket:
        return self._buckets.setdefault(key, TokenBucket(BYTES_PER_SECOND, BURST_BYTES, now))
