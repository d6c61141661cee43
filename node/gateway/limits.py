"""What one client may use: calls per second, and methods by API key.

A client is an IP address, an IPv6 one its /64 network, as that is what a single host commonly owns. Behind a proxy
that the operator trusts it is the address that the proxy tells (node/gateway/forwarded.py).

Invariants:
    1. At most MAX_TRACKED_CLIENTS buckets are kept; the one refilled longest ago goes first, and a full
       bucket is the same as none.
    2. Whether a key is valid takes the same time for any wrong key.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from cachetools import LRUCache

from node.chain.states import ReadBudget
from node.runtime.config import HASHED, is_hashed

MAX_TRACKED_CLIENTS: Final = 10_000
"""Some 3 MB of buckets; beyond it strangers only lose the memory of having been slow."""

PAST_READS_SECONDS: Final = 0.2
"""What searching the values of a past state may take for one call, of a thread that consensus shares."""

COUNT_ANSWER: Final[ContextVar[Callable[[int], None]]] = ContextVar("count_answer", default=lambda count: None)
"""Called with the bytes of each part of the answer that is being built; raises where there is no room for them."""


def past_reads() -> ReadBudget:
    """Return what one call may search of a past state."""
    return ReadBudget(PAST_READS_SECONDS, time.thread_time)  # what others do while the call pauses is not its own


def client_of(remote: str | None) -> str:
    """Return the name under which a peer address is counted."""
    if remote is None:
        return "unknown"
    try:
        address = ip_address(remote.partition("%")[0])
    except ValueError:
        return remote
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return remote


class RateLimiter:
    """Token buckets: `per_second` calls flow in, and a burst of one second, or of one batch, may flow out."""

    def __init__(self, per_second: int, burst: int, now: Callable[[], float]) -> None:
        self._per_second = per_second
        self._capacity = float(max(per_second, burst))
        self._now = now
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(MAX_TRACKED_CLIENTS)

    def take(self, client: str, calls: int) -> int:
        """Take tokens for `calls`; return 0, or how many ms to wait where there are too few (none is taken)."""
        now = self._now()
        tokens, at = self._buckets.get(client, (self._capacity, now))
        tokens = min(self._capacity, tokens + (now - at) * self._per_second)
        missing = calls - tokens
        self._buckets[client] = (tokens if missing > 0 else tokens - calls, now)
        return max(1, int(missing * 1_000 / self._per_second)) if missing > 0 else 0


class ApiKeys:
    """Who may read and write. A key for writes reads too, as a client sends one key with all its calls.

    Args:
        read, write: keys in clear, or as `hashed_key` writes them.
    """

    def __init__(self, read: Sequence[str], write: Sequence[str]) -> None:
        self._write = [_stored_digest(key) for key in write]
        self._read = [_stored_digest(key) for key in read]

    def permissions(self, authorization: str | None) -> tuple[bool, bool]:
        """Return (may read, may write) for an Authorization header, None where there is none."""
        writes, reads = not self._write, not self._read
        if writes and reads:
            return True, True
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() == "bearer":
            digest = _digest(key.strip())
            is_writer = _among(digest, self._write)
            is_reader = _among(digest, self._read)
            writes = writes or is_writer
            reads = reads or is_reader or is_writer
        return reads, writes


def _stored_digest(entry: str) -> bytes:
    return bytes.fromhex(entry.removeprefix(HASHED)) if is_hashed(entry) else _digest(entry)


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()


def _among(digest: bytes, digests: list[bytes]) -> bool:
    # Every key is compared, so that time tells nothing about which one matched.
    return sum(hmac.compare_digest(digest, other) for other in digests) > 0
