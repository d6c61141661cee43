"""A store that another process owns, to be read: for a gateway that runs as a process of its own.

Records come from the owner one by one, as stored; state values that were read stay in a cache, and the owner tells
with each block what has changed. What is asked for is read as of one head, the one that `follow` was told last.

Invariants:
    1. Nothing is written.
    2. A value in the cache shows the head that is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from node.store.blocks import BlockRecords, IndexPage, Position
from node.store.database import Database
from node.store.errors import HeightAhead, StatePruned
from node.store.history import PastValues
from node.store.indexing import IndexCoverage, coverage_of
from node.store.layout import FOREIGN_ID, Head
from node.store.records import MEBIBYTE, ProvedRecord, ProvedValue
from node.store.values import StateValues

VALUE_CACHE_BYTES: Final = 64 * MEBIBYTE
"""Half of the node's own: what clients ask for is a part of what is executed."""

PAST_BLOCKS: Final = 32
"""How far back values are searched here: for each block above a height all that it changed is read from the owner,
which has it at hand."""


class NotInReplica(Exception):
    """What was asked for needs more than records, and the owner can answer it."""


class Replica:
    """Reads what another process has committed; a `ChainStore`.

    Args:
        database: reads the owner's records.
        head: where the owner stands.
        state_floor: the first height whose state it keeps.
        oldest_block: returns the first height whose block it keeps, as of the last record that was read.
    """

    def __init__(self, database: Database, head: Head, state_floor: int, oldest_block: Callable[[], int]) -> None:
        self._database = database
        self._blocks = BlockRecords(database)
        self._values = StateValues(database, VALUE_CACHE_BYTES)
        self._past = PastValues(database, self._values, state_floor)
        self._head = head
        self._oldest_block = oldest_block

    def follow(self, head: Head, state_floor: int, changes: Mapping[str, bytes | None] | None) -> None:
        """Read as of another head from now on.

        Args:
            changes: state values by key since the head that was followed; None: not known.
        """
        self._head, self._past.floor = head, state_floor
        self._values.follow(changes)

    # -- the head and its state -------------------------------------------------------------------

    @property
    def head(self) -> Head:
        """The height that is read as of."""
        return self._head

    @property
    def reader(self) -> StateValues:
        """The state at the head, decoded."""
        return self._values

    def state_value(self, key: str, height: int | None = None) -> bytes | None:
        """Return a value after a height; see `Store.state_value`."""
        at = self._height(height)
        if at == self._head.height:
            return self._values.value(key)
        if self._head.height - at > PAST_BLOCKS:
            raise NotInReplica
        return self._past.value(key, at)

    def state_proof(self, key: str, height: int | None = None) -> ProvedValue:
        """Raise NotInReplica: a proof needs the tree."""
        raise NotInReplica

    def once_record(self, key: str, height: int | None = None) -> ProvedRecord | None:
        """Return the once-record of a key as of a height; see `Store.once_record`."""
        at = self._height(height)
        return self._values.once_records.proved(key, lambda log_key: self.state_value(log_key, at))

    def _height(self, height: int | None) -> int:
        at = self._head.height if height is None else height
        if at > self._head.height:
            raise HeightAhead(at, f"height {at} is ahead of the head {self._head.height}")
        if at < self._past.floor:
            raise StatePruned(at, f"the state of height {at} is pruned; the oldest kept is {self._past.floor}")
        return at

    @property
    def oldest_block(self) -> int:
        """The lowest height whose block and receipts are kept."""
        return self._oldest_block()

    # -- blocks -----------------------------------------------------------------------------------

    def head_at(self, height: int) -> Head | None:
        """Return digest and roots of a committed height."""
        return self._blocks.head(height)

    def block_bytes(self, height: int) -> bytes | None:
        """Return a canonical block."""
        return self._blocks.block(height)

    def pruned_header(self, height: int) -> bytes | None:
        """Return the canonical header of a pruned block."""
        return self._blocks.pruned_header(height)

    def height_of_digest(self, digest: bytes) -> int | None:
        """Return the height of a block by its digest."""
        return self._blocks.height_of(digest)

    def certificate_bytes(self, height: int) -> bytes | None:
        """Return the canonical certificate of a height."""
        return self._blocks.certificate(height)

    def receipts(self, height: int) -> list[bytes]:
        """Return the canonical receipts of a height."""
        return self._blocks.receipts(height) or []

    @property
    def indexed(self) -> IndexCoverage:
        """From which height on blocks are indexed."""
        return coverage_of(self._database)

    def find_transaction(self, transaction_id: bytes) -> Position | None:
        """Return height and index of a transaction.

        Raises:
            NotInReplica: it is not indexed; the owner has those in memory that have not expired.
        """
        found = self._blocks.find(transaction_id)
        if found is None and not self._has_all_ids:
            raise NotInReplica
        return found

    def contains_transaction(self, transaction_id: bytes) -> bool:
        """Tell whether a transaction is in the chain; see `Store.contains_transaction`; raises as the former."""
        if self.find_transaction(transaction_id) is not None:
            return True
        return self._database.get(FOREIGN_ID + transaction_id) is not None

    @property
    def _has_all_ids(self) -> bool:
        first = self.indexed.ids
        return first is not None and first <= max(1, self.oldest_block)

    def transactions_of(
        self,
        kind: str,
        name: str,
        from_height: int = 0,
        to_height: int | None = None,
        after: Position | None = None,
        limit: int = 100,
    ) -> IndexPage:
        """Return positions of transactions in ascending order; see `Store.transactions_of`."""
        last = self._head.height if to_height is None else min(to_height, self._head.height)
        return self._blocks.positions(kind, name, from_height, last, after, limit)
