"""What `entente import` and `entente export` tell people: before the first transaction, and at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from node.moving.plan import Plan
from node.moving.programme import Programme
from node.terminal.output import note, print_fields, utc

MAX_DATES: Final = 20
"""Shown to people; --json tells more."""


def print_plan(plan: Plan, programme: Programme, totals: dict[str, Any], rejects: Path) -> None:
    """Tell on standard error what an import is about to do."""
    waiting, before = totals["open"], totals["paid_before"]["rows"] + totals["paid"]["rows"]
    note(f"{waiting['rows']:,} rows with {waiting['points']:,} points for {plan.count('members'):,} members by id")
    if before:
        note(f"{_rows(before)} paid already.")
    rejected = plan.count("rejects")
    if rejected:
        note(f"{_rows(rejected)} not taken; {rejects} will say why.")
    for line in _date_lines(totals):
        note(f"  {line}")
    outstanding = programme.supply.counters["outstanding"]
    note(f"The program {programme.program} of {programme.brand} has {outstanding:,} points outstanding.")


def print_import(report: dict[str, Any]) -> None:
    """Print the report of an import; what is wrong goes to standard error."""
    members = report["members"]
    fields = {"rows": f"{report['rows']:,}", "rejected": f"{report['rejected']:,}"}
    if report["dry_run"]:
        fields["to be paid"] = _sum(report["open"])
        fields["paid before"] = _sum(report["paid_before"])
        new = members["named"] - members["enrolled"]
        fields["members"] = f"{new:,} new, {members['enrolled']:,} known"
    else:
        fields["paid"] = _sum(report["paid"])
        fields["found paid"] = _sum(report["paid_before"])
        if report["open"]["rows"]:
            fields["still open"] = _sum(report["open"])
        fields["this run"] = f"{report['points']:,} points in {report['transactions']:,} transactions"
        fields["enrolled"] = f"{report['enrolled']:,} members by this run, {members['enrolled']:,} in all"
    supply = report.get("supply")
    if supply:
        fields["issued before"] = f"{supply['before']['issued']:,} at height {supply['before']['height']:,}"
        fields["issued after"] = f"{supply['after']['issued']:,} at height {supply['after']['height']:,}"
        agrees = "which is what was paid" if supply["agrees"] else f"but {supply['expected']:,} were paid"
        fields["grown by"] = f"{supply['grown']:,}, {agrees}"
    fields["seconds"] = str(report["seconds"])
    print_fields(fields)
    for line in _date_lines(report):
        click.echo(line)
    if report["rejects_file"]:
        note(f"{_rows(report['rejected'])} not taken; {report['rejects_file']} says why.")
    _print_words(report)
    if report["dry_run"]:
        note("Nothing was written on the chain.")


def print_export(report: dict[str, Any]) -> None:
    """Print the report of an export; what is wrong goes to standard error."""
    points = report["points"]
    print_fields(
        {
            "file": report["file"],
            "height": f"{report['height']:,}",
            "holders": f"{report['holders']:,}",
            "rows": f"{report['rows']:,}",
            **{kind: f"{points[kind]:,}" for kind in ("available", "held", "pending")},
            "outstanding": f"{report['supply']['outstanding']:,} by the program's supply",
        }
    )
    _print_words(report)


def _print_words(report: dict[str, Any]) -> None:
    for remark in report["remarks"]:
        note(f"Note: {remark}.")
    for problem in report["problems"]:
        note(f"Error: {problem}.")


def _date_lines(totals: dict[str, Any]) -> list[str]:
    lines = []
    shown = totals["by_date"]
    for entry in shown[:MAX_DATES]:
        when = "by the program's rule" if entry["expires"] is None else utc(entry["expires"])
        lines.append(f"expires {when:<23}  {entry['rows']:>10,} rows  {entry['points']:>20,} points")
    further = len(shown[MAX_DATES:]) + totals["further_dates"]["dates"]
    if further:
        lines.append(f"and on {further:,} further dates")
    return lines


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"


def _sum(totals: dict[str, int]) -> str:
    return f"{totals['rows']:,} rows, {totals['points']:,} points"
