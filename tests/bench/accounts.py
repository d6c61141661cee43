"""Accounts whose keys a benchmark holds, and the points that they begin with."""

from __future__ import annotations

from typing import Any

from tests.support.network import LocalNetwork, Op
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey


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


def fund(network: LocalNetwork, accounts: Accounts) -> None:
    """Give every account points to transfer, and the sender of transactions of many enough for all of them."""
    addresses = [*accounts.addresses, network.account("aurora-admin")[0]]
    for start in range(0, len(addresses), 250):
        ops: list[Op] = [
            ("token.issue", {"program": "miles", "to": address, "amount": 10**9, "ref": f"fund-{start + i}"})
            for i, address in enumerate(addresses[start : start + 250])
        ]
        network.send(0, "aurora-admin", *ops)
