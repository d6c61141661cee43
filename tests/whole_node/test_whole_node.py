"""Seeds of whole nodes; WHOLE_SEEDS=1000 or WHOLE_SEEDS=500-700 in the environment runs others.

A failing seed replays exactly: `python -m tests.whole_node --seed N`.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulation.world import World

from .cluster import Cluster, Violation, run_seed
from .liars import COMPACT_LIARS, LIARS
from .plan import FAULTS, Plan, draw_plan

CHUNK = 4


def seeds_wanted(default: int) -> range:
    """Return the seeds to run."""
    first, _, last = os.environ.get("WHOLE_SEEDS", str(default)).rpartition("-")
    return range(int(first), int(last)) if first else range(int(last))


SEEDS = seeds_wanted(100)


@pytest.mark.parametrize("chunk", range(SEEDS.start, SEEDS.stop, CHUNK))
def test_seeds(chunk: int) -> None:
    for seed in range(chunk, min(chunk + CHUNK, SEEDS.stop)):
        run_seed(seed)


@pytest.mark.parametrize("seed", [7, 20])
def test_a_seed_replays_exactly_in_another_process(seed: int) -> None:
    traces = {run_seed(seed).checkers.trace.hexdigest()}
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-m", "tests.whole_node", "--seed", str(seed)]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        traces.add(told.split("trace ")[1].split()[0])
    assert len(traces) == 1
    assert run_seed(seed + 1).checkers.trace.hexdigest() not in traces


def test_the_seeds_of_the_suite_draw_every_fault_and_lie() -> None:
    plans = [draw_plan(World(seed)) for seed in range(100)]
    assert {kind for plan in plans for kinds in plan.faults for kind in kinds} == {*FAULTS, *LIARS} - {"liar"}


def test_a_sound_cluster_serves_everyone_at_once() -> None:
    cluster = Cluster(1, Plan(observers=1))
    cluster.run()
    assert all(purchase.receipt is not None for purchase in cluster.clients.purchases)
    assert max(cluster.checkers.decided) > 20
    assert all(host.lives == 1 for host in cluster.hosts)


def test_a_node_that_joins_late_fetches_a_snapshot() -> None:
    cluster = Cluster(3, Plan(observers=1, late=True, snapshot_distance=5))
    cluster.run()
    assert cluster.hosts[-1].snapshots_installed >= 1


@pytest.mark.parametrize("seed", range(8))
def test_a_node_that_joins_late_catches_up_beside_one_that_lies_about_blocks(seed: int) -> None:
    cluster = Cluster(seed, Plan(faults=(("lies about blocks", "boasts"),), observers=1, late=True))
    cluster.run()
    assert cluster.hosts[-1].snapshots_installed == 0


def test_compact_proposals_are_resolved_from_gossip() -> None:
    cluster = Cluster(1, Plan(compact=True))
    cluster.run()
    assert cluster.checkers.batches_named > 10
    assert cluster.checkers.candidates_asked < cluster.checkers.batches_named
    assert all(purchase.receipt is not None for purchase in cluster.clients.purchases)
    assert all(host.lives == 1 for host in cluster.hosts)


@pytest.mark.parametrize("seed", range(12))
def test_liars_about_batches_and_trouble_stop_nobody(seed: int) -> None:
    plan = draw_plan(World(seed))
    plan.compact = True
    plan.faults = (*plan.faults[1:], (*COMPACT_LIARS, "withholds"))
    Cluster(seed, plan).run()


@pytest.mark.parametrize("seed", range(2))
def test_thirteen_validators_with_liars_crashes_and_one_that_joins_late(seed: int) -> None:
    faults = (*[tuple(COMPACT_LIARS)] * 2, ("split proposals", *COMPACT_LIARS), ("withholds",))
    plan = Plan(n=13, faults=faults, compact=True, drop_percent=2, crashes=2, late=True)
    cluster = Cluster(seed, plan)
    cluster.run()
    assert cluster.checkers.batches_named > 10


@pytest.mark.parametrize("seed", range(3))
def test_an_alliance_with_an_older_release_among_it_does_not_split(seed: int) -> None:
    cluster = Cluster(seed, Plan(n=4, compact=True, old_releases=2, crashes=2, drop_percent=2))
    cluster.run()
    assert cluster.checkers.batches_named >= 3  # what several nodes told goes by hash


def test_a_violation_names_the_seed_and_how_to_repeat_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(cluster: Cluster) -> None:
        cluster.checkers.fail("a rule is broken")

    monkeypatch.setattr(Cluster, "_calm", deny)
    with pytest.raises(Violation, match=r"a rule is broken(.|\n)*python -m tests.whole_node --seed 4$"):
        run_seed(4)
