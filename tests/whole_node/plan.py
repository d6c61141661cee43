"""What a seed chooses: the size of the cluster, who is faulty and how, and what happens to machines and network.

For STORM_MS anything may happen; then the faults end, but for up to f machines that lie or are dead for ever, and
everyone must be served in time.
"""

from __future__ import annotations

from dataclasses import dataclass

from network.kinds import Kind
from tests.simulation.world import World

from .liars import LIARS

STORM_MS = 16_000
SIZES = (4, 4, 4, 4, 5, 7)
DEAD = "dead"
WIPED = "wiped"
LOG_LOST = "log lost"
RESTORED = "old disk"
FAULTS = ("none", DEAD, WIPED, LOG_LOST, RESTORED, *["liar"] * 6)
"""Dead: never comes back. Wiped: starts again with an empty disk. Log lost: without its vote log. Old disk: with a
copy of its disk of some time before. A liar follows one to three kinds of lies."""


@dataclass
class Plan:
    """What the seed has chosen. The defaults are a sound cluster of four."""

    n: int = 4
    faults: tuple[tuple[str, ...], ...] = ()
    observers: int = 0
    """Full nodes that do not vote."""
    retain_blocks: int | None = None
    """How many blocks all but the first validator and the first observer keep."""
    snapshot_distance: int = 0
    late: bool = False
    """The last machine is started in the midst of the run only, with an empty disk."""
    drop_percent: int = 0
    duplicate_percent: int = 0
    late_percent: int = 0
    break_percent: int = 0
    lossy_kind: Kind | None = None
    max_delay_ms: int = 20
    skew_ms: int = 0
    disk_ms: int = 0
    slow_percent: int = 0
    slowest_turn_ms: int = 0
    crashes: int = 0
    crashes_in_writes: int = 0
    mass_power_cuts: int = 0
    stops: int = 0
    """How often a process stands still for some seconds."""
    partitions: int = 0
    one_way_cuts: int = 0
    full_disks: int = 0
    rotate_bytes: int | None = None
    compact: bool = False
    """Proposals name gossip batches, however few validators there are, and purchases come by bursts."""
    old_releases: int = 0
    """So many of the last validators are of a release that knows no compact proposals."""


def draw_plan(world: World) -> Plan:
    """Choose everything, from a world of its own; never more than f validators are faulty.

    A validator that joins by a snapshot signs again once a block holds its marker (`node.votes.signing_guard`), so
    until then it is one of the f. Where others are faulty, only those, and machines that do not vote, fetch
    snapshots.
    """
    chance = world.random
    plan = Plan(n=chance.choice(SIZES))
    plan.faults = tuple(_draw_fault(world) for _ in range((plan.n - 1) // 3)) if chance.randrange(4) else ()
    plan.late = chance.randrange(2) == 0
    plan.observers = 1 if plan.faults and plan.late else chance.choice([0, 0, 1])
    plan.snapshot_distance = chance.choice([0, 5, 5, 10])
    if not plan.faults:
        plan.retain_blocks = chance.choice([None, 4, 10])
    plan.skew_ms = chance.choice([0, 200, 1_500])
    plan.rotate_bytes = chance.choice([None, 1, 4_000])
    plan.max_delay_ms = chance.choice([5, 20, 20, 80, 300])
    _draw_network(world, plan)
    _draw_machines(world, plan)
    return plan


def _draw_network(world: World, plan: Plan) -> None:
    """Half of the troubles are left out, so that the others meet a chain that lives."""
    chance = world.random
    plan.drop_percent = chance.choice([0, 0, 2, 10])
    plan.duplicate_percent = chance.choice([0, 0, 5, 20])
    plan.late_percent = chance.choice([0, 0, 5, 20])
    plan.break_percent = chance.choice([0, 0, 5, 50])
    kinds = [Kind.CONSENSUS, Kind.TRANSACTIONS, Kind.CANDIDATE, Kind.BLOCKS, Kind.TRANSACTIONS_REPLY]
    plan.lossy_kind = chance.choice([None] * len(kinds) + kinds)
    plan.partitions = chance.choice([0, 0, 0, 1, 3])
    plan.one_way_cuts = chance.choice([0, 0, 0, 2])


def _draw_machines(world: World, plan: Plan) -> None:
    chance = world.random
    plan.disk_ms = chance.choice([0, 0, 10, 100])
    plan.slow_percent = chance.choice([0, 0, 2, 10])
    plan.slowest_turn_ms = chance.choice([5, 30, 200])
    plan.crashes = chance.choice([0, 0, 1, 4])
    plan.crashes_in_writes = chance.choice([0, 2, 4, 8])
    plan.mass_power_cuts = chance.choice([0, 0, 0, 1, 2])
    plan.stops = chance.choice([0, 0, 1, 3])
    plan.full_disks = chance.choice([0, 0, 0, 1])


def _draw_fault(world: World) -> tuple[str, ...]:
    fault: str = world.random.choice(FAULTS)
    if fault != "liar":
        return (fault,)
    return tuple(world.random.sample(sorted(LIARS), world.random.choice([1, 2, 2, 3])))
