"""A database that is verified where it stands: what would be written is compared with what is there.

`node.maintenance.restored_chain` and `StoreRebuild` verify the primary records of a database and write what
follows from them. Given this database they do the same and write nothing; what they would write, and is not there,
is damage.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from node.store.database import RESTORE_BUFFER_BYTES, RESTORE_CACHE_BYTES, Batch, Database, HeldBatch
from node.store.errors import StoreCorrupt
from node.store.indexing import IndexCoverage, coverage_of
from node.store.layout import DIGEST, HEAD, INDEX, ONCE_KEY, ONCE_TILE, PART_UNDO, TOP_UNDO, TRANSACTION

_COMPARED: Final = frozenset({HEAD, DIGEST, TRANSACTION, INDEX, PART_UNDO, TOP_UNDO, ONCE_KEY, ONCE_TILE})
"""Families that a running node and a restore write alike. Of the others (pages, bucket roots) a restore keeps
another form of the same; the roots to which they lead are compared instead. Foreign ids (y) a restore also writes
for blocks that are pruned and whose slot is not over."""


class InPlace(Database):
    """An existing database, for a check; nothing is written to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), RESTORE_CACHE_BYTES, RESTORE_BUFFER_BYTES, create=False)
        self._coverage: IndexCoverage | None = None

    def batch(self) -> Batch:
        """Return an empty batch."""
        return HeldBatch()

    def unsynced_batch(self) -> Batch:
        """Return an empty batch."""
        return HeldBatch()

    def write(self, batch: Any) -> None:
        """Compare a batch with what is there.

        Raises:
            StoreCorrupt: a record is missing or another one.
        """
        for key, value in batch.changes.items():
            if value is None or key[:1] not in _COMPARED or not self._is_expected(key, value):
                continue
            if self.get(key) != value:
                name = f"{key[:1].decode()} {key[1:40].hex()}"
                raise StoreCorrupt(f"the record {name} is not what the chain leads to")

    def _is_expected(self, key: bytes, value: bytes) -> bool:
        """Tell whether the store should have a record: of an index only from the height that it notes on."""
        if key[:1] not in (TRANSACTION, INDEX):
            return True
        if self._coverage is None:
            self._coverage = coverage_of(self)
        by_id = key[:1] == TRANSACTION
        first = self._coverage.ids if by_id else self._coverage.names
        return first is not None and int.from_bytes(value[:8] if by_id else key[-8:], "big") >= first
