"""The worker process: verifies what comes through its socket pair until the node closes it or is gone.

    python -P -m node.verification.process      the node starts it so, with one end of the pair as standard input

It imports little (14 MB in all), opens no file, and decides nothing. SIGINT and SIGTERM are meant for the node,
which ends the worker; systemd, docker and a terminal send them to both.

The end of the node closes the pair, and that ends the worker, on every system. A worker that stands still, because
somebody has stopped it, would not notice: Linux is asked to kill it with its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import sys
from typing import Final

from node.verification.frames import GREETING, MAX_FRAME_BYTES, SIZE, BadFrame, answer_to, read_frame
from vm.primitives.keys import verify

PR_SET_PDEATHSIG: Final = 1
"""Linux, include/uapi/linux/prctl.h."""

BUFFER_BYTES: Final = 64 * 1024
"""Most frames come with one read: a slice of admission has 24 KiB, and its signatures."""


def serve(pair: socket.socket) -> None:
    """Answer frames in order until the other end is closed.

    Raises:
        BadFrame: the node sent what is no frame.
        OSError: the other end is gone.
    """
    stream = pair.makefile("rb", BUFFER_BYTES)
    pair.sendall(GREETING)
    while len(size_bytes := stream.read(SIZE.size)) == SIZE.size:
        (size,) = SIZE.unpack(size_bytes)
        if size > MAX_FRAME_BYTES:
            raise BadFrame(f"a frame of {size} bytes")
        frame = stream.read(size)
        if len(frame) < size:
            return
        ident, checks = read_frame(frame)
        pair.sendall(answer_to(ident, [verify(b"", key, message, sig) for key, sig, message in checks]))


def _die_with_parent() -> None:
    """Have Linux kill this process once the thread that started it has ended; other systems are not asked."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):  # a C library without it: the pair's end must do
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main() -> None:
    """Serve the node at the other end of standard input."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _die_with_parent()
    # A node that is killed while an answer is on its way is no fault of the worker's.
    with socket.socket(fileno=sys.stdin.fileno()) as pair, contextlib.suppress(ConnectionError):
        serve(pair)


if __name__ == "__main__":
    main()
