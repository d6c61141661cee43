"""What is known before an evaluation: types, worst case, what a rule reads, where a message points."""

from __future__ import annotations

import pytest

from tests.unit.vm.rules.questions import refusal
from vm.rules import (
    BOOL,
    DYN,
    INT,
    STRING,
    Facts,
    NoHost,
    Rule,
    RuleRefused,
    check,
    check_units,
    list_of,
    map_of,
    record,
    string,
    units,
)

EVENT = record({"type": STRING, "amount": INT, "lines": list_of(record({"sku": STRING, "total": INT}), 20)})
FACTS = Facts.of(
    {"event": EVENT, "balance": map_of(INT), "params": record({"floor": INT}, closed=True), "tag": string(64)}
)


def checked(source: str, result: str = "any") -> Rule:
    return check(source, FACTS, result)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("event.amount > 'a'", "> does not take an int and a string"),
        ("event.amount == null", "an int and null"),
        ("event.amount && true", "&& does not take event.amount, which is an int"),
        ("!event.amount", "! does not take"),
        ("event.lines.total", "which is a list"),
        ("event.lines['a']", "the index of a list"),
        ("balance[1]", "the index of a map"),
        ("params.ceiling", "params has no field ceiling; its fields are: floor"),
        ("event.lines.all(line, line.total)", "the condition of all"),
        ("event.lines.map(line, line.sku > 0)", "> does not take a string and an int"),
        ("event.amount ? 1 : 2", "the condition of ? :"),
        ("event.amount > 0 ? 1 : 'a'", "the branches of ? : are an int and a string"),
        ("sum(event.lines) > balance", "> does not take balance, which is a map"),
        ("1 in balance", "in a map"),
        ("event.amount in ['a']", "never holds an int"),
        ("event.lines + [1]", "+ does not take a list and a list"),
        ("event.amount + tag", "+ does not take an int and a string"),
    ],
)
def test_types_that_cannot_be_right_are_refused(source: str, told: str) -> None:
    with pytest.raises(RuleRefused) as refused:
        checked(source)
    assert told in str(refused.value)


def test_what_is_not_declared_is_of_any_type() -> None:
    assert checked("event.channel == 'web' || event.attrs.n > 1").kind == "bool"
    assert checked("event.channel").kind == "dyn"
    assert checked("event.lines[0].sku").kind == "string"
    assert checked("event['amount']").kind == "int"


def test_the_result_is_of_the_type_that_is_asked_for() -> None:
    with pytest.raises(RuleRefused, match="the result is int, not bool"):
        checked("event.amount", "bool")
    rule = check("event.channel", FACTS, BOOL)
    assert rule.evaluate({"event": {"channel": True}}, NoHost()).value is True
    outcome = rule.evaluate({"event": {"channel": 1}}, NoHost())
    assert outcome.error is not None
    assert outcome.error.message == "the result is int, not bool"


def test_what_a_rule_reads() -> None:
    rule = check(
        "event.amount > params['floor'] && event.lines.exists(event, event.sku == tag)"
        " && has(member.profile.visits) && balance[event.type] > 0 && lookup('points', tag, 0) > 0",
        Facts.of({**dict(FACTS.variables), "member": DYN}),
    )
    assert rule.roots == {"event", "params", "tag", "member", "balance"}
    assert rule.names == {
        "event.amount", "params.floor", "event.lines", "tag", "member.profile.visits", "balance", "event.type",
    }  # fmt: skip
    assert rule.host_reads == {("table", "points")}


def test_the_worst_case_counts_sizes_of_made_values() -> None:
    one, two, four = (
        checked(f"size({source}) > 0").max_cost for source in ("tag", "tag + tag", "tag + tag + tag + tag")
    )
    assert one < two < four
    assert (
        checked("event.lines.all(a, true)").max_cost < checked("(event.lines + event.lines).all(a, true)").max_cost
    )
    few = checked("[1, 2, 3].filter(a, a > 1).map(a, a).all(a, a > 0)").max_cost
    assert few < checked("event.lines.map(a, a.total).all(a, a > 0)").max_cost


def test_the_worst_case_is_met_by_the_largest_facts() -> None:
    rule = checked("sum(event.lines.filter(line, line.total > 5).map(line, line.total)) > 100")
    lines = [{"sku": "a", "total": 10}] * 20
    assert rule.evaluate({"event": {"lines": lines}}, NoHost()).cost == rule.max_cost


def test_what_marketers_write_over_undeclared_facts_is_within_the_limit() -> None:
    facts = Facts.of({"event": DYN, "params": DYN})
    check("event.lines.exists(line, line.sku == event.favourite && line.total > event.least)", facts)
    check("event.lines.exists(line, line.sku in params.skus)", facts)
    check("event.lines.exists(line, params.skus.exists(sku, sku == line.sku))", facts)
    check(
        "sum(event.lines.filter(line, line.category in params.skus).map(line, bps(line.total, params.bps)))",
        facts,
        "int",
    )


def test_a_limit_is_named() -> None:
    with pytest.raises(RuleRefused, match=r"the worst case costs [0-9,]+ units, more than the limit of 10"):
        check("event.lines.all(a, true)", FACTS, limit=10)


def test_one_source_over_other_facts_is_another_rule() -> None:
    dynamic = Facts.of({"event": DYN})
    assert check("event.amount > 1", dynamic) is not check("event.amount > 1", FACTS)
    assert check("event.amount > 1", dynamic) is check("event.amount > 1", Facts.of({"event": DYN}))
    assert check("event.ok", dynamic, "any") is not check("event.ok", dynamic, "bool")


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [("i >", 1, 4), ("i >\n  s &", 2, 5), ("\n\n  zork", 3, 3), ("l.all(x, x.y.z[)", 1, 16), ("'é' + '\\q'", 1, 8)],
)
def test_a_refusal_tells_line_and_column(source: str, line: int, column: int) -> None:
    assert refusal(source).startswith(f"line {line}, column {column}: ")


def test_the_caret_stands_below_the_character_also_in_long_lines() -> None:
    with pytest.raises(RuleRefused) as refused:
        checked("event.amount > 0 && " * 40 + "event.amount ~ 1" + " && event.amount > 0" * 40)
    shown, caret = refused.value.pointed().splitlines()[1:]
    assert shown[caret.index("^")] == "~"
    assert len(shown) < 120


def test_units_of_metering() -> None:
    assert (units(0), units(1), units(8), units(9)) == (0, 1, 1, 2)
    assert check_units("é\ud800") == 5 * check_units("a")
