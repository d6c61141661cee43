"""Attack 1: silent connections use up a node's descriptors, and then its vote log must open its next file.

Six addresses keep 250 connections each at every node, below the limit of one client, and open new ones for those
that a node closes. Large transactions of strangers then make the vote log rotate, which needs a descriptor.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import time
from typing import Any, Final

from tests.attack.scene import Attacker, Options, Scene
from tests.attack.target import Target
from tests.attack.verdict import Row
from tests.attack.wire import HOST, Wire, calls, reasons

ADDRESSES: Final = 6
EACH: Final = 250
DESCRIPTORS: Final = 1_024
"""What most systems give a process that does not ask for more."""

REOPENED_PER_ROUND: Final = 25
PER_BATCH: Final = 4
MAX_TRANSACTIONS: Final = 1_500
PAUSE_SECONDS: Final = 0.3
CONNECT_SECONDS: Final = 2.0
TOGETHER: Final = 50


class _Silent(asyncio.Protocol):
    """A connection that says nothing."""

    def __init__(self, lost: collections.Counter[str]) -> None:
        self.open = True
        self._lost = lost

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        self._lost["closed by the node"] += 1


class _Holder:
    """Keeps the connections to one node open."""

    def __init__(self, port: int, counts: collections.Counter[str]) -> None:
        self._port = port
        self._counts = counts
        self._held: dict[str, list[tuple[asyncio.BaseTransport, _Silent]]] = {
            f"127.0.2.{number + 1}": [] for number in range(ADDRESSES)
        }

    async def fill(self, most: int = ADDRESSES * EACH) -> int:
        """Open what is missing, `most` at most; return how many could not be opened."""
        missing = []
        for source, held in self._held.items():
            held[:] = [pair for pair in held if pair[1].open]
            missing += [source] * (EACH - len(held))
        failed = 0
        for start in range(0, min(most, len(missing)), TOGETHER):
            part = missing[start : min(start + TOGETHER, most)]
            opened = await asyncio.gather(*[self._open(source) for source in part])
            failed += opened.count(False)
            if failed >= TOGETHER:
                break  # The node takes no more: each further attempt would wait in vain.
        return failed

    async def _open(self, source: str) -> bool:
        protocol = _Silent(self._counts)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                transport, _ = await asyncio.get_running_loop().create_connection(
                    lambda: protocol, HOST, self._port, local_addr=(source, 0)
                )
        except (OSError, TimeoutError):
            return False
        self._held[source].append((transport, protocol))
        self._counts["connections"] += 1
        return True

    def close(self) -> None:
        """Hang up."""
        for held in self._held.values():
            for transport, _ in held:
                transport.close()


class _Sender:
    """Sends large transactions to one node, on a connection that it opened before the attack while that lasts."""

    def __init__(self, target: Target, index: int, counts: collections.Counter[str]) -> None:
        self._target = target
        self._port = target.ports[index]
        self._counts = counts
        self._wire: Wire | None = None

    async def open(self) -> None:
        self._wire = await Wire.open(self._port, "127.0.3.3", CONNECT_SECONDS)

    async def send(self) -> None:
        body = calls([("tx_submit", {"tx": self._target.stuffed()}) for _ in range(PER_BATCH)])
        try:
            if self._wire is None:
                await self.open()
            assert self._wire is not None
            for outcome in reasons(await self._wire.post(body, timeout_s=10.0)):
                self._counts["transactions" if outcome == "ok" else outcome] += 1
        except OSError:
            self._counts["sends without an answer"] += 1
            if self._wire is not None:
                self._wire.close()
            self._wire = None


async def attack(target: Target, ready: asyncio.Event, *, seconds: float) -> dict[str, Any]:
    """Hold connections at all nodes and send large transactions to all."""
    counts: collections.Counter[str] = collections.Counter()
    senders = [_Sender(target, index, counts) for index in range(len(target.ports))]
    for sender in senders:
        await sender.open()
    holders = [_Holder(port, counts) for port in target.ports]
    failed = sum(await asyncio.gather(*[holder.fill() for holder in holders]))
    ready.set()
    end = time.monotonic() + seconds
    while time.monotonic() < end and counts["transactions"] < MAX_TRANSACTIONS:
        await asyncio.gather(*[sender.send() for sender in senders])
        await asyncio.gather(*[holder.fill(REOPENED_PER_ROUND) for holder in holders])
        await asyncio.sleep(PAUSE_SECONDS)
    with contextlib.suppress(OSError):
        for holder in holders:
            holder.close()
    return {**counts, "not taken": failed}


def play(options: Options) -> list[Row]:
    """Run the attack against nodes of 1,024 descriptors."""
    with Scene(options, descriptors=DESCRIPTORS) as scene:
        return scene.measure(
            "descriptors", "anonymous, 6 addresses", [Attacker("descriptors", "attack")], slow_is_a_fault=False
        )
