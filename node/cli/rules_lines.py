"""`entente rules eval --lines`: one JSON document a line in, one a line out, for programs that ask many questions.

    {"expr": "x + 1", "vars": {"x": 1}}      →  {"value": 2, "cost": 3}
    {"expr": "x + y", "vars": {"x": 1}}      →  {"error": "REFUSED", "message": "line 1, column 5: …", "cost": 0}

Invariant: every line, valid or not, has its answer, in order; an answer is ASCII.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, TextIO

from node.cli.rules_documents import NotAFact, facts_of, host_of, sizes_of
from node.cli.rules_values import as_json
from vm.rules import Facts, RuleRefused, check, dyn

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
"""Longer lines are answered with an error and not kept."""

MAX_LINE_COST: Final = 10_000_000
"""The worst case of a line's rule: about a second."""


def answer_lines(asked: BinaryIO, answers: TextIO) -> None:
    """Answer every line, each as soon as it has come."""
    for line in _lines(asked):
        answers.write(json.dumps(answer(line)) + "\n")
        answers.flush()


def _lines(asked: BinaryIO) -> Iterator[bytes | None]:
    """Yield lines; None for one that is too long."""
    while line := asked.readline(MAX_LINE_BYTES):
        if len(line) < MAX_LINE_BYTES or line.endswith(b"\n"):
            yield line
            continue
        while (rest := asked.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
            continue
        yield None


def answer(line: bytes | None) -> dict[str, Any]:
    """Answer one line."""
    if line is None:
        return _bad(f"the line is longer than {MAX_LINE_BYTES} bytes")
    try:
        asked = json.loads(line.decode(), object_pairs_hook=_once)
        expression, variables, described = _parts(asked)
        values, host = facts_of(variables, "vars"), host_of(described)
    except NotAFact as error:
        return _bad(str(error))
    except RecursionError:
        return _bad("the line is nested too deeply")
    except ValueError as error:
        return _bad(f"the line is not JSON: {error}")
    items, characters = sizes_of(values)
    facts = Facts.of(dict.fromkeys(values, dyn(items=items, characters=characters)))
    try:
        rule = check(expression, facts, "any", limit=MAX_LINE_COST)
    except RuleRefused as refused:
        return {"error": "REFUSED", "message": str(refused), "cost": 0}
    outcome = rule.evaluate(values, host)
    if outcome.error is not None:
        return {"error": outcome.error.kind.value, "message": outcome.error.message, "cost": outcome.cost}
    return {"value": as_json(outcome.value), "cost": outcome.cost}


def _parts(asked: Any) -> tuple[str, dict[str, Any], Any]:
    """Return a line's expression, its variables, and what a brand would answer."""
    if not isinstance(asked, dict) or not isinstance(asked.get("expr"), str):
        raise NotAFact('a line is an object {"expr": text, "vars": {…}}')
    variables = asked.get("vars", {})
    if not isinstance(variables, dict):
        raise NotAFact("vars is not an object")
    return asked["expr"], variables, asked.get("host", {})


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise NotAFact("an object has one key twice")
    return made


def _bad(message: str) -> dict[str, Any]:
    return {"error": "BAD_LINE", "message": message, "cost": 0}
