"""Text in a picture: made safe for XML, measured roughly, made smaller until it fits, and cut where it cannot.

A viewer's font is not known, so widths are estimates by kinds of characters, in hundredths of the font's size.
"""

from __future__ import annotations

import re
from typing import Final

FONT: Final = "Avenir Next,Futura,Montserrat,Segoe UI,Helvetica Neue,Helvetica,Arial,sans-serif"

_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NARROW: Final = frozenset("il.,:;'|!()[] ·’")
_SLIM: Final = frozenset("IJfrtj-1")
_WIDE: Final = frozenset("mwMW@%—")
_ESCAPES: Final = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;"))


def escaped(text: str) -> str:
    """Return a text as it can stand in an element or an attribute; what XML 1.0 cannot hold becomes U+FFFD."""
    text = _NOT_XML.sub("\ufffd", text)
    for character, written in _ESCAPES:
        text = text.replace(character, written)
    return text


def _width(character: str) -> int:
    code = ord(character)
    if character in _NARROW:
        return 32
    if character in _SLIM:
        return 46
    if character in _WIDE:
        return 92
    if 0x0300 <= code <= 0x036F or 0xFE00 <= code <= 0xFE0F:
        return 0
    if code >= 0x2E80:
        return 104
    if "A" <= character <= "Z" or 0x00C0 <= code <= 0x00DE or 0x0391 <= code <= 0x042F:
        return 72
    return 60


def width_of(text: str, size: int, spacing: int = 0) -> int:
    """Return about how wide a text is, of a font's size, with so much between the characters."""
    return sum([_width(character) for character in text]) * size // 100 + spacing * len(text)


def fitted(text: str, room: int, largest: int, smallest: int, spacing_percent: int = 0) -> tuple[str, int, int]:
    """Return (text, size, space between characters) so that it has room; at the smallest size it is cut."""
    for size in range(largest, smallest - 1, -2):
        spacing = size * spacing_percent // 100
        if width_of(text, size, spacing) <= room:
            return text, size, spacing
    spacing = smallest * spacing_percent // 100
    while text and width_of(text + "…", smallest, spacing) > room:
        text = text[:-1]
    return text.rstrip() + "…", smallest, spacing


def raised(text: str) -> str:
    """Return a text in capitals: of Latin, Greek and Cyrillic letters, by fixed ranges, which no Python changes."""
    return "".join([_capital(character) for character in text])


def _capital(character: str) -> str:
    code = ord(character)
    if code == 0xFF:
        return "\u0178"
    for first, last, distance in _LOWER:
        if first <= code <= last and code not in _WITHOUT_CAPITAL:
            return chr(code - distance)
    if 0x0100 <= code <= 0x017E and code not in _WITHOUT_CAPITAL:
        is_lower = code % 2 == 1 if code < 0x0139 or 0x0149 < code < 0x0179 else code % 2 == 0
        return chr(code - 1) if is_lower else character
    return character


_LOWER: Final = (
    (0x61, 0x7A, 32),
    (0xE0, 0xFE, 32),
    (0x3B1, 0x3C9, 32),
    (0x430, 0x44F, 32),
    (0x450, 0x45F, 80),
)
"""Ranges of small letters whose capitals stand so far before them."""

_WITHOUT_CAPITAL: Final = frozenset({0xF7, 0x131, 0x138, 0x149, 0x178, 0x3C2})
"""÷ ı ĸ ŉ Ÿ ς: no small letters of these ranges, or small letters of others."""
