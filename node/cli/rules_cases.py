"""Cases of a rule, for a marketer's continuous integration (`entente rules test`).

rule: event.amount >= 10000 && member.tier == "gold"      or  file: gold.rule
result: bool                                                optional
facts: {event: {amount: 12000}, member: {tier: gold}}       what all cases share; `host` as for `eval`
cases:
  - name: a large basket of a gold member
    value: true
  - name: a small basket
    facts: {event: {amount: 500}}                           laid over the shared facts, map by map
    value: false
    max_cost: 40                                            optional
  - name: no amount
    facts: {event: {amount: null}}
    error: TYPE
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from node.cli.rules_documents import NotAFact, fact, facts_and_host, kinds_of, source_of
from node.cli.rules_values import as_text
from vm.rules import ErrorKind, Outcome, Part, Rule, RuleRefused, check, explain

REFUSED: Final = "REFUSED"
"""What a case expects of a rule that is not to be accepted."""

_OF_DOCUMENT: Final = frozenset({"rule", "file", "result", "facts", "cases"})
_OF_CASE: Final = frozenset({"name", "facts", "value", "error", "max_cost"})


@dataclass(frozen=True)
class CaseResult:
    """How one case ended."""

    name: str
    passed: bool
    expected: str
    got: str
    parts: tuple[Part, ...]


def run_cases(document: Any, folder: Path) -> list[CaseResult]:
    """Run the cases of a document; raises NotAFact where it is not of the form."""
    _require_keys(document, _OF_DOCUMENT, "the document")
    cases = document.get("cases")
    if not isinstance(cases, list) or not cases:
        raise NotAFact("cases is not a list of cases")
    source = _source(document, folder)
    shared = document.get("facts") or {}
    result = document.get("result", "any")
    if result not in ("bool", "int", "string", "bytes", "list", "map", "any"):
        raise NotAFact(f"result is {result}, which is no type")
    return [_run(source, result, shared, case, place) for place, case in enumerate(cases, 1)]


def _source(document: dict[str, Any], folder: Path) -> str:
    if ("rule" in document) == ("file" in document):
        raise NotAFact("the document has either rule or file")
    if "file" in document:
        return source_of(folder / str(document["file"]))
    if not isinstance(document["rule"], str):
        raise NotAFact("rule is not text: quote it")
    return document["rule"]


def _require_keys(value: Any, allowed: frozenset[str], what: str) -> None:
    if not isinstance(value, dict):
        raise NotAFact(f"{what} is not a map")
    for key in value:
        if key not in allowed:
            raise NotAFact(f"{what} has the key {key}; it can have {', '.join(sorted(allowed))}")


def _run(source: str, result: str, shared: Any, case: Any, place: int) -> CaseResult:
    _require_keys(case, _OF_CASE, f"case {place}")
    name = str(case.get("name", f"case {place}"))
    if ("value" in case) == ("error" in case):
        raise NotAFact(f"case {place} has either value or error")
    expected = _expected(case, place)
    values, host = facts_and_host(laid_over(shared, case.get("facts") or {}), f"the facts of case {place}")
    try:
        rule = check(source, kinds_of(values), result)
    except RuleRefused as refused:
        return CaseResult(name, expected == REFUSED, expected, f"{REFUSED}: {refused}", ())
    outcome = rule.evaluate(values, host)
    passed, got = _compared(rule, outcome, case, expected)
    return CaseResult(name, passed, expected, got, () if passed else explain(rule, values, host))


def _expected(case: dict[str, Any], place: int) -> str:
    if "error" in case:
        if case["error"] != REFUSED and case["error"] not in ErrorKind.__members__:
            raise NotAFact(f"case {place} expects the error {case['error']}, which there is not")
        return str(case["error"])
    limit = case.get("max_cost")
    if limit is not None and type(limit) is not int:
        raise NotAFact(f"max_cost of case {place} is not a whole number")
    return as_text(fact(case["value"], f"the value of case {place}"))


def _compared(rule: Rule, outcome: Outcome, case: dict[str, Any], expected: str) -> tuple[bool, str]:
    if outcome.error is not None:
        return "error" in case and outcome.error.kind.value == expected, str(outcome.error)
    got = as_text(outcome.value)
    limit = case.get("max_cost")
    if limit is not None and outcome.cost > limit:
        return False, f"{got}, but it costs {outcome.cost} units, more than {limit}"
    return "value" in case and got == expected, got


def laid_over(base: Any, over: Any) -> Any:
    """Return facts with others laid over them: maps are merged, all else is replaced."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return {**base, **{key: laid_over(base.get(key), value) for key, value in over.items()}}
