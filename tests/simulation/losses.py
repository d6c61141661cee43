"""Hosts that lose what they had written: their chain, their vote log, or both, whole or back to a former copy.

Such a host is honest: what it signs over all its lives is checked as any other's. It counts as one of the f that
may be faulty, as the guard's argument for a new log asks (node/votes/signing_guard.py), and need not make progress.

The chance of a loss to show something is greatest where nobody corrects the host: so it is often cut off from the
others at first, while it has work to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .ledger import Ledger

if TYPE_CHECKING:
    from .cluster import Cluster
    from .host import Host

LOSES_DATA = "loses its chain"
OLD_DATA = "has an old chain"
LOSES_LOG = "loses its log"
OLD_LOG = "has an old log"
WIPED = "is wiped"
OLD_HOME = "has an old home"

LOSSES = (LOSES_DATA, OLD_DATA, LOSES_LOG, OLD_LOG, WIPED, OLD_HOME)

AFTER_HEIGHT = 2
"""What is lost in the first two heights of a chain no peer need know of: the argument leaves that out."""

STRIKES = 3
LONGEST_CUT_MS = 4_000


class Copy(NamedTuple):
    """A copy of a home folder, and how many votes its log holds."""

    ledger: Ledger
    log: bytes | None
    sequence: int


class Losses:
    """All losses of one run."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._world = cluster.world
        self._copies: dict[int, Copy] = {}
        self._until = 0
        self.count = 0

    def schedule(self, until_ms: int) -> None:
        """Let each host that is to lose something lose it several times, up to some time."""
        self._until = until_ms
        for ident, kinds in enumerate(self._cluster.plan.faults):
            if kinds[0] in LOSSES:
                host = self._cluster.hosts[ident]
                for _ in range(1 + self._world.below(STRIKES)):
                    moment = 1_000 + self._world.below(until_ms - 2_000)
                    self._world.after(moment // 2, lambda host=host: self._copy(host))
                    self._world.after(moment, lambda host=host, kind=kinds[0]: self._strike(host, kind))

    def _copy(self, host: Host) -> None:
        """Copy a home folder while nothing is being written."""
        if not host.alive:
            return
        ledger = host.ledger.cut(host.ledger.height)
        ledger.log_mark = host.ledger.log_mark
        self._copies[host.ident] = Copy(ledger, host.disk.content(), host.disk.log.mark.sequence)

    def _strike(self, host: Host, kind: str) -> None:
        if host.ledger.height <= AFTER_HEIGHT:
            if self._world.now + 500 < self._until:
                self._world.after(500, lambda: self._strike(host, kind))
            return
        copy = self._copies.get(host.ident, Copy(host.ledger.cut(0), None, 0))
        noted = host.ledger.log_mark
        if kind == OLD_LOG and (noted is None or noted.sequence <= copy.sequence):
            return  # the store has noted no later vote yet: docs/operations-recovery.md, what is left
        self.count += 1
        if host.alive:
            host.crash()
        if kind in (LOSES_DATA, WIPED):
            host.ledger = host.ledger.cut(0)
        elif kind in (OLD_DATA, OLD_HOME):
            host.ledger = copy.ledger.cut(copy.ledger.height)
            host.ledger.log_mark = copy.ledger.log_mark
        if kind in (LOSES_LOG, WIPED):
            host.disk.forget()
        elif kind in (OLD_LOG, OLD_HOME):
            host.disk.put_back(copy.log)
        self._cluster.checkers.log_lost(host)
        if self._world.below(4):
            self._cut_off(host)
        self._world.after(self._world.below(500), lambda: None if host.alive else host.start())

    def _cut_off(self, host: Host) -> None:
        groups = self._cluster.network.groups
        groups[host.ident] = 1_000 + host.ident
        self._world.after(self._world.below(LONGEST_CUT_MS), lambda: groups.pop(host.ident, None))
