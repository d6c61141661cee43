"""Keeps trying to reach each peer that has a place to be dialled at, for as long as it is not connected.

Places are hints: they are asked for, and names resolved, at each attempt. Attempts that fail, and
connections that do not last, back off exponentially up to a cap, with jitter so that nodes which
lost each other at once do not all come back at once. What was not configured is dialled at a bounded rate
for all peers together, and each less often.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from network.config import PeerAddress, Timing
from network.hearsay import AddressBook, AddressOrigin, Place
from network.rate_limit import TokenBucket
from network.tasks import start_task
from network.transport import Connection

_log = logging.getLogger(__name__)

HEARSAY_DIALS_PER_SECOND: Final = 1
HEARSAY_BURST: Final = 16
"""Of all peers together. A node that joins an alliance of 16 reaches all at once, and 100 within two minutes."""


class Dialer:
    """The task that dials one peer.

    Args:
        places: where to try now; may change from attempt to attempt.
        connect: dials one place; raises OSError or TimeoutError.
        needed: whether a connection is missing and allowed.
        longest_pause: seconds between two attempts at most, asked for at each.
    """

    def __init__(
        self,
        places: Callable[[], Sequence[Place]],
        connect: Callable[[Place], Awaitable[Connection]],
        needed: Callable[[], bool],
        timing: Timing,
        longest_pause: Callable[[], float] | None = None,
    ) -> None:
        self._places = places
        self._connect = connect
        self._needed = needed
        self._timing = timing
        self._longest_pause = longest_pause or (lambda: timing.redial_cap)
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
            if not self._needed() or not self._places():
                # A ban that runs out wakes no task, hence the limit.
                await self._woken_within(self._timing.redial_cap)
                # The peer that hung up may be about to dial us: the first pause applies here as well.
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
        places = self._places()
        place = places[self._attempts % len(places)]
        self._attempts += 1
        loop = asyncio.get_running_loop()
        try:
            connection = await self._connect(place)
        except (OSError, TimeoutError) as error:
            _log.debug("cannot reach %s:%s: %s", place.host, place.port, error)
            return False
        began = loop.time()
        await connection.wait_closed()
        return loop.time() - began >= self._timing.stable

    def _pause(self) -> float:
        doubled = self._timing.redial_base * float(1 << min(self._failures, 16))
        return min(self._longest_pause(), doubled) * self._timing.jitter()


class Dialers:
    """One dialer for each peer that ever had a place to be dialled at and was missing.

    Args:
        own_key: the smaller of two keys dials first, the other a little later.
        book: where peers may be.
        connect: dials a peer at a place, as in `Dialer`.
        missing: whether a peer's connection is missing and allowed.
    """

    def __init__(
        self,
        own_key: bytes,
        book: AddressBook,
        connect: Callable[[bytes, Place], Awaitable[Connection]],
        missing: Callable[[bytes], bool],
        timing: Timing,
    ) -> None:
        self._own_key = own_key
        self._book = book
        self._connect = connect
        self._missing = missing
        self._timing = timing
        self._hearsay: TokenBucket | None = None
        self._dialers: dict[bytes, Dialer] = {}

    def configure(self, peers: Iterable[PeerAddress]) -> None:
        """Replace the configured places, and begin to dial those who are new."""
        for key in self._book.configure(peers):
            if key not in self._dialers:
                self._start(key)
        self.wake_all()

    def book_changed(self) -> None:
        """Begin to dial those who have a place now and are missing."""
        for key in sorted(self._book.not_configured() - self._dialers.keys()):
            if self._missing(key) and self._book.places(key):
                self._start(key)

    def wake(self, key: bytes) -> None:
        """Look at one peer again."""
        if key in self._dialers:
            self._dialers[key].wake()
        else:
            self.book_changed()

    def wake_all(self) -> None:
        """Look at every peer again, and at those who may be dialled only now."""
        self.book_changed()
        for dialer in self._dialers.values():
            dialer.wake()

    async def stop(self) -> None:
        """End all dialling."""
        await asyncio.gather(*(dialer.stop() for dialer in self._dialers.values()))

    def _start(self, key: bytes) -> None:
        dialer = self._dialers[key] = Dialer(
            lambda: self._book.places(key),
            lambda place: self._dial(key, place),
            lambda: self._missing(key),
            self._timing,
            lambda: self._timing.redial_cap if self._book.is_configured(key) else self._timing.hearsay_redial_cap,
        )
        dialer.start(0.0 if self._own_key < key else self._timing.stagger)

    async def _dial(self, key: bytes, place: Place) -> Connection:
        if place.origin is not AddressOrigin.CONFIGURED:
            await self._wait_for_turn()
        return await self._connect(key, place)

    async def _wait_for_turn(self) -> None:
        """Wait until hearsay may be dialled again: what comes too early takes the next turns, one each."""
        now = asyncio.get_running_loop().time()
        if self._hearsay is None:
            self._hearsay = TokenBucket(HEARSAY_DIALS_PER_SECOND, HEARSAY_BURST, now)
        await asyncio.sleep(self._hearsay.charge(1, now))
