"""Seeds of the simulator; SEEDS=1000 or SEEDS=500-700 in the environment runs others.

A failing seed replays exactly: `python -m tests.simulation --seed N`.
"""

from __future__ import annotations

import os

import pytest

from consensus import rounds, state_machine

from .checkers import Violation
from .cluster import Cluster, run_seed
from .ledger import BASE_TIMEOUT_MS
from .plan import FAULTS, LIVENESS, SAFETY, SILENT_FAULTS, Plan, draw_plan
from .strategies import COMPACT_STRATEGIES, STRATEGIES
from .world import World

CHUNK = 10


def seeds_wanted(default: int) -> range:
    """Return the seeds to run: SEEDS=200 or SEEDS=1000-1100 in the environment."""
    first, _, last = os.environ.get("SEEDS", str(default)).rpartition("-")
    return range(int(first), int(last)) if first else range(int(last))


SEEDS = seeds_wanted(500)


def quiet_cluster(seed: int, plan: Plan) -> Cluster:
    """A cluster that is started on a sound network, with no trouble ahead."""
    cluster = Cluster(seed, plan)
    cluster.clients.start(10**9)
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


def test_the_seeds_of_the_suite_draw_every_size_fault_and_strategy() -> None:
    plans = [draw_plan(World(seed)) for seed in range(500)]
    kinds = {kind for plan in plans for kinds in plan.faults for kind in kinds}
    assert kinds == {*STRATEGIES, *COMPACT_STRATEGIES, *FAULTS} - {"liar"}
    assert {plan.n for plan in plans} == set(range(4, 14))
    assert sum(plan.mode == LIVENESS for plan in plans) > 80
    assert sum(bool(plan.moves) for plan in plans) > 150
    assert all(len(plan.faults) == (plan.fewest - 1) // 3 and plan.fewest >= 4 for plan in plans)


@pytest.mark.parametrize("kind", [*SILENT_FAULTS, "twin", "broken", *STRATEGIES])
def test_f_faulty_validators_of_one_kind_do_not_stop_the_others(kind: str) -> None:
    cluster = Cluster(1, Plan(n=7, mode=LIVENESS, faults=((kind,), (kind,)), max_delay_ms=50))
    cluster.run()
    assert len(cluster.checkers.decided) > 10


def test_compact_proposals_are_resolved_or_asked_for() -> None:
    cluster = quiet_cluster(1, Plan(n=13, compact=True))
    cluster.world.run_until(15_000)
    assert min(host.ledger.height for host in cluster.hosts) >= 26
    assert set(cluster.checkers.rounds.values()) == {0}
    assert cluster.batches_named > 10
    assert 0 < cluster.batches_missed < cluster.batches_named * 12


@pytest.mark.parametrize("n", [4, 7])
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("mode", [SAFETY, LIVENESS])
def test_f_liars_about_batches_stop_nobody(n: int, seed: int, mode: str) -> None:
    f = (n - 1) // 3
    plan = Plan(n=n, mode=mode, faults=(tuple(COMPACT_STRATEGIES),) * f, compact=True, max_delay_ms=50)
    if mode == SAFETY:
        plan.crashes, plan.partitions, plan.drop_percent, plan.rotate_bytes = 6, 1, 10, 1
    cluster = Cluster(seed, plan)
    cluster.run()
    assert len(cluster.checkers.decided) > 10
    assert cluster.batches_named > 0


@pytest.mark.parametrize("kind", [*SILENT_FAULTS, "twin", *sorted(STRATEGIES)])
def test_faults_of_every_kind_are_met_with_compact_proposals(kind: str) -> None:
    plan = Plan(n=4, mode=LIVENESS, faults=((kind,),), compact=True, max_delay_ms=50)
    cluster = Cluster(3, plan)
    cluster.run()
    assert len(cluster.checkers.decided) > 10


@pytest.mark.parametrize("n", [4, 7])
def test_real_signatures(n: int) -> None:
    cluster = quiet_cluster(n, Plan(n=n, real_signatures=True))
    cluster.world.run_until(5_000)
    assert min(host.ledger.height for host in cluster.hosts) >= 8


@pytest.mark.parametrize("n", [4, 5, 6, 7, 13])
def test_without_faults_every_block_takes_one_round(n: int) -> None:
    cluster = quiet_cluster(n, Plan(n=n))
    cluster.world.run_until(15_000)
    assert min(host.ledger.height for host in cluster.hosts) >= 26
    assert set(cluster.checkers.rounds.values()) == {0}
    # Everyone proposes in turn, and late seals are embedded.
    proposers = [block.header.proposer for block, _ in cluster.hosts[0].ledger.blocks[:n]]
    assert proposers == [host.key for host in cluster.hosts]
    certificates = [block.parent_certificate for block, _ in cluster.hosts[0].ledger.blocks[1:]]
    assert max(len(certificate.seals) for certificate in certificates if certificate is not None) == n


@pytest.mark.parametrize(("n", "dead"), [(4, 1), (7, 2)])
def test_a_dead_validator_costs_one_timeout_not_one_in_every_n_blocks(n: int, dead: int) -> None:
    cluster = quiet_cluster(n, Plan(n=n))
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


def test_a_victim_of_few_seals_stays_in_the_order() -> None:
    cluster = quiet_cluster(2, Plan(n=4, faults=(("fewest seals",),)))
    cluster.world.run_until(40_000)
    victim = cluster.hosts[3].key
    late = [block.header.proposer for block, _ in cluster.hosts[1].ledger.blocks[40:]]
    assert late.count(victim) >= len(late) // 4 - 2


def test_clocks_that_are_apart_hold_blocks_back_and_go_on() -> None:
    cluster = quiet_cluster(3, Plan(n=4))
    for host, skew_ms in zip(cluster.hosts, (-1_500, -1_500, 1_500, 1_500), strict=True):
        host.skew_ms = skew_ms
    cluster.world.run_until(30_000)
    assert cluster.held_back > 0
    assert min(host.ledger.height for host in cluster.hosts) >= 20


def test_a_minority_decides_nothing() -> None:
    cluster = quiet_cluster(1, Plan(n=4))
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
    cluster = quiet_cluster(5, Plan(n=4, faults=(("broken",),)))
    cluster.world.run_until(30_000)
    halted = cluster.hosts[0].halted
    assert halted is not None
    assert halted.reason == "a quorum sealed other roots than ours"
    assert halted.details["own_state_root"] != halted.details["sealed_state_root"]
    assert min(host.ledger.height for host in cluster.hosts[1:]) > 20


def seeds_notice(mode: str, pattern: str) -> None:
    def run_seeds() -> None:
        for seed in range(40):
            run_seed(seed, mode)

    with pytest.raises(Violation, match=pattern):
        run_seeds()


def test_the_simulator_notices_a_log_that_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_machine, "restore", lambda state, records: None)
    seeds_notice(SAFETY, "signed two different messages")


def test_the_simulator_notices_timers_that_never_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rounds, state_machine):
        monkeypatch.setattr(module, "start_timer_if_quorum_is_here", lambda state: None)
    seeds_notice(LIVENESS, r"(?s)height \d+ took \d+ ms.*replay: python -m tests\.simulation --seed")
