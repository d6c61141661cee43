"""Which parts of a snapshot to ask from whom; pure, time is an input.

A snapshot is one certified height's state, cut into ranges of buckets, the ids of the transactions that can still
be replayed, by slot, and the logs of once-records, in ranges of tiles. The planner knows what is missing and who
offers the snapshot. It asks several peers at once for different parts, and each part of one peer until it has
come, failed, or proved bad. It never looks into a part: the receiver verifies it (vm.state_chunks), and says
what came of it.

    next_requests(now)  ->  ask the peers  ->  verify  ->  stored / split / rejected / failed / not_offered

Invariants:
    1. A part is asked from at most one peer at a time, and is asked for until it is stored; what is stored of it
       by `continues` is not asked for again.
    2. At most `parallel` requests are in flight, `per_peer` of them to one peer.
    3. A peer whose part was bad is asked no more for this snapshot; one that fails rests for a doubling while.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class StateRange:
    """Neighbouring nodes of the state tree, the first one's name, and the hashes of all."""

    prefix: str
    hashes: bytes

    @property
    def count(self) -> int:
        """How many nodes."""
        return len(self.hashes) // HASH_BYTES

    def after(self, nodes: int) -> StateRange | None:
        """Return what remains behind the first `nodes`; None for nothing."""
        if nodes >= self.count:
            return None
        first = f"{int(self.prefix, 16) + nodes:0{len(self.prefix)}x}"
        return StateRange(first, self.hashes[nodes * HASH_BYTES :])


@dataclass(frozen=True, slots=True)
class ReplaySlot:
    """The ids of a slot: how many the state says there are, and the running hash over them."""

    slot: int
    count: int
    running: bytes


@dataclass(frozen=True, slots=True)
class OnceLogPart:
    """The tiles' hashes and the last leaves of a log of once-records, which together must be that log."""

    family: str
    size: int
    peaks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class OnceRange:
    """Neighbouring tiles of a log of once-records, by their hashes, from the `first` on."""

    family: str
    first: int
    hashes: tuple[bytes, ...]

    def after(self, tiles: int) -> OnceRange:
        """Return what remains behind the first `tiles`, fewer than all."""
        return OnceRange(self.family, self.first + tiles, self.hashes[tiles:])


Part = StateRange | ReplaySlot | OnceLogPart | OnceRange


@dataclass(frozen=True, slots=True)
class SnapshotRules:
    """How much at once, and how patient."""

    nodes_per_range: int = 1_024
    """A reply covers as many as fit into it; the others are asked for again."""
    parallel: int = 8
    per_peer: int = 2
    timeout_ms: int = 15_000
    rest_ms: int = 1_000
    max_rest_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class PartRequest:
    """Ask `peer` for `part`."""

    id: int
    peer: bytes
    part: Part
    deadline_ms: int


@dataclass(slots=True)
class _PeerState:
    failures: int = 0
    resting_until_ms: int = 0
    last_asked: int = 0


class SnapshotSync:
    """The plan of fetching one snapshot."""

    def __init__(self, parts: Iterable[Part], rules: SnapshotRules | None = None) -> None:
        self._rules = rules or SnapshotRules()
        self._missing: deque[Part] = deque(parts)
        self._peers: dict[bytes, _PeerState] = {}
        self._gone: dict[bytes, _PeerState] = {}
        self._banned: set[bytes] = set()
        self._requests: dict[int, PartRequest] = {}
        self._last_id = 0

    @property
    def finished(self) -> bool:
        """Whether every part is stored."""
        return not self._missing and not self._requests

    @property
    def has_peers(self) -> bool:
        """Whether any peer can still be asked, now or after a rest."""
        return bool(self._peers)

    @property
    def parts_left(self) -> int:
        """Parts that are missing or on their way."""
        return len(self._missing) + len(self._requests)

    # -- what happened -----------------------------------------------------------------------------

    def peer_offers(self, peer: bytes) -> None:
        """A peer offers this snapshot; one that gave a bad part stays out."""
        if peer not in self._banned and peer not in self._peers:
            # Coming back does not wash off failures: a peer that keeps leaving would always be asked first.
            self._peers[peer] = self._gone.pop(peer, _PeerState())

    def peer_gone(self, peer: bytes) -> None:
        """A peer is disconnected, or offers the snapshot no more; what it was asked for is free again."""
        state = self._peers.pop(peer, None)
        asked_for = [asked for asked in self._requests.values() if asked.peer == peer]
        for asked in asked_for:
            del self._requests[asked.id]
            self._missing.appendleft(asked.part)
        if state is not None:
            state.failures += bool(asked_for)
            self._gone[peer] = state

    def add(self, part: Part) -> None:
        """Another part is known to be needed."""
        self._missing.append(part)

    def stored(self, request_id: int, remainder: Iterable[Part] = ()) -> None:
        """What a request asked for is verified and written, but for `remainder`."""
        request = self._requests.pop(request_id, None)
        if request is None:
            return
        if request.peer in self._peers:
            self._peers[request.peer].failures = 0
        self._missing.extendleft(remainder)

    def continues(self, request_id: int, rest: Part, now_ms: int) -> None:
        """A request that takes several replies has brought something; its time begins anew.

        Args:
            rest: what of its part is not stored yet.
        """
        request = self._requests.get(request_id)
        if request is not None:
            deadline = now_ms + self._rules.timeout_ms
            self._requests[request_id] = replace(request, part=rest, deadline_ms=deadline)

    def failed(self, request_id: int, now_ms: int) -> None:
        """A request came to nothing; its peer rests."""
        request = self._requests.pop(request_id, None)
        if request is None:
            return
        self._missing.appendleft(request.part)
        peer = self._peers.get(request.peer)
        if peer is not None:
            rest_ms = self._rules.rest_ms << min(peer.failures, 16)
            peer.failures += 1
            peer.resting_until_ms = now_ms + min(rest_ms, self._rules.max_rest_ms)

    def rejected(self, request_id: int) -> None:
        """A part proved bad: its sender is asked no more."""
        request = self._requests.get(request_id)
        if request is not None:
            self._banned.add(request.peer)
            self.peer_gone(request.peer)

    # -- what to do --------------------------------------------------------------------------------

    def is_wanted(self, request_id: int) -> bool:
        """Tell whether a reply to this request is still of use."""
        return request_id in self._requests

    def next_requests(self, now_ms: int) -> list[PartRequest]:
        """Return the requests to send now; those past their deadline count as failed first."""
        for overdue in [asked for asked in self._requests.values() if asked.deadline_ms <= now_ms]:
            self.failed(overdue.id, now_ms)
        new: list[PartRequest] = []
        while self._missing and len(self._requests) < self._rules.parallel:
            peer = self._next_peer(now_ms)
            if peer is None:
                break
            self._last_id += 1
            self._peers[peer].last_asked = self._last_id
            part = self._missing.popleft()
            request = PartRequest(self._last_id, peer, part, now_ms + self._rules.timeout_ms)
            self._requests[request.id] = request
            new.append(request)
        return new

    def _next_peer(self, now_ms: int) -> bytes | None:
        busy: dict[bytes, int] = {}
        for asked in self._requests.values():
            busy[asked.peer] = busy.get(asked.peer, 0) + 1
        able = [
            (busy.get(key, 0), peer.failures, peer.last_asked, key)
            for key, peer in self._peers.items()
            if peer.resting_until_ms <= now_ms and busy.get(key, 0) < self._rules.per_peer
        ]
        return min(able)[3] if able else None


def bucket_ranges(depth: int, roots: bytes, missing: Iterable[int], nodes_per_range: int) -> list[StateRange]:
    """Cut the missing buckets (ascending) into ranges of neighbours."""
    ranges: list[StateRange] = []
    first = count = 0
    for bucket in [*missing, -1]:
        if count and (bucket != first + count or count == nodes_per_range):
            ranges.append(_range(depth, roots, first, count))
            count = 0
        if count == 0:
            first = bucket
        count += 1
    return ranges


def _range(depth: int, roots: bytes, first: int, count: int) -> StateRange:
    return StateRange(f"{first:0{depth}x}", roots[first * HASH_BYTES : (first + count) * HASH_BYTES])
