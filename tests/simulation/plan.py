"""What a seed chooses: the size of the cluster, who is faulty and how, and what the network does.

Two modes. *Safety*: anything may happen for 20 s, then the network is sound. *Liveness*: up to f validators are
faulty for ever, the network loses and delays a little for ever, nothing heals, and every height must be
decided in time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from consensus.compact import COMPACT_FROM

from .losses import LOSSES
from .strategies import COMPACT_STRATEGIES, STRATEGIES
from .world import World

SAFETY = "safety"
LIVENESS = "liveness"

SILENT_FAULTS = ("dead", "mute", "deaf")
"""Sends nothing and hears nothing; hears but is not heard; is heard but hears nothing."""

DOUBLED = "runs twice"

FAULTS = ("none", *SILENT_FAULTS, "broken", "twin", DOUBLED, *LOSSES, *["liar"] * 9)
"""A liar follows one to three strategies; a broken one computes wrong roots; a twin runs twice with one key and no
guard; one that "runs twice" is a home that was copied before its first start, with a guard in both processes."""

ENDS_LATER = ("dead", *LOSSES, DOUBLED)
"""Faults that may take part in the first blocks and be silent later. A validator whose log is new and that starts
after the first block waits for the others to decide without it; then it may find too few of them."""

SIZES = (4, 4, 4, 5, 6, 7)
LARGE_SIZES = (8, 9, 10, 11, 12, 13)
LARGE_PERCENT = 15
"""The work of a run grows with the square of its size, and few bugs need many validators."""


@dataclass(frozen=True)
class Move:
    """A change of the validators that is submitted at some time: by number in the order of creation.

    Attributes:
        returns: whoever is added is the first that has left and not returned, with the same key.
        proposer: whoever is removed is the proposer of the block that holds the change.
    """

    at_ms: int
    adds: bool
    removes: bool
    returns: bool = False
    proposer: bool = False


@dataclass
class Plan:
    """What the seed has chosen. The defaults are a sound cluster of four."""

    n: int = 4
    mode: str = SAFETY
    faults: tuple[tuple[str, ...], ...] = ()
    """For each faulty validator a fault of FAULTS other than liar, or the strategies that it follows."""
    moves: tuple[Move, ...] = ()
    real_signatures: bool = False
    drop_percent: int = 0
    lossy_kind: str = ""
    duplicate_percent: int = 0
    max_delay_ms: int = 20
    skew_ms: int = 0
    disk_ms: int = 0
    crashes: int = 0
    partitions: int = 0
    one_way_cuts: int = 0
    mass_restarts: int = 0
    hunt: bool = False
    """Now and then one host alone decides and is cut off, and the others may restart: locks must hold."""
    rotate_bytes: int | None = None
    """Vote logs begin a new file beyond this size, for each height where it is small; None for the production's."""
    bare: bool = False
    """Vote logs are new at the first start: hosts ask each other where they are before they sign."""
    compact: bool = False
    """Proposals name gossip batches, and transactions come by bursts of which there are some to name."""
    strategies: tuple[str, ...] = field(default=tuple(STRATEGIES), repr=False)

    @property
    def fewest(self) -> int:
        """Return how small the set of validators may become."""
        return self.n - sum(1 for move in self.moves if move.removes and not move.adds)

    def faulty_with(self, kind: str) -> bool:
        """Tell whether a validator has this fault or follows this strategy."""
        return any(kind in kinds for kinds in self.faults)


def draw_plan(world: World, mode: str | None = None) -> Plan:
    """Choose size and faults, from a world of their own; never more than f of any set are faulty."""
    chance = world.random
    n = chance.choice(LARGE_SIZES if world.happens(LARGE_PERCENT) else SIZES)
    drawn_mode = LIVENESS if chance.randrange(4) == 0 else SAFETY
    plan = Plan(n=n, mode=mode or drawn_mode, moves=_draw_moves(world, n), compact=n >= COMPACT_FROM)
    faults = [_draw_fault(world) for _ in range((plan.fewest - 1) // 3)]
    plan.faults = tuple(_with_batches(world, kinds) if plan.compact else kinds for kinds in faults)
    plan.real_signatures = chance.randrange(40) == 0 and n < 8
    plan.duplicate_percent = chance.choice([0, 5, 20])
    plan.skew_ms = chance.choice([0, 200, 1_500])
    plan.rotate_bytes = chance.choice([None, 1, 1, 20_000])
    plan.bare = not any(kinds[0] in ENDS_LATER for kinds in plan.faults) and chance.randrange(3) == 0
    if plan.mode == LIVENESS:
        plan.drop_percent = chance.choice([0, 1, 2])
        plan.max_delay_ms = chance.choice([20, 100, 200])
        plan.disk_ms = chance.choice([0, 10, 50])
        return plan
    plan.drop_percent = chance.choice([0, 2, 10, 25])
    plan.lossy_kind = chance.choice(["", "", "commit", "prepare", "round_change", "proposal"])
    plan.max_delay_ms = chance.choice([20, 100, 600, 1_500])
    plan.disk_ms = chance.choice([0, 0, 10, 100, 400])
    plan.crashes = chance.choice([0, 2, 6, 15])
    plan.partitions = chance.choice([0, 1, 3])
    plan.one_way_cuts = chance.choice([0, 0, 2, 6])
    plan.mass_restarts = chance.choice([0, 0, 1, 4])
    plan.hunt = chance.randrange(3) == 0
    return plan


def _draw_moves(world: World, n: int) -> tuple[Move, ...]:
    """Add, remove or replace a validator, up to four times, never below four."""
    chance = world.random
    moves: list[Move] = []
    left = n
    for _ in range(chance.choice([0, 0, 0, 1, 2, 4])):
        adds, removes = chance.choice([(True, False), (False, True), (True, True)])
        if removes and not adds and left == 4:
            adds = True
        left -= removes and not adds
        moves.append(Move(chance.randint(0, 15_000), adds, removes))
    return tuple(moves)


def _with_batches(world: World, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Let half of the liars lie about batches as well."""
    return (*kinds, *COMPACT_STRATEGIES) if kinds[0] in STRATEGIES and world.below(2) else kinds


def _draw_fault(world: World) -> tuple[str, ...]:
    fault = world.random.choice(FAULTS)
    if fault != "liar":
        return (fault,)
    return tuple(world.random.sample(sorted(STRATEGIES), world.random.choice([1, 2, 2, 3])))
