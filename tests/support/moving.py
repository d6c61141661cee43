"""A chain of real contracts in memory, as an import sees one."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts_py.calendar import Offsets
from node.client import RpcError
from node.client.rpc_client import Call, Op
from node.gateway.errors import view_fault
from node.moving.plan import Plan
from node.moving.programme import Programme, Supply
from node.moving.reading import digest_of, read_into
from node.moving.rows import Terms
from node.moving.sending import Target
from tests.contract_harness import CHAIN, Chain, as_read, brand_ops, program_args
from vm.errors import Refused

SALT = bytes(range(32))
TARGET = Target("aurora", "miles", 400_000)
OFFSETS: Offsets = ()


class MemoryChain:
    """Executes what is sent, one block each.

    Attributes:
        sent: the operations of each transaction.
        before_sending: called first; what it raises stands for a node, or an importer, that is gone.
        after_sending: called when the block is final, before the receipt is known.
    """

    def __init__(self, sender: str = "aurora-issuer", **program: Any) -> None:
        create = ("token.create_program", program_args("miles", "aurora", **program))
        self.chain = Chain([*brand_ops("aurora"), *brand_ops("basil"), create])
        self.sender = sender
        self.sent: list[list[Op]] = []
        self.before_sending: Callable[[int], None] = lambda count: None
        self.after_sending: Callable[[int], None] = lambda count: None
        self.answers: list[dict[str, Any]] = []
        """Receipts that are answered, in place of executing, first."""

    async def send(self, ops: Sequence[Op]) -> dict[str, Any]:
        """Execute a transaction."""
        self.sent.append(list(ops))
        count = len(self.sent)
        self.before_sending(count)
        await asyncio.sleep(0)
        if self.answers:
            return self.answers.pop(0)
        receipt: dict[str, Any] = as_read(self.chain.send_ops(self.sender, ops))
        self.after_sending(count)
        return receipt

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """Answer views of the head, whichever height is asked for, and what is no view."""
        return [self._answer(method, params) for method, params in calls]

    def _answer(self, method: str, params: Mapping[str, Any]) -> Any:
        if method == "state_view":
            result = self._answer(params["view"], params["args"])
            is_error = isinstance(result, RpcError)
            return result if is_error else {"height": self.chain.height, "time": self.chain.time, "result": result}
        if method == "node_info":
            return {"chain": CHAIN, "clock": self.chain.time, "time": self.chain.time}
        if method == "chain_transactions":
            return {"items": [], "next": None, "complete_to": self.chain.height}
        try:
            return self.chain.view(method, **params)
        except Refused as refusal:
            fault = view_fault(refusal)
            return RpcError(fault.code, fault.message, fault.data)

    def supply(self) -> dict[str, int]:
        """Return the program's counters."""
        counters: dict[str, int] = self.chain.view("token_supply", program="miles")
        return counters

    def programme(self) -> Programme:
        """Return the program as an export knows it."""
        supply = Supply(self.chain.height, self.supply())
        return Programme(CHAIN, "miles", "aurora", OFFSETS, "none", None, self.chain.time, 400_000, supply)

    def terms(self, brand: str = "aurora") -> Terms:
        """Return what rows are judged by."""
        return Terms(brand, OFFSETS, self.chain.time, "import-", SALT)


def write_csv(path: Path, header: str, *rows: str) -> Path:
    """Write a CSV file."""
    path.write_text("\r\n".join([header, *rows, ""]), encoding="utf-8", newline="")
    return path


def planned(folder: Path, chain: MemoryChain, header: str, *rows: str) -> Plan:
    """Return the plan of a file with these rows."""
    file = write_csv(folder / "members.csv", header, *rows)
    plan = Plan(folder / f"{next(_numbers)}.import", "test")
    read_into(plan, file, digest_of(file), chain.terms(), lambda count: None)
    return plan


_numbers = itertools.count()
