"""`make model`: visits every state at small bounds, then shows that each broken rule is found."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from .explore import explore
from .protocol import RULE_NAMES, Bounds, Rules

WHOLE = (Bounds(4, 2), Bounds(5, 2), Bounds(6, 2), Bounds(4, 3))
"""Sizes at which every state is visited; one Byzantine validator in each."""

DEEP = {"highest_wins": 3, "seals_bind_round": 4}
"""Rounds that a broken rule needs for a disagreement; 2 where it is not named. Beyond 2 the search is greedy."""


def main() -> int:
    """Print both tables; exit code 1 where the protocol disagrees or a broken rule does not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", action="store_true", help="tell how each broken rule leads to two decisions")
    arguments = parser.parse_args()
    console = Console()
    sound = Table("n", "rounds", "states", "transitions", "s", "two values decided")
    wrong = False
    for bounds in WHOLE:
        result = explore(bounds)
        wrong |= bool(result.trace)
        found = "[red]yes[/]" if result.trace else "never"
        counts = (f"{result.states:,}", f"{result.transitions:,}", f"{result.seconds:.1f}")
        sound.add_row(str(bounds.n), str(bounds.rounds), *counts, found)
    console.print(sound)
    broken = Table("broken rule", "n", "rounds", "states until found", "s", "steps to two decisions")
    for name in (*RULE_NAMES, "quorum_is_whole"):
        n = 5 if name == "quorum_is_whole" and broken.row_count else 4  # with n = 5 one less is 2f + 1
        rounds = DEEP.get(name, 2)
        result = explore(Bounds(n, rounds), replace(Rules(), **{name: False}), greedy=name in DEEP)
        wrong |= not result.trace
        found = str(len(result.trace)) if result.trace else "[red]not found[/]"
        broken.add_row(name, str(n), str(rounds), f"{result.states:,}", f"{result.seconds:.1f}", found)
        if arguments.traces:
            console.print(f"{name} broken:", *(f"  {line}" for line in result.trace), sep="\n")
    console.print(broken)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
