"""Parts of documents that are made from the code: between two marks, made anew by a command, checked by a test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

BEGIN: Final = "<!-- generated: {} -->"
END: Final = "<!-- end of generated part -->"


def with_parts(document: str, parts: Mapping[str, str]) -> str:
    """Return a document with these parts between their marks.

    Raises:
        ValueError: the document lacks a part's marks.
    """
    for name, text in parts.items():
        begin = BEGIN.format(name)
        before, found, rest = document.partition(begin)
        if not found:
            raise ValueError(f"the document has no {begin}")
        _, found, after = rest.partition(END)
        if not found:
            raise ValueError(f"the document does not end its part {name} with {END}")
        document = f"{before}{begin}\n\n{text}\n\n{END}{after}"
    return document


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown; a bar inside a cell is escaped."""
    cells = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells)


def rewrite_file(rewritten: Callable[[str], str]) -> None:
    """Rewrite the document that the command line names."""
    path = Path(sys.argv[1])
    path.write_text(rewritten(path.read_text(encoding="utf-8")), encoding="utf-8")
