"""Cursors of `chain_transactions`: a position, as text that clients hand back and do not look into."""

from __future__ import annotations

import re
from typing import Final

from node.chain.queries import Position
from node.gateway.errors import invalid_param
from vm.primitives.units import MAX_INT

_CURSOR: Final = re.compile(r"(0|[1-9a-f][0-9a-f]{0,13})\.(0|[1-9a-f][0-9a-f]{0,13})")
"""Height and index as `cursor_of` writes them; `int` alone would also take 0x1, 1_0 and digits of other scripts."""


def cursor_of(position: Position) -> str:
    """Return the cursor of a position."""
    return f"{position[0]:x}.{position[1]:x}"


def position_of(cursor: str) -> Position:
    """Return the position of a cursor.

    Raises:
        RpcFault: INVALID_PARAMS, it is none that `cursor_of` writes.
    """
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise invalid_param("cursor", "not a cursor of this method")
    position = (int(match[1], 16), int(match[2], 16))
    if max(position) > MAX_INT:
        raise invalid_param("cursor", "not a cursor of this method")
    return position
