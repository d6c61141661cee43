"""Which names the node answers to, against web pages that reach for a visitor's node.

A page of evil.example may let its own name resolve to 127.0.0.1 (DNS rebinding): the browser then takes the node
for the page's own server, and only the Host header tells. An IP address or `localhost` cannot be rebound; every
other name must be in `rpc.allowed_hosts`. A browser also says from which site's page a request comes (Origin): that
must be the node itself, or an allowed name.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from aiohttp import HttpVersion10, HttpVersion11, web

from node.gateway.errors import HttpRefusal, RpcFault

_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


class HostRule:
    """Decides by a request's version, Host and Origin whether to answer it.

    Args:
        allowed: names without ports; case does not matter.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset({_name_of(name) for name in allowed}) | {"localhost"}

    def check(self, request: web.BaseRequest) -> None:
        """Let a request pass.

        Raises:
            HttpRefusal: it is not for this node, or not HTTP/1.0 or HTTP/1.1.
        """
        if request.version not in (HttpVersion10, HttpVersion11):
            raise HttpRefusal(505, RpcFault("BAD_HTTP", "the node speaks HTTP/1.1 and HTTP/1.0"))
        # `request.host` is the request line's own where that names one, and our address where nothing does.
        hosts = [*request.headers.getall("Host", []), request.host]
        for host in hosts:
            if not self._allows(host):
                message = f"this node is not {host[:100]!r}; rpc.allowed_hosts in node.toml lists its names"
                raise HttpRefusal(421, RpcFault("HOST_NOT_ALLOWED", message))
        origin = request.headers.get("Origin")
        if origin is not None and not self._is_own(origin, hosts[0]):
            message = (
                f"pages of {origin[:100]!r} are not allowed; rpc.allowed_hosts in node.toml lists those that are"
            )
            raise HttpRefusal(403, RpcFault("ORIGIN_NOT_ALLOWED", message))

    def _allows(self, host: str) -> bool:
        name = _name_of(host)
        return name in self._allowed or _is_address(name)

    def _is_own(self, origin: str, host: str) -> bool:
        scheme, separator, authority = origin.lower().partition("://")
        if not separator or scheme not in _DEFAULT_PORTS:
            return False  # "null" of a file or a sandbox, or a browser extension
        name = _name_of(authority)
        if name in self._allowed and name != "localhost":
            return True  # a proxy in front of the node may have another name and port than the node
        port = _DEFAULT_PORTS[scheme]
        return (name, _port_of(authority) or port) == (_name_of(host), _port_of(host) or port)


def _name_of(host: str) -> str:
    """Return a Host's name or address in lower case, without its port, brackets and final dot."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    name, _, _ = host.partition(":") if host.count(":") == 1 else (host, "", "")
    return name.removesuffix(".").lower()


def _port_of(host: str) -> str:
    return host.rpartition("]")[2].partition(":")[2]


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
