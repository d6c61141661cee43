"""`entente rules`: the rule language for those who write conditions, without a chain."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from contracts_py.campaign.facts import FACTS as CAMPAIGN_FACTS
from node.cli.rules_cases import CaseResult, run_cases
from node.cli.rules_documents import (
    DocumentHost,
    NotAFact,
    document_of,
    facts_and_host,
    kinds_of,
    source_of,
)
from node.cli.rules_lines import answer_lines
from node.cli.rules_values import as_json, as_text
from node.terminal.output import CliError, console, json_option, print_fields, print_json, table
from vm.rules import Part, Rule, RuleRefused, Value, check, explain, units

FilePath = click.Path(path_type=Path, dir_okay=False, allow_dash=True)

facts_option = click.option(
    "--facts", "facts_file", type=FilePath, help="YAML or JSON: the facts by name, and `host` for what a brand has."
)
result_option = click.option(
    "--result",
    type=click.Choice(["bool", "int", "string", "bytes", "list", "map", "any"]),
    default="any",
    show_default=True,
    help="The type that the value must have.",
)

for_option = click.option(
    "--for",
    "use",
    type=click.Choice(["campaign"]),
    help="Take the facts and types that this contract gives its rules; without it any field is accepted.",
)


@click.group()
def rules() -> None:
    """Check, evaluate and test rules: conditions and amounts of campaigns, tiers and badges.

    FILE holds one rule, - is standard input. docs/rules.md describes the language.
    """


@rules.command("check")
@click.argument("file", type=FilePath)
@facts_option
@result_option
@for_option
@json_option
def check_command(file: Path, facts_file: Path | None, result: str, use: str | None, as_json: bool) -> None:
    """Check a rule, and tell what it reads and costs at most."""
    rule = _checked(file, _facts(facts_file)[0], result, use)
    told = {
        "result": "any" if rule.kind == "dyn" else rule.kind,
        "reads": sorted(rule.names),
        "asks": sorted(f"{kind} {name}" for kind, name in rule.host_reads),
        "max_cost": rule.max_cost,
        "max_metering_units": units(rule.max_cost),
    }
    if as_json:
        print_json(told)
    else:
        print_fields({name: ", ".join(shown) if isinstance(shown, list) else shown for name, shown in told.items()})


@rules.command("cost")
@click.argument("file", type=FilePath)
@facts_option
@for_option
@json_option
def cost_command(file: Path, facts_file: Path | None, use: str | None, as_json: bool) -> None:
    """Tell what a rule costs at most and, with facts, what it costs over them."""
    values, host = _facts(facts_file)
    rule = _checked(file, values, "any", use)
    told = {"max_cost": rule.max_cost, "max_metering_units": units(rule.max_cost)}
    if facts_file is not None:
        cost = rule.evaluate(values, host).cost
        told |= {"cost": cost, "metering_units": units(cost)}
    if as_json:
        print_json(told)
    else:
        print_fields(told)


@rules.command("eval")
@click.argument("file", type=FilePath, required=False)
@facts_option
@result_option
@click.option("--lines", is_flag=True, help="Answer lines of JSON {expr, vars} on standard input, a line each.")
@json_option
def eval_command(file: Path | None, facts_file: Path | None, result: str, lines: bool, as_json: bool) -> None:
    """Evaluate a rule over facts; show its value, its cost, and which part of it gave what.

    The exit code is 1 where the evaluation ends with an error.
    """
    if lines:
        if file is not None or facts_file is not None:
            raise click.UsageError("--lines reads expressions and variables from standard input alone")
        answer_lines(sys.stdin.buffer, sys.stdout)
        return
    if file is None:
        raise click.UsageError("name the file of the rule, or give --lines")
    values, host = _facts(facts_file)
    rule = _checked(file, values, result)
    outcome = rule.evaluate(values, host)
    parts = explain(rule, values, host)
    if as_json:
        print_json(_outcome_json(outcome.value, outcome.error, outcome.cost, parts))
    else:
        ending = as_text(outcome.value) if outcome.error is None else str(outcome.error)
        print_fields({"value" if outcome.error is None else "error": ending, "cost": outcome.cost})
        click.echo()
        console().print(_parts_table(parts))
    if outcome.error is not None:
        raise click.exceptions.Exit(1)


@rules.command("test")
@click.argument("file", type=FilePath)
@json_option
def test_command(file: Path, as_json: bool) -> None:
    """Run a YAML file of cases; the exit code is 1 where one of them fails.

    docs/rules.md describes the document: a rule, facts that all cases share, and cases with the facts that differ
    and the value or error that is expected.
    """
    try:
        results = run_cases(document_of(file), file.parent)
    except NotAFact as error:
        raise CliError(f"{file}: {error}") from None
    failed = sum(not result.passed for result in results)
    if as_json:
        print_json({"cases": [_case_json(result) for result in results], "failed": failed})
    else:
        _print_cases(results)
        click.echo(f"{len(results) - failed} of {len(results)} cases pass")
    if failed:
        raise click.exceptions.Exit(1)


def _facts(file: Path | None) -> tuple[dict[str, Value], DocumentHost]:
    try:
        return facts_and_host({} if file is None else document_of(file), "the document of facts")
    except NotAFact as error:
        raise CliError(f"{file}: {error}") from None


def _checked(file: Path, values: Mapping[str, Value], result: str, use: str | None = None) -> Rule:
    known = kinds_of(values) if use is None else CAMPAIGN_FACTS
    try:
        return check(source_of(file), known, result)
    except RuleRefused as refused:
        raise CliError(f"the rule is refused: {refused.pointed()}") from None


# Showing

_STYLES = {"true": "green", "false": "red", "error": "bold red", "not reached": "dim"}


def _parts_table(parts: tuple[Part, ...]) -> Any:
    shown = table(("part", "gives", "because"), ())
    for part in parts:
        gives = _gives(part)
        because = part.error.message if part.error is not None else _because(part)
        source = Text("  " * part.depth + part.source, overflow="fold")
        shown.add_row(source, Text(gives, style=_STYLES.get(gives, "")), Text(because))
    shown.columns[0].no_wrap = False
    return shown


def _gives(part: Part) -> str:
    if not part.reached:
        return "not reached"
    return "error" if part.error is not None else as_text(part.value)


def _because(part: Part) -> str:
    return ", ".join(f"{path} is {as_text(value)}" for path, value in part.read)


def _outcome_json(value: Value, error: Any, cost: int, parts: tuple[Part, ...]) -> dict[str, Any]:
    return {
        **({"value": as_json(value)} if error is None else {"error": error.kind.value, "message": error.message}),
        "cost": cost,
        "parts": [
            {
                "source": part.source,
                "depth": part.depth,
                "gives": _gives(part),
                "because": part.error.message if part.error is not None else _because(part),
            }
            for part in parts
        ],
    }


def _case_json(result: CaseResult) -> dict[str, Any]:
    return {"name": result.name, "passed": result.passed, "expected": result.expected, "got": result.got}


def _print_cases(results: list[CaseResult]) -> None:
    for result in results:
        click.echo(f"{'pass' if result.passed else 'FAIL'}  {result.name}")
        if result.passed:
            continue
        click.echo(f"      expected  {result.expected}")
        click.echo(f"      got       {result.got}")
        console().print(_parts_table(result.parts))
