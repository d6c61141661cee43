"""Expressions as flat statements on temporaries (compiler.py has the whole).

Invariant: statements stand in the order in which the interpreter evaluates, so that the first error is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from vm.rules import operations, syntax
from vm.rules.code import Code
from vm.rules.faults import ArithmeticSite, Site, site_of
from vm.rules.functions import FUNCTIONS
from vm.rules.host import ask_host
from vm.rules.interpreter import macro_items
from vm.rules.metering import HOST_FUNCTIONS, block_cost, constant_list
from vm.rules.syntax import Literal, Node
from vm.rules.values import INT_MAX, INT_MIN, Value

PART: Final = 32
"""Operands of `&&` or `||` in one function; what the compiler takes grows with the square beyond some hundred."""

QUICK_READS: Final = 64
"""Reads of a rule that are made quick, which costs their compilation more; others are read step by step."""


Steps: TypeAlias = list[tuple[Site, str, str]]
"""A path: of each step its site, its key, and how it reads after what is before it."""


@dataclass(frozen=True, slots=True)
class Atom:
    """A temporary or constant: its name, and its Python type where it is certain."""

    text: str
    known: str | None = None


class Expressions:
    """Writes expressions into Code; `meters` tells whether any of them needs the meter `m`."""

    def __init__(self, code: Code) -> None:
        self._code = code
        self._variables: list[tuple[str, str]] = []
        self._reads = 0
        self.meters = False
        code.constants |= {
            "select": operations.select, "has": operations.has, "index": operations.index,
            "negate": operations.negate, "invert": operations.invert, "add": operations.add,
            "calculate": operations.calculate, "same": operations.same, "ordered": operations.ordered,
            "member": operations.member, "listed": operations.listed, "put": operations.put,
            "read": _read, "ask_host": ask_host, "macro_items": macro_items,
        }  # fmt: skip

    def pay(self, cost: int) -> None:
        """Write what a block pays."""
        self.meters = True
        self._code.line(f"m.cost += {cost}")
        self._code.line("if m.cost > m.limit: raise Exhausted")

    def truth(self, node: Node, owner: Node, name: str) -> str:
        """Write a condition and return a Python condition, to be used once and at once.

        What is no bool is refused in the owner's name.
        """
        if isinstance(node, syntax.Compare | syntax.In | syntax.Has):
            return self._condition(node)
        atom = self.value(node)
        if atom.known != "bool":
            site = self._code.constant(Site(owner, name, (node,)))
            self._code.line(f"if type({atom.text}) is not bool: raise {site}.types({atom.text})")
        return atom.text

    def _condition(self, node: syntax.Compare | syntax.In | syntax.Has) -> str:
        """Write the operands and return a Python expression that is True or False."""
        if isinstance(node, syntax.Has):
            operand, key = self.value(node.operand).text, ascii(node.field)
            return f"({key} in {operand} if type({operand}) is dict else has({self._site(node)}, {operand}, {key}))"
        return self._compare(node) if isinstance(node, syntax.Compare) else self._in(node)

    def value(self, node: Node) -> Atom:
        """Write an expression and return where its value is."""
        match node:
            case Literal(value=value):
                return self._literal(value)
            case syntax.Name() | syntax.Select():
                return self._path(node)
            case syntax.Index():
                return self._index(node)
            case syntax.Compare() | syntax.In() | syntax.Has():
                return self._assign(self._condition(node), "bool")
            case syntax.Unary():
                return self._unary(node, self.value(node.operand))
            case syntax.Arithmetic():
                return self._arithmetic(node)
            case syntax.Chain():
                return self._chain(node)
            case syntax.Conditional():
                return self._conditional(node)
            case syntax.ListLiteral(elements=elements):
                atoms = [self.value(element) for element in elements]
                return self._assign(f"[{', '.join(atom.text for atom in atoms)}]", "list")
            case syntax.MapLiteral():
                return self._map(node)
            case syntax.Call():
                return self._call(node)
            case syntax.Macro():
                return self._macro(node)
        raise AssertionError(f"an unknown node: {type(node).__name__}")

    # Writing

    def _temporary(self) -> str:
        return self._code.fresh("t")

    def _site(self, node: Node) -> str:
        return self._code.constant(site_of(node, inside=bool(self._variables)))

    def _meter(self) -> str:
        self.meters = True
        return "m"

    def _assign(self, expression: str, known: str | None = None) -> Atom:
        name = self._temporary()
        self._code.line(f"{name} = {expression}")
        return Atom(name, known)

    def _either(self, test: str, then: str, otherwise: str) -> None:
        self._code.line(f"if {test}: {then}")
        self._code.line(f"else: {otherwise}")

    # Reading

    def _literal(self, value: Value) -> Atom:
        if type(value) is int:
            return Atom(f"({value})" if value < 0 else str(value), "int")
        if type(value) is str:
            return Atom(ascii(value), "str")
        if type(value) is bytes:
            return Atom(self._code.constant(value), "bytes")
        return Atom(str(value), None if value is None else "bool")

    def _path(self, node: Node) -> Atom:
        """Write a name and the fields after it as one expression."""
        steps: Steps = []
        while isinstance(node, syntax.Select):
            steps.append((site_of(node), node.field, f".{node.field}"))
            node = node.operand
        steps.reverse()
        if isinstance(node, syntax.Name):
            variable = next((held for name, held in reversed(self._variables) if name == node.name), None)
            if variable is None:
                return self._read("values", [(site_of(node), node.name, ""), *steps], mapping=True)
            return self._read(variable, steps) if steps else Atom(variable)
        return self._read(self.value(node).text, steps)

    def _read(self, base: str, steps: Steps, *, mapping: bool = False) -> Atom:
        name = self._temporary()
        keys = "".join(f"[{key!a}]" for _, key, _ in steps)
        known = self._code.constant(tuple(steps))
        slow = f"{name} = read({base}, {known}, {mapping})"
        if self._reads < QUICK_READS:
            self._reads += 1
            self._code.line(f"try: {name} = {base}{keys}")
            self._code.line(f"except LOOKUP: {slow}")
        else:
            self._code.line(slow)
        return Atom(name)

    def _index(self, node: syntax.Index) -> Atom:
        operand, key = self.value(node.operand), self.value(node.index)
        return self._assign(f"index({self._site(node)}, {operand.text}, {key.text})")

    # Operators

    def _unary(self, node: syntax.Unary, operand: Atom) -> Atom:
        if node.operator == "-":
            return self._assign(f"negate({self._site(node)}, {operand.text})", "int")
        if operand.known == "bool":
            return self._assign(f"not {operand.text}", "bool")
        return self._assign(f"invert({self._site(node)}, {operand.text})", "bool")

    def _arithmetic(self, node: syntax.Arithmetic) -> Atom:
        made = self.value(node.operands[0])
        for place, operator in enumerate(node.operators):
            right = self.value(node.operands[place + 1])
            site = self._code.constant(ArithmeticSite(node, place))
            made = self._operation(operator, site, made, right)
        return made

    def _operation(self, operator: str, site: str, left: Atom, right: Atom) -> Atom:
        known = "int" if operator != "+" or "int" in (left.known, right.known) else None
        name = self._temporary()
        if operator == "+":
            slow = f"add({site}, {'None' if known else self._meter()}, {left.text}, {right.text})"
        else:
            slow = f"calculate({site}, {operator!r}, {left.text}, {right.text})"
        tests = [f"type({atom.text}) is int" for atom in (left, right) if atom.known != "int"]
        if operator in "/%":
            self._code.line(f"{name} = {slow}")
            return Atom(name, known)
        if tests:
            self._either(" and ".join(tests), f"{name} = {left.text} {operator} {right.text}", f"{name} = {slow}")
        else:
            self._code.line(f"{name} = {left.text} {operator} {right.text}")
        guard = "" if known else f"type({name}) is int and "
        self._code.line(f"if {guard}not {INT_MIN} <= {name} <= {INT_MAX}: raise {site}.overflow()")
        return Atom(name, known)

    def _compare(self, node: syntax.Compare) -> str:
        left, right = self.value(node.left), self.value(node.right)
        literal = isinstance(node.left, Literal) or isinstance(node.right, Literal)
        # Of integers and bools no size is paid for.
        free = literal or bool({"int", "bool"} & {left.known, right.known})
        meter = None if free else self._meter()
        pair = f"{left.text}, {right.text}, charged={not free}"
        quick = f"{left.text} {node.operator} {right.text}"
        if node.operator in ("==", "!="):
            slow = f"{'not ' * (node.operator == '!=')}same({self._site(node)}, {meter}, {pair})"
        else:
            slow = f"ordered({self._site(node)}, {meter}, {pair})"
        known = {left.known, right.known} - {None}
        if not known:
            return f"({quick} if type({left.text}) is int and type({right.text}) is int else {slow})"
        if known != {"int"} and known != {"str"}:
            return slow
        kind = known.pop()
        tests = [f"type({atom.text}) is {kind}" for atom in (left, right) if atom.known is None]
        # Of two strings that are not literal the sizes are paid for.
        if kind == "str" and not literal:
            return slow
        if not tests:
            return quick
        return f"({quick} if {tests[0]} else {slow})"

    def _in(self, node: syntax.In) -> str:
        item = self.value(node.item).text
        constants = constant_list(node.container)
        if constants is None:
            container = self.value(node.container)
            return f"member({self._site(node)}, {self._meter()}, {item}, {container.text})"
        values = [constant.value for constant in constants]
        slow = f"listed({self._site(node)}, {item}, {self._code.constant(values)})"
        kind = type(values[0]) if values else None
        if kind is None or kind not in (int, str):
            return slow
        # What has the type of the set can only be equal to what the set holds: True is never 1.
        quick = self._code.constant(frozenset(value for value in values if type(value) is kind))
        return f"({item} in {quick} if type({item}) is {kind.__name__} else {slow})"

    def _conditional(self, node: syntax.Conditional) -> Atom:
        name = self._temporary()
        truth = self.truth(node.condition, node, "? :")
        for keyword, branch in ((f"if {truth}:", node.then), ("else:", node.otherwise)):
            self._code.open(keyword)
            self.pay(block_cost(branch))
            self._code.line(f"{name} = {self.value(branch).text}")
            self._code.close()
        return Atom(name)

    def _chain(self, node: syntax.Chain) -> Atom:
        """Write functions beside the one that is being written, and the call of the whole.

        CPython takes more than its share of time for long functions, so that a long chain becomes a chain of parts.
        It is the same: the first part that decides or fails is the one with the first operand that does.
        """
        parts = [node.operands[at : at + PART] for at in range(0, len(node.operands), PART)]
        calls = [self._part(node, part, first=not place) for place, part in enumerate(parts)]
        if len(calls) == 1:
            return self._assign(calls[0], "bool")
        name, parameters = self._begin_part()
        for call in calls:
            self._operand(node, partial(str, call))
        return self._assign(self._end_part(node, name, parameters), "bool")

    def _part(self, node: syntax.Chain, operands: tuple[Node, ...], *, first: bool) -> str:
        """Write the function of some operands and return its call; the chain's own block has paid for its first."""
        name, parameters = self._begin_part()
        for place, operand in enumerate(operands):
            if place or not first:
                self.pay(block_cost(operand))
            self._operand(node, partial(self.truth, operand, operand, node.operator))
        return self._end_part(node, name, parameters)

    def _begin_part(self) -> tuple[str, str]:
        name = self._code.fresh("f")
        parameters = ", ".join(("values", "host", self._meter(), *(held for _, held in self._variables)))
        self._code.begin_function(f"def {name}({parameters}):")
        self._code.line("error = None")
        return name, parameters

    def _end_part(self, node: syntax.Chain, name: str, parameters: str) -> str:
        self._code.line("if error is not None: raise Fault(error)")
        self._code.line(f"return {node.operator == '&&'}")
        self._code.end_function()
        return f"{name}({parameters})"

    def _operand(self, node: syntax.Chain, truth: Callable[[], str]) -> None:
        decisive = node.operator == "||"
        self._code.open("try:")
        self._code.line(f"{'if' if decisive else 'if not'} {truth()}: return {decisive}")
        self._code.close()
        self._code.line("except Fault as fault: error = error or fault.args[0]")

    # Made values

    def _map(self, node: syntax.MapLiteral) -> Atom:
        made = self._assign("{}", "dict")
        for key_node, value_node in node.entries:
            key, value = self.value(key_node), self.value(value_node)
            site = self._code.constant(Site(key_node, "a map's key", (key_node,)))
            self._code.line(f"put({site}, {made.text}, {key.text}, {value.text})")
        return made

    def _call(self, node: syntax.Call) -> Atom:
        atoms = [self.value(argument) for argument in node.arguments]
        arguments = f"({''.join(f'{atom.text}, ' for atom in atoms)})"
        site = self._site(node)
        if node.function in HOST_FUNCTIONS:
            return self._assign(f"ask_host({site}, host, {arguments})")
        function = FUNCTIONS[node.function]
        apply = self._code.constant(function.apply)
        # Whether a function pays for sizes shows in its worst case.
        meter = self._meter() if function.pays else "None"
        return self._assign(f"{apply}({site}, {meter}, {arguments})", function.gives)

    # Macros

    def _macro(self, node: syntax.Macro) -> Atom:
        range_ = self.value(node.range)
        items = self._assign(f"macro_items({self._site(node)}, {self._meter()}, {range_.text})")
        variable = self._code.fresh("v")
        self._variables.append((node.variable, variable))
        try:
            if node.macro in ("all", "exists"):
                return self._quantified(node, items.text, variable)
            return self._gathered(node, items.text, variable)
        finally:
            self._variables.pop()

    def _body_truth(self, node: syntax.Macro, body: Node) -> str:
        self.pay(block_cost(body))
        return self.truth(body, body, node.macro)

    def _quantified(self, node: syntax.Macro, items: str, variable: str) -> Atom:
        code, decisive = self._code, node.macro == "exists"
        made, error = self._temporary(), self._code.fresh("e")
        code.line(f"{made} = {not decisive}")
        code.line(f"{error} = None")
        code.open(f"for {variable} in {items}:")
        code.open("try:")
        truth = self._body_truth(node, node.body)
        code.open(f"{'if' if decisive else 'if not'} {truth}:")
        code.line(f"{made} = {decisive}")
        code.line("break")
        code.close()
        code.close()
        code.line(f"except Fault as fault: {error} = {error} or fault.args[0]")
        code.close()
        code.open("else:")
        code.line(f"if {error} is not None: raise Fault({error})")
        code.close()
        return Atom(made, "bool")

    def _gathered(self, node: syntax.Macro, items: str, variable: str) -> Atom:
        code, made = self._code, self._temporary()
        one = node.macro == "exists_one"
        code.line(f"{made} = {'0' if one else '[]'}")
        code.open(f"for {variable} in {items}:")
        condition = node.condition if node.macro == "map" else node.body
        if condition is not None:
            code.open(f"if {self._body_truth(node, condition)}:")
        if node.macro == "map":
            self.pay(block_cost(node.body))
            code.line(f"{made}.append({self.value(node.body).text})")
        else:
            code.line(f"{made} += 1" if one else f"{made}.append({variable})")
        if condition is not None:
            code.close()
        code.close()
        return self._assign(f"{made} == 1", "bool") if one else Atom(made, "list")


def _read(base: Any, steps: tuple[tuple[Site, str, str], ...], mapping: bool) -> Value:
    """Read a path step by step, which raises the error that its quick reading met.

    `operations.select` does the same; here it stands in line, since rules are written that meet many errors.
    """
    for site, key, suffix in steps:
        if not mapping and type(base) is not dict:
            raise site.types(base)
        mapping = False
        if key not in base:
            raise site.missing(suffix)
        base = base[key]
    return base
