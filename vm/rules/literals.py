"""Values of string and bytes literals: escapes as in CEL, raw and triple-quoted forms."""

from __future__ import annotations

import re
from typing import Final

from vm.rules.errors import RuleRefused

_SIMPLE: Final = {
    "a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11,
    "\\": 0x5C, "?": 0x3F, '"': 0x22, "'": 0x27, "`": 0x60,
}  # fmt: skip
_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\\?\"'`])|[xX]([0-9a-fA-F]{2})|([0-3][0-7]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))"
)


def string_value(source: str, text: str, place: int, quote: int) -> str:
    """Return what a string literal spells; `quote` is the offset of its first quote."""
    start, body = _body(text, quote)
    if "r" in text[:quote].lower() or "\\" not in body:
        return body
    made: list[str] = []
    for piece, code, unicode, at in _pieces(source, body, place + start):
        if unicode and not (code < 0xD800 or 0xE000 <= code <= 0x10FFFF):
            raise RuleRefused(source, f"U+{code:04X} is no character", at)
        made.append(piece if code < 0 else chr(code))
    return "".join(made)


def bytes_value(source: str, text: str, place: int, quote: int) -> bytes:
    """Return what a bytes literal spells: characters as UTF-8, escapes as single bytes."""
    start, body = _body(text, quote)
    if "r" in text[:quote].lower() or "\\" not in body:
        return body.encode()
    made = bytearray()
    for piece, code, unicode, at in _pieces(source, body, place + start):
        if unicode:
            raise RuleRefused(source, r"bytes literals have no escapes \u and \U", at)
        made += piece.encode() if code < 0 else bytes((code,))
    return bytes(made)


def _body(text: str, quote: int) -> tuple[int, str]:
    """Return where the text between the quotes begins, and that text."""
    mark = text[quote]
    width = 3 if text[quote : quote + 3] == mark * 3 and len(text) >= quote + 6 else 1
    return quote + width, text[quote + width : -width]


def _pieces(source: str, body: str, base: int) -> list[tuple[str, int, bool, int]]:
    """Cut a body into (plain text, -1, …) and ("", code of an escape, whether by \\u or \\U, place)."""
    pieces: list[tuple[str, int, bool, int]] = []
    place = 0
    while place < len(body):
        if body[place] != "\\":
            end = body.find("\\", place)
            end = len(body) if end < 0 else end
            pieces.append((body[place:end], -1, False, base + place))
            place = end
            continue
        match = _ESCAPE.match(body, place)
        if match is None:
            raise RuleRefused(source, f"{ascii(body[place : place + 2])[1:-1]} is no escape", base + place)
        simple, byte, octal, short, long = match.groups()
        code = _SIMPLE[simple] if simple else int(octal, 8) if octal else int(byte or short or long, 16)
        pieces.append(("", code, bool(short or long), base + place))
        place = match.end()
    return pieces
