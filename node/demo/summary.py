"""What the demo says to people at its end."""

from __future__ import annotations

from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from node.demo.comparison import Comparison
from node.demo.judging import MONTHS
from node.demo.marketing import NAMES, VOUCHERS_BY
from node.demo.reports import CHECKS, FIGURES, Report
from node.demo.result import Result
from node.demo.rules import CURRENCY, LADDERS, LEVELS
from node.demo.treasury import period_of
from node.statements.amounts import decimal

ROWS: Final = {
    "issued": "earned with purchases",
    "refunded": "+ given back, redemption cancelled",
    "swapped_in": "+ came by exchange",
    "redeemed": "− redeemed",
    "burned": "− donated",
    "reversed": "− taken back, goods returned",
    "swapped_out": "− left by exchange",
    "expired": "− expired",
    "outstanding": "= with the members now",
    "held": "   of these held by tills",
    "debt": "owed by members",
}
EQUAL: Final = "[green]equal[/green]"
DIFFERENT: Final = "[red]DIFFERENT[/red]"


def print_summary(result: Result, console: Console, *, temporary: bool = False) -> None:
    """Print the result for people.

    Args:
        temporary: whether the network's folder is removed when the demo ends.
    """
    parts = (_head(result), "", _points(result), "", *_deeds(result), "", _campaigns(result), "", _levels(result))
    for part in (*parts, "", _clearing(result)):
        console.print(part, highlight=False)
    for number, line in enumerate(_statements(result, temporary)):
        # A path may be longer than a line, and is copied whole.
        console.print(line, highlight=False, soft_wrap=number > 0)
    console.print()
    console.print(_validators(result))
    console.print(_state_root(result.comparison), highlight=False)
    console.print()
    for difference, brands in _differences(result.comparison.reports).items():
        who = "all four" if len(brands) == len(result.comparison.reports) else ", ".join(brands)
        console.print(f"{who}: {difference}", style="red", markup=False, highlight=False, soft_wrap=True)
    console.print(_verdict(result), highlight=False)


def _head(result: Result) -> str:
    sample = "all baskets" if result.whole else f"a sample, seed {result.seed}"
    counters = result.counters
    return (
        f"\n[bold]{result.baskets:,} baskets of {result.households:,} households[/bold] ({sample}): "
        f"{counters.operations:,} operations in {counters.transactions:,} transactions and "
        f"{result.comparison.height:,} blocks, {result.seconds:.0f} s. "
        f"{counters.purchases:,} of them record purchases, {counters.purchases / result.seconds:,.0f} a second."
    )


def _points(result: Result) -> Table:
    """Show each total once where four validators and the data agree, and both where not."""
    table = _table("Points: the chain against the parquet files")
    table.add_column("")
    for each in result.expected.programs:
        table.add_column(f"{each.partner.brand}\n{each.partner.title}", justify="right")
    table.add_column("")
    for name in FIGURES:
        cells = [_cell(result.comparison.reports, index, name) for index in range(len(result.expected.programs))]
        mark = DIFFERENT if any("[red]" in cell for cell in cells) else EQUAL
        table.add_row(ROWS[name], *cells, mark, end_section=name == "expired")
    return table


def _cell(reports: list[Report], index: int, name: str) -> str:
    for report in reports:
        chain, data = report.chain[index][name], report.recomputed[index][name]
        if chain != data:
            return f"[red]chain {chain:,}\ndata {data:,}[/red]"
    return f"{reports[0].chain[index][name]:,}"


def _deeds(result: Result) -> list[str]:
    """Say what happened, in numbers that the tables do not show."""
    told = sum((each.told for each in result.expected.programs), start=type(result.expected.programs[0].told)())
    return [
        f"{told['returns']:,} items came back; {told['debts']:,} times their points were spent and became a debt.",
        f"{told['holds']:,} holds at the till: {told['in full']:,} captured in full, {told['in part']:,} in part, "
        f"{told['released']:,} released, {told['lapsed']:,} left to release themselves.",
        f"{told['abroad']:,} points redeemed at another brand, {told['refunds']:,} vouchers refunded, "
        f"{told['exchanges']:,} exchanges under {len(result.expected.treaty_given)} treaties, "
        f"{told['given']:,} points given to other members.",
    ]


def _campaigns(result: Result) -> Table:
    table = _table("Campaigns: points that they gave, without what came back, and open vouchers")
    for name in ("brand", "campaign"):
        table.add_column(name)
    for name in ("points", "vouchers"):
        table.add_column(name, justify="right")
    table.add_column("")
    wrong = " ".join(told for report in result.comparison.reports for told in report.told)
    for index, each in enumerate(result.expected.programs):
        vouchers = sum(len(shopper.vouchers) for shopper in each.shoppers.values())
        for name in NAMES[index]:
            gives = VOUCHERS_BY[index] == name
            table.add_row(
                each.partner.brand,
                name,
                "" if gives else f"{each.given[name]:,}",
                f"{vouchers:,}" if gives else "",
                DIFFERENT if name in wrong else EQUAL,
                end_section=name == NAMES[index][-1],
            )
    return table


def _levels(result: Result) -> Table:
    table = _table("Levels at the year's end, as on each badge")
    table.add_column("brand")
    table.add_column("by")
    for name in ("none", *LEVELS):
        table.add_column(name, justify="right")
    table.add_column("")
    wrong = any(report.wrong[kind] for report in result.comparison.reports for kind in ("levels", "badges"))
    for each, ladder in zip(result.expected.programs, LADDERS, strict=True):
        counts = [f"{count:,}" for count in each.members_by_level()]
        table.add_row(each.partner.brand, ladder.metric, *counts, DIFFERENT if wrong else EQUAL)
    return table


def _clearing(result: Result) -> Table:
    table = _table(f"Clearing between the brands in {CURRENCY}: the chain against the files")
    table.add_column("month")
    for name in ("booked", "payments", "paid", *[each.partner.brand for each in result.expected.programs]):
        table.add_column(name, justify="right")
    table.add_column("")
    books = result.expected.books
    wrong = " ".join(told for report in result.comparison.reports for told in report.told)
    for month in MONTHS:
        payments = books.payments(month)
        table.add_row(
            period_of(month),
            _money(sum(books.sums.get(month, {}).values())),
            f"{len(payments)}",
            _money(sum(payments.values())),
            *[_money(position) for position in books.positions(month)],
            DIFFERENT if period_of(month) in wrong else EQUAL,
        )
    return table


def _money(cents: int) -> str:
    return decimal(cents, CURRENCY, ",")


def _statements(result: Result, temporary: bool) -> list[str]:
    printed = result.printed
    if not printed.agrees:
        return [f"[red]{told}[/red]" for told in printed.told]
    lines = [
        f"{printed.statements} statements printed. Each of their {printed.lines:,} lines stands in two brands' "
        f"statements, with opposite signs: {EQUAL}",
    ]
    if printed.shown is not None:
        fate = " (removed when the demo ends; --dir DIR keeps them)" if temporary else ""
        lines.append(f"One to look at: {printed.shown}{fate}")
    return lines


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


def _validators(result: Result) -> Table:
    table = _table(f"Validators at height {result.comparison.height:,}: answers that agree")
    for name in ("brand", *CHECKS, "state root"):
        table.add_column(name, justify="right" if name in CHECKS else "left")
    for report in result.comparison.reports:
        counts = [
            f"[red]{report.compared[kind] - report.wrong[kind]:,} of {report.compared[kind]:,}[/red]"
            if report.wrong[kind]
            else f"{report.compared[kind]:,}"
            for kind in CHECKS
        ]
        root = f"{report.state_root[:8]}…" if report.proved else "[red]NO PROOF[/red]"
        table.add_row(report.brand, *counts, root)
    return table


def _differences(reports: list[Report]) -> dict[str, list[str]]:
    """Return each difference once, with the validators that answered so."""
    found: dict[str, list[str]] = {}
    for report in reports:
        for difference in report.told:
            found.setdefault(difference, []).append(report.brand)
    return found


def _state_root(comparison: Comparison) -> str:
    if not comparison.roots_agree:
        return "[red]The state roots differ.[/red]"
    return f"State root of all four at height {comparison.height:,}: {comparison.reports[0].state_root}"


def _verdict(result: Result) -> str:
    if not result.agrees:
        return "[bold red]The network and the data DISAGREE; see above.[/bold red]"
    compared = sum(report.compared.total() for report in result.comparison.reports)
    return (
        f"[bold green]Proved:[/bold green] all {compared:,} answers of four validators, on totals, dated balances, "
        "campaigns, levels, badges, profiles, vouchers, holds, treaties, debts and payments, are as recomputed "
        "from the parquet files; the four state roots are one, and both sides of every statement agree."
    )
