"""Where peers may be dialled: what the operator configured, what a peer said of itself, what others said; pure.

A permitted peer may be bad, and must not turn this node into a tool that knocks at any door. So what was
not configured is dialled only within the rules below, and a handshake there proves the key or ends.
docs/decisions/hearsay-addresses.md has the argument.

Invariants:
    1. A place that was not configured is an IP literal (no name is resolved for it), has a port from
       MIN_HEARSAY_PORT on, and lies in a range that this node's own network uses.
    2. A peer that tells of others has one place for each key, and replaces it by telling again: it can neither
       displace what others told, nor what a key says of itself.
    3. A key has at most MAX_PLACES places beside its configured ones; tellers and what they told are bounded.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from cachetools import FIFOCache

from network.config import PeerAddress

MIN_HEARSAY_PORT: Final = 1_024
"""Below are the services of a system (RFC 6335), at which no node listens."""

MAX_PLACES: Final = 4
MAX_KEYS_TOLD: Final = 256
"""By one teller; those that are missing here come first."""
MAX_TELLERS: Final = 32
MAX_ANNOUNCED: Final = 1_024

_EMBEDDING_NETWORKS: Final = tuple(
    ipaddress.IPv6Network(network) for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
)
"""NAT64, 6to4 and Teredo: behind each lies an IPv4 address of any range."""

Literal = ipaddress.IPv4Address | ipaddress.IPv6Address


class Scope(Enum):
    """How far an address reaches."""

    PUBLIC = auto()
    PRIVATE = auto()
    LOOPBACK = auto()


class AddressOrigin(Enum):
    """Who said that a peer is at a place."""

    CONFIGURED = auto()
    ANNOUNCED = auto()
    """The peer itself, over a connection on which it had proved its key."""
    TOLD = auto()
    """Another peer."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a peer may be."""

    host: str
    port: int
    origin: AddressOrigin = AddressOrigin.CONFIGURED


def scope_of(host: str) -> Scope | None:
    """Return the scope of an IP literal; None for a name, and for what no node listens at."""
    address = _literal(host)
    if address is None or address.is_multicast or address.is_unspecified or address.is_link_local:
        return None
    if address.is_loopback:
        return Scope.LOOPBACK
    if isinstance(address, ipaddress.IPv6Address) and any(address in network for network in _EMBEDDING_NETWORKS):
        return None
    if address.is_global:
        return Scope.PUBLIC
    return None if address.is_reserved and not address.is_private else Scope.PRIVATE


def _literal(host: str) -> Literal | None:
    if "%" in host:
        return None  # a zone is this machine's affair
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


class AddressBook:
    """All places of all peers.

    Args:
        own_hosts: where this node listens, and what it advertises.
        is_missing: whether a key's connection is missing and allowed.
    """

    def __init__(self, own_key: bytes, own_hosts: Iterable[str], is_missing: Callable[[bytes], bool]) -> None:
        self._own_key = own_key
        self._is_missing = is_missing
        self._scopes = {Scope.PUBLIC}
        self._configured: dict[bytes, list[Place]] = {}
        self._no_longer_configured: set[bytes] = set()
        # Both forget first what was told longest ago; reading renews nothing.
        self._announced: FIFOCache[bytes, Place] = FIFOCache(MAX_ANNOUNCED)
        self._told: FIFOCache[bytes, dict[bytes, Place]] = FIFOCache(MAX_TELLERS)
        for host in own_hosts:
            self.ours(host)

    def ours(self, host: str) -> None:
        """Note an address that this node's own network uses: hearsay may lead into its range."""
        scope = scope_of(host)
        if scope is not None:
            self._scopes.add(scope)

    def configure(self, peers: Iterable[PeerAddress]) -> list[bytes]:
        """Replace the configured places; returns the keys that have some."""
        configured: dict[bytes, list[Place]] = {}
        for peer in peers:
            configured.setdefault(peer.public_key, []).append(Place(peer.host, peer.port))
            self.ours(peer.host)
        self._no_longer_configured |= self._configured.keys()
        self._no_longer_configured -= configured.keys()
        self._configured = configured
        return list(configured)

    def announced(self, key: bytes, seen_host: str, listen: tuple[str, int]) -> None:
        """Note where a connected peer says that it listens; without a literal, at the address where it is seen."""
        host, port = listen
        self._announced.pop(key, None)
        if port >= MIN_HEARSAY_PORT:
            place = Place(host if scope_of(host) else seen_host, port, AddressOrigin.ANNOUNCED)
            self._announced[key] = place

    def told(self, teller: bytes, entries: Sequence[tuple[bytes, str, int]]) -> None:
        """Replace what a connected peer tells of others."""
        of_use = [entry for entry in entries if self._is_of_use(*entry)]
        of_use.sort(key=lambda entry: not self._is_missing(entry[0]))
        self._told[teller] = {
            key: Place(host, port, AddressOrigin.TOLD) for key, host, port in of_use[:MAX_KEYS_TOLD]
        }

    def _is_of_use(self, key: bytes, host: str, port: int) -> bool:
        """Tell whether hearsay counts: where an operator has named a peer, he is believed and others are not."""
        if key == self._own_key or key in self._configured or key in self._no_longer_configured:
            return False
        return port >= MIN_HEARSAY_PORT and scope_of(host) is not None

    def is_configured(self, key: bytes) -> bool:
        """Tell whether an operator has named the key."""
        return key in self._configured

    def not_configured(self) -> set[bytes]:
        """Return the keys that are known by their own word or by hearsay only."""
        known = set(self._announced).union(*self._told.values())
        return known - self._configured.keys() - self._no_longer_configured - {self._own_key}

    def places(self, key: bytes) -> list[Place]:
        """Return where to try a peer, the most trusted first; none where nothing may be dialled."""
        if key in self._no_longer_configured:
            return []
        configured = self._configured.get(key, [])
        taken = {(place.host, place.port) for place in configured}
        others: list[Place] = []
        for place in self._said(key):
            if (place.host, place.port) not in taken and scope_of(place.host) in self._scopes:
                taken.add((place.host, place.port))
                others.append(place)
        return configured + others[:MAX_PLACES]

    def _said(self, key: bytes) -> list[Place]:
        """Return what the key said of itself, then what most tellers say."""
        announced = [self._announced[key]] if key in self._announced else []
        if key in self._configured:
            return announced
        votes = Counter(places[key] for places in self._told.values() if key in places)
        return announced + [place for place, _ in votes.most_common()]
