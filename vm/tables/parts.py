"""The parts of a state key: how each is written, read back, and described.

A key is `<path>/<part>/<part>…`. Whatever a part holds, what is written for it is not empty and has no `/`, and two different
values are written differently. So a key can be taken apart in one way only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from vm.errors import InvariantBroken

_ESCAPES: Final = (("%", "%25"), ("/", "%2f"))
"""`%` first when writing, last when reading: so that what is read is what was written."""


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of key part.

    Attributes:
        words: what stands there, for the page of the state layout.
        write: the value as text without `/`; None where the value is such a text already.
        parse: the value of a text that `write` has made.
        max_bytes: of the text.
        kind: the Python type of the value.
    """

    words: str
    write: Callable[[Any], str] | None
    parse: Callable[[str], Any]
    max_bytes: int
    kind: type

    def text(self, value: Any) -> str:
        """Return what is written for a value."""
        return str(value) if self.write is None else self.write(value)


def escape(text: str) -> str:
    """Return free text as it stands in a key."""
    for character, written in _ESCAPES:
        text = text.replace(character, written)
    return text


def unescape(text: str) -> str:
    """Return the free text that `escape` has written."""
    for character, written in reversed(_ESCAPES):
        text = text.replace(written, character)
    return text


def _write_number(value: int) -> str:
    if value < 0:
        raise InvariantBroken(f"{value} cannot stand in a key: only numbers from 0 on can")
    return str(value)


def _write_hex(value: bytes) -> str:
    return value.hex()


SLUG: Final = Part("slug", None, str, 32, str)
ADDRESS: Final = Part("address", None, str, 42, str)
NUMBER: Final = Part("number", _write_number, int, 16, int)
HEX: Final = Part("bytes in hex", _write_hex, bytes.fromhex, 64, bytes)
TEXT: Final = Part("text, `%` and `/` as `%25` and `%2f`", escape, unescape, 3 * 64, str)
"""For what identifies: at most 64 printable ASCII characters (SPEC section 1)."""
