"""Frames: length (4 bytes, big-endian, of what follows), kind (1 byte), payload.

The kind stands before the payload so that its size limit holds before anything is buffered for it.
`FrameReader` is the receiving half of an `asyncio.BufferedProtocol` without the sockets: bytes are
received straight into its buffer, frames are cut out of it, each copied once.

Invariants:
    1. The same bytes give the same frames, however they are cut into chunks.
    2. The buffer begins with the first bytes, grows with bytes that have come, not with bytes that were announced,
       and never beyond twice the longest frame; it shrinks again when it is empty.
    3. After an error there is no way on: what follows in the stream has no known meaning.
"""

from __future__ import annotations

from typing import Final

from network.errors import MalformedFrame, OversizedFrame
from network.kinds import RULES, Kind

HEADER_BYTES: Final = 5
_LENGTH_BYTES: Final = 4

INITIAL_BUFFER_BYTES: Final = 128 * 1024
_MIN_FREE_BYTES: Final = 16 * 1024
"""One TLS record; less free room than this makes the buffer move or grow."""

_KINDS: Final = {int(kind): (kind, rule.max_bytes) for kind, rule in RULES.items()}


def encode_frame(kind: Kind, payload: bytes) -> bytes:
    """Return the frame's bytes.

    Raises:
        ValueError: the payload is longer than its kind allows; our own fault.
    """
    if len(payload) > RULES[kind].max_bytes:
        raise ValueError(f"{kind.name} payload of {len(payload)} bytes is over its limit")
    return (len(payload) + 1).to_bytes(_LENGTH_BYTES, "big") + bytes((kind,)) + payload


class FrameReader:
    """Cuts received bytes into frames, in one reusable buffer."""

    def __init__(self) -> None:
        self.release()

    @property
    def capacity(self) -> int:
        """Bytes of memory that the buffer takes."""
        return len(self._buffer)

    def release(self) -> None:
        """Forget what was received, and take no memory until more is to be received."""
        self._buffer = bytearray()
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0

    def free_space(self) -> memoryview:
        """Return where the next received bytes go; never empty."""
        if self._start == self._end:
            self._start = self._end = 0
            if len(self._buffer) != INITIAL_BUFFER_BYTES:
                self._replace_buffer(INITIAL_BUFFER_BYTES)
        elif len(self._buffer) - self._end < _MIN_FREE_BYTES:
            waiting = self._end - self._start
            roomy = 2 * waiting <= len(self._buffer)
            self._replace_buffer(len(self._buffer) if roomy else 2 * len(self._buffer))
        return self._view[self._end :]

    def received(self, count: int) -> None:
        """Tell that the first `count` bytes of the free space have been filled."""
        self._end += count

    def next_frame(self) -> tuple[Kind, bytes] | None:
        """Return the next whole frame, or None until more bytes have come.

        Raises:
            MalformedFrame: an empty frame or an unknown kind.
            OversizedFrame: the length is over the kind's limit.
        """
        waiting = self._end - self._start
        if waiting < HEADER_BYTES:
            return None
        body = self._start + HEADER_BYTES
        length = int.from_bytes(self._view[self._start : body - 1], "big") - 1
        known = _KINDS.get(self._buffer[body - 1])
        if known is None or length < 0:
            raise MalformedFrame("no such kind of frame")
        kind, max_bytes = known
        if length > max_bytes:
            raise OversizedFrame(f"{kind.name} of {length} bytes is over its limit")
        if waiting < HEADER_BYTES + length:
            return None
        self._start = body + length
        return kind, bytes(self._view[body : self._start])

    def _replace_buffer(self, capacity: int) -> None:
        # A bytearray cannot be resized while a view of it is out, so the rest moves to a new one.
        buffer = bytearray(capacity)
        waiting = self._end - self._start
        buffer[:waiting] = self._view[self._start : self._end]
        self._buffer, self._view = buffer, memoryview(buffer)
        self._start, self._end = 0, waiting
