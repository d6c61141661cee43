"""The loads of the goals table on a network of the benchmark's own; `node.load` makes and sends them.

A unit is what the goals count: a transfer, an issue, a recorded purchase.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node.load.accounts import Accounts
from node.load.clock import ChainClock
from node.load.setup import campaign_op, issue_ops
from node.load.units import Brand, Requests, Shape
from tests.support.network import LocalNetwork
from tests.support.programs import PROGRAM
from vm.primitives.keys import SigningKey

BATCH: Final = 100
"""Transactions of a JSON-RPC batch, and operations of a transaction of many."""

SIGNED_TOGETHER: Final = 64
"""Transactions under one batch signature, as the goals table has it."""

LIFETIME_MS: Final = 590_000
"""Requests are signed before the clock starts, and live as long as the chain lets them."""

FUNDED_TOGETHER: Final = 250


@dataclass(frozen=True, slots=True)
class Load:
    """A kind of load, by the name that tables show."""

    name: str
    shape: Shape


LOADS: Final = (
    Load("transfer", Shape("transfer", transactions=BATCH)),
    Load("batch of 64", Shape("transfer", signed_together=SIGNED_TOGETHER)),
    Load("issue x100", Shape("issue", operations=BATCH)),
    Load("transfer x100", Shape("transfer", operations=BATCH)),
    Load("record x100", Shape("record", operations=BATCH)),
)
"""In the order of the goals table."""

SINGLE: Final = Shape("transfer")
"""What the light load sends."""


class Ground:
    """A network on which all loads can run: accounts with points, and a campaign that fires for each purchase."""

    def __init__(self, network: LocalNetwork, accounts: int) -> None:
        _, key = network.account("aurora-admin")
        self.network = network
        self._brand = Brand(PROGRAM["program"], PROGRAM["brand"], key)
        self._accounts = Accounts([SigningKey(n.to_bytes(32, "big")) for n in range(1, accounts + 1)])
        network.send(0, "aurora-admin", campaign_op(self._brand, self._clock().now_ms()))
        addresses = [*self._accounts.addresses, self._brand.address]
        for start in range(0, len(addresses), FUNDED_TOGETHER):
            part = addresses[start : start + FUNDED_TOGETHER]
            network.send(0, "aurora-admin", *issue_ops(self._brand.program, part, f"fund-{start}"))

    def _clock(self) -> ChainClock:
        return ChainClock.of(self.network.call(0, "node_info"), LIFETIME_MS)

    def requests(self, shape: Shape) -> Requests:
        """Return what makes requests of a shape; no two calls make the same transactions."""
        return Requests(self._clock(), self._brand, self._accounts, shape)
