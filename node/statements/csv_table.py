"""A statement as a table: RFC 4180, UTF-8, one row for each balance, line and payment.

Columns are named after the elements of ISO 20022 camt.053 that say the same; docs/statements.md describes them.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Final

from node.statements.amounts import decimal
from node.statements.statement import Entry, Settling, Statement

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


def csv_of(statement: Statement) -> str:
    """Return the table."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerow(_row(statement, "OPBD", 0))
    writer.writerows(_entry_row(statement, entry) for entry in statement.entries)
    writer.writerow(_row(statement, "CLBD", statement.closing))
    writer.writerows(_payment_row(statement, payment) for payment in statement.payments)
    return file.getvalue()


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
        "BkTxCd": _text(entry.kind),
        "EndToEndId": _text(entry.ref),
        "AcctSvcrRef": entry.tx or "",
        **_party(statement, entry.other),
        "Bal": decimal(entry.balance, statement.currency),
    }


def _payment_row(statement: Statement, payment: Settling) -> dict[str, str]:
    return {
        **_row(statement, "PMNT", payment.amount),
        "BookgDt": "" if payment.confirmed is None else iso_time(payment.confirmed),
        "Sts": "PDNG" if payment.confirmed is None else "BOOK",
        "EndToEndId": _text(payment.bank_ref or ""),
        **_party(statement, payment.other),
    }


def _party(statement: Statement, other: str) -> dict[str, str]:
    return {"RltdPty": _text(other), "RltdPtyNm": _text(statement.names[other])}


def _text(value: str) -> str:
    """Return text that no spreadsheet takes for a formula: what others have written stands behind an apostrophe."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@") else value


def iso_time(time_ms: int) -> str:
    """Return a time in UTC to the millisecond, as ISO 8601."""
    seconds, millis = divmod(time_ms, 1_000)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03}Z"
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"
