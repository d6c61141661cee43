"""The heaviest reads that a gateway answers, and a state and a history that make them heavy.

One account has thousands of lots, thousands of accounts hold points, blocks are full, and the oldest state that is
asked for lies below hundreds of blocks of changes. Each kind is a ready HTTP body; `/metrics` is none.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tests.bench.accounts import Accounts, rpc
from tests.support.network import LocalNetwork, Op
from vm.transaction import encode_body, parse_transaction, sign_body

DAY_MS: Final = 86_400_000
PAGE: Final = 1_000
OPS: Final = 100
"""Operations of a transaction of the filling."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of read: a body to post, or where it is empty a path to get."""

    name: str
    body: bytes = b""
    path: str = "/"


class HeavyState:
    """What is put into a network's state, and what is known of it afterwards.

    Attributes:
        rich: an account with `lots` lots.
        full_height: a height whose block has `full` single transfers.
        transaction: the id of one of them.
    """

    def __init__(self, network: LocalNetwork, accounts: Accounts, lots: int, full: int) -> None:
        self._network = network
        self._accounts = accounts
        self._lots = lots
        self._full = full
        self.rich = network.account("basil-admin")[0]
        self.full_height = 0
        self.transaction = ""

    def fill(self) -> None:
        """Issue the lots and points for every account, and let a block be full."""
        now = time.time_ns() // 1_000_000
        lots = [self._issue(self.rich, expires=now + (400 + n) * DAY_MS) for n in range(self._lots)]
        points = [self._issue(each, ref=f"heavy-{n}") for n, each in enumerate(self._accounts.addresses)]
        for ops in (lots, points):
            for start in range(0, len(ops), OPS):
                self._network.send(0, "aurora-admin", *ops[start : start + OPS])
        self._fill_block()

    @staticmethod
    def _issue(to: str, **more: Any) -> Op:
        return "token.issue", {"program": "miles", "to": to, "amount": 10**6, **more}

    def _fill_block(self) -> None:
        chain, expires = self._network.manifest.chain, time.time_ns() // 1_000_000 + 500_000
        raws = []
        for number in range(self._full):
            sender, to = self._accounts.pair(number)
            ops: list[Op] = [("token.transfer", {"program": "miles", "to": to, "amount": 1})]
            body = encode_body(chain, self._accounts.addresses[sender], 10**12 + number, expires, ops)
            raws.append(sign_body(body, [self._accounts.key(sender)]))
        for start in range(0, len(raws), PAGE):
            batch = [rpc("tx_submit", {"tx": raw.hex()}) for raw in raws[start : start + PAGE]]
            self._network.post(0, batch)
        self.transaction = parse_transaction(raws[-1]).id.hex()
        self._network.call(0, "tx_wait", id=self.transaction)
        heights = range(1, self._network.height(0) + 1)
        counts = {at: self._network.call(0, "chain_block", height=at)["header"]["tx_count"] for at in heights}
        self.full_height = max(counts, key=counts.__getitem__)

    def kinds(self) -> Sequence[Kind]:
        """Return all kinds of reads; to be asked for when the history has grown, as some have a past height."""
        at, holders = self.full_height, {"program": "miles", "limit": PAGE}
        past = {"view": "token_holders", "args": holders, "height": at}
        key, who = f"identity/account/{self.rich}", self._accounts.addresses
        expiring = {"program": "miles", "from": 0, "to": 2**52, "limit": PAGE}
        pages = {"limit": PAGE, "call": "token.transfer", "brand": "aurora"}
        simulated = self._simulated()
        return (
            _one("chain_block full", "chain_block", {"height": at, "full": True}),
            _one("chain_transactions", "chain_transactions", {"limit": PAGE, "from": at}),
            _one("chain_transactions, filters", "chain_transactions", pages),
            _many("chain_receipt proofs", "chain_receipt", [{"id": self.transaction, "proof": True}] * 100),
            _many("state_proof", "state_proof", [{"key": f"identity/account/{each}"} for each in who[:500]]),
            _many("state_proof of a past height", "state_proof", [{"key": key, "height": at}] * 100),
            _many("state_get of a past height", "state_get", [{"key": key, "height": at}] * 100),
            _one("token_holders", "token_holders", holders),
            _one("token_holders of a past height", "state_view", past),
            _many("token_balance of many lots", "token_balance", [{"program": "miles", "account": self.rich}] * 20),
            _one("token_expiring", "token_expiring", expiring),
            _one("tx_simulate", "tx_simulate", {"body": simulated}),
            _one("tx_simulate of a past height", "tx_simulate", {"body": simulated, "height": at}),
            _many("tx_simulate in a batch", "tx_simulate", [{"body": simulated}] * 10),
            _many("rpc.discover", "rpc.discover", [{}] * 50),
            _many("node_info in a batch", "node_info", [{}] * PAGE),
            Kind("a body of 100,000 values", orjson.dumps([{"a": []}] * 24_000)),
            Kind("a body of 4 million values", b"[" + b"1," * 4_000_000 + b"1]"),
            Kind("/metrics", path="/metrics"),
        )

    def _simulated(self) -> str:
        ops: list[Op] = [self._issue(address) for address in self._accounts.addresses[:900]]
        sender = self._network.account("aurora-admin")[0]
        expires = time.time_ns() // 1_000_000 + 500_000
        return encode_body(self._network.manifest.chain, sender, 1, expires, ops).hex()


def _one(name: str, method: str, params: dict[str, Any]) -> Kind:
    return Kind(name, orjson.dumps(rpc(method, params)))


def _many(name: str, method: str, all_params: Sequence[dict[str, Any]]) -> Kind:
    return Kind(name, orjson.dumps([rpc(method, params, place) for place, params in enumerate(all_params)]))
