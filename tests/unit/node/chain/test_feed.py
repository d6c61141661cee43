"""The block feed: every final block to each consumer, once, in order; memory and disk bounded whatever they do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from consensus.types import decode_certificate
from node.chain import feed as feed_module
from node.chain.feed import BlockFeed, BlocksMissed, FeedClosed, FinalBlock
from node.chain.ledger import Executed
from node.chain.pruning import Pruner
from tests.support.ledger import LocalChain, program_op
from vm.transaction import parse_transaction

OPS = [program_op("miles", "aurora")]


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    chain = LocalChain(tmp_path / "data")
    yield chain
    chain.close()


@pytest.fixture
async def feed(chain: LocalChain) -> AsyncIterator[BlockFeed]:
    made = BlockFeed(chain.store)
    yield made
    made.close()


def commit(chain: LocalChain, feed: BlockFeed, raws: tuple[bytes, ...] = ()) -> FinalBlock:
    """Make a block final and publish it, as the finalizer does."""
    transactions = [parse_transaction(raw) for raw in raws]
    candidate = chain._candidate(transactions, chain.ledger.head_time + 200)
    execution = chain.ledger.execute(candidate, transactions)
    execution.run(len(transactions))
    executed: Executed = execution.finish()
    certificate = chain._certificate(candidate.header, executed.roots)
    chain.ledger.commit(executed, certificate)
    block = FinalBlock.of(executed, certificate)
    feed.publish(block)
    return block


def heights(blocks: list[FinalBlock]) -> list[int]:
    return [block.header.height for block in blocks]


async def test_a_consumer_is_given_old_blocks_and_then_each_new_one(chain: LocalChain, feed: BlockFeed) -> None:
    for _ in range(3):
        commit(chain, feed)
    subscription = feed.subscribe("sink", first=2)
    assert heights([await subscription.next() for _ in range(2)]) == [2, 3]
    waiting = asyncio.create_task(subscription.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    commit(chain, feed)
    assert (await waiting).header.height == 4


async def test_without_a_height_a_consumer_begins_with_the_next_block(chain: LocalChain, feed: BlockFeed) -> None:
    commit(chain, feed)
    subscription = feed.subscribe("live")
    commit(chain, feed)
    assert (await subscription.next()).header.height == 2


async def test_a_block_from_the_store_is_the_one_that_was_published(chain: LocalChain, feed: BlockFeed) -> None:
    raw = chain.sign("aurora-admin", OPS)
    live = commit(chain, feed, (raw,))
    stored = feed.block(1)
    assert stored.header == live.header
    assert stored.digest == live.digest
    assert stored.certificate == live.certificate == decode_certificate(chain.store.certificate_bytes(1) or b"")
    assert [tx.raw for tx in stored.transactions] == [raw]
    assert stored.receipts == live.receipts
    assert [receipt.status for receipt in stored.receipts][:1] == ["ok"]
    assert len(stored.receipts) == 2, "the transaction's, and the system receipt"


async def test_blocks_in_memory_are_bounded_in_number(
    chain: LocalChain, feed: BlockFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "RECENT_BLOCKS", 3)
    slow = feed.subscribe("slow", first=1)
    for _ in range(8):
        commit(chain, feed)
    assert len(feed._recent) == 3
    assert heights([await slow.next() for _ in range(8)]) == list(range(1, 9)), "the older ones from the store"


async def test_blocks_in_memory_are_bounded_in_size(
    chain: LocalChain, feed: BlockFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = chain.sign("aurora-admin", OPS)
    monkeypatch.setattr(feed_module, "RECENT_BYTES", len(raw))
    feed.subscribe("slow", first=1)
    commit(chain, feed, (raw,))
    commit(chain, feed, (chain.sign("aurora-admin", [program_op("stars", "aurora")]),))
    assert sum(map(feed_module._size, feed._recent)) <= len(raw)


async def test_without_consumers_nothing_is_kept(chain: LocalChain, feed: BlockFeed) -> None:
    commit(chain, feed)
    assert not feed._recent
    subscription = feed.subscribe("short")
    commit(chain, feed)
    assert len(feed._recent) == 1
    subscription.close()
    assert not feed._recent


@pytest.mark.parametrize("first", [0, -1, 4])
async def test_a_consumer_cannot_begin_where_no_block_can_be(
    chain: LocalChain, feed: BlockFeed, first: int
) -> None:
    for _ in range(2):
        commit(chain, feed)
    with pytest.raises(ValueError, match=f"from height 1 to 3, not from {first}"):
        feed.subscribe("sink", first=first)


async def test_there_is_a_limit_to_consumers(feed: BlockFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_SUBSCRIPTIONS", 2)
    first = feed.subscribe("a")
    feed.subscribe("b")
    with pytest.raises(ValueError, match="at most 2 consumers"):
        feed.subscribe("c")
    first.close()
    feed.subscribe("c")


async def test_consumers_hear_that_the_node_stops(chain: LocalChain, feed: BlockFeed) -> None:
    seen: list[int] = []

    async def follow() -> None:
        async for block in feed.subscribe("sink", first=1):
            seen.append(block.header.height)

    task = asyncio.create_task(follow())
    commit(chain, feed)
    await asyncio.sleep(0)
    feed.close()
    await asyncio.wait_for(task, 10)
    assert seen == [1]
    with pytest.raises(FeedClosed):
        feed.subscribe("late")


# -- pruning ------------------------------------------------------------------------------------------


async def prune_all(pruner: Pruner) -> None:
    while await pruner.prune_one():
        pass


async def test_pruning_waits_for_a_consumer_and_goes_on_with_it(chain: LocalChain, feed: BlockFeed) -> None:
    pruner = Pruner(chain.ledger, feed, 5)
    sink = feed.subscribe("sink", first=1, holds_blocks=True)
    for _ in range(8):
        commit(chain, feed)
    await prune_all(pruner)
    assert chain.store.oldest_block == 1
    await sink.next()
    await sink.next()
    sink.done(2)
    await prune_all(pruner)
    assert chain.store.oldest_block == 3
    sink.close()
    await prune_all(pruner)
    assert chain.store.oldest_block == 4


async def test_what_a_consumer_was_not_given_it_cannot_have_done(chain: LocalChain, feed: BlockFeed) -> None:
    sink = feed.subscribe("sink", first=1, holds_blocks=True)
    for _ in range(3):
        commit(chain, feed)
    await sink.next()
    sink.done(10)
    assert (sink.done_height, feed.oldest_needed()) == (1, 2)
    sink.done(0)
    assert sink.done_height == 1


async def test_a_consumer_that_only_reads_holds_no_block(chain: LocalChain, feed: BlockFeed) -> None:
    feed.subscribe("page", first=1)
    for _ in range(8):
        commit(chain, feed)
    await prune_all(Pruner(chain.ledger, feed, 5))
    assert chain.store.oldest_block == 4


async def test_pruning_waits_for_no_more_than_twice_the_blocks(
    chain: LocalChain, feed: BlockFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "RECENT_BLOCKS", 2)
    dead = feed.subscribe("dead", first=1, holds_blocks=True)
    for _ in range(13):
        commit(chain, feed)
    await prune_all(Pruner(chain.ledger, feed, 5))
    assert chain.store.oldest_block == 4
    with pytest.raises(BlocksMissed, match="block 1 is pruned; the oldest kept by this node is 4") as caught:
        await dead.next()
    dead.seek(caught.value.oldest)
    assert (await dead.next()).header.height == 4


async def test_how_far_behind_consumers_are_is_told_by_name(chain: LocalChain, feed: BlockFeed) -> None:
    feed.subscribe("page", first=1)
    sink = feed.subscribe("sink", first=1)
    for _ in range(4):
        commit(chain, feed)
    await sink.next()
    sink.done(1)
    feed.subscribe("page")
    assert feed.lags() == {"page": 4, "sink": 3}
