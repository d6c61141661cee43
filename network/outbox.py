"""What waits to be sent to one peer: three bounded queues by priority; pure.

URGENT (consensus, requests, keep-alive) leaves first, then REPLY (blocks, bodies), then GOSSIP.
A full REPLY or GOSSIP queue refuses further frames: gossip is offered again, requests time out and
are asked elsewhere. A full URGENT queue means that the peer does not drain, and it must go.

Invariants:
    1. Each queue holds at most its bound of bytes, except that one frame always fits into an empty one.
    2. Frames of one priority leave in the order they came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from network.kinds import MIB, Priority

QUEUE_BYTES: Final[Mapping[Priority, int]] = MappingProxyType(
    {Priority.URGENT: 8 * MIB, Priority.REPLY: 16 * MIB, Priority.GOSSIP: 16 * MIB}
)


class Outbox:
    """Frames waiting for one connection."""

    def __init__(self, bounds: Mapping[Priority, int] = QUEUE_BYTES) -> None:
        self._bounds = tuple(bounds[priority] for priority in Priority)
        self._queues: tuple[deque[bytes], ...] = tuple(deque() for _ in Priority)
        self._sizes = [0 for _ in Priority]

    def __bool__(self) -> bool:
        return any(self._queues)

    @property
    def waiting_bytes(self) -> int:
        """Bytes in all queues."""
        return sum(self._sizes)

    def waiting(self, priority: Priority) -> int:
        """Return the bytes in one queue."""
        return self._sizes[priority]

    def push(self, priority: Priority, frame: bytes) -> bool:
        """Queue a frame; returns False, and does nothing, when its queue is full."""
        size = self._sizes[priority] + len(frame)
        if size > self._bounds[priority] and self._queues[priority]:
            return False
        self._queues[priority].append(frame)
        self._sizes[priority] = size
        return True

    def take(self, budget: int) -> list[bytes]:
        """Remove and return frames, most urgent first, until `budget` bytes are reached."""
        taken: list[bytes] = []
        for priority, queue in enumerate(self._queues):
            while queue and budget > 0:
                frame = queue.popleft()
                self._sizes[priority] -= len(frame)
                budget -= len(frame)
                taken.append(frame)
        return taken

    def clear(self) -> None:
        """Forget everything."""
        for priority, queue in enumerate(self._queues):
            queue.clear()
            self._sizes[priority] = 0
