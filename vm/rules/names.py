"""Which facts a tree reads, so that a contract loads only these."""

from __future__ import annotations

from vm.rules import syntax
from vm.rules.syntax import Literal, Node


def roots_read(tree: Node) -> frozenset[str]:
    """Return the names of the facts."""
    return frozenset(path.partition(".")[0] for path in paths_read(tree))


def paths_read(tree: Node) -> frozenset[str]:
    """Return dotted paths, each to its end or to the first key that is not literal."""
    found: set[str] = set()
    waiting: list[tuple[Node, frozenset[str]]] = [(tree, frozenset())]
    while waiting:
        node, hidden = waiting.pop()
        path = _path(node)
        if path is not None:
            if path.partition(".")[0] not in hidden:
                found.add(path)
            continue
        if isinstance(node, syntax.Macro):
            inside = hidden | {node.variable}
            waiting.append((node.range, hidden))
            waiting += [(body, inside) for body in (node.condition, node.body) if body is not None]
        else:
            waiting += [(child, hidden) for child in node.children()]
    return frozenset(found)


def _path(node: Node) -> str | None:
    """Return the path that a node spells: selections and literal string keys from a name on."""
    keys: list[str] = []
    while not isinstance(node, syntax.Name):
        if isinstance(node, syntax.Select | syntax.Has):
            keys.append(node.field)
            node = node.operand
        elif (
            isinstance(node, syntax.Index) and isinstance(node.index, Literal) and isinstance(node.index.value, str)
        ):
            keys.append(node.index.value)
            node = node.operand
        else:
            return None
    return ".".join((node.name, *reversed(keys)))


def host_reads(tree: Node) -> frozenset[tuple[str, str]]:
    """Return ("collection" or "table", name) of what the rule asks of the brand."""
    reads: set[tuple[str, str]] = set()
    for node in syntax.walk(tree):
        if isinstance(node, syntax.Call) and node.function in ("in_collection", "lookup"):
            name = node.arguments[0]
            if isinstance(name, Literal) and isinstance(name.value, str):
                reads.add(("collection" if node.function == "in_collection" else "table", name.value))
    return frozenset(reads)
