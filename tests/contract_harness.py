"""A small chain in memory for contract tests: blocks go through `vm.block_execution`, the state is a dict.

Values pass through canonical bytes between blocks, so a value that would not survive storage is found. What
contracts let out, and the keys that they use, are checked besides (`tests.support.strict`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, TypeVar

import msgspec

from contracts_py.identity import Authority, Brands
from contracts_py.registry import contracts
from tests.support.strict import Strict, Unwatched, require_key, strict
from vm.block_execution import BlockContext, BlockExecution, BlockResult, Changes, changed_bytes
from vm.chain_records import ValidatorEntry
from vm.contract_api import Context
from vm.genesis_state import genesis_changes
from vm.once_log import Appended, append_records
from vm.params import Params
from vm.primitives.address import address_of_key
from vm.primitives.codec import encode
from vm.primitives.hashing import sha256
from vm.receipt import Receipt
from vm.runtime import Runtime
from vm.state_view import BlockOverlay
from vm.tables.schedule import AGENDA, Schedule
from vm.tables.stored import Stored
from vm.transaction import Body, Transaction

CHAIN = "test-0000000000000000"
START = 1_700_000_000_000
"""14 November 2023, 22:13:20 UTC."""

T = TypeVar("T")
Op = tuple[str, dict[str, Any]]


def as_read(value: Any) -> Any:
    """Return a value as a client reads it in JSON."""
    return msgspec.json.decode(msgspec.json.encode(value))


def key_of(name: str) -> bytes:
    """Return the made-up public key of a person."""
    return sha256(name.encode())


def account_of(name: str) -> str:
    """Return the address that a person's key holds."""
    return address_of_key(key_of(name))


class MemoryState:
    """A committed state as canonical bytes; decoded objects are kept as a node's cache would."""

    def __init__(self, watched: bool = True) -> None:
        self._require_key: Callable[[str], object] = require_key if watched else str
        self.values: dict[str, bytes] = {}
        self._objects: dict[str, Any] = {}
        self.records: dict[str, bytes] = {}
        """Once-records by key."""

    def cell(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return the decoded value at `key` with its canonical bytes."""
        self._require_key(key)
        if key in self._objects:
            found: tuple[T, bytes] = self._objects[key]
            return found
        data = self.values.get(key)
        if data is None:
            return None
        cell = stored.decode(data), data
        assert encode(cell[0]) == data, f"what stands at {key} is more than {stored.annotation}"
        self._objects[key] = cell
        return cell

    def get(self, key: str, type_: type[T]) -> T | None:
        """Return the decoded value at `key`."""
        data = self.values.get(key)
        return None if data is None else msgspec.msgpack.decode(data, type=type_)

    def once(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return the once-record of `key` with its canonical bytes."""
        self._require_key(key)
        data = self.records.get(key)
        return None if data is None else (stored.decode(data), data)

    def charge(self, units: int) -> None:
        """Do nothing."""

    def fork(self) -> MemoryState:
        """Return a state that holds the same, and goes its own way."""
        other = copy(self)
        other.values, other.records, other._objects = dict(self.values), dict(self.records), dict(self._objects)
        return other

    def append(self, once: Sequence[Appended]) -> None:
        """Take over a block's once-records."""
        for part in once:
            for key, leaf in part.records:
                named, record = msgspec.msgpack.decode(leaf, type=tuple[str, msgspec.Raw])
                assert named == key
                self._require_key(key)
                assert key not in self.records, f"the once-record {key} is written twice"
                self.records[key] = bytes(record)

    def write(self, changes: Changes) -> None:
        """Take over a block's changes, as bytes."""
        for key, change in changes.items():
            self._require_key(key)
            self._objects.pop(key, None)
            if change is None:
                self.values.pop(key, None)
            else:
                self.values[key] = change


class Chain:
    """A chain of one process: call `send`, look with `view`.

    Attributes:
        events: what the last block told, as (type, data): its transactions, then what was due.
        watched: whether what contracts let out, and the keys that they use, are checked; it makes a chain slower by
            a factor of five.
    """

    def __init__(
        self,
        ops: Sequence[Op] = (),
        params: Params | None = None,
        validators: Sequence[ValidatorEntry] = (),
        runtime: Runtime | None = None,
        watched: bool = True,
    ) -> None:
        """Begin a chain with genesis operations; it runs the registry's contracts, unless `runtime` has others."""
        self.watched = watched
        self.runtime = runtime or Runtime(*contracts())
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.params = params or Params()
        self.state = MemoryState(watched)
        self.height = 0
        self.time = START
        self._nonce = 0
        genesis = genesis_changes(self.runtime, CHAIN, START, self.params, validators, [], ops)
        self.state.write(genesis.values)
        self.state.append(genesis.once)

    @property
    def runtime(self) -> Runtime:
        """The contracts that the chain runs; what they let out is checked where the chain is watched."""
        return self._runtime

    @runtime.setter
    def runtime(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.strict: Strict | Unwatched = strict(runtime) if self.watched else Unwatched()

    def fork(self) -> Chain:
        """Return a chain that stands where this one does, and goes its own way."""
        other = copy(self)
        other.state = self.state.fork()
        return other

    def transaction(self, sender: str, ops: Sequence[Op], signers: Sequence[str]) -> Transaction:
        """Return a transaction by the account `sender` with these persons' (unchecked) signatures."""
        self._nonce += 1
        body = Body(CHAIN, sender, self._nonce, self.time + 1, list(ops))
        tx_id = sha256(b"%d" % self._nonce)
        keys = sorted(key_of(name) for name in signers)
        addresses = tuple(address_of_key(key) for key in keys)
        return Transaction(b"", b"", body, [(key, bytes(64)) for key in keys], tx_id, tx_id, addresses)

    def block(self, transactions: Sequence[Transaction], after_ms: int = 200) -> BlockResult:
        """Execute and commit one block."""
        self.height += 1
        parent_time, self.time = self.time, self.time + after_ms
        context = BlockContext(CHAIN, self.height, self.time, parent_time, parent=self.digest(self.height - 1))
        execution = BlockExecution(self.runtime, self.state, context, transactions)
        execution.run(len(transactions))
        result = execution.result()
        self.state.write(result.changes)
        self.state.append(result.once)
        if self.watched:
            for _, planned in AGENDA.iterate(self.state):
                require_key(planned)
        self.events = [told for receipt in result.receipts for told in self.told(receipt)]
        return result

    def digest(self, height: int) -> bytes:
        """Return what stands for the digest of a block."""
        return sha256(b"block %d" % height)

    def send_ops(self, sender: str, ops: Sequence[Op], signers: Sequence[str] | None = None) -> Receipt:
        """Execute several operations of one person in a block of their own."""
        return self.block([self.transaction(account_of(sender), ops, signers or [sender])]).receipts[0]

    def told(self, receipt: Receipt) -> list[tuple[str, dict[str, Any]]]:
        """Return a receipt's events as (type, data), as a client reads them."""
        return [(event.type, as_read(event.data)) for event in receipt.events]

    def send(self, sender: str, call: str, signers: Sequence[str] | None = None, **args: Any) -> Any:
        """Execute one operation that must succeed; return its result. `from_` stands for `from`."""
        receipt = self.send_ops(sender, [(call, _public(args))], signers)
        assert receipt.status == "ok", f"{receipt.error} {self.strict.refused}"
        return as_read(receipt.results[0])

    def refused(self, sender: str, call: str, signers: Sequence[str] | None = None, **args: Any) -> str:
        """Execute one operation that must be refused; return the code."""
        receipt = self.send_ops(sender, [(call, _public(args))], signers)
        assert receipt.status == "failed", receipt.results
        assert receipt.error
        return receipt.error.code

    def govern(self, action: Callable[[Context], None]) -> None:
        """Do something at the head as an action that the alliance has voted for."""
        overlay = BlockOverlay(self.state)
        action(Context(overlay, CHAIN, self.height, self.time, 10**9, governance=True))
        self.state.append(append_records(overlay))
        self.state.write(changed_bytes(overlay))

    def suspend(self, brand: str) -> None:
        """Suspend a brand."""
        self.govern(lambda ctx: Brands(Authority()).set_suspended(ctx, brand, True))

    def until(self, time: int, postponing: Schedule | None = None) -> None:
        """Commit an empty block of this time.

        Args:
            postponing: of this schedule, whatever falls due is refused, and comes again an hour later.
        """
        self.strict.postponing = set() if postponing is None else {postponing.keys.path}
        try:
            self.block([], time - self.time)
        finally:
            self.strict.postponing = set()

    def context(self) -> Context:
        """Return a context for views at the head."""
        overlay = BlockOverlay(self.state)
        return Context(overlay, CHAIN, self.height, self.time, 10**9, read_only=True)

    def view(self, name: str, /, **args: Any) -> Any:
        """Answer a view at the head."""
        return as_read(self.runtime.invoke_view(self.context(), name, _public(args)))


def _public(args: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removesuffix("_"): value for name, value in args.items()}


def program_args(program: str, brand: str, **changes: Any) -> dict[str, Any]:
    """Return the arguments of create_program, with some changed."""
    return {
        "program": program,
        "brand": brand,
        "name": f"{program} points",
        "symbol": "PTS",
        "decimals": 0,
        "transfer": "free",
        "expiry": {"kind": "none"},
        "transfer_burn_bps": 0,
        "notice_ms": 0,
        "price": {"currency": "EUR", "num": 1, "den": 1},
        **changes,
    }


def brand_ops(brand: str, offsets: Sequence[dict[str, int]] = ()) -> list[Op]:
    """Return genesis operations for a brand whose roles are held by persons named `<brand>-<role>`."""
    ops: list[Op] = [
        (
            "identity.register_brand",
            {
                "brand": brand,
                "name": brand.title(),
                "admins": [account_of(f"{brand}-admin")],
                "offsets": [*offsets],
            },
        )
    ]
    for role in ("issuer", "cashier", "compliance"):
        ops.append(
            ("identity.grant_role", {"brand": brand, "role": role, "account": account_of(f"{brand}-{role}")})
        )
    return ops


def credit_ops(*brands: str, currency: str = "EUR", amount: int = 10**12) -> list[Op]:
    """Return genesis operations by which each of these brands lets each other owe it so much."""
    return [
        (
            "clearing.set_credit_limit",
            {"creditor": creditor, "debtor": debtor, "currency": currency, "amount": amount},
        )
        for creditor in brands
        for debtor in brands
        if creditor != debtor
    ]
