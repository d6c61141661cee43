"""A slice of what a source has sent: how much of it the event loop is held up for, and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from node.pool.mempool_lanes import Brands, Origin
from node.runtime.errors import kept
from vm.transaction import Transaction, TransactionError, parse_transaction

SLICE: Final = 48
"""Transactions per slice, or signatures if they have more: about 4 ms."""

SLICE_BYTES: Final = 24 * 1024
"""Bytes after which a slice ends before: a transaction may have 128 KiB to parse."""


@dataclass(slots=True)
class Budget:
    """What is left of a slice."""

    signatures: int = SLICE
    size: int = SLICE_BYTES

    @property
    def spent(self) -> bool:
        """Whether the event loop may turn."""
        return self.signatures <= 0 or self.size <= 0


@dataclass(slots=True)
class Slice:
    """What is admitted of one job while the event loop waits.

    Attributes:
        now: block time in ms by which expiry is judged.
        source: the client's name, or the peer's key.
        origins: one for each set of brands whose senders there are in the slice.
        verifying: wall seconds that signatures have taken.
    """

    now: int
    source: str | bytes
    admitted: list[Transaction] = field(default_factory=list)
    origins: dict[Brands, Origin] = field(default_factory=dict)
    verifying: float = 0.0

    def origin(self, brands: Brands) -> Origin:
        """Return where a transaction of a sender with these brands comes from."""
        origin = self.origins.get(brands)
        if origin is None:
            origin = self.origins[brands] = Origin(self.source, brands)
        return origin


def parse_some(raws: Sequence[bytes], first: int, budget: Budget) -> list[Transaction | TransactionError]:
    """Parse transactions from the first on, as far as a slice goes."""
    parsed: list[Transaction | TransactionError] = []
    signatures, size = budget.signatures, budget.size
    while first + len(parsed) < len(raws) and signatures > 0 and size > 0:
        raw = raws[first + len(parsed)]
        size -= len(raw)
        signatures -= 1
        try:
            tx = parse_transaction(raw)
        except TransactionError as error:
            parsed.append(kept(error))
            continue
        signatures -= len(tx.sigs) - 1
        parsed.append(tx)
    budget.signatures, budget.size = signatures, size
    return parsed
