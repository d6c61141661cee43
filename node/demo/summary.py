"""What the demo says at its end: tables for people, one document for machines."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from genesis.testnet import TestnetManifest
from node.demo.comparison import FIGURES, Comparison, Figures, Report
from node.demo.plan import Plan
from node.demo.proof import Expected
from node.demo.replay import Counters
from node.demo.rules import PARTNERS


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that is told at the end.

    Attributes:
        baskets, households: how many were replayed.
        whole: whether that is all of the data.
        seconds: wall time from the first enrolment to the year's close.
        checking_seconds: wall time of the recomputation and the comparison.
    """

    manifest: TestnetManifest
    directory: str
    baskets: int
    households: int
    whole: bool
    seed: int
    plan: Plan
    counters: Counters
    seconds: float
    checking_seconds: float
    expected: list[Expected]
    comparison: Comparison


def as_json(result: Result) -> dict[str, Any]:
    """Return the whole result as one document."""
    clock = result.manifest.clock
    comparison = result.comparison
    first = comparison.reports[0]
    return {
        "agrees": comparison.agrees,
        "chain": result.manifest.chain,
        "directory": result.directory,
        "baskets": result.baskets,
        "households": result.households,
        "all_baskets": result.whole,
        "seed": result.seed,
        "clock_rate": 1 if clock is None else clock.rate,
        "operations": result.counters.operations,
        "transactions": result.counters.transactions,
        "resent": result.counters.resent,
        "seconds": round(result.seconds, 1),
        "checking_seconds": round(result.checking_seconds, 1),
        "height": comparison.height,
        "state_roots_agree": comparison.roots_agree,
        "programs": [
            {
                "brand": each.partner.brand,
                "program": each.partner.program,
                "members": len(each.members),
                "issues": each.issues,
                "given": each.given,
                "chain": asdict(chain),
                "recomputed": asdict(recomputed),
            }
            for each, chain, recomputed in zip(result.expected, first.chain, first.recomputed, strict=True)
        ],
        "validators": [
            {
                "brand": report.brand,
                "rpc": result.manifest.validator(report.brand).rpc,
                "agrees": report.agrees,
                "height": report.height,
                "time": report.time,
                "balances": report.balances,
                "wrong_balances": report.wrong_balances,
                "totals_agree": report.chain == report.recomputed,
                "state_root": report.state_root,
                "state_proved": report.proved,
                "differences": report.told,
            }
            for report in comparison.reports
        ],
    }


def print_summary(result: Result, console: Console) -> None:
    """Print the result for people."""
    counters = result.counters
    sample = "all baskets" if result.whole else f"a sample, seed {result.seed}"
    console.print()
    console.print(
        f"[bold]{result.baskets:,} baskets of {result.households:,} households[/bold] ({sample}): "
        f"{counters.operations:,} operations in {counters.transactions:,} transactions and "
        f"{result.comparison.height:,} blocks, {result.seconds:.0f} s.",
        highlight=False,
    )
    console.print()
    console.print(_programs(result))
    console.print()
    console.print(_validators(result))
    console.print(_state_root(result.comparison), highlight=False)
    console.print()
    for report in result.comparison.reports:
        for difference in report.told:
            console.print(f"[red]{report.brand}: {difference}[/red]", highlight=False)
    console.print(_verdict(result), highlight=False)


def _programs(result: Result) -> Table:
    table = _table("Points: what the four validators say, and what the parquet files say")
    table.add_column("brand", no_wrap=True)
    table.add_column("")
    for name in FIGURES:
        table.add_column(name, justify="right")
    table.add_column("")
    for index, each in enumerate(result.expected):
        agrees = all(report.chain[index] == report.recomputed[index] for report in result.comparison.reports)
        mark = "[green]equal[/green]" if agrees else "[red]DIFFERENT[/red]"
        chain = _worst(result.comparison.reports, index)
        recomputed = result.comparison.reports[0].recomputed[index]
        table.add_row(f"[bold]{each.partner.brand}[/bold] {each.partner.title}", "chain", *_cells(chain), mark)
        table.add_row(
            f"{len(each.members):,} members", "data", *_cells(recomputed), "", end_section=index < len(PARTNERS) - 1
        )
    return table


def _table(title: str) -> Table:
    # Without outer edges and with narrow gaps the widest table fits 80 columns.
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def _worst(reports: list[Report], index: int) -> Figures:
    """Return a differing validator's figures, if there is one."""
    return next(
        (report.chain[index] for report in reports if report.chain[index] != report.recomputed[index]),
        reports[0].chain[index],
    )


def _cells(figures: Figures) -> list[str]:
    return [f"{getattr(figures, name):,}" for name in FIGURES]


def _validators(result: Result) -> Table:
    table = _table(f"Validators at height {result.comparison.height:,}")
    for name in ("brand", "JSON-RPC", "balances", "differing", "state root", "proof"):
        table.add_column(name, justify="right" if name in ("balances", "differing") else "left")
    for report in result.comparison.reports:
        table.add_row(
            report.brand,
            result.manifest.validator(report.brand).rpc,
            f"{report.balances:,}",
            f"{report.wrong_balances:,}",
            f"{report.state_root[:16]}…",
            "holds" if report.proved else "[red]FAILS[/red]",
        )
    return table


def _state_root(comparison: Comparison) -> str:
    if not comparison.roots_agree:
        return "[red]The state roots differ.[/red]"
    return f"State root of all four at height {comparison.height:,}: {comparison.reports[0].state_root}"


def _verdict(result: Result) -> str:
    comparison = result.comparison
    if not comparison.agrees:
        return "[bold red]The network and the data DISAGREE; see above.[/bold red]"
    compared = sum(report.balances for report in comparison.reports)
    return (
        f"[bold green]Proved:[/bold green] every total and all {compared:,} balances that four validators answered "
        "are as recomputed from the parquet files, and the four state roots are one."
    )
