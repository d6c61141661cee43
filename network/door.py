"""Who may stay half-open: connections whose other side has not proved a key yet; pure, time is an input.

A half-open connection first waits for its ClientHello, which costs a descriptor and no more, and then goes
through a TLS handshake, which costs some 0.6 ms of processor. A lane bounds one of these for one class of senders:
those who show a ticket, those from an address at which a peer is known, and strangers. A lane that
is full takes the newcomer all the same and drops the oldest of the source that holds most, so that a flood
drives out its own and a source within its share keeps its place.

Invariants:
    1. A lane never holds more than its rule says, in all and of one source.
    2. Only what enters is charged: an attempt that is refused takes nothing from later ones.
    3. What is remembered of sources is bounded, however many there are.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from cachetools import LRUCache

from network.rate_limit import TokenBucket

_MAX_BUCKETS: Final = 1_024
"""Sources beyond this make the oldest begin anew; the lane's own rate then bounds them together."""

_IPV6_HOST_BITS: Final = 64
"""One subscriber has at least so many addresses (RFC 6177), hence counts as one."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many per second, after a burst."""

    per_second: int
    burst: int


@dataclass(frozen=True, slots=True)
class LaneRule:
    """The bounds of one lane; a rate that is None bounds nothing."""

    capacity: int
    per_source: int
    rate: Rate | None = None
    source_rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class DoorRules:
    """The bounds of all lanes.

    A testnet behind one address may start at once, hence bursts of 100. Handshakes of all lanes together cost a
    fifth of a core at most. A key needs one connection; the second place is for another while the first hangs.
    """

    strangers_waiting: LaneRule = LaneRule(capacity=128, per_source=96)
    known_waiting: LaneRule = LaneRule(capacity=128, per_source=128)
    strangers: LaneRule = LaneRule(48, 16, Rate(100, 200), Rate(20, 100))
    known: LaneRule = LaneRule(32, 24, Rate(100, 200), Rate(20, 100))
    ticketed: LaneRule = LaneRule(64, 2, Rate(100, 200), Rate(4, 8))

    @property
    def half_open(self) -> int:
        """The most descriptors that connections without a proved key can take."""
        lanes = (self.strangers_waiting, self.known_waiting, self.strangers, self.known, self.ticketed)
        return sum(lane.capacity for lane in lanes)


Guest = TypeVar("Guest")
Source = str | bytes
"""An address, or the key of a ticket."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[Guest]):
    """What came of an attempt to enter: whether it did, and who had to go for it."""

    admitted: bool
    dropped: Guest | None = None


class Lane(Generic[Guest]):
    """The half-open connections of one class, by source, the oldest first."""

    def __init__(self, rule: LaneRule, now: float) -> None:
        self._rule = rule
        self._guests: OrderedDict[Source, OrderedDict[Guest, None]] = OrderedDict()
        self._count = 0
        self._bucket = None if rule.rate is None else TokenBucket(rule.rate.per_second, rule.rate.burst, now)
        self._buckets: LRUCache[Source, TokenBucket] = LRUCache(_MAX_BUCKETS)

    def __len__(self) -> int:
        return self._count

    def enter(self, source: Source, guest: Guest, now: float) -> Entry[Guest]:
        """Take a guest in if the rates allow it; the caller closes who had to go."""
        if not self._charge(source, now):
            return Entry(admitted=False)
        dropped: Guest | None = None
        if len(self._guests.get(source, ())) >= self._rule.per_source:
            dropped = self._drop(source)
        elif self._count >= self._rule.capacity:
            dropped = self.drop_one()
        self._guests.setdefault(source, OrderedDict())[guest] = None
        self._count += 1
        return Entry(True, dropped)

    def leave(self, source: Source, guest: Guest) -> None:
        """Forget a guest, which may have been dropped already."""
        of_source = self._guests.get(source)
        if of_source is not None and guest in of_source:
            del of_source[guest]
            self._count -= 1
            if not of_source:
                del self._guests[source]

    def drop_one(self) -> Guest | None:
        """Forget the oldest guest of the source that has most, and return it; None in an empty lane."""
        if not self._guests:
            return None
        return self._drop(max(self._guests, key=lambda source: len(self._guests[source])))

    def _drop(self, source: Source) -> Guest:
        guest = next(iter(self._guests[source]))
        self.leave(source, guest)
        return guest

    def _charge(self, source: Source, now: float) -> bool:
        bucket = self._bucket_of(source, now)
        if self._bucket is not None and not self._bucket.has(1, now):
            return False
        if bucket is not None:
            if not bucket.has(1, now):
                return False
            bucket.charge(1, now)
        if self._bucket is not None:
            self._bucket.charge(1, now)
        return True

    def _bucket_of(self, source: Source, now: float) -> TokenBucket | None:
        rate = self._rule.source_rate
        if rate is None:
            return None
        return self._buckets.setdefault(source, TokenBucket(rate.per_second, rate.burst, now))


def source_of(host: str) -> str:
    """Return what counts as one source: an IPv4 address, or the network of an IPv6 one."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 128 - _IPV6_HOST_BITS), strict=False))
