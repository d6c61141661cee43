"""Clients: tills that pay one point per purchase, and repeat the same bytes at node after node until they know.

A client believes a receipt from any correct node; from then on it must be in every chain, at that place. A purchase
that no node answers in time is repeated elsewhere; it must never be charged twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from node.assembly.node import Node
from node.pool.admission import Admission
from node.runtime.errors import NotReady, TransactionRefused
from tests.support.ledger import START_MS, address_of, key_of
from vm.primitives.hashing import sha256
from vm.receipt import decode_receipt
from vm.transaction import encode_body, sign_body

if TYPE_CHECKING:
    from .cluster import Cluster
    from .host import Host, Life

CLIENTS = ("ann", "bob", "cleo")
SHOP = "shop"
EVERY_MS = 350
WAIT_MS = 1_500
PATIENCE_MS = 2_500
LONGEST_BURST = 12
LIFETIME_MS = 15_000
"""From purchase to expiry of its transaction."""

FINAL_REFUSALS = ("EXPIRED", "BLOCK_PRUNED")
NOT_FINAL_YET = "expired by the clock"
"""A block that was proposed before may still be decided; EXPIRED is final once block time has passed it."""


@dataclass
class Purchase:
    """One transfer of one point to the shop."""

    raw: bytes
    id: bytes
    client: str
    expires: int
    attempts: int = 0
    receipt: tuple[int, str] | None = None
    refused: str | None = None


class Clients:
    """All clients of one run."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._world = cluster.world
        self.purchases: list[Purchase] = []

    def start(self, until_ms: int) -> None:
        """Buy from now on until some time."""
        self._until = until_ms
        self._buy()

    def _buy(self) -> None:
        if self._world.now >= self._until:
            return
        host = self._some_host()
        for _ in range(1 + self._world.below(LONGEST_BURST) if self._cluster.plan.compact else 1):
            self._attempt(self._new_purchase(), host)
        self._world.after(1 + self._world.below(2 * EVERY_MS), self._buy)

    def _some_host(self) -> Host:
        hosts = self._cluster.correct
        return hosts[self._world.below(len(hosts))]

    def _new_purchase(self) -> Purchase:
        number = len(self.purchases)
        client = CLIENTS[number % len(CLIENTS)]
        key = key_of(client)
        expires = START_MS + self._world.now + LIFETIME_MS
        ops = [("token.transfer", {"program": "miles", "to": address_of(SHOP), "amount": 1})]
        body = encode_body(self._cluster.genesis.chain, address_of(client), number, expires, ops)
        purchase = Purchase(sign_body(body, [key]), sha256(body), client, expires)
        self.purchases.append(purchase)
        return purchase

    @property
    def waiting(self) -> list[Purchase]:
        """What no client knows the outcome of."""
        return [p for p in self.purchases if p.receipt is None and p.refused is None]

    def _attempt(self, purchase: Purchase, host: Host | None = None) -> None:
        """Send the transaction to some node, and again elsewhere where no answer comes."""
        if purchase.receipt is not None or purchase.refused is not None:
            return
        purchase.attempts += 1
        host = host or self._some_host()
        life = host.life
        if life is not None and life.node is not None and not life.stopping:
            self._world.after(self._cluster.network.delay(), partial(self._send, purchase, host, life))
        self._world.after(PATIENCE_MS + self._world.below(500), lambda: self._attempt(purchase))
        if purchase.attempts == 1 and self._world.below(3) == 0:
            self._world.after(5, lambda: self._attempt(purchase))  # pressed twice

    def _send(self, purchase: Purchase, host: Host, life: Life) -> None:
        if life.alive and life.node is not None and not life.stopping:
            with life.loop.running():
                life.loop.create_task(self._session(purchase, host, life.node), name="client")

    async def _session(self, purchase: Purchase, host: Host, node: Node) -> None:
        """What the gateway does for a client that waits."""
        try:
            (outcome,) = await node.submit([purchase.raw], purchase.client)
            if isinstance(outcome, TransactionRefused):
                reason = outcome.reason
                if reason == "EXPIRED" and node.node_info()["time"] < purchase.expires:
                    reason = NOT_FINAL_YET
                self._answer(lambda: self._refused(purchase, host, reason))
                return
            assert isinstance(outcome, Admission)
            (done,) = await node.wait_committed([purchase.id], WAIT_MS)
        except NotReady:
            return
        position = node.store.find_transaction(purchase.id)
        if not done:
            return
        if position is None:  # executed before the snapshot with which this node began, or pruned
            self._answer(lambda: self._refused(purchase, host, "BLOCK_PRUNED"))
            return
        height, index = position
        place = height, decode_receipt(node.store.receipts(height)[index]).status
        self._answer(lambda: self._has_receipt(purchase, host, place))

    def _answer(self, told: Callable[[], None]) -> None:
        """The answer may be lost with its connection."""
        if not self._world.happens(self._cluster.network.drop_percent):
            self._world.after(self._cluster.network.delay(), told)

    def _has_receipt(self, purchase: Purchase, host: Host, place: tuple[int, str]) -> None:
        self._cluster.note(b"receipt %d " % host.ident + purchase.id)
        if purchase.receipt is not None and purchase.receipt != place:
            self._cluster.checkers.fail(f"a purchase has two receipts: {purchase.receipt} and {place}")
        purchase.receipt = place

    def _refused(self, purchase: Purchase, host: Host, reason: str) -> None:
        if reason in FINAL_REFUSALS:
            purchase.refused = reason
        elif reason not in (NOT_FINAL_YET, "POOL_FULL"):
            self._cluster.checkers.fail(f"host {host.ident} refuses a sound purchase: {reason}")
