"""Filling a block's places, bytes and work units: whose transaction is next, and whether it has room.

    Filling.take(Turns)      a group's parties in turn
      PartyTurns             a party's lanes in turn

What a transaction takes of a block is its part of the bytes, or of the work units if that is more. Next is the
party that will have had least after its turn, and of its lanes the one that has had least so far.

Invariants:
    1. The estimates of what is chosen do not add up to more than `max_block_cost`.
    2. A transaction that has no room holds up its own lane only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import heapify, heappop, heapreplace
from typing import Final, NamedTuple

from node.pool.mempool_lanes import Brands, Entry
from vm.agenda import agenda_budget
from vm.metering import SIGNATURE, TRANSACTION
from vm.params import Params
from vm.transaction import MAX_TX_BYTES

MAX_TRANSACTIONS = 2_500
"""Larger blocks gain no throughput and cost latency (docs/performance.md, point 3)."""

RESERVED_FOR_OTHERS: Final = 4
"""One part in so many of a block is for senders without a brand role, as long as any of them wait."""

PARTY_PART: Final = 8
"""One part in so many of a block's work units is for one brand while others, with less to do, are about: 156,250 by
default, which a slow machine executes in a tenth of a second."""

LEAST_COST: Final = TRANSACTION + SIGNATURE
"""No transaction costs less."""

_Queued = tuple[int, int, Entry, int, Iterator[tuple[Entry, int]]]
"""A lane: what it has had of the block, its order, its next transaction, that one's units, what follows."""


class PartyTurns:
    """Transactions of a party's lanes, each lane having its turn as long as it has had less than the others.

    What a transaction takes of a block is its part of the bytes, or of the work units if that is more.

    Attributes:
        taken: what the party has had of the block, in bytes.
        cost: the same in work units.
    """

    def __init__(self, lanes: Iterable[Iterator[tuple[Entry, int]]], params: Params) -> None:
        self._bytes, self._cost = params.max_block_bytes, params.max_block_cost
        self.taken = self.cost = 0
        self._heap: list[_Queued] = []
        self._aside: list[_Queued] = []
        for order, lane in enumerate(lanes):
            first = next(lane, None)
            if first is not None:
                self._heap.append((0, order, *first, lane))
        heapify(self._heap)

    @property
    def head(self) -> tuple[Entry, int] | None:
        """Which transaction has the turn, and its estimated work units; None at the end."""
        return self._heap[0][2:4] if self._heap else None

    @property
    def taken_next(self) -> int:
        """What the party will have had of the block with the head."""
        if not self._heap:
            return self.taken
        _, _, entry, cost, _ = self._heap[0]
        return self.taken + self._size(entry, cost)

    @property
    def is_waiting(self) -> bool:
        """Whether the party has something left."""
        return bool(self._heap or self._aside)

    def _size(self, entry: Entry, cost: int) -> int:
        size, by_cost = len(entry.tx.raw), cost * self._bytes // self._cost
        return size if size > by_cost else by_cost

    def advance(self) -> None:
        """The head has been taken."""
        taken, order, entry, cost, lane = self._heap[0]
        size = self._size(entry, cost)
        self.taken += size
        self.cost += cost
        following = next(lane, None)
        if following is None:
            heappop(self._heap)
        else:
            heapreplace(self._heap, (taken + size, order, *following, lane))

    def set_aside(self) -> None:
        """There is no room for the head: its lane has no turn until `put_back`."""
        self._aside.append(heappop(self._heap))

    def put_back(self) -> None:
        """Give those a turn again that were set aside."""
        if self._aside:
            self._heap += self._aside
            self._aside.clear()
            heapify(self._heap)


class Turns:
    """A group's parties, each having its turn as long as it has had less than the others."""

    def __init__(self, parties: dict[Brands, PartyTurns]) -> None:
        self._parties = parties

    def waiting(self) -> set[Brands]:
        """Return which parties have something left."""
        return {who for who, turns in self._parties.items() if turns.is_waiting}

    def take(self, filling: Filling, most_cost: Callable[[Brands], int], room: Room) -> None:
        """Take what there is room for, in turn, no party beyond `most_cost` but by its last transaction."""
        # By what each will have had after its turn: whose next transaction is small comes before who has a
        # large one.
        heap = [
            (turns.taken_next, order, turns, most_cost(who))
            for order, (who, turns) in enumerate(self._parties.items())
            if turns.head is not None
        ]
        heapify(heap)
        while heap and not filling.is_full(room):
            _, order, turns, most = heap[0]
            head = turns.head
            if head is None or turns.cost >= most:
                heappop(heap)
                continue
            entry, cost = head
            if filling.fits(entry, cost, room):
                filling.add(entry, cost)
                turns.advance()
            else:
                turns.set_aside()
            if len(heap) == 1:
                heap[0] = (0, order, turns, most)  # whoever is alone need not be compared
            else:
                heapreplace(heap, (turns.taken_next, order, turns, most))
        for turns in self._parties.values():
            turns.put_back()


class Room(NamedTuple):
    """How many transactions a block may have, and the bytes and work units that must be left of it."""

    places: int
    size: int = 0
    cost: int = 0


class Filling:
    """A block that is being filled."""

    def __init__(self, params: Params, ahead: Mapping[Brands, int], has_agenda: bool) -> None:
        self.chosen: list[Entry] = []
        self._ahead = ahead
        self._bytes = params.max_block_bytes
        self._cost = params.max_block_cost
        if has_agenda:
            self._cost -= 2 * agenda_budget(params)  # It may cost as much, or nothing: that is not known yet.
        self._party_cost = party_cost(params)
        self._most_cost = params.max_block_cost
        self._reserved_bytes = max(self._bytes // RESERVED_FOR_OTHERS, MAX_TX_BYTES)
        self._reserved_cost = self._cost // RESERVED_FOR_OTHERS

    def take(self, turns: Turns, *, reserved: bool = False, capped: bool = False) -> None:
        """Take what there is room for.

        Args:
            reserved: leave what is kept for the other group.
            capped: no party gets more than its part.
        """
        room = Room(MAX_TRANSACTIONS)
        if reserved:
            kept = MAX_TRANSACTIONS // RESERVED_FOR_OTHERS
            room = Room(MAX_TRANSACTIONS - kept, self._reserved_bytes, self._reserved_cost)

        def most_cost(who: Brands) -> int:
            return self._party_cost - self._ahead.get(who, 0) if capped else self._most_cost

        turns.take(self, most_cost, room)

    def is_full(self, room: Room) -> bool:
        """Tell whether nothing more has room, however small."""
        return len(self.chosen) >= room.places or self._cost - LEAST_COST < room.cost

    def fits(self, entry: Entry, cost: int, room: Room) -> bool:
        """Tell whether a transaction has room."""
        return self._cost - cost >= room.cost and self._bytes - len(entry.tx.raw) >= room.size

    def add(self, entry: Entry, cost: int) -> None:
        """Take a transaction."""
        self._bytes -= len(entry.tx.raw)
        self._cost -= cost
        self.chosen.append(entry)


def party_cost(params: Params) -> int:
    """Return the work units that a party gets of a block while others are about."""
    return params.max_block_cost // PARTY_PART
