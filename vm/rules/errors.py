"""What can go wrong with a rule: refused when it is registered, or an error when it is evaluated.

    RuleRefused     the author's fault: the source is not a rule; tells line, column and shows the place
    RuleError       data, never raised: how one evaluation ended without a value
    RuleFault       how an error travels inside the engine; `&&` and `||` absorb it
    RuleExhausted   the meter ran over the rule's limit; nothing absorbs it
    HostRefusal     what a host raises to end `local`, `in_collection` or `lookup` with an error

Invariants:
    1. The kinds of errors are closed: ErrorKind. A kind is never renamed, since receipts carry it.
    2. An error's message depends on source, values and host alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

_SHOWN: Final = 96
"""Characters of a source line that a message shows around the place; a line of 4 KiB helps no one."""


class ErrorKind(StrEnum):
    """Why an evaluation has no value. The names are part of receipts."""

    MISSING = "MISSING"
    """A fact or a map's key is not there."""
    TYPE = "TYPE"
    """An operand is null or of a type that the operation does not take."""
    OVERFLOW = "OVERFLOW"
    """An integer leaves the range of 64 bits."""
    DIVIDE_BY_ZERO = "DIVIDE_BY_ZERO"
    INDEX = "INDEX"
    """A list has no element at this index."""
    CONVERSION = "CONVERSION"
    """A string does not spell an integer, or bytes are not UTF-8."""
    DUPLICATE_KEY = "DUPLICATE_KEY"
    """A map is written with one key twice."""
    ARGUMENT = "ARGUMENT"
    """A function has no answer: `min([])`, `clamp` with its bounds crossed."""
    HOST = "HOST"
    """The brand has no such collection or table, or what depends on the brand is not known here."""
    LIMIT = "LIMIT"
    """The evaluation cost more than was estimated: a fact is larger than declared."""


class RuleError(msgspec.Struct, frozen=True):
    """How an evaluation ended without a value.

    Attributes:
        position: offset in the source, in code points, of the operation that failed.
    """

    kind: ErrorKind
    message: str
    position: int

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.message}"


class RuleFault(Exception):
    """An error on its way through the engine.

    What absorbs or delays one keeps its error alone: a kept exception would keep its frames in a cycle. The error
    is the one argument, which Python's own constructor takes faster than ours would.
    """

    @property
    def error(self) -> RuleError:
        """What the caller is told."""
        error: RuleError = self.args[0]
        return error


class RuleExhausted(Exception):
    """The evaluation cost more than the rule's worst case."""


class HostRefusal(Exception):
    """A host cannot answer; its message becomes that of an error of kind HOST."""


class RuleRefused(ValueError):
    """A source is not a rule that can be registered.

    Attributes:
        reason: one sentence.
        position: offset in the source, in code points.
        line, column: the same place, counted from 1.
    """

    def __init__(self, source: str, reason: str, position: int) -> None:
        self.reason = reason
        self.position = position
        self.line = source.count("\n", 0, position) + 1
        start = source.rfind("\n", 0, position) + 1
        self.column = position - start + 1
        self._shown = _place(source, start, position)
        super().__init__(f"line {self.line}, column {self.column}: {reason}")

    @property
    def message(self) -> str:
        """The sentence with its place, on one line."""
        return str(self)

    def pointed(self) -> str:
        """Return the message, the source's line, and a caret below the character."""
        return f"{self}\n{self._shown}"


def _place(source: str, start: int, position: int) -> str:
    """Return the line, or what is near in a long one, and below it the caret."""
    end = source.find("\n", position)
    end = len(source) if end < 0 else end
    first = max(start, position - _SHOWN // 2)
    last = min(end, first + _SHOWN)
    text = "".join(_visible(character) for character in source[first:last])
    lead, tail = "…" if first > start else "", "…" if last < end else ""
    return f"  {lead}{text}{tail}\n  {' ' * (len(lead) + position - first)}^"


def _visible(character: str) -> str:
    """Return a character as a terminal can show it, in one column."""
    code = ord(character)
    if code == 9:
        return " "
    return "\N{REPLACEMENT CHARACTER}" if code < 32 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 else character
