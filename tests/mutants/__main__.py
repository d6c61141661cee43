"""`make mutants`: breaks one rule at a time in copies of the tree, and sees who notices.

Every worker has a copy of the tree of its own. For each mutant it edits the copy, runs the unit tests that are
named for it, up to the first failure, and where those pass the simulator's seeds, up to the first violation.
What a lesson of others is about must be noticed by the test named for it (docs/lessons.md). Before that, the
unbroken copy must pass. A mutant that survives fails the run.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from .mutant import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
COPIED = ("consensus", "vm", "contracts_py", "genesis", "network", "node", "tests", "docs", "pyproject.toml")
TIMEOUT_SECONDS = 240
"""A mutant that hangs is noticed, too: no unbroken run takes a quarter of this."""

NOBODY = ""


class Result(NamedTuple):
    """What became of a mutant: who noticed, and after how long."""

    mutant: Mutant
    noticed_by: str
    seconds: float


class Copies:
    """Copies of the tree, one for each worker."""

    def __init__(self, folder: Path, count: int) -> None:
        self._free: queue.Queue[Path] = queue.Queue()
        for number in range(count):
            copy = folder / f"tree-{number}"
            copy.mkdir()
            for name in COPIED:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / name, copy / name)
            self._free.put(copy)

    def judge(self, mutant: Mutant, seeds: str, simulator_only: bool) -> tuple[str, float]:
        """Break a free copy, see who notices, and mend it."""
        copy = self._free.get()
        began = time.perf_counter()
        try:
            for edit in mutant.edits:
                edit.apply(copy)
            noticed = NOBODY if simulator_only else _unit_tests(copy, mutant.tests)
            if simulator_only or not (noticed or mutant.lessons):
                noticed = _simulator(copy, seeds)
            return noticed, time.perf_counter() - began
        finally:
            for path in {edit.path for edit in mutant.edits}:
                shutil.copy(ROOT / path, copy / path)
            self._free.put(copy)


def _unbroken(chosen: list[Mutant]) -> Mutant:
    """Return what breaks nothing, for all the tests of those that are chosen."""
    tests = dict.fromkeys(path for mutant in chosen for path in mutant.tests)
    lessons = chosen[0].lessons if all(mutant.lessons for mutant in chosen) else ()
    return Mutant("nothing", tests=tuple(tests), lessons=lessons)


def _run(copy: Path, *command: str) -> tuple[int, str]:
    """Run Python in a copy; nothing that it compiles is kept, as a mended file may look like the broken one."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 1, "FAILED: runs for ever"
    return done.returncode, done.stdout + done.stderr


def _unit_tests(copy: Path, tests: tuple[str, ...]) -> str:
    code, output = _run(copy, "-m", "pytest", "-x", "-p", "no:cacheprovider", *tests)
    if code == 0:
        return NOBODY
    found = re.search(r"^(?:FAILED|ERROR):? (\S.*?)(?: - .*)?$", output, re.MULTILINE)
    return found.group(1).rpartition("/")[2] if found else f"pytest: {output[-80:]}"


def _simulator(copy: Path, seeds: str) -> str:
    code, output = _run(copy, "-m", "tests.mutants.seeds", seeds)
    if code == 0:
        return NOBODY
    found = re.search(r"^NOTICED (.*)$", output, re.MULTILINE)
    return found.group(1) if found else f"simulator: {output.strip()[-80:]}"


def main() -> int:
    """Judge all mutants; print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="mutants whose name holds this text")
    parser.add_argument("--under", nargs="*", default=[""], help="mutants of files whose paths begin so")
    parser.add_argument("--lessons", action="store_true", help="mutants of others' lessons (docs/lessons.md) only")
    parser.add_argument("--seeds", default="0-40", help="the simulator's seeds, A-B")
    parser.add_argument(
        "--simulator-only", action="store_true", help="do not run unit tests; survivors are no error"
    )
    arguments = parser.parse_args()
    console = Console()
    chosen = [mutant for mutant in MUTANTS if arguments.only in mutant.name]
    chosen = [mutant for mutant in chosen if str(mutant.edits[0].path).startswith(tuple(arguments.under))]
    if arguments.lessons:
        chosen = [mutant for mutant in chosen if mutant.lessons]
    if not chosen:
        parser.error("no such mutant")
    workers = os.cpu_count() or 1
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="entente-mutants-") as folder, ThreadPoolExecutor(workers) as pool:
        copies = Copies(Path(folder), workers)
        noticed, _ = copies.judge(_unbroken(chosen), arguments.seeds, arguments.simulator_only)
        if noticed:
            console.print(f"the unbroken tree does not pass: {noticed}", style="red")
            return 1

        def judge(mutant: Mutant) -> Result:
            return Result(mutant, *copies.judge(mutant, arguments.seeds, arguments.simulator_only))

        results = []
        with Progress(console=console) as progress:
            for result in progress.track(pool.map(judge, chosen), total=len(chosen), description="mutants"):
                results.append(result)
    _show(console, results)
    survivors = [result for result in results if not result.noticed_by]
    seconds = time.perf_counter() - began
    console.print(f"{len(results)} mutants, {len(survivors)} not noticed, {seconds:.0f} s with {workers} workers")
    return 1 if survivors and not arguments.simulator_only else 0


def _show(console: Console, results: list[Result]) -> None:
    table = Table("broken rule", "noticed by", "s")
    for result in results:
        table.add_row(result.mutant.name, result.noticed_by or "[red]NOBODY[/]", f"{result.seconds:.1f}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
