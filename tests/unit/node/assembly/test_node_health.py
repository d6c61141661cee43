"""What a node says of itself where its clock is behind or its store is damaged: never ready, and why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.store import StoreCorrupt
from tests.support.driver import until
from tests.unit.node.assembly.test_node_membership import Local


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[Local]:
    made = Local(tmp_path)
    yield made
    made.close()


def metric(local: Local, name: str) -> float:
    (line,) = [line for line in local.node.metrics().decode().splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


async def test_a_clock_that_was_put_back_is_named_and_forgotten_again(local: Local) -> None:
    local.node.driver.start()
    local.commit()
    local.clock.now -= 600_000
    assert local.node.node_health()["reasons"][0].startswith("clock: the head is 600 s ahead of this node's clock")
    assert metric(local, "entente_head_ahead_seconds") == 600.0
    local.clock.now += 600_000
    assert not any("clock" in reason for reason in local.node.node_health()["reasons"])
    assert metric(local, "entente_head_ahead_seconds") == 0.0
    assert metric(local, "entente_work_waiting_seconds") == 0.0


async def test_damage_that_any_thread_meets_halts_the_node_with_what_to_do(local: Local) -> None:
    await local.node.start()
    try:
        damage = StoreCorrupt("data/000007.ldb is damaged: block checksum mismatch")
        await asyncio.get_running_loop().run_in_executor(None, local.chain.store._note_damage, damage)
        await until(lambda: local.node.supervisor.halted is not None)
        health = local.node.node_health()
        assert (health["live"], health["ready"]) == (True, False)
        assert health["reasons"][0].startswith("halted: the store is damaged: data/000007.ldb is damaged")
        assert "entente node check --home HOME" in health["reasons"][0]
        assert "move HOME/data away" in health["reasons"][0]
        assert not local.node.supervisor.failed.is_set(), "a restart heals nothing: the process stays and says so"
    finally:
        local.node.supervisor.met(damage)
        assert not local.node.supervisor.failed.is_set()
        await local.node.supervisor.stop()
        await local.node.manager.stop()


async def test_a_node_for_which_a_snapshot_waits_commits_nothing_more(local: Local) -> None:
    """The snapshot takes the place of its store, with all that would come after it."""
    local.node.driver.start()
    local.commit()
    for act in local.node.snapshots._on_ready:
        act()
    local.commit()
    assert local.chain.height == 1
    assert local.node.driver.stopped
