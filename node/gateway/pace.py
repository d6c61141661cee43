"""How fast a client must send a body, or take an answer: a deadline that moves on with the bytes."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final

from node.gateway.shares import SMALL_BYTES

WINDOW_S: Final = 10.0
"""After its first SMALL_BYTES, each as many more must pass within this time: a client that is cut off for a moment
stays, one that wants to hold memory does not."""


class Pace:
    """`async with` it around the transfer, and tell it of each part; TimeoutError ends one that is too slow.

    Args:
        longest_s: what the whole may take.
    """

    def __init__(self, longest_s: float) -> None:
        self._end = asyncio.get_running_loop().time() + longest_s
        self._timeout = asyncio.timeout_at(self._end)
        self._in_window = 0
        self._ended = False

    async def __aenter__(self) -> Pace:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended = True
        await self._timeout.__aexit__(kind, error, traceback)

    def passed(self, count: int) -> None:
        """Note that `count` more bytes have passed."""
        self._in_window += count
        if self._in_window > SMALL_BYTES:
            self._in_window = 0
            self._move(min(self._end, asyncio.get_running_loop().time() + WINDOW_S))

    def stop(self) -> None:
        """End the transfer, with TimeoutError."""
        self._move(asyncio.get_running_loop().time())

    def _move(self, deadline: float) -> None:
        if not self._ended and not self._timeout.expired():
            self._timeout.reschedule(deadline)
