"""Source text to tokens, by one regular expression that never looks back.

What CEL has and this language leaves out (doubles, unsigned integers) is recognised here, so that the message can
name it. Work is linear in the source, which is at most MAX_SOURCE_BYTES.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from vm.rules.errors import RuleRefused
from vm.rules.literals import bytes_value, string_value
from vm.rules.syntax import MAX_SOURCE_BYTES

INT, STRING, BYTES, NAME, FIELD, SYMBOL, END = "int", "string", "bytes", "name", "field", "symbol", "end"

INT_MAX: Final = 2**63 - 1
MAX_DIGITS: Final = 19
"""Of the largest integer; longer ones are refused before Python converts them."""

_TOKEN: Final = re.compile(
    r"""
      (?P<blank>   (?: [ \t\n\f\r] | //[^\n]* )+ )
    | (?P<text>    (?: [bB]?[rR] ) (?: '''.*?''' | \"\"\".*?\"\"\" | '[^'\n\r]*' | "[^"\n\r]*" )
                 | [bB]? (?: '''(?:[^\\]|\\.)*?''' | \"\"\"(?:[^\\]|\\.)*?\"\"\"
                           | '(?:[^'\\\n\r]|\\[^\n\r])*' | "(?:[^"\\\n\r]|\\[^\n\r])*" ) )
    | (?P<double>  [0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)? | [0-9]+[eE][+-]?[0-9]+ | \.[0-9]+(?:[eE][+-]?[0-9]+)? )
    | (?P<number>  (?: 0x[0-9a-fA-F]+ | [0-9]+ ) [uU]? )
    | (?P<name>    [A-Za-z_][A-Za-z0-9_]* )
    | (?P<field>   `[A-Za-z0-9_.\-/ ]+` )
    | (?P<symbol>  && | \|\| | == | != | <= | >= | [-+*/%!<>?:.,()\[\]{}] )
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """One token: `value` is a literal's value, a name or a symbol."""

    kind: str
    value: int | str | bytes
    position: int


def tokens(source: str) -> Iterator[Token]:
    """Yield the tokens of a source, the last one being END.

    Each is read when it is asked for, so that what is refused at its beginning is not read to its end.

    Raises:
        RuleRefused: the text is too long, not Unicode text, or holds what is no token of the language.
    """
    _require_text(source)
    place = 0
    while place < len(source):
        match = _TOKEN.match(source, place)
        if match is None:
            raise RuleRefused(source, _no_token(source, place), place)
        kind = match.lastgroup
        if kind != "blank":
            yield _token(source, kind or "", match.group(), place)
        place = match.end()
    yield Token(END, "", len(source))


def _require_text(source: str) -> None:
    # Characters are at most bytes: what is far too long is not encoded first.
    if len(source) > MAX_SOURCE_BYTES:
        raise RuleRefused(source, f"a rule's source is at most {MAX_SOURCE_BYTES} bytes long", MAX_SOURCE_BYTES)
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        code = ord(source[error.start])
        raise RuleRefused(source, f"U+{code:04X} is a surrogate, which is no character", error.start) from None
    if size > MAX_SOURCE_BYTES:
        raise RuleRefused(source, f"a rule's source is at most {MAX_SOURCE_BYTES} bytes long", 0)
    place = source.find("\0")
    if place >= 0:
        raise RuleRefused(source, "the source contains the character NUL", place)


def _token(source: str, kind: str, text: str, place: int) -> Token:
    if kind == "symbol":
        return Token(SYMBOL, text, place)
    if kind == "name":
        return Token(NAME, text, place)
    if kind == "field":
        return Token(FIELD, text[1:-1], place)
    if kind == "number":
        return Token(INT, _integer(source, text, place), place)
    if kind == "double":
        raise RuleRefused(source, f"double is left out of the language: write {text} as an integer", place)
    quote = min(index for index in (text.find("'"), text.find('"')) if index >= 0)
    if text[0] in "bB":
        return Token(BYTES, bytes_value(source, text, place, quote), place)
    return Token(STRING, string_value(source, text, place, quote), place)


def _integer(source: str, text: str, place: int) -> int:
    """Return a literal's magnitude, which the parser bounds once it knows the sign."""
    if text[-1] in "uU":
        raise RuleRefused(source, "uint is left out of the language: write the integer without its u", place)
    base, digits = (16, text[2:].lstrip("0")) if text.startswith("0x") else (10, text.lstrip("0"))
    # -2^63 is the one literal whose magnitude is beyond the largest integer.
    if len(digits) > MAX_DIGITS or (magnitude := int(digits or "0", base)) > INT_MAX + 1:
        raise RuleRefused(source, "the integer does not fit into 64 bits", place)
    return magnitude


def _no_token(source: str, place: int) -> str:
    """Say why no token begins here."""
    rest = source[place : place + 5]
    if rest.lstrip("rRbB")[:1] in ("'", '"') or rest[0] in "'\"":
        return "the string does not end"
    if rest[0] == "`":
        return "a field between backquotes has letters, digits, and _ . - / and blanks only"
    if rest[0] in "&|":
        return f"{rest[0]} stands alone: write {rest[0] * 2}"
    if rest[0] == "=":
        return "= stands alone: write == to compare"
    return f"the character {rest[0]!a} has no meaning here"
