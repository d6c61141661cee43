"""Declarations as rows of docs/state-layout.md: keys, what is stored under them, and how long it may be.

`node.reference.state_layout` finds the declarations and writes the page. The notation of types is told there:

    0…max                       an integer
    slug, address, hex 64, text ≤128, code ≤64, bytes 32       strings and bytes, with their length in bytes
    "yes" / "no"                one of these
    [A, B], [A × ≤16]           a list of exactly these, or of at most so many
    {name: A, name?: B}         a record; what has ? is left out where it has its default
    A / null, A / B             one of these
    Name                        a record that is written out below the table
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterable, Iterator
from functools import singledispatch
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from vm.arguments.rules import ADDRESS, SLUG, Rule
from vm.primitives.units import MAX_INT, MIN_INT
from vm.tables.bag import Bag
from vm.tables.ordered_set import OrderedMap, OrderedSet
from vm.tables.schedule import AGENDA, Schedule
from vm.tables.sequence import Sequence
from vm.tables.table import Keys, Table
from vm.tables.tree import Tree

NUMBERED: Final = "…/<n>"
"""The key of the row above with a number behind it."""

_RULE_WORDS: Final[tuple[tuple[str, str], ...]] = (
    (r"\^\[0-9a-f\]\{(\d+)\}\$", r"hex \1"),
    (r"\^\[!-~\]\{1,(\d+)\}\$", r"code ≤\1"),
)
"""What the patterns of `vm.arguments.rules` mean."""


class Row(NamedTuple):
    """One line of the page; `max_bytes` is None where nothing of its own is stored."""

    key: str
    words: str
    stored: str
    max_bytes: int | None


class Shapes:
    """Types in the page's notation.

    Attributes:
        records: those that were named on the way and are to be written out, by name.
    """

    def __init__(self, trees: Iterable[Tree] = ()) -> None:
        """Begin without records.

        Args:
            trees: those whose root may stand in a record.
        """
        self.records: dict[str, type[msgspec.Struct]] = {}
        self._trees = tuple(trees)

    def tree_of(self, annotation: Any) -> Tree | None:
        """Return the tree of which this is the root's type."""
        return next((tree for tree in self._trees if tree.root_type == annotation), None)

    def of(self, annotation: Any) -> str:
        """Return a type in the notation; a record by its name."""
        origin = get_origin(annotation)
        if (tree := self.tree_of(annotation)) is not None:
            return f"the root of a tree of {self.of(tree.item.annotation)}, {tree.page_items} to a page"
        if origin is Annotated:
            return self._annotated(annotation)
        if annotation is None or annotation is type(None):
            return "null"
        if origin is Literal:
            return " / ".join(f'"{choice}"' for choice in get_args(annotation))
        if origin in (Union, types.UnionType):
            return " / ".join(self.of(member) for member in get_args(annotation))
        if origin is tuple:
            return f"[{', '.join(self.of(item) for item in get_args(annotation))}]"
        if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
            self.records[annotation.__name__] = annotation
        return str(annotation.__name__)

    def written_out(self, annotation: Any) -> str:
        """Return a type in the notation; a record by its fields."""
        if not (isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)):
            return self.of(annotation)
        config, hints = annotation.__struct_config__, get_type_hints(annotation, include_extras=True)
        fields = [f'{config.tag_field}: "{config.tag}"'] if config.tag is not None else []
        for field in msgspec.structs.fields(annotation):
            mark = "?" if config.omit_defaults and not field.required else ""
            fields.append(f"{field.encode_name}{mark}: {self._present(hints[field.name], bool(mark))}")
        return f"[{', '.join(fields)}]" if config.array_like else f"{{{', '.join(fields)}}}"

    def trees_in(self, annotation: Any) -> Iterator[tuple[str, Tree]]:
        """Yield the fields of a record that hold the root of a tree."""
        if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
            for name, hint in get_type_hints(annotation, include_extras=True).items():
                if (tree := self.tree_of(hint)) is not None:
                    yield name, tree

    def _present(self, annotation: Any, is_left_out: bool) -> str:
        """Return the type of a field where it is there: None is the default of optional fields, and left out."""
        if is_left_out and get_origin(annotation) in (Union, types.UnionType):
            members = [member for member in get_args(annotation) if member is not type(None)]
            return " / ".join(self.of(member) for member in members)
        return self.of(annotation)

    def _annotated(self, annotation: Any) -> str:
        base, metadata = annotation.__origin__, annotation.__metadata__
        rule = next((item for item in metadata if isinstance(item, Rule)), None)
        limit = next(item for item in metadata if isinstance(item, Meta))
        if base is int:
            return f"{_number(limit.ge)}…{_number(limit.le)}"
        if base is str:
            return _text(rule, limit)
        if base is bytes:
            return f"bytes {'' if limit.min_length == limit.max_length else '≤'}{limit.max_length}"
        item, _ = get_args(base)
        return f"[{self.of(item)} × ≤{limit.max_length:,}]"


def _text(rule: Rule | None, limit: Meta) -> str:
    if rule is SLUG or rule is ADDRESS:
        return "slug" if rule is SLUG else "address"
    if rule is None:
        return f"text ≤{limit.max_length} characters"
    for pattern, words in _RULE_WORDS:
        found = re.fullmatch(pattern, rule.schema.get("pattern", ""))
        if found is not None:
            return found.expand(words)
    return f"text ≤{rule.max_bytes:,}"


def _number(value: float | None) -> str:
    if value in (MAX_INT, MIN_INT):
        return "max" if value == MAX_INT else "−max"
    return f"{value:,}".replace("-", "−")


def words_of(record: type) -> str:
    """Return the first sentence of what a record says of itself."""
    return (inspect.getdoc(record) or "").split("\n\n")[0].replace("\n", " ")


def _words_with_kind(declaration: Any) -> str:
    """Return a declaration's words, and its kind: `accounts that … (ordered set)` of an OrderedSet."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", " ", type(declaration).__name__).lower()
    return f"{declaration.words} ({kind})"


def keys_of(declaration: Any) -> Keys | None:
    """Return how a declaration's keys are made, None where it is no declaration of state."""
    keys = getattr(declaration, "keys", None)
    return keys if isinstance(keys, Keys) else None


@singledispatch
def rows(declaration: Any, shapes: Shapes) -> Iterator[Row]:
    """Yield the rows of one declaration: that of its key, then those of keys behind it.

    A declaration of a kind that is not known here has `keys`, `words` and `stored`, and one record under each key.
    """
    keys, stored = declaration.keys, declaration.stored
    words = declaration.words if type(declaration) is Table else _words_with_kind(declaration)
    yield Row(keys.pattern, words, shapes.written_out(stored.annotation), stored.max_bytes)
    for name, tree in shapes.trees_in(stored.annotation):
        yield Row(NUMBERED, f"a further page of `{name}`", "as the root", tree.stored.max_bytes)


@rows.register(OrderedSet)
@rows.register(OrderedMap)
def _(declaration: OrderedSet[Any] | OrderedMap[Any, Any], shapes: Shapes) -> Iterator[Row]:
    tree = declaration.tree
    entry, values = shapes.of(tree.item.annotation), get_args(tree.root_type)[-1]
    if get_origin(values) is Annotated:
        entry = f"{entry} → {shapes.of(get_args(values.__origin__)[0])}"
    words = _words_with_kind(declaration)
    longest = tree.stored.max_bytes
    yield Row(declaration.keys.pattern, words, f"the root page, of {entry}, {tree.page_items} to a page", longest)
    yield Row(NUMBERED, "a further page", "as the root", longest)


@rows.register(Sequence)
def _(declaration: Sequence[Any], shapes: Shapes) -> Iterator[Row]:
    count, item = declaration.count, declaration.stored
    yield Row(
        declaration.keys.pattern,
        _words_with_kind(declaration),
        f"how many items: {shapes.of(count.annotation)}",
        count.max_bytes,
    )
    yield Row(NUMBERED, "the n-th item, from 0 on", shapes.written_out(item.annotation), item.max_bytes)


@rows.register(Bag)
def _(declaration: Bag[Any], shapes: Shapes) -> Iterator[Row]:
    ends, page = declaration.ends, declaration.stored
    yield Row(
        declaration.keys.pattern,
        _words_with_kind(declaration),
        f"first and last page: {shapes.of(ends.annotation)}",
        ends.max_bytes,
    )
    yield Row(NUMBERED, "a page of items", shapes.of(page.annotation), page.max_bytes)


@rows.register(Schedule)
def _(declaration: Schedule, shapes: Shapes) -> Iterator[Row]:
    del shapes
    stored = f"nothing: it is an item of `{AGENDA.keys.path}`"
    yield Row(declaration.keys.pattern, _words_with_kind(declaration), stored, None)
