"""Changes of the validators at their edges, in storms, with liars, hunted locks and mass restarts.

Several in one block or in adjacent ones, a key that leaves and returns, the proposer of the change itself, and
replacements that come faster than they decide.
"""

from __future__ import annotations

import pytest

from .cluster import Cluster
from .ledger import Change, changed
from .plan import LIVENESS, SAFETY, Move, Plan
from .strategies import STRATEGIES

SEEDS = range(6)
BLOCK_MS = 500
"""About the time from one block to the next where nothing is wrong."""


def leave(at_ms: int, **more: bool) -> Move:
    return Move(at_ms, adds=False, removes=True, **more)


def join(at_ms: int, **more: bool) -> Move:
    return Move(at_ms, adds=True, removes=False, **more)


def swap(at_ms: int, **more: bool) -> Move:
    return Move(at_ms, adds=True, removes=True, **more)


EDGES = {
    "three leave at once and return at once": (7, 4, [*[leave(3_000)] * 3, *[join(9_000, returns=True)] * 3]),
    "two leave in adjacent blocks and return in adjacent blocks": (
        6,
        4,
        [leave(3_000), leave(3_000 + BLOCK_MS), join(6_000, returns=True), join(6_000 + BLOCK_MS, returns=True)],
    ),
    "one leaves and returns before it is gone, and again within a block": (
        6,
        5,
        [leave(3_000), join(3_000 + BLOCK_MS, returns=True), leave(6_000), join(6_000, returns=True)],
    ),
    "keys are replaced faster than they decide": (4, 4, [swap(3_000 + i * BLOCK_MS) for i in range(4)]),
    "the proposer of it leaves": (7, 4, [leave(at_ms, proposer=True) for at_ms in (2_000, 6_000, 10_000)]),
    "the proposer of the change is replaced": (
        4,
        4,
        [swap(at_ms, proposer=True) for at_ms in (2_000, 5_000, 8_000)],
    ),
    "it grows by three and shrinks by three at once": (4, 4, [*[join(2_000)] * 3, *[leave(8_000)] * 3]),
}
"""How many there are at first, how few there are at some time, and what is done."""


def plan_of(seed: int, n: int, edge: list[Move]) -> Plan:
    """Return a storm, or in every third seed permanent faults in which every height must be decided in time."""
    plan = Plan(n=n, moves=tuple(edge))
    lies = sorted(STRATEGIES)
    faulty = (plan.fewest - 1) // 3
    plan.faults = tuple((lies[(seed * 5 + i) % len(lies)], lies[(seed * 3 + i) % len(lies)]) for i in range(faulty))
    plan.mode = LIVENESS if seed % 3 == 0 else SAFETY
    plan.max_delay_ms = 100
    plan.drop_percent = 1
    if plan.mode == SAFETY:
        plan.hunt = seed % 2 == 0
        plan.crashes, plan.mass_restarts, plan.drop_percent = 4, seed % 3, 10
        plan.lossy_kind = ("", "commit", "prepare", "round_change")[seed % 4]
    return plan


@pytest.mark.parametrize("edge", EDGES)
def test_an_edge_holds_in_storms_and_with_liars(edge: str) -> None:
    n, fewest, planned = EDGES[edge]
    sizes = set()
    for seed in SEEDS:
        cluster = Cluster(seed, plan_of(seed, n, planned))
        cluster.run()
        ledger = max((host.ledger for host in cluster.correct), key=lambda each: each.height)
        sizes |= {ledger.validators_at(height).n for height in range(1, ledger.height + 1)}
        assert all(tx in ledger.done for tx in cluster.changes), f"seed {seed}: a change is not in the chain"
        assert len(cluster.changes) == len(planned)
    assert min(sizes) == fewest


def test_a_certificate_keeps_the_seals_of_a_validator_that_floods_until_the_block_is_executed() -> None:
    """The seed that found seals lost: one sender's COMMITs for later rounds came before the block was executed."""
    n, _, planned = EDGES["keys are replaced faster than they decide"]
    Cluster(106, plan_of(106, n, planned)).run()


def test_the_toy_ledger_removes_the_proposer_of_the_change_and_never_the_fourth() -> None:
    five = tuple(bytes([i]) * 32 for i in range(5))
    alone = Change(None, None, remove_proposer=True)
    assert changed(five, alone, five[2]) == (*five[:2], *five[3:])
    assert changed(five[:4], alone, five[2]) == five[:4]
    assert changed(five[:4], Change(five[4], None, remove_proposer=True), five[0]) == five[1:]
