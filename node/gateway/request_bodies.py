"""Reading request bodies: none too large, none too slow, and not too much of all of them together.

Invariants:
    1. No more than `limit` bytes of one body are held, and a chunk, for any Content-Length.
    2. All bodies that are held at once, being read or answered, are bounded by `Shares`, and a chunk each.
    3. A body is here within BODY_TIMEOUT_S, and comes at the pace of `Pace` until then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiohttp import ClientError, HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from node.gateway.errors import HttpRefusal, RpcFault
from node.gateway.pace import Pace
from node.gateway.shares import Hold, Shares

BODY_TIMEOUT_S: Final = 30.0
"""A body must be here within this time: a slow sender holds a connection, and nothing else."""

RETRY_MS: Final = 1_000


@dataclass(slots=True)
class Body:
    """A body that is here, and its share of the memory until it has been answered."""

    data: bytearray
    hold: Hold

    def take(self) -> bytearray:
        """Return the bytes, and hold them no longer."""
        data, self.data = self.data, bytearray()
        return data


class BodyReader:
    """Reads the bodies of one server's requests.

    Args:
        limit: bytes of one body.
        shares: of all bodies at once.
    """

    def __init__(self, limit: int, shares: Shares) -> None:
        self._limit = limit
        self._shares = shares

    async def read(self, request: web.BaseRequest, client: str) -> Body:
        """Return the body; `release` it once it is answered.

        Raises:
            HttpRefusal: it is too large, breaks off, comes too slowly, or there are too many; or the client expects
                what this server does not know.
        """
        if (request.content_length or 0) > self._limit:
            raise self._too_large()
        await _continue(request)
        body = Body(bytearray(), Hold(client))
        try:
            async with Pace(BODY_TIMEOUT_S) as pace:
                body.hold.drop = pace.stop
                await self._fill(body, request, pace)
        except BaseException as error:
            self.release(body)
            if isinstance(error, TimeoutError):
                raise _too_slow(dropped=body.hold.dropped) from None
            if isinstance(error, RequestPayloadError | HttpProcessingError | ClientError | ConnectionError):
                raise HttpRefusal(400, RpcFault("PARSE_ERROR", "the body broke off")) from None
            raise
        body.hold.drop = None  # It is the node that works on it now.
        return body

    async def _fill(self, body: Body, request: web.BaseRequest, pace: Pace) -> None:
        content = request.content
        while not content.at_eof():
            chunk = await content.readany()
            if len(body.data) + len(chunk) > self._limit:
                raise self._too_large()
            if not self._shares.grow(body.hold, len(chunk)):
                raise _no_room()
            body.data.extend(chunk)
            pace.passed(len(chunk))

    def release(self, body: Body) -> None:
        """Forget a body that has been answered."""
        self._shares.release(body.hold)

    def _too_large(self) -> HttpRefusal:
        limit = self._limit
        fault = RpcFault("REQUEST_TOO_LARGE", f"the body has more than {limit} bytes", limit=limit)
        return HttpRefusal(413, fault)


async def _continue(request: web.BaseRequest) -> None:
    """Tell a client to go on that waits for this before it sends a body (`Expect: 100-continue`).

    curl asks so from 1 MiB on and waits a second, others wait without end. aiohttp leaves the answer to its user.

    Raises:
        HttpRefusal: it expects something else.
    """
    expected = request.headers.get("Expect")
    if expected is None or request.version < HttpVersion11:  # who speaks HTTP/1.0 does not wait (RFC 9110, 10.1.1)
        return
    if expected.strip().lower() != "100-continue":
        raise HttpRefusal(417, RpcFault("BAD_HTTP", f"the node knows no expectation {expected[:50]!r}"))
    transport = request.transport
    if transport is not None and not request.content.total_bytes:
        transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _too_slow(*, dropped: bool) -> HttpRefusal:
    return _no_room() if dropped else HttpRefusal(408, RpcFault("PARSE_ERROR", "the body did not come in time"))


def _no_room() -> HttpRefusal:
    fault = RpcFault("RATE_LIMITED", "this client sends too many large requests at once", retry_after_ms=RETRY_MS)
    return HttpRefusal(429, fault)
