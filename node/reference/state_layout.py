"""The generated part of docs/state-layout.md: every declaration of the machine and the contracts, from the code.

    python -m node.reference.state_layout docs/state-layout.md      rewrites it in place

A declaration is a value of a module of `vm` or `contracts_py` that has `keys` (`vm.tables`). How one is described
is in `vm.tables.layout`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any, Final

import contracts_py
import vm
from node.reference.generated_parts import rewrite_file, with_parts
from vm.tables import Tree
from vm.tables.layout import Row, Shapes, keys_of, rows, words_of

_OF_THE_MACHINE: Final = {
    "chain": "The chain's own records (`vm`)",
    "once": "The logs of once-records (`vm.once_log`)",
}
"""Headings by the first part of a path that is no contract's name."""


def declarations() -> list[Any]:
    """Return all declarations of state, by path."""
    return sorted(_found(lambda value: keys_of(value) is not None), key=lambda value: str(value.keys.path))


def _found(is_wanted: Callable[[Any], bool]) -> list[Any]:
    """Return the values of all modules that are wanted, each once however many modules import it."""
    found: dict[int, Any] = {}
    for package in (vm, contracts_py):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for value in vars(importlib.import_module(module.name)).values():
                if is_wanted(value):
                    found[id(value)] = value
    return list(found.values())


def layout_text() -> str:
    """Return the tables, one for the chain's own records and one for each contract."""
    trees = _found(lambda value: isinstance(value, Tree))
    groups = groupby(declarations(), key=lambda value: str(value.keys.path).partition("/")[0])
    return "\n\n".join("\n".join(_group_lines(name, list(group), trees)) for name, group in groups)


def _group_lines(name: str, group: Iterable[Any], trees: Iterable[Tree]) -> Iterator[str]:
    shapes = Shapes(trees)
    yield f"## {_OF_THE_MACHINE.get(name, f'{name} (`contracts_py.{name}`)')}"
    yield ""
    yield "| key | what it is | stored | bytes |"
    yield "|---|---|---|---|"
    for declaration in group:
        yield from (_line(row) for row in rows(declaration, shapes))
    written: set[str] = set()
    while missing := sorted(shapes.records.keys() - written):
        if not written:
            yield ""
        for record in missing:
            class_ = shapes.records[record]
            yield f"* `{record}` = `{shapes.written_out(class_)}`. {words_of(class_)}"
            written.add(record)


def _line(row: Row) -> str:
    longest = "" if row.max_bytes is None else f"{row.max_bytes:,}"
    return f"| `{row.key}` | {row.words} | {row.stored} | {longest} |"


def rewritten(document: str) -> str:
    """Return a document with its generated part made anew."""
    return with_parts(document, {"layout": layout_text()})


if __name__ == "__main__":
    rewrite_file(rewritten)
