"""Many requests: so many in flight (closed loop), or at a rate whatever becomes of the former ones (open loop).

In a closed loop each client sends its next request when the former is decided: it finds what the network can take.
In an open loop requests are due on a fixed schedule, and latency counts from when one was due, so that a slow
answer delays no other and hides nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Final

from node.load.sending import Sender
from node.load.tally import Tally
from node.load.units import Request

MAX_OUTSTANDING: Final = 50_000
"""Units on their way in an open loop; as many as a node's pool holds. What is due beyond that is dropped."""

DRAIN_S: Final = 15.0
"""How long the units that are on their way when the window closes are waited for."""

TELL_EVERY_S: Final = 0.5

Make = Callable[[int], Request]
Tell = Callable[[Tally], None]


async def closed_loop(senders: Sequence[Sender], requests: Iterator[Request], clients: int, seconds: float) -> None:
    """Keep `clients` requests on their way for so many seconds, spread over the senders."""
    end = time.monotonic() + seconds

    async def client(sender: Sender) -> None:
        while time.monotonic() < end:
            request = next(requests, None)
            if request is None:
                raise ValueError("there are too few requests for this window")
            await sender.send(request)

    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(client(senders[number % len(senders)]))


async def open_loop(
    senders: Sequence[Sender], requests: Iterator[Request], rate: float, seconds: float, tally: Tally
) -> None:
    """Send units at a rate for so many seconds, spread over the senders."""
    start = time.monotonic()
    due = start
    async with asyncio.TaskGroup() as group:
        for number in itertools.count():
            request = next(requests)
            if due >= start + seconds:
                return
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if tally.unanswered + request.units > MAX_OUTSTANDING:
                tally.dropped += request.units
            else:
                group.create_task(senders[number % len(senders)].send(request, due))
            due += request.units / rate


async def watched(load: Coroutine[Any, Any, None], seconds: float, tally: Tally, tell: Tell) -> bool:
    """Run a load until its units are decided, or for DRAIN_S after the window; tell how it gets on.

    Returns:
        Whether it ran to its end. When the caller is cancelled (Ctrl-C), the load ends at once, and what was
        measured so far stands in the tally.
    """
    start = time.monotonic()
    running = asyncio.ensure_future(load)
    try:
        while not running.done() and time.monotonic() < start + seconds + DRAIN_S:
            left = start + seconds - time.monotonic()
            await asyncio.wait({running}, timeout=min(TELL_EVERY_S, left) if left > 0 else TELL_EVERY_S)
            if time.monotonic() >= start + seconds:
                tally.close(seconds)
            tell(tally)
        if running.done():
            running.result()
        return True
    except asyncio.CancelledError:
        return False
    finally:
        tally.close(min(seconds, time.monotonic() - start))
        running.cancel()
        await asyncio.wait({running})
