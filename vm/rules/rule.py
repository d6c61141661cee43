"""A checked rule, and the cache of them.

    parse → check (types, worst case) → Rule; evaluate → Outcome

Invariants:
    1. check is a function of source, facts and result alone, so that its cache holds nothing of a brand.
    2. An evaluation is total: an Outcome with a value or an error, for any values. What a host raises besides
       HostRefusal is the host's, and passes.
    3. cost never exceeds max_cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vm.rules import costs
from vm.rules.cache import SourceCache
from vm.rules.checker import Checker
from vm.rules.compiler import Evaluate, compiled
from vm.rules.errors import ErrorKind, RuleError, RuleRefused
from vm.rules.kinds import BOOL, BYTES, DYN, INT, LIST, MAP, STRING, Facts, Kind
from vm.rules.names import host_reads, paths_read, roots_read
from vm.rules.outcome import Outcome
from vm.rules.parser import parse
from vm.rules.syntax import MAX_SOURCE_BYTES, Node

_RESULTS: Final = {"bool": BOOL, "int": INT, "string": STRING, "bytes": BYTES, "list": LIST, "map": MAP, "any": DYN}


@dataclass(frozen=True, eq=False)
class Rule:
    """A source that has been checked.

    Attributes:
        kind: the type that its value is known to have when it is checked, or dyn.
        max_cost: worst case over facts as large as declared.
        roots: the facts that it reads.
        names: paths with literal keys that it reads, such as event.amount; a path is told to its end or to the
            first key that is not literal.
        host_reads: ("collection" or "table", name) of what it asks of the brand.
        result: the type of its value, or any.
        costs_version: of the table that its costs come from.
    """

    source: str
    tree: Node
    result: str
    kind: str
    max_cost: int
    roots: frozenset[str]
    names: frozenset[str]
    host_reads: frozenset[tuple[str, str]]
    costs_version: int
    evaluate: Evaluate
    """Called with the facts by name and a host: returns the Outcome."""


def check(source: str, facts: Facts, result: str | Kind = "bool", *, limit: int = costs.MAX_COST) -> Rule:
    """Return the rule that a source is.

    Args:
        facts: the variables that it may read.
        result: the type of its value: bool int string bytes list map, or any.
        limit: the worst case that it may have, in units.

    Raises:
        RuleRefused: the source is no such rule; the message tells what and where.
    """
    wanted = result if isinstance(result, str) else result.name.replace("dyn", "any")
    key = source, facts, wanted, limit
    # What is too long is refused before it is hashed.
    rule = RULES.get(key) if len(source) <= MAX_SOURCE_BYTES else None
    if rule is None:
        rule = _checked(source, facts, wanted, limit)
        RULES.put(key, len(source.encode()), rule)
    return rule


RULES: Final[SourceCache[Rule]] = SourceCache()


def _checked(source: str, facts: Facts, result: str, limit: int) -> Rule:
    tree = parse(source)
    checked = Checker(source, facts).check(tree)
    wanted = _RESULTS[result]
    if checked.kind.name not in ("dyn", wanted.name) and result != "any":
        raise RuleRefused(source, f"the result is {checked.kind.name}, not {result}", tree.position)
    if checked.bound > limit:
        reason = f"the worst case costs {checked.bound:,} units, more than the limit of {limit:,}"
        raise RuleRefused(source, reason, tree.position)
    reads = (roots_read(tree), paths_read(tree), host_reads(tree))
    evaluate = compiled(tree, result, checked.bound, exhausted(checked.bound))
    return Rule(source, tree, result, checked.kind.name, checked.bound, *reads, costs.VERSION, evaluate)


def exhausted(limit: int) -> Outcome:
    """Return the outcome of an evaluation that would cost more than its worst case."""
    message = f"the evaluation costs more than {limit} units: a fact is larger than declared"
    return Outcome(None, RuleError(ErrorKind.LIMIT, message, 0), limit)
