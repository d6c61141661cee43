"""Attack 7: one address asks for the largest answers there are and takes none of them in."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import socket
from typing import Any, Final

from tests.attack.scene import ORDINARY_TILL, Attacker, Options, Scene
from tests.attack.target import Target
from tests.attack.verdict import Row
from tests.attack.wire import Wire, calls, reasons, request, silent_socket

CONNECTIONS: Final = 20
BIG_TRANSACTIONS: Final = 38
"""Of 100 KB: nearly a block."""

ANSWER_BYTES: Final = 31_500_000
"""Just below max_response_bytes."""

RECEIVE_BYTES: Final = 4_096
WAIT_MS: Final = 30_000


async def attack(target: Target, ready: asyncio.Event, *, seconds: float) -> dict[str, Any]:
    """Make full blocks, then ask for them on connections that are not read."""
    port = target.ports[ORDINARY_TILL]
    counts: collections.Counter[str] = collections.Counter()
    height, size = await _fill_blocks(target, port, counts)
    body = calls([("chain_block", {"height": height, "full": True})] * max(2, ANSWER_BYTES // size))
    loop = asyncio.get_running_loop()
    held: list[socket.socket] = []
    for _ in range(CONNECTIONS):
        with contextlib.suppress(OSError):
            silent = silent_socket(port, "127.0.0.123", RECEIVE_BYTES)
            silent.setblocking(False)
            held.append(silent)
            await loop.sock_sendall(silent, request(body))
    ready.set()
    await asyncio.sleep(seconds)
    for silent in held:
        silent.close()
    return {**counts, "connections": len(held), "bytes of each block's answer": size}


async def _fill_blocks(target: Target, port: int, counts: collections.Counter[str]) -> tuple[int, int]:
    """Return the height of the largest block, and the bytes of an answer that shows it."""
    wire = await Wire.open(port, "127.0.0.122")
    raws = [target.stuffed() for _ in range(BIG_TRANSACTIONS)]
    heights = {1}
    for start in range(0, len(raws), BIG_TRANSACTIONS):
        part = raws[start : start + BIG_TRANSACTIONS]
        answer = await wire.post(calls([("tx_send", {"tx": raw, "timeout_ms": WAIT_MS}) for raw in part]))
        counts.update("transactions" if outcome == "ok" else outcome for outcome in reasons(answer))
        heights |= {entry["result"]["height"] for entry in answer.document() if "result" in entry}
    sizes = {}
    for height in sorted(heights):
        answer = await wire.post(calls([("chain_block", {"height": height, "full": True})]))
        sizes[height] = len(answer.body)
    wire.close()
    largest = max(sizes, key=lambda height: sizes[height])
    return largest, sizes[largest]


def play(options: Options) -> list[Row]:
    """Run the attack beside a till of the same node."""
    with Scene(options) as scene:
        return scene.measure("unread", "anonymous, 1 address", [Attacker("unread", "attack")])
