"""Joining a chain by snapshot: fetch one certified height's state from peers in place of executing all history.

    peers' offers → certified height (node.light_client) → its bucket roots → chunks and replay ids in parallel
                  → a whole store in <home>/data.incoming → renamed to data.ready → `installed`

It begins when this node is `distance` blocks behind, or when its peers have pruned what it needs. Meanwhile block
sync rests. What to ask from whom is `network.snapshot_sync`'s plan. Every part is verified before it is written; a
peer that sends a bad one is scored and asked no more, and the others go on. What is written is kept: over a
restart, and over a change to a later height when no peer offers this one any more.

Invariants:
    1. Nothing is written that does not follow from the genesis document through certificates and hashes.
    2. A snapshot that waits to be installed is of a later height than the store, which does not grow any more.
    3. The node's own store is not touched; `node.sync.snapshot_folders` exchanges it while no node runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256 as _sha256
from typing import Final

from consensus.trust import NotCertified
from consensus.verification import Verifier
from network.errors import RequestError
from network.messages import (
    MAX_BUCKET_ROOTS_PER_REQUEST,
    GetBlocks,
    GetBucketRoots,
    GetReplayIds,
    GetSetChanges,
    GetSnapshots,
    GetStateChunk,
    StateChunk,
)
from network.peer import Peer
from network.peers import PeerManager
from network.scoring import Offence
from network.snapshot_sync import (
    OnceLogPart,
    OnceRange,
    Part,
    PartRequest,
    ReplaySlot,
    SnapshotRules,
    SnapshotSync,
    StateRange,
    bucket_ranges,
)
from node.chain.ledger import Ledger
from node.light_client.chain import TrustedChain
from node.runtime.errors import BadPart, NotOffered
from node.runtime.supervisor import Supervisor
from node.store import StoreCorrupt, StoreFailure
from node.store.incoming_snapshot import CertifiedBlock, IncomingSlot, IncomingSnapshot, IncomingTarget
from node.sync.block_sync_driver import SyncDriver
from node.sync.snapshot_folders import SnapshotFolders
from node.sync.snapshot_once import OnceFetch, parts_of
from node.sync.snapshot_trust import SnapshotTrust
from vm.once_log import OnceLog
from vm.primitives.hashing import HASH_BYTES, ZERO_HASH
from vm.state_chunks import ChunkMismatch, VerifiedChunk, verify_bucket_roots, verify_children, verify_chunk

_log = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.5
OFFERS_SECONDS: Final = 5.0
"""How often peers are asked what they offer while a snapshot is fetched."""

RETRY_SECONDS: Final = 15.0
"""After an attempt that brought nothing block sync goes on for so long."""

REQUEST_SECONDS: Final = 10.0


@dataclass(slots=True)
class _Fetch:
    """One snapshot being fetched."""

    target: IncomingTarget
    newest: CertifiedBlock
    links: list[CertifiedBlock]
    roots: bytes
    plan: SnapshotSync
    bytes_fetched: int = 0
    senders: set[bytes] = field(default_factory=set)
    open_parts: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    """How many parts of a bucket that came split are missing."""


class SnapshotDriver:
    """Fetches a snapshot when this node needs one.

    Args:
        folders: where the snapshot is put.
        distance: so many blocks behind is too far for executing them; 0: never fetch a snapshot.
        check_disk: raises where there is too little room: a snapshot can fill a disk without a single commit.
    """

    def __init__(
        self,
        ledger: Ledger,
        manager: PeerManager,
        sync: SyncDriver,
        folders: SnapshotFolders,
        supervisor: Supervisor,
        distance: int,
        check_disk: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._manager = manager
        self._sync = sync
        self._folders = folders
        self._distance = distance
        self._supervisor = supervisor
        self._check_disk = check_disk
        self._verifier = Verifier(ledger.chain)
        self._fetch: _Fetch | None = None
        self._again_at = 0.0
        self._refused: set[tuple[bytes, int]] = set()
        sync.pause_while(lambda: self._fetch is not None or self.is_due())
        self._on_ready: list[Callable[[], None]] = []
        self.installed = asyncio.Event()
        """Set once a whole snapshot waits for the node to be put together anew."""

    def on_ready(self, act: Callable[[], None]) -> None:
        """Have a function called before `installed` is set: nothing may be committed any more, it would be lost."""
        self._on_ready.append(act)

    @property
    def progress(self) -> str | None:
        """What an operator reads in /ready while a snapshot is fetched."""
        if self.installed.is_set():
            return "installing a snapshot"
        if self._fetch is None:
            return None
        height, left = self._fetch.target.head.height, self._fetch.plan.parts_left
        return f"fetching the snapshot of height {height}: {left} parts left"

    async def run(self) -> None:
        """Watch, fetch if needed, and end once a snapshot waits to be installed."""
        while self._supervisor.halted is None and not self.installed.is_set():
            await asyncio.sleep(TICK_SECONDS)
            if not self.is_due():
                self._forget_superfluous()
                continue
            try:
                await self._fetch_snapshot()
            except StoreCorrupt as error:
                # This can be fetched again; damage of the node's own store halts it by itself (Store.watch).
                _log.error("the incoming snapshot is given up: %s", error)
                with _disk_errors():
                    self._folders.forget_incoming()
            finally:
                self._fetch = None
            self._again_at = asyncio.get_running_loop().time() + RETRY_SECONDS

    def is_due(self) -> bool:
        """Tell whether a snapshot is to be fetched before block sync does anything more."""
        return self._is_needed() and asyncio.get_running_loop().time() >= self._again_at

    def _is_needed(self) -> bool:
        if self._distance == 0:
            return False
        return self._sync.is_stuck or self._sync.target - self._ledger.height >= self._distance

    def _forget_superfluous(self) -> None:
        """Delete what was begun, once block sync has brought this node to its peers' height without it."""
        if 0 < self._sync.target <= self._ledger.height:
            with _disk_errors():
                self._folders.forget_incoming()

    # -- choosing a height -------------------------------------------------------------------------

    async def _offers(self) -> dict[int, list[Peer]]:
        """Return who offers which height, of those that would help this node."""
        least = self._ledger.height + (1 if self._sync.is_stuck else max(1, self._distance // 2))
        peers = self._manager.connected()

        async def ask(peer: Peer) -> tuple[int, ...]:
            try:
                return (await peer.request(GetSnapshots(id=0), OFFERS_SECONDS)).heights
            except RequestError:
                return ()

        offers: dict[int, list[Peer]] = {}
        for peer, heights in zip(peers, await asyncio.gather(*map(ask, peers)), strict=True):
            for height in heights:
                if height >= least and (peer.key, height) not in self._refused:
                    offers.setdefault(height, []).append(peer)
        return offers

    async def _fetch_snapshot(self) -> None:
        """Fetch the best snapshot offered; return without one where that fails."""
        offers = await self._offers()
        if not offers:
            return
        incoming = self._folders.open_incoming()
        try:
            begun = incoming.target.head.height if incoming.target is not None else 0
            # What has been begun first, then what most peers offer, then the latest.
            for height in sorted(offers, key=lambda h: (h == begun, len(offers[h]), h), reverse=True):
                fetch = await self._begin(height, offers[height], incoming)
                if fetch is None:
                    continue
                self._fetch = fetch
                started = asyncio.get_running_loop().time()
                # Consensus, or block sync before it was paused, may have brought this node past that height: in the
                # place of its store the snapshot would take back blocks on which this validator has voted.
                if await self._fetch_parts(fetch, incoming) and self._is_ahead(fetch):
                    genesis_head = self._ledger.store.head_at(0)
                    assert genesis_head is not None
                    incoming.finish(self._ledger.store.genesis_bytes, genesis_head, fetch.newest, fetch.links)
                    incoming.close()
                    with _disk_errors():
                        self._folders.declare_ready()
                    elapsed = asyncio.get_running_loop().time() - started
                    figures = height, fetch.bytes_fetched, elapsed, len(fetch.senders)
                    _log.info("the snapshot of height %d is whole: %d bytes in %.1f s from %d peers", *figures)
                    for act in self._on_ready:
                        act()
                    self.installed.set()
                return
        finally:
            if not self.installed.is_set():
                incoming.close()

    async def _begin(self, height: int, peers: list[Peer], incoming: IncomingSnapshot) -> _Fetch | None:
        """Certify a height and get its bucket roots from any of these peers."""
        for peer in peers:
            try:
                newest, links = await self._certify(peer, height)
                roots = await self._bucket_roots(peer, newest)
            except (RequestError, NotOffered) as error:
                _log.info("snapshot of %d from %s: %s", height, peer.key.hex()[:16], error)
                continue
            except (NotCertified, BadPart) as error:
                _log.warning("snapshot of %d from %s: %s", height, peer.key.hex()[:16], error)
                self._refused.add((peer.key, height))
                self._manager.penalise(peer.key, Offence.BAD_DATA)
                continue
            target = IncomingTarget(newest.head, self._depth)
            await asyncio.to_thread(incoming.begin, target, roots)
            rules = SnapshotRules()
            missing = incoming.missing()
            plan = SnapshotSync(bucket_ranges(self._depth, roots, missing, rules.nodes_per_range), rules)
            for other in peers:
                plan.peer_offers(other.key)
            _log.info(
                "fetching the snapshot of height %d: %d buckets from %d peers", height, len(missing), len(peers)
            )
            return _Fetch(target, newest, links, roots, plan)
        return None

    @property
    def _depth(self) -> int:
        return self._ledger.genesis.document.state_depth

    async def _certify(self, peer: Peer, height: int) -> tuple[CertifiedBlock, list[CertifiedBlock]]:
        genesis = self._ledger.genesis
        trust = SnapshotTrust(TrustedChain.from_genesis(genesis, self._verifier))
        blocks = await peer.request(GetBlocks(id=0, first=height, count=1), REQUEST_SECONDS)
        if not blocks.items:
            raise NotOffered("it has not got the block")
        more = True
        while more:
            reply = await peer.request(GetSetChanges(id=0, above=trust.height), REQUEST_SECONDS)
            before = trust.height
            # What the target's own header announces is in its state; later changes are not needed.
            trust.follow(reply.items, below=height)
            more = reply.more and before < trust.height
        return trust.certified_block(height, *blocks.items[0]), trust.links

    async def _bucket_roots(self, peer: Peer, newest: CertifiedBlock) -> bytes:
        count = 16**self._depth
        roots = bytearray()
        while len(roots) < count * HASH_BYTES:
            first = len(roots) // HASH_BYTES
            wanted = min(count - first, MAX_BUCKET_ROOTS_PER_REQUEST)
            request = GetBucketRoots(id=0, height=newest.head.height, first=first, count=wanted)
            reply = await peer.request(request, REQUEST_SECONDS)
            if reply.roots is None:
                raise NotOffered("it does not offer that height")
            if len(reply.roots) != wanted * HASH_BYTES:
                raise BadPart(f"{len(reply.roots)} bytes in place of {wanted} bucket roots")
            roots += reply.roots
        if not verify_bucket_roots(self._depth, newest.head.state_root, bytes(roots)):
            raise BadPart("the bucket roots do not lead to the certified state root")
        return bytes(roots)

    # -- fetching ----------------------------------------------------------------------------------

    def _is_ahead(self, fetch: _Fetch) -> bool:
        """Tell whether a snapshot is still of a later height than this node's head."""
        return fetch.target.head.height > self._ledger.height

    async def _fetch_parts(self, fetch: _Fetch, incoming: IncomingSnapshot) -> bool:
        """Fetch all that is missing; False where no peer offers the height any more, or this node has passed it."""
        tasks: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        offers_at = loop.time() + OFFERS_SECONDS
        slots_known = False
        try:
            while self._supervisor.halted is None and self._is_ahead(fetch):
                self._check_disk()
                for request in fetch.plan.next_requests(self._now_ms()):
                    task = loop.create_task(self._part(fetch, incoming, request))
                    tasks.add(task)
                if tasks:
                    done, tasks = await asyncio.wait(
                        tasks, timeout=TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED
                    )
                    for task in done:
                        task.result()
                else:
                    await asyncio.sleep(TICK_SECONDS)
                if fetch.plan.finished and not slots_known:
                    slots_known = True
                    for slot in incoming.slots():
                        if not slot.fetched:
                            fetch.plan.add(ReplaySlot(slot.slot, slot.count, slot.running))
                    incoming.once.drop_foreign()
                    for part in parts_of(incoming.once):
                        fetch.plan.add(part)
                if fetch.plan.finished:
                    return True
                if loop.time() >= offers_at or not fetch.plan.has_peers:
                    await self._renew_offers(fetch)
                    offers_at = loop.time() + OFFERS_SECONDS
                    if not fetch.plan.has_peers:
                        _log.info("no peer offers the snapshot of %d any more", fetch.target.head.height)
                        return False
            return False
        finally:
            for task in tasks:
                task.cancel()

    async def _renew_offers(self, fetch: _Fetch) -> None:
        for peer in (await self._offers()).get(fetch.target.head.height, []):
            fetch.plan.peer_offers(peer.key)

    async def _part(self, fetch: _Fetch, incoming: IncomingSnapshot, request: PartRequest) -> None:
        """Ask for one part, verify it, write it, and tell the plan."""
        plan, peer = fetch.plan, self._manager.peer(request.peer)
        if peer is None:
            plan.peer_gone(request.peer)
            return
        timeout = max(0.1, (request.deadline_ms - self._now_ms()) / 1_000)
        try:
            if isinstance(request.part, ReplaySlot):
                ids = await self._replay_ids(peer, fetch, request.part, timeout)
                if plan.is_wanted(request.id):
                    part = request.part
                    incoming.write_replay_ids(IncomingSlot(part.slot, part.count, part.running, False), ids)
                    plan.stored(request.id)
            elif isinstance(request.part, OnceLogPart | OnceRange):
                await self._once_records(peer, fetch, incoming, request, timeout)
            else:
                await self._state_range(peer, fetch, incoming, request, request.part, timeout)
        except NotOffered:
            plan.peer_gone(request.peer)
        except RequestError as error:
            _log.info("part of a snapshot from %s: %s", request.peer.hex()[:16], error)
            plan.failed(request.id, self._now_ms())
        except (BadPart, ChunkMismatch) as error:
            _log.warning("bad part of a snapshot from %s: %s", request.peer.hex()[:16], error)
            plan.rejected(request.id)
            self._refused.add((request.peer, fetch.target.head.height))
            self._manager.penalise(request.peer, Offence.BAD_DATA)

    async def _once_records(
        self, peer: Peer, fetch: _Fetch, incoming: IncomingSnapshot, request: PartRequest, timeout: float
    ) -> None:
        """Fetch a log's tiles, or the leaves of some of them."""
        part, plan = request.part, fetch.plan
        progress = partial(self._continues, plan, request.id)
        once = OnceFetch(peer, fetch.target.head.height, timeout, lambda: progress(part))
        rest: list[Part] = []
        if isinstance(part, OnceLogPart):
            tiles, tail = await once.log(part)
            if not plan.is_wanted(request.id):
                return
            incoming.once.write_log(part.family, OnceLog(part.size, part.peaks), tiles, tail)
            rest = [other for other in parts_of(incoming.once) if self._is_of(other, part.family)]
        while isinstance(part, OnceRange) and part.hashes:
            leaves = await once.tile(part, 0)
            if not plan.is_wanted(request.id):
                return
            incoming.once.write_tile(part.family, part.first, leaves)
            part = part.after(1)
            progress(part)
        fetch.bytes_fetched += once.bytes_fetched
        fetch.senders.add(request.peer)
        plan.stored(request.id, rest)

    def _continues(self, plan: SnapshotSync, request_id: int, rest: Part) -> None:
        plan.continues(request_id, rest, self._now_ms())

    @staticmethod
    def _is_of(part: Part, family: str) -> bool:
        return isinstance(part, OnceRange) and part.family == family

    async def _state_range(
        self,
        peer: Peer,
        fetch: _Fetch,
        incoming: IncomingSnapshot,
        request: PartRequest,
        part: StateRange,
        timeout: float,
    ) -> None:
        question = GetStateChunk(id=0, height=fetch.target.head.height, prefix=part.prefix, count=part.count)
        reply = await peer.request(question, timeout)
        if reply.covered is None:
            raise NotOffered("it does not offer that height")
        if reply.covered > part.count:
            raise BadPart("more nodes than asked for")
        if not fetch.plan.is_wanted(request.id):
            return
        if reply.covered == 0:
            self._split(fetch, request, part, reply)
            return
        chunk = verify_chunk(part.prefix, part.hashes[: reply.covered * HASH_BYTES], reply.records)
        fetch.bytes_fetched += sum(len(key) + len(value) for key, value in reply.records)
        fetch.senders.add(request.peer)
        rest = part.after(reply.covered)
        self._write(fetch, incoming, part, reply.covered, chunk)
        fetch.plan.stored(request.id, [] if rest is None else [rest])

    def _split(self, fetch: _Fetch, request: PartRequest, part: StateRange, reply: StateChunk) -> None:
        """Ask for the children of a node that is too much for one chunk."""
        children = verify_children(part.prefix, part.hashes[:HASH_BYTES], reply.children)
        parts = [StateRange(name, hash_) for name, hash_ in children.items()]
        bucket = int(part.prefix[: self._depth], 16)
        fetch.open_parts[bucket] += len(parts) - (len(part.prefix) > self._depth)
        rest = part.after(1)
        fetch.plan.stored(request.id, parts if rest is None else [*parts, rest])

    def _write(
        self, fetch: _Fetch, incoming: IncomingSnapshot, part: StateRange, covered: int, chunk: VerifiedChunk
    ) -> None:
        first = int(part.prefix, 16)
        if len(part.prefix) == self._depth:
            incoming.write_chunk(chunk, range(first, first + covered))
            return
        incoming.write_chunk(VerifiedChunk(chunk.records, {}), [])
        bucket = int(part.prefix[: self._depth], 16)
        fetch.open_parts[bucket] -= 1
        if fetch.open_parts[bucket] == 0:
            incoming.close_bucket(bucket, fetch.roots[bucket * HASH_BYTES : (bucket + 1) * HASH_BYTES])

    async def _replay_ids(self, peer: Peer, fetch: _Fetch, part: ReplaySlot, timeout: float) -> bytes:
        """Return all ids of a slot, as the state commits to them."""
        ids = bytearray()
        while len(ids) < part.count * HASH_BYTES:
            skip = len(ids) // HASH_BYTES
            question = GetReplayIds(id=0, height=fetch.target.head.height, slot=part.slot, skip=skip)
            reply = await peer.request(question, timeout)
            if reply.ids is None:
                raise NotOffered("it does not offer that height")
            if not reply.ids or len(reply.ids) % HASH_BYTES or len(ids) + len(reply.ids) > part.count * HASH_BYTES:
                raise BadPart(f"the ids of slot {part.slot} are too few or too many")
            ids += reply.ids
        running = ZERO_HASH
        for at in range(0, len(ids), HASH_BYTES):
            running = _sha256(running + ids[at : at + HASH_BYTES]).digest()
        if running != part.running:
            raise BadPart(f"the ids of slot {part.slot} are not those that the state commits to")
        return bytes(ids)

    @staticmethod
    def _now_ms() -> int:
        return int(asyncio.get_running_loop().time() * 1_000)


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """A file system that refuses is no fault of ours: the node ends as for any disk that does."""
    try:
        yield
    except OSError as error:
        raise StoreFailure(f"{error.filename}: {error.strerror}") from error
