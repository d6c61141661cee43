"""Attack 2: one address sends 16 bodies of 8 MiB but for the last byte, and so uses up what all bodies share."""

from __future__ import annotations

import asyncio
import collections
import time
from typing import Any, Final

from tests.attack.scene import ORDINARY_TILL, Attacker, Options, Scene
from tests.attack.target import Target
from tests.attack.verdict import Row
from tests.attack.wire import Wire

BODIES: Final = 16
BODY_BYTES: Final = 8 * 1024 * 1024
SOURCE: Final = "127.0.0.120"
PAUSE_SECONDS: Final = 0.05


async def attack(target: Target, ready: asyncio.Event, *, seconds: float) -> dict[str, Any]:
    """Keep the bodies unfinished until the time is over."""
    counts: collections.Counter[str] = collections.Counter()
    end = time.monotonic() + seconds
    held = [asyncio.Event() for _ in range(BODIES)]
    tasks = [asyncio.create_task(_hold(target.ports[ORDINARY_TILL], end, event, counts)) for event in held]
    for event in held:
        await event.wait()
    ready.set()
    await asyncio.gather(*tasks)
    return dict(counts)


async def _hold(port: int, end: float, held: asyncio.Event, counts: collections.Counter[str]) -> None:
    """Send all but the last byte, again whenever the node hangs up; `held` tells that it was sent or refused."""
    head = (
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {BODY_BYTES}\r\n\r\n"
    ).encode()
    while time.monotonic() < end:
        try:
            wire = await Wire.open(port, SOURCE)
            try:
                wire.write(head + b" " * (BODY_BYTES - 1))
                async with asyncio.timeout(max(1.0, end - time.monotonic())):
                    await wire.drain()
                counts["unfinished bodies"] += 1
                held.set()
                answer = await wire.rest(max(0.1, end - time.monotonic()))
                counts["refused"] += b" 429 " in answer[:20] or b" 408 " in answer[:20]
            finally:
                wire.close()
        except (OSError, TimeoutError):
            counts["refused"] += 1
            held.set()
        await asyncio.sleep(PAUSE_SECONDS)


def play(options: Options) -> list[Row]:
    """Run the attack beside a till of the same node."""
    with Scene(options) as scene:
        return scene.measure("bodies", "anonymous, 1 address", [Attacker("bodies", "attack")])
