"""Many seeds on all cores, with a progress bar; every failing seed with the command that replays it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .checkers import Violation
from .cluster import run_seed

RunChunk = Callable[[range, "str | None"], "tuple[Counter[str], list[str]]"]
"""Runs some seeds in another process: what to add up, and the failures."""

CHUNK = 10
FAILURES_SHOWN = 20
"""In full; of those after them only the command that replays the seed."""


def seeds_of(text: str) -> range:
    """Return the seeds that a text names: `1000-1100`, or a number of fresh ones, counted from the time."""
    first, _, last = text.rpartition("-")
    if first:
        return range(int(first), int(last))
    start = int(time.time())
    return range(start, start + int(last))


def run_chunk(seeds: range, mode: str | None) -> tuple[Counter[str], list[str]]:
    """Run some seeds; return what to add up, and the failures."""
    counts: Counter[str] = Counter()
    failures = []
    for seed in seeds:
        counts["seeds"] += 1
        try:
            cluster = run_seed(seed, mode)
        except Violation as violation:
            failures.append(str(violation))
            continue
        counts[cluster.plan.mode] += 1
        counts["events"] += cluster.world.steps
        counts["blocks"] += max(host.ledger.height for host in cluster.hosts)
        counts["crashes"] += sum(host.life // 2 for host in cluster.hosts)
        counts["torn writes"] += sum(host.disk.torn for host in cluster.hosts)
        counts["losses"] += cluster.losses.count
        counts["held-back proposals"] += cluster.held_back
    return counts, failures


def soak(seeds: range, mode: str | None, run: RunChunk = run_chunk) -> int:
    """Run all seeds; return the exit code."""
    console = Console()
    chunks = [seeds[i : i + CHUNK] for i in range(0, len(seeds), CHUNK)]
    total: Counter[str] = Counter()
    failed = 0
    began = time.perf_counter()
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("seeds"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
    )
    with ProcessPoolExecutor(os.cpu_count()) as pool, Progress(*columns, console=console) as progress:
        task = progress.add_task("soak", total=len(seeds), failed="")
        for counts, failures in pool.map(run, chunks, [mode] * len(chunks)):
            total += counts
            for text in failures:
                failed += 1
                shown = text if failed <= FAILURES_SHOWN else text.splitlines()[-1].strip()
                console.print(f"FAILED {shown}", markup=False, highlight=False, soft_wrap=True)
            progress.update(task, advance=counts["seeds"], failed=f"{failed} failed" if failed else "")
    seconds = time.perf_counter() - began
    facts = ", ".join(f"{count:,} {what}" for what, count in sorted(total.items()) if what != "seeds")
    count = total["seeds"]
    console.print(
        f"seeds {seeds.start}-{seeds.stop}: {count:,} run, {failed} failed, {count / seconds:.1f}/s; {facts}"
    )
    return 1 if failed else 0
