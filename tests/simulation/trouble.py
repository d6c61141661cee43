"""What happens to a cluster besides lies: crashes, partitions, cuts, mass restarts, hunts, moves of validators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ledger import Change
from .plan import LIVENESS

if TYPE_CHECKING:
    from .cluster import Cluster
    from .host import Host

LOSSY_PERCENT = 70
"""How many messages of the plan's lossy kind are lost in the storm."""


class Trouble:
    """Brings a plan about."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._world = cluster.world
        self._network = cluster.network
        self._until = 0

    def start(self, until_ms: int) -> None:
        """Schedule everything, up to some time."""
        self._until = until_ms
        plan, network = self._cluster.plan, self._network
        network.drop_percent = plan.drop_percent
        network.duplicate_percent = plan.duplicate_percent
        network.max_delay_ms = plan.max_delay_ms
        if plan.lossy_kind:
            network.drop_kind_percent[plan.lossy_kind] = LOSSY_PERCENT
        self._schedule_moves()
        if plan.mode != LIVENESS:
            self._schedule_storm()

    def stop(self) -> None:
        """No more hunts."""
        self._until = 0

    def _schedule_moves(self) -> None:
        """Submit the changes of the validators: newcomers join in their order, correct ones leave from the end."""
        cluster = self._cluster
        n, faulty = cluster.plan.n, len(cluster.plan.faults)
        joining = iter([host.key for host in cluster.hosts[n:]])
        leaving = iter([host.key for host in reversed(cluster.hosts[faulty:n])])
        left: list[bytes] = []
        for number, move in enumerate(cluster.plan.moves):
            added = removed = None
            if move.adds:
                added = left.pop(0) if move.returns and left else next(joining, None)
            if move.removes and not move.proposer and (removed := next(leaving, None)) is not None:
                left.append(removed)
            change = Change(added, removed, move.proposer)
            self._world.after(move.at_ms, lambda n=number, c=change: cluster.clients.submit_change(n, c))

    def _schedule_storm(self) -> None:
        world, plan, hosts = self._world, self._cluster.plan, self._cluster.hosts
        for host in hosts:
            if self._cluster.is_dead(host):
                world.after(world.random.randint(301, self._until // 2), host.crash)
        for _ in range(plan.crashes):
            host = world.random.choice(hosts)
            world.after(self._moment(), lambda host=host: self._crash_soon(host))
        for _ in range(plan.partitions):
            world.after(self._moment(), self._partition)
            world.after(self._moment(), self._network.groups.clear)
        for _ in range(plan.one_way_cuts):
            world.after(self._moment(), self._cut)
        if plan.hunt:
            world.after(1_000, self._choose_prey)
        for _ in range(plan.mass_restarts):  # in the midst of a round
            moment = self._moment()
            for host in hosts:
                world.after(moment + world.below(30), lambda host=host: self._crash_soon(host))

    def _moment(self) -> int:
        """Return a delay to some time in the storm, a little before its end at the latest."""
        return 301 + self._world.below(self._until - self._world.now - 401)

    def _partition(self) -> None:
        for host in self._cluster.hosts:
            self._network.groups[host.ident] = self._world.below(2)

    def _cut(self) -> None:
        """Let one direction between two hosts be dead for a while."""
        a, b = self._world.random.sample(range(len(self._cluster.hosts)), 2)
        self._network.cuts.add((a, b))
        self._world.after(self._world.below(8_000), lambda: self._network.cuts.discard((a, b)))

    def _choose_prey(self) -> None:
        """From now on one host alone hears COMMITs, until it has decided."""
        if self._world.now < self._until:
            self._network.only_target_of_commits = self._world.random.choice(self._cluster.correct).ident
            self._world.after(6_000, self._choose_prey)

    def on_decision(self, host: Host) -> None:
        """Cut the prey off as soon as it has decided; perhaps the others restart at that moment."""
        network, world = self._network, self._world
        if network.only_target_of_commits != host.ident:
            return
        network.only_target_of_commits = None
        network.groups[host.ident] = 1 + host.ident
        world.after(4_000, lambda: network.groups.pop(host.ident, None))
        if world.below(2):
            for other in self._cluster.peers_of(host):
                self._crash_soon(other)

    def _crash_soon(self, host: Host) -> None:
        """Crash after a few more effects, and come back unless dead or the storm is over."""
        if host.alive:
            host.crash_after = self._world.below(7)
            self._world.after(100 + self._world.below(2_900), lambda: self._revive(host))

    def _revive(self, host: Host) -> None:
        if self._cluster.is_dead(host) and not host.alive:
            return
        if host.alive:
            host.crash()
        host.start()
