"""What happens to machines and network in a storm, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .disk import Disk, StoredDatabase, StoredFile
from .host import VOTE_LOG
from .plan import DEAD, LOG_LOST, RESTORED, STORM_MS, WIPED

if TYPE_CHECKING:
    from .cluster import Cluster
    from .host import Host

LOSSY_PERCENT = 60
LONGEST_DOWN_MS = 4_000
AFTER_HEIGHT = 2


class Trouble:
    """Brings a plan about."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._world = cluster.world
        self._over = False

    def start(self) -> None:
        """Start the machines; the storm begins once all that shall vote have voted."""
        plan, world = self._cluster.plan, self._world
        self._cluster.network.max_delay_ms = plan.max_delay_ms
        for host in self._cluster.hosts:
            host.disk.slowest_ms = plan.disk_ms
            host.slow_percent, host.slowest_turn_ms = plan.slow_percent, plan.slowest_turn_ms
            is_late = plan.late and host is self._cluster.hosts[-1]
            world.after(world.below(300) + (STORM_MS * 3 // 4 if is_late else 0), host.start)
        self._begin_when_all_vote()

    def _begin_when_all_vote(self) -> None:
        """A validator with a new log that misses the first block waits for the others to decide one without it
        (node/votes/signing_guard.py); it may find too few of them if more goes wrong.
        """
        if not self._over and not all(map(self._cluster.has_begun, self._cluster.hosts)):
            self._world.after(100, self._begin_when_all_vote)
        elif not self._over:
            self._begin()

    def _begin(self) -> None:
        cluster, plan, network = self._cluster, self._cluster.plan, self._cluster.network
        network.drop_percent = plan.drop_percent
        network.duplicate_percent = plan.duplicate_percent
        network.late_percent = plan.late_percent
        network.break_percent = plan.break_percent
        if plan.lossy_kind is not None:
            network.drop_kind_percent[plan.lossy_kind] = LOSSY_PERCENT
        for host in cluster.hosts:
            self._schedule_fault(host)
        for count, what in (
            (plan.crashes, self._crash),
            (plan.crashes_in_writes, self._crash_in_write),
            (plan.stops, self._stand_still),
            (plan.full_disks, self._fill_disk),
        ):
            for _ in range(count):
                self._at_some_time(lambda what=what: what(self._some_host()))  # type: ignore[misc]
        for _ in range(plan.mass_power_cuts):
            self._at_some_time(self._cut_all_power)
        for _ in range(plan.partitions):
            self._at_some_time(self._partition)
            self._at_some_time(network.groups.clear)
        for _ in range(plan.one_way_cuts):
            self._at_some_time(self._cut)

    def stop(self) -> None:
        """The storm is over: machines run, and are fast."""
        self._over = True
        for host in self._cluster.hosts:
            host.disk.is_full = False
            host.disk.crash_in = None
            host.disk.slowest_ms = host.slow_percent = 0
            host.down = self._cluster.has_fault(host, DEAD)
            host.start()

    # -- when --------------------------------------------------------------------------------------

    def _at_some_time(self, action: Callable[[], None]) -> None:
        self._world.after(self._world.below(max(1, STORM_MS - self._world.now - 100)), action)

    def _some_host(self) -> Host:
        hosts = self._cluster.hosts
        return hosts[self._world.below(len(hosts))]

    def _later(self, host: Host) -> None:
        """Start a machine again after a while."""
        self._world.after(50 + self._world.below(LONGEST_DOWN_MS), host.start)

    # -- what --------------------------------------------------------------------------------------

    def _crash(self, host: Host) -> None:
        host.crash(power=bool(self._world.below(2)))
        self._later(host)

    def _crash_in_write(self, host: Host) -> None:
        """End the process in one of its next operations on the disk."""
        host.disk.crash_in = self._world.below(25)
        self._world.after(1_000, lambda: self._later(host))

    def _cut_all_power(self) -> None:
        for host in self._cluster.hosts:
            host.crash(power=True)
            self._later(host)

    def _stand_still(self, host: Host) -> None:
        if host.life is not None:
            host.life.loop.stall(500 + self._world.below(6_000))

    def _fill_disk(self, host: Host) -> None:
        host.disk.is_full = host.disk_was_full = True

        def make_room() -> None:
            host.disk.is_full = False

        self._world.after(500 + self._world.below(4_000), make_room)

    def _partition(self) -> None:
        for host in self._cluster.hosts:
            self._cluster.network.groups[host.ident] = self._world.below(2)

    def _cut(self) -> None:
        """Let one direction between two machines be dead for a while."""
        network = self._cluster.network
        a, b = self._world.random.sample(range(len(self._cluster.hosts)), 2)
        network.cuts.add((a, b))
        self._world.after(self._world.below(6_000), lambda: network.cuts.discard((a, b)))

    # -- faults of one machine ---------------------------------------------------------------------

    def _schedule_fault(self, host: Host) -> None:
        cluster = self._cluster
        if cluster.has_fault(host, DEAD):
            self._at_some_time(lambda: self._kill_for_good(host))
        elif cluster.has_fault(host, WIPED):
            self._at_some_time(lambda: self._change_disk(host, host.disk.wipe))
        elif cluster.has_fault(host, LOG_LOST):
            self._at_some_time(lambda: self._change_disk(host, lambda: host.disk.remove_now(VOTE_LOG)))
        elif cluster.has_fault(host, RESTORED):
            self._world.after(self._world.below(STORM_MS // 2), lambda: self._copy_disk(host))

    def _kill_for_good(self, host: Host) -> None:
        host.crash(power=True)
        host.down = True

    def _change_disk(self, host: Host, change: Callable[[], None]) -> None:
        """Lose something; what is lost in the first heights of a chain no peer need know of."""
        if max(self._cluster.checkers.decided, default=0) <= AFTER_HEIGHT:
            if not self._over:
                self._world.after(500, lambda: self._change_disk(host, change))
            return
        host.crash(power=True)
        change()
        self._later(host)

    def _copy_disk(self, host: Host) -> None:
        """Keep a copy of what is on the disk, and put it back some time later."""
        copy = _contents(host.disk)
        delay = 500 + self._world.below(STORM_MS // 2 - 2_000)
        self._world.after(delay, lambda: self._change_disk(host, lambda: _put_back(host.disk, copy)))


Contents = dict[object, bytes | dict[bytes, bytes]]


def _contents(disk: Disk) -> Contents:
    return {
        path: bytes(stored.data) if isinstance(stored, StoredFile) else dict(stored.entries)
        for path, stored in disk.names.items()
    }


def _put_back(disk: Disk, copy: Contents) -> None:
    disk.wipe()
    for path, content in copy.items():
        stored: StoredFile | StoredDatabase
        if isinstance(content, bytes):
            stored = StoredFile()
            stored.write(0, content)
            stored.sync()
        else:
            stored = StoredDatabase()
            stored.write(disk.world, dict(content), sync=True)
        disk.names[path] = disk.stable[path] = stored  # type: ignore[index]
