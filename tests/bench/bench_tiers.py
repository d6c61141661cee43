"""What a level costs: to ask for, and to count points for, by how many days a member has points on.

Run: .venv/bin/python -m tests.bench.bench_tiers [--members N]

CPU µs and work units of one call, medians of rounds over so many members on a chain in memory, none of whom is met
twice in a round. "Cold" decodes each standing anew, "warm" finds it decoded; tree and commit are not in it.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable

from contracts_py.identity import Authority
from contracts_py.tier import TierHooks, Tiers
from contracts_py.tier.records import ALARMS, STANDINGS, Standing
from tests.contract_harness import CHAIN, START, Chain, account_of, brand_ops
from vm.contract_api import MS_PER_DAY, Context
from vm.state_view import BlockOverlay

DAYS = (1, 30, 100, 365)
ROUNDS = 5
LEVELS = [
    {"name": "bronze", "threshold": 0},
    {"name": "silver", "threshold": 10_000},
    {"name": "gold", "threshold": 30_000, "benefits": ["lounge"]},
]
TERMS = {"brand": "aurora", "metric": "points", "levels": LEVELS, "window_days": 365, "grace_days": 60}

Deed = Callable[[Context, str], object]


def prepared(members: list[str], days: int) -> Chain:
    """Return a chain on which each member has points on so many of the last days."""
    chain = Chain([*brand_ops("aurora"), ("tier.define", TERMS)], watched=False)
    today = START // MS_PER_DAY
    standing = Standing(
        tuple(range(today - days + 1, today + 1)), (137,) * days, START, "gold", 2, alarm=START + MS_PER_DAY
    )

    def write(ctx: Context) -> None:
        for member in members:
            STANDINGS.put(ctx, standing, "aurora", "main", member)
            ALARMS.add(ctx, "aurora", "main", item=(START + MS_PER_DAY, member))

    chain.govern(write)
    return chain


def measured(chain: Chain, members: list[str], deed: Deed, *, cold: bool) -> tuple[float, int]:
    """Return (CPU µs, work units) of one call."""
    taken = []
    units = 0
    for _ in range(ROUNDS):
        if cold:
            chain.state = chain.state.fork()
            chain.state._objects.clear()
        ctx = Context(BlockOverlay(chain.state), CHAIN, 1, START + 1, 10**12, governance=True)
        gc.collect()
        begun = time.thread_time()
        for member in members:
            deed(ctx, member)
        taken.append((time.thread_time() - begun) / len(members) * 1e6)
        units = ctx.cost // len(members)
    return statistics.median(taken), units


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=500)
    arguments = parser.parse_args()
    members = [account_of(f"member-{number}") for number in range(arguments.members)]
    hooks = TierHooks()
    hooks.changed.wire()
    tiers = Tiers(Authority(), hooks)
    deeds: dict[str, Deed] = {
        "status_of": lambda ctx, member: tiers.status_of(ctx, "aurora", member),
        "add_points": lambda ctx, member: tiers.add_points(ctx, "aurora", member, 50, START),
    }
    print("| days with points | call | warm µs | cold µs | units |\n|---|---|---|---|---|")
    for days in DAYS:
        chain = prepared(members, days)
        for name, deed in deeds.items():
            warm, units = measured(chain, members, deed, cold=False)
            cold, _ = measured(chain, members, deed, cold=True)
            print(f"| {days} | `{name}` | {warm:.1f} | {cold:.1f} | {units} |")


if __name__ == "__main__":
    main()
