"""The frozen vectors of the rule language hold, also by its line protocol."""

from __future__ import annotations

import json
from typing import Any

from node.cli.rules_lines import answer
from tests.vectors.make_rules import OWN, PATH, build

VECTORS: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))


def test_the_language_still_gives_the_frozen_values_errors_and_costs() -> None:
    assert json.loads(json.dumps(build())) == VECTORS


def test_they_can_be_asked_for_as_lines() -> None:
    """The vars of the document are what `entente rules eval --lines` takes, but for what a brand answers."""
    names = set(VECTORS["vars"])
    variables = VECTORS["vars"] | {name: int(VECTORS["vars"][name]) for name in names & {"big", "least"}}
    for case in VECTORS["cases"]:
        if case["expr"] in OWN[-2:]:
            continue
        told = answer(json.dumps({"expr": case["expr"], "vars": variables}).encode())
        assert told.get("value") == case.get("value"), case["expr"]
        assert told.get("error") == case.get("error"), case["expr"]
        assert told["cost"] == case.get("cost", 0), case["expr"]
