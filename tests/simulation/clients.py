"""Clients: who submits which transaction when, and what they were told.

Every transaction reaches every host after a while (gossip), also the changes of validators. A client
counts a transaction as paid once any correct host has told it so; from then on it must be in every chain.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vm.primitives.hashing import sha256

from .ledger import Change

if TYPE_CHECKING:
    from .cluster import Cluster
    from .host import Host

CLIENTS = 3
EVERY_MS = 500
SLOWEST_GOSSIP_MS = 800
LONGEST_BURST = 9
MAX_BLOCK_TRANSACTIONS = 40


class Clients:
    """All clients of one run."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._world = cluster.world
        self._arrivals: dict[bytes, tuple[int, ...]] = {}
        self._told: dict[bytes, list[bytes]] = {}
        self.submitted: dict[bytes, int] = {}
        """Transaction -> when."""
        self.client: dict[bytes, int] = {}
        """Transaction -> whose; the first client is the one that censors hate."""
        self.receipts: dict[bytes, int] = {}
        """Transaction -> the height that the client was told."""

    def start(self, until_ms: int) -> None:
        """Let transactions come until some time."""
        self._until = until_ms
        self._submit_next()

    def _submit_next(self) -> None:
        if self._world.now >= self._until:
            return
        number = len(self.submitted)
        if self._cluster.plan.compact:
            self._submit_burst(number)
        else:
            self.submit(sha256(b"tx %d" % number), number % CLIENTS)
        self._world.after(1 + self._world.below(2 * EVERY_MS), self._submit_next)

    def _submit_burst(self, number: int) -> None:
        """Hand some transactions in at one host, which tells the others of all of them at once."""
        hosts = self._cluster.hosts
        origin = hosts[self._world.below(len(hosts))].key
        burst = [sha256(b"tx %d" % (number + i)) for i in range(1 + self._world.below(LONGEST_BURST))]
        for tx in burst:
            self.submit(tx, number % CLIENTS)
            self._arrivals[tx] = self._arrivals[burst[0]]
        self._told.setdefault(origin, []).extend(burst)

    @property
    def origins(self) -> Iterable[bytes]:
        """Which hosts have told of bursts."""
        return self._told

    def stream(self, origin: bytes, host: Host) -> list[bytes]:
        """Return what a host has heard of what another has told, in order."""
        now, ident = self._world.now, host.ident
        return [tx for tx in self._told.get(origin, ()) if self._arrivals[tx][ident] <= now]

    def submit(self, tx: bytes, client: int) -> None:
        """Hand in a transaction; it arrives at each host at a time of its own."""
        now = self._world.now
        self.submitted[tx] = now
        self.client[tx] = client
        hosts = range(len(self._cluster.hosts))
        self._arrivals[tx] = tuple(now + self._world.below(SLOWEST_GOSSIP_MS) for _ in hosts)

    def submit_change(self, number: int, change: Change) -> None:
        """Hand in a change of the validators."""
        tx = sha256(b"change %d" % number)
        self._cluster.changes[tx] = change
        self.submit(tx, number % CLIENTS)

    def waiting_at(self, host: Host) -> tuple[bytes, ...]:
        """Return what has arrived at a host and is not in its chain, oldest first."""
        now, done, ident = self._world.now, host.ledger.done, host.ident
        waiting = [tx for tx, at in self._arrivals.items() if tx not in done and at[ident] <= now]
        return tuple(waiting[:MAX_BLOCK_TRANSACTIONS])

    def tell(self, host: Host, transactions: tuple[bytes, ...]) -> None:
        """A correct host has committed these: their clients are told the height."""
        for tx in transactions:
            self.receipts.setdefault(tx, host.ledger.height)

    def unserved(self, before_ms: int) -> list[bytes]:
        """Return what was submitted before some time and no client was told about."""
        return [tx for tx, at in self.submitted.items() if at < before_ms and tx not in self.receipts]
