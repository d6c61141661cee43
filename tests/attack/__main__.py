"""Attack four real validators in every way that docs/security.md names, and print what it cost them.

    python -m tests.attack [--only NAME]… [--seconds 20] [--cases 50000] [--frames 2000] [--seed 1] [--port 28000]

Each attack has a network of its own. A row tells what was done, what a till waited before and during it, what the
validators held in memory before, at most, and a minute after (or as soon as they were back), what their logs grew
by, and which of them ended. The exit code is 1 where an outcome is missed (tests/attack/verdict.py has the bounds).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.attack import (
    backups,
    bodies,
    descriptors,
    floods,
    frames,
    headers,
    homes,
    links,
    malformed,
    proposals,
    reads,
    signing,
    unread,
)
from tests.attack.scene import Options
from tests.attack.verdict import Row, faults_of
from tests.support.network import end_on_sigterm

ATTACKS: Final[Mapping[str, Callable[[Options], list[Row]]]] = {
    "descriptors": descriptors.play,
    "bodies": bodies.play,
    "proposals": proposals.play,
    "reads": reads.play,
    "floods": floods.play,
    "backups": backups.play,
    "unread": unread.play,
    "links": links.play,
    "homes": homes.play,
    "headers": headers.play,
    "signing": signing.play,
    "malformed": malformed.play,
    "frames": frames.play,
}
WIDTH: Final = 200


def table(rows: Sequence[Row]) -> Table:
    """Return the figures, one line for each row."""
    found = Table(title="Attacks on four validators", show_lines=True)
    for name in ("attack", "who", "what was done", "till before, ms", "till during, ms", "MiB before/peak/after"):
        found.add_column(name, overflow="fold")
    for name in ("log KiB", "ended", "verdict"):
        found.add_column(name, overflow="fold")
    for row in rows:
        done = ", ".join(f"{name} {value}" for name, value in row.done.items())
        memory = row.memory
        mib = "-" if memory is None else "\n".join([_list(memory.before), _list(memory.peak), _list(memory.after)])
        found.add_row(
            row.attack,
            row.who,
            done,
            str(row.before or "-"),
            str(row.during or "-"),
            mib,
            _list(row.log_kib) or "-",
            "\n".join(row.ended) or "none",
            "FAILED" if faults_of(row) else "ok",
        )
    return found


def _list(figures: Sequence[int]) -> str:
    return " ".join(str(figure) for figure in figures)


def main() -> None:
    """Run the attacks, print the table and what was missed."""
    usual = Options()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=list(ATTACKS))
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="of each attack that lasts")
    parser.add_argument("--cases", type=int, default=usual.cases, help="of malformed input")
    parser.add_argument("--frames", type=int, default=usual.frames, help="to the peers' port")
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--port", type=int, help="the first of eight ports; else free ones are looked for")
    parser.add_argument("--report", type=Path, help="write the rows to this file, as JSON")
    chosen = parser.parse_args()
    options = Options(chosen.seconds, chosen.cases, chosen.frames, chosen.seed, chosen.port)
    end_on_sigterm()
    rows: list[Row] = []
    for name in chosen.only or ATTACKS:
        began = time.monotonic()
        rows += ATTACKS[name](options)
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    Console(width=WIDTH).print(table(rows))
    missed = [(row.attack, fault) for row in rows for fault in faults_of(row)]
    for attack, fault in missed:
        print(f"FAILED  {attack}: {fault}")
    if chosen.report:
        chosen.report.write_text(json.dumps([asdict(row) for row in rows], indent=2, default=str) + "\n")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
