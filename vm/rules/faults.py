"""Errors of one operation in one place of a rule, with a message that names its operands."""

from __future__ import annotations

from typing import Final

from vm.rules import syntax
from vm.rules.errors import ErrorKind, RuleError, RuleFault
from vm.rules.printer import shown
from vm.rules.syntax import Node
from vm.rules.values import DEEP_COMPARED, DEEP_COMPARED_INSIDE, Value, type_name


class Site:
    """Where an operation stands, what it is called, and how its operands read.

    An error that an operation repeats is made once: sources of rules are small, and so is what is kept.
    """

    __slots__ = ("_operands", "_told", "allowance", "name", "position")

    def __init__(self, node: Node, name: str, operands: tuple[Node, ...]) -> None:
        self.position = node.position
        self.name = name
        self._operands = operands
        self.allowance = DEEP_COMPARED
        self._told: dict[tuple[str, ...], RuleError] = {}

    def _told_operands(self) -> tuple[Node, ...]:
        return self._operands

    def types(self, *values: Value) -> RuleFault:
        """Refuse operands of these types."""
        names = tuple(type_name(value) for value in values)
        error = self._told.get(names)
        if error is None:
            told = [f"{shown(node)} ({name})" for node, name in zip(self._told_operands(), names, strict=False)]
            error = RuleError(ErrorKind.TYPE, f"{self.name} does not take {' and '.join(told)}", self.position)
            self._told[names] = error
        return RuleFault(error)

    def missing(self, suffix: str = "") -> RuleFault:
        """Refuse for want of a fact, or of a key: the suffix is what follows the first operand."""
        error = self._told.get((suffix, "missing"))
        if error is None:
            path = shown(self._operands[0]) + suffix if self._operands else self.name
            error = RuleError(ErrorKind.MISSING, f"{path} is missing", self.position)
            # Keys that are made at run time have no bound.
            if len(self._told) < _KEPT_ERRORS:
                self._told[suffix, "missing"] = error
        return RuleFault(error)

    def overflow(self) -> RuleFault:
        """Refuse a result that needs more than 64 bits."""
        return self.fault(ErrorKind.OVERFLOW, f"the result of {self.name} does not fit into 64 bits")

    def zero(self) -> RuleFault:
        """Refuse a division."""
        return self.fault(
            ErrorKind.DIVIDE_BY_ZERO, f"{shown(self._told_operands()[-1])} is zero: {self.name} has no result"
        )

    def fault(self, kind: ErrorKind, message: str) -> RuleFault:
        """Refuse for another reason."""
        return RuleFault(RuleError(kind, message, self.position))


class ArithmeticSite(Site):
    """One operator of a chain, whose left operand is all before it; that is cut out where an error is told only."""

    __slots__ = ("_node", "_place")

    def __init__(self, node: syntax.Arithmetic, place: int) -> None:
        super().__init__(node, node.operators[place], ())
        self.position = node.places[place]
        self._node = node
        self._place = place

    def _told_operands(self) -> tuple[Node, ...]:
        node, place = self._node, self._place
        if not place:
            return node.operands[:2]
        left = syntax.Arithmetic(
            node.position, node.operators[:place], node.operands[: place + 1], node.places[:place]
        )
        return left, node.operands[place + 1]


_KEPT_ERRORS: Final = 128
"""Errors that one operation keeps, more than the pairs of types that there are."""


def site_of(node: Node, *, inside: bool = False) -> Site:
    """Return the site of an operation that a node makes, arithmetic apart, which has one for each operator.

    Args:
        inside: whether the node stands in the body of a macro, where comparisons have a smaller allowance.
    """
    site = _site_of(node)
    if inside:
        site.allowance = DEEP_COMPARED_INSIDE
    return site


def _site_of(node: Node) -> Site:
    match node:
        case syntax.Select(field=field) | syntax.Has(field=field):
            return Site(node, f".{field}", node.children())
        case syntax.Index():
            return Site(node, "[…]", node.children())
        case syntax.Unary(operator=operator) | syntax.Compare(operator=operator) | syntax.Chain(operator=operator):
            return Site(node, operator, node.children())
        case syntax.In():
            return Site(node, "in", node.children())
        case syntax.Conditional(condition=condition):
            return Site(node, "? :", (condition,))
        case syntax.Call(function=function):
            return Site(node, function, node.children())
        case syntax.Macro(macro=macro):
            return Site(node, macro, (node.range,))
    return Site(node, shown(node), node.children())
