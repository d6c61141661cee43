"""Types and worst-case cost of a tree, in one pass; what cannot be right is refused with the place.

A node's bound is the worst cost of evaluating it. It depends on sizes, so that it comes from the same kinds as the
types: a fact is as large as declared, what a rule makes is as large as its parts can make it.

Invariants:
    1. A node of kind dyn is never refused for its type: the evaluation answers with an error.
    2. bound(node) is at least the cost of any evaluation over facts within their declared sizes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NoReturn

from vm.rules import costs, syntax
from vm.rules.errors import RuleRefused
from vm.rules.functions import FUNCTIONS
from vm.rules.kinds import BOOL, DYN, INT, NULL, Facts, Kind, join
from vm.rules.metering import constant_list, own_cost
from vm.rules.printer import shown
from vm.rules.syntax import MAX_MACRO_NESTING, Literal, Node
from vm.rules.values import DEEP_COMPARED, DEEP_COMPARED_INSIDE

_LEFT_OUT: Final = {
    "double": "double", "uint": "uint", "dyn": "dyn", "type": "type", "bool": "conversion to bool",
    "timestamp": "timestamps: use ms and year, month, day, weekday, hour",
    "duration": "durations: use ms", "matches": "regular expressions",
}  # fmt: skip
_ORDERED: Final = frozenset({"bool", "int", "string", "bytes"})
UNKNOWN: Final = replace(DYN, characters=0, items=0)
"""Any type that has no size."""

_KEYS: Final = frozenset({"bool", "int", "string"})
_ALL: Final = frozenset({"null", "bool", "int", "string", "bytes", "list", "map"})


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of a node: what it can be, and what evaluating it costs at most."""

    kind: Kind
    bound: int


class Checker:
    """One pass over the tree of one source."""

    def __init__(self, source: str, facts: Facts) -> None:
        self._source = source
        self._facts = facts
        self._variables: list[tuple[str, Kind]] = []

    def check(self, node: Node) -> Checked:
        """Return a node's kind and bound.

        Raises:
            RuleRefused: a type that cannot be right, an unknown name or function, too many nested macros.
        """
        match node:
            case Literal(value=value):
                return Checked(_literal_kind(value), own_cost(node))
            case syntax.Name(name=name):
                return Checked(self._variable(node, name), own_cost(node))
            case syntax.Select() | syntax.Has():
                return self._select(node)
            case syntax.Index():
                return self._index(node)
            case syntax.Unary():
                return self._unary(node)
            case syntax.Arithmetic():
                return self._arithmetic(node)
            case syntax.Compare():
                return self._compare(node)
            case syntax.In():
                return self._in(node)
            case syntax.Chain():
                return self._chain(node)
            case syntax.Conditional():
                return self._conditional(node)
            case syntax.ListLiteral() | syntax.MapLiteral():
                return self._made(node)
            case syntax.Call():
                return self._call(node)
            case syntax.Macro():
                return self._macro(node)
        raise AssertionError(f"an unknown node: {type(node).__name__}")

    def _refuse(self, node: Node, reason: str, position: int | None = None) -> NoReturn:
        raise RuleRefused(self._source, reason, node.position if position is None else position)

    def _wants(self, node: Node, checked: Checked, names: frozenset[str], operation: str) -> None:
        """Refuse an operand that is known to be of none of these types."""
        if checked.kind.name != "dyn" and checked.kind.name not in names:
            self._refuse(node, f"{operation} does not take {shown(node)}, which is {_a(checked.kind)}")

    # Reading

    def _variable(self, node: Node, name: str) -> Kind:
        for known, kind in reversed(self._variables):
            if known == name:
                return kind
        kind_ = self._facts.kind(name)
        if kind_ is None:
            known_names = ", ".join(name for name, _ in self._facts.variables) or "none"
            reason = f'there is no fact {name} (text is quoted: "{name}"); the facts here are: {known_names}'
            self._refuse(node, reason)
        return kind_

    def _select(self, node: syntax.Select | syntax.Has) -> Checked:
        operand = self.check(node.operand)
        self._wants(node.operand, operand, frozenset({"map"}), f"the selection of .{node.field}")
        bound = operand.bound + own_cost(node)
        if isinstance(node, syntax.Has):
            return Checked(BOOL, bound)
        kind = operand.kind.field_kind(node.field)
        if kind is None:
            names = ", ".join(name for name, _ in operand.kind.fields)
            self._refuse(node, f"{shown(node.operand)} has no field {node.field}; its fields are: {names}")
        return Checked(kind, bound)

    def _index(self, node: syntax.Index) -> Checked:
        operand, index = self.check(node.operand), self.check(node.index)
        self._wants(node.operand, operand, frozenset({"list", "map"}), "an index")
        if operand.kind.name == "list":
            self._wants(node.index, index, frozenset({"int"}), "the index of a list")
        elif operand.kind.name == "map":
            self._wants(node.index, index, _key_names(operand.kind), "the index of a map")
        kind = operand.kind.inner()
        if isinstance(node.index, Literal) and isinstance(node.index.value, str):
            kind = operand.kind.field_kind(node.index.value) or kind
        elif operand.kind.fields:
            for _, field_kind in operand.kind.fields:
                kind = join(kind, field_kind)
        return Checked(kind, operand.bound + index.bound + own_cost(node))

    # Operators

    def _unary(self, node: syntax.Unary) -> Checked:
        operand = self.check(node.operand)
        wanted = BOOL if node.operator == "!" else INT
        self._wants(node.operand, operand, frozenset({wanted.name}), node.operator)
        # As in CEL, the minus of any type is of any type: it has more types there.
        kind = wanted if node.operator == "!" or operand.kind.name == "int" else UNKNOWN
        return Checked(kind, operand.bound + own_cost(node))

    def _arithmetic(self, node: syntax.Arithmetic) -> Checked:
        made = self.check(node.operands[0])
        bound = made.bound + own_cost(node)
        kind = made.kind
        for operator, operand, place in zip(node.operators, node.operands[1:], node.places, strict=True):
            checked = self.check(operand)
            kind, copied = self._operation(node, operator, place, kind, checked.kind)
            bound += checked.bound + copied
        return Checked(kind, bound)

    def _operation(self, node: Node, operator: str, place: int, left: Kind, right: Kind) -> tuple[Kind, int]:
        """Return the kind of one operator's result, and the worst cost of copying its operands."""
        allowed = frozenset({"int", "string", "bytes", "list"}) if operator == "+" else frozenset({"int"})
        known = {kind.name for kind in (left, right)} - {"dyn"}
        if not known <= allowed or len(known) > 1 or not _comparable(left, right):
            self._refuse(node, f"{operator} does not take {_a(left)} and {_a(right)}", place)
        name = next(iter(known), "dyn")
        if operator != "+" and name == "dyn":
            return UNKNOWN, 0
        if name == "int":
            return INT, 0
        characters, items = left.characters + right.characters, left.items + right.items
        copied = max(characters, items) // costs.COPIED_PER_UNIT
        if name == "list":
            return Kind("list", items=items, element=join(left.inner(), right.inner())), copied
        return Kind(name, characters=characters, items=items if name == "dyn" else 0), copied

    def _compare(self, node: syntax.Compare) -> Checked:
        left, right = self.check(node.left), self.check(node.right)
        bound = left.bound + right.bound + own_cost(node)
        if node.operator not in ("==", "!="):
            self._wants(node.left, left, _ORDERED, node.operator)
            self._wants(node.right, right, _ORDERED, node.operator)
        if not _comparable(left.kind, right.kind):
            self._refuse(node, f"{node.operator} does not take {_a(left.kind)} and {_a(right.kind)}")
        if not isinstance(node.left, Literal) and not isinstance(node.right, Literal):
            bound += min(left.kind.characters, right.kind.characters) // costs.COMPARED_PER_UNIT
            if node.operator in ("==", "!="):
                bound += self._deep(left.kind, right.kind)
        return Checked(BOOL, bound)

    def _deep(self, left: Kind, right: Kind) -> int:
        """Return the worst cost of comparing what can be lists or maps on both sides."""
        deep = ("dyn", "list", "map")
        if left.name not in deep or right.name not in deep:
            return 0
        return DEEP_COMPARED_INSIDE if self._variables else DEEP_COMPARED

    def _in(self, node: syntax.In) -> Checked:
        item, container = self.check(node.item), self.check(node.container)
        self._wants(node.container, container, frozenset({"list", "map"}), "in")
        bound = item.bound + container.bound + own_cost(node)
        kind = container.kind
        if kind.name == "map":
            self._wants(node.item, item, _key_names(kind), "in a map")
        elif kind.name == "list" and not _comparable(item.kind, kind.inner()):
            self._refuse(node, f"a list of {kind.inner()} never holds {_a(item.kind)}")
        if constant_list(node.container) is None and kind.name != "map":
            bound += kind.items * (costs.COMPARED_ELEMENT + item.kind.characters // costs.COMPARED_PER_UNIT)
            bound += self._deep(item.kind, kind.inner())
        return Checked(BOOL, bound)

    def _chain(self, node: syntax.Chain) -> Checked:
        bound = own_cost(node)
        for operand in node.operands:
            checked = self.check(operand)
            self._wants(operand, checked, frozenset({"bool"}), node.operator)
            bound += checked.bound
        return Checked(BOOL, bound)

    def _conditional(self, node: syntax.Conditional) -> Checked:
        condition, then, otherwise = (self.check(child) for child in node.children())
        self._wants(node.condition, condition, frozenset({"bool"}), "the condition of ? :")
        if not _comparable(then.kind, otherwise.kind):
            self._refuse(node, f"the branches of ? : are {_a(then.kind)} and {_a(otherwise.kind)}")
        bound = own_cost(node) + condition.bound + max(then.bound, otherwise.bound)
        return Checked(join(then.kind, otherwise.kind), bound)

    # Made values

    def _made(self, node: syntax.ListLiteral | syntax.MapLiteral) -> Checked:
        checked = [self.check(child) for child in node.children()]
        bound = own_cost(node) + sum(part.bound for part in checked)
        if isinstance(node, syntax.ListLiteral):
            element = _joined([part.kind for part in checked])
            return Checked(Kind("list", items=len(checked), element=element), bound)
        keys, values = [part.kind for part in checked[::2]], [part.kind for part in checked[1::2]]
        literal: set[Node] = set()
        for key, part in zip((key for key, _ in node.entries), checked[::2], strict=True):
            self._wants(key, part, _KEYS, "a map's key")
            if key in literal:
                self._refuse(key, f"the map has the key {shown(key)} already")
            if isinstance(key, Literal):
                literal.add(key)
        kind = Kind("map", items=len(keys), element=_joined(values), key=_joined(keys))
        return Checked(kind, bound)

    def _call(self, node: syntax.Call) -> Checked:
        if node.function in ("local", "in_collection", "lookup") and not node.receiver:
            return self._host_call(node)
        function = FUNCTIONS.get(node.function)
        if function is None:
            left_out = _LEFT_OUT.get(node.function)
            self._refuse(node, f"the language leaves out {left_out}" if left_out
                         else f"there is no function {node.function}")  # fmt: skip
        if function.receiver is not None and function.receiver != node.receiver:
            form = f"text.{function.name}(…)" if function.receiver else f"{function.name}(…)"
            self._refuse(node, f"{function.name} is written {form}")
        count = len(node.arguments)
        if count < function.low or (function.high is not None and count > function.high):
            self._refuse(node, f"{function.name} takes {_count(function.low, function.high)}, not {count}")
        checked = [self.check(argument) for argument in node.arguments]
        for place, (argument, part) in enumerate(zip(node.arguments, checked, strict=True)):
            takes = function.takes[min(place, len(function.takes) - 1)]
            # min and max take one list, or integers.
            self._wants(argument, part, takes - {"list"} if count > 1 else takes, function.name)
        kinds = [part.kind for part in checked]
        if function.name in ("min", "max") and count == 1:
            self._wants(node.arguments[0], checked[0], frozenset({"list"}), f"{function.name} of one argument")
        bound = own_cost(node) + sum(part.bound for part in checked) + function.bound(kinds)
        return Checked(function.result(kinds), bound)

    def _host_call(self, node: syntax.Call) -> Checked:
        counts = {"local": 1, "in_collection": 2, "lookup": 3}
        if len(node.arguments) != counts[node.function]:
            self._refuse(
                node, f"{node.function} takes {counts[node.function]} arguments, not {len(node.arguments)}"
            )
        checked = [self.check(argument) for argument in node.arguments]
        bound = own_cost(node) + sum(part.bound for part in checked)
        if node.function == "local":
            self._wants(node.arguments[0], checked[0], frozenset({"int"}), "local")
            return Checked(INT, bound)
        name = node.arguments[0]
        if not isinstance(name, Literal) or not isinstance(name.value, str):
            self._refuse(
                name, f"{node.function} wants the name as a string literal, so that it is known what is read"
            )
        return Checked(BOOL if node.function == "in_collection" else DYN, bound)

    def _macro(self, node: syntax.Macro) -> Checked:
        range_ = self.check(node.range)
        self._wants(node.range, range_, frozenset({"list", "map"}), node.macro)
        if len(self._variables) >= MAX_MACRO_NESTING:
            self._refuse(node, f"macros are nested at most {MAX_MACRO_NESTING} times")
        kind = range_.kind
        element = kind.inner() if kind.name == "list" else (kind.key or DYN) if kind.name == "map" else kind
        self._variables.append((node.variable, element))
        bodies = [part for part in (node.condition, node.body) if part is not None]
        checked = [self.check(body) for body in bodies]
        self._variables.pop()
        if node.macro != "map":
            self._wants(node.body, checked[-1], frozenset({"bool"}), f"the condition of {node.macro}")
        if node.condition is not None:
            self._wants(node.condition, checked[0], frozenset({"bool"}), "the condition of map")
        turn = costs.ITERATION + sum(part.bound for part in checked)
        turn += 0 if kind.name == "list" else costs.SORTED_KEY
        bound = range_.bound + own_cost(node) + kind.items * turn
        return Checked(self._macro_kind(node, kind, element, checked[-1].kind), bound)

    @staticmethod
    def _macro_kind(node: syntax.Macro, kind: Kind, element: Kind, body: Kind) -> Kind:
        if node.macro == "map":
            return Kind("list", items=kind.items, element=body)
        return Kind("list", items=kind.items, element=element) if node.macro == "filter" else BOOL


def _literal_kind(value: bool | int | str | bytes | None) -> Kind:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int):
        return INT
    return Kind("string" if isinstance(value, str) else "bytes", characters=len(value))


def _a(kind: Kind) -> str:
    """Return a kind with its article."""
    if kind.name == "dyn":
        return "any type"
    return kind.name if kind.name in ("null", "bytes") else f"{'an' if kind.name == 'int' else 'a'} {kind.name}"


def _count(low: int, high: int | None) -> str:
    if high is None:
        return f"at least {low} arguments"
    return "1 argument" if low == high == 1 else f"{low} arguments"


def _joined(kinds: list[Kind]) -> Kind:
    """Return the kind of any of several; of none, one that is compatible with all."""
    if not kinds:
        return UNKNOWN
    kind = kinds[0]
    for other in kinds[1:]:
        kind = join(kind, other)
    return kind


def _key_names(kind: Kind) -> frozenset[str]:
    """Return the types of what a map can be asked for; keys of several types say nothing of it, as in CEL."""
    return _ALL if kind.key is None or kind.key.name == "dyn" else frozenset({kind.key.name})


def _comparable(left: Kind, right: Kind) -> bool:
    """Tell whether two kinds can hold equal values; parts are compared as well."""
    if "dyn" in (left.name, right.name):
        return True
    if left.name != right.name:
        return False
    if left.name == "map" and not _comparable(left.key or DYN, right.key or DYN):
        return False
    return (
        left.name not in ("list", "map") or left.fields != right.fields or _comparable(left.inner(), right.inner())
    )
