"""Why a rule gave what it gave: its conditions one by one, each with its value and the facts that it read.

This is for people: it walks the tree and reads facts as often as it likes, so that it is never a part of execution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from vm.rules import syntax
from vm.rules.errors import RuleError, RuleFault
from vm.rules.host import Host
from vm.rules.interpreter import Interpreter
from vm.rules.metering import Meter
from vm.rules.printer import text
from vm.rules.rule import Rule
from vm.rules.syntax import Node
from vm.rules.values import Value

_UNBOUNDED: Final = 1 << 62


class Part(msgspec.Struct, frozen=True):
    """One condition of a rule.

    Attributes:
        source: how it reads.
        depth: 0 for the whole rule, 1 for its operands, and so on.
        reached: False where what came before had decided.
        read: the facts that it names, with their values; those that are missing are left out.
    """

    source: str
    depth: int
    reached: bool
    value: Value
    error: RuleError | None
    read: tuple[tuple[str, Value], ...]


def explain(rule: Rule, values: Mapping[str, Value], host: Host) -> tuple[Part, ...]:
    """Return the rule and after it the operands of its outer `&&`, `||`, `!` and `? :`, down to conditions."""
    made: list[Part] = []
    _Explainer(values, host, made).part(rule.tree, 0, reached=True)
    return tuple(made)


class _Explainer:
    def __init__(self, values: Mapping[str, Value], host: Host, made: list[Part]) -> None:
        self._values = values
        self._host = host
        self._made = made

    def part(self, node: Node, depth: int, *, reached: bool) -> Value:
        """Add a condition and those inside of it; return its value, None where it has none."""
        value, error = self._evaluate(node) if reached else (None, None)
        inner = _is_outer(node)
        read = self._read(node) if reached and not inner else ()
        self._made.append(Part(text(node), depth, reached, value, error, read))
        if inner:
            self._inner(node, depth + 1, reached)
        return value

    def _inner(self, node: Node, depth: int, reached: bool) -> None:
        if isinstance(node, syntax.Conditional):
            chosen = self.part(node.condition, depth, reached=reached)
            self.part(node.then, depth, reached=reached and chosen is True)
            self.part(node.otherwise, depth, reached=reached and chosen is False)
            return
        decisive = isinstance(node, syntax.Chain) and node.operator == "||"
        for operand in node.children():
            value = self.part(operand, depth, reached=reached)
            reached = reached and value is not decisive

    def _evaluate(self, node: Node) -> tuple[Value, RuleError | None]:
        try:
            return Interpreter(self._values, self._host, Meter(_UNBOUNDED)).block(node), None
        except RuleFault as fault:
            return None, fault.error

    def _read(self, node: Node) -> tuple[tuple[str, Value], ...]:
        """Return the values of the longest paths inside of a condition, but not of macros' variables."""
        found: dict[str, Value] = {}
        waiting = [node]
        while waiting:
            node = waiting.pop()
            if isinstance(node, syntax.Name | syntax.Select | syntax.Index):
                value, error = self._evaluate(node)
                if error is None:
                    found[text(node)] = value
                elif isinstance(node, syntax.Index):
                    waiting.append(node.index)
                continue
            if isinstance(node, syntax.Macro):
                waiting.append(node.range)
            else:
                waiting.extend(reversed(node.children()))
        return tuple(found.items())


def _is_outer(node: Node) -> bool:
    return isinstance(node, syntax.Chain | syntax.Conditional) or (
        isinstance(node, syntax.Unary) and node.operator == "!" and _is_outer(node.operand)
    )
