"""`make nightly`: runs the long checks, keeps their logs, prints one table; exit code 1 where one has failed."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from .running import ROOT, Outcome, Result, run
from .steps import Step, steps_of

LOGS = ROOT / "build" / "nightly"
NIGHTS_KEPT = 14
"""Folders of logs; older ones are deleted."""

DAY_S = 86_400
NARROW = 100
"""Columns of a table that goes to a file, whose last column is folded."""

COLOURS = {Result.PASSED: "green", Result.FAILED: "red", Result.SKIPPED: "yellow"}


@click.command(help=__doc__)
@click.option("--list", "only_list", is_flag=True, help="Tell what the steps are, and run none.")
@click.option("--only", multiple=True, metavar="STEP", help="Run this step; may be given several times.")
@click.option(
    "--night", type=int, help="Choose the seeds, as a former night's head line tells; today's number by default."
)
@click.option(
    "--logs", type=click.Path(path_type=Path, file_okay=False), default=LOGS, show_default="build/nightly"
)
def main(only_list: bool, only: Sequence[str], night: int | None, logs: Path) -> None:
    """Run the steps that are asked for."""
    night = int(time.time()) // DAY_S if night is None else night
    steps = chosen(steps_of(night), only)
    console = Console() if sys.stdout.isatty() else Console(width=NARROW)
    if only_list:
        console.print(listed(steps))
        return
    # A shell starts what runs in its background with interrupts ignored, which steps would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = make_folder(logs)
    console.print(f"night {night}, {len(steps)} steps, logs in {folder}")
    sys.exit(play(steps, folder, console))


def chosen(steps: Sequence[Step], only: Sequence[str]) -> list[Step]:
    """Return the steps with the given names, all where none is given."""
    names = [step.name for step in steps]
    if unknown := [name for name in only if name not in names]:
        raise click.UsageError(f"there is no step {', '.join(unknown)}; the steps are {', '.join(names)}")
    return [step for step in steps if not only or step.name in only]


def listed(steps: Sequence[Step]) -> Table:
    """Return what the steps are, and whether they can run here."""
    table = Table("step", "shows", "limit", "here")
    for step in steps:
        missing = step.missing()
        table.add_row(
            step.name, step.about, f"{step.limit_s / 60:.0f} min", f"skipped: {missing}" if missing else ""
        )
    return table


def make_folder(logs: Path) -> Path:
    """Make a folder for a night's logs; delete those of nights long ago."""
    folder = logs / time.strftime("%Y-%m-%dT%H-%M-%S")
    folder.mkdir(parents=True)
    nights = sorted(path for path in logs.glob("????-??-??T??-??-??") if path.is_dir())
    for old in nights[:-NIGHTS_KEPT]:
        shutil.rmtree(old)
    return folder


def play(steps: Sequence[Step], folder: Path, console: Console) -> int:
    """Run steps, whatever becomes of those before; print and keep the table; return the exit code."""
    outcomes: list[Outcome] = []
    interrupted = False
    try:
        for step in steps:
            outcome = run(step, folder / f"{step.name}.log")
            outcomes.append(outcome)
            console.print(f"{step.name}: {outcome.result.value} after {outcome.seconds:.0f} s", highlight=False)
    except KeyboardInterrupt:
        interrupted = True
    table = tabled(outcomes)
    console.print(table)
    with (folder / "table.txt").open("w") as file:
        Console(file=file, width=NARROW).print(table)
    counts = {result: sum(outcome.result is result for outcome in outcomes) for result in Result}
    told = ", ".join(f"{count} {result.value}" for result, count in counts.items())
    console.print(f"{told}, {len(steps) - len(outcomes)} not run; logs in {folder}", highlight=False)
    if interrupted:
        return 128 + signal.SIGINT
    return 1 if counts[Result.FAILED] else 0


def tabled(outcomes: Sequence[Outcome]) -> Table:
    """Return what became of steps."""
    table = Table("step", "result", "time", "last line")
    for outcome in outcomes:
        colour = COLOURS[outcome.result]
        minutes, seconds = divmod(round(outcome.seconds), 60)
        told = outcome.told.replace("[", "\\[")  # no markup
        table.add_row(outcome.step.name, f"[{colour}]{outcome.result.value}[/]", f"{minutes}:{seconds:02}", told)
    return table


if __name__ == "__main__":
    main()
