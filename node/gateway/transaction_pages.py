"""Pages of committed transactions by account, brand and call.

With one filter a page is a walk along its index. With several, the first one's index is walked and the others
are asked at each height it names. Without any, blocks are walked. The work for a page is bounded by
positions, blocks and bytes; a page that ends for that reason has a `next`.

Invariants:
    1. Every matching transaction of the heights from where the caller began up to `complete_to` has been answered
       by this page or those before it. What this node does not have (yet, or any more) is an error, never left out.
    2. `resume`, as the next call's cursor, goes on right there, also when the chain has grown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from consensus.types import Block
from node.gateway.errors import invalid_param
from node.gateway.reads import ChainReads, Position
from node.gateway.results import TransactionLine, TransactionPage
from vm.primitives.units import MAX_INT
from vm.receipt import Receipt, decode_receipt
from vm.transaction import MAX_OPS, parse_transaction

MAX_EXAMINED: Final = 2_000
MAX_COMPARED: Final = 20_000
"""Positions of the other filters that are looked at; a full block has thousands."""

MAX_BLOCKS: Final = 200
MAX_BYTES: Final = 8 * 1024 * 1024
"""Blocks and receipts read for one page: some 10 ms. A thousand full blocks would be gigabytes."""

_MAX_BLOCK_POSITIONS: Final = 100_000

_CURSOR: Final = re.compile(r"(0|[1-9a-f][0-9a-f]{0,13})\.(0|[1-9a-f][0-9a-f]{0,13})")
"""Height and index as `_cursor` writes them; `int` alone would also take 0x1, 1_0 and digits of other scripts."""


class TransactionPages:
    """Answers `chain_transactions`."""

    def __init__(self, reads: ChainReads) -> None:
        self._reads = reads
        self._store = reads.backend.store

    def page(
        self,
        filters: Mapping[str, str | None],
        from_height: int | None,
        to_height: int | None,
        cursor: str | None,
        limit: int,
    ) -> TransactionPage:
        """Return {items, next, complete_to, oldest, resume}.

        Raises:
            RpcFault: INVALID_PARAMS for a cursor that is not ours or a range that is reversed, BLOCK_PRUNED and
                NOT_FOUND for one that begins below what is kept or beyond the height after the head.
        """
        after = None if cursor is None else _position(cursor)
        first = self._first(from_height, to_height, after)
        last = self._reads.height if to_height is None else min(to_height, self._reads.height)
        given = [(kind, name) for kind, name in filters.items() if name is not None]
        if given:
            positions, next_ = self._indexed(given, first, last, after, limit)
        else:
            positions, next_ = self._every(first, last, after, limit)
        items = self._summaries(positions)
        if len(items) < len(positions):
            next_ = positions[len(items) - 1]
        return TransactionPage(
            items=items,
            next=None if next_ is None else _cursor(next_),
            complete_to=last if next_ is None else next_[0] - (next_[1] < _MAX_BLOCK_POSITIONS),
            oldest=self._reads.oldest_block,
            resume=_cursor((last, _MAX_BLOCK_POSITIONS) if next_ is None else next_),
        )

    def _first(self, from_height: int | None, to_height: int | None, after: Position | None) -> int:
        """Return the first height to look at, which is here, or is the one after the head."""
        reads = self._reads
        begins = {"from": from_height, "cursor": None if after is None else after[0]}
        for param, height in begins.items():
            if height is not None and to_height is not None and height > to_height:
                raise invalid_param("to", f"the range is reversed: `{param}` is at {height}, `to` is {to_height}")
        if after is not None:
            first = max(from_height or 0, after[0] + (after[1] >= _MAX_BLOCK_POSITIONS))
        elif from_height is not None:
            first = from_height
        else:
            first = reads.oldest_block if to_height is None else min(reads.oldest_block, to_height)
        reads.require_kept(max(first, 1))
        return first

    def _indexed(
        self, filters: list[tuple[str, str]], first: int, last: int, after: Position | None, limit: int
    ) -> tuple[list[Position], Position | None]:
        (kind, name), *others = filters
        if not others:
            page = self._store.transactions_of(kind, name, first, last, after, limit)
            return list(page.items), page.next
        candidates = self._store.transactions_of(kind, name, first, last, after, MAX_EXAMINED)
        found: list[Position] = []
        matching: set[Position] = set()
        at, compared = -1, 0
        for place, position in enumerate(candidates.items):
            height = position[0]
            if height != at:
                if compared > MAX_COMPARED:
                    return found, candidates.items[place - 1]
                pages = self._at_height(others, height)
                at, matching = height, set.intersection(*map(set, pages))
                compared += sum(map(len, pages))
            if position in matching:
                found.append(position)
                if len(found) == limit:
                    return found, position
        return found, candidates.next

    def _at_height(self, filters: list[tuple[str, str]], height: int) -> list[list[Position]]:
        return [
            self._store.transactions_of(kind, name, height, height, None, _MAX_BLOCK_POSITIONS).items
            for kind, name in filters
        ]

    def _every(
        self, first: int, last: int, after: Position | None, limit: int
    ) -> tuple[list[Position], Position | None]:
        found: list[Position] = []
        start = first if after is None else max(first, after[0])
        end = min(last, start + MAX_BLOCKS - 1)
        size = 0
        for height in range(start, end + 1):
            block = self._reads.block(height)
            size += sum(map(len, block.transactions))
            if size > MAX_BYTES:
                end = height
            for index in range(block.header.tx_count):
                position = (height, index)
                if after is not None and position <= after:
                    continue
                if len(found) == limit:
                    return found, found[-1]
                found.append(position)
            if height == end:
                break
        return found, (end, _MAX_BLOCK_POSITIONS) if end < last else None

    def _summaries(self, positions: list[Position]) -> list[TransactionLine]:
        """Return what is shown of the first positions, as many as MAX_BYTES allow; at least a block's."""
        items: list[TransactionLine] = []
        at, block, receipts, size = -1, None, [], 0
        for height, index in positions:
            if height != at:
                if size > MAX_BYTES:
                    break
                at, block, receipts = height, self._reads.block(height), self._reads.receipts(height)
                size += sum(map(len, block.transactions)) + sum(map(len, receipts))
            if block is not None:
                items.append(_summary(block, index, decode_receipt(receipts[index])))
        return items


def _summary(block: Block, index: int, receipt: Receipt) -> TransactionLine:
    tx = parse_transaction(block.transactions[index])
    return TransactionLine(
        id=tx.id.hex(),
        hash=tx.hash.hex(),
        height=block.header.height,
        index=index,
        time=block.header.time,
        sender=tx.body.sender,
        calls=[call for call, _ in tx.body.ops[:MAX_OPS]],
        status=receipt.status,
        error=receipt.error.code if receipt.status == "failed" and receipt.error else None,
    )


def _cursor(position: Position) -> str:
    return f"{position[0]:x}.{position[1]:x}"


def _position(cursor: str) -> Position:
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise invalid_param("cursor", "not a cursor of this method")
    position = (int(match[1], 16), int(match[2], 16))
    if max(position) > MAX_INT:
        raise invalid_param("cursor", "not a cursor of this method")
    return position
