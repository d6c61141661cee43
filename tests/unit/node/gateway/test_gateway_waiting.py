"""Waiting for transactions on behalf of clients that may hang up."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from types import SimpleNamespace
from typing import Any

from node.gateway.transaction_methods import TransactionMethods


async def test_a_client_that_hangs_up_leaves_no_error_in_the_log() -> None:
    begun = asyncio.Event()

    async def never(ids: list[bytes], timeout_ms: int) -> None:
        begun.set()
        await asyncio.Event().wait()

    methods = TransactionMethods.__new__(TransactionMethods)
    methods._backend = SimpleNamespace(wait_committed=never)  # type: ignore[assignment]
    methods._closing = asyncio.Event()
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    waiting = asyncio.create_task(methods._wait({1_000: [bytes(32)]}))
    await begun.wait()
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    del waiting
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()
    assert errors == []
