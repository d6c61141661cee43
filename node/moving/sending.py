"""Rows as transactions: many rows in one, several of them in flight, and each row paid exactly once.

Each row is a `token.issue` whose ref is the row's; before it, in the same transaction, stands the `identity.enroll`
of a member that is none yet. So a row is done wholly or not at all, and the chain refuses to pay it again
(DUPLICATE_REF).

A transaction that fails names the operation at fault. The chain is asked what it has of all its rows; those that
are paid leave, and so does the row at fault, with the reason; the others go in a new transaction.

Invariants:
    1. A row is PAID or FOUND only after a receipt, or an answer of the chain, has said so.
    2. Each failed transaction leads to fewer rows, to smaller transactions, to a wait, or to `Stopped`.
    3. At most `in_flight` transactions, of at most MAX_ROWS rows each, are in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from node.client.rpc_client import Op
from node.moving.chain import Chain, Patience
from node.moving.errors import Stopped, first_stop
from node.moving.looking import Look, look
from node.moving.plan import FOUND, PAID, Item, Plan
from vm.primitives.codec import encode
from vm.transaction import MAX_OPS, MAX_TX_BYTES

MAX_ROWS: Final = MAX_OPS // 2
"""A row has two operations at most."""

ROOM_BYTES: Final = 2_048
"""Of a transaction, for all but its operations: eight signatures and signers take less."""

FIRST_ROWS: Final = 100
"""Of the first transaction; its cost tells how many rows the next ones may have."""

SHARE: Final = 2
"""A transaction costs at most 1/SHARE of the limit: several fill a block."""

MAX_FAILURES: Final = 1_000
"""Rows that each made a transaction fail, and none in between that was taken: then it is not the rows."""

_ENDS: Final = frozenset({"NOT_AUTHORISED", "SUSPENDED", "CAP_EXCEEDED", "NOT_FOUND", "UNKNOWN_CALL"})
"""Refusals that are not about a row: the same would meet all that follow."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows are paid.

    Attributes:
        max_tx_cost: work units that a transaction may use.
        any_address: whether addresses that the chain has never seen are paid.
    """

    brand: str
    program: str
    max_tx_cost: int
    any_address: bool = False


@dataclass(slots=True)
class Progress:
    """What a run has done so far.

    Attributes:
        rows: rows that are decided: paid, found paid, or refused.
        paid_rows, points: what this run has paid.
        enrolled: members that this run has enrolled.
        found: transactions by which rows were paid before they were looked at, with the points.
    """

    rows: int = 0
    paid_rows: int = 0
    points: int = 0
    enrolled: int = 0
    transactions: int = 0
    found: dict[str, int] = field(default_factory=dict)


class Sender:
    """Pays the open rows of a plan."""

    def __init__(
        self, plan: Plan, chain: Chain, target: Target, tell: Callable[[Progress], None] = lambda progress: None
    ) -> None:
        self._plan = plan
        self._chain = chain
        self._target = target
        self._tell = tell
        self.progress = Progress()
        self._patience = Patience()
        self._patience.progress()
        self._after = 0
        self._failures = 0
        """Rows that a transaction failed for since one was taken."""
        self._rows = FIRST_ROWS
        self._enrolling: set[str] = set()
        """Accounts whose enrolment is in flight: another row of theirs does not enroll them again."""
        self._look_first = True
        """Whether rows are looked at before they are sent: as long as some turn out to be paid already."""

    async def run(self, in_flight: int) -> None:
        """Pay all rows that are open.

        Raises:
            Stopped: the chain does not let the import go on; what was paid is noted.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(in_flight):
                    group.create_task(self._work())
        except ExceptionGroup as group:
            raise first_stop(group) from None
        await self._enroll_the_rest()

    async def _work(self) -> None:
        while items := self._next():
            carried = {item.account for item in items if item.enroll is not None}
            try:
                await self._pay(items)
            finally:
                self._enrolling -= carried

    def _next(self) -> list[Item]:
        """Return the rows of the next transaction."""
        chosen: list[Item] = []
        size = ROOM_BYTES
        for item in self._plan.open_items(self._after, self._rows):
            if item.enroll is not None and item.account in self._enrolling:
                item = replace(item, enroll=None)
            size += sum(len(encode(list(op))) for op in self._operations(item))
            if chosen and size > MAX_TX_BYTES:
                break
            if item.enroll is not None:
                self._enrolling.add(item.account)
            chosen.append(item)
        if chosen:
            self._after = chosen[-1].id
        return chosen

    def _operations(self, item: Item) -> list[Op]:
        issue: dict[str, Any] = {
            "program": self._target.program,
            "to": item.account,
            "amount": item.amount,
            "ref": item.ref,
        }
        if item.expires is not None:
            issue["expires"] = item.expires
        if item.pending_until is not None:
            issue["pending_until"] = item.pending_until
        enroll: list[Op] = []
        if item.enroll is not None:
            enroll = [("identity.enroll", {"brand": self._target.brand, "ref": item.enroll})]
        return [*enroll, ("token.issue", issue)]

    # -- paying some rows --------------------------------------------------------------------------

    async def _pay(self, items: list[Item]) -> None:
        if self._look_first or not all(item.known for item in items):
            looked = await self._look(items)
            self._look_first = bool(looked.paid)
            items = looked.open
        attempt = 0
        while items:
            owners = [(item, op) for item in items for op in self._operations(item)]
            receipt = await self._chain.send([op for _, op in owners])
            self.progress.transactions += 1
            if receipt["status"] == "ok":
                self._paid(items, receipt)
                return
            error = receipt["error"]
            if error["code"] == "OUT_OF_BUDGET":
                if await self._is_too_large(items, error):
                    return
                await self._patience.pause(attempt, error["message"])
                attempt += 1
            else:
                items = await self._without_fault(items, owners, error)

    def _paid(self, items: list[Item], receipt: dict[str, Any]) -> None:
        enrolled = [item.account for item in items if item.enroll is not None]
        self._plan.settle(items, PAID, enrolled)
        self._patience.progress()
        self._failures = 0
        progress = self.progress
        progress.rows += len(items)
        progress.paid_rows += len(items)
        progress.points += sum(item.amount for item in items)
        progress.enrolled += len(enrolled)
        each = max(1, receipt["cost"] // len(items))
        self._rows = max(1, min(MAX_ROWS, self._target.max_tx_cost // (SHARE * each)))
        self._tell(progress)

    async def _is_too_large(self, items: list[Item], error: dict[str, Any]) -> bool:
        """Tell whether the rows do not fit into a transaction; then pay them in halves.

        Else the sender's allowance, or the block, has no units left now.
        """
        if (error.get("details") or {}).get("limit", 0) < self._target.max_tx_cost:
            return False
        if len(items) == 1:
            self._refuse([(items[0], _words(error))])
            return True
        half = len(items) // 2
        self._rows = half
        await self._pay(items[:half])
        await self._pay(items[half:])
        return True

    async def _without_fault(
        self, items: list[Item], owners: Sequence[tuple[Item, Op]], error: dict[str, Any]
    ) -> list[Item]:
        """Return what is left to be paid after a failed transaction."""
        if _ends(error) or not 0 <= error["op"] < len(owners):
            raise Stopped(f"the chain refuses the import: {_words(error)}")
        at_fault = owners[error["op"]][0]
        looked = await self._look(items)
        self._look_first = self._look_first or bool(looked.paid)
        # Where the chain has something of the row already, that was the fault, and it is out of the way now.
        if at_fault not in looked.open:
            return looked.open
        self._refuse([(at_fault, _words(error))])
        self._failures += 1
        if self._failures == MAX_FAILURES:
            raise Stopped(f"the chain has refused {MAX_FAILURES:,} rows and taken none: {_words(error)}")
        return [item for item in looked.open if item != at_fault]

    async def _look(self, items: list[Item]) -> Look:
        """Ask the chain about rows, and note what it has or cannot take."""
        target = self._target
        looked = await look(self._chain, target.program, items, any_address=target.any_address)
        self._plan.settle([item for item, _ in looked.paid], FOUND, looked.enrolled)
        for item, tx in looked.paid:
            self.progress.found[tx] = self.progress.found.get(tx, 0) + item.amount
        self.progress.rows += len(looked.paid)
        self._refuse(looked.wrong)
        return looked

    def _refuse(self, refused: Sequence[tuple[Item, str]]) -> None:
        self._plan.refuse(refused)
        self.progress.rows += len(refused)
        self._tell(self.progress)

    async def _enroll_the_rest(self) -> None:
        """Enroll members whose enrolling row was refused, while other rows of theirs were paid."""
        while members := self._plan.unenrolled(FIRST_ROWS):
            for account, committed in members:
                receipt = await self._chain.send(
                    [("identity.enroll", {"brand": self._target.brand, "ref": committed})]
                )
                error = receipt.get("error") or {}
                if error and error["code"] != "ALREADY_EXISTS":
                    raise Stopped(f"the chain refuses to enroll {account}: {_words(error)}")
                self.progress.enrolled += not error
                self._plan.settle([], PAID, [account])


def _ends(error: dict[str, Any]) -> bool:
    """Tell whether an error is not about a row. A liability cap has the code of a row with too many lots."""
    return error["code"] in _ENDS or "liability" in (error.get("details") or {})


def _words(error: dict[str, Any]) -> str:
    return f"{error['code']}: {error['message']}"
