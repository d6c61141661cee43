"""Answering peers that fetch a snapshot: one request after the other, with rests, so that consensus gets its turns.

Requests wait in one queue, bounded per peer. Reading a chunk takes some 10 ms, and tens where much has been
replaced since its height, so that it is read in slices (`node.runtime.pauses`); after each slice and each answer
the server rests as long as that took, so that snapshots cost this node half of a core at most.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final, Protocol

from network.answers import MAX_WAITING_BYTES
from network.messages import (
    MAX_CHUNK_NODES,
    MAX_ONCE_TILES_PER_REPLY,
    MAX_REPLAY_IDS_PER_REPLY,
    MAX_SET_CHANGES_PER_REPLY,
    BucketRoots,
    GetBucketRoots,
    GetOnceLeaves,
    GetOnceTiles,
    GetReplayIds,
    GetSetChanges,
    GetSnapshots,
    GetStateChunk,
    Message,
    OnceLeaves,
    OnceTiles,
    ReplayIds,
    Reply,
    Request,
    SetChange,
    SetChanges,
    Snapshots,
    StateChunk,
)
from network.scoring import Offence
from node.chain.errors import QueryError
from node.chain.ledger import Ledger
from node.runtime.pauses import LongRead, TookLong, at_once, pause_point
from node.store import StatePruned
from vm.membership import change_count, membership_change
from vm.primitives.codec import encode

SLICE_SECONDS: Final = 0.005
"""As for clients' reads (`node.gateway.read_turns`)."""

MAX_WAITING_PER_PEER: Final = 16
MAX_REST_SECONDS: Final = 0.5
"""As `node.gateway.read_turns` has it: nobody waits for minutes because the machine slept."""

MAX_CHANGES_BYTES: Final = 2 * 1024 * 1024

SNAPSHOT_REQUESTS: Final = (
    GetSnapshots,
    GetSetChanges,
    GetBucketRoots,
    GetStateChunk,
    GetReplayIds,
    GetOnceTiles,
    GetOnceLeaves,
)


class Asker(Protocol):
    """The peer that asks."""

    key: bytes

    @property
    def waiting_reply_bytes(self) -> int:
        """Bytes of replies that it has not taken yet."""
        ...

    def send_message(self, message: Message) -> bool:
        """Queue a message to it."""
        ...

    def penalise(self, offence: Offence) -> None:
        """Score it."""
        ...


class SnapshotServer:
    """Answers from the node's own store."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: deque[tuple[Asker, Request]] = deque()
        self._count: Counter[bytes] = Counter()
        self._news = asyncio.Event()

    def asked(self, peer: Asker, request: Request) -> None:
        """Take a request; one too many is dropped, and its sender scored."""
        if self._count[peer.key] >= MAX_WAITING_PER_PEER:
            peer.penalise(Offence.FLOOD)
            return
        self._count[peer.key] += 1
        self._waiting.append((peer, request))
        self._news.set()

    async def run(self) -> None:
        """Answer until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            peer, request = self._waiting.popleft()
            self._count[peer.key] -= 1
            if not self._count[peer.key]:
                del self._count[peer.key]
            if peer.waiting_reply_bytes >= MAX_WAITING_BYTES:
                continue  # it reads too slowly: nothing is read and built for it that it cannot take
            await self._answer(peer, request, loop.time)

    async def _answer(self, peer: Asker, request: Request, now: Callable[[], float]) -> None:
        began = now()
        try:
            reply = at_once(lambda: self.answer(request, now), lambda: now() >= began + SLICE_SECONDS)
        except TookLong:
            await asyncio.sleep(now() - began)
            began = now()
            reply = await self._in_slices(request, now)
        peer.send_message(reply)
        await asyncio.sleep(min(now() - began, MAX_REST_SECONDS))

    async def _in_slices(self, request: Request, now: Callable[[], float]) -> Reply:
        began = now()
        reading = LongRead(lambda: self.answer(request, now), lambda: now() >= began + SLICE_SECONDS)
        try:
            while not reading.go_on():
                await asyncio.sleep(min(now() - began, MAX_REST_SECONDS))
                began = now()
            return reading.result()
        finally:
            reading.abandon()

    def answer(self, request: Request, now: Callable[[], float] = time.monotonic) -> Reply:
        """Return the reply to a request; a chunk is as long as can be read within a time, by `now`."""
        snapshots = self._ledger.store.snapshots
        if isinstance(request, GetSetChanges):
            return self._set_changes(request)
        if isinstance(request, GetBucketRoots):
            roots = snapshots.bucket_roots(request.height, request.first, request.count)
            return BucketRoots(id=request.id, roots=roots)
        if isinstance(request, GetStateChunk):
            return self._chunk(request, now)
        if isinstance(request, GetReplayIds):
            limit = MAX_REPLAY_IDS_PER_REPLY
            ids = snapshots.replay_ids(request.height, request.slot, request.skip, limit)
            return ReplayIds(id=request.id, ids=ids)
        if isinstance(request, GetOnceTiles):
            tiles = snapshots.once_tiles(request.height, request.family, request.first, MAX_ONCE_TILES_PER_REPLY)
            return OnceTiles(id=request.id, tiles=tiles)
        if isinstance(request, GetOnceLeaves):
            leaves = snapshots.once_leaves(request.height, request.family, request.first, request.count)
            return OnceLeaves(id=request.id, leaves=None if leaves is None else tuple(leaves))
        return Snapshots(id=request.id, heights=tuple(self._offered()))

    def _offered(self) -> list[int]:
        """Return the heights whose state and block are here."""
        store = self._ledger.store
        return [height for height in store.snapshots.heights() if store.block_bytes(height) is not None]

    def _chunk(self, request: GetStateChunk, now: Callable[[], float]) -> StateChunk:
        count = min(request.count, MAX_CHUNK_NODES)
        try:
            found = self._ledger.store.snapshots.state_slice(request.height, request.prefix, count, now=now)
        except StatePruned:
            found = None
        if found is None:
            return StateChunk(id=request.id, covered=None, records=(), children=())
        return StateChunk(
            id=request.id, covered=found.covered, records=tuple(found.records), children=found.children
        )

    def _set_changes(self, request: GetSetChanges) -> SetChanges:
        """Return certified headers that announce another set: that of the height after each change's."""
        reader, height = self._ledger.store.reader, self._ledger.height
        items: list[SetChange] = []
        size = 0
        for place in range(1, change_count(reader)):
            pause_point()
            change = membership_change(reader, place)
            at = change.height + 1
            if not request.above < at <= height:
                continue
            header, certificate = self._header(at), self._ledger.store.certificate_bytes(at)
            if header is None or certificate is None:
                break
            if len(items) == MAX_SET_CHANGES_PER_REPLY or size > MAX_CHANGES_BYTES:
                return SetChanges(id=request.id, items=tuple(items), more=True)
            entries = tuple((entry.public_key, entry.brand) for entry in change.validators)
            items.append(SetChange(header, certificate, entries))
            size += len(header) + len(certificate) + 64 * len(entries)
        return SetChanges(id=request.id, items=tuple(items), more=False)

    def _header(self, height: int) -> bytes | None:
        try:
            return encode(self._ledger.queries.header(height))
        except QueryError:
            return None
