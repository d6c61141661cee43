"""Types and values as the pages of the reference write them."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from vm.arguments.rules import ADDRESS, PUBLIC_KEY, SLUG, Rule
from vm.contract_api import Page
from vm.primitives.units import MAX_INT, MIN_INT

WIDTH: Final = 112

_NAMES: Final = {id(SLUG): "slug", id(ADDRESS): "address", id(PUBLIC_KEY): "public key, 32 bytes in hex"}
_PATTERNS: Final = {
    "^[A-Z]{3}$": "currency code",
    "^([0-9]{4}|[1-9][0-9]{4,5})-(0[1-9]|1[0-2])$": "month, `YYYY-MM`",
    "^[0-9a-f]{64}$": "32 bytes in hex",
    "^[0-9a-f]{128}$": "64 bytes in hex",
}
_CODE: Final = re.compile(r"\^\[!-~\]\{1,(\d+)\}\$")
_SCALARS: Final = {bool: "true or false", int: "integer", str: "string", type(None): "null"}


def type_words(hint: Any) -> str:
    """Return what values of an annotation are, in words; records by name."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated(hint)
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(type_words(member) for member in inner if member not in (type(None), msgspec.UnsetType))
    if origin is list or (origin is tuple and Ellipsis in inner):
        return f"list of {type_words(inner[0])}"
    if origin is tuple:
        return "[" + ", ".join(type_words(item) for item in inner) + "]"
    if origin is dict:
        return f"object: {type_words(inner[0])} → {type_words(inner[1])}"
    if isinstance(hint, TypeVar):
        return "those of the page"
    if hint in _SCALARS:
        return _SCALARS[hint]
    class_ = origin or hint
    if class_ is Page and inner:
        return f"`Page` of {type_words(inner[0])}"
    return f"`{getattr(class_, '__name__', class_)}`"


def _annotated(hint: Any) -> str:
    rules = [item for item in hint.__metadata__ if isinstance(item, Rule)]
    if rules:
        return _rule_words(rules[0])
    limit = next((item for item in hint.__metadata__ if isinstance(item, Meta)), None)
    words = type_words(hint.__origin__)
    if limit is None:
        return words
    if limit.ge is not None and limit.le is not None:
        return f"{words} {_number(limit.ge)} … {_number(limit.le)}"
    if limit.max_length is not None and words.startswith("list of"):
        least = f"{limit.min_length} to " if limit.min_length else "at most "
        return words.replace("list of", f"list of {least}{limit.max_length}", 1)
    return words


def _rule_words(rule: Rule) -> str:
    if id(rule) in _NAMES:
        return _NAMES[id(rule)]
    schema = rule.schema
    if schema.get("pattern") in _PATTERNS:
        return _PATTERNS[schema["pattern"]]
    if "pattern" in schema:
        coded = _CODE.fullmatch(schema["pattern"])
        if coded is not None:
            return f"1 to {coded[1]} printable ASCII characters without blanks"
        return "string `" + str(schema["pattern"]).replace("|", "\\|") + "`"
    if "minLength" in schema:
        return f"text, {schema['minLength']} to {schema['maxLength']} bytes"
    return f"{schema.get('type', 'value')}"


def _number(value: float) -> str:
    return {MAX_INT: "2^53 − 1", MIN_INT: "−(2^53 − 1)"}.get(int(value), f"{int(value):,}")


def records_in(hint: Any) -> Iterator[Any]:
    """Yield the records that an annotation names, each with its type arguments, outermost first."""
    origin = get_origin(hint)
    if _is_record(origin or hint):
        yield hint
    for member in get_args(hint):
        yield from records_in(member)


def fields_of(record: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yield (name, annotation, whether it is always there) of a record's fields; a tag comes first."""
    class_ = get_origin(record) or record
    config = class_.__struct_config__
    if config.tag_field is not None:
        yield config.tag_field, Literal[config.tag], True
    hints = get_type_hints(class_, include_extras=True)
    for info in msgspec.structs.fields(class_):
        yield info.encode_name, hints[info.name], info.required


def _is_record(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, msgspec.Struct)


def pretty(value: Any, indent: int = 0) -> str:
    """Return a value as JSON, on one line where it fits."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= WIDTH or not value or not isinstance(value, dict | list):
        return line
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        rows = [f"{pad}{json.dumps(name)}: {pretty(item, indent + 2)}" for name, item in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"
    rows = [f"{pad}{pretty(item, indent + 2)}" for item in value]
    return "[\n" + ",\n".join(rows) + "\n" + " " * indent + "]"
