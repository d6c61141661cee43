"""Builds the frozen vectors of the rule language: `python -m tests.vectors.make_rules` rewrites rules.json.

Each line of tests/unit/vm/rules/conformance.txt, and some for the functions of our own, with its value or the kind
of its error, its cost and its worst case, over the facts that the document holds. Rewriting changes the protocol.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from node.cli.rules_values import as_json
from tests.support.rule_expressions import FACTS
from vm.rules import DYN, Facts, NoHost, RuleRefused, check
from vm.rules.costs import VERSION

PATH = Path(__file__).with_name("rules.json")
SOURCES = Path(__file__).parents[1] / "unit/vm/rules/conformance.txt"
KINDS = Facts.of(dict.fromkeys(FACTS, DYN))

OWN = (
    'event.amount >= 10000 && member.tier == "gold" && event.channel in ["web","store"]',
    "sum(lm.filter(x, has(x.p)).map(x, bps(x.p, 2500))) + min(l) * max(1, 2) - abs(j)",
    "muldiv(event.amount, 3, 7) + clamp(i, 1, 3) + weekday(951782400000) + year(0) + month(0) + day(0) + hour(0)",
    "l.map(x, l.filter(y, y <= x)).exists(z, z == [3, 1, 2])",
    'ls.map(x, x + t + x).exists(x, x.contains("gol"))',
    "m.map(k, {k: m[k]}) == [m] || m == {'a': 1}",
    "in_collection('c', s) || lookup('t', s, 0) > 0",
    "local(i) > 0",
)


def build() -> dict[str, Any]:
    """Return the document."""
    lines = SOURCES.read_text(encoding="utf-8").splitlines()
    sources = [line for line in lines if line and not line.startswith("# ")]
    return {
        "costs_version": VERSION,
        "vars": as_json(FACTS),
        "cases": [_case(source) for source in (*sources, *OWN)],
    }


def _case(source: str) -> dict[str, Any]:
    try:
        rule = check(source, KINDS, "any")
    except RuleRefused as refused:
        return {"expr": source, "error": "REFUSED", "line": refused.line, "column": refused.column}
    outcome = rule.evaluate(FACTS, NoHost())
    ending = {"error": outcome.error.kind.value} if outcome.error else {"value": as_json(outcome.value)}
    return {"expr": source, **ending, "cost": outcome.cost, "max_cost": rule.max_cost}


if __name__ == "__main__":
    PATH.write_text(json.dumps(build(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
