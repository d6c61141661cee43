"""Final blocks with their receipts, for consumers within this process: live, and from any height that is kept.

    subscription = feed.subscribe("sink", first=stored + 1, holds_blocks=True)
    async for block in subscription:
        …
        subscription.done(block.header.height)

A consumer has a place of its own and no queue: it asks for the next height, which comes from the last few blocks
in memory, or else from the store. So a consumer that is slow, or has been away, costs the node no memory, and
consensus never waits for one. A consumer that `holds_blocks` reports how far it is (`done`), and pruning waits
for it, but for no longer than until the node holds twice the blocks that its operator asked for. A consumer that
falls further behind hears BlocksMissed with the first height that is left.

Invariants:
    1. A subscription yields heights one by one, without a gap, each only once it is final here.
    2. Blocks in memory are at most RECENT_BLOCKS and RECENT_BYTES, and none where nobody has subscribed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from consensus.types import Certificate, Header, decode_block, decode_certificate
from node.chain.ledger import Executed
from node.store import Store
from vm.receipt import Receipt, decode_receipt
from vm.transaction import Transaction, parse_transaction

RECENT_BLOCKS: Final = 64
RECENT_BYTES: Final = 16 << 20
"""Of transactions, in the blocks that are kept in memory; as objects, with receipts, some five times as much."""

MAX_SUBSCRIPTIONS: Final = 1_000
"""WebSocket connections have one each, within the gateway's own limit of connections."""


class BlocksMissed(Exception):
    """The next block of a subscription is no longer kept.

    Attributes:
        height: the height that was wanted.
        oldest: the first height whose block is kept.
    """

    def __init__(self, height: int, oldest: int) -> None:
        super().__init__(f"block {height} is pruned; the oldest kept by this node is {oldest}")
        self.height = height
        self.oldest = oldest


class FeedClosed(Exception):
    """The node stops: no further block will come."""


@dataclass(frozen=True)
class FinalBlock:
    """A final block, and what it did.

    Attributes:
        header, digest: the block's.
        certificate: seals of a quorum over it and its results.
        transactions: in order.
        receipt_bytes: canonical receipts, one for each transaction, in order, then the system receipt.
    """

    header: Header
    digest: bytes
    certificate: Certificate
    transactions: Sequence[Transaction]
    receipt_bytes: Sequence[bytes]

    @cached_property
    def receipts(self) -> list[Receipt]:
        """The receipts, decoded once: the same whether the block is live or comes from the store."""
        return [decode_receipt(raw) for raw in self.receipt_bytes]

    @classmethod
    def of(cls, executed: Executed, certificate: Certificate) -> Self:
        """Return the block that an execution and a certificate make final."""
        header = executed.candidate.header
        return cls(header, certificate.digest, certificate, executed.transactions, executed.result.receipt_bytes)


class BlockFeed:
    """The final blocks of one node."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recent: deque[FinalBlock] = deque()
        self._recent_bytes = 0
        self._subscriptions: dict[Subscription, None] = {}
        self._news = asyncio.Event()
        self._closed = False

    @property
    def height(self) -> int:
        """Height of the head; 0 after genesis."""
        return self._store.head.height

    def subscribe(self, name: str, first: int | None = None, *, holds_blocks: bool = False) -> Subscription:
        """Begin to read.

        Args:
            name: of the consumer, for metrics and the log.
            first: the first height wanted, at least 1 and at most the height after the head; that one if None.
            holds_blocks: whether pruning waits until the consumer says that it has `done` a height.

        Raises:
            ValueError: the height lies further ahead, or there are too many subscriptions.
            FeedClosed: the node stops.
        """
        if self._closed:
            raise FeedClosed("the node stops")
        ahead = self.height + 1
        first = ahead if first is None else first
        if not 1 <= first <= ahead:
            raise ValueError(f"blocks can be read from height 1 to {ahead}, not from {first}")
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            raise ValueError(f"at most {MAX_SUBSCRIPTIONS} consumers can read blocks at once")
        subscription = Subscription(self, name, first, holds_blocks)
        self._subscriptions[subscription] = None
        return subscription

    def publish(self, block: FinalBlock) -> None:
        """A block is final; the store has it."""
        if self._subscriptions:
            self._recent.append(block)
            self._recent_bytes += _size(block)
            while len(self._recent) > RECENT_BLOCKS or self._recent_bytes > RECENT_BYTES:
                self._recent_bytes -= _size(self._recent.popleft())
        self._wake()

    def close(self) -> None:
        """Tell every consumer that no further block will come."""
        self._closed = True
        self._wake()

    def lags(self) -> dict[str, int]:
        """Return for each consumer how many final blocks it has not done yet; the furthest behind of one name."""
        lags: dict[str, int] = {}
        for subscription in self._subscriptions:
            lags[subscription.name] = max(lags.get(subscription.name, 0), self.height - subscription.done_height)
        return lags

    def oldest_needed(self) -> int | None:
        """Return the first height that some consumer which holds blocks has not done; None without such a one."""
        done = [subscription.done_height for subscription in self._subscriptions if subscription.holds_blocks]
        return min(done) + 1 if done else None

    def block(self, height: int) -> FinalBlock:
        """Return a final block.

        Raises:
            BlocksMissed: it is no longer kept.
        """
        first = self._recent[0].header.height if self._recent else height + 1
        if first <= height:
            return self._recent[height - first]
        store = self._store
        data, certificate = store.block_bytes(height), store.certificate_bytes(height)
        receipts = store.receipts(height)
        if data is None or certificate is None or not receipts:
            raise BlocksMissed(height, store.oldest_block)
        block, sealed = decode_block(data), decode_certificate(certificate)
        transactions = [parse_transaction(raw) for raw in block.transactions]
        return FinalBlock(block.header, sealed.digest, sealed, transactions, receipts)

    async def wait_for(self, height: int) -> None:
        """Wait until a height is final here.

        Raises:
            FeedClosed: the node stops.
        """
        while self.height < height:
            if self._closed:
                raise FeedClosed("the node stops")
            await self._news.wait()

    def forget(self, subscription: Subscription) -> None:
        """A consumer reads no more."""
        self._subscriptions.pop(subscription, None)
        if not self._subscriptions:
            self._recent.clear()
            self._recent_bytes = 0

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Subscription:
    """One consumer's place in the feed.

    Attributes:
        name: the consumer's.
        holds_blocks: whether pruning waits for it.
        next_height: what it is given next.
        done_height: up to where it needs no block any more.
    """

    def __init__(self, feed: BlockFeed, name: str, first: int, holds_blocks: bool) -> None:
        self._feed = feed
        self.name = name
        self.holds_blocks = holds_blocks
        self.next_height = first
        self.done_height = first - 1

    async def next(self) -> FinalBlock:
        """Return the next block once it is final.

        Raises:
            BlocksMissed: it is no longer kept; `seek` goes on from a later height.
            FeedClosed: the node stops.
        """
        await self._feed.wait_for(self.next_height)
        block = self._feed.block(self.next_height)
        self.next_height += 1
        return block

    def done(self, height: int) -> None:
        """Say that blocks up to a height are needed no more; a lower height than before changes nothing."""
        self.done_height = max(self.done_height, min(height, self.next_height - 1))

    def seek(self, height: int) -> None:
        """Go on from another height, which is given next."""
        self.next_height = height
        self.done_height = max(self.done_height, height - 1)

    def close(self) -> None:
        """Read no more."""
        self._feed.forget(self)

    def __aiter__(self) -> AsyncIterator[FinalBlock]:
        return self

    async def __anext__(self) -> FinalBlock:
        try:
            return await self.next()
        except FeedClosed:
            raise StopAsyncIteration from None


def _size(block: FinalBlock) -> int:
    return sum(len(tx.raw) for tx in block.transactions)
