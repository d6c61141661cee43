"""The one way to a final block: listeners in their order, consumers behind them, and nothing after the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from consensus.types import Certificate
from node.chain.ledger import Executed
from tests.support.driver import LocalDriver
from tests.support.ledger import LocalChain


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    chain = LocalChain(tmp_path / "data")
    yield chain
    chain.close()


@pytest.fixture
async def local(chain: LocalChain, tmp_path: Path) -> AsyncIterator[LocalDriver]:
    made = LocalDriver(chain, tmp_path / "wal", None)
    yield made
    made.close()


def one_block(local: LocalDriver) -> tuple[Executed, Certificate]:
    """Return the next block, empty, executed and certified."""
    candidate = local.chain._candidate((), local.ledger.head_time + 200)
    execution = local.ledger.execute(candidate, [])
    execution.run(0)
    executed = execution.finish()
    return executed, local.chain._certificate(candidate.header, executed.roots)


async def test_listeners_hear_in_their_order_of_a_head_that_has_moved(local: LocalDriver) -> None:
    told: list[tuple[str, int]] = []
    local.finalizer.on_final(lambda *_: told.append(("first", local.ledger.height)))
    local.finalizer.on_final(lambda *_: told.append(("second", local.ledger.height)))
    local.finalizer.finalize(*one_block(local))
    assert told == [("first", 1), ("second", 1)]


async def test_the_store_notes_how_far_the_vote_log_is(local: LocalDriver) -> None:
    local.finalizer.finalize(*one_block(local))
    assert local.chain.store.log_mark == local.guard.log_mark


async def test_the_feed_is_given_the_block(local: LocalDriver) -> None:
    subscription = local.feed.subscribe("consumer")
    executed, certificate = one_block(local)
    local.finalizer.finalize(executed, certificate)
    block = await subscription.next()
    assert (block.header, block.certificate) == (executed.candidate.header, certificate)


async def test_nothing_is_written_after_a_halt(local: LocalDriver) -> None:
    block = one_block(local)
    local.supervisor.halt("a reason")
    local.finalizer.finalize(*block)
    assert local.ledger.height == 0
    assert local.committed == []


async def test_nothing_is_written_after_a_stop(local: LocalDriver) -> None:
    block = one_block(local)
    local.finalizer.close()
    local.finalizer.finalize(*block)
    assert local.ledger.height == 0
    assert local.committed == []
