"""Tokens to a syntax tree: CEL's grammar by precedence climbing.

    Expr        = Or ["?" Or ":" Expr]
    Or          = And {"||" And}                     And      = Relation {"&&" Relation}
    Relation    = Sum {("<"|"<="|">="|">"|"=="|"!="|"in") Sum}
    Sum         = Product {("+"|"-") Product}        Product  = Unary {("*"|"/"|"%") Unary}
    Unary       = "!" {"!"} Member | "-" {"-"} Member | Member
    Member      = Primary {"." field ["(" args ")"] | "[" Expr "]"}
    Primary     = name ["(" args ")"] | "(" Expr ")" | "[" list "]" | "{" map "}" | ["-"] literal

Invariants:
    1. The parser recurses for brackets and branches only, at most MAX_DEPTH deep and a dozen Python frames each;
       what nests without brackets (`a.b.c`, `!!a`) is read in loops, and the tree's depth is bounded afterwards.
    2. Every loop takes a token, so that the work is linear in the source.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

from vm.rules import syntax
from vm.rules.errors import RuleRefused
from vm.rules.lexer import BYTES, END, FIELD, INT, INT_MAX, NAME, STRING, SYMBOL, Token, tokens
from vm.rules.syntax import MACROS, MAX_DEPTH, Literal, Node

RESERVED: Final = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
"""CEL keeps these words for languages that embed it: they name no variable, but can name a field."""

_KEYWORDS: Final = frozenset({"true", "false", "null", "in"})
_CONSTANTS: Final = {"true": True, "false": False, "null": None}

_LEVELS: Final = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"<", "<=", ">", ">=", "==", "!=", "in"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)
"""Binary operators from the loosest to the tightest."""


def parse(source: str) -> Node:
    """Return the tree of a source.

    Raises:
        RuleRefused: the source is no expression of the language, or too long or too deep.
    """
    tree = _Parser(source).whole()
    _require_shallow(source, tree)
    return tree


def _require_shallow(source: str, tree: Node) -> None:
    level, depth = [tree], -1
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise RuleRefused(source, f"the expression is nested deeper than {MAX_DEPTH} levels", level[0].position)
        level = [child for node in level for child in node.children()]


class _Parser:
    """One pass over the tokens of one source."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._now = next(self._tokens)
        self._after: Token | None = None
        # The whole expression is in no brackets.
        self._open = -1

    def whole(self) -> Node:
        tree = self._expression()
        if self._now.kind != END:
            self._refuse(f"{_shown(self._now)} is not expected here: the expression has ended before it")
        return tree

    # Tokens

    def _take(self) -> Token:
        token = self._now
        if token.kind is not END:
            self._now = self._after or next(self._tokens)
            self._after = None
        return token

    def _next(self) -> Token:
        """Return the token after the present one, which is not the last."""
        if self._after is None:
            self._after = next(self._tokens)
        return self._after

    def _is(self, symbol: str) -> bool:
        token = self._now
        return token.kind is SYMBOL and token.value == symbol

    def _expect(self, symbol: str, what: str) -> Token:
        if not self._is(symbol):
            self._refuse(f"{what} wants {symbol} here, not {_shown(self._now)}")
        return self._take()

    def _refuse(self, reason: str, position: int | None = None) -> NoReturn:
        raise RuleRefused(self._source, reason, self._now.position if position is None else position)

    # Expressions

    def _expression(self) -> Node:
        self._open += 1
        if self._open > MAX_DEPTH:
            self._refuse_depth()
        node = self._binary(0)
        if self._is("?"):
            position = self._take().position
            then = self._binary(0)
            self._expect(":", "a condition with ?")
            node = syntax.Conditional(position, node, then, self._expression())
        self._open -= 1
        return node

    def _binary(self, level: int) -> Node:
        """Parse one level of precedence; each level is a loop, and the tightest reads unary expressions."""
        if level == len(_LEVELS):
            return self._unary()
        operators = _LEVELS[level]
        left = self._binary(level + 1)
        if self._now.value not in operators or self._now.kind not in (SYMBOL, NAME):
            return left
        return self._relation(left) if level == 2 else self._chain(left, level)

    def _chain(self, first: Node, level: int) -> Node:
        operands, operators, places = [first], [], []
        while self._now.kind is SYMBOL and self._now.value in _LEVELS[level]:
            token = self._take()
            operators.append(str(token.value))
            places.append(token.position)
            operands.append(self._binary(level + 1))
        if level < 2:
            return syntax.Chain(places[0], operators[0], tuple(operands))
        return syntax.Arithmetic(places[0], tuple(operators), tuple(operands), tuple(places))

    def _relation(self, left: Node) -> Node:
        for _ in range(MAX_DEPTH + 1):
            if self._now.kind not in (SYMBOL, NAME) or self._now.value not in _LEVELS[2]:
                return left
            token = self._take()
            right = self._binary(3)
            if token.value == "in":
                left = syntax.In(token.position, left, right)
            else:
                left = syntax.Compare(token.position, str(token.value), left, right)
        return self._refuse_depth()

    def _unary(self) -> Node:
        operator = self._now.value
        if self._now.kind is not SYMBOL or operator not in ("!", "-"):
            return self._member()
        places = []
        while self._is(str(operator)):
            places.append(self._take().position)
            if len(places) > MAX_DEPTH:
                self._refuse_depth()
        # As in CEL's grammar, one minus before digits belongs to the literal: so the least integer can be written.
        if operator == "-" and len(places) == 1 and self._now.kind is INT:
            return self._suffixes(self._integer(self._take(), places[0]))
        if (
            self._now.kind is SYMBOL
            and self._now.value in ("!", "-")
            and not (operator == "!" and self._negative())
        ):
            self._refuse(f"{self._now.value} after {operator} needs brackets")
        node = self._unary_operand()
        for position in reversed(places):
            node = syntax.Unary(position, str(operator), node)
        return node

    def _negative(self) -> bool:
        """Tell whether a negative literal is next."""
        return self._is("-") and self._next().kind is INT

    def _unary_operand(self) -> Node:
        if self._negative():
            position = self._take().position
            return self._suffixes(self._integer(self._take(), position))
        return self._member()

    # Members

    def _member(self) -> Node:
        return self._suffixes(self._primary())

    def _suffixes(self, node: Node) -> Node:
        for _ in range(MAX_DEPTH + 1):
            if self._is("."):
                position = self._take().position
                node = self._selected(node, position)
            elif self._is("["):
                position = self._take().position
                if self._is("?"):
                    self._refuse("optional values are left out of the language")
                index = self._expression()
                self._expect("]", "an index")
                node = syntax.Index(position, node, index)
            elif self._is("{"):
                self._refuse("messages are left out of the language: write a map without a name before it")
            else:
                return node
        return self._refuse_depth()

    def _refuse_depth(self) -> NoReturn:
        self._refuse(f"the expression is nested deeper than {MAX_DEPTH} levels")

    def _selected(self, operand: Node, position: int) -> Node:
        token = self._now
        if self._is("?"):
            self._refuse("optional values are left out of the language")
        if token.kind not in (NAME, FIELD) or (token.kind is NAME and token.value in _KEYWORDS):
            self._refuse(f"a field's name follows the dot, not {_shown(token)}")
        self._take()
        name = str(token.value)
        if token.kind is NAME and self._is("("):
            if name in MACROS:
                return self._macro(operand, name, token.position)
            return syntax.Call(token.position, name, (operand, *self._arguments(name)), True)
        return syntax.Select(position, operand, name)

    def _macro(self, range_: Node, macro: str, position: int) -> Node:
        self._take()
        variable = self._now
        if variable.kind is not NAME or variable.value in _KEYWORDS or variable.value in RESERVED:
            self._refuse(f"{macro} wants the name of its variable first, not {_shown(variable)}")
        self._take()
        self._expect(",", f"{macro} after its variable")
        parts = [self._expression()]
        if macro == "map" and self._is(","):
            self._take()
            parts.append(self._expression())
        self._expect(")", macro)
        condition = parts[0] if len(parts) == 2 else None
        return syntax.Macro(position, macro, range_, str(variable.value), condition, parts[-1])

    def _arguments(self, name: str) -> tuple[Node, ...]:
        self._take()
        return self._sequence(")", f"the call of {name}", self._expression, trailing=False)

    def _sequence(self, end: str, what: str, item: Callable[[], Node], *, trailing: bool) -> tuple[Node, ...]:
        """Parse items between commas and take the closing bracket."""
        items: list[Node] = []
        # As in CEL's grammar, a list or map can consist of its trailing comma.
        if trailing and self._is(","):
            self._take()
            self._expect(end, what)
            return ()
        while not self._is(end):
            items.append(item())
            if not self._is(","):
                break
            self._take()
            if self._is(end) and not trailing:
                self._refuse(f"{what} ends with a comma")
        self._expect(end, what)
        return tuple(items)

    # Primaries

    def _primary(self) -> Node:
        token = self._now
        if token.kind is INT:
            return self._integer(self._take(), None)
        if token.kind in (STRING, BYTES):
            self._take()
            return Literal(token.position, token.value)
        if token.kind is NAME:
            return self._named(self._take())
        if self._is("("):
            self._take()
            node = self._expression()
            self._expect(")", "an opened bracket")
            return node
        if self._is("["):
            self._take()
            return self._list(token.position)
        if self._is("{"):
            self._take()
            return self._map(token.position)
        if self._is("."):
            self._refuse("names with a leading dot are left out of the language, which has no namespaces")
        return self._refuse(f"a value is expected here, not {_shown(token)}")

    def _integer(self, token: Token, sign: int | None) -> Node:
        magnitude = int(token.value)
        if sign is None and magnitude > INT_MAX:
            self._refuse("the integer does not fit into 64 bits", token.position)
        value = magnitude if sign is None else -magnitude
        return Literal(token.position if sign is None else sign, value)

    def _named(self, token: Token) -> Node:
        name = str(token.value)
        if name in _CONSTANTS:
            return Literal(token.position, _CONSTANTS[name])
        if name in RESERVED or name == "in":
            self._refuse(f"{name} is a reserved word", token.position)
        if not self._is("("):
            return syntax.Name(token.position, name)
        if name == "has":
            return self._has(token.position)
        return syntax.Call(token.position, name, self._arguments(name), False)

    def _has(self, position: int) -> Node:
        arguments = self._arguments("has")
        if len(arguments) != 1 or not isinstance(arguments[0], syntax.Select):
            self._refuse("has wants one field selection, such as has(event.amount)", position)
        selected = arguments[0]
        return syntax.Has(position, selected.operand, selected.field)

    def _list(self, position: int) -> Node:
        elements = self._sequence("]", "a list", self._expression, trailing=True)
        return syntax.ListLiteral(position, elements)

    def _map(self, position: int) -> Node:
        values: list[Node] = []

        def key() -> Node:
            made = self._expression()
            self._expect(":", "a map after a key")
            values.append(self._expression())
            return made

        keys = self._sequence("}", "a map", key, trailing=True)
        return syntax.MapLiteral(position, tuple(zip(keys, values, strict=True)))


def _shown(token: Token) -> str:
    """Return a token as a message names it."""
    if token.kind is END:
        return "the end"
    if token.kind in (STRING, BYTES):
        return f"a {token.kind}"
    return str(token.value)
