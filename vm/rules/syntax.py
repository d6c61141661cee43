"""The syntax tree of a rule: frozen nodes, each with the place of the character that names it.

Invariants:
    1. Two trees are equal if and only if they mean the same source up to blanks, comments, brackets, and the
       spelling of literals; places are not compared.
    2. Flat chains stay flat: `a && b && c` is one Chain, `a + b - c` one Arithmetic, so that depth is nesting.
    3. No node has more than MAX_DEPTH others above it, so that recursion over a tree is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

MAX_SOURCE_BYTES: Final = 4_096
MAX_DEPTH: Final = 32
MAX_MACRO_NESTING: Final = 2

MACROS: Final = frozenset({"all", "exists", "exists_one", "filter", "map"})


@dataclass(frozen=True, slots=True)
class Node:
    """One node; `position` is an offset in the source."""

    position: int = field(compare=False)

    def children(self) -> tuple[Node, ...]:
        """Return the operands, from left to right."""
        return ()


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """null, a bool, an integer, a string or bytes."""

    value: bool | int | str | bytes | None

    # Python holds True and 1 to be equal; the language does not.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and type(self.value) is type(other.value) and self.value == other.value

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A fact, or the variable of a macro around it."""

    name: str


@dataclass(frozen=True, slots=True)
class Select(Node):
    """`operand.field`."""

    operand: Node
    field: str

    def children(self) -> tuple[Node, ...]:
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Has(Node):
    """`has(operand.field)`."""

    operand: Node
    field: str

    def children(self) -> tuple[Node, ...]:
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`operand[index]`."""

    operand: Node
    index: Node

    def children(self) -> tuple[Node, ...]:
        return (self.operand, self.index)


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`!operand` or `-operand`."""

    operator: str
    operand: Node

    def children(self) -> tuple[Node, ...]:
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """A chain of `+ -`, or one of `* / %`: operators[i] stands before operands[i + 1], at places[i]."""

    operators: tuple[str, ...]
    operands: tuple[Node, ...]
    places: tuple[int, ...] = field(compare=False)

    def children(self) -> tuple[Node, ...]:
        return self.operands


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """`== != < <= > >=`."""

    operator: str
    left: Node
    right: Node

    def children(self) -> tuple[Node, ...]:
        return (self.left, self.right)


@dataclass(frozen=True, slots=True)
class In(Node):
    """`item in container`."""

    item: Node
    container: Node

    def children(self) -> tuple[Node, ...]:
        return (self.item, self.container)


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """`a && b && c`, or the same with `||`."""

    operator: str
    operands: tuple[Node, ...]

    def children(self) -> tuple[Node, ...]:
        return self.operands


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """`condition ? then : otherwise`."""

    condition: Node
    then: Node
    otherwise: Node

    def children(self) -> tuple[Node, ...]:
        return (self.condition, self.then, self.otherwise)


@dataclass(frozen=True, slots=True)
class ListLiteral(Node):
    """`[a, b]`."""

    elements: tuple[Node, ...]

    def children(self) -> tuple[Node, ...]:
        return self.elements


@dataclass(frozen=True, slots=True)
class MapLiteral(Node):
    """`{k: v}`."""

    entries: tuple[tuple[Node, Node], ...]

    def children(self) -> tuple[Node, ...]:
        return tuple(node for entry in self.entries for node in entry)


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`function(a, b)`, or `a.function(b)` with the receiver as the first argument."""

    function: str
    arguments: tuple[Node, ...]
    receiver: bool

    def children(self) -> tuple[Node, ...]:
        return self.arguments


@dataclass(frozen=True, slots=True)
class Macro(Node):
    """`range.macro(variable, body)`; `map` can have a `condition` before its body."""

    macro: str
    range: Node
    variable: str
    condition: Node | None
    body: Node

    def children(self) -> tuple[Node, ...]:
        return (self.range, self.body) if self.condition is None else (self.range, self.condition, self.body)


def walk(tree: Node) -> Iterator[Node]:
    """Yield every node, each before its operands."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children()))
