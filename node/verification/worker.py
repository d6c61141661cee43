"""One verification worker, over all lives of its process: frames out, bitmaps in, and what happens when it dies.

`Link` is the node's end of one life's socket pair. `VerificationWorker` starts the process, gives frames to the
link, and starts another process once one has ended, with a pause that grows.

Invariants:
    1. Every frame that was sent is answered, or lost: `Frame.settled` is always set in the end.
    2. At most MAX_FRAMES are on their way to one process; a late one keeps its place.
    3. A process that breaks the protocol, or stands still, is killed. None outlives `run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from node.verification.frames import GREETING, BadFrame, answer_bytes, frame_of, read_answer
from vm.transaction import SignatureCheck

_log = logging.getLogger(__name__)

MAX_FRAMES: Final = 4
"""Some 8 ms of work: longer than a slice of execution, in which the event loop brings no further frame."""

LATE_SECONDS: Final = 0.25
"""After this the node verifies a frame itself. An ordinary one takes 3 ms, and 10 behind three others."""

STANDSTILL_SECONDS: Final = 10.0
"""A process that answers nothing, or does not greet, for so long is killed: it was stopped, or has gone wrong."""

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 60.0
"""A process that cannot start costs one line of the log a minute."""

CHECK_SECONDS: Final = 1.0
"""How often it is looked whether a process stands still."""

EXIT_SECONDS: Final = 1.0
EXIT_POLL_SECONDS: Final = 0.01
"""A process that has closed its end is gone within milliseconds, and one that is killed as well, as a rule."""

SOURCES: Final = str(Path(__file__).parents[2])
"""Where this node's packages are: the worker takes the same, not those of some other installation."""

COMMAND: Final = (sys.executable, "-P", "-m", "node.verification.process")
"""-P keeps the current folder out of the worker's module path."""


class Frame:
    """Checks that a worker was asked for.

    Attributes:
        count: how many checks.
        sent_at: when, by the event loop's clock.
        settled: done once they are answered, or lost with their process.
    """

    __slots__ = ("_bits", "count", "sent_at", "settled")

    def __init__(self, count: int) -> None:
        loop = asyncio.get_running_loop()
        self.count = count
        self.sent_at = loop.time()
        self.settled: asyncio.Future[None] = loop.create_future()
        self._bits: int | None = None

    def settle(self, bits: int | None) -> None:
        """Keep the answer, a bit for each check; None where it is lost."""
        self._bits = bits
        self.settled.set_result(None)

    @property
    def late_at(self) -> float:
        """When the answer is not worth waiting for any more, by the event loop's clock."""
        return self.sent_at + LATE_SECONDS

    @property
    def is_answered(self) -> bool:
        """Whether `verdict` may be asked."""
        return self._bits is not None

    async def wait(self) -> None:
        """Wait for the answer for as long as is worth it."""
        if not self.settled.done():
            left = self.late_at - asyncio.get_running_loop().time()
            await asyncio.wait((self.settled,), timeout=max(0.0, left))

    def verdict(self, index: int) -> bool:
        """Return the verdict on a check of an answered frame."""
        assert self._bits is not None
        return bool(self._bits >> index & 1)


class Link(asyncio.Protocol):
    """The node's end of one process's socket pair.

    Attributes:
        lost: set once the process can answer nothing any more.
        fault: what the process did wrong, None where it has just ended.
    """

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._received = bytearray()
        self._waiting: deque[tuple[int, Frame]] = deque()
        self._sent = 0
        self._last_heard = asyncio.get_running_loop().time()
        self._greeted = False
        self.lost = asyncio.Event()
        self.fault: str | None = None

    def __len__(self) -> int:
        """Return how many frames are on their way."""
        return len(self._waiting)

    @property
    def is_ready(self) -> bool:
        """Whether the process can work."""
        return self._greeted and not self.lost.is_set()

    @property
    def has_room(self) -> bool:
        """Whether the process may be given another frame."""
        return self.is_ready and len(self._waiting) < MAX_FRAMES

    def send(self, checks: Sequence[SignatureCheck]) -> Frame | None:
        """Ask for checks; None where they are too much for a frame."""
        assert self.has_room
        assert self._transport is not None
        ident = self._sent & 0xFFFF_FFFF
        data = frame_of(ident, checks)
        if data is None:
            return None
        self._sent += 1
        frame = Frame(len(checks))
        self._waiting.append((ident, frame))
        self._transport.write(data)
        return frame

    def close(self, fault: str | None = None) -> None:
        """End the life of the process, as far as the node is concerned; what it was asked for is lost."""
        if self.lost.is_set():
            return
        self.fault = fault
        self.lost.set()
        if self._transport is not None:
            self._transport.abort()
        for _, frame in self._waiting:
            frame.settle(None)
        self._waiting.clear()

    def check_standstill(self) -> None:
        """Close the link to a process that should have answered long ago."""
        if self._greeted and not self._waiting:
            return
        owed_since = self._waiting[0][1].sent_at if self._waiting else self._last_heard
        if asyncio.get_running_loop().time() - max(owed_since, self._last_heard) > STANDSTILL_SECONDS:
            self.close(f"no answer for {STANDSTILL_SECONDS:g} s")

    # -- asyncio.Protocol --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self.close()

    def data_received(self, data: bytes) -> None:
        """Take what the process says; it is killed if that is not what it was asked for."""
        self._last_heard = asyncio.get_running_loop().time()
        self._received += data
        try:
            self._read()
        except BadFrame as error:
            self.close(str(error))

    def _read(self) -> None:
        received = self._received
        if not self._greeted:
            if len(received) < len(GREETING):
                return
            if not received.startswith(GREETING):
                raise BadFrame("its greeting is not this release's")
            del received[: len(GREETING)]
            self._greeted = True
        while received:
            if not self._waiting:
                raise BadFrame("an answer that was not asked for")
            ident, frame = self._waiting[0]
            size = answer_bytes(frame.count)
            if len(received) < size:
                return
            bits = read_answer(bytes(received[:size]), ident, frame.count)
            del received[:size]
            self._waiting.popleft()
            frame.settle(bits)


class VerificationWorker:
    """A worker that is always there, or on its way back.

    Args:
        number: names it in the log.
        command: the process to start.

    Attributes:
        number: as given.
        restarts: how often a process has ended without our wish.
    """

    def __init__(self, number: int, command: Sequence[str] = COMMAND) -> None:
        self.number = number
        self._command = command
        self._link: Link | None = None
        self._pid: int | None = None
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """The process, None while there is none."""
        return self._pid

    @property
    def is_running(self) -> bool:
        """Whether there is a process that can work."""
        return self._link is not None and self._link.is_ready

    @property
    def has_room(self) -> bool:
        """Whether `send` may be called."""
        return self._link is not None and self._link.has_room

    @property
    def frames_waiting(self) -> int:
        """How many frames are on their way."""
        return 0 if self._link is None else len(self._link)

    def send(self, checks: Sequence[SignatureCheck]) -> Frame | None:
        """Ask for checks; None where they are too much for a frame."""
        assert self._link is not None
        return self._link.send(checks)

    async def run(self) -> None:
        """Keep a process running until cancelled; none is left then."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_SECONDS
        while True:
            begun = loop.time()
            reason = await self._live()
            self.restarts += 1
            if loop.time() - begun >= LONGEST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            _log.warning("verification worker %d ended (%s); starts again in %g s", self.number, reason, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _live(self) -> str:
        """Run one process until it ends; return why."""
        ours, theirs = socket.socketpair()
        try:
            process = _started(self._command, theirs)
        except OSError as error:
            ours.close()
            return f"cannot be started: {error}"
        finally:
            theirs.close()
        link = Link()
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=ours)
            self._link, self._pid = link, process.pid
            _log.info("verification worker %d is process %d", self.number, process.pid)
            while not await _happens(link.lost, CHECK_SECONDS):
                link.check_standstill()
            code = await _exit_code(process, at_once=link.fault is not None)
        finally:
            self._link = self._pid = None
            link.close()
            process.kill()
            await _exit_code(process, at_once=True)
        return link.fault or f"exit code {code}"


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, for a time; tell whether it has happened."""
    with contextlib.suppress(TimeoutError):
        # Python 3.11's wait_for would lose a cancellation that comes together with the event.
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _started(command: Sequence[str], pair: socket.socket) -> subprocess.Popen[bytes]:
    """Start a process that has one end of a pair, standard error, and nothing else of this one."""
    path = os.pathsep.join(filter(None, (SOURCES, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        command,
        stdin=pair.fileno(),
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )


async def _exit_code(process: subprocess.Popen[bytes], *, at_once: bool) -> int | None:
    """Wait until a process has ended, and kill it if it does not by itself; None if not even that helps in time."""
    deadline = asyncio.get_running_loop().time() + EXIT_SECONDS
    while (code := process.poll()) is None:
        now = asyncio.get_running_loop().time()
        if at_once or now > deadline:
            process.kill()
        if now > deadline + EXIT_SECONDS:
            return None
        await asyncio.sleep(EXIT_POLL_SECONDS)
    return code
