"""One row of an import: its columns, and what makes it acceptable.

Invariants:
    1. A row that is accepted has one reading: integers are digits without sign, zero in front, point or blank.
    2. Nothing is put right silently. A row that needs a guess is rejected with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date as civil_date
from typing import Final

from contracts_py.calendar import Offsets, days_from_civil, next_day_start, start_of_day
from node.moving.errors import FileRefused
from node.moving.salt import commitment
from vm.primitives.address import address_of_member, is_address
from vm.primitives.hashing import HASH_BYTES
from vm.primitives.units import MAX_INT, MS_PER_DAY, is_lower_hex

COLUMNS: Final = ("ref", "member", "commitment", "address", "amount", "expires", "pending_until", "note")
_WHO: Final = ("member", "commitment", "address")
MAX_REF: Final = 64
"""Of a ref on the chain, prefix included (SPEC section 1)."""

MAX_MEMBER_CHARACTERS: Final = 200
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]+", re.ASCII)
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LATEST_MS: Final = MAX_INT - 2 * MS_PER_DAY
"""So that the start of the next day is still one of the chain's times."""

_EXCERPT: Final = 40


class RowRejected(Exception):
    """A row that is not taken; the message says why."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a row is judged by.

    Attributes:
        brand, offsets: the program's brand, and its local clock.
        now_ms: the chain's time; points that ended before it are not moved.
        prefix: stands before each row's ref on the chain.
        salt: for the column `member`; None where the file has none.
    """

    brand: str
    offsets: Offsets
    now_ms: int
    prefix: str
    salt: bytes | None


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is accepted.

    Attributes:
        line: in the file.
        ref: as on the chain.
        commitment: of a member to be enrolled where it is not yet, in hex; None: the address has to exist.
        expires: ms; None: the program's rule.
        date: the start of the local day on which the points expire, as the chain reckons; None with `expires`.
    """

    line: int
    ref: str
    account: str
    commitment: str | None
    amount: int
    expires: int | None
    date: int | None
    pending_until: int | None


class Header:
    """Which column stands where."""

    def __init__(self, names: Sequence[str]) -> None:
        """Read the first record of a file.

        Raises:
            FileRefused: a column is unknown, double or missing.
        """
        for name in names:
            if name not in COLUMNS:
                hint = "; columns are separated by commas" if ";" in name or "\t" in name else ""
                raise FileRefused(
                    f"the header has a column {excerpt(name)!r}; known are {', '.join(COLUMNS)}{hint}"
                )
            if names.count(name) > 1:
                raise FileRefused(f"the header has the column {name} twice")
        for name in ("ref", "amount"):
            if name not in names:
                raise FileRefused(f"the header has no column {name}")
        if not any(name in names for name in _WHO):
            raise FileRefused("the header has none of the columns member, commitment and address")
        self.names = tuple(names)

    def values(self, record: Sequence[str]) -> dict[str, str]:
        """Return a record's fields by column, empty where the file has no such column.

        Raises:
            RowRejected: it has more or fewer fields than the header.
        """
        if len(record) != len(self.names):
            raise RowRejected(f"the row has {len(record)} columns, the header {len(self.names)}")
        return dict.fromkeys(COLUMNS, "") | dict(zip(self.names, record, strict=True))


def ref_of(record: Sequence[str], header: Header) -> str:
    """Return what a rejected record calls itself, as far as that can be told."""
    place = header.names.index("ref")
    return excerpt(record[place], MAX_REF) if place < len(record) else ""


def parse_row(line: int, fields: dict[str, str], terms: Terms) -> Row:
    """Return a record as a row.

    Raises:
        RowRejected: with the reason.
    """
    for name, value in fields.items():
        if name != "note" and _UNSEEN.search(value):
            raise RowRejected(f"{name} holds a control character, or is not UTF-8")
    account, committed = _who(fields, terms)
    pending_until = _pending(fields["pending_until"], terms)
    expires = _expires(fields["expires"], terms)
    date = None if expires is None else next_day_start(terms.offsets, expires)
    if date is not None and pending_until is not None and date <= pending_until:
        raise RowRejected("the points would expire before they become available")
    ref = _ref(fields["ref"], terms.prefix)
    return Row(line, ref, account, committed, _amount(fields["amount"]), expires, date, pending_until)


def _ref(text: str, prefix: str) -> str:
    if not text:
        raise RowRejected("ref is empty")
    if _PRINTABLE.fullmatch(text) is None:
        raise RowRejected("ref holds a blank, or a character that is not printable ASCII")
    if len(prefix) + len(text) > MAX_REF:
        raise RowRejected(
            f"ref has {len(text)} characters; with the prefix {prefix} at most {MAX_REF - len(prefix)}"
        )
    return prefix + text


def _amount(text: str) -> int:
    if not text:
        raise RowRejected("amount is empty")
    if _NUMBER.fullmatch(text) is None:
        raise RowRejected(f"amount {excerpt(text)!r} is no whole number above 0 in plain digits, such as 1500")
    if int(text) > MAX_INT:
        raise RowRejected(f"amount {text} is more than {MAX_INT}")
    return int(text)


def _who(fields: dict[str, str], terms: Terms) -> tuple[str, str | None]:
    member, committed, address = (fields[name] for name in _WHO)
    if member:
        if committed or address:
            raise RowRejected("a row names its member by member, or by commitment and address, not by both")
        return _own(member, terms)
    if address and not is_address(address):
        raise RowRejected(f"address {excerpt(address)!r} is no address of an account")
    if not committed:
        if not address:
            raise RowRejected("the row names no member")
        return address, None
    if len(committed) != 2 * HASH_BYTES or not is_lower_hex(committed):
        raise RowRejected("commitment is not 64 lower-case hex digits")
    account = address_of_member(terms.brand, bytes.fromhex(committed))
    # An account keeps its address, also where another brand has enrolled it: then there is no one to enroll.
    return (address, None) if address and address != account else (account, committed)


def _own(member: str, terms: Terms) -> tuple[str, str]:
    if member != member.strip():
        raise RowRejected("member begins or ends with a blank")
    if len(member) > MAX_MEMBER_CHARACTERS:
        raise RowRejected(f"member has more than {MAX_MEMBER_CHARACTERS} characters")
    if terms.salt is None:
        raise RowRejected("member needs a salt")
    committed = commitment(terms.salt, member)
    return address_of_member(terms.brand, committed), committed.hex()


def _expires(text: str, terms: Terms) -> int | None:
    if not text:
        return None
    found = _DATE.fullmatch(text)
    if found is None:
        instant = _milliseconds("expires", text)
    else:
        # The last day on which the points can be spent: they expire at the start of the next.
        instant = start_of_day(terms.offsets, _day("expires", text) + 1)
    if instant <= terms.now_ms:
        raise RowRejected(f"expires {text} is in the past")
    return instant


def _pending(text: str, terms: Terms) -> int | None:
    if not text:
        return None
    is_date = _DATE.fullmatch(text) is not None
    instant = (
        start_of_day(terms.offsets, _day("pending_until", text))
        if is_date
        else _milliseconds("pending_until", text)
    )
    if instant <= terms.now_ms:
        raise RowRejected(f"pending_until {text} is in the past; leave it empty for points that are available")
    return instant


def _day(name: str, text: str) -> int:
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:])
    try:
        civil_date(year, month, day)
    except ValueError:
        raise RowRejected(f"{name} {text} is no date of the calendar") from None
    return days_from_civil(year, month, day)


def _milliseconds(name: str, text: str) -> int:
    if _NUMBER.fullmatch(text) is None or int(text) > _LATEST_MS:
        raise RowRejected(
            f"{name} {excerpt(text)!r} is neither a date such as 2027-12-31 nor milliseconds since 1970"
        )
    return int(text)


def excerpt(text: str, most: int = _EXCERPT) -> str:
    """Return the beginning of what a file says, fit to be printed."""
    cut = text if len(text) <= most else text[:most] + "…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cut)
