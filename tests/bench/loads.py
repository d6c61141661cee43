"""The loads of the goals table: what a shop, a till and a bank of tills send, signed before the clock starts.

Each load hands out ready JSON-RPC bodies, so that the client beside the validators takes as little of the machine
as it can. A unit is what the goals count: a transfer, an issue, a recorded purchase.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tests.support.network import LocalNetwork, Op
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey
from vm.transaction import encode_body, parse_transaction, sign_batch, sign_body

BATCH: Final = 100
"""Requests of a JSON-RPC batch, and operations of a transaction of many."""

SIGNED_TOGETHER: Final = 64
"""Transactions under one batch signature, as the goals table has it."""

DAY_MS: Final = 86_400_000
LIFETIME_MS: Final = 590_000


@dataclass(frozen=True, slots=True)
class Request:
    """A body to post, and the transaction that is final last of those in it.

    Attributes:
        units: how many units it holds.
    """

    body: bytes
    last_id: str
    units: int


@dataclass(frozen=True, slots=True)
class Load:
    """A kind of load: `make(n)` returns the nth request."""

    name: str
    make: Callable[[int], Request]
    units_per_transaction: int = 1


class Accounts:
    """The benchmark's accounts, and their keys."""

    def __init__(self, count: int) -> None:
        self._keys = [SigningKey(index.to_bytes(32, "big")) for index in range(1, count + 1)]
        self.addresses = [address_of_key(key.public_key) for key in self._keys]

    def __len__(self) -> int:
        return len(self.addresses)

    def key(self, index: int) -> SigningKey:
        """Return an account's key."""
        return self._keys[index]

    def pair(self, number: int) -> tuple[int, str]:
        """Return a sender and another account, spread over all of them as `number` grows."""
        count = len(self.addresses)
        sender = number % count
        to = (number * 7_919 + 1 + number // count) % count
        return sender, self.addresses[to if to != sender else to - 1]


def rpc(method: str, params: dict[str, Any], id_: int = 1) -> dict[str, Any]:
    """Return one JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


class Loads:
    """All loads on one network."""

    def __init__(self, network: LocalNetwork, accounts: Accounts) -> None:
        self._chain = network.manifest.chain
        self._sender, self._key = network.account("aurora-admin")
        self._accounts = accounts

    def all(self) -> Sequence[Load]:
        """Return the loads, in the order of the goals table."""
        return (
            Load("transfer", self._single_transfers),
            Load("batch of 64", self._batched_transfers),
            Load("issue x100", self._issues, BATCH),
            Load("transfer x100", self._transfers, BATCH),
            Load("record x100", self._records, BATCH),
        )

    def _single_transfers(self, number: int) -> Request:
        expires, entries, last = _expires(), [], ""
        for place in range(BATCH):
            index = number * BATCH + place
            sender, to = self._accounts.pair(index)
            ops: list[Op] = [("token.transfer", {"program": "miles", "to": to, "amount": 1})]
            body = encode_body(self._chain, self._accounts.addresses[sender], index, expires, ops)
            raw = sign_body(body, [self._accounts.key(sender)])
            last = parse_transaction(raw).id.hex()
            entries.append(rpc("tx_submit", {"tx": raw.hex()}, place))
        return Request(orjson.dumps(entries), last, BATCH)

    def _batched_transfers(self, number: int) -> Request:
        expires, bodies = _expires(), []
        for index in range(number * SIGNED_TOGETHER, (number + 1) * SIGNED_TOGETHER):
            ops: list[Op] = [
                ("token.transfer", {"program": "miles", "to": self._accounts.pair(index)[1], "amount": 1})
            ]
            bodies.append(encode_body(self._chain, self._sender, 2 * 10**9 + index, expires, ops))
        raws = sign_batch(bodies, self._key)
        entries = [rpc("tx_submit", {"tx": raw.hex()}, place) for place, raw in enumerate(raws)]
        return Request(orjson.dumps(entries), parse_transaction(raws[-1]).id.hex(), SIGNED_TOGETHER)

    def _issues(self, number: int) -> Request:
        def issue(index: int, to: str) -> Op:
            return "token.issue", {"program": "miles", "to": to, "amount": 25, "ref": f"bench-{index}"}

        return self._many(number, issue)

    def _transfers(self, number: int) -> Request:
        return self._many(number, lambda _, to: ("token.transfer", {"program": "miles", "to": to, "amount": 1}))

    def _records(self, number: int) -> Request:
        at = time.time_ns() // 1_000_000 - 60_000

        def record(index: int, member: str) -> Op:
            purchase = {"brand": "aurora", "event": "purchase", "member": member, "ref": f"recorded-{index}"}
            return "campaign.record", {**purchase, "at": at, "attrs": {"amount": 2_550, "channel": "store"}}

        return self._many(number, record)

    def _many(self, number: int, op: Callable[[int, str], Op]) -> Request:
        ops = [op(index, self._accounts.pair(index)[1]) for index in range(number * BATCH, (number + 1) * BATCH)]
        raw = sign_body(encode_body(self._chain, self._sender, 10**9 + number, _expires(), ops), [self._key])
        body = orjson.dumps(rpc("tx_submit", {"tx": raw.hex()}))
        return Request(body, parse_transaction(raw).id.hex(), BATCH)


def campaign_op() -> Op:
    """Return a campaign whose one rule fires for each purchase."""
    now = time.time_ns() // 1_000_000
    campaign = {"campaign": "bench", "brand": "aurora", "event": "purchase", "when": "event.amount >= 100"}
    then = [{"issue": {"program": "miles", "amount": "event.amount / 100"}}]
    budget = {"program": "miles", "amount": 10**12}
    times = {"starts": now - DAY_MS, "ends": now + DAY_MS}
    return "campaign.create", {**campaign, "then": then, **times, "budget": budget, "priority": 0}


def fund(network: LocalNetwork, accounts: Accounts) -> None:
    """Give every account points to transfer, and the sender of transactions of many enough for all of them."""
    addresses = [*accounts.addresses, network.account("aurora-admin")[0]]
    for start in range(0, len(addresses), 250):
        ops: list[Op] = [
            ("token.issue", {"program": "miles", "to": address, "amount": 10**9, "ref": f"fund-{start + i}"})
            for i, address in enumerate(addresses[start : start + 250])
        ]
        network.send(0, "aurora-admin", *ops)


def _expires() -> int:
    return time.time_ns() // 1_000_000 + LIFETIME_MS
