"""A cluster and its fate, both drawn from the seed.

In safety mode a run has two phases. In the storm messages drop, double and wait, partitions come and go, hosts
crash between any two effects and come back, validators join and leave, up to f of them lie. In the calm the
network is sound, all but the dead are back, and progress must come within `CALM_TIMEOUTS` times the longest
round timeout. In liveness mode the faults are there from the beginning to the end, and every height is timed.
"""

from __future__ import annotations

from functools import partial

from consensus.types import ValidatorSet

from .byzantine import Conspiracy
from .chain_checkers import check_chains, check_progress
from .checkers import Checkers, Violation
from .clients import Clients
from .disk import Disk, Disks
from .host import Host
from .ledger import CHAIN, MAX_TIMEOUT_MS, Change, Ledger
from .losses import LOSSES, OLD_HOME, Losses
from .plan import DOUBLED, LIVENESS, SILENT_FAULTS, Plan, draw_plan
from .signing import Reader, Sign, cheap_keys, real_keys
from .strategies import COMPACT_STRATEGIES, STRATEGIES
from .trouble import Trouble
from .world import Network, World

RUN_MS = 20_000
"""How long the storm, or a run in liveness mode, lasts."""

CALM_TIMEOUTS = 4
"""Longest round timeouts within which all correct hosts commit f + 2 more blocks and every transaction that
waited. The first may need one to bring all into one round and f more for dead proposers; the rest is margin."""

STATUS_MS = 1_000


class Cluster:
    """Hosts, network, clients and checkers of one run."""

    def __init__(self, seed: int, plan: Plan | None = None, mode: str | None = None) -> None:
        self.seed = seed
        self.world = World(seed)
        self.calm_ms = 0
        self.held_back = 0
        self.batches_named = self.batches_missed = 0
        # From a chance of its own: a new strategy changes the plans of seeds, but no run of a given plan.
        self.plan = plan or draw_plan(World(seed), mode)
        self.network = Network(self.world)
        self.disks = Disks()
        self.conspiracy = Conspiracy()
        self.bodies: dict[bytes, set[int]] = {}
        self.changes: dict[bytes, Change] = {}
        self.announcements: dict[bytes, bytes] = {}
        """Transaction -> the key of the silenced host that announces it."""
        self.hosts: list[Host] = []
        self.faulty: dict[int, str] = {}
        self.clients = Clients(self)
        self._make_hosts()
        self.checkers = Checkers(self)
        self.trouble = Trouble(self)
        self.losses = Losses(self)

    # Making hosts

    def _make_hosts(self) -> None:
        """The first n validate from genesis on; one more observes for each validator that will be added."""
        plan = self.plan
        spare = sum(1 for move in plan.moves if move.adds and not move.returns)
        make = real_keys if plan.real_signatures else cheap_keys
        keys, self.verify = make(plan.n + spare)
        self.reader = Reader(CHAIN, self.verify)
        self.genesis_keys = tuple(sorted(key for key, _ in keys[: plan.n]))
        for key, sign in keys:
            self._add_host(key, sign)
        for ident, kinds in enumerate(plan.faults):
            if kinds != ("none",):
                self._make_faulty(self.hosts[ident], kinds)

    def _add_host(self, key: bytes, sign: Sign) -> Host:
        ident = len(self.hosts)
        ledger = Ledger(self.genesis_keys, self.changes)
        disk = Disk(self.world, self.disks.folder(ident))
        disk.slowest_ms = self.plan.disk_ms
        disk.rotate_bytes = self.plan.rotate_bytes
        host = Host(self, ident, key, sign, self.verify, ledger, disk)
        if self.plan.skew_ms:
            host.skew_ms = self.world.random.randint(-self.plan.skew_ms, self.plan.skew_ms)
        self.hosts.append(host)
        return host

    def _make_faulty(self, host: Host, kinds: tuple[str, ...]) -> None:
        self.faulty[host.ident] = "+".join(kinds)
        if kinds == ("mute",):
            self.network.mute.add(host.ident)
        elif kinds == ("deaf",):
            self.network.deaf.add(host.ident)
        elif kinds == ("broken",):
            host.ledger.diverges_from = self.world.random.randint(1, 8)
        elif kinds in (("twin",), (DOUBLED,)):
            twin = self._add_host(host.key, host.sign)
            twin.byzantine = host.byzantine = True
            twin.guarded = host.guarded = kinds == (DOUBLED,)
            self.faulty[twin.ident] = kinds[0]
        elif kinds[0] in LOSSES:
            # Put back from a copy, a home may sign again before a peer can tell it so: no log can help there.
            host.byzantine = kinds == (OLD_HOME,)
        elif kinds != ("dead",):
            host.byzantine = True
            host.guarded = False
            host.strategies = [(STRATEGIES | COMPACT_STRATEGIES)[kind](host) for kind in kinds]

    # What hosts and checkers ask

    def peers_of(self, host: Host) -> list[Host]:
        """Return all other hosts, those that observe too."""
        return [other for other in self.hosts if other is not host]

    def hosts_at(self, validators: ValidatorSet, index: int) -> list[Host]:
        """Return the hosts that hold the key at an index: two for a twin."""
        key = validators.key(index)
        return [host for host in self.hosts if host.key == key]

    def is_byzantine(self, key: bytes) -> bool:
        """Tell whether any host with this key may do anything."""
        return any(host.byzantine for host in self.hosts if host.key == key)

    def is_broken(self, host: Host) -> bool:
        """Tell whether a host's execution is broken."""
        return self.faulty.get(host.ident) == "broken"

    def is_correct(self, host: Host) -> bool:
        """Tell whether a host must make progress."""
        return host.ident not in self.faulty

    @property
    def correct(self) -> list[Host]:
        """All hosts without a fault."""
        return [host for host in self.hosts if self.is_correct(host)]

    @property
    def f(self) -> int:
        """How many faults the smallest possible set of validators tolerates."""
        return (self.plan.fewest - 1) // 3

    def is_dead(self, host: Host) -> bool:
        """Tell whether a host never comes back."""
        return self.faulty.get(host.ident) == "dead"

    def on_decision(self, host: Host) -> None:
        """A host has decided a height by itself."""
        self.trouble.on_decision(host)

    # Fate

    def run(self) -> None:
        """Run the plan; raises Violation."""
        try:
            self._run()
        finally:
            for host in self.hosts:
                host.disk.close()
            self.disks.remove()

    def _run(self) -> None:
        liveness = self.plan.mode == LIVENESS
        for host in self.hosts:
            if not (liveness and self.is_dead(host)):
                self.world.after(self.world.random.randint(0, 300), host.start)
        self.clients.start(RUN_MS - 1_000 if liveness else RUN_MS)
        self.trouble.start(RUN_MS)
        self.losses.schedule(RUN_MS)
        self.world.run_until(RUN_MS)
        if liveness:
            check_progress(self)
        else:
            self._calm()
        self.checkers.check_at_end()
        check_chains(self)

    def _calm(self) -> None:
        self.network.heal()
        self.trouble.stop()
        for host in self.hosts:
            host.crash_after = None
            if not host.alive and not self.is_dead(host):
                host.start()
        correct = self.correct
        self._tell_heads()
        goal = max(host.ledger.height for host in correct) + self.f + 2

        def done() -> bool:
            if any(host.ledger.height < goal for host in correct):
                return False
            return not self.clients.unserved(RUN_MS)

        served = self.world.run_until(self.world.now + CALM_TIMEOUTS * MAX_TIMEOUT_MS, done)
        self.calm_ms = self.world.now - RUN_MS
        if not served:
            places = [(host.ident, host.ledger.height, host.state.round) for host in correct]
            waiting = len(self.clients.unserved(RUN_MS))
            self.checkers.fail(f"no progress to height {goal} in the calm: {places}, {waiting} transactions wait")

    def _tell_heads(self) -> None:
        """Let hosts that do not vote at their height hear where the others are, as a node's STATUS tells its peers.

        A set may be replaced as a whole: those who decided its last block have nothing to say any more, and those
        who follow wait for that block. Whoever votes gets no such help: votes must do without.
        """
        highest = max(self.correct, key=lambda host: host.ledger.height)
        for host in self.correct:
            context = host.state.context
            if context is not None and context.own_index is None:
                host.do(partial(host.blocks.ask_for_more, [highest], highest.ledger.height + 1))
        self.world.after(STATUS_MS, self._tell_heads)


def run_seed(seed: int, mode: str | None = None) -> Cluster:
    """Run one seed; a violation names it."""
    cluster = Cluster(seed, mode=mode)
    try:
        cluster.run()
    except Exception as error:
        replay = f"python -m tests.simulation --seed {seed}" + (f" --mode {mode}" if mode else "")
        raise Violation(f"seed {seed} with {cluster.plan}: {error!r}\n  replay: {replay}") from error
    return cluster


__all__ = ["RUN_MS", "SILENT_FAULTS", "Cluster", "Violation", "run_seed"]
