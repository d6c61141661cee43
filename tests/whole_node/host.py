"""A machine that runs a node, over all lives of its process, as `node.assembly.process` and a supervisor do.

A process that ends by itself is started again, as systemd would: at once where a snapshot waits to be installed,
after a pause where the disk has refused.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from network.config import NetworkConfig
from node.assembly.machine import Machine
from node.assembly.node import Node, NodeSettings
from node.assembly.opening import open_node
from node.runtime.clock import BlockClock
from node.runtime.config import NodeConfig
from node.runtime.disk_space import DiskSpace
from node.runtime.errors import NodeError
from node.store import StoreError
from tests.support.ledger import START_MS
from vm.primitives.keys import SigningKey

from .disk import Disk
from .loop import Killed, VirtualLoop
from .process import MemoryFiles, Process, engine_of
from .wire import MemoryTransport, MemoryWire

if TYPE_CHECKING:
    from .cluster import Cluster

HOME = Path("/home/node")
VOTE_LOG = HOME / "wal" / "consensus.wal"
SUPERVISOR_MS = 1_000
"""A process that has ended by itself is started again after so long."""


class SkewedClock:
    """A machine's time of day: a `node.runtime.clock.BlockClock`."""

    rate = 1

    def __init__(self, host: Host) -> None:
        self._host = host

    def now_ms(self) -> int:
        """See `BlockClock.now_ms`."""
        return START_MS + self._host.world.now + self._host.skew_ms


class Life:
    """One process of a host, from its start to its end."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.alive = True
        self.loop = VirtualLoop(host.world, lambda: host.crash(power=bool(host.world.below(2))))
        self.loop.turn_ms = host.turn_ms
        self.process = Process(host.disk, self.loop.stall)
        self.transports: dict[MemoryTransport, None] = {}
        self.node: Node | None = None
        self.stopping = False

    @property
    def machine(self) -> Machine:
        """What the process has of its machine."""
        process = self.process

        def make_wire(config: NetworkConfig, key: SigningKey) -> MemoryWire:
            return MemoryWire(self.host.cluster.network, self)

        return Machine(MemoryFiles(process), engine_of(process), process.entropy, make_wire, cores=lambda: 1)

    def end(self, power: bool) -> None:
        """End at once: the process was killed, or the power has failed."""
        self.alive = False
        self.process.end()
        self.loop.kill()
        for transport in list(self.transports):
            transport.process_ended(silently=power)


class Host:
    """One machine.

    Attributes:
        ident: its number, and its place in the network.
        life: the present process; None while there is none.
        slow_percent: how many turns of its loop take long.
        skew_ms: how wrong its clock is.
        down: it was taken down and nothing starts it.
        disk_was_full: a write may have been refused in this run.
        lives: how many there have been.
    """

    def __init__(self, cluster: Cluster, ident: int, signing_key: SigningKey, config: NodeConfig) -> None:
        self.cluster = cluster
        self.world = cluster.world
        self.ident = ident
        self.signing_key = signing_key
        self.key = signing_key.public_key
        self.config = config
        self.disk = Disk(cluster.world)
        self.clock: BlockClock = SkewedClock(self)
        self.life: Life | None = None
        self.former: list[Life] = []
        self.slow_percent = 0
        self.slowest_turn_ms = 0
        self.skew_ms = 0
        self.down = False
        self.disk_was_full = False
        self.power_cuts = 0
        self.snapshots_installed = 0

    @property
    def address(self) -> str:
        """Where it is in the network."""
        return f"10.0.0.{self.ident + 1}"

    @property
    def node(self) -> Node | None:
        """The node that runs, None while it is being opened or there is no process."""
        return None if self.life is None else self.life.node

    @property
    def lives(self) -> int:
        """How many processes there have been."""
        return len(self.former) + (self.life is not None)

    def turn_ms(self) -> int:
        """Draw how long a turn of the loop takes."""
        return self.world.below(self.slowest_turn_ms + 1) if self.world.happens(self.slow_percent) else 0

    # -- lives -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start a process, unless one runs."""
        if self.life is not None or self.down:
            return
        self.cluster.note(b"start %d" % self.ident)
        life = self.life = Life(self)
        life.loop.call_soon(self._open, life)

    def _open(self, life: Life) -> None:
        disk = DiskSpace(HOME, 0)
        settings = NodeSettings(self.config, self.signing_key, self.clock, disk, HOME, life.machine)
        try:
            life.node = open_node(self.cluster.genesis, self.cluster.runtime, settings)
        except (NodeError, StoreError, OSError) as error:
            self.cluster.checkers.on_start_refused(self, error)
            self._process_ended(life, SUPERVISOR_MS)
            return
        if self.cluster.plan.rotate_bytes is not None:
            life.node.guard._wal.rotate_bytes = self.cluster.plan.rotate_bytes
        self.cluster.checkers.on_start(self, life.node)
        life.loop.create_task(self._serve(life, life.node), name="serve")

    async def _serve(self, life: Life, node: Node) -> None:
        """Run the node until it ends, as `node/assembly/process.py` does."""
        await node.start()
        events = (node.supervisor.disk_failed, node.supervisor.failed, node.snapshot_ready)
        waiting = [life.loop.create_task(event.wait()) for event in events]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        life.stopping = True
        self.cluster.checkers.on_end(self, node)
        await node.stop()
        if node.snapshot_ready.is_set():
            self.snapshots_installed += 1
        self._process_ended(life, 0 if node.snapshot_ready.is_set() else SUPERVISOR_MS)

    def _process_ended(self, life: Life, pause_ms: int) -> None:
        life.loop.call_soon(self._ended, life, pause_ms)

    def _ended(self, life: Life, pause_ms: int) -> None:
        if self.life is life:
            self._bury(life, power=False)
            self.world.after(pause_ms, self.start)
            raise Killed

    def crash(self, power: bool) -> None:
        """End the process at once, by a signal or because the power fails."""
        life = self.life
        if life is None:
            return
        self.cluster.note(b"crash %d %d" % (self.ident, power))
        self._bury(life, power)
        if power:
            self.power_cuts += 1
            self.disk.cut_power()

    def end_of_run(self) -> None:
        """Let nothing run any more."""
        if self.life is not None:
            self._bury(self.life, power=True)

    def _bury(self, life: Life, power: bool) -> None:
        life.end(power)
        self.life = None
        # Kept to the end of the run: were it collected earlier, what its coroutines do at last would run anywhere.
        self.former.append(life)
