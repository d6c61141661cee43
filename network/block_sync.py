"""Which blocks to ask from whom when this node is behind; pure, time is an input.

The planner knows this node's height and what heights the peers claim. It cuts what is missing into
bounded ranges, asks different peers for different ranges at once, keeps replies that came out of
order, and hands blocks out strictly in order. It never looks into a block: the importer verifies,
and reports bad data with `rejected`.

    next_requests(now)  ->  ask the peers  ->  received / failed  ->  take_ready  ->  import  ->  advanced
                                                                           or  ->  rejected

Invariants:
    1. A height is asked from at most one peer at a time, a peer is asked for one range at a time.
    2. Blocks are handed out in order, each height once, and again only after `rejected`.
    3. At most `max_ahead` blocks are asked for or kept beyond the head.
    4. A peer that fails rests for a doubling while, and is passed over while another fails less; a claim
       without blocks is believed no more until it is repeated.
    5. A peer that has pruned a height is not asked for it again, and is not blamed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from network.kinds import MIB
from network.messages import MAX_BLOCKS_PER_REQUEST

MAX_REPLY_BYTES: Final = MIB
"""Read, encoded and encrypted in one turn of the event loop, in some 3 ms; a larger block goes alone."""

MAX_MORE_FAILURES: Final = 2
"""A peer that has failed more often in a row than another by more than this is not asked beside it: each time,
whatever follows its range waits until the request's deadline, and it may be slow, or silent, on purpose."""

SyncedBlock = tuple[bytes, bytes]
"""A block's bytes and its certificate's."""


@dataclass(frozen=True, slots=True)
class SyncRules:
    """How much at once, and how patient."""

    max_blocks: int = MAX_BLOCKS_PER_REQUEST
    parallel: int = 4
    max_ahead: int = 4 * MAX_BLOCKS_PER_REQUEST
    timeout_ms: int = 10_000
    rest_ms: int = 1_000
    max_rest_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """Ask `peer` for `count` blocks from height `first`."""

    id: int
    peer: bytes
    first: int
    count: int
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class ReadyBlocks:
    """Blocks from height `first` on, next in order, as `peer` sent them."""

    peer: bytes
    first: int
    blocks: tuple[SyncedBlock, ...]


@dataclass(slots=True)
class _PeerState:
    height: int
    failures: int = 0
    resting_until_ms: int = 0
    last_asked: int = 0
    oldest: int = 1


class BlockSync:
    """The plan of catching up, from `height` (this node's head) on."""

    def __init__(self, height: int, rules: SyncRules | None = None) -> None:
        self._height = height
        self._handed_out = height
        self._rules = rules or SyncRules()
        self._peers: dict[bytes, _PeerState] = {}
        self._requests: dict[int, RangeRequest] = {}
        self._kept: dict[int, ReadyBlocks] = {}
        self._last_id = 0

    @property
    def target(self) -> int:
        """The greatest height that a peer claims; a hint."""
        return max((peer.height for peer in self._peers.values()), default=0)

    @property
    def behind(self) -> bool:
        """Whether a peer claims more than this node has."""
        return self.target > self._height

    @property
    def ahead(self) -> list[bytes]:
        """The peers that claim more than this node has, the highest first."""
        above = [(-peer.height, key) for key, peer in self._peers.items() if peer.height > self._height]
        return [key for _, key in sorted(above)]

    # -- what happened -----------------------------------------------------------------------------

    def peer_at(self, peer: bytes, height: int) -> None:
        """A peer says where it stands."""
        self._peers.setdefault(peer, _PeerState(height)).height = height

    def peer_gone(self, peer: bytes) -> None:
        """A peer is disconnected; what it was asked for is free again, what it sent stays."""
        self._peers.pop(peer, None)
        self._requests = {id_: asked for id_, asked in self._requests.items() if asked.peer != peer}

    def advanced(self, height: int) -> None:
        """This node's head is at `height` now, by import or by its own consensus."""
        if height <= self._height:
            return
        self._height = height
        self._handed_out = max(self._handed_out, height)
        for first in [first for first, kept in self._kept.items() if first + len(kept.blocks) - 1 <= height]:
            del self._kept[first]

    @property
    def is_stuck(self) -> bool:
        """Whether peers are ahead, but all of them have pruned the next block."""
        ahead = [peer for peer in self._peers.values() if peer.height > self._height]
        return bool(ahead) and all(peer.oldest > self._height + 1 for peer in ahead)

    def received(self, request_id: int, blocks: Sequence[SyncedBlock], now_ms: int, oldest: int = 1) -> bool:
        """A reply has come; returns False when nothing waits for it any more.

        Args:
            oldest: the lowest height that the peer says it keeps.
        """
        request = self._requests.pop(request_id, None)
        if request is None:
            return False
        peer = self._peers[request.peer]
        if not blocks and request.first < oldest <= peer.height:
            peer.oldest = oldest
            return True
        if not blocks:
            # It has not got what it claimed: believe its next claim, not this one.
            peer.height = min(peer.height, request.first - 1)
            self._rest(peer, now_ms)
            return True
        peer.failures = 0
        taken = tuple(blocks[: request.count])
        if request.first + len(taken) - 1 > self._handed_out:
            self._kept[request.first] = ReadyBlocks(request.peer, request.first, taken)
        return True

    def failed(self, request_id: int, now_ms: int) -> None:
        """A request came to nothing; its peer rests."""
        request = self._requests.pop(request_id, None)
        if request is not None and request.peer in self._peers:
            self._rest(self._peers[request.peer], now_ms)

    def rejected(self, ready: ReadyBlocks, now_ms: int) -> None:
        """Blocks handed out proved bad: all else that their sender gave goes, and is asked elsewhere."""
        self._handed_out = self._height
        self._kept = {first: kept for first, kept in self._kept.items() if kept.peer != ready.peer}
        peer = self._peers.get(ready.peer)
        if peer is not None:
            self._rest(peer, now_ms)

    # -- what to do --------------------------------------------------------------------------------

    def next_requests(self, now_ms: int) -> list[RangeRequest]:
        """Return the requests to send now; requests past their deadline count as failed first."""
        for overdue in [asked for asked in self._requests.values() if asked.deadline_ms <= now_ms]:
            self.failed(overdue.id, now_ms)
        new: list[RangeRequest] = []
        while len(self._requests) < self._rules.parallel:
            request = self._next_request(now_ms)
            if request is None:
                break
            self._requests[request.id] = request
            new.append(request)
        return new

    def take_ready(self) -> ReadyBlocks | None:
        """Return the next blocks in order, or None until they have come."""
        wanted = self._handed_out + 1
        for first, kept in self._kept.items():
            if first <= wanted < first + len(kept.blocks):
                del self._kept[first]
                self._handed_out = first + len(kept.blocks) - 1
                return ReadyBlocks(kept.peer, wanted, kept.blocks[wanted - first :])
        return None

    def _next_request(self, now_ms: int) -> RangeRequest | None:
        first, room = self._first_gap()
        if room <= 0:
            return None
        busy = {asked.peer for asked in self._requests.values()}
        claiming = {key: peer for key, peer in self._peers.items() if peer.oldest <= first <= peer.height}
        fewest = min((peer.failures for peer in claiming.values()), default=0)
        able = [
            (peer.failures, peer.last_asked, key)
            for key, peer in claiming.items()
            if peer.resting_until_ms <= now_ms and key not in busy and peer.failures <= fewest + MAX_MORE_FAILURES
        ]
        if not able:
            return None
        key = min(able)[2]
        peer = self._peers[key]
        self._last_id += 1
        peer.last_asked = self._last_id
        count = min(self._rules.max_blocks, room, peer.height - first + 1)
        return RangeRequest(self._last_id, key, first, count, now_ms + self._rules.timeout_ms)

    def _first_gap(self) -> tuple[int, int]:
        """Return the first height that is neither kept nor asked for, and how many follow it so."""
        end = self._height + self._rules.max_ahead + 1
        covered = sorted(
            [(asked.first, asked.first + asked.count) for asked in self._requests.values()]
            + [(first, first + len(kept.blocks)) for first, kept in self._kept.items()]
        )
        gap = self._handed_out + 1
        for first, after in covered:
            if first > gap:
                return gap, min(first, end) - gap
            gap = max(gap, after)
        return gap, end - gap

    def _rest(self, peer: _PeerState, now_ms: int) -> None:
        rest_ms = self._rules.rest_ms << min(peer.failures, 16)
        peer.failures += 1
        peer.resting_until_ms = now_ms + min(rest_ms, self._rules.max_rest_ms)


def collect_blocks(
    first: int, count: int, get: Callable[[int], SyncedBlock | None], max_bytes: int = MAX_REPLY_BYTES
) -> tuple[SyncedBlock, ...]:
    """Return what a GET_BLOCKS is answered with: blocks without gaps, at most `max_bytes`, at least one.

    Args:
        get: the block and certificate of a height, None where this node has none.
    """
    blocks: list[SyncedBlock] = []
    size = 0
    for height in range(first, first + min(count, MAX_BLOCKS_PER_REQUEST)):
        found = get(height)
        if found is None:
            break
        size += len(found[0]) + len(found[1])
        if blocks and size > max_bytes:
            break
        blocks.append(found)
    return tuple(blocks)
