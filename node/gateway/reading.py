"""Where reads are computed: on the event loop, or in a thread beside it.

A node computes them on its event loop, within turns (`read_turns`), and long ones in slices
(`node.runtime.pauses`): a thread that ran beside the loop would compete with consensus for the interpreter at every
moment. A gateway that runs as a process of its own has no consensus beside it, and there a thread lets transactions
pass by a long read; pause points do nothing there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from node.gateway.errors import RpcFault
from node.gateway.read_turns import RETRY_MS, SLICE_SECONDS, Turn
from node.runtime.pauses import LongRead, at_once

T = TypeVar("T")


MAX_LONG_READS: Final = 64
"""Each has a thread, and holds what it has found so far; a client has one at a time."""


class AnsweredElsewhere(Exception):
    """This process cannot answer a read, and the node can: the request is to be handed on, whole."""


class Reading(Protocol):
    """A thread that reads, one read at a time.

    Attributes:
        interrupts: what a read may raise that is no answer; it passes the dispatcher, and `do` acts on it.
    """

    interrupts: tuple[type[Exception], ...]

    async def do(self, read: Callable[[], T]) -> T:
        """Have something read, again where it was interrupted.

        Raises:
            AnsweredElsewhere: it cannot be read here.
        """
        ...


class ReadingHere:
    """Reads on the event loop's thread: at once, or in slices of turns.

    Args:
        is_over: tells whether the slice of the present turn is used up.

    Attributes:
        long_reads: how many are on their way, MAX_LONG_READS at most.
    """

    def __init__(self, now: Callable[[], float], is_over: Callable[[], bool]) -> None:
        self._now = now
        self._is_over = is_over
        self.long_reads = 0

    def at_once(self, read: Callable[[], T]) -> T:
        """Return what a read finds within a slice of its own.

        Raises:
            TookLong: it takes longer; or what the read raises.
        """
        now = self._now
        end = now() + SLICE_SECONDS
        return at_once(read, lambda: now() >= end)

    async def in_slices(self, read: Callable[[], T], turn: Turn) -> T:
        """Answer a read, whose turn it is, in slices.

        Raises:
            RpcFault: RATE_LIMITED, too many long reads are on their way; or what the read raises.
        """
        if self.long_reads >= MAX_LONG_READS:
            message = "too many long reads are on their way; try again later"
            raise RpcFault("RATE_LIMITED", message, retry_after_ms=RETRY_MS)
        reading = LongRead(read, self._is_over)
        self.long_reads += 1
        try:
            while not reading.is_done:
                await turn.take()
                reading.go_on()
            return reading.result()
        finally:
            self.long_reads -= 1
            reading.abandon()
