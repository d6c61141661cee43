"""Shares the time of the event loop that reads may take among the clients that read.

Each client (`limits.client_of`) has a queue of its own. The client that has read least is served next: start-time
fair queueing (Goyal, Vin, Cheng 1996) with the measured time of a turn as its cost, so costly reads use up a
client's share sooner than cheap ones.

Invariants:
    1. One request reads at a time. A request that uses up the slice of the loop's present turn keeps its place
       until the loop has turned, so that others cannot add slices of their own to it.
    2. Between two turns of one waiting client each other client that waits for as long has had a turn, unless
       that client has read for longer.
    3. At most MAX_WAITING_PER_CLIENT requests of one client wait, and MAX_WAITING of all.
    4. A read that was interrupted is the next one of its client, and not refused: so no more than one of a
       client is half done, and holds what it has made so far.
    5. An unknown client begins with the share of the client that is being served: absence earns nothing.

Where a thread reads beside the event loop, a slice is of the turn and not of the loop, and nothing rests.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from typing import Final

from node.gateway.errors import RpcFault
from node.runtime.errors import kept

SLICE_SECONDS: Final = 0.003
"""After so long reads rest, for as long: so they take half of the loop's time at most, and what comes in meanwhile
waits for a millisecond on average. Consensus needs some ten turns of each validator for a block, one after the
other; slices of 5 ms without a rest delayed light load by 40 ms (docs/decisions/latency.md)."""

LONGEST_REST_SECONDS: Final = 0.5
"""Clients are not to wait for minutes because the machine slept."""

MAX_WAITING_PER_CLIENT: Final = 128
"""Half of the default connections of a client; a line of long reads would take seconds by then."""

MAX_WAITING: Final = 10_000
"""As many as `limits.MAX_TRACKED_CLIENTS`."""

RETRY_MS: Final = 1_000

_Waiting = asyncio.Future[None]


class ReadTurns:
    """Gives turns to clients; a turn is `begin`, reads until `is_over`, a rest, `end`.

    Args:
        beside: reads are done in a thread, while the loop turns.
    """

    def __init__(self, now: Callable[[], float], *, beside: bool = False) -> None:
        self._now = now
        self._beside = beside
        self._slice_end: float | None = None
        self._serving: str | None = None
        self._began = 0.0
        self._virtual = 0.0
        self._shares: dict[str, float] = {}
        """Virtual time at which a client's next turn may begin, of those that are ahead of the present one."""
        self._queues: dict[str, deque[_Waiting]] = {}
        self._order: list[tuple[float, int, str]] = []
        """A heap with one entry per queue: the virtual start of its next turn, and when it was put there.

        The client that is being served comes back to it at the end of its turn, when its cost is known."""
        self._entered = 0
        self._waiting = 0

    async def begin(self, client: str) -> None:
        """Wait until it is the client's turn.

        Raises:
            RpcFault: RATE_LIMITED, too many requests wait already.
        """
        if self._serving is None:
            self._serve(client)
            return
        queue = self._queues.get(client)
        if self._waiting >= MAX_WAITING or (queue is not None and len(queue) >= MAX_WAITING_PER_CLIENT):
            message = f"too many reads wait; try again in {RETRY_MS} ms"
            raise RpcFault("RATE_LIMITED", message, retry_after_ms=RETRY_MS)
        turn = self._new_turn()
        self._queue_of(client).append(turn)
        await self._come(turn)

    async def go_on(self, client: str) -> None:
        """End the turn, which is the client's, and wait until its next one, which is this request's again."""
        turn = self._new_turn()
        self._queue_of(client).appendleft(turn)
        self.end()
        await self._come(turn)

    def _new_turn(self) -> _Waiting:
        self._waiting += 1
        return asyncio.get_running_loop().create_future()

    def _queue_of(self, client: str) -> deque[_Waiting]:
        queue = self._queues.get(client)
        if queue is None:
            queue = self._queues[client] = deque()
            if client != self._serving:
                self._put_in_order(client)
        return queue

    async def _come(self, turn: _Waiting) -> None:
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.end()  # The turn came in the same moment in which the request was given up.
            raise
        self._start_clock()  # Only now: the loop may have turned since the turn was given.

    def _put_in_order(self, client: str) -> None:
        self._entered += 1
        start = max(self._virtual, self._shares.get(client, 0.0))
        heapq.heappush(self._order, (start, self._entered, client))

    def _serve(self, client: str) -> None:
        self._serving = client
        self._virtual = max(self._virtual, self._shares.get(client, 0.0))
        self._start_clock()

    def _start_clock(self) -> None:
        self._began = self._now()
        if self._slice_end is None or self._beside:
            self._open_slice()

    def _open_slice(self) -> None:
        self._slice_end = self._now() + SLICE_SECONDS
        if not self._beside:
            asyncio.get_running_loop().call_soon(self._loop_turned)

    def _loop_turned(self) -> None:
        self._slice_end = None

    def is_over(self) -> bool:
        """Tell whether the slice is used up; then let the loop turn, and only then `end`."""
        if self._slice_end is None:
            self._open_slice()
            return False
        return self._now() >= self._slice_end

    def rest_s(self) -> float:
        """Return how long reads are to rest after a slice that is over: as long as they have read.

        The time that the client has read is charged here as well, so that a rest costs it nothing.
        """
        self._charge()
        if self._slice_end is None or self._beside:
            return 0.0
        return min(self._now() - self._slice_end + SLICE_SECONDS, LONGEST_REST_SECONDS)

    def _charge(self) -> None:
        client, began = self._serving, self._began
        if client is not None and began >= 0:
            start = max(self._virtual, self._shares.get(client, 0.0))
            self._shares[client] = start + self._now() - began
            self._began = -1.0

    def end(self) -> None:
        """Give the turn to the client that has read least of those that wait."""
        self._charge()
        if self._serving in self._queues:
            self._put_in_order(self._serving)
        self._serving = None
        while self._order:
            start, _, client = heapq.heappop(self._order)
            turn = self._next_of(client)
            if turn is None:
                continue  # All that the client waited for was given up.
            self._virtual = max(self._virtual, start)
            self._serve(client)
            turn.set_result(None)
            return
        self._shares.clear()  # All have had what they wanted: no one is owed anything.

    def _next_of(self, client: str) -> _Waiting | None:
        """Take a client's first request that has not been given up."""
        queue = self._queues[client]
        turn: _Waiting | None = None
        while queue and turn is None:
            first = queue.popleft()
            self._waiting -= 1
            turn = None if first.done() else first
        if not queue:
            del self._queues[client]
        return turn


class Turn:
    """A request's turn to read: taken at its first read, and given up in between for others to read.

    Attributes:
        held: it is this request's turn.
        refused: why it gets no turn any more: too many of its client's requests wait.
    """

    def __init__(self, turns: ReadTurns, client: str) -> None:
        self._turns = turns
        self._client = client
        self.held = False
        self.refused: RpcFault | None = None

    async def take(self) -> bool:
        """Wait for the turn, and where its slice is used up for the next one; tell whether it is held."""
        if self.held:
            if self._turns.is_over():
                await asyncio.sleep(self._turns.rest_s())
                self.held = False  # Given up while it waits, the request has no turn to end.
                await self._turns.go_on(self._client)
                self.held = True
        elif self.refused is None:
            try:
                await self._turns.begin(self._client)
                self.held = True
            except RpcFault as fault:
                self.refused = kept(fault)
        return self.held

    async def end_if_over(self) -> None:
        """Let others read where the slice is used up."""
        if self.held and self._turns.is_over():
            await asyncio.sleep(self._turns.rest_s())
            self.end()

    def end(self) -> None:
        """Let others read, where the turn is held."""
        if self.held:
            self.held = False
            self._turns.end()
