"""From a file to a plan: every record is judged once, nothing is sent meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
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


def read_into(plan: Plan, path: Path, digest: str, terms: Terms, tell: Callable[[int], None]) -> None:
    """Judge all records of a file, and put them into an empty plan.

    Raises:
        FileRefused: the plan stays empty; it also does where the file is no longer the one with the digest.
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
    if digest_of(path) != digest:
        raise FileRefused(f"{path} has changed while it was read; nothing was sent")
    plan.end(terms.now_ms)


def has_rows_of(plan: Plan, path: Path, terms: Terms, tell: Callable[[int], None]) -> bool:
    """Tell whether the rows of a plan are those that the file has, judged as they were then.

    Raises:
        FileRefused: the file cannot be read.
    """
    if plan.judged_ms is None:
        return False
    terms = replace(terms, now_ms=plan.judged_ms)
    kept = plan.rows()
    records = read_records(path)
    header = _header(records, path)
    for count, (line, record) in enumerate(records):
        if count % TELL_EVERY == 0:
            tell(count)
        try:
            row = parse_row(line, header.values(record), terms)
        except RowRejected:
            continue
        if not plan.stands_before(row) and next(kept, None) != row:
            return False
    return next(kept, None) is None
