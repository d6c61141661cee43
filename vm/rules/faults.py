"""Errors of one operation in one place of a rule, with a message that names its operands."""

from __future__ import annotations

from vm.rules import syntax
from vm.rules.errors import ErrorKind, RuleFault
from vm.rules.printer import shown
from vm.rules.syntax import Node
from vm.rules.values import Value, type_name


class Site:
    """Where an operation stands, what it is called, and how its operands read."""

    __slots__ = ("name", "operands", "position")

    def __init__(self, node: Node, name: str, operands: tuple[Node, ...], position: int | None = None) -> None:
        self.position = node.position if position is None else position
        self.name = name
        self.operands = operands

    def types(self, *values: Value) -> RuleFault:
        """Refuse operands of these types."""
        told = [f"{shown(node)} ({type_name(value)})" for node, value in zip(self.operands, values, strict=False)]
        return RuleFault(ErrorKind.TYPE, f"{self.name} does not take {' and '.join(told)}", self.position)

    def missing(self, what: str) -> RuleFault:
        """Refuse for want of a fact or key."""
        return RuleFault(ErrorKind.MISSING, f"{what} is missing", self.position)

    def overflow(self) -> RuleFault:
        """Refuse a result that needs more than 64 bits."""
        return self.fault(ErrorKind.OVERFLOW, f"the result of {self.name} does not fit into 64 bits")

    def zero(self) -> RuleFault:
        """Refuse a division."""
        return self.fault(
            ErrorKind.DIVIDE_BY_ZERO, f"{shown(self.operands[-1])} is zero: {self.name} has no result"
        )

    def fault(self, kind: ErrorKind, message: str) -> RuleFault:
        """Refuse for another reason."""
        return RuleFault(kind, message, self.position)


def site_of(node: Node) -> Site:
    """Return the site of an operation that a node makes, arithmetic apart, which has one for each operator."""
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
