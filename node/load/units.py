"""Kinds of units, and requests: signed transactions that are sent together.

A unit is what a shop counts: a transfer, an issue, a recorded purchase. A transaction holds one unit or several,
and has a signature of its own or stands with others under one. Single transfers are signed by the accounts
themselves, all else by the brand, as a till's back end does it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from node.load.accounts import Accounts
from node.load.clock import ChainClock
from vm.batch_signatures import MAX_BATCH
from vm.primitives.address import address_of_key
from vm.primitives.hashing import sha256
from vm.primitives.keys import SigningKey
from vm.transaction import encode_body, sign_batch, sign_body

Op = tuple[str, Mapping[str, Any]]
Kind = Literal["transfer", "issue", "record"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)

MAX_PER_REQUEST: Final = MAX_BATCH
"""Transactions of one request; a node takes a thousand calls in a batch by default (node/runtime/config.py)."""

MAX_OPERATIONS: Final = 100
"""Of one transaction: so many recorded purchases are within the 400,000 work units that it may use by default."""

PURCHASE_AGE_MS: Final = 60_000
"""A purchase is recorded a minute after it was made: `at` must not lie ahead of block time."""


@dataclass(frozen=True, slots=True)
class Brand:
    """Whose program and campaign the units are of, and the key that signs for it."""

    program: str
    name: str
    key: SigningKey

    @property
    def address(self) -> str:
        """The address of the key."""
        return address_of_key(self.key.public_key)


@dataclass(frozen=True, slots=True)
class Shape:
    """What one request holds.

    Attributes:
        operations: units of a transaction.
        signed_together: transactions under one signature; 1 where each has its own.
        transactions: of the request where each has its own signature; under a batch signature it is that batch.
    """

    kind: Kind
    operations: int = 1
    signed_together: int = 1
    transactions: int = 1

    @property
    def size(self) -> int:
        """Transactions of a request."""
        return self.signed_together if self.signed_together > 1 else self.transactions

    @property
    def units(self) -> int:
        """Units of a request."""
        return self.size * self.operations


@dataclass(frozen=True, slots=True)
class Request:
    """Signed transactions that are sent together, and their ids in hex."""

    raws: tuple[bytes, ...]
    ids: tuple[str, ...]
    units_each: int

    @property
    def units(self) -> int:
        """Units of all of them."""
        return len(self.raws) * self.units_each


@dataclass(frozen=True, slots=True)
class Requests:
    """Makes requests of a shape.

    Attributes:
        run: stands in every ref and nonce, so that a second run repeats neither.
    """

    clock: ChainClock
    brand: Brand
    accounts: Accounts
    shape: Shape
    run: str = field(default_factory=lambda: secrets.token_hex(3))

    def make(self, number: int) -> Request:
        """Return the request with this number, signed now."""
        shape, expires = self.shape, self.clock.expires()
        first = number * shape.size
        bodies = [self._body(first + place, expires) for place in range(shape.size)]
        if shape.signed_together > 1:
            raws = sign_batch([body for body, _ in bodies], self.brand.key)
        else:
            raws = [sign_body(body, [key]) for body, key in bodies]
        ids = tuple([sha256(body).hex() for body, _ in bodies])
        return Request(tuple(raws), ids, shape.operations)

    def _body(self, index: int, expires: int) -> tuple[bytes, SigningKey]:
        """Return the body of the transaction with this index, and the key that signs it."""
        shape, accounts = self.shape, self.accounts
        first = index * shape.operations
        pairs = [(first + place, *accounts.pair(first + place)) for place in range(shape.operations)]
        ops = [self._op(unit, to) for unit, _, to in pairs]
        if shape.kind == "transfer" and shape.operations == 1 and shape.signed_together == 1:
            sender = pairs[0][1]
            address, key = accounts.addresses[sender], accounts.key(sender)
        else:
            address, key = self.brand.address, self.brand.key
        nonce = (int(self.run, 16) << 28) + index
        return encode_body(self.clock.chain, address, nonce, expires, ops), key

    def _op(self, unit: int, to: str) -> Op:
        program = self.brand.program
        if self.shape.kind == "transfer":
            return "token.transfer", {"program": program, "to": to, "amount": 1}
        ref = f"load-{self.run}-{unit}"
        if self.shape.kind == "issue":
            return "token.issue", {"program": program, "to": to, "amount": 25, "ref": ref}
        return "campaign.record", {
            "brand": self.brand.name,
            "event": "purchase",
            "member": to,
            "ref": ref,
            "at": self.clock.now_ms() - PURCHASE_AGE_MS,
            "attrs": {"amount": 2_550, "channel": "store"},
        }
