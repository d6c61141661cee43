"""Keeps trying to reach each configured peer for as long as it is not connected.

Addresses are hints: they are asked for, and names resolved, at each attempt. Attempts that fail, and
connections that do not last, back off exponentially up to a cap, with jitter so that nodes which
lost each other at once do not all come back at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from network.config import PeerAddress, Timing
from network.tasks import start_task
from network.transport import Connection

_log = logging.getLogger(__name__)

Address = tuple[str, int]

MAX_TOLD_KEYS: Final = 1_024
MAX_TOLD_ADDRESSES: Final = 4
"""Per key, the last ones told: peers may see it under different addresses."""


class Dialer:
    """The task that dials one peer.

    Args:
        addresses: where to try now; may change from attempt to attempt.
        connect: dials one address; raises OSError or TimeoutError.
        needed: whether a connection is missing and allowed.
    """

    def __init__(
        self,
        addresses: Callable[[], Sequence[Address]],
        connect: Callable[[Address], Awaitable[Connection]],
        needed: Callable[[], bool],
        timing: Timing,
    ) -> None:
        self._addresses = addresses
        self._connect = connect
        self._needed = needed
        self._timing = timing
        self._wake = asyncio.Event()
        self._failures = 0
        self._attempts = 0
        self._task: asyncio.Task[None] | None = None

    def start(self, first_delay: float) -> None:
        """Begin, after `first_delay` seconds."""
        self._task = start_task(self._dial_for_ever(first_delay), "network-dial")

    def wake(self) -> None:
        """Look again: a connection ended, or addresses or permissions changed."""
        self._wake.set()

    async def stop(self) -> None:
        """End the task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _dial_for_ever(self, first_delay: float) -> None:
        await asyncio.sleep(first_delay)
        while True:
            if not self._needed() or not self._addresses():
                # A ban that runs out wakes nobody, hence the limit.
                await self._woken_within(self._timing.redial_cap)
                # Whoever hung up may be about to dial us: the first pause applies here as well.
                await asyncio.sleep(self._pause())
                continue
            self._failures = 0 if await self._attempt() else self._failures + 1
            # The end of the connection woke us already; only later news may cut the pause short.
            self._wake.clear()
            await self._woken_within(self._pause())

    async def _woken_within(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    async def _attempt(self) -> bool:
        """Dial once and stay with the connection until it ends; returns whether it lasted."""
        addresses = self._addresses()
        address = addresses[self._attempts % len(addresses)]
        self._attempts += 1
        loop = asyncio.get_running_loop()
        try:
            connection = await self._connect(address)
        except (OSError, TimeoutError) as error:
            _log.debug("cannot reach %s:%s: %s", *address, error)
            return False
        began = loop.time()
        await connection.wait_closed()
        return loop.time() - began >= self._timing.stable

    def _pause(self) -> float:
        doubled = self._timing.redial_base * float(1 << min(self._failures, 16))
        return min(self._timing.redial_cap, doubled) * random.uniform(0.5, 1.0)


class Dialers:
    """One dialer for each peer that was ever configured, and the book of addresses.

    Args:
        own_key: the smaller of two keys dials first, the other a little later.
        connect: dials a peer at an address, as in `Dialer`.
        missing: whether a peer's connection is missing and allowed.
    """

    def __init__(
        self,
        own_key: bytes,
        connect: Callable[[bytes, Address], Awaitable[Connection]],
        missing: Callable[[bytes], bool],
        timing: Timing,
    ) -> None:
        self._own_key = own_key
        self._connect = connect
        self._missing = missing
        self._timing = timing
        self._configured: dict[bytes, list[Address]] = {}
        self._learned: dict[bytes, Address] = {}
        self._told: dict[bytes, list[Address]] = {}
        self._dialers: dict[bytes, Dialer] = {}

    def configure(self, peers: Iterable[PeerAddress]) -> None:
        """Replace the configured addresses, and begin to dial those who are new."""
        configured: dict[bytes, list[Address]] = {}
        for peer in peers:
            configured.setdefault(peer.public_key, []).append((peer.host, peer.port))
        self._configured = configured
        for key in configured:
            if key not in self._dialers:
                self._start(key)
        self.wake_all()

    def learn(self, key: bytes, address: Address) -> None:
        """Remember where a peer says that it listens, to be tried beside where it is configured."""
        if key in self._configured:
            self._learned[key] = address

    def discover(self, key: bytes, address: Address) -> None:
        """Remember where somebody who is not configured is said to listen; dial it once that is allowed.

        A key that was rotated, or has joined, is in nobody's configuration yet. What is said may be wrong, which
        costs an attempt: whoever answers there must prove the key. Whom a configuration has named is dialled as it
        says, and not at all once it names him no more.
        """
        told = self._told.pop(key, [])
        if key == self._own_key or key in self._configured or (key in self._dialers and not told):
            return
        self._told[key] = [*(known for known in told if known != address), address][-MAX_TOLD_ADDRESSES:]
        if len(self._told) > MAX_TOLD_KEYS:
            del self._told[next(iter(self._told))]
        self._start_if_missing(key)

    def _start_if_missing(self, key: bytes) -> None:
        if key not in self._dialers and self._missing(key):
            self._start(key)

    def wake(self, key: bytes) -> None:
        """Look at one peer again."""
        if key in self._dialers:
            self._dialers[key].wake()

    def wake_all(self) -> None:
        """Look at every peer again, and at those who may be dialled only now."""
        for key in list(self._told):
            self._start_if_missing(key)
        for dialer in self._dialers.values():
            dialer.wake()

    async def stop(self) -> None:
        """End all dialling."""
        await asyncio.gather(*(dialer.stop() for dialer in self._dialers.values()))

    def _start(self, key: bytes) -> None:
        def addresses() -> list[Address]:
            known = self._configured.get(key) or self._told.get(key, [])
            learned = self._learned.get(key)
            return known if not known or learned is None or learned in known else [*known, learned]

        dialer = self._dialers[key] = Dialer(
            addresses, lambda address: self._connect(key, address), lambda: self._missing(key), self._timing
        )
        dialer.start(0.0 if self._own_key < key else self._timing.stagger)
