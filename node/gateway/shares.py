"""Memory that clients make the gateway hold: request bodies, and answers until they are taken.

Both are bounded in the same way. What is small is always taken: the number of connections bounds it, each of which
holds one. Of what is larger a client may hold at most half of what the others leave free, so that k greedy clients
always leave some to the next. A client that finds no room although it holds less than another gets it: the largest
of what the gateway holds because the greediest client is slow (an unfinished body, an answer that it does not take)
is dropped.

Invariants:
    1. The counted bytes of all holds are at most `total`.
    2. A hold counts from the moment it is larger than SMALL_BYTES, as a whole, and no more once it was dropped.
    3. Only a client that would still hold less makes another lose something.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

SMALL_BYTES: Final = 64 * 1024
"""A till's requests and their answers; a transaction of full size has 256 KiB in hex."""


class Hold:
    """One body or one answer: whose, how many bytes, and what ends it; `Shares.release` it in the end."""

    __slots__ = ("client", "counted", "drop", "dropped", "size")

    def __init__(self, client: str) -> None:
        self.client = client
        self.size = 0
        self.counted = 0
        self.dropped = False
        self.drop: Callable[[], None] | None = None
        """Ends it, soon; None while its client is not to blame for its being there."""


class Shares:
    """What all clients hold of one kind.

    Args:
        total: bytes of all holds together, but for small ones.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._held: dict[str, int] = {}
        self._holds: dict[Hold, None] = {}
        self.held = 0
        """Bytes of all holds, small ones included."""

        self.counted = 0
        self.dropped = 0

    def grow(self, hold: Hold, count: int) -> bool:
        """Let a hold have `count` bytes more; False, and it has none of them, where there is no room."""
        if hold.dropped:
            return False
        size = hold.size + count
        more = size - hold.counted if size > SMALL_BYTES else 0
        if more and not self._has_room(hold.client, more) and not self._make_room(hold, more):
            return False
        hold.size = size
        self.held += count
        if more:
            self._count(hold, more)
        return True

    def release(self, hold: Hold) -> None:
        """Forget a hold."""
        self.held -= hold.size
        hold.size = 0
        self._uncount(hold)

    def _has_room(self, client: str, more: int) -> bool:
        own = self._held.get(client, 0)
        left_by_others = self._total - (self.counted - own)
        return own + more <= left_by_others // 2

    def _make_room(self, hold: Hold, more: int) -> bool:
        """Drop holds of greedier clients until there is room; False where there are none."""
        while not self._has_room(hold.client, more):
            victim = self._victim(self._held.get(hold.client, 0) + more)
            if victim is None:
                return False
            self._uncount(victim)
            victim.dropped = True
            self.dropped += 1
            if victim.drop is not None:
                victim.drop()
        return True

    def _victim(self, size: int) -> Hold | None:
        """Return the largest hold that may be dropped, of the client that holds most, if it holds over `size`."""
        droppable = [hold for hold in self._holds if hold.drop is not None]
        best = max(droppable, key=lambda hold: (self._held[hold.client], hold.counted), default=None)
        return best if best is not None and self._held[best.client] > size else None

    def _count(self, hold: Hold, more: int) -> None:
        hold.counted += more
        self._holds[hold] = None
        self._held[hold.client] = self._held.get(hold.client, 0) + more
        self.counted += more

    def _uncount(self, hold: Hold) -> None:
        if self._holds.pop(hold, self) is self:
            return
        self.counted -= hold.counted
        self._held[hold.client] -= hold.counted
        if not self._held[hold.client]:
            del self._held[hold.client]
        hold.counted = 0
