"""Pages of final transactions by account, brand and call.

With one filter a page is a walk along its index. With several, the first one's index is walked and the others
are asked at each height it names. Without any, blocks are walked. The work for a page is bounded by
positions, blocks and bytes; a page that ends for that reason has a `next`.

Invariants:
    1. Every matching transaction of the heights from where the caller began up to `complete_to` has been answered
       by this page or those before it. What this node does not have (yet, or any more) is an error, never left out.
    2. `resume`, as the next call's `after`, goes on right there, also when the chain has grown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from node.chain.errors import RangeReversed
from node.chain.queries import ChainQueries, Position
from node.runtime.pauses import pause_point
from vm.receipt import Receipt, decode_receipt
from vm.transaction import Transaction, parse_transaction

T = TypeVar("T")

MAX_EXAMINED: Final = 2_000
MAX_COMPARED: Final = 20_000
"""Positions of the other filters that are looked at; a full block has thousands."""

MAX_BLOCKS: Final = 200
MAX_BYTES: Final = 8 * 1024 * 1024
"""Blocks and receipts read for one page: some 10 ms. A thousand full blocks would be gigabytes."""

END_OF_BLOCK: Final = 100_000
"""An index above that of any transaction of a block: a position with it lies behind the whole block."""


class FinalTransaction(msgspec.Struct, frozen=True, gc=False):
    """A transaction of a final block, with its receipt; `time` is the block's, in ms."""

    height: int
    index: int
    time: int
    transaction: Transaction
    receipt: Receipt


class TransactionPage(NamedTuple, Generic[T]):
    """What was asked for, as far as this page goes.

    Attributes:
        items: in order of height and index.
        next: pass it as `after` to go on; None where the range is done, as far as the head.
        complete_to: the height up to which nothing is missing.
        oldest: the first height whose block this node keeps.
        resume: pass it as `after` to go on here, also later, when the chain has grown.
    """

    items: list[T]
    next: Position | None
    complete_to: int
    oldest: int
    resume: Position


class TransactionPages:
    """Finds final transactions under names that `node.chain.indexing` gives them."""

    def __init__(self, queries: ChainQueries) -> None:
        self._queries = queries

    def page(
        self,
        filters: Mapping[str, str],
        heights: tuple[int | None, int | None],
        after: Position | None,
        limit: int,
        shown: Callable[[FinalTransaction], T],
    ) -> TransactionPage[T]:
        """Return a page of the transactions that match all filters.

        Args:
            filters: ACCOUNT, BRAND and CALL of `node.chain.indexing`, and the name wanted of each.
            heights: the first and the last one, both included; None: from the oldest kept, up to the head.
            after: where the last page ended, its `next` or `resume`; None to begin.
            limit: items at most, 1 or more.
            shown: makes an item; a page holds no more of a transaction than it returns.

        Raises:
            RangeReversed: the range ends before it begins.
            BlockPruned, BlockNotFound: it begins below what is kept, or beyond the height after the head.
            NotIndexed: there are filters, and this node has no index for them of where it begins.
        """
        from_height, to_height = heights
        first = self._first(from_height, to_height, after)
        head = self._queries.height
        last = head if to_height is None else min(to_height, head)
        if filters:
            positions, next_ = self._indexed(list(filters.items()), first, last, after, limit)
        else:
            positions, next_ = self._every(first, last, after, limit)
        items = [shown(found) for found in self._final(positions)]
        if len(items) < len(positions):
            next_ = positions[len(items) - 1]
        complete_to = last if next_ is None else next_[0] - (next_[1] < END_OF_BLOCK)
        resume = (last, END_OF_BLOCK) if next_ is None else next_
        return TransactionPage(items, next_, complete_to, self._queries.oldest_block, resume)

    def _first(self, from_height: int | None, to_height: int | None, after: Position | None) -> int:
        """Return the first height to look at, which is here, or is the one after the head."""
        queries = self._queries
        begins = {"from": from_height, "cursor": None if after is None else after[0]}
        for bound, height in begins.items():
            if height is not None and to_height is not None and height > to_height:
                raise RangeReversed(bound, height, to_height)
        if after is not None:
            first = max(from_height or 0, after[0] + (after[1] >= END_OF_BLOCK))
        elif from_height is not None:
            first = from_height
        else:
            first = queries.oldest_block if to_height is None else min(queries.oldest_block, to_height)
        queries.require_kept(max(first, 1))
        return first

    def _indexed(
        self, filters: list[tuple[str, str]], first: int, last: int, after: Position | None, limit: int
    ) -> tuple[list[Position], Position | None]:
        (kind, name), *others = filters
        if not others:
            page = self._queries.positions(kind, name, first, last, after, limit)
            return list(page.items), page.next
        candidates = self._queries.positions(kind, name, first, last, after, MAX_EXAMINED)
        found: list[Position] = []
        matching: set[Position] = set()
        at, compared = -1, 0
        for place, position in enumerate(candidates.items):
            height = position[0]
            if height != at:
                pause_point()
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
            self._queries.positions(kind, name, height, height, None, END_OF_BLOCK).items for kind, name in filters
        ]

    def _every(
        self, first: int, last: int, after: Position | None, limit: int
    ) -> tuple[list[Position], Position | None]:
        found: list[Position] = []
        start = first if after is None else max(first, after[0])
        end = min(last, start + MAX_BLOCKS - 1)
        size = 0
        for height in range(start, end + 1):
            pause_point()
            block = self._queries.block(height)
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
        return found, (end, END_OF_BLOCK) if end < last else None

    def _final(self, positions: Sequence[Position]) -> Iterator[FinalTransaction]:
        """Yield the first transactions, as many as MAX_BYTES allow; at least a block's."""
        at, block, receipts, size = -1, None, [], 0
        for height, index in positions:
            pause_point()
            if height != at:
                if size > MAX_BYTES:
                    return
                at, block, receipts = height, self._queries.block(height), self._queries.receipts(height)
                size += sum(map(len, block.transactions)) + sum(map(len, receipts))
            if block is not None:
                transaction = parse_transaction(block.transactions[index])
                yield FinalTransaction(
                    height, index, block.header.time, transaction, decode_receipt(receipts[index])
                )
