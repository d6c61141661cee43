"""What evaluation costs, in units of the rule language (SPEC section 8).

A rule's cost comes from its syntax tree and from the sizes of its values, never from how it is executed. The tree
is cut into blocks: what is evaluated without a condition in between. A block pays for all its nodes when it is
entered. The right side of `&&` and `||`, a branch of `? :` and a macro's body are blocks of their own. What depends
on sizes is paid when the operation happens. So a failing operation costs the same wherever its block fails, and the
compiled form pays once per block.

The table is consensus: a changed figure is a new VERSION, and a rule tells the version that it was checked with.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = 1

LITERAL: Final = 1
NAME: Final = 1
SELECT: Final = 1
INDEX: Final = 2
UNARY: Final = 1
ARITHMETIC: Final = 1
"""Each operator of a chain of `+ -` or `* / %`."""
COMPARE: Final = 1
"""Beside it, comparing two values that are both not literal pays for their size."""
MEMBERSHIP: Final = 2
"""`in`; beside it each element of a list that is looked through."""
CONNECTIVE: Final = 12
"""Each `&&` or `||` of a chain: its operands can fail, which takes longer than to succeed."""
CONDITIONAL: Final = 1
LIST: Final = 2
ELEMENT: Final = 1
"""One element of a list literal."""
MAP: Final = 3
ENTRY: Final = 2
"""One entry of a map literal."""
CALL: Final = 3
MACRO: Final = 6
ITERATION: Final = 12
"""One turn of a macro, beside its body, which can fail."""
SORTED_KEY: Final = 2
"""One key of a map that a macro runs over, for putting it in its place."""
HOST_CALL: Final = 20
"""What a call costs the engine; the host charges for what it reads by itself."""

COMPARED_PER_UNIT: Final = 64
"""Characters or bytes that one unit compares."""
COPIED_PER_UNIT: Final = 16
"""Characters, bytes or elements that one unit copies, searches or converts."""
COMPARED: Final = 8
"""A list or map that is compared with one as long."""
COMPARED_ELEMENT: Final = 1
"""One element of a list or entry of a map that is compared or searched."""
SUMMED: Final = 1
"""One element of `sum`, `min` or `max` over a list."""

MAX_COST: Final = 1_000_000
"""The worst case that a rule can have unless its host says otherwise: a tenth of a block's budget."""

CHECK_UNITS_PER_BYTE: Final = 50
"""Metering units, not rule units, of parsing, checking and compiling one byte of source: 20 µs at worst."""

UNITS_PER_METERED: Final = 8
"""Rule units of one unit of vm metering, so that one is charged as 50 ns (docs/rule-engine.md)."""


def check_units(source: str) -> int:
    """Return the metering units of registering a source, refused or not."""
    return CHECK_UNITS_PER_BYTE * len(source.encode(errors="surrogatepass"))


def units(cost: int) -> int:
    """Return the metering units of a transaction that a rule's cost comes to, rounded up."""
    return -(-cost // UNITS_PER_METERED)
