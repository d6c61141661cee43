"""The ids of committed transactions that have not expired, in memory: so that asking for one reads no database.

Admission asks for each transaction, and so does the check of each proposed block. Nearly always the answer is no,
and a database is slow to say so. Ids are kept by the slot in which they expire, as `vm.chain_records` counts slots:
a slot that has passed is dropped whole, and the store finds what has expired and whose block is kept.

Invariants:
    1. A slot is here whole or not at all: what is not here is asked of the store.
    2. At most `limit` ids are kept. Beyond that, the slot goes that passes first: what comes now expires later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from vm.primitives.hashing import HASH_BYTES

MAX_IDS: Final = 500_000
"""Some 65 MB (sys.getsizeof: 65 bytes an id, and up to 54 for its place in a set): 200 s at 2,500 a second."""


class ReplayIds:
    """Ids by slot.

    Args:
        slot_ms: the chain's `replay_slot_ms`, which never changes.
        stored: (slot, ids joined) of everything committed so far that expires in `first_slot` or later, by slot.
        first_slot: the slot of the head's time.
    """

    def __init__(
        self, slot_ms: int, stored: Iterable[tuple[int, bytes]], first_slot: int, limit: int = MAX_IDS
    ) -> None:
        self._slot_ms = slot_ms
        self._limit = limit
        self._slots: dict[int, set[bytes]] = {}
        self._first = first_slot
        self._count = 0
        for slot, joined in stored:
            ids = [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
            self._add(slot, ids)

    def __len__(self) -> int:
        """Return how many are kept."""
        return self._count

    def holds(self, tx_id: bytes, expires: int) -> bool | None:
        """Tell whether a transaction that expires at this time is committed; None where the store must be asked."""
        slot = expires // self._slot_ms
        ids = self._slots.get(slot)
        if ids is not None:
            return tx_id in ids
        return None if slot < self._first else False

    def committed(self, by_slot: Mapping[int, Iterable[bytes]], time: int) -> None:
        """Take over the ids of a block of this time, by slot; forget the slots that have passed."""
        first = time // self._slot_ms
        for passed in [slot for slot in self._slots if slot < first]:
            self._drop(passed)
        self._first = max(self._first, first)
        for slot, ids in by_slot.items():
            self._add(slot, ids)

    def _add(self, slot: int, ids: Iterable[bytes]) -> None:
        if slot < self._first:
            return
        kept = self._slots.setdefault(slot, set())
        before = len(kept)
        kept.update(ids)
        self._count += len(kept) - before
        while self._count > self._limit:
            earliest = min(self._slots)
            self._drop(earliest)
            self._first = earliest + 1

    def _drop(self, slot: int) -> None:
        self._count -= len(self._slots.pop(slot))
