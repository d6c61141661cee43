"""The generated parts of docs/rpc.md: the gateway's own methods, what they answer, and the error reasons.

    python -m node.reference.rpc_methods docs/rpc.md      rewrites them in place

Contract views are left to `rpc.discover` and the contracts' pages: they change with the contracts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from node.gateway.chain_methods import ChainMethods
from node.gateway.declared import HEX, parameters, schemas_of
from node.gateway.errors import CODES, REASONS
from node.gateway.method_table import Method, described_methods
from node.gateway.node_methods import NodeMethods
from node.gateway.state_methods import StateMethods
from node.gateway.transaction_methods import BATCHED, TransactionMethods
from node.reference.generated_parts import rewrite_file, with_parts


def own_methods() -> list[Method]:
    """Return the gateway's own methods, without anything that answers them."""
    groups = (NodeMethods, ChainMethods)
    described = [method for group in groups for method in described_methods(group)]
    return [*described, *BATCHED, *described_methods(TransactionMethods), *described_methods(StateMethods)]


def methods_text() -> str:
    """Return the section on methods."""
    return "\n".join(line for method in own_methods() for line in _method_lines(method))


def types_text() -> str:
    """Return the list of the types that the methods answer."""
    _, schemas = schemas_of(method.result_type for method in own_methods())
    return "\n".join(_type_line(name, schemas[name]) for name in sorted(schemas))


def _type_line(name: str, schema: dict[str, Any]) -> str:
    first = schema["description"].partition("\n\n")[0]
    if "prefixItems" in schema:
        return f"* `{name}`: {_answer_words(schema)}. {first}"
    required = schema.get("required", [])
    members = [
        f"`{member}`{'' if member in required else '?'} {_answer_words(form)}"
        for member, form in schema["properties"].items()
    ]
    return f"* `{name}`: {', '.join(members)}. {first}"


def _answer_words(schema: dict[str, Any]) -> str:
    """Return in words what a schema takes, by the names of the types that it refers to."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "anyOf" in schema:
        return " or ".join(_answer_words(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f'"{value}"' for value in schema["enum"])
    if "prefixItems" in schema:
        return f"[{', '.join(_answer_words(part) for part in schema['prefixItems'])}]"
    if "items" in schema:
        return f"list of {_answer_words(schema['items'])}"
    if "additionalProperties" in schema:
        return f"object of {_answer_words(schema['additionalProperties'])}"
    return "hex" if schema.get("pattern") == HEX else str(schema.get("type", "any"))


def errors_text() -> str:
    """Return the table of reasons."""
    lines = ["| code | | reason | meaning |", "|---|---|---|---|"]
    lines += [f"| {code} | {CODES[code]} | `{reason}` | {text} |" for reason, (code, text) in REASONS.items()]
    return "\n".join(lines)


def rewritten(document: str) -> str:
    """Return a document with its generated parts made anew."""
    return with_parts(document, {"methods": methods_text(), "types": types_text(), "errors": errors_text()})


def _method_lines(method: Method) -> Iterable[str]:
    yield f"### `{method.name}`"
    yield ""
    yield method.summary
    if method.description:
        yield ""
        yield method.description
    yield ""
    params = parameters(method.fields)
    if params:
        yield "| parameter | | |"
        yield "|---|---|---|"
        for param in params:
            need = "required" if param["required"] else "optional"
            yield f"| `{param['name']}` | {_type_words(param['schema'])} | {need} |"
        yield ""
    forms, _ = schemas_of([method.result_type])
    answer = _answer_words(forms[repr(method.result_type)])
    named = f" ({answer})" if "`" in answer else ""
    yield f"Result: {method.result}{named}" + (
        " · needs a key for writes where those are set." if method.writes else ""
    )
    yield ""


def _type_words(schema: dict[str, Any]) -> str:
    if "oneOf" in schema:
        return " or ".join(_type_words(option) for option in schema["oneOf"])
    words = str(schema.get("type", "any"))
    if "minimum" in schema:
        words += f" {schema['minimum']} … {schema['maximum']}"
    if "pattern" in schema:
        words += f" `{schema['pattern']}`".replace("|", "\\|")
    elif "minLength" in schema:
        words += f", {schema['minLength']} to {schema['maxLength']} bytes"
    return words


if __name__ == "__main__":
    rewrite_file(rewritten)
