"""What the campaign contract's arguments and records are made of."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from vm.contract_api import Amount, Integer, Meta, Rule, Slug, TimeMs, refuse

MAX_SOURCE: Final = 4_096
"""SPEC section 8: the longest source of a rule, in bytes."""

MAX_EFFECTS: Final = 8
"""Effects of one campaign; what pays more than eight things at once is two campaigns."""

MAX_WINDOW_DAYS: Final = 366
MAX_PRIORITY: Final = 1_000_000
MAX_DAYS: Final = 3_650
"""Ten years, as of the life of points."""


def _source(value: Any, field: str) -> Any:
    # The language says where a source is wrong, character by character; here it is only bounded.
    if type(value) is not str or not value or len(value) > MAX_SOURCE:
        refuse(field, f"a rule of 1 to {MAX_SOURCE} bytes")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        refuse(field, "valid Unicode")
    if size > MAX_SOURCE:
        refuse(field, f"a rule of 1 to {MAX_SOURCE} bytes")
    return value


_SOURCE: Final = Rule(_source, {"type": "string", "minLength": 1, "maxLength": MAX_SOURCE}, max_bytes=MAX_SOURCE)

Source = Annotated[str, _SOURCE, Meta(max_length=MAX_SOURCE)]
"""A rule, or an expression, in the rule language."""

Expr = Source | Integer
"""An expression as an argument: an integer stands for itself."""

Priority = Annotated[int, Meta(ge=-MAX_PRIORITY, le=MAX_PRIORITY)]
WindowDays = Annotated[int, Meta(ge=1, le=MAX_WINDOW_DAYS)]
Days = Annotated[int, Meta(ge=1, le=MAX_DAYS)]
Uses = Annotated[int, Meta(ge=1, le=1_000)]
Version = Annotated[int, Meta(ge=1, le=1_000_000)]


class Budget(msgspec.Struct, frozen=True, gc=False):
    """How many points of a program a campaign may issue altogether."""

    program: Slug
    amount: Amount


class PerMember(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How often a campaign fires for one shopper, linked accounts together; without `window_days` for ever."""

    count: Uses
    window_days: WindowDays | None = None


def source_of(expression: str | int) -> str:
    """Return an expression's source."""
    return expression if type(expression) is str else str(expression)


__all__ = [
    "MAX_DAYS",
    "MAX_EFFECTS",
    "Budget",
    "Days",
    "Expr",
    "PerMember",
    "Priority",
    "Source",
    "TimeMs",
    "Uses",
    "Version",
    "WindowDays",
    "source_of",
]
