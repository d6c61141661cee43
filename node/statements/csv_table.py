"""A statement as a table: RFC 4180, UTF-8, one row for each balance, line and payment.

Texts are fit for spreadsheets (node/terminal/table_text.py).

Columns are named after the elements of ISO 20022 camt.053 that say the same; docs/statements.md describes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from node.statements.amounts import decimal
from node.statements.statement import Entry, Settling, Statement
from node.terminal.table_text import guarded, quoted_line

COLUMNS: Final = (
    "Record",
    "Acct",
    "Period",
    "NtryRef",
    "BookgDt",
    "Amt",
    "Ccy",
    "CdtDbtInd",
    "Sts",
    "BkTxCd",
    "EndToEndId",
    "AcctSvcrRef",
    "RltdPty",
    "RltdPtyNm",
    "Bal",
)
_AMOUNTS: Final = ("Amt", "Bal")
"""They are numbers, also where they begin with a minus; all other fields are text."""


def csv_of(statement: Statement) -> str:
    """Return the table."""
    rows = [
        _row(statement, "OPBD", 0),
        *(_entry_row(statement, entry) for entry in statement.entries),
        _row(statement, "CLBD", statement.closing),
        *(_payment_row(statement, payment) for payment in statement.payments),
    ]
    return quoted_line(*COLUMNS) + "".join(map(_line, rows))


def _line(row: Mapping[str, str]) -> str:
    fields = ((column, row.get(column, "")) for column in COLUMNS)
    return quoted_line(*[text if column in _AMOUNTS else guarded(text) for column, text in fields])


def _row(statement: Statement, record: str, amount: int) -> dict[str, str]:
    return {
        "Record": record,
        "Acct": statement.brand,
        "Period": statement.period,
        "Amt": decimal(abs(amount), statement.currency),
        "Ccy": statement.currency,
        "CdtDbtInd": "DBIT" if amount < 0 else "CRDT",
    }


def _entry_row(statement: Statement, entry: Entry) -> dict[str, str]:
    return {
        **_row(statement, "NTRY", entry.amount),
        "NtryRef": entry.key,
        "BookgDt": iso_time(entry.time),
        "Sts": "BOOK",
        "BkTxCd": entry.kind,
        "EndToEndId": entry.ref,
        "AcctSvcrRef": entry.tx or "",
        **_party(statement, entry.other),
        "Bal": decimal(entry.balance, statement.currency),
    }


def _payment_row(statement: Statement, payment: Settling) -> dict[str, str]:
    return {
        **_row(statement, "PMNT", payment.amount),
        "BookgDt": "" if payment.confirmed is None else iso_time(payment.confirmed),
        "Sts": "PDNG" if payment.confirmed is None else "BOOK",
        "EndToEndId": payment.bank_ref or "",
        **_party(statement, payment.other),
    }


def _party(statement: Statement, other: str) -> dict[str, str]:
    return {"RltdPty": other, "RltdPtyNm": statement.names[other]}


def iso_time(time_ms: int) -> str:
    """Return a time in UTC to the millisecond, as ISO 8601."""
    seconds, millis = divmod(time_ms, 1_000)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03}Z"
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"
