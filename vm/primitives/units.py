"""Integer bounds, slugs and times (SPEC section 1)."""

import re
from typing import Annotated

from msgspec import Meta

MAX_INT = 2**53 - 1
"""The largest integer a client may send or read: JSON numbers stay exact in every language."""

MIN_INT = -MAX_INT

Count = Annotated[int, Meta(ge=0, le=MAX_INT)]
"""A count, height or time in what is decoded."""

MS_PER_SECOND = 1_000
MS_PER_MINUTE = 60_000
MS_PER_HOUR = 3_600_000
MS_PER_DAY = 86_400_000

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,31}\Z")
_LOWER_HEX = re.compile(r"[0-9a-f]*\Z")


def is_slug(text: str) -> bool:
    """Tell whether `text` may name a brand, program, collection, treaty, campaign or tier."""
    return _SLUG.match(text) is not None


def bounded_digits(text: str, most: int = MAX_INT) -> int | None:
    """Return plain decimal digits as an integer of 0 to `most`, None for anything else.

    `int` alone takes signs, blanks, underscores and the digits of all scripts, and raises ValueError for thousands
    of digits, which `str.isdecimal` lets pass.
    """
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(most)):
        return None
    value = int(text)
    return value if value <= most else None


def is_lower_hex(text: str) -> bool:
    """Tell whether `text` is an even number of lower-case hex digits without 0x."""
    # The pattern repeats one character, not a pair: repeated groups take 60 times the text's memory.
    return len(text) % 2 == 0 and _LOWER_HEX.match(text) is not None
