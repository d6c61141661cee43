"""The parts of a state key: how each is written, read back, and described.

A key is `<path>/<part>/<part>…`. Whatever a part holds, what is written for it is not empty and has no `/`, and
two different values are written differently. So a key can be taken apart in one way only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from vm.errors import InvariantBroken
from vm.primitives.address import is_address
from vm.primitives.units import MAX_INT, is_slug

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
        holds: what else is so of a value that may stand there. Making a key does not ask it, since a transfer makes
            ten keys of arguments that were checked; the contracts' tests ask it of every key (`fault_of`).
    """

    words: str
    write: Callable[[Any], str] | None
    parse: Callable[[str], Any]
    max_bytes: int
    kind: type
    holds: Callable[[Any], bool] | None = None

    def fault_of(self, text: str) -> str | None:
        """Return what is wrong with what stands in a key, None where it is as `text` writes a value."""
        try:
            value = self.parse(text)
            is_whole = type(value) is self.kind and self.text(value) == text
        except (ValueError, InvariantBroken):
            is_whole = False
        if not is_whole or not text or "/" in text or (self.holds is not None and not self.holds(value)):
            return f"{text!r} is no {self.words}"
        if len(text.encode()) > self.max_bytes:
            return f"{text!r} is longer than {self.max_bytes} bytes"
        return None

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


def _is_code(value: str) -> bool:
    return 1 <= len(value) <= 64 and all("!" <= character <= "~" for character in value)


SLUG: Final = Part("slug", None, str, 32, str, is_slug)
ADDRESS: Final = Part("address", None, str, 42, str, is_address)
NUMBER: Final = Part("number", _write_number, int, 16, int, lambda value: value <= MAX_INT)
HEX: Final = Part("bytes in hex", _write_hex, bytes.fromhex, 64, bytes)
TEXT: Final = Part("text, `%` and `/` as `%25` and `%2f`", escape, unescape, 3 * 64, str, _is_code)
"""For what identifies: at most 64 printable ASCII characters (SPEC section 1)."""
