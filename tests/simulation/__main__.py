"""`python -m tests.simulation --seed N` replays a run; `--seeds A-B` looks for new ones.

`--mutants` breaks the core one rule at a time and tells which seed notices; some rules only unit tests
can see (docs/consensus.md).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable

from .checkers import Violation
from .cluster import run_seed
from .mutants import MUTANTS, broken


def find(name: str, seeds: Iterable[int]) -> str:
    """Tell which seed notices a broken rule, and how."""
    with broken(name):
        for seed in seeds:
            try:
                run_seed(seed)
            except Violation as violation:
                return f"seed {seed}: {violation.__cause__!r:.120}"
    return "not noticed"


def main() -> int:
    """Run the seeds asked for and tell what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="replay one seed")
    parser.add_argument("--seeds", default="0-50", help="a range A-B, B excluded")
    parser.add_argument("--mutants", action="store_true", help="run the seeds against broken cores")
    arguments = parser.parse_args()
    first, last = (int(part) for part in arguments.seeds.split("-"))
    seeds: Iterable[int] = range(first, last) if arguments.seed is None else [arguments.seed]
    if arguments.mutants:
        for name in MUTANTS:
            print(f"{name:50} {find(name, seeds)}", flush=True)
        return 0
    failed = 0
    for seed in seeds:
        began = time.perf_counter()
        try:
            cluster = run_seed(seed)
        except Violation as violation:
            failed += 1
            print(f"FAILED {violation}")
            if arguments.seed is not None:
                raise
            continue
        heights = max(host.ledger.height for host in cluster.hosts)
        rounds = max(cluster.checkers.rounds.values(), default=0)
        print(
            f"seed {seed}: {heights} blocks, highest round {rounds}, calm {cluster.calm_ms} ms, "
            f"{cluster.world.steps} events, {time.perf_counter() - began:.2f} s, {cluster.plan}"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
