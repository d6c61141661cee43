"""The node's side of raw reads: one frame, one value or one piece of a range.

The child has one read under way and waits for it, so the node answers at most one in each turn of its event loop:
however many clients read, consensus waits for one value, or one piece of a
range of PIECE_BYTES.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from node.gateway_process.frames import (
    Entries,
    Failed,
    FrameStream,
    Get,
    ReadAnswer,
    Scan,
    Value,
    read_request,
)
from node.store import Store, StoreError

PIECE_BYTES: Final = 64 * 1024
"""As a piece of an answer (node/gateway/answers.py): some 20 µs of copying."""

PIECE_ENTRIES: Final = 256
"""Entries of a range may be small; each takes some microseconds to read."""


class ReadServer:
    """Answers the raw reads of one child from a store.

    Args:
        on_lost: called once the connection has gone, for which a child has no use any more.
    """

    def __init__(self, store: Store, on_lost: Callable[[], None]) -> None:
        self._store = store
        self.stream = FrameStream(self._asked, on_lost)

    def _asked(self, data: bytes) -> None:
        request = read_request.decode(data)
        try:
            answer = self._answered(request)
        except StoreError as error:  # the store itself has told of damage
            answer = Failed(str(error))
        self.stream.send(answer)

    def _answered(self, request: Get | Scan) -> ReadAnswer:
        store = self._store
        if isinstance(request, Get):
            value = store.database.get(request.key)
            return Value(store.head.height, store.oldest_block, value)
        items: list[tuple[bytes, bytes]] = []
        size, done = 0, True
        for entry in store.database.scan(request.start, request.stop, request.once):
            items.append(entry)
            size += len(entry[0]) + len(entry[1])
            if size >= PIECE_BYTES or len(items) >= PIECE_ENTRIES:
                done = False
                break
        return Entries(store.head.height, store.oldest_block, items, done)
