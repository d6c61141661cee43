"""A syntax tree as source text again, with no more brackets than are needed: parse(text(tree)) == tree."""

from __future__ import annotations

import re
from typing import Final

from vm.rules import syntax
from vm.rules.syntax import Literal, Node

_SHOWN: Final = 60
"""Characters of an expression that a message repeats."""

_PLAIN_FIELD: Final = re.compile(r"(?!(?:true|false|null|in)\Z)[A-Za-z_][A-Za-z0-9_]*")
_TERNARY, _OR, _AND, _RELATION, _SUM, _PRODUCT, _UNARY, _MEMBER = range(8)


def text(tree: Node) -> str:
    """Return the source of a tree."""
    return _print(tree, _TERNARY)


def shown(tree: Node) -> str:
    """Return the source of a tree, or its beginning, for a message."""
    whole = text(tree)
    return whole if len(whole) <= _SHOWN else whole[: _SHOWN - 1] + "…"


def _print(node: Node, tightness: int) -> str:
    """Print a node where operators of at least this tightness are expected."""
    own, body = _parts(node)
    return f"({body})" if own < tightness else body


def _parts(node: Node) -> tuple[int, str]:
    match node:
        case syntax.Conditional(condition=condition, then=then, otherwise=otherwise):
            return _TERNARY, f"{_print(condition, _OR)} ? {_print(then, _OR)} : {_print(otherwise, _TERNARY)}"
        case syntax.Chain(operator=operator, operands=operands):
            own = _OR if operator == "||" else _AND
            return own, f" {operator} ".join(_print(operand, own + 1) for operand in operands)
        case syntax.Compare(operator=operator, left=left, right=right):
            return _RELATION, f"{_print(left, _RELATION)} {operator} {_print(right, _SUM)}"
        case syntax.In(item=left, container=right):
            return _RELATION, f"{_print(left, _RELATION)} in {_print(right, _SUM)}"
        case syntax.Arithmetic():
            return _arithmetic(node)
        case syntax.Unary():
            return _UNARY, _unary(node)
    return _MEMBER, _member(node)


def _arithmetic(node: syntax.Arithmetic) -> tuple[int, str]:
    own = _SUM if node.operators[0] in "+-" else _PRODUCT
    pieces = [_print(node.operands[0], own + 1)]
    for operator, operand in zip(node.operators, node.operands[1:], strict=True):
        pieces += (operator, _print(operand, own + 1))
    return own, " ".join(pieces)


def _unary(node: syntax.Unary) -> str:
    operand = node.operand
    if isinstance(operand, syntax.Unary) and operand.operator == node.operator:
        return node.operator + _unary(operand)
    # A minus before digits would become the literal's own.
    if node.operator == "-" and _starts_with_digits_or_minus(operand):
        return f"-({text(operand)})"
    return node.operator + _print(operand, _MEMBER)


def _starts_with_digits_or_minus(node: Node) -> bool:
    return _print(node, _MEMBER)[0] in "-0123456789"


def _member(node: Node) -> str:
    match node:
        case Literal(value=value):
            return _literal(value)
        case syntax.Name(name=name):
            return name
        case syntax.Select(operand=operand, field=field):
            return f"{_print(operand, _MEMBER)}.{_field(field)}"
        case syntax.Has(operand=operand, field=field):
            return f"has({_print(operand, _MEMBER)}.{_field(field)})"
        case syntax.Index(operand=operand, index=index):
            return f"{_print(operand, _MEMBER)}[{text(index)}]"
        case syntax.ListLiteral(elements=elements):
            return f"[{', '.join(text(element) for element in elements)}]"
        case syntax.MapLiteral(entries=entries):
            return "{" + ", ".join(f"{text(key)}: {text(value)}" for key, value in entries) + "}"
        case syntax.Call():
            return _call(node)
        case syntax.Macro():
            return _macro(node)
    raise AssertionError(f"a node without text: {type(node).__name__}")


def _call(node: syntax.Call) -> str:
    arguments = [text(argument) for argument in node.arguments]
    if not node.receiver:
        return f"{node.function}({', '.join(arguments)})"
    return f"{_print(node.arguments[0], _MEMBER)}.{node.function}({', '.join(arguments[1:])})"


def _macro(node: syntax.Macro) -> str:
    bodies = [node.body] if node.condition is None else [node.condition, node.body]
    inner = ", ".join((node.variable, *(text(body) for body in bodies)))
    return f"{_print(node.range, _MEMBER)}.{node.macro}({inner})"


def _field(name: str) -> str:
    return name if _PLAIN_FIELD.fullmatch(name) else f"`{name}`"


def _literal(value: bool | int | str | bytes | None) -> str:
    if isinstance(value, bytes):
        return 'b"' + "".join(_byte(byte) for byte in value) + '"'
    if isinstance(value, str):
        return '"' + "".join(_character(character) for character in value) + '"'
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _byte(byte: int) -> str:
    return chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}"


def _character(character: str) -> str:
    """Escape what ends the literal, and what no terminal shows: control and format characters are below U+00A0."""
    if character in '"\\':
        return "\\" + character
    code = ord(character)
    return character if 32 <= code < 127 or code >= 160 else f"\\u{code:04x}"
