"""Plays a scenario: commands to a small cluster of production cores, and after each what its validators did.

    # why the scenario is there
    > cluster n=4 [skew=MS] [faulty=KIND]   start validators 0 … n−1, the first faulty as in the simulator
    > run MS                                let time pass; messages wait
    > deliver [KIND] [from=0,1] [to=2]      deliver what waits and matches, in the order of sending
    > drop [KIND] [from=…] [to=…]           lose it
    > flow MS                               let time pass and deliver everything at once as it is sent
    > crash 2 [writing=BYTES]               kill, or at the next log record, of which so many bytes remain
    > start 2                               start again from chain and log
    > state                                 height, round and lock of every validator

Indented lines after a command are what happened. Digests are named A, B, … in the order of their appearance.
Messages that are repeated are not shown again, except at the start of a life.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from consensus.effects import Halt
from consensus.messages import Commit, Message, Proposal, RoundChange, digest_of, step_of
from consensus.types import Candidate, Certificate, header_digest
from tests.simulation.checkers import Checkers
from tests.simulation.cluster import Cluster
from tests.simulation.host import Host
from tests.simulation.plan import Plan
from tests.simulation.world import Action, Network, World


@dataclass
class Waiting:
    """A message on its way."""

    source: int
    target: int
    kind: str
    deliver: Action


class HeldNetwork(Network):
    """Delivers nothing by itself."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.waiting: list[Waiting] = []
        self.flows = False

    def send(self, source: int, target: int, deliver: Action, kind: str = "") -> None:
        """Hold a message, or pass it on after a millisecond."""
        if not self.carries(source, target):
            return
        if self.flows:
            self._world.after(1, deliver)
        else:
            self.waiting.append(Waiting(source, target, kind, deliver))


class Recorder(Checkers):
    """The simulator's checkers, which also write down what happens."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.lines: list[str] = []
        self._names: dict[bytes, str] = {}
        self._said: set[tuple[int, int, str]] = set()

    def name(self, digest: bytes) -> str:
        """Return a letter for a digest."""
        return self._names.setdefault(digest, string.ascii_uppercase[len(self._names)])

    def on_start(self, host: Host, records: list[Any]) -> None:
        """Show what a restarted validator says, even where it said it before."""
        super().on_start(host, records)
        if host.life > 1:
            self._said = {said for said in self._said if said[0] != host.ident}
            self.lines.append(f"{host.ident} starts with {len(records)} logged votes")

    def on_send(self, host: Host, message: Message) -> None:
        """Note a message that is new."""
        super().on_send(host, message)
        text = self._text(message)
        if (host.ident, host.life, text) not in self._said:
            self._said.add((host.ident, host.life, text))
            self.lines.append(f"{host.ident} sends {text}")

    def _text(self, message: Message) -> str:
        text = f"{step_of(message)} h{message.height} r{message.round}"
        digest = digest_of(message)
        if isinstance(message, RoundChange):
            lock = message.prepared
            return text + (" unprepared" if lock is None else f" prepared r{lock.round} {self.name(lock.digest)}")
        text += f" {self.name(digest or b'')}"
        if isinstance(message, Proposal) and message.round > 0:
            why = "" if message.prepared is None else f", prepared r{message.prepared.round}"
            text += f" ({len(message.round_changes)} round-changes{why})"
        return text + (" with roots" if isinstance(message, Commit) else "")

    def on_commit(self, host: Host, candidate: Candidate, certificate: Certificate) -> None:
        """Note a decision."""
        super().on_commit(host, candidate, certificate)
        block = f"h{certificate.height} {self.name(header_digest(candidate.header))}"
        self.lines.append(f"{host.ident} commits {block} of r{certificate.round}, {len(certificate.seals)} seals")

    def on_timeout(self, host: Host, height: int, round_: int) -> None:
        """Note a timer."""
        super().on_timeout(host, height, round_)
        self.lines.append(f"{host.ident} times h{height} r{round_}")

    def on_halt(self, host: Host, effect: Halt) -> None:
        """Note a halt."""
        super().on_halt(host, effect)
        self.lines.append(f"{host.ident} halts: {effect.reason}")


class Player:
    """One scenario being played."""

    def __init__(self) -> None:
        self._cluster: Cluster | None = None

    def play(self, text: str) -> str:
        """Return the scenario with what happened after each command."""
        lines = []
        try:
            for line in text.splitlines():
                if line.startswith("  "):
                    continue
                lines.append(line)
                if line.startswith("> "):
                    lines += [f"  {said}" for said in self._do(*line[2:].split())]
        finally:
            if self._cluster is not None:
                for host in self._cluster.hosts:
                    host.disk.close()
                self._cluster.disks.remove()
        return "\n".join(lines) + "\n"

    @property
    def cluster(self) -> Cluster:
        """The cluster, once there is one."""
        assert self._cluster is not None, "the first command is `cluster`"
        return self._cluster

    @property
    def network(self) -> HeldNetwork:
        """Its network."""
        assert isinstance(self.cluster.network, HeldNetwork)
        return self.cluster.network

    def _do(self, command: str, *words: str) -> list[str]:
        options = dict(word.split("=") for word in words if "=" in word)
        plain = [word for word in words if "=" not in word]
        if command == "cluster":
            self._make(**options)
        elif command == "run":
            self._run(int(plain[0]))
        elif command == "flow":
            self._flow(int(plain[0]))
        elif command in ("deliver", "drop"):
            self._deliver(command == "deliver", plain, options)
        elif command == "crash":
            self._crash(self.cluster.hosts[int(plain[0])], options.get("writing"))
        elif command == "start":
            self.cluster.hosts[int(plain[0])].start()
        elif command == "state":
            return list(self._state())
        else:
            raise ValueError(f"unknown command {command}")
        recorder = self.cluster.checkers
        assert isinstance(recorder, Recorder)
        said, recorder.lines = recorder.lines, []
        return said or ["nothing"]

    def _make(self, n: str, skew: str = "0", faulty: str = "") -> None:
        faults = ((faulty.replace("-", " "),),) if faulty else ()
        cluster = self._cluster = Cluster(1, Plan(n=int(n), faults=faults, skew_ms=int(skew)))
        cluster.network = HeldNetwork(cluster.world)
        cluster.checkers = Recorder(cluster)
        for host in cluster.hosts:
            host.start()

    def _run(self, time_ms: int) -> None:
        self.cluster.world.run_until(self.cluster.world.now + time_ms)

    def _flow(self, time_ms: int) -> None:
        self._deliver(True, [], {})
        self.network.flows = True
        self._run(time_ms)
        self.network.flows = False

    def _deliver(self, arrives: bool, kinds: list[str], options: dict[str, str]) -> None:
        sources, targets = (options.get(name) for name in ("from", "to"))
        held, self.network.waiting = self.network.waiting, []
        for message in held:
            wanted = not kinds or message.kind in kinds
            wanted &= sources is None or str(message.source) in sources.split(",")
            wanted &= targets is None or str(message.target) in targets.split(",")
            if not wanted:
                self.network.waiting.append(message)
            elif arrives:
                message.deliver()

    def _crash(self, host: Host, left: str | None) -> None:
        if left is None:
            host.crash()
        else:
            host.crash_after = 0
            host.disk.left_of_torn = int(left)

    def _state(self) -> Iterable[str]:
        recorder = self.cluster.checkers
        assert isinstance(recorder, Recorder)
        for host in self.cluster.hosts:
            lock = host.state.lock
            locked = "no lock" if lock is None else f"locked on {recorder.name(lock.digest)} of r{lock.round}"
            place = f"head h{host.ledger.height}, deciding h{host.ledger.height + 1} r{host.state.round}, {locked}"
            yield f"{host.ident}: " + (place if host.alive else "down")
