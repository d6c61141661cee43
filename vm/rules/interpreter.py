"""Evaluation by walking the tree: the plain form of what the compiler makes quick.

Invariants:
    1. Operands are evaluated from left to right, each once.
    2. A block pays when it is entered (costs.py).
    3. Recursion is bounded by the tree's depth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vm.rules import costs, operations, syntax
from vm.rules.errors import RuleError, RuleExhausted, RuleFault
from vm.rules.faults import ArithmeticSite, Site, site_of
from vm.rules.functions import FUNCTIONS
from vm.rules.host import Host, ask_host
from vm.rules.metering import HOST_FUNCTIONS, Meter, block_cost, constant_list
from vm.rules.outcome import Outcome
from vm.rules.syntax import Literal, Node
from vm.rules.values import Value, is_value, sorted_keys, type_name


def interpreted(tree: Node, result: str, limit: int, values: Mapping[str, Value], host: Host) -> Outcome | None:
    """Evaluate a tree as its compiled form does; None where the cost exceeds the limit."""
    meter = Meter(limit)
    try:
        value = Interpreter(values, host, meter).block(tree)
        if not is_value(value) or result not in (type_name(value), "any"):
            raise RuleFault(operations.result_error(value, result, tree.position))
    except RuleFault as fault:
        return Outcome(None, fault.error, meter.cost)
    except RuleExhausted:
        return None
    return Outcome(value, None, meter.cost)


class Interpreter:
    """One evaluation."""

    def __init__(self, values: Mapping[str, Value], host: Host, meter: Meter) -> None:
        self._values = values
        self._host = host
        self._meter = meter
        self._variables: list[tuple[str, Value]] = []

    def block(self, node: Node) -> Value:
        """Pay for a block and evaluate it; raises RuleFault or RuleExhausted."""
        self._meter.charge(block_cost(node))
        return self._value(node)

    def _value(self, node: Node) -> Value:
        match node:
            case Literal(value=value):
                return value
            case syntax.Name():
                return self._name(node)
            case syntax.Select(operand=operand, field=field):
                return operations.select(site_of(node), self._value(operand), field)
            case syntax.Has(operand=operand, field=field):
                return operations.has(site_of(node), self._value(operand), field)
            case syntax.Index(operand=operand, index=index):
                return operations.index(site_of(node), self._value(operand), self._value(index))
            case syntax.Unary(operator=operator, operand=operand):
                apply = operations.negate if operator == "-" else operations.invert
                return apply(site_of(node), self._value(operand))
            case syntax.Arithmetic():
                return self._arithmetic(node)
            case syntax.Compare():
                return self._compare(node)
            case syntax.In(item=item, container=container):
                return self._in(node, self._value(item), container)
            case syntax.Chain(operator=operator, operands=operands):
                return self._chain(site_of(node), operator == "||", operands)
            case syntax.Conditional():
                return self._conditional(node)
            case syntax.ListLiteral(elements=elements):
                return [self._value(element) for element in elements]
            case syntax.MapLiteral():
                return self._map(node)
            case syntax.Call():
                return self._call(node)
            case syntax.Macro():
                return self._macro(node)
        raise AssertionError(f"an unknown node: {type(node).__name__}")

    def _name(self, node: syntax.Name) -> Value:
        for name, value in reversed(self._variables):
            if name == node.name:
                return value
        if node.name not in self._values:
            raise site_of(node).missing()
        return self._values[node.name]

    def _arithmetic(self, node: syntax.Arithmetic) -> Value:
        made = self._value(node.operands[0])
        for place, operator in enumerate(node.operators):
            site = ArithmeticSite(node, place)
            right = self._value(node.operands[place + 1])
            if operator == "+":
                made = operations.add(site, self._meter, made, right)
            else:
                made = operations.calculate(site, operator, made, right)
        return made

    def _compare(self, node: syntax.Compare) -> bool:
        left, right = self._value(node.left), self._value(node.right)
        charged = not isinstance(node.left, Literal) and not isinstance(node.right, Literal)
        if node.operator in ("==", "!="):
            same = operations.same(self._site(node), self._meter, left, right, charged=charged)
            return same == (node.operator == "==")
        return operations.ordered(site_of(node), self._meter, left, right, charged=charged)

    def _in(self, node: syntax.In, item: Value, container: Node) -> bool:
        constants = constant_list(container)
        if constants is None:
            return operations.member(self._site(node), self._meter, item, self._value(container))
        return operations.listed(site_of(node), item, [constant.value for constant in constants])

    def _site(self, node: Node) -> Site:
        return site_of(node, inside=bool(self._variables))

    def _chain(self, site: Site, decisive: bool, operands: Sequence[Node]) -> bool:
        """`&&`, which false decides, and `||`, which true decides: what decides wins over errors before it."""
        error: RuleError | None = None
        for place, operand in enumerate(operands):
            try:
                value = self.block(operand) if place else self._value(operand)
                if type(value) is not bool:
                    raise Site(operand, site.name, (operand,)).types(value)
            except RuleFault as found:
                error = error or found.error
                continue
            if value is decisive:
                return decisive
        if error is not None:
            raise RuleFault(error)
        return not decisive

    def _conditional(self, node: syntax.Conditional) -> Value:
        condition = self._value(node.condition)
        if type(condition) is not bool:
            raise site_of(node).types(condition)
        return self.block(node.then if condition else node.otherwise)

    def _map(self, node: syntax.MapLiteral) -> Value:
        made: dict[Any, Value] = {}
        for key_node, value_node in node.entries:
            key = self._value(key_node)
            value = self._value(value_node)
            operations.put(Site(key_node, "a map's key", (key_node,)), made, key, value)
        return made

    def _call(self, node: syntax.Call) -> Value:
        values = tuple(self._value(argument) for argument in node.arguments)
        if node.function in HOST_FUNCTIONS:
            return ask_host(site_of(node), self._host, values)
        return FUNCTIONS[node.function].apply(site_of(node), self._meter, values)

    # Macros

    def _macro(self, node: syntax.Macro) -> Value:
        items = macro_items(site_of(node), self._meter, self._value(node.range))
        if node.macro in ("all", "exists"):
            return self._quantified(node, items, decisive=node.macro == "exists")
        if node.macro == "exists_one":
            return sum([self._truth(node, node.body, item) for item in items]) == 1
        if node.macro == "filter":
            return [item for item in items if self._truth(node, node.body, item)]
        condition = node.condition
        return [
            self._with(node.variable, item, lambda: self.block(node.body))
            for item in items
            if condition is None or self._truth(node, condition, item)
        ]

    def _quantified(self, node: syntax.Macro, items: Sequence[Value], *, decisive: bool) -> bool:
        error: RuleError | None = None
        for item in items:
            try:
                if self._truth(node, node.body, item) is decisive:
                    return decisive
            except RuleFault as found:
                error = error or found.error
        if error is not None:
            raise RuleFault(error)
        return not decisive

    def _truth(self, node: syntax.Macro, condition: Node, item: Value) -> bool:
        value = self._with(node.variable, item, lambda: self.block(condition))
        if type(value) is not bool:
            raise Site(condition, node.macro, (condition,)).types(value)
        return value

    def _with(self, variable: str, item: Value, body: Callable[[], Value]) -> Value:
        self._variables.append((variable, item))
        try:
            return body()
        finally:
            self._variables.pop()


def macro_items(site: Site, meter: Meter, range_: Value) -> Sequence[Value]:
    """Return what a macro runs over, paid for."""
    kind = type(range_)
    if kind is dict:
        meter.charge((costs.ITERATION + costs.SORTED_KEY) * len(range_))
        return sorted_keys(range_)
    if kind is not list and kind is not tuple:
        raise site.types(range_)
    meter.charge(costs.ITERATION * len(range_))
    items: Sequence[Value] = range_
    return items
