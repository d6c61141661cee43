"""A CSV file as records, each with the line on which it begins; constant memory.

A note may hold a line break, and behind it what looks like a row. So a file whose quotes do not match is refused as
a whole: nothing behind the fault can be trusted to be a row.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from node.moving.errors import FileRefused

MAX_LINE_CHARACTERS: Final = 16_384
MAX_FIELD_CHARACTERS: Final = 16_384
"""Far beyond any row; a quote that never ends is noticed after so many characters."""

Record = tuple[int, list[str]]
"""The line on which a record begins, and its fields."""


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records that are not blank, the header first.

    UTF-8, a byte order mark is passed over; a byte that is not UTF-8 comes as a lone surrogate.

    Raises:
        FileRefused: there is no such file, or it is no CSV from some line on.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield from _records(file, path)
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error.strerror or error}") from None


def _records(file: IO[str], path: Path) -> Iterator[Record]:
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    reader = csv.reader(_lines(file, path), strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise FileRefused(f"{path} is no CSV from line {begins} on ({error}); check the quotes there") from None
        if record:
            yield begins, record


def _lines(file: IO[str], path: Path) -> Iterator[str]:
    number = 0
    while line := file.readline(MAX_LINE_CHARACTERS + 1):
        number += 1
        if len(line) > MAX_LINE_CHARACTERS:
            raise FileRefused(
                f"{path} has more than {MAX_LINE_CHARACTERS} characters in line {number}; is it a CSV?"
            )
        yield line
