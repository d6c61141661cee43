"""Lines of tables that people open with a spreadsheet, with texts in them that others have written.

A spreadsheet takes a field for a formula that begins with `=`, `+`, `-` or `@`, also as a full-width character and
behind blanks, or with a tab or a line break. Such a text gets an apostrophe in front. A text that begins with an
apostrophe gets a second one, so that taking one away returns each text as it was.

All fields are quoted: for a spreadsheet that separates columns by semicolons, what stands behind a semicolon inside
of a bare field is a field of its own.
"""

from __future__ import annotations

from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_BREAKS: Final = ("\t", "\r", "\n")
_GUARD: Final = "'"


def guarded(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    is_risky = text.startswith((_GUARD, *_BREAKS)) or text.lstrip().startswith(_FORMULA)
    return f"{_GUARD}{text}" if is_risky else text


def quoted_line(*fields: str) -> str:
    """Return a line of a CSV file (RFC 4180), every field quoted."""
    return ",".join('"' + field.replace('"', '""') + '"' for field in fields) + "\r\n"
