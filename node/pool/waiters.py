"""Clients that wait until their transactions are final.

Invariant: who waits is answered once: when the transaction is final, when the time has run out, or when the node
halts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence

from node.runtime.errors import NotReady
from node.runtime.supervisor import HALTED, Supervisor
from node.store import Store


class FinalityWaiters:
    """Who waits for which transaction."""

    def __init__(self, store: Store, supervisor: Supervisor) -> None:
        self._store = store
        self._supervisor = supervisor
        self._waiters: dict[bytes, list[asyncio.Future[bool]]] = {}
        supervisor.on_halt(self._halted)

    async def wait(self, tx_ids: Sequence[bytes], timeout_ms: int) -> list[bool]:
        """Wait until every transaction is final, or the time has run out; tell of each whether it is.

        Raises:
            NotReady: the node has halted, so that those which are not final yet will not be so here.
        """
        loop = asyncio.get_running_loop()
        waiting: dict[bytes, asyncio.Future[bool]] = {}
        for tx_id in tx_ids:
            if tx_id not in waiting and not self._store.contains_transaction(tx_id):
                waiting[tx_id] = loop.create_future()
                self._waiters.setdefault(tx_id, []).append(waiting[tx_id])
        try:
            if waiting and self._supervisor.halted is None:
                await asyncio.wait(waiting.values(), timeout=timeout_ms / 1_000)
            if waiting and self._supervisor.halted is not None:
                raise NotReady(HALTED)
            return [tx_id not in waiting or waiting[tx_id].done() for tx_id in tx_ids]
        finally:
            for tx_id, future in waiting.items():
                if not future.done():
                    self._forget(tx_id, future)

    def final(self, tx_ids: Iterable[bytes]) -> None:
        """These transactions are final."""
        for tx_id in tx_ids:
            for waiter in self._waiters.pop(tx_id, ()):
                if not waiter.done():
                    waiter.set_result(True)

    def __len__(self) -> int:
        return sum(map(len, self._waiters.values()))

    def _halted(self) -> None:
        for waiters in self._waiters.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(False)
        self._waiters.clear()

    def _forget(self, tx_id: bytes, future: asyncio.Future[bool]) -> None:
        waiters = self._waiters.get(tx_id, [])
        with contextlib.suppress(ValueError):
            waiters.remove(future)
        if not waiters:
            self._waiters.pop(tx_id, None)
