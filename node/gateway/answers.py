"""Large answers: counted while they are built, and written at the pace at which the client takes them.

    dispatcher ──each part──► COUNT_ANSWER ──► Shares        before the next part is built
    server ──► AnswerSender.send ──64 KiB──► transport       the next once aiohttp's writer has drained

Invariants:
    1. What is built and not taken yet is bounded by `Shares`, and one part of an answer.
    2. A connection's transport holds two parts and asyncio's high-water mark (64 KiB), for an answer of any size.
    3. An answer is taken within SEND_TIMEOUT_S, at the pace of `Pace`; else its connection is closed.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from aiohttp import web

from node.gateway.errors import HttpRefusal, RpcFault
from node.gateway.limits import COUNT_ANSWER
from node.gateway.pace import Pace
from node.gateway.request_bodies import RETRY_MS
from node.gateway.shares import SMALL_BYTES, Hold, Shares

SEND_TIMEOUT_S: Final = 120.0
"""A client must have taken a large answer within this time."""

PART_BYTES: Final = 64 * 1024


class AnswerSender:
    """Counts and sends the answers of one server."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self.refused = 0

    def begin(self, client: str) -> Hold:
        """Begin to count an answer, in this task's COUNT_ANSWER; `release` it once it is sent."""
        hold = Hold(client)
        COUNT_ANSWER.set(partial(self._count, hold))
        return hold

    def _count(self, hold: Hold, count: int) -> None:
        if not self._shares.grow(hold, count):
            self.refused += 1  # what was built of it is given up
            message = "too many large answers are on their way to this client"
            raise HttpRefusal(429, RpcFault("RATE_LIMITED", message, retry_after_ms=RETRY_MS))

    def release(self, hold: Hold) -> None:
        """Forget an answer that is sent, or not wanted any more."""
        self._shares.release(hold)

    async def send(self, request: web.BaseRequest, response: web.Response, hold: Hold) -> web.StreamResponse:
        """Send a large answer; one that is not is returned as it is.

        Raises:
            HttpRefusal: it has not been counted, and there is no room for it.
        """
        body = response.body
        if not isinstance(body, bytes) or len(body) <= SMALL_BYTES:
            return response
        if len(body) > hold.size:
            self._count(hold, len(body) - hold.size)
        stream = web.StreamResponse(status=response.status, headers=response.headers)
        stream.content_length = len(body)
        transport = request.transport
        try:
            async with Pace(SEND_TIMEOUT_S) as pace:
                hold.drop = pace.stop
                await _write(stream, request, memoryview(body), pace)
        except TimeoutError:
            if transport is not None:
                transport.abort()
        except ConnectionError:
            pass  # The client has gone; the server finds that out by itself.
        return stream


async def _write(stream: web.StreamResponse, request: web.BaseRequest, body: memoryview, pace: Pace) -> None:
    await stream.prepare(request)
    for start in range(0, len(body), PART_BYTES):
        part = body[start : start + PART_BYTES]
        await stream.write(part)
        pace.passed(len(part))
    await stream.write_eof()
