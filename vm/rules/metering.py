"""How a tree falls into blocks, and the meter of one evaluation (costs.py tells the rule)."""

from __future__ import annotations

from vm.rules import costs, syntax
from vm.rules.errors import RuleExhausted
from vm.rules.syntax import Literal, Node


class Meter:
    """The cost of one evaluation so far, and what it may not exceed."""

    __slots__ = ("cost", "limit")

    def __init__(self, limit: int) -> None:
        self.cost = 0
        self.limit = limit

    def charge(self, amount: int) -> None:
        """Pay; raises RuleExhausted beyond the limit."""
        self.cost += amount
        if self.cost > self.limit:
            raise RuleExhausted


def block_cost(node: Node) -> int:
    """Return what entering the block that a node heads costs."""
    total = 0
    waiting = [node]
    while waiting:
        node = waiting.pop()
        total += own_cost(node)
        waiting += strict_operands(node)
    return total


def strict_operands(node: Node) -> tuple[Node, ...]:
    """Return the operands that are evaluated whenever the node is, which belong to its block."""
    match node:
        case syntax.Chain(operands=operands):
            return operands[:1]
        case syntax.Conditional(condition=condition):
            return (condition,)
        case syntax.Macro(range=range_):
            return (range_,)
    return node.children()


def own_cost(node: Node) -> int:
    """Return what a node costs by itself, without what depends on sizes of values."""
    match node:
        case syntax.Compare(left=left, right=right):
            return costs.COMPARE + literal_weight(left, right)
        case syntax.In(container=container):
            constants = constant_list(container)
            return costs.MEMBERSHIP + (0 if constants is None else _list_weight(constants))
        case syntax.Arithmetic(operators=operators):
            return costs.ARITHMETIC * len(operators)
        case syntax.Chain(operands=operands):
            return costs.CONNECTIVE * (len(operands) - 1)
        case syntax.ListLiteral(elements=elements):
            return costs.LIST + costs.ELEMENT * len(elements)
        case syntax.MapLiteral(entries=entries):
            return costs.MAP + costs.ENTRY * len(entries)
        case syntax.Call(function=function):
            return costs.HOST_CALL if function in HOST_FUNCTIONS else costs.CALL
    return _FLAT[type(node)]


HOST_FUNCTIONS = frozenset({"local", "in_collection", "lookup"})

_FLAT: dict[type[Node], int] = {
    Literal: costs.LITERAL,
    syntax.Name: costs.NAME,
    syntax.Select: costs.SELECT,
    syntax.Has: costs.SELECT,
    syntax.Index: costs.INDEX,
    syntax.Unary: costs.UNARY,
    syntax.Conditional: costs.CONDITIONAL,
    syntax.Macro: costs.MACRO,
}


def constant_list(node: Node) -> tuple[Literal, ...] | None:
    """Return the elements of a list literal that holds literals only."""
    if not isinstance(node, syntax.ListLiteral):
        return None
    constants = tuple(element for element in node.elements if isinstance(element, Literal))
    return constants if len(constants) == len(node.elements) else None


def literal_weight(left: Node, right: Node) -> int:
    """Return what the size of a literal adds to a comparison with it: no comparison reads further."""
    return min((weight(node.value) for node in (left, right) if isinstance(node, Literal)), default=0)


def weight(value: object) -> int:
    """Return the units of comparing a string or bytes, beyond the flat cost."""
    return len(value) // costs.COMPARED_PER_UNIT if isinstance(value, str | bytes) else 0


def _list_weight(constants: tuple[Literal, ...]) -> int:
    return sum(costs.COMPARED_ELEMENT + weight(constant.value) for constant in constants)
