"""The steps of an import: read the file, ask the chain, pay, and compare what the chain says with what was paid."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from genesis.durable_files import durable_file
from node.client import RpcError
from node.moving.chain import Chain, read
from node.moving.errors import MovingError, first_stop
from node.moving.looking import look
from node.moving.paths import REJECTS_HEADER, require_rejects
from node.moving.plan import FOUND, OPEN, PAID, Item, Plan
from node.moving.programme import Programme, Supply, supply_of
from node.moving.sending import Progress, Target
from node.terminal.table_text import guarded, quoted_line

LOOKS_AT_ONCE: Final = 4
MAX_DATES_TOLD: Final = 1_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether the program's supply grew by what was paid.

    Attributes:
        expected: points paid by this run, or by an earlier one after `before`.
        grown: by how much `issued` grew.
    """

    before: Supply
    after: Supply
    expected: int
    grown: int

    @property
    def agrees(self) -> bool:
        """Tell whether both are the same."""
        return self.expected == self.grown

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "before": {"height": self.before.height, **self.before.counters},
            "after": {"height": self.after.height, **self.after.counters},
            "expected": self.expected,
            "grown": self.grown,
            "agrees": self.agrees,
        }


def plan_identity(digest: str, programme: Programme, prefix: str, salt: str, any_address: bool) -> str:
    """Return what a plan is for: where anything of it changes, the rows are read and judged again."""
    return json.dumps([digest, programme.chain, programme.brand, programme.program, prefix, salt, any_address])


async def survey(plan: Plan, chain: Chain, target: Target, tell: Callable[[int], None]) -> None:
    """Ask the chain about all open rows, and note in the plan what it has of them; nothing is sent.

    Raises:
        Stopped: the node does not answer.
    """
    queue = plan.all_items()
    done = 0

    async def some() -> None:
        nonlocal done
        while items := next(queue, None):
            await _survey(plan, chain, target, items)
            done += len(items)
            tell(done)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(LOOKS_AT_ONCE):
                group.create_task(some())
    except ExceptionGroup as stops:
        raise first_stop(stops) from None


async def _survey(plan: Plan, chain: Chain, target: Target, items: list[Item]) -> None:
    looked = await look(chain, target.program, items, any_address=target.any_address)
    plan.settle([item for item, _ in looked.paid], FOUND, looked.enrolled)
    plan.refuse(looked.wrong)


async def compare(chain: Chain, program: str, sender: str, before: Supply, progress: Progress) -> Comparison:
    """Compare the program's supply with what was paid since `before`.

    Raises:
        MovingError: the node refuses to tell.
    """
    try:
        after = await supply_of(chain, program)
        expected = progress.points
        if progress.found:
            recent = await _transactions_since(chain, sender, before.height)
            expected += sum(points for tx, points in progress.found.items() if tx in recent)
    except RpcError as error:
        raise MovingError(f"the supply of {program}: {error.message} ({error.reason})") from None
    grown = after.counters["issued"] - before.counters["issued"]
    return Comparison(before, after, expected, grown)


async def _transactions_since(chain: Chain, sender: str, height: int) -> set[str]:
    """Return the issues that an account has sent after a height: those of an earlier run, which were in flight."""
    found: set[str] = set()
    params: dict[str, Any] = {
        "account": sender,
        "call": "token.issue",
        "from": height + 1,
        "limit": 1_000,
    }
    while True:
        page = await read(chain, "chain_transactions", params)
        found.update(item["id"] for item in page["items"])
        if page["next"] is None:
            return found
        params["cursor"] = page["next"]


def write_rejects(plan: Plan, path: Path) -> None:
    """Write the rows that are not taken; without any, remove what an earlier run has written.

    Raises:
        MovingError: the disk refuses, or there is a file of something else by now, which stays.
    """
    require_rejects(path)
    try:
        if not plan.count("rejects"):
            path.unlink(missing_ok=True)
            return
        with durable_file(path) as file:
            file.write(REJECTS_HEADER)
            for reject in plan.rejects():
                line = quoted_line(str(reject.line), guarded(reject.ref), guarded(reject.reason))
                file.write(line.encode("utf-8", errors="replace"))
    except OSError as error:
        raise MovingError(f"{path} cannot be written: {error.strerror or error}") from None


def totals_of(plan: Plan) -> dict[str, Any]:
    """Return rows and points by what became of them, and by date: the first MAX_DATES_TOLD, the rest in one sum."""
    names = {OPEN: "open", PAID: "paid", FOUND: "paid_before"}
    states = {name: {"rows": 0, "points": 0} for name in names.values()}
    dates: dict[int | None, dict[str, Any]] = {}
    for total in plan.totals():
        name = names.get(total.state)
        if name is None:
            continue
        shown = dates.setdefault(total.date, {"expires": total.date, "rows": 0, "points": 0})
        for sums in (states[name], shown):
            sums["rows"] += total.rows
            sums["points"] += total.points
    by_date = list(dates.values())
    later = by_date[MAX_DATES_TOLD:]
    rest = {"dates": len(later), "rows": sum(d["rows"] for d in later), "points": sum(d["points"] for d in later)}
    return {**states, "by_date": by_date[:MAX_DATES_TOLD], "further_dates": rest}
