"""Members and balances of a program as of one height, as a file that an import takes.

All pages are of one height (`state_view`), so that what moves meanwhile is neither missed nor counted twice. A node
keeps the state of some heights only: where an export takes longer than these last, it fails and says so.

The ref of a row is made of the account and the lot. So two exports of one balance do not pay twice where both are
imported into one program: the second differs, or is paid already.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from contracts_py.calendar import civil_from_days, local_day, start_of_day
from genesis.durable_files import durable_file
from node.client import RpcError
from node.client.page_size import PageSize
from node.moving.chain import Chain
from node.moving.errors import MovingError, Stopped
from node.moving.looking import found_or_none
from node.moving.programme import Programme, view_at
from vm.primitives.units import MS_PER_MINUTE

COLUMNS: Final = ("ref", "commitment", "address", "amount", "expires", "pending_until", "note")
PAGE: Final = 500
KINDS: Final = ("available", "held", "pending")


class Lot(NamedTuple):
    """Points of one account, of one kind and date (ms; None: never)."""

    kind: str
    amount: int
    expires: int | None
    pending_until: int | None = None


@dataclass(slots=True)
class Exported:
    """What was written."""

    height: int
    holders: int = 0
    rows: int = 0
    debtors: int = 0
    points: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*KINDS, "debt"), 0))

    def problems(self, supply: dict[str, int]) -> list[str]:
        """Say where the rows and the program's supply differ."""
        return [
            f"{kind}: the rows have {points:,}, the program's supply {supply[kind]:,}"
            for kind, points in self.points.items()
            if points != supply[kind]
        ]


class Exporter:
    """Reads one program as of the height that is known of it."""

    def __init__(self, chain: Chain, programme: Programme, tell: Callable[[Exported], None]) -> None:
        self._chain = chain
        self._programme = programme
        self._height = programme.supply.height
        self._tell = tell

    async def write(self, path: Path, *, replace: bool) -> Exported:
        """Write the file, whole or not at all.

        Raises:
            MovingError: the file exists or cannot be written, or the node no longer has the height.
        """
        try:
            with durable_file(path, replace=replace) as file:
                return await self._write(file)
        except FileExistsError:
            raise MovingError(f"{path} exists; --force replaces it") from None
        except OSError as error:
            raise MovingError(f"{path} cannot be written: {error.strerror or error}") from None

    async def _write(self, file: IO[bytes]) -> Exported:
        done = Exported(self._height)
        file.write(csv_line(*COLUMNS))
        async for holders in self._pages("token_holders", {"program": self._programme.program}):
            commitments = await self._commitments([holder["account"] for holder in holders])
            for holder in holders:
                account = holder["account"]
                done.holders += 1
                done.points["debt"] += holder["debt"]
                done.debtors += holder["debt"] > 0
                for lot in await self._lots(holder):
                    file.write(csv_line(*self._row(account, commitments.get(account, ""), lot)))
                    done.rows += 1
                    done.points[lot.kind] += lot.amount
            self._tell(done)
        return done

    async def _lots(self, holder: dict[str, Any]) -> list[Lot]:
        lots = [Lot("available", lot["amount"], lot["expires"]) for lot in holder["lots"]]
        if holder["held"]:
            lots += await self._held(holder["account"])
        if holder["pending"]:
            args = {"program": self._programme.program, "account": holder["account"]}
            async for items in self._pages("token_pending", args):
                lots += [Lot("pending", item["amount"], item["expires"], item["until"]) for item in items]
        return lots

    async def _held(self, account: str) -> list[Lot]:
        """Return what is held of an account's points, by date."""
        by_date: dict[int | None, int] = {}
        async for items in self._pages("token_set_asides", {"account": account}):
            for item in items:
                for lot in item["lots"] if item["program"] == self._programme.program else ():
                    expires = None if lot["lot"] == "never" else int(lot["lot"])
                    by_date[expires] = by_date.get(expires, 0) + lot["amount"]
        return [Lot("held", amount, expires) for expires, amount in by_date.items()]

    async def _commitments(self, accounts: list[str]) -> dict[str, str]:
        """Return the commitments of those accounts that are members of the program's brand; they never change."""
        outcomes = await self._chain.ask([("identity_member", {"member": account}) for account in accounts])
        members = zip(accounts, map(found_or_none, outcomes), strict=True)
        brand = self._programme.brand
        return {
            account: shown["ref"] for account, shown in members if shown is not None and shown["brand"] == brand
        }

    def _row(self, account: str, commitment: str, lot: Lot) -> tuple[str, ...]:
        until = "" if lot.pending_until is None else str(lot.pending_until)
        name = f"{account}|{lot.kind}|{lot.expires}|{until}"
        ref = "lot-" + hashlib.sha256(name.encode()).hexdigest()[:32]
        return ref, commitment, account, str(lot.amount), self._date(lot.expires), until, lot.kind

    def _date(self, expires: int | None) -> str:
        """Return the last local day of a lot; its milliseconds where its date is no start of a day any more."""
        if expires is None:
            return ""
        offsets = self._programme.offsets
        start = (
            expires // MS_PER_MINUTE * MS_PER_MINUTE
        )  # The mark of a lot that was extended is not part of its date.
        day = local_day(offsets, start)
        if start_of_day(offsets, day) != start:
            return str(start)
        year, month, last = civil_from_days(day - 1)
        return f"{year:04}-{month:02}-{last:02}"

    # -- pages of one height -----------------------------------------------------------------------

    async def _pages(self, view: str, args: dict[str, Any]) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the pages of a list, smaller ones where the node finds them too much work."""
        cursor, size = None, PageSize(PAGE)
        while True:
            asked = args | {"limit": size.limit} | ({} if cursor is None else {"cursor": cursor})
            try:
                page = (await view_at(self._chain, view, asked, self._height))["result"]
            except RpcError as error:
                if error.reason != "OUT_OF_BUDGET" or not size.shrink():
                    raise self._ended(error) from None
                continue
            size.grow()
            yield page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def _ended(self, error: RpcError) -> Stopped:
        if error.reason == "STATE_PRUNED":
            words = (
                "export from a node that keeps more of them (state_history_blocks), or while fewer blocks are made"
            )
            return Stopped(f"the node no longer has the state of height {self._height}; {words}")
        return Stopped(f"the node refuses to answer: {error.message} ({error.reason})")


def csv_line(*fields: str) -> bytes:
    """Return a line of a CSV file, quoted where that is needed."""
    text = io.StringIO()
    csv.writer(text).writerow(fields)
    return text.getvalue().encode("utf-8", errors="replace")
