"""Reading request bodies: none too large, none too slow, and not too much of all of them together.

Invariants:
    1. No more than `limit` bytes of one body are held, and a chunk, whatever Content-Length says.
    2. All bodies that are held at once, being read or answered, have at most `total` bytes, and a chunk each.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import ClientError, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from node.gateway.errors import RpcFault

BODY_TIMEOUT_S: Final = 30.0
"""A body must be here within this time: a slow sender holds a connection, and nothing else."""

RETRY_MS: Final = 1_000


class BodyRefused(Exception):
    """A body that is not read to its end; `status` is HTTP's."""

    def __init__(self, status: int, fault: RpcFault) -> None:
        super().__init__(fault.message)
        self.status = status
        self.fault = fault


class BodyReader:
    """Reads the bodies of one server's requests.

    Args:
        limit: bytes of one body.
        total: bytes of all bodies at once.
    """

    def __init__(self, limit: int, total: int) -> None:
        self._limit = limit
        self._total = total
        self.held = 0

    async def read(self, request: web.BaseRequest) -> bytearray:
        """Return the body; `release` it once it is answered.

        Raises:
            BodyRefused: it is too large, breaks off, comes too slowly, or there are too many.
        """
        if (request.content_length or 0) > self._limit:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                await self._fill(body, request)
        except BaseException as error:
            self.release(body)
            if isinstance(error, TimeoutError):
                raise BodyRefused(408, RpcFault("PARSE_ERROR", "the body did not come in time")) from None
            if isinstance(error, RequestPayloadError | HttpProcessingError | ClientError | ConnectionError):
                raise BodyRefused(400, RpcFault("PARSE_ERROR", "the body broke off")) from None
            raise
        return body

    async def _fill(self, body: bytearray, request: web.BaseRequest) -> None:
        content = request.content
        while not content.at_eof():
            chunk = await content.readany()
            body += chunk
            self.held += len(chunk)
            if len(body) > self._limit:
                raise self._too_large()
            if self.held > self._total:
                fault = RpcFault("RATE_LIMITED", "too many large requests at once", retry_after_ms=RETRY_MS)
                raise BodyRefused(429, fault)

    def release(self, body: bytearray) -> None:
        """Forget a body that has been answered."""
        self.held -= len(body)

    def _too_large(self) -> BodyRefused:
        limit = self._limit
        fault = RpcFault("REQUEST_TOO_LARGE", f"the body has more than {limit} bytes", limit=limit)
        return BodyRefused(413, fault)
