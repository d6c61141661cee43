"""Whose request a proxy hands on: opt-in, for proxies that the operator names (`rpc.trusted_proxies`).

Each proxy appends the address that it was called from to `X-Forwarded-For`, so that the list reads from the client
to the last proxy but one. What stands left of the first address that no trusted proxy has is the caller's own
invention. So the list is read from the right, and the first address that is not a trusted proxy's is the client.

Invariants:
    1. Where no proxy is trusted, or the connection is not one of theirs, headers change nothing.
    2. A client behind trusted proxies is counted under an address that one of them has seen.
    3. The work is bounded: at most MAX_HOPS addresses of a list are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from aiohttp import web

from node.gateway.limits import client_of

MAX_HOPS: Final = 16
"""Proxies in a row; a chain of them has two or three."""

HEADER: Final = "X-Forwarded-For"


class Clients:
    """Names the clients of one server.

    Args:
        trusted: addresses and networks (10.0.0.0/8) of proxies.
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted = tuple(ip_network(entry, strict=False) for entry in trusted)

    def is_trusted(self, remote: str | None) -> bool:
        """Tell whether an address is a trusted proxy's."""
        return bool(self._trusted) and self._is_proxy(_address(remote or ""))

    def of(self, request: web.BaseRequest) -> str:
        """Return the name under which a request's client is counted."""
        hop = request.remote
        if not self._trusted or not self._is_proxy(_address(hop or "")):
            return client_of(hop)
        # What stands left of the last MAX_HOPS entries stays one text, which is no address.
        listed = ",".join(request.headers.getall(HEADER, [])).rsplit(",", MAX_HOPS)
        for entry in reversed(listed):
            address = _address(entry.strip())
            if address is None:
                break  # not what a proxy writes: the proxy that passed it on answers for it
            hop = str(address)
            if not self._is_proxy(address):
                break
        return client_of(hop)

    def _is_proxy(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address as proxies write it: with a port, in brackets, IPv4 within IPv6; None for no address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
