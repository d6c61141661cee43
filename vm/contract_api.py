"""What a contract is written against; the only part of `vm` that contracts import.

A contract is a stateless object with methods marked `@call` (they change state and need
signatures) and `@view`. Argument types come from the annotations (`vm.arguments`); state lives
in the `Context`, under keys that begin with the contract's name. A contract uses another one through
that one's public methods, handed to its constructor.

Invariants:
    1. A contract reads nothing but its arguments and the context: no clock, randomness, float,
       environment, set order, or another contract's keys.
    2. A refusal is `Refused` with a stable code and words; anything else that escapes halts the node.
    3. Values put into the state are immutable (see `vm.state_view`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import msgspec
from msgspec import Meta

from vm.arguments import (
    Address,
    Amount,
    BasisPoints,
    Count,
    Hash,
    Integer,
    Name,
    PublicKey,
    Ref,
    Rule,
    ShortText,
    Signature,
    Slug,
    TimeMs,
    refuse,
)
from vm.arguments.rules import code, text
from vm.chain_records import ValidatorEntry
from vm.errors import InvariantBroken, Refused
from vm.events import BrandId, event, type_of
from vm.hooks import Hook
from vm.membership import (
    change_nodes,
    change_params,
    change_validators,
    current_nodes,
    current_params,
    current_validators,
    schedule_version,
    validators_deciding,
    version_at,
)
from vm.metering import (
    BYTES_PER_UNIT,
    DERIVATION,
    EVENT,
    ONCE_WRITE,
    READ,
    READ_BYTES_PER_UNIT,
    VERIFICATION,
    WRITE,
    WRITE_BYTES_PER_UNIT,
)
from vm.params import Params, bound_problem
from vm.primitives.address import address_of_key, address_of_member, address_of_pool
from vm.primitives.canonical_json import canonical_json
from vm.primitives.codec import encode
from vm.primitives.hashing import ZERO_HASH, sha256
from vm.primitives.keys import Domain, verify
from vm.primitives.units import MAX_INT, MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE
from vm.receipt import Event
from vm.state_view import UNCHANGED, BlockOverlay, cell_of
from vm.tables import (
    ADDRESS,
    DEFAULT_PAGE,
    EMPTY,
    GONE,
    HEX,
    NUMBER,
    SLUG,
    TEXT,
    Bag,
    Cursor,
    OnceTable,
    OrderedMap,
    OrderedSet,
    Page,
    PageLimit,
    Part,
    Root,
    Schedule,
    Sequence,
    Table,
    Tree,
    due,
)
from vm.tables.once import once_family_of
from vm.tables.page import as_cursor, from_cursor, paged
from vm.tables.stored import Readable, Stored

__all__ = [
    "ADDRESS",
    "DEFAULT_PAGE",
    "DERIVATION",
    "EMPTY",
    "GONE",
    "HEX",
    "MAX_INT",
    "MS_PER_DAY",
    "MS_PER_HOUR",
    "MS_PER_MINUTE",
    "NUMBER",
    "SLUG",
    "TEXT",
    "Address",
    "Amount",
    "Bag",
    "BasisPoints",
    "BrandId",
    "Context",
    "Contract",
    "Count",
    "Cursor",
    "Domain",
    "Hash",
    "Hook",
    "Integer",
    "InvariantBroken",
    "Meta",
    "Name",
    "OnceTable",
    "OrderedMap",
    "OrderedSet",
    "Page",
    "PageLimit",
    "Params",
    "Part",
    "PublicKey",
    "Readable",
    "Ref",
    "Refused",
    "Root",
    "Rule",
    "Schedule",
    "Sequence",
    "ShortText",
    "Signature",
    "Slug",
    "Stored",
    "Table",
    "TimeMs",
    "Tree",
    "ValidatorEntry",
    "address_of_key",
    "address_of_member",
    "address_of_pool",
    "as_cursor",
    "bound_problem",
    "call",
    "canonical_json",
    "change_nodes",
    "change_params",
    "change_validators",
    "code",
    "current_nodes",
    "current_params",
    "current_validators",
    "due",
    "encode",
    "event",
    "from_cursor",
    "once_family_of",
    "paged",
    "refuse",
    "schedule_version",
    "sha256",
    "text",
    "validators_deciding",
    "version_at",
    "view",
]

T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Any])


class Context:
    """What a contract sees while one operation executes, or a view is answered.

    Attributes:
        chain: the chain's name.
        height, time: of the block that executes; a view's are those of the head.
        tx_id: hex id of the transaction; empty in system steps and views.
        sender: the account that the transaction acts for; empty in genesis and system steps.
        signers: addresses of the keys that signed.
        governance: True in genesis and in actions that the alliance has voted for.
        op: index of the operation.
        parent: digest of the block before, in what happens by itself; zero bytes in a transaction and a view. A
            transaction must not depend on it: who sends one, or puts it into a block, knows it already.
        cost: work units used so far by the transaction.
    """

    __slots__ = (
        "_base_cell",
        "_beyond",
        "_changes",
        "_most",
        "_overlay",
        "_read",
        "chain",
        "cost",
        "cost_limit",
        "events",
        "governance",
        "height",
        "op",
        "parent",
        "read_only",
        "sender",
        "signers",
        "time",
        "tx_id",
    )

    def __init__(
        self,
        overlay: BlockOverlay,
        chain: str,
        height: int,
        time: int,
        cost_limit: int,
        *,
        sender: str = "",
        signers: tuple[str, ...] = (),
        tx_id: str = "",
        governance: bool = False,
        read_only: bool = False,
    ) -> None:
        # Reading and writing state is most of what execution does: the way to the overlay is kept short.
        self._overlay = overlay
        self._changes = overlay.changes
        self._read = overlay.read
        self._base_cell = overlay.base_cell
        self.chain = chain
        self.height = height
        self.time = time
        self.cost_limit = cost_limit
        self.sender = sender
        self.signers = signers
        self.tx_id = tx_id
        self.governance = governance
        self.read_only = read_only
        self.cost = 0
        self._beyond: Callable[[], int] | None = None
        self._most = cost_limit
        self.op = 0
        self.parent = ZERO_HASH
        self.events: list[Event] = []

    def cell(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return the value at `key` with its canonical bytes, or None; for tables.

        Raises:
            Refused: OUT_OF_BUDGET.
        """
        self.cost += READ
        if self.cost > self.cost_limit:
            self._out_of_budget()
        found = self._changes.get(key, UNCHANGED)
        if found is UNCHANGED:
            found = self._read.get(key, UNCHANGED)
            if found is UNCHANGED:
                found = self._read[key] = self._base_cell(key, stored)
        if found is None:
            return None
        self.cost += len(found[1]) // READ_BYTES_PER_UNIT
        cell: tuple[T, bytes] = found
        return cell

    def put_cell(self, key: str, stored: Stored[T], value: T) -> None:
        """Set the value at `key`; for tables.

        Raises:
            Refused: OUT_OF_BUDGET; LIMIT_EXCEEDED, the value is not within the bounds of its type.
        """
        cell = cell_of(key, stored, value)
        self._pay_write(key, len(cell[1]))
        self._overlay.set(key, cell)
        self._overlay.types[key] = stored

    def drop(self, key: str) -> None:
        """Remove the value at `key`, if any; for tables.

        Raises:
            Refused: OUT_OF_BUDGET.
        """
        self._pay_write(key, 0)
        self._overlay.set(key, None)

    def _pay_write(self, key: str, size: int) -> None:
        if self.read_only:
            raise InvariantBroken(f"a view wrote to {key}")
        self.cost += WRITE + size // WRITE_BYTES_PER_UNIT
        if self.cost > self.cost_limit:
            self._out_of_budget()

    def once(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return the once-record of `key` with its canonical bytes, or None; for tables.

        Raises:
            Refused: OUT_OF_BUDGET.
        """
        self.charge(READ)
        found = self._overlay.once(key, stored)
        if found is not None:
            self.cost += len(found[1]) // READ_BYTES_PER_UNIT
        return found

    def put_once(self, family: str, key: str, stored: Stored[T], value: T) -> None:
        """Write a once-record where there is none; for tables.

        Raises:
            Refused: OUT_OF_BUDGET; ALREADY_EXISTS; LIMIT_EXCEEDED, the value is not within the bounds of its type.
        """
        if self.read_only:
            raise InvariantBroken(f"a view wrote {key}")
        if not self._overlay.is_known_absent(key):
            self.once(key, stored)
        cell = cell_of(key, stored, value)
        self.charge(ONCE_WRITE + (len(key) + len(cell[1])) // WRITE_BYTES_PER_UNIT)
        self._overlay.add_once(family, key, stored, cell)

    def emit(self, data: msgspec.Struct) -> None:
        """Record an event of a declared type (`vm.events`)."""
        self.cost += EVENT
        self.events.append(Event(self.op, type_of(data).name, data))

    def charge(self, units: int) -> None:
        """Pay for work that is neither read nor write, such as the steps of a loop."""
        self.cost += units
        if self.cost > self.cost_limit:
            self._out_of_budget()

    def charge_bytes(self, size: int) -> None:
        """Pay for so many bytes that are read, hashed or written beyond what an ordinary value has."""
        self.charge(size // BYTES_PER_UNIT)

    def attempt(self, action: Callable[[], None]) -> Refused | None:
        """Do something wholly or not at all; return the refusal that prevented it, None where it is done.

        A refusal takes back the action's writes and events. What its work cost stays paid.

        Raises:
            Refused: OUT_OF_BUDGET, which ends the transaction.
        """
        mark, events = self._overlay.mark(), len(self.events)
        try:
            action()
        except Refused as refusal:
            if refusal.code == "OUT_OF_BUDGET":
                raise
            self._overlay.rollback(mark)
            del self.events[events:]
            return refusal
        return None

    def rehearse(self, action: Callable[[], T]) -> T:
        """Do something, take its writes and events back, and return what came of it; also in a view.

        So a view answers what a call would do by the call's own code. What its work costs is paid.

        Raises:
            Refused: what the action refuses; its writes and events are taken back as well.
        """
        mark, events, read_only = self._overlay.mark(), len(self.events), self.read_only
        self.read_only = False
        try:
            return action()
        finally:
            self.read_only = read_only
            self._overlay.rollback(mark)
            del self.events[events:]

    def verify_signature(self, domain: bytes, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Check an Ed25519 signature by the one routine that serves every path (SPEC section 1), at its price.

        Raises:
            Refused: OUT_OF_BUDGET.
        """
        self.charge(VERIFICATION)
        return verify(domain, public_key, message, signature)

    def limit_to(self, units: int, beyond: Callable[[], int]) -> None:
        """Let the transaction use so many units, and what `beyond` returns where these are not enough.

        That is asked once, and only then: so a transaction that stays within them needs not look it up.
        """
        self._most = self.cost_limit
        self.cost_limit = min(self._most, units)
        self._beyond = beyond

    def _out_of_budget(self) -> None:
        if self._beyond is not None:
            self.cost_limit = min(self._most, self.cost_limit + self._beyond())
            self._beyond = None
            if self.cost <= self.cost_limit:
                return
        raise Refused("OUT_OF_BUDGET", f"the work exceeds {self.cost_limit} units", limit=self.cost_limit)


class Contract:
    """Base of all contracts, and of the rooms of one that has several.

    `name` is the module in `module.method`, and the first part of its keys.
    """

    name: ClassVar[str]


def call(method: Method) -> Method:
    """Mark a method as a call: `method(self, ctx, …) -> result`, a struct or plain values without bytes."""
    method.__entente_kind__ = "call"  # type: ignore[attr-defined]
    return method


def view(method: Method) -> Method:
    """Mark a method as a view: it reads only, and its result is a struct or plain values without bytes."""
    method.__entente_kind__ = "view"  # type: ignore[attr-defined]
    return method
