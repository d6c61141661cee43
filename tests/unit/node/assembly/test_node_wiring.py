"""Who hears of a final block in a whole node: the composition root forgets nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest

from node.chain.feed import FeedClosed
from node.pool.mempool_lanes import OWN
from node.runtime.config import Workers
from tests.support.ledger import key_of, program_op
from tests.unit.node.assembly.test_node_membership import Local
from vm.transaction import parse_transaction

PEER = key_of("peer").public_key


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[Local]:
    made = Local(tmp_path, retain_blocks=5)
    made.node.driver.start()
    yield made
    made.close()


async def test_its_transactions_leave_the_pool_and_clients_hear_of_them(local: Local) -> None:
    raw = local.chain.sign("aurora-admin", [program_op("miles", "aurora")])
    tx, node = parse_transaction(raw), local.node
    node.mempool.add(tx, OWN, len(raw))
    waiting = asyncio.create_task(node.wait_committed([tx.id], 60_000))
    await asyncio.sleep(0)
    local.commit([raw])
    assert not node.is_pending(tx.id)
    assert await asyncio.wait_for(waiting, 10) == [True]


async def test_it_is_counted(local: Local) -> None:
    local.commit()
    assert b"entente_blocks_total 1.0" in local.node.metrics()


async def test_validators_are_judged_by_it_before_the_next_height_begins(local: Local) -> None:
    judged: list[int] = []
    counts: Any = local.node.accusations.counts
    counts.height_decided = lambda state, certificate: judged.append(state.here.height)
    local.commit()
    assert judged == [1]
    assert local.node.driver.state.here.height == 2


async def test_sync_and_peers_learn_the_new_head(local: Local) -> None:
    local.node.claims.peer_at(PEER, 1)
    assert local.node.claims.behind
    local.commit()
    assert not local.node.claims.behind
    assert local.node.manager._status.height == 1


async def test_the_disk_is_looked_at_and_old_blocks_may_go(local: Local) -> None:
    looked: list[int] = []
    local.node.settings.disk.check = lambda: looked.append(local.chain.height)  # type: ignore[method-assign]
    local.commit()
    assert looked == [1]
    assert local.node.pruner is not None
    assert local.node.pruner._due.is_set()


async def test_consumers_are_given_it_and_hear_that_the_node_stops(tmp_path: Path) -> None:
    local = Local(tmp_path)
    local.node.driver.start()
    subscription = local.node.feed.subscribe("consumer")
    local.commit()
    assert (await subscription.next()).header.height == 1
    waiting = asyncio.create_task(subscription.next())
    await asyncio.sleep(0)
    await local.node.stop()
    with pytest.raises(FeedClosed):
        await asyncio.wait_for(waiting, 10)


@pytest.mark.parametrize(("verify", "cores", "count"), [("auto", 2, 0), ("auto", 8, 2), (1, 1, 1), (0, 64, 0)])
async def test_it_has_as_many_workers_as_its_configuration_says_on_this_machine(
    verify: Literal["auto", 0, 1, 2], cores: int, count: int, tmp_path: Path
) -> None:
    made = Local(tmp_path, workers=Workers(verify=verify), cores=cores)
    assert [worker.number for worker in made.node.signatures.workers] == list(range(1, 1 + count))
    made.close()


async def test_what_verifies_for_admission_verifies_for_proposals_and_is_counted(local: Local) -> None:
    node = local.node
    assert node.admission._verifier is node.processor._verifier is node.signatures
    node.signatures.by_workers = 7
    assert b'entente_verified_transactions{by="workers"} 7.0' in node.metrics()
