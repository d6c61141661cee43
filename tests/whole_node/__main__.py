"""`--seed N` replays a run, `--soak N` or `--soak A-B` runs many seeds on all cores."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from tests.simulation.soak import seeds_of, soak

from .cluster import Cluster, Violation, run_seed


def describe(cluster: Cluster) -> str:
    """Tell in a few lines what a run was like."""
    facts = ", ".join(f"{count} {what}" for what, count in sorted(counts_of(cluster).items()))
    return (
        f"seed {cluster.seed}: {cluster.plan}\n"
        f"  calm {cluster.calm_ms} ms, {facts}\n"
        f"  trace {cluster.checkers.trace.hexdigest()}"
    )


def counts_of(cluster: Cluster) -> Counter[str]:
    """Return what happened in a run, in figures."""
    return Counter(
        {
            "events": cluster.world.steps,
            "blocks": max(cluster.checkers.decided, default=0),
            "lives": sum(host.lives for host in cluster.hosts),
            "power cuts": sum(host.power_cuts for host in cluster.hosts),
            "writes lost": sum(host.disk.lost for host in cluster.hosts),
            "snapshots": sum(host.snapshots_installed for host in cluster.hosts),
            "purchases": len(cluster.clients.purchases),
            "receipts": sum(purchase.receipt is not None for purchase in cluster.clients.purchases),
        }
    )


def run_chunk(seeds: range, _: str | None) -> tuple[Counter[str], list[str]]:
    """Run some seeds; return what to add up, and the failures."""
    counts: Counter[str] = Counter()
    failures = []
    for seed in seeds:
        counts["seeds"] += 1
        try:
            counts += counts_of(run_seed(seed))
        except Violation as violation:
            failures.append(str(violation))
    return counts, failures


def whole_node(seed: int | None, seeds: range) -> int:
    """Replay one seed, or run all of a range; return the exit code."""
    if seed is None:
        return soak(seeds, None, run_chunk)
    print(describe(run_seed(seed)))
    return 0


def main() -> int:
    """Do what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="replay one seed and tell what happened")
    parser.add_argument("--soak", metavar="N|A-B", help="run N fresh seeds, or those from A to B (B excluded)")
    arguments = parser.parse_args()
    return whole_node(arguments.seed, seeds_of(arguments.soak or "1000"))


if __name__ == "__main__":
    sys.exit(main())
