"""A checked rule, and the cache of them.

    parse → check (types, worst case) → Rule; evaluate → Outcome

Invariants:
    1. check is a function of source, facts and result alone, so that its cache holds nothing of a brand.
    2. An evaluation is total: an Outcome with a value or an error, for any values. What a host raises besides
       HostRefusal is the host's, and passes.
    3. cost never exceeds max_cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec

from vm.rules import costs
from vm.rules.checker import Checker
from vm.rules.errors import ErrorKind, RuleError, RuleExhausted, RuleFault, RuleRefused
from vm.rules.host import Host
from vm.rules.interpreter import Interpreter
from vm.rules.kinds import BOOL, BYTES, DYN, INT, LIST, MAP, STRING, Facts, Kind
from vm.rules.metering import Meter
from vm.rules.names import paths_read, roots_read
from vm.rules.parser import parse
from vm.rules.syntax import Node
from vm.rules.values import Value, is_value, type_name

CACHED_RULES: Final = 4_096
"""Checked rules that are kept: some 10 KB each, and more than one alliance's brands have at work."""

_RESULTS: Final = {"bool": BOOL, "int": INT, "string": STRING, "bytes": BYTES, "list": LIST, "map": MAP, "any": DYN}


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How an evaluation ended.

    Attributes:
        value: the result, None also where there is an error.
        error: why there is no result.
        cost: in units of the rule language.
    """

    value: Value
    error: RuleError | None
    cost: int


@dataclass(frozen=True, eq=False)
class Rule:
    """A source that has been checked.

    Attributes:
        max_cost: worst case over facts as large as declared.
        roots: the facts that it reads.
        names: paths with literal keys that it reads, such as event.amount; a path is told to its end or to the
            first key that is not literal.
        result: the type of its value, or any.
        costs_version: of the table that its costs come from.
    """

    source: str
    tree: Node
    result: str
    max_cost: int
    roots: frozenset[str]
    names: frozenset[str]
    costs_version: int = costs.VERSION

    def evaluate(self, values: Mapping[str, Value], host: Host) -> Outcome:
        """Return the value or the error, and the cost."""
        meter = Meter(self.max_cost)
        try:
            value = Interpreter(values, host, meter).block(self.tree)
            self._require_result(value)
        except RuleFault as fault:
            return Outcome(None, fault.error(), meter.cost)
        except RuleExhausted:
            message = f"the evaluation costs more than {self.max_cost} units: a fact is larger than declared"
            return Outcome(None, RuleError(ErrorKind.LIMIT, message, 0), self.max_cost)
        return Outcome(value, None, meter.cost)

    def _require_result(self, value: Value) -> None:
        name = type_name(value)
        if not is_value(value) or self.result not in (name, "any"):
            raise RuleFault(ErrorKind.TYPE, f"the result is {name}, not {self.result}", self.tree.position)


def check(source: str, facts: Facts, result: str | Kind = "bool", *, limit: int = costs.MAX_COST) -> Rule:
    """Return the rule that a source is.

    Args:
        facts: the variables that it may read.
        result: the type of its value: bool int string bytes list map, or any.
        limit: the worst case that it may have, in units.

    Raises:
        RuleRefused: the source is no such rule; the message tells what and where.
    """
    return _checked(source, facts, result if isinstance(result, str) else result.name.replace("dyn", "any"), limit)


@lru_cache(maxsize=CACHED_RULES)
def _checked(source: str, facts: Facts, result: str, limit: int) -> Rule:
    tree = parse(source)
    checked = Checker(source, facts).check(tree)
    wanted = _RESULTS[result]
    if checked.kind.name not in ("dyn", wanted.name) and result != "any":
        raise RuleRefused(source, f"the result is {checked.kind.name}, not {result}", tree.position)
    if checked.bound > limit:
        reason = f"the worst case costs {checked.bound:,} units, more than the limit of {limit:,}"
        raise RuleRefused(source, reason, tree.position)
    return Rule(source, tree, result, checked.bound, roots_read(tree), paths_read(tree))
