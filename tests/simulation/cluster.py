"""A cluster and its fate, both drawn from the seed.

A run has two phases. In the storm messages drop, double and wait, partitions come and go, hosts crash
between any two effects and come back, up to f validators of the set are Byzantine, broken or dead. In
the calm the network is sound, all but the dead are back, and progress must come within
`CALM_TIMEOUTS` times the longest round timeout.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from consensus.types import ValidatorSet
from vm.primitives.hashing import sha256

from .byzantine import Liar
from .checkers import Checkers, Violation
from .host import Host
from .ledger import MAX_TIMEOUT_MS, Ledger, Membership
from .signing import cheap_keys, real_keys
from .world import Network, World

STORM_MS = 20_000
CALM_BLOCKS = 4
CALM_TIMEOUTS = 4
"""Longest round timeouts within which all correct hosts commit CALM_BLOCKS more blocks. The first may
need one to bring all into one round and f more for dead proposers; the rest is margin."""

LOSSY_PERCENT = 70
"""How many messages of the plan's lossy kind are lost in the storm."""

FAULTS = ("none", "dead", "liar", "twin", "amnesia", "broken")


@dataclass
class Plan:
    """What the seed has chosen."""

    n: int
    faults: tuple[str, ...]
    real_signatures: bool
    membership_change: int | None
    drop_percent: int
    lossy_kind: str
    duplicate_percent: int
    max_delay_ms: int
    skew_ms: int
    hunt: bool
    """Now and then one host alone decides and is cut off, and the others may restart: locks must hold."""


def draw_plan(world: World) -> Plan:
    """Choose size and faults; the number of faulty validators is at most f."""
    chance = world.random
    n = chance.choice([4, 4, 5, 6, 7])
    faults = tuple(chance.choice(FAULTS) for _ in range((n - 1) // 3))
    return Plan(
        n=n,
        faults=faults,
        real_signatures=chance.randrange(40) == 0,
        membership_change=chance.choice([None, None, None, 3, 6]),
        drop_percent=chance.choice([0, 2, 10, 25]),
        lossy_kind=chance.choice(["", "", "commit", "prepare", "round_change", "proposal"]),
        duplicate_percent=chance.choice([0, 5, 20]),
        max_delay_ms=chance.choice([20, 100, 600, 1_500]),
        skew_ms=chance.choice([0, 200, 1_500]),
        hunt=chance.randrange(3) == 0,
    )


class Cluster:
    """Hosts, network and checkers of one run."""

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        self.seed = seed
        self.world = World(seed)
        self.calm_ms = 0
        drawn = draw_plan(self.world)
        self.plan = plan or drawn
        self.network = Network(self.world)
        self.bodies: dict[bytes, set[int]] = {}
        self.hosts: list[Host] = []
        self._transactions = 0
        make = real_keys if self.plan.real_signatures else cheap_keys
        keys, self.verify = make(self.plan.n + 1)
        self.membership = self._membership([key for key, _ in keys])
        self.checkers = Checkers(self)
        for key, sign in keys if self.plan.membership_change else keys[: self.plan.n]:
            self._add_host(key, sign)
        self._faulty: dict[int, str] = {}
        self._make_faulty()
        self.has_forgers = "liar" in self.plan.faults
        self.partitions = True

    def _membership(self, keys: list[bytes]) -> Membership:
        """Start with n validators; a change replaces the last by one that only observed before."""
        n, height = self.plan.n, self.plan.membership_change
        if height is None:
            return Membership(((0, tuple(keys[:n])),))
        return Membership(((0, tuple(keys[:n])), (height, (*keys[: n - 1], keys[n]))))

    def _add_host(self, key: bytes, sign: object) -> Host:
        ledger = Ledger(self.membership)
        host = Host(self, len(self.hosts), key, sign, self.verify, ledger)  # type: ignore[arg-type]
        if self.plan.skew_ms:
            host.skew_ms = self.world.random.randint(-self.plan.skew_ms, self.plan.skew_ms)
        self.hosts.append(host)
        return host

    def _make_faulty(self) -> None:
        """Hand out the plan's faults to the first validators, which are in every set."""
        for ident, fault in enumerate(self.plan.faults):
            host = self.hosts[ident]
            self._faulty[ident] = fault
            host.byzantine = fault in ("liar", "twin", "amnesia")
            host.forgets_log = fault == "amnesia"
            if fault == "liar":
                host.corrupt = Liar(host)
            elif fault == "twin":
                twin = self._add_host(host.key, host.sign)
                twin.byzantine = True
                self._faulty[twin.ident] = "twin"
            elif fault == "broken":
                host.ledger.diverges_from = self.world.random.randint(1, 8)

    # What hosts and checkers ask

    def peers_of(self, host: Host) -> list[Host]:
        """Return all other hosts, full nodes too."""
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
        return self._faulty.get(host.ident) == "broken"

    def is_correct(self, host: Host) -> bool:
        """Tell whether a host must make progress in the calm."""
        return host.ident not in self._faulty or self._faulty[host.ident] == "none"

    def some_transactions(self) -> tuple[bytes, ...]:
        """Return a few new transaction hashes."""
        count = self.world.random.randint(0, 4)
        self._transactions += count
        return tuple(sha256(b"tx %d" % (self._transactions - i)) for i in range(count))

    # The storm and the calm

    def run(self) -> None:
        """Run storm and calm; raises Violation."""
        for host in self.hosts:
            self.world.after(self.world.random.randint(0, 300), host.start)
        self.world.run_until(400)
        self.network.drop_percent = self.plan.drop_percent
        self.network.duplicate_percent = self.plan.duplicate_percent
        self.network.max_delay_ms = self.plan.max_delay_ms
        if self.plan.lossy_kind:
            self.network.drop_kind_percent[self.plan.lossy_kind] = LOSSY_PERCENT
        self._schedule_trouble()
        self.world.run_until(STORM_MS)
        self._calm()
        self.checkers.check_evidence()

    def _schedule_trouble(self) -> None:
        """Crashes and partitions at random times of the storm; the dead die."""
        chance = self.world.random
        for ident, fault in self._faulty.items():
            if fault == "dead":
                self.world.after(chance.randint(0, STORM_MS // 2), self.hosts[ident].crash)
        for _ in range(chance.choice([0, 2, 6, 15])):
            host = chance.choice(self.hosts)
            self.world.after(self._moment(), lambda host=host: self._crash_soon(host))
        for _ in range(chance.choice([0, 1, 3])):
            self.world.after(self._moment(), self._partition)
            self.world.after(self._moment(), self.network.groups.clear)
        if self.plan.hunt:
            self.world.after(1_000, self._choose_prey)
        for _ in range(chance.choice([0, 0, 1, 4])):  # mass restarts, in the midst of a round
            moment = self._moment()
            for host in self.hosts:
                self.world.after(moment + chance.randint(0, 30), lambda host=host: self._crash_soon(host))

    def _choose_prey(self) -> None:
        """From now on one host alone hears COMMITs, until it has decided."""
        if self.world.now < STORM_MS:
            correct = [host.ident for host in self.hosts if self.is_correct(host)]
            self.network.only_target_of_commits = self.world.random.choice(correct)
            self.world.after(6_000, self._choose_prey)

    def on_decision(self, host: Host) -> None:
        """Cut the prey off as soon as it has decided; perhaps the others restart at that moment."""
        if self.network.only_target_of_commits != host.ident:
            return
        self.network.only_target_of_commits = None
        self.network.groups[host.ident] = 1 + host.ident
        self.world.after(4_000, lambda: self.network.groups.pop(host.ident, None))
        if self.world.random.randrange(2):
            for other in self.peers_of(host):
                self._crash_soon(other)

    def _moment(self) -> int:
        """Return a delay to some time in the storm, a little before its end at the latest."""
        return self.world.random.randint(0, STORM_MS - self.world.now - 100)

    def _partition(self) -> None:
        for host in self.hosts:
            self.network.groups[host.ident] = self.world.random.randrange(2)

    def _crash_soon(self, host: Host) -> None:
        """Crash after a few more effects, and come back unless dead or the storm is over."""
        if host.alive:
            host.crash_after = self.world.random.randint(0, 6)
            self.world.after(self.world.random.randint(100, 3_000), lambda: self._revive(host))

    def _revive(self, host: Host) -> None:
        if self._faulty.get(host.ident) == "dead" and host.life > 1:
            return
        if host.alive:
            host.crash()
        host.start()

    def _calm(self) -> None:
        self.network.heal()
        for host in self.hosts:
            host.crash_after = None
            if not host.alive and self._faulty.get(host.ident) != "dead":
                host.start()
        correct = [host for host in self.hosts if self.is_correct(host)]
        goal = max(host.ledger.height for host in correct) + CALM_BLOCKS
        done = self.world.run_until(
            self.world.now + CALM_TIMEOUTS * MAX_TIMEOUT_MS,
            lambda: all(host.ledger.height >= goal for host in correct),
        )
        self.calm_ms = self.world.now - STORM_MS
        if not done:
            places = [(host.ident, host.ledger.height, host.state.round) for host in correct]
            self.checkers.fail(f"no progress to height {goal} in the calm: {places}")


def run_seed(seed: int) -> Cluster:
    """Run one seed; a violation names it."""
    cluster = Cluster(seed)
    try:
        cluster.run()
    except Exception as error:
        text = f"seed {seed} with {cluster.plan}: {error!r}\n  replay: python -m tests.simulation --seed {seed}"
        raise Violation(text) from error
    return cluster


def seeds_wanted(default: int) -> range:
    """Return the seeds to run: SEEDS=200 or SEEDS=1000-1100 in the environment."""
    text = os.environ.get("SEEDS", str(default))
    first, _, last = text.rpartition("-")
    return range(int(first), int(last)) if first else range(int(last))
