"""Gets the transactions of a block that are not here: implements `node.validator.block_processor.Fetcher`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Final

from network.errors import RequestError
from network.messages import GetTransactions
from network.peers import PeerManager
from node.chain.ledger import Ledger
from node.pool.admission import AdmissionQueue
from node.runtime.errors import NotReady

_log = logging.getLogger(__name__)

REQUEST_TIMEOUT_SECONDS: Final = 2.0
SETTLE_SECONDS: Final = 0.3
MAX_HASHES: Final = 20_000
"""Of one question; a block holds no more."""


class TransactionFetcher:
    """Asks validators for transactions by hash."""

    def __init__(self, ledger: Ledger, manager: PeerManager, admission: AdmissionQueue) -> None:
        self._ledger = ledger
        self._manager = manager
        self._admission = admission

    async def transactions(self, source: int, hashes: Sequence[bytes]) -> Sequence[bytes]:
        """Ask a validator for transactions by hash; nothing where it does not answer."""
        key = self._ledger.next_validators().key(source)
        peer = None if key is None else self._manager.peer(key)
        if peer is None:
            await asyncio.sleep(0)
            return ()
        question = GetTransactions(id=0, hashes=tuple(hashes[:MAX_HASHES]))
        try:
            reply = await peer.request(question, REQUEST_TIMEOUT_SECONDS)
        except RequestError as error:
            _log.info("%d transactions were not answered: %s", len(hashes), error)
            return ()
        return reply.items

    async def settle(self) -> None:
        """Wait, for a short time, until the transactions that have come already are admitted."""
        with contextlib.suppress(TimeoutError, NotReady):
            async with asyncio.timeout(SETTLE_SECONDS):
                await self._admission.settle()
