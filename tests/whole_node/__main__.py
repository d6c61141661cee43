"""`--seed N` replays a run, `--soak N` or `--soak A-B` runs many seeds on all cores."""

from __future__ import annotations

import argparse
import sys
import time

from .cluster import Cluster, run_seed


def describe(cluster: Cluster) -> str:
    """Tell in a few lines what a run was like."""
    receipts = sum(purchase.receipt is not None for purchase in cluster.clients.purchases)
    return (
        f"seed {cluster.seed}: {cluster.plan}\n"
        f"  {max(cluster.checkers.decided, default=0)} blocks, calm {cluster.calm_ms} ms, "
        f"{cluster.world.steps} events, "
        f"{receipts} of {len(cluster.clients.purchases)} purchases\n"
        f"  lives {[host.lives for host in cluster.hosts]}, power cuts {sum(h.power_cuts for h in cluster.hosts)}, "
        f"writes lost {sum(h.disk.lost for h in cluster.hosts)}, "
        f"snapshots {sum(h.snapshots_installed for h in cluster.hosts)}\n"
        f"  trace {cluster.checkers.trace.hexdigest()}"
    )


def main() -> int:
    """Do what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="replay one seed and tell what happened")
    arguments = parser.parse_args()
    began = time.perf_counter()
    print(describe(run_seed(arguments.seed)))
    print(f"  {time.perf_counter() - began:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
