"""Runs the simulator's seeds A-B, the only argument, up to the first violation."""

from __future__ import annotations

import sys

from tests.simulation.checkers import Violation
from tests.simulation.cluster import run_seed
from tests.simulation.soak import seeds_of


def main() -> int:
    """Tell which seed notices, and how; exit code 1 where one does."""
    for seed in seeds_of(sys.argv[1]):
        try:
            run_seed(seed)
        except Violation as violation:
            print(f"NOTICED seed {seed}: {violation.__cause__}"[:160].replace("\n", " "))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
