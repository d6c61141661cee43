"""Attack 8: connections to the peers' port keep validators apart that know each other.

`connects` come from the address that the validators themselves have (NAT, a docker bridge), faster than one address
may connect, and stop. `handshakes` come from other addresses, never go on, and last. Meanwhile a validator is
paused for longer than its peers wait, so that all its links must be made anew.
"""

from __future__ import annotations

import asyncio
import collections
import socket
import time
from typing import Any, Final

from tests.attack.scene import Attacker, Options, Scene, log_growth, log_sizes
from tests.attack.target import Target
from tests.attack.verdict import Row
from tests.attack.wire import HOST

CONNECTS: Final = 24_000
CONNECTS_AT_ONCE: Final = 400
HANDSHAKE_ADDRESSES: Final = 32
HANDSHAKES_EACH: Final = 16
VICTIM: Final = 3
PAUSE_SECONDS: Final = 18.0
"""Peers give a silent one up after 15 s."""

BACK_SECONDS: Final = 30.0
"""Three times the longest pause between two attempts to dial."""

HANDSHAKE_SECONDS: Final = PAUSE_SECONDS + BACK_SECONDS + 5.0


async def connects(target: Target, ready: asyncio.Event, *, seconds: float) -> dict[str, Any]:
    """Connect and hang up as fast as it goes."""
    counts: collections.Counter[str] = collections.Counter()
    ready.set()
    end = time.monotonic() + seconds
    while counts["connects"] + counts["not taken"] < CONNECTS and time.monotonic() < end:
        for port in target.peer_ports:
            for _ in range(CONNECTS_AT_ONCE // len(target.peer_ports)):
                try:
                    socket.create_connection((HOST, port), 1.0).close()
                    counts["connects"] += 1
                except OSError:
                    counts["not taken"] += 1
        await asyncio.sleep(0)
    return dict(counts)


async def handshakes(target: Target, ready: asyncio.Event, *, seconds: float) -> dict[str, Any]:
    """Keep connections open that never begin their handshakes, and open new ones for those that are closed."""
    counts: collections.Counter[str] = collections.Counter()
    end = time.monotonic() + seconds
    ready.set()
    tasks = [
        _keep(port, f"127.0.8.{number + 1}", end, counts)
        for port in target.peer_ports
        for number in range(HANDSHAKE_ADDRESSES)
    ]
    await asyncio.gather(*tasks)
    return dict(counts)


async def _keep(port: int, source: str, end: float, counts: collections.Counter[str]) -> None:
    held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    while time.monotonic() < end:
        try:
            held.append(await asyncio.wait_for(asyncio.open_connection(HOST, port, local_addr=(source, 0)), 2.0))
            counts["silent handshakes"] += 1
        except (OSError, TimeoutError):
            counts["not taken"] += 1
        alive = [pair for pair in held if not pair[0].at_eof()]
        for _, writer in held:
            if len(alive) >= HANDSHAKES_EACH or writer.is_closing():
                writer.transport.abort()
        held = alive if len(alive) < HANDSHAKES_EACH else []
        # A sixteenth of the 5 s for which a handshake may last: each address uses all that it may.
        await asyncio.sleep(5.0 / HANDSHAKES_EACH)
    for _, writer in held:
        writer.transport.abort()


def play(options: Options) -> list[Row]:
    """Run both floods, each on a network of its own."""
    return [_apart(options, "connects"), _apart(options, "handshakes")]


def _apart(options: Options, kind: str) -> Row:
    with Scene(options) as scene:
        network = scene.network
        network.wait_for(lambda: links(scene) == [3, 3, 3, 3], "every validator has three peers")
        logs = log_sizes(network)
        seconds = options.seconds if kind == "connects" else HANDSHAKE_SECONDS
        attacking = scene.start(Attacker("links", kind, {"seconds": seconds}))
        counts = scene.result(attacking, seconds) if kind == "connects" else {}
        network.pause(VICTIM)
        time.sleep(PAUSE_SECONDS)
        network.resume(VICTIM)
        resumed = time.monotonic()
        faults = []
        try:
            network.wait_for(lambda: links(scene) == [3, 3, 3, 3], "links", BACK_SECONDS)
            counts["seconds to all links"] = round(time.monotonic() - resumed, 1)
        except AssertionError:
            faults.append(f"links are not back after {BACK_SECONDS:.0f} s: {links(scene)} of [3, 3, 3, 3] peers")
        if kind == "handshakes":
            counts |= scene.result(attacking, seconds)
        grown = log_growth(network, logs)
        who = "at a peer's address" if kind == "connects" else "anonymous, 32 addresses"
        return Row(f"links: {kind}", who, counts, log_kib=grown, ended=tuple(scene.ended()), faults=tuple(faults))


def links(scene: Scene) -> list[int]:
    """Return how many peers each validator has; -1 where it does not answer."""
    found = []
    for index in range(len(scene.network.manifest.validators)):
        try:
            found.append(len(scene.network.call(index, "node_peers", timeout_s=3.0)))
        except OSError:
            found.append(-1)
    return found
