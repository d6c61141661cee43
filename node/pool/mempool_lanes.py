"""Who holds how much of the pool, so that no sender can push the others out of it.

Transactions wait in lanes. There are two groups, senders with a brand role and all others. Within the first
there is a *party* for each brand: its tills' transactions, wherever they came from. A sender with roles at
several brands is of a party of its own, those brands together: a brand that gives roles to another's till could
else move it behind its own flood. All other senders are one party. Within a party there is a lane for each
source, a client's address or the peer that sent the transactions. Anyone can make keys and sign, from few
addresses; brand roles are given by brands, so tills are not to wait behind strangers, nor one brand's behind
another's.

Invariants:
    1. What was admitted is never pushed out by what comes later: it leaves with a block, or when it expires.
    2. A group holds at most its part of the pool. The parts overlap, so that neither lies idle, and what the
       other group cannot take is always left for it.
    3. A source holds at most as much of a group as it leaves free (the dynamic threshold of shared packet buffers,
       Choudhury and Hahne 1998): k greedy sources leave one part in k + 1 to the next source. A brand holds at
       most twice as much, by however many sources it sends.
    4. Each look, admission and removal takes constant time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from vm.transaction import Transaction

BRAND_PART: Final = (3, 4)
"""What senders with a brand role may take of the pool: they leave a quarter to the others."""

PUBLIC_PART: Final = (1, 2)
"""What all others may take of it."""

BRAND_THRESHOLD: Final = 2
"""How many times what is free one brand may hold: room for a second till of a brand whose first is busy."""

Brands = tuple[str, ...]
"""The brands, sorted, at which a sender holds roles; none for a sender without."""


class Origin(NamedTuple):
    """Where a transaction came from, and the brands of its sender."""

    source: str | bytes
    brands: Brands = ()


OWN: Final = Origin("")
"""This node's own transactions, such as reports of evidence."""


class Entry:
    """A transaction in the pool, the bytes it counts for, and its place in the order of arrival."""

    __slots__ = ("arrival", "lane", "tx", "weight")

    def __init__(self, tx: Transaction, weight: int, arrival: int, lane: Lane) -> None:
        self.tx = tx
        self.weight = weight
        self.arrival = arrival
        self.lane = lane


class Lane:
    """What one source has of one party, in order of arrival."""

    __slots__ = ("entries", "party", "size", "source")

    def __init__(self, source: str | bytes, party: Party) -> None:
        self.source = source
        self.party = party
        self.entries: dict[bytes, Entry] = {}
        self.size = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())


class Party:
    """The lanes of one brand's senders, or of all senders without a brand."""

    __slots__ = ("_lanes", "brands", "count", "group", "size")

    def __init__(self, brands: Brands, group: Group) -> None:
        self.brands = brands
        self.group = group
        self._lanes: dict[str | bytes, Lane] = {}
        self.count = 0
        self.size = 0

    def lanes(self) -> Collection[Lane]:
        """Return all lanes with transactions; what was served by a block lately stands last."""
        return self._lanes.values()

    def lane(self, source: str | bytes) -> Lane | None:
        """Return a source's lane, None where it has nothing waiting."""
        return self._lanes.get(source)

    def add(self, tx: Transaction, weight: int, arrival: int, source: str | bytes) -> Entry:
        """Keep a transaction in its source's lane."""
        lane = self._lanes.get(source)
        if lane is None:
            lane = self._lanes[source] = Lane(source, self)
        entry = lane.entries[tx.hash] = Entry(tx, weight, arrival, lane)
        lane.size += weight
        self.count += 1
        self.size += weight
        return entry

    def remove(self, entry: Entry, *, served: bool) -> None:
        """Drop a transaction; a lane that a block has served goes behind the others."""
        lane = entry.lane
        del lane.entries[entry.tx.hash]
        lane.size -= entry.weight
        self.count -= 1
        self.size -= entry.weight
        if not lane.entries:
            del self._lanes[lane.source]
        elif served and len(self._lanes) > 1:
            del self._lanes[lane.source]
            self._lanes[lane.source] = lane


class Group:
    """The parties of the senders with, or of those without, a brand role; bounded in count and bytes."""

    def __init__(self, part: tuple[int, int], max_count: int, max_bytes: int) -> None:
        numerator, denominator = part
        self._max_count = max(1, max_count * numerator // denominator)
        self._max_bytes = max_bytes * numerator // denominator
        self._parties: dict[Brands, Party] = {}
        self.count = 0
        self.size = 0

    def parties(self) -> Collection[Party]:
        """Return all parties with transactions; what was served by a block lately stands last."""
        return self._parties.values()

    def fullness(self, origin: Origin, weight: int, free_count: int, free_bytes: int) -> str | None:
        """Say why a transaction of this weight and origin has no room; None where it has.

        Args:
            free_count, free_bytes: what is left of the whole pool.
        """
        # Written out: each transaction is looked at, and a call of `min` takes as long as all of one line here.
        if free_count > self._max_count - self.count:
            free_count = self._max_count - self.count
        if free_bytes > self._max_bytes - self.size:
            free_bytes = self._max_bytes - self.size
        if free_count < 1 or free_bytes < weight:
            return "the pool of pending transactions is full; try again shortly"
        party = self._parties.get(origin.brands)
        if party is None:
            return None
        if origin.brands and (
            party.count >= BRAND_THRESHOLD * free_count or party.size + weight > BRAND_THRESHOLD * free_bytes
        ):
            return "the brand's share of the pool of pending transactions is full; wait until some are final"
        lane = party.lane(origin.source)
        if lane is not None and (len(lane.entries) >= free_count or lane.size + weight > free_bytes):
            return "this client's share of the pool of pending transactions is full; wait until some are final"
        return None

    def add(self, tx: Transaction, weight: int, arrival: int, origin: Origin) -> Entry:
        """Keep a transaction in the lane of its origin."""
        party = self._parties.get(origin.brands)
        if party is None:
            party = self._parties[origin.brands] = Party(origin.brands, self)
        self.count += 1
        self.size += weight
        return party.add(tx, weight, arrival, origin.source)

    def remove(self, entry: Entry, *, served: bool) -> None:
        """Drop a transaction; a party that a block has served goes behind the others."""
        party = entry.lane.party
        party.remove(entry, served=served)
        self.count -= 1
        self.size -= entry.weight
        if not party.count:
            del self._parties[party.brands]
        elif served and len(self._parties) > 1:
            del self._parties[party.brands]
            self._parties[party.brands] = party
