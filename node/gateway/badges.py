"""Badges over plain HTTP: `GET /nft/<collection>/<token>.svg`, its picture, and `.json`, its ERC-721 metadata.

The token is written in decimal without leading zeros, and every other path below /nft/ is refused, so that a badge
has one address. Both are answered from the state of the head. The ETag is the hash of the metadata, which changes
with everything that the picture shows; a client asks again each time, and mostly hears 304.

A picture is opened by people whom its makers may wish no good: it holds no script and refers to nothing, and the
headers let a browser run and load nothing on its behalf, in every case.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from aiohttp import web

from contracts_py.nft import Depicted, depicted
from node.gateway.errors import LIMIT_EXCEEDED, NOT_FOUND, NOT_READY, RpcFault, invalid_param, not_found
from node.gateway.presentation import dumps
from node.gateway.state_methods import StateMethods
from node.pictures import picture
from vm.contract_api import MAX_INT

BADGE_PATHS: Final = "/nft/"
_PATH: Final = re.compile(r"/nft/([a-z0-9][a-z0-9-]{1,31})/(0|[1-9][0-9]{0,15})\.(svg|json)")
_SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "no-cache",
}
"""`cross-origin`: a picture may be shown on any site's page, by `<img>`. `frame-ancestors`: in a frame on none."""

_STATUS: Final = {NOT_FOUND: 404, NOT_READY: 503, LIMIT_EXCEEDED: 429}


class BadgePages:
    """Answers requests below /nft/."""

    def __init__(self, state: StateMethods) -> None:
        self._state = state

    def page(self, request: web.BaseRequest) -> web.Response:
        """Return the answer to a GET or HEAD.

        Raises:
            RpcFault: the path is none of a badge, or there is no such badge.
        """
        collection, token, kind = _named(request)
        found = self._state.ask(lambda ctx: depicted(ctx, collection, token)) if kind == "svg" else None
        if found is not None:
            return _answer(request, found.hash, "image/svg+xml", lambda: _drawn(found))
        metadata = self._state.view("nft_metadata", {"collection": collection, "token": token}).result
        if kind == "svg":
            raise not_found("the collection's metadata and pictures are elsewhere", uri=metadata.uri)
        return _answer(request, metadata.metadata_hash, "application/json", lambda: dumps(metadata))


def _named(request: web.BaseRequest) -> tuple[str, int, str]:
    """Return collection, token and kind of a path, decoded once; an encoded slash parts nothing.

    Raises:
        RpcFault: it is none of a badge.
    """
    found = None if "%2f" in request.raw_path.lower() else _PATH.fullmatch(request.path)
    if found is None or int(found[2]) > MAX_INT:
        words = "/nft/<collection>/<token>.svg or .json, the token in decimal without leading zeros"
        raise invalid_param("path", f"expected {words}")
    return found[1], int(found[2]), found[3]


def _drawn(found: Depicted) -> bytes:
    return picture(found.art, found.traits, found.collection, found.name)


def _answer(request: web.BaseRequest, tag: str | None, kind: str, made: Callable[[], bytes]) -> web.Response:
    """Return what is made, or 304 where the client has it."""
    headers = dict(_SAFE)
    if tag is not None:
        headers["ETag"] = f'"{tag}"'
        if _has(request.headers.get("If-None-Match", ""), tag):
            return web.Response(status=304, headers=headers)
    return web.Response(body=made(), content_type=kind, headers=headers)


def _has(listed: str, tag: str) -> bool:
    """Tell whether an If-None-Match names a tag, weakly or not, or any (RFC 9110 section 13.1.2)."""
    names = [name.strip().removeprefix("W/") for name in listed.split(",")]
    return "*" in names or f'"{tag}"' in names


def status_of(fault: RpcFault) -> int:
    """Return HTTP's status of a fault."""
    return _STATUS.get(fault.code, 400)
