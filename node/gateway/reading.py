"""Where reads are computed: on the event loop, or in a thread beside it.

A node computes them on its event loop, within turns (`read_turns`): a thread would compete with consensus for the
interpreter at every moment. A gateway that runs as a process of its own has no consensus beside it, and there a
thread lets transactions pass by a long read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


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
