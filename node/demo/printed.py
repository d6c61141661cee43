"""The printed statements: every brand's of every month, and whether their two sides say the same.

Each brand's own validator is asked for its statements, which are written as `entente statement` does. What is
checked is what was written: the tables are read again, and each line of one brand's must stand in the other's with
the other sign. The sums of a pair must be what the recomputation says.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from genesis.durable_files import write_durably
from node.client import RpcError
from node.demo.brand_nodes import BrandNode
from node.demo.errors import DemoError
from node.demo.judging import MONTHS
from node.demo.obligations import Obligations
from node.demo.rules import CURRENCY, PARTNERS
from node.demo.treasury import period_of
from node.statements.csv_table import csv_of
from node.statements.errors import StatementError
from node.statements.html_page import html_of
from node.statements.moment import moment_of
from node.statements.statement import Statement, read_statement

FOLDER: Final = "statements"

Line = tuple[str, str, str]
"""Of a table: the other brand, the amount, and CRDT or DBIT."""


@dataclass(slots=True)
class Printed:
    """What was written, and what is wrong with it.

    Attributes:
        statements: how many.
        lines: how many lines stand in two statements each.
        told: differences in words.
        shown: the page with the most lines, for people to open.
    """

    folder: Path
    statements: int = 0
    lines: int = 0
    told: list[str] = field(default_factory=list)
    shown: Path | None = None

    @property
    def agrees(self) -> bool:
        """Whether both sides of everything agree, with each other and with the data."""
        return not self.told


async def print_statements(gateways: Sequence[BrandNode], folder: Path, books: Obligations) -> Printed:
    """Write every statement into a folder, and check what was written.

    Raises:
        ClientError: a validator does not answer.
        DemoError: its answers do not go together.
        OSError: the folder cannot be written.
    """
    printed = Printed(folder)
    folder.mkdir(parents=True, exist_ok=True)
    most = -1
    for month in MONTHS:
        tables: dict[str, str] = {}
        for gateway in gateways:
            statement = await _statement(gateway, period_of(month))
            if statement is None:
                continue
            page = _write(folder, statement)
            tables[gateway.brand] = page.with_suffix(".csv").read_text("utf-8")
            printed.statements += 1
            if len(statement.entries) > most:
                most, printed.shown = len(statement.entries), page
        check_tables(printed, month, tables, books)
    return printed


async def _statement(gateway: BrandNode, period: str) -> Statement | None:
    """Return a brand's statement, None where nothing was booked in the period."""
    try:
        return await read_statement(await moment_of(gateway.call), gateway.brand, period, CURRENCY)
    except RpcError as error:
        if error.reason != "NOT_FOUND":
            raise
        return None
    except StatementError as error:
        raise DemoError(str(error)) from None


def _write(folder: Path, statement: Statement) -> Path:
    page = folder / f"statement-{statement.brand}-{statement.period}-{statement.currency}.html"
    write_durably(page, html_of(statement))
    write_durably(page.with_suffix(".csv"), csv_of(statement))
    return page


def check_tables(printed: Printed, month: int, tables: dict[str, str], books: Obligations) -> None:
    """Compare the tables of one month with each other and with what brands must owe.

    Args:
        tables: by brand, as printed.
    """
    lines: dict[str, dict[str, Line]] = defaultdict(dict)
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for brand, text in tables.items():
        for row in _entries(text):
            lines[brand][row["NtryRef"]] = (row["RltdPty"], row["Amt"], row["CdtDbtInd"])
            if row["CdtDbtInd"] == "DBIT":
                sums[brand, row["RltdPty"]] += _cents(row["Amt"])
    for brand, own in lines.items():
        for key, (other, amount, side) in own.items():
            mirrored = lines[other].get(key) if other in lines else None
            if mirrored != (brand, amount, "DBIT" if side == "CRDT" else "CRDT"):
                printed.told.append(f"{key}: {brand}'s statement says {amount} {side}, {other}'s {mirrored}")
            printed.lines += side == "DBIT"
    wanted = {
        (PARTNERS[debtor].brand, PARTNERS[creditor].brand): cents
        for (debtor, creditor), cents in books.sums.get(month, {}).items()
        if cents
    }
    if dict(sums) != wanted:
        printed.told.append(f"{period_of(month)}: by the statements brands owe {dict(sums)}, by the data {wanted}")


def _entries(text: str) -> list[dict[str, Any]]:
    return [row for row in csv.DictReader(io.StringIO(text, newline="")) if row["Record"] == "NTRY"]


def _cents(amount: str) -> int:
    whole, _, part = amount.partition(".")
    return int(whole) * 100 + int(part)
