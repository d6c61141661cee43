"""Long reads in slices: code that only reads says where it may pause, and its caller says when.

    pause_point()                             in a loop of a read, as often as it likes
    at_once(read, is_over)                    on the event loop's thread; TookLong at a pause point once it is over
    reading = LongRead(read, is_over)         the same read, from its beginning, on a thread of its own
    while not reading.go_on(): …let the loop turn…
    reading.result()

A read is plain, synchronous code, often deep within a contract, which no generator can suspend. So a long one gets
a thread, and that thread and the event loop's run in strict alternation: `go_on` waits until the read has come to a
pause point beyond its slice, or to its end. Nothing ever runs beside the read, as with a coroutine; what it costs
is two switches of threads for each slice, some 20 µs. Threads are not here to do more at once: beside a busy event
loop they would wait for the interpreter's lock (docs/performance.md, point 2).

Most reads are short. They run on the event loop's thread, where a pause point costs a tenth of a microsecond; only
one that outlasts its slice is begun anew as a `LongRead`. What it has done by then is lost: a slice, once.

Invariants:
    1. Between two pause points a read sees one state of everything. Across one, the head may have moved: a read
       that spans several values reads them as of one height (`node.chain.states`).
    2. A pause point stands in code that only reads, and where no lock is held.
    3. A long read that is not wanted any more is ended at its pause point, so that its thread ends: `abandon`.
    4. Outside `at_once` and a `LongRead` a pause point does nothing: a consensus task's reads are never suspended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

IsOver = Callable[[], bool]
"""Tells at a pause point whether the slice is used up."""


class TookLong(BaseException):
    """A read has outlasted its slice where it cannot be suspended; not an Exception, which a read might catch."""


class _Abandoned(BaseException):
    """Nobody wants what a long read would find."""


class _Here(threading.local):
    """What a pause point of this thread asks, and does where the slice is over."""

    is_over: IsOver | None = None
    pause: Callable[[], None]
    is_whole: bool = False


_HERE: Final = _Here()


def pause_point() -> bool:
    """Let the event loop turn here, where the read that is under way has used up its slice; tell whether it has."""
    is_over = _HERE.is_over
    if is_over is None or not is_over():
        return False
    _HERE.pause()
    return True


def is_whole() -> bool:
    """Tell whether the read under way is never suspended, so that it sees one state of everything all along."""
    return _HERE.is_whole


def at_once(read: Callable[[], T], is_over: IsOver) -> T:
    """Return what a read finds, without a pause.

    Raises:
        TookLong: its slice was over at a pause point; or what the read raises.
    """
    _HERE.is_over, _HERE.pause, _HERE.is_whole = is_over, _give_up, True
    try:
        return read()
    finally:
        _HERE.is_over, _HERE.is_whole = None, False


def _give_up() -> None:
    raise TookLong


class LongRead(Generic[T]):
    """A read on a thread of its own, which runs only while `go_on` waits for it.

    Attributes:
        is_done: it has come to its end, and `result` can be asked for.
    """

    def __init__(self, read: Callable[[], T], is_over: IsOver) -> None:
        self._read = read
        self._is_over = is_over
        self._found: list[T] = []
        self._error: BaseException | None = None
        self._is_wanted = True
        self.is_done = False
        self._turn, self._back = threading.Lock(), threading.Lock()
        self._turn.acquire()
        self._back.acquire()
        self._thread: threading.Thread | None = None

    def go_on(self) -> bool:
        """Let the read run for a slice; tell whether it is done."""
        if not self.is_done:
            if self._thread is None:
                # A daemon: a process that ends does not wait for what nobody has asked further.
                thread = threading.Thread(target=self._run, name="long-read", daemon=True)
                thread.start()
                self._thread = thread  # only one that runs is ever waited for: the system may refuse another one
            self._turn.release()
            self._back.acquire()
        return self.is_done

    def result(self) -> T:
        """Return what the read has found; or raise what it has raised."""
        if self._error is not None:
            raise self._error
        return self._found[0]

    def abandon(self) -> None:
        """End the read, where it is not done."""
        self._is_wanted = False
        if self._thread is None:
            self.is_done = True
        self.go_on()

    def _run(self) -> None:
        self._turn.acquire()
        _HERE.is_over, _HERE.pause = self._is_over, self._pause
        try:
            self._found.append(self._read())
        except BaseException as error:  # all of it is the caller's: `result` raises it
            self._error = error
        self.is_done = True
        self._back.release()

    def _pause(self) -> None:
        self._back.release()
        self._turn.acquire()
        if not self._is_wanted:
            raise _Abandoned
