"""The generated part of docs/reference-configuration.md: every field of node.toml, from its structs.

    python -m node.reference.configuration docs/reference-configuration.md      rewrites it in place

Type, range, unit and default come from the JSON schema that msgspec makes; the meaning is the string below the
field in `node.runtime.config`.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from textwrap import dedent
from typing import Any, Final

import msgspec

from node.reference.generated_parts import rewrite_file, table, with_parts
from node.runtime.config import NodeConfig, PeerAddress, RpcLimits, StoreSettings, VirtualClock, Workers

_TABLES: Final[dict[str, type[msgspec.Struct]]] = {
    "Top level": NodeConfig,
    "[rpc]": RpcLimits,
    "[store]": StoreSettings,
    "[workers]": Workers,
    "[[peers]]": PeerAddress,
    "[clock]": VirtualClock,
}
"""Heading → the struct of a table of node.toml, in the order in which an operator reads them."""


def configuration_text() -> str:
    """Return one table of Markdown for each table of node.toml."""
    return "\n\n".join(_section(heading, struct) for heading, struct in _TABLES.items())


def rewritten(document: str) -> str:
    """Return a document with its generated part made anew."""
    return with_parts(document, {"configuration": configuration_text()})


def meanings(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return the string below each field of a struct, on one line."""
    (class_,) = ast.parse(dedent(inspect.getsource(struct))).body
    assert isinstance(class_, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(class_.body, class_.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            words = below.value if isinstance(below, ast.Expr) else None
            text = words.value if isinstance(words, ast.Constant) else None
            found[field.target.id] = " ".join(text.split()) if isinstance(text, str) else ""
    return found


def _section(heading: str, struct: type[msgspec.Struct]) -> str:
    columns = ("field", "type", "unit", "range", "default", "meaning")
    return f"## {heading}\n\n{inspect.getdoc(struct)}\n\n{table(columns, _rows(struct))}"


def _rows(struct: type[msgspec.Struct]) -> Iterator[list[str]]:
    schema = msgspec.json.schema(struct)["$defs"][struct.__name__]
    words = meanings(struct)
    for name, described in schema["properties"].items():
        given = _without_null(described)
        default = _default(described, required=name in schema["required"])
        yield [f"`{name}`", _type(given), given.get("unit", ""), _range(given), default, words.get(name, "")]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    for option in schema.get("anyOf", ()):
        if option.get("type") != "null":
            return dict(option)
    return schema


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if "$ref" in schema:
        return "table"
    if schema["type"] == "array":
        return "tables" if "$ref" in schema["items"] else "list of strings"
    return str(schema["type"])


def _range(schema: dict[str, Any]) -> str:
    if "minimum" in schema:
        return f"{_number(schema['minimum'])} … {_number(schema['maximum'])}"
    if "maxItems" in schema:
        of_each = f", each {_range(schema['items'])}" if "maxLength" in schema["items"] else ""
        return f"at most {_number(schema['maxItems'])}{of_each}"
    if "maxLength" in schema:
        return f"{schema.get('minLength', 0)} to {_number(schema['maxLength'])} characters"
    return "64 hex digits" if "pattern" in schema else ""


def _number(value: int) -> str:
    return "2^53 − 1" if value == 2**53 - 1 else f"{value:,}"


def _default(schema: dict[str, Any], *, required: bool) -> str:
    if required:
        return "required"
    value = schema["default"]
    if value is None or isinstance(value, dict):
        return ""  # the meaning says what an absent one comes to
    if isinstance(value, int):
        return f"{value:,}"
    return f"`{value}`" if value else "none"


if __name__ == "__main__":
    rewrite_file(rewritten)
