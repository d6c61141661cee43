"""A checked tree as one Python function: what the interpreter computes, at the speed of straight Python.

    values["event"]["amount"] is read in one expression; the slow way finds out why where it fails
    a block pays once; where no cost depends on sizes, every way out knows its cost when the rule is compiled

Each operation becomes one or two flat statements on temporaries, its quick test inline, the rest in `operations`.
`&&` and `||` that are not outermost become functions of their own: Python nests at most 20 `try` and `for`.

Invariants:
    1. Names in the generated code are generated; what comes from the source is a constant in the namespace, or
       ascii() of a string, or an integer.
    2. Values, errors and costs are the interpreter's (tests/properties/test_rules_twin.py).
    3. Nothing refers to who asked: values, host and meter are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from vm.rules import operations, syntax
from vm.rules.code import Code
from vm.rules.errors import RuleExhausted, RuleFault
from vm.rules.expressions import PART, Expressions
from vm.rules.host import Host
from vm.rules.metering import Meter, block_cost
from vm.rules.outcome import Outcome
from vm.rules.syntax import Node
from vm.rules.values import is_value

Evaluate = Callable[[Mapping[str, Any], Host], Outcome]

PYTHON_TYPES: Final = {"bool": "bool", "int": "int", "string": "str", "bytes": "bytes", "map": "dict"}


def compiled(tree: Node, result: str, limit: int, exhausted: Outcome) -> Evaluate:
    """Return the function that evaluates a tree.

    Args:
        result: the type of its value, or any.
        limit: the cost that it may not exceed.
        exhausted: its outcome beyond that.
    """
    # Whether a meter is wanted shows when the code is written; macros always want one.
    made = _Function(tree, result, metered=any(isinstance(node, syntax.Macro) for node in syntax.walk(tree)))
    if made.wants_meter and not made.metered:
        made = _Function(tree, result, metered=True)
    made.code.constants |= {"LIMIT": limit, "EXHAUSTED": exhausted}
    evaluate: Evaluate = made.code.function("rule")
    return evaluate


class _Function:
    """The generated code of one rule."""

    def __init__(self, tree: Node, result: str, *, metered: bool) -> None:
        self.code = Code(
            {
                "Outcome": Outcome, "Fault": RuleFault, "Exhausted": RuleExhausted, "Meter": Meter,
                "LOOKUP": (KeyError, TypeError), "is_value": is_value, "result_fault": _result_fault,
            }
        )  # fmt: skip
        self._expressions = Expressions(self.code)
        self._result = result
        self.metered = metered
        self._position = tree.position
        code = self.code
        code.open("def rule(values, host):")
        if metered:
            code.line("m = Meter(LIMIT)")
            code.open("try:")
        self._tail(tree, block_cost(tree))
        if metered:
            code.close()
            code.open("except Exhausted:")
            code.line("return EXHAUSTED")
            code.close()
        code.close()
        self.wants_meter = self._expressions.meters

    def _pay(self, cost: int) -> None:
        if self.metered:
            self._expressions.pay(cost)

    def _cost(self, cost: int) -> str:
        return "m.cost" if self.metered else str(cost)

    # The outermost conditionals and connectives return by themselves. `cost` is of all blocks on the way, the
    # node's own included, which the meter has been paid for except for the last `_pay`.

    def _tail(self, node: Node, cost: int, block: int | None = None) -> None:
        self._pay(cost if block is None else block)
        if isinstance(node, syntax.Conditional):
            self._tail_conditional(node, cost)
        elif isinstance(node, syntax.Chain) and self._result in ("bool", "any") and len(node.operands) <= PART:
            self._tail_chain(node, cost)
        else:
            self._guarded(lambda: self._return(node, cost), cost)

    def _guarded(self, body: Callable[[], None], cost: int) -> None:
        """Emit code whose error ends the evaluation."""
        code = self.code
        code.open("try:")
        body()
        code.close()
        code.open("except Fault as fault:")
        code.line(f"return Outcome(None, fault.args[0], {self._cost(cost)})")
        code.close()

    def _return(self, node: Node, cost: int) -> None:
        atom = self._expressions.value(node)
        self._require_result(atom.text, atom.known)
        self.code.line(f"return {self._outcome(atom.text, cost)}")

    def _require_result(self, text: str, known: str | None) -> None:
        wanted = PYTHON_TYPES.get(self._result)
        if known is not None and known == wanted:
            return
        if self._result == "any":
            test = f"if not is_value({text}):"
        elif self._result == "list":
            test = f"if type({text}) is not list and type({text}) is not tuple:"
        else:
            test = f"if type({text}) is not {wanted}:"
        self.code.line(f"{test} raise result_fault({text}, {self._result!r}, {self._position})")

    def _outcome(self, text: str, cost: int) -> str:
        """Return an expression for the outcome; bools of known cost are made when the rule is compiled."""
        if not self.metered and text in ("True", "False"):
            return self.code.constant(Outcome(text == "True", None, cost))
        return f"Outcome({text}, None, {self._cost(cost)})"

    def _tail_conditional(self, node: syntax.Conditional, cost: int) -> None:
        code, name = self.code, self.code.fresh("t")
        self._guarded(lambda: code.line(f"{name} = {self._expressions.truth(node.condition, node, '? :')}"), cost)
        for keyword, branch in ((f"if {name}:", node.then), ("else:", node.otherwise)):
            code.open(keyword)
            self._tail(branch, cost + block_cost(branch), block_cost(branch))
            code.close()

    def _tail_chain(self, node: syntax.Chain, cost: int) -> None:
        code = self.code
        decisive = node.operator == "||"
        code.line("error = None")
        for place, operand in enumerate(node.operands):
            if place:
                cost += block_cost(operand)
                self._pay(block_cost(operand))
            code.open("try:")
            truth = self._expressions.truth(operand, operand, node.operator)
            code.line(f"{_if(truth, decisive)} return {self._outcome(str(decisive), cost)}")
            code.close()
            code.line("except Fault as fault: error = error or fault.args[0]")
        code.line(f"if error is not None: return Outcome(None, error, {self._cost(cost)})")
        code.line(f"return {self._outcome(str(not decisive), cost)}")


def _if(truth: str, wanted: bool) -> str:
    return f"if {truth}:" if wanted else f"if not {truth}:"


def _result_fault(value: Any, result: str, position: int) -> RuleFault:
    return RuleFault(operations.result_error(value, result, position))
