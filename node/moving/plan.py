"""The plan of an import: all acceptable rows, and what became of each, in an SQLite file beside the CSV.

It keeps memory constant for any number of rows, finds a ref that occurs twice, and is the journal: each step
is synced to the disk before the next. The chain alone decides what is paid; a journal that is lost, or behind the
chain, costs time and nothing else (node/moving/sending.py).

Invariants:
    1. A plan is used only for the file, chain, program, prefix and salt that it was made for; else it is made anew.
    2. A plan that was not read to its end is made anew.
    3. Each record of the file is in `rows` or in `rejects`.
    4. No other user writes a plan: it and SQLite's files beside it are regular files of this user, which others can
       not write; they are made with mode 600.
"""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from genesis.durable_files import PRIVATE
from node.moving.errors import Stopped
from node.moving.paths import make_own, require_own
from node.moving.rows import Row
from vm.primitives.units import bounded_digits

OPEN, PAID, FOUND, REJECTED = range(4)
"""States of a row: to be paid; paid by this plan; found paid on the chain; refused by the chain."""

_FORM: Final = "2"
_APPLICATION: Final = 0x656E7469
"""The file's application_id: what has another one is no plan, and not ours to overwrite."""

_SCHEMA: Final = f"""
PRAGMA application_id = {_APPLICATION};
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, line INTEGER, ref TEXT UNIQUE, account TEXT, commitment TEXT, amount INTEGER,
    expires INTEGER, date INTEGER, pending_until INTEGER, state INTEGER DEFAULT 0);
CREATE TABLE members (account TEXT PRIMARY KEY, commitment TEXT, enrolled INTEGER DEFAULT 0) WITHOUT ROWID;
CREATE TABLE rejects (line INTEGER, ref TEXT, reason TEXT, by_chain INTEGER);
"""
_MEMBER_OPEN: Final = "m.enrolled = 0 AND r.commitment IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Item:
    """A row to be paid.

    Attributes:
        enroll: the commitment, where this row enrolls its member; None: that has happened, or happens elsewhere.
        known: whether the account is one that the file can vouch for, by a commitment.
    """

    id: int
    line: int
    ref: str
    account: str
    enroll: str | None
    known: bool
    amount: int
    expires: int | None
    pending_until: int | None


def _item(
    id_: int,
    line: int,
    ref: str,
    account: str,
    enroll: str | None,
    known: int,
    amount: int,
    expires: int | None,
    pending_until: int | None,
) -> Item:
    return Item(id_, line, ref, account, enroll, bool(known), amount, expires, pending_until)


class Reject(NamedTuple):
    """A row that was not taken, and why."""

    line: int
    ref: str
    reason: str


class DateTotal(NamedTuple):
    """Rows and points of one date (ms; None: the program's rule) in one state."""

    date: int | None
    state: int
    rows: int
    points: int


def companions(path: Path) -> list[Path]:
    """Return the files that SQLite keeps beside a database, and reads where there are any."""
    return [path.with_name(path.name + ending) for ending in ("-journal", "-wal", "-shm")]


class Plan:
    """Use as a context manager."""

    def __init__(self, path: Path, identity: str, prefix: str = "") -> None:
        """Open or make a plan.

        Args:
            identity: what it is for; a plan for anything else is made anew.
            prefix: stands before the file's refs on the chain; rejects are told by the file's own.

        Raises:
            Stopped: another import uses it, it is no plan, or the disk refuses.
            MovingError: others can have written it.
        """
        self.path = path
        self._identity = f"{_FORM} {identity}"
        self._prefix = prefix
        self._db = self._connected()
        try:
            self.reused = self._opened()
        except Stopped:
            self._db.close()
            raise

    def _opened(self) -> bool:
        """Make the tables anew where the file does not hold the whole plan of this import; tell whether it does."""
        self._begin()
        if reused := self._is_mine():
            self._do("DELETE FROM rejects WHERE by_chain")
            self._do("UPDATE rows SET state = ? WHERE state = ?", (OPEN, REJECTED))
        else:
            self._make_tables()
        self._do("COMMIT")
        return reused

    def _make_tables(self) -> None:
        for name in ("meta", "rows", "members", "rejects"):
            self._do(f"DROP TABLE IF EXISTS {name}")
        for statement in _SCHEMA.split(";"):
            self._do(statement)

    def restart(self) -> None:
        """Forget all rows: they are not those of the file."""
        self._begin()
        self._make_tables()
        self._do("COMMIT")
        self.reused = False

    def _require_own(self) -> None:
        """Refuse files that others can have written, a journal too: SQLite would put its pages into the plan."""
        try:
            make_own(self.path)
            for path in (self.path, *companions(self.path)):
                require_own(path)
            # SQLite gives its journal the mode of the plan. An earlier version left that to the umask.
            if self.path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                self.path.chmod(PRIVATE)
        except OSError as error:
            raise Stopped(f"{self.path} cannot be read or written: {error.strerror or error}") from None

    def _connected(self) -> sqlite3.Connection:
        self._require_own()
        try:
            db = sqlite3.connect(self.path, isolation_level=None, timeout=1.0)
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            db.execute("PRAGMA journal_mode=DELETE")
            db.execute("PRAGMA synchronous=FULL")
            return db
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def _is_mine(self) -> bool:
        """Tell whether the file holds the whole plan of this import.

        Raises:
            Stopped: it holds something that is no plan, which is left as it is.
        """
        if not self._one("SELECT count(*) FROM sqlite_master"):
            return False
        if self._one("PRAGMA application_id") != _APPLICATION:
            raise Stopped(f"{self.path} is no plan of an import; move it away")
        return bool(self._one("SELECT max(value) FROM meta WHERE name = 'whole'") == self._identity)

    def _unusable(self, error: sqlite3.Error) -> Stopped:
        if "locked" in str(error):
            return Stopped(f"another import of the same file is running (it holds {self.path})")
        if isinstance(error, sqlite3.OperationalError):
            return Stopped(f"{self.path} cannot be read or written: {error}")
        return Stopped(f"{self.path} is not usable: {error}; the import can do without it: remove it")

    # -- statements, whose errors are all told as `Stopped` ----------------------------------------

    def _do(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Execute a statement, and return how many rows it has changed."""
        try:
            return self._db.execute(statement, values).rowcount
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def _many(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        try:
            self._db.executemany(statement, values)
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def _ask(self, statement: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        try:
            yield from self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def _one(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Return the first value of the first row; None where there is no row."""
        return next(self._ask(statement, values), (None,))[0]

    def _begin(self) -> None:
        self._do("BEGIN EXCLUSIVE")

    def __enter__(self) -> Plan:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    # -- reading the file --------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin to add rows; without `end` none of them stays."""
        self._begin()

    def add(self, row: Row) -> Reject | None:
        """Add a row, or return why not: its ref has occurred."""
        values = (
            row.line,
            row.ref,
            row.account,
            row.commitment,
            row.amount,
            row.expires,
            row.date,
            row.pending_until,
        )
        insert = "INSERT OR IGNORE INTO rows VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
        if not self._do(insert, values):
            line = self._one("SELECT line FROM rows WHERE ref = ?", (row.ref,))
            return Reject(row.line, self._own(row.ref), f"the ref stands in line {line} already")
        if row.commitment is not None:
            self._do(
                "INSERT OR IGNORE INTO members (account, commitment) VALUES (?, ?)", (row.account, row.commitment)
            )
        return None

    def end(self, judged_ms: int) -> None:
        """Keep all that was added, as the whole of the file, which was judged by this time of the chain."""
        self._do("INSERT INTO meta VALUES ('whole', ?), ('judged_ms', ?)", (self._identity, str(judged_ms)))
        self._do("COMMIT")

    @property
    def judged_ms(self) -> int | None:
        """The chain's time by which the rows of a whole plan were judged."""
        return bounded_digits(str(self._one("SELECT max(value) FROM meta WHERE name = 'judged_ms'")))

    def rows(self) -> Iterator[Row]:
        """Yield all rows, paid or not, in the order of the file."""
        columns = "line, ref, account, commitment, amount, expires, date, pending_until"
        for row in self._ask(f"SELECT {columns} FROM rows ORDER BY id"):
            yield Row(*row)

    def stands_before(self, row: Row) -> bool:
        """Tell whether a row's ref stands in an earlier line."""
        line = self._one("SELECT line FROM rows WHERE ref = ?", (row.ref,))
        return line is not None and line < row.line

    def reject(self, rejects: Iterable[Reject], *, by_chain: bool) -> None:
        """Note rows that are not taken."""
        self._many(f"INSERT INTO rejects VALUES (?, ?, ?, {int(by_chain)})", rejects)

    # -- paying ------------------------------------------------------------------------------------

    def open_items(self, after: int, limit: int) -> list[Item]:
        """Return the next rows to be paid, those of unknown members with what enrolls them."""
        rows = self._ask(
            f"SELECT r.id, r.line, r.ref, r.account, CASE WHEN {_MEMBER_OPEN} THEN r.commitment END,"
            " r.commitment IS NOT NULL, r.amount, r.expires, r.pending_until"
            " FROM rows r LEFT JOIN members m ON m.account = r.account"
            " WHERE r.state = 0 AND r.id > ? ORDER BY r.id LIMIT ?",
            (after, limit),
        )
        return [_item(*row) for row in rows]

    def all_items(self) -> Iterator[list[Item]]:
        """Yield all rows to be paid, some at a time."""
        after = 0
        while items := self.open_items(after, 500):
            after = items[-1].id
            yield items

    def settle(self, items: Sequence[Item], state: int, enrolled: Collection[str]) -> None:
        """Note what became of rows, and which accounts are members now; it is on the disk when this returns."""
        if not items and not enrolled:
            return
        self._begin()
        self._many("UPDATE rows SET state = ? WHERE id = ?", [(state, item.id) for item in items])
        self._many("UPDATE members SET enrolled = 1 WHERE account = ?", [(account,) for account in enrolled])
        self._do("COMMIT")

    def refuse(self, refused: Sequence[tuple[Item, str]]) -> None:
        """Note rows that the chain refuses, each with the reason."""
        if not refused:
            return
        self._begin()
        self._many("UPDATE rows SET state = ? WHERE id = ?", [(REJECTED, item.id) for item, _ in refused])
        self.reject([Reject(item.line, self._own(item.ref), reason) for item, reason in refused], by_chain=True)
        self._do("COMMIT")

    def _own(self, ref: str) -> str:
        return ref.removeprefix(self._prefix)

    def unenrolled(self, limit: int) -> list[tuple[str, str]]:
        """Return (account, commitment) of members who have points by now and are not known to be enrolled."""
        members = self._ask(
            # A cross join keeps the order of the tables: one walk over the rows, which have no index by account.
            "SELECT DISTINCT m.account, m.commitment FROM rows r CROSS JOIN members m ON m.account = r.account"
            " WHERE r.state IN (1, 2) AND m.enrolled = 0 LIMIT ?",
            (limit,),
        )
        return list(members)

    # -- telling -----------------------------------------------------------------------------------

    def totals(self) -> list[DateTotal]:
        """Return rows and points by date and state, by date, the program's rule last."""
        rows = self._ask(
            "SELECT date, state, count(*), sum(amount) FROM rows GROUP BY date, state"
            " ORDER BY date IS NULL, date, state"
        )
        return [DateTotal(*row) for row in rows]

    def count(self, table: str) -> int:
        """Return how many rows, members or rejects there are."""
        return int(self._one(f"SELECT count(*) FROM {table}"))

    def rejects(self) -> Iterator[Reject]:
        """Yield the rows that are not taken, by line."""
        for row in self._ask("SELECT line, ref, reason FROM rejects ORDER BY line, rowid"):
            yield Reject(*row)
