"""`entente rules`: what a marketer and a tester see."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from node.cli import rules_lines
from tests.unit.node.cli.test_cli_commands import answer, run

RULE = 'event.amount >= 10000 &&\n  member.tier == "gold"\n'
FACTS = {"event": {"amount": 500}, "member": {"tier": "gold"}}


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    file = tmp_path / "gold.rule"
    file.write_text(RULE)
    return file


def facts(tmp_path: Path, document: Any = FACTS) -> Path:
    file = tmp_path / "facts.yaml"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file


def lines(*asked: str | bytes) -> list[dict[str, Any]]:
    """Answer lines as the command does."""
    data = b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in asked)
    made = io.StringIO()
    rules_lines.answer_lines(io.BytesIO(data), made)
    return [json.loads(line) for line in made.getvalue().splitlines()]


def test_check_tells_what_a_rule_reads_and_costs(rule: Path) -> None:
    told = answer("rules", "check", rule)
    assert told["result"] == "bool"
    assert told["reads"] == ["event.amount", "member.tier"]
    assert told["max_cost"] == answer("rules", "cost", rule)["max_cost"]
    assert "event.amount, member.tier" in run("rules", "check", rule).stdout


def test_a_rule_can_come_from_standard_input() -> None:
    assert answer("rules", "check", "-", stdin=RULE)["result"] == "bool"
    assert answer("rules", "cost", "-", stdin=RULE)["max_cost"] > 0


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"'\xe9'")
    for file in (tmp_path / "none", tmp_path / "latin"):
        result = run("rules", "check", file)
        assert result.exit_code == 1
        assert f"{file.name} cannot be read" in result.stderr


def test_check_points_at_the_character(tmp_path: Path) -> None:
    file = tmp_path / "bad.rule"
    file.write_text("event.amount >= 10000 &&\n  member.tier == gold")
    result = run("rules", "check", file)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1:] == ["    member.tier == gold", " " * 19 + "^"]
    assert 'line 2, column 18: there is no fact gold (text is quoted: "gold")' in result.stderr


def test_check_for_a_campaign_knows_what_a_campaign_tells_its_rules(rule: Path, tmp_path: Path) -> None:
    assert answer("rules", "check", rule, "--for", "campaign")["result"] == "bool"
    file = tmp_path / "misspelt.rule"
    file.write_text('event.amount > 0 && member.teir == "gold"')
    assert run("rules", "check", file).exit_code == 0
    for command in ("check", "cost"):
        result = run("rules", command, file, "--for", "campaign")
        assert result.exit_code == 1
        assert "member has no field teir; its fields are: " in result.stderr


def test_eval_shows_which_part_gave_what(rule: Path, tmp_path: Path) -> None:
    result = run("rules", "eval", rule, "--facts", facts(tmp_path))
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["value", "false"]
    assert ["event.amount", ">=", "10000", "false", "event.amount", "is", "500"] in rows
    assert ["member.tier", "==", '"gold"', "not", "reached"] in rows


def test_eval_ends_with_1_after_an_error(rule: Path, tmp_path: Path) -> None:
    result = run(
        "rules", "eval", rule, "--facts", facts(tmp_path, {"event": {}, "member": {"tier": "gold"}}), "--json"
    )
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["error"], told["message"]) == ("MISSING", "event.amount is missing")
    assert [part["gives"] for part in told["parts"]] == ["error", "error", "true"]


def test_eval_has_a_brand_when_it_is_described(tmp_path: Path) -> None:
    file = tmp_path / "r.rule"
    file.write_text(
        'in_collection("wines", event.sku) && lookup("points", event.sku, 0) > 4 && hour(local(now)) == 2'
    )
    host = "{local_offset_minutes: 120, collections: {wines: [a]}, tables: {points: {a: 5}}}"
    document = f"{{event: {{sku: a}}, now: 0, host: {host}}}"
    assert answer("rules", "eval", file, "--facts", facts(tmp_path, document))["value"] is True
    assert answer("rules", "cost", file, "--facts", facts(tmp_path, document))["cost"] > 60


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("event: {amount: 1.5}", "event.amount is a fraction"),
        ("event: {at: 2026-01-01}", "event.at is a date"),
        ("event: {a: 1, a: 2}", "the key a is there twice"),
        ("event: 9223372036854775808", "does not fit into 64 bits"),
        ("event: {1.5: 1}", "neither text nor an integer"),
        ("[1]", "is not a map of facts"),
        ("host: 1", "host is not a map"),
        ("host: {tables: {a: 1}}", "host.tables.a is not a map"),
        ("a: [", "is not YAML"),
    ],
)
def test_documents_of_no_facts_are_refused(rule: Path, tmp_path: Path, document: str, told: str) -> None:
    result = run("rules", "eval", rule, "--facts", facts(tmp_path, document))
    assert result.exit_code == 1
    assert told in " ".join(result.stderr.split())


CASES = """
rule: event.amount >= 100 && member.tier == "gold"
facts: {event: {amount: 100}, member: {tier: gold}}
cases:
  - {name: at the threshold, value: true, max_cost: 30}
  - {name: below it, facts: {event: {amount: 99}}, value: false}
  - {name: without an amount, facts: {event: {amount: null}}, error: TYPE}
"""


def test_cases_that_hold(tmp_path: Path) -> None:
    file = tmp_path / "cases.yaml"
    file.write_text(CASES)
    result = run("rules", "test", file)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "3 of 3 cases pass"


@pytest.mark.parametrize(
    ("change", "expected", "got"),
    [
        (("amount: 99", "amount: 100"), "false", "true"),
        (("error: TYPE", "error: MISSING"), "MISSING", "TYPE: >= does not take event.amount (null) and 100 (int)"),
        (("max_cost: 30", "max_cost: 3"), "true", "true, but it costs 20 units, more than 3"),
        (("value: false", "value: 0"), "0", "false"),
    ],
)
def test_a_case_that_fails_shows_both_and_the_parts(
    tmp_path: Path, change: tuple[str, str], expected: str, got: str
) -> None:
    file = tmp_path / "cases.yaml"
    file.write_text(CASES.replace(*change))
    result = run("rules", "test", file)
    assert result.exit_code == 1
    assert f"      expected  {expected}\n      got       {got}\n" in result.stdout
    assert "event.amount >= 100" in result.stdout
    assert json.loads(run("rules", "test", file, "--json").stdout)["failed"] == 1


def test_a_case_can_expect_a_refusal(tmp_path: Path) -> None:
    file = tmp_path / "cases.yaml"
    file.write_text("{rule: event.amount >, cases: [{error: REFUSED}, {value: true}]}")
    result = run("rules", "test", file)
    assert result.exit_code == 1
    assert "1 of 2 cases pass" in result.stdout


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("rule: a", "cases is not a list"),
        ("{cases: [{value: 1}]}", "either rule or file"),
        ("{rule: a, cases: [{}]}", "either value or error"),
        ("{rule: a, cases: [{valeu: 1}]}", "the key valeu"),
        ("{rule: a, cases: [{error: BROKEN}]}", "which there is not"),
        ("{rule: 5, cases: [{value: 1}]}", "rule is not text"),
        ("{rule: a, result: float, cases: [{value: 1}]}", "which is no type"),
    ],
)
def test_documents_of_no_cases_are_refused(tmp_path: Path, document: str, told: str) -> None:
    file = tmp_path / "cases.yaml"
    file.write_text(document)
    result = run("rules", "test", file)
    assert result.exit_code == 1
    assert told in " ".join(result.stderr.split())


# Lines


def test_every_line_has_its_answer() -> None:
    told = lines(
        '{"expr": "x + 1", "vars": {"x": 1}}',
        '{"expr": "x + 9007199254740992", "vars": {"x": 1}}',
        '{"expr": "x", "vars": {"x": -9223372036854775808}}',
        '{"expr": "b + b\\"a\\"", "vars": {"b": {"bytes": "ff00"}}}',
        '{"expr": "{1: true, \\"a\\": null}"}',
        '{"expr": "1 / x", "vars": {"x": 0}}',
        '{"expr": "x + y", "vars": {"x": 1}}',
    )
    assert [answered.get("value", answered.get("error")) for answered in told] == [
        2, "9007199254740993", "-9223372036854775808", {"bytes": "ff0061"}, {"map": [[1, True], ["a", None]]},
        "DIVIDE_BY_ZERO", "REFUSED",
    ]  # fmt: skip
    assert [answered["cost"] for answered in told] == [3, 3, 1, 3, 11, 3, 0]


@pytest.mark.parametrize(
    "line",
    [
        "", "nothing", "[]", "1", '{"expr": 1}', '{"vars": {}}', '{"expr": "x", "vars": []}',
        '{"expr": "x", "vars": {"x": 1.5}}',
        '{"expr": "x", "vars": {"x": 9223372036854775808}}', '{"expr": "x", "vars": {"x": "\\ud800"}}',
        '{"expr": "x", "vars": {"x": 1, "x": 2}}', '{"expr": "x", "vars": {"x": NaN}}', b"\xff\xfe",
        '{"expr": "x", "vars": {"x": ' + "[" * 100_000 + "}}", '{"expr": "x", "vars": {"x": ' + "9" * 5_000 + "}}",
        '{"expr": "1", "host": 5}',
    ],
)  # fmt: skip
def test_a_bad_line_does_not_stop_the_next(line: str | bytes) -> None:
    bad, good = lines(line, '{"expr": "1"}')
    assert bad["error"] == "BAD_LINE"
    assert bad["message"]
    assert good == {"value": 1, "cost": 1}


def test_a_line_that_is_too_long_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_lines, "MAX_LINE_BYTES", 64)
    told = lines(b'{"expr": "1", "vars": {"x": "' + b"a" * 500 + b'"}}', '{"expr": "2"}')
    assert [answered.get("value", answered.get("error")) for answered in told] == ["BAD_LINE", 2]


def test_large_variables_are_within_the_allowance() -> None:
    variables = {"l": list(range(2_000)), "s": "a" * 10_000}
    (told,) = lines(json.dumps({"expr": 'l.all(x, x >= 0) && (s + s).endsWith("a")', "vars": variables}))
    assert told["value"] is True


def test_lines_are_read_by_the_command() -> None:
    result = run("rules", "eval", "--lines", stdin='{"expr": "1 + 1"}\nbad\n')
    assert [json.loads(line).get("value") for line in result.stdout.splitlines()] == [2, None]
    assert run("rules", "eval").exit_code == 2
