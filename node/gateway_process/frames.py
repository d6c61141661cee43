"""What node and gateway process tell each other: frames over two socket pairs, one for calls and one for raw reads.

A frame is its length in 4 bytes, big-endian, and a tagged msgpack array. Both ends are of one release and trust
each other; a frame that cannot be read is a fault of ours and ends the child.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from node.store import Head

LENGTH_BYTES: Final = 4
MAX_FRAME_BYTES: Final = (1 << 30) + (1 << 20)
"""A body or an answer has at most 1 GiB, by node.toml's own bounds."""


class FrameError(Exception):
    """The other end sends what is no frame."""


class _Frame(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A frame; its tag is its class's name."""


# -- calls: the node tells ------------------------------------------------------------------------


class Position(_Frame, frozen=True):
    """Where the node's chain stands: its head, and the first heights whose block and whose state it keeps."""

    head: Head
    oldest_block: int
    state_floor: int


class Welcome(_Frame, frozen=True):
    """The first frame: what a gateway needs to know."""

    config: bytes
    """The node's configuration, as JSON."""
    genesis: bytes
    """The genesis document, as JSON: so its members have the order that the node shows."""
    position: Position


class Moved(_Frame, frozen=True):
    """The head has moved, or several times; `changes` are state values by key, None where all may have changed."""

    position: Position
    changes: dict[str, bytes | None] | None


class Answer(_Frame, frozen=True):
    """The answer to a call or a question.

    `status` is 200, or the status of a request that is refused as a whole; no body is no content.
    """

    id: int
    status: int
    body: bytes | None
    unauthorised: bool = False


class Stop(_Frame, frozen=True):
    """Answer what is being answered, and end."""


# -- calls: the child tells -----------------------------------------------------------------------


class Serving(_Frame, frozen=True):
    """The child accepts connections."""


class Call(_Frame, frozen=True):
    """A JSON-RPC body as it came, and who asks; it is admitted by the limits already."""

    id: int
    client: str
    reads: bool
    writes: bool
    body: bytes


class Ask(_Frame, frozen=True):
    """A question for one of the node's pages: health (as JSON) or metrics."""

    id: int
    page: str


class GiveUp(_Frame, frozen=True):
    """No one waits for the answer to a call any more."""

    id: int


# -- raw reads ------------------------------------------------------------------------------------


class Get(_Frame, frozen=True):
    """Read one value."""

    key: bytes


class Scan(_Frame, frozen=True):
    """Read the first entries with start ≤ key < stop."""

    start: bytes
    stop: bytes
    once: bool


class Value(_Frame, frozen=True):
    """One value, and as of which height it is."""

    height: int
    oldest_block: int
    value: bytes | None


class Entries(_Frame, frozen=True):
    """The first entries of a range, as of a height; `done` where there are no more."""

    height: int
    oldest_block: int
    items: list[tuple[bytes, bytes]]
    done: bool


class Failed(_Frame, frozen=True):
    """The database refuses; the node's log says why."""

    message: str


ToChild: TypeAlias = Welcome | Moved | Answer | Stop
ToNode: TypeAlias = Serving | Call | Ask | GiveUp
ReadRequest: TypeAlias = Get | Scan
ReadAnswer: TypeAlias = Value | Entries | Failed

to_child: Final[msgspec.msgpack.Decoder[ToChild]] = msgspec.msgpack.Decoder(ToChild)
to_node: Final[msgspec.msgpack.Decoder[ToNode]] = msgspec.msgpack.Decoder(ToNode)
read_request: Final[msgspec.msgpack.Decoder[ReadRequest]] = msgspec.msgpack.Decoder(ReadRequest)
read_answer: Final[msgspec.msgpack.Decoder[ReadAnswer]] = msgspec.msgpack.Decoder(ReadAnswer)
encode: Final = msgspec.msgpack.Encoder().encode


def framed(frame: _Frame) -> bytes:
    """Return a frame with its length."""
    data = encode(frame)
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


class FrameStream(asyncio.Protocol):
    """One end of a socket pair on an event loop: cuts what comes into frames, and tells when it may write on.

    Args:
        on_frame: called with the bytes of each frame.
        on_lost: called once the other end is gone.
        on_writable: called when the other end has caught up.
    """

    def __init__(
        self,
        on_frame: Callable[[bytes], None],
        on_lost: Callable[[], None],
        on_writable: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._on_writable = on_writable
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Hand on each frame that is whole."""
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= LENGTH_BYTES:
                begin = start + LENGTH_BYTES
                end = begin + int.from_bytes(buffer[start:begin], "big")
                if end - begin > MAX_FRAME_BYTES:
                    raise FrameError(f"a frame of {end - begin} bytes")
                if len(buffer) < end:
                    break
                start = end
                self._on_frame(bytes(buffer[begin:end]))
        finally:
            del buffer[:start]

    def send(self, frame: _Frame) -> None:
        """Write a frame; one that comes after the other end has gone is dropped."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(framed(frame))

    @property
    def is_writable(self) -> bool:
        """Whether the other end takes what is written."""
        return self._writable.is_set()

    async def written(self) -> None:
        """Wait until the other end has taken most of what was written."""
        await self._writable.wait()

    def pause_writing(self) -> None:
        """The other end is behind."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The other end has caught up."""
        self._writable.set()
        self._on_writable()

    def close(self) -> None:
        """Close the connection, without what is not written yet."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the other end is gone."""
        self._writable.set()
        self._on_lost()
