"""Deleting old blocks, where the operator asks for it (`retain_blocks` in node.toml), a few after each commit.

A block goes with its receipts and its index records, in one batch that also moves the store's `oldest_block`; its
header and certificate stay, for light clients. The space comes back by compaction, in a thread, once enough
has been deleted.

Invariants:
    1. A block stays while one of its transactions can still be replayed: until the head's time has reached the
       last `expires` in it. So a transaction that is not found here and has not expired is not in the chain.
    2. A block stays while a consumer that holds blocks has not done it (`node.chain.feed`), but no longer than
       until twice `retain_blocks` are kept.
    3. After one commit at most BLOCKS_PER_COMMIT blocks go, in slices between which the event loop turns.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from consensus.types import decode_block
from node.chain.feed import BlockFeed
from node.chain.indexing import index_entries
from node.chain.ledger import Ledger
from node.store import PrunedBlock
from vm.expiry import has_expired
from vm.primitives.codec import encode
from vm.receipt import decode_receipt
from vm.transaction import parse_transaction

_log = logging.getLogger(__name__)

BLOCKS_PER_COMMIT: Final = 8
SLICE: Final = 64
"""Transactions looked at before the event loop may turn: about 3 ms."""

MAY_BE_PRUNED: Final = (
    "the transaction has expired, and may have been executed in a block that this node no longer keeps; ask another"
)

COMPACT_BYTES: Final = 32 * 1024 * 1024
COMPACT_BLOCKS: Final = 20_000
"""Compaction follows after so many bytes, or blocks, have been deleted."""


class Pruner:
    """Keeps the last `retain_blocks` blocks below the head, and for a slow consumer of the feed as many again."""

    def __init__(self, ledger: Ledger, feed: BlockFeed, retain_blocks: int) -> None:
        self._ledger = ledger
        self._feed = feed
        self._store = ledger.store
        self._compacting: asyncio.Future[None] | None = None
        self._retain = retain_blocks
        self._due = asyncio.Event()
        self._deleted_bytes = 0
        self._deleted_blocks = 0

    def head_moved(self) -> None:
        """There may be something to prune."""
        self._due.set()

    async def run(self) -> None:
        """Prune after each commit until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            for _ in range(BLOCKS_PER_COMMIT):
                if not await self.prune_one():
                    break
                await asyncio.sleep(0)
            if self._deleted_bytes >= COMPACT_BYTES or self._deleted_blocks >= COMPACT_BLOCKS:
                await self.compact()

    async def prune_one(self) -> bool:
        """Prune the oldest block; tell whether there was one to prune.

        Raises:
            StoreError: the database refuses.
        """
        store = self._store
        height = store.oldest_block
        if height > self._last_to_prune():
            return False
        data = store.block_bytes(height)
        if data is None:
            return False
        block = decode_block(data)
        receipts = store.receipts(height)
        ids: list[bytes] = []
        names: set[tuple[str, str]] = set()
        for first in range(0, len(block.transactions), SLICE):
            transactions = [parse_transaction(raw) for raw in block.transactions[first : first + SLICE]]
            if any(not has_expired(tx.body.expires, self._ledger.head_time) for tx in transactions):
                return False
            decoded = [decode_receipt(raw) for raw in receipts[first : first + len(transactions)]]
            ids += [tx.id for tx in transactions]
            names.update(index_entries(transactions, decoded, self._ledger.runtime.calls))
            await asyncio.sleep(0)
        certificate = block.parent_certificate
        embedded = None if certificate is None else encode(certificate)
        store.prune_block(PrunedBlock(height, encode(block.header), embedded, ids, names))
        self._deleted_bytes += len(data) + sum(map(len, receipts))
        self._deleted_blocks += 1
        return True

    def _last_to_prune(self) -> int:
        """Return the last height whose block is to go; at most as many stay for consumers as for the operator."""
        last = self._store.head.height - self._retain
        needed = self._feed.oldest_needed()
        return last if needed is None else min(last, max(needed - 1, last - self._retain))

    async def finished(self) -> None:
        """Wait for a compaction in progress, which cannot be stopped; before the store is closed."""
        if self._compacting is not None:
            await asyncio.wait([self._compacting])

    async def compact(self) -> None:
        """Give the space back to the disk, beside everything else."""
        freed, self._deleted_bytes, self._deleted_blocks = self._deleted_bytes, 0, 0
        loop = asyncio.get_running_loop()
        self._compacting = loop.run_in_executor(None, self._store.compact_pruned)
        await asyncio.shield(self._compacting)
        _log.info("pruned up to block %d, %d bytes of blocks", self._store.oldest_block - 1, freed)
