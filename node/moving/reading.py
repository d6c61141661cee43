"""From a file to a plan: every record is judged once, nothing is sent meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from node.moving.errors import FileRefused
from node.moving.plan import Plan, Reject
from node.moving.records import Record, read_records
from node.moving.rows import Header, RowRejected, Terms, parse_row, ref_of

TELL_EVERY: Final = 5_000
"""Rows between two calls of `tell`."""


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        FileRefused: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error.strerror or error}") from None


def header_of(path: Path) -> Header:
    """Return a file's header.

    Raises:
        FileRefused: it has none, or a wrong one.
    """
    return _header(read_records(path), path)


def _header(records: Iterator[Record], path: Path) -> Header:
    _, names = next(records, (0, []))
    if not names:
        raise FileRefused(f"{path} is empty; its first line names the columns")
    return Header(names)


def read_into(plan: Plan, path: Path, terms: Terms, tell: Callable[[int], None]) -> None:
    """Judge all records of a file, and put them into an empty plan.

    Raises:
        FileRefused: the plan stays empty.
    """
    records = read_records(path)
    header = _header(records, path)
    plan.begin()
    for count, (line, record) in enumerate(records):
        try:
            rejected = plan.add(parse_row(line, header.values(record), terms))
        except RowRejected as reason:
            rejected = Reject(line, ref_of(record, header), str(reason))
        if rejected is not None:
            plan.reject([rejected], by_chain=False)
        if count % TELL_EVERY == 0:
            tell(count)
    plan.end()
