"""Seeds of the simulator; SEEDS=1000 or SEEDS=500-700 in the environment runs others.

A failing seed replays exactly: `python -m tests.simulation --seed N`.
"""

from __future__ import annotations

import pytest

from .checkers import Violation
from .cluster import Cluster, Plan, run_seed, seeds_wanted
from .ledger import BASE_TIMEOUT_MS
from .mutants import broken

SEEDS = seeds_wanted(200)
CHUNK = 10


def quiet_plan(n: int, faults: tuple[str, ...] = (), real_signatures: bool = False) -> Plan:
    """A sound network."""
    return Plan(
        n=n,
        faults=faults,
        real_signatures=real_signatures,
        membership_change=None,
        drop_percent=0,
        lossy_kind="",
        duplicate_percent=0,
        max_delay_ms=20,
        skew_ms=0,
        hunt=False,
    )


def quiet_cluster(seed: int, plan: Plan) -> Cluster:
    """A cluster that is started on a sound network, with no trouble ahead."""
    cluster = Cluster(seed, plan)
    for host in cluster.hosts:
        host.start()
    return cluster


@pytest.mark.parametrize("chunk", range(SEEDS.start, SEEDS.stop, CHUNK))
def test_seeds(chunk: int) -> None:
    for seed in range(chunk, min(chunk + CHUNK, SEEDS.stop)):
        run_seed(seed)


@pytest.mark.parametrize("seed", [3, 17])
def test_a_seed_replays_exactly(seed: int) -> None:
    first, second = run_seed(seed), run_seed(seed)
    assert first.checkers.trace.digest() == second.checkers.trace.digest()
    assert first.world.steps == second.world.steps
    assert run_seed(seed + 1).checkers.trace.digest() != first.checkers.trace.digest()


@pytest.mark.parametrize("n", [4, 7])
def test_real_signatures(n: int) -> None:
    cluster = quiet_cluster(n, quiet_plan(n, real_signatures=True))
    cluster.world.run_until(5_000)
    assert min(host.ledger.height for host in cluster.hosts) >= 8


@pytest.mark.parametrize("n", [4, 5, 6, 7])
def test_without_faults_every_block_takes_one_round(n: int) -> None:
    cluster = quiet_cluster(n, quiet_plan(n))
    cluster.world.run_until(20_000)
    assert min(host.ledger.height for host in cluster.hosts) >= 35
    assert set(cluster.checkers.rounds.values()) == {0}
    # Everyone proposes in turn, and late seals are embedded.
    proposers = [block.header.proposer for block, _ in cluster.hosts[0].ledger.blocks[:n]]
    assert proposers == [host.key for host in cluster.hosts]
    seals = [len(block.parent_certificate.seals) for block, _ in cluster.hosts[0].ledger.blocks[1:]]
    assert max(seals) == n


@pytest.mark.parametrize(("n", "dead"), [(4, 1), (7, 2)])
def test_a_dead_validator_costs_one_timeout_not_one_in_every_n_blocks(n: int, dead: int) -> None:
    cluster = quiet_cluster(n, quiet_plan(n))
    for host in cluster.hosts[:dead]:
        host.crash()
    blocks = 60
    alive = cluster.hosts[dead:]
    in_time = blocks * 800 + 4 * dead * 2 * BASE_TIMEOUT_MS
    assert cluster.world.run_until(in_time, lambda: all(host.ledger.height >= blocks for host in alive))
    # In the first 17 heights everybody counts as active; after that the dead are skipped.
    late = [height for height, round_ in cluster.checkers.rounds.items() if round_ > 0]
    assert late
    assert max(late) <= 18
    # Back as soon as its seals are: it proposes again.
    back = cluster.hosts[0]
    back.start()
    cluster.world.run_until(cluster.world.now + 20_000)
    assert back.ledger.height >= alive[0].ledger.height - 1
    assert back.key in {block.header.proposer for block, _ in alive[0].ledger.blocks[blocks:]}


def test_a_minority_decides_nothing() -> None:
    cluster = quiet_cluster(1, quiet_plan(4))
    for host in cluster.hosts[:2]:
        host.crash()
    cluster.world.run_until(60_000)
    assert {host.ledger.height for host in cluster.hosts[2:]} == {0}
    for host in cluster.hosts[:2]:
        host.start()
    assert cluster.world.run_until(75_000, lambda: all(host.ledger.height > 3 for host in cluster.hosts)), (
        "no progress after the others came back"
    )


def test_a_node_with_broken_execution_halts_and_the_others_go_on() -> None:
    cluster = quiet_cluster(5, quiet_plan(4, faults=("broken",)))
    cluster.world.run_until(30_000)
    halted = cluster.hosts[0].halted
    assert halted is not None
    assert halted.reason == "a quorum sealed other roots than ours"
    assert halted.details["own_state_root"] != halted.details["sealed_state_root"]
    assert min(host.ledger.height for host in cluster.hosts[1:]) > 20


@pytest.mark.parametrize(
    "name",
    [
        "quorum is one smaller",
        "the log is ignored after a restart",
        "the timer of a later round starts by itself",
        "certified roots are not compared with ours",
        "every proposal of a round is accepted",
        "nothing is re-broadcast",
    ],
)
def test_the_simulator_notices_broken_rules(name: str) -> None:
    def look() -> None:
        for seed in range(20):
            run_seed(seed)

    with broken(name), pytest.raises(Violation, match=r"tests\.simulation --seed"):
        look()
