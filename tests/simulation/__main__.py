"""`--seed N` replays a run, `--soak N` runs many seeds on all cores, `--latency` measures what liars cost."""

from __future__ import annotations

import argparse
import sys

from tests.whole_node.__main__ import whole_node

from .cluster import run_seed
from .plan import LIVENESS, SAFETY
from .soak import seeds_of, soak
from .summary import describe, measure_latency


def main() -> int:
    """Do what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="replay one seed and tell what happened")
    parser.add_argument("--soak", metavar="N|A-B", help="run N fresh seeds, or those from A to B (B excluded)")
    parser.add_argument("--mode", choices=[SAFETY, LIVENESS], help="instead of the one that the seed draws")
    parser.add_argument(
        "--whole-node", action="store_true", help="whole nodes (tests/whole_node) in place of the core"
    )
    parser.add_argument("--latency", action="store_true", help="measure what each Byzantine strategy costs")
    arguments = parser.parse_args()
    if arguments.whole_node:
        return whole_node(arguments.seed, seeds_of(arguments.soak or "1000"))
    if arguments.seed is not None:
        print(describe(run_seed(arguments.seed, arguments.mode)))
        return 0
    if arguments.latency:
        measure_latency()
        return 0
    return soak(seeds_of(arguments.soak or "1000"), arguments.mode)


if __name__ == "__main__":
    sys.exit(main())
