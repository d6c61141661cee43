"""A connected peer: what it told about itself, frames to it, and requests with their replies.

A `Peer` lives from the HELLO until its connection ends; the same node is a new `Peer` after it
reconnects. Its fields are what the peer says: hints for choosing whom to ask, never facts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast, overload

import msgspec

from network.errors import MalformedFrame, PeerGone, RequestTimeout, TooManyRequests
from network.kinds import Kind, Priority
from network.messages import (
    REPLY_KINDS,
    Blocks,
    BucketRoots,
    CandidateReply,
    GetBlocks,
    GetBucketRoots,
    GetCandidate,
    GetOnceLeaves,
    GetOnceTiles,
    GetReplayIds,
    GetSetChanges,
    GetSnapshots,
    GetStateChunk,
    GetTransactions,
    Hello,
    Message,
    OnceLeaves,
    OnceTiles,
    Ping,
    Pong,
    ReplayIds,
    Reply,
    Request,
    SetChanges,
    Snapshots,
    StateChunk,
    TransactionsReply,
    decode,
    encode_message,
    kind_of,
)
from network.scoring import Offence
from network.transport import Connection
from vm.primitives.hashing import ZERO_HASH

MAX_REQUESTS_IN_FLIGHT: Final = 16


class PeerInfo(msgspec.Struct, frozen=True):
    """One line of `node_peers`."""

    address: str
    key: bytes
    direction: str
    height: int
    round: int
    rtt_ms: int | None
    score: int


class Peer:
    """One connected, greeted node."""

    def __init__(
        self, connection: Connection, hello: Hello, penalise: Callable[[Connection, Offence], None]
    ) -> None:
        self.connection = connection
        self.key = connection.key
        self.instance = hello.instance
        self.listen = hello.listen
        self.height = hello.height
        self.round = 0
        self.digest = ZERO_HASH
        self.links: frozenset[bytes] = frozenset()
        self.reads_compact_proposals = False
        self.rtt_ms: int | None = None
        self._penalise = penalise
        self._pings: dict[int, float] = {}
        self._last_id = 0
        self._requests: dict[int, tuple[Kind, asyncio.Future[Reply]]] = {}

    @property
    def address(self) -> str:
        """host:port as seen from here."""
        host, port = self.connection.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def direction(self) -> str:
        """Who dialled: "out" if this node did."""
        return "out" if self.connection.dialled else "in"

    @property
    def waiting_reply_bytes(self) -> int:
        """Bytes of replies that this peer has not taken yet."""
        return self.connection.waiting_bytes(Priority.REPLY)

    def send(self, kind: Kind, payload: bytes) -> bool:
        """Queue a frame; returns False when it was dropped."""
        return self.connection.send(kind, payload)

    def send_message(self, message: Message) -> bool:
        """Queue a message; returns False when it was dropped."""
        return self.connection.send(kind_of(message), encode_message(message))

    def penalise(self, offence: Offence) -> None:
        """Score the peer for something that only the node's own checks could find."""
        self._penalise(self.connection, offence)

    # -- requests ----------------------------------------------------------------------------------

    @overload
    async def request(self, message: GetBlocks, timeout: float) -> Blocks: ...
    @overload
    async def request(self, message: GetTransactions, timeout: float) -> TransactionsReply: ...
    @overload
    async def request(self, message: GetCandidate, timeout: float) -> CandidateReply: ...
    @overload
    async def request(self, message: GetSnapshots, timeout: float) -> Snapshots: ...
    @overload
    async def request(self, message: GetSetChanges, timeout: float) -> SetChanges: ...
    @overload
    async def request(self, message: GetBucketRoots, timeout: float) -> BucketRoots: ...
    @overload
    async def request(self, message: GetStateChunk, timeout: float) -> StateChunk: ...
    @overload
    async def request(self, message: GetReplayIds, timeout: float) -> ReplayIds: ...
    @overload
    async def request(self, message: GetOnceTiles, timeout: float) -> OnceTiles: ...
    @overload
    async def request(self, message: GetOnceLeaves, timeout: float) -> OnceLeaves: ...

    async def request(self, message: Request, timeout: float) -> Reply:
        """Send a request, whose id is filled in here, and wait for its reply.

        Raises:
            TooManyRequests: as many as allowed are in flight to this peer.
            PeerGone: the connection ended first.
            RequestTimeout: no reply within `timeout` seconds.
        """
        if len(self._requests) >= MAX_REQUESTS_IN_FLIGHT:
            raise TooManyRequests(f"{len(self._requests)} requests in flight")
        request_id = self._next_id()
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._requests[request_id] = REPLY_KINDS[type(message)], future
        try:
            if not self.send_message(msgspec.structs.replace(message, id=request_id)):
                raise PeerGone("the request could not be sent")
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            raise RequestTimeout(f"no reply to {type(message).__name__} in {timeout} s") from None
        finally:
            del self._requests[request_id]

    def reply_received(self, kind: Kind, payload: bytes) -> None:
        """Give a reply to whom waits for it.

        Raises:
            MalformedFrame: the payload is no reply of that kind.
        """
        reply = decode(kind, payload)
        if not isinstance(reply, Reply):
            raise MalformedFrame(f"{kind.name} is no reply")
        expected, future = self._requests.get(reply.id, (None, None))
        if expected is not kind or future is None:
            # It may just be late: a small price.
            self.penalise(Offence.UNSOLICITED)
        elif not future.done():
            future.set_result(reply)

    def connection_ended(self, reason: str) -> None:
        """Fail every request that still waits."""
        for _, future in self._requests.values():
            if not future.done():
                future.set_exception(PeerGone(reason))

    # -- keep-alive --------------------------------------------------------------------------------

    def ping(self, now: float) -> None:
        """Ask for a sign of life, and measure the way there and back."""
        ping_id = self._next_id()
        # At most one measurement at a time: the reply to an older ping is no news.
        self._pings = {ping_id: now}
        self.connection.send(Kind.PING, encode_message(Ping(id=ping_id)))

    def pong_received(self, payload: bytes, now: float) -> None:
        """Take the measurement that a PONG completes."""
        pong = cast(Pong, decode(Kind.PONG, payload))
        sent_at = self._pings.pop(pong.id, None)
        if sent_at is not None:
            self.rtt_ms = round((now - sent_at) * 1_000)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id
