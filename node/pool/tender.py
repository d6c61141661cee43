"""Keeps the pool of pending transactions fresh: what has expired goes, what has waited long is offered again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from node.chain.ledger import Ledger
from node.pool.mempool import Mempool
from vm.transaction import Transaction

TEND_SECONDS: Final = 5.0
"""How often expired transactions are dropped and those that wait are offered to peers again."""


class PoolTender:
    """Tends a pool, from its task `run`.

    Args:
        offer_again: tells peers of transactions that they are not known to have.
    """

    def __init__(
        self, ledger: Ledger, mempool: Mempool, offer_again: Callable[[Sequence[Transaction]], None]
    ) -> None:
        self._ledger = ledger
        self._mempool = mempool
        self._offer_again = offer_again

    async def run(self) -> None:
        """Tend until cancelled."""
        before: set[bytes] = set()
        while True:
            await asyncio.sleep(TEND_SECONDS)
            self._mempool.remove_expired(self._ledger.head_time)
            pending = list(self._mempool.in_order())
            # What has been waiting for so long may have been lost on its way to the next proposer.
            waited = [tx for tx in pending if tx.hash in before]
            await asyncio.sleep(0)
            self._offer_again(waited)
            await asyncio.sleep(0)
            before = {tx.hash for tx in pending}
