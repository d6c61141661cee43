"""One network of real validators, its tills and its attackers, and what is measured around them.

Invariants:
    1. Everything listens and connects on loopback; each attacker is a process of its own with an end in time.
    2. What is started here ends with the `with` block, whatever an attack leaves behind.
    3. Figures of one row come from one network, the baseline included: machines and hours differ.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from node.testnet.processes import LOG_FILE
from tests.attack.verdict import MEMORY_MIB, Latency, Memory, Row
from tests.support.network import LocalNetwork
from tests.support.programs import CREATE_PROGRAM, PROGRAM
from tests.support.same_chain import critical_lines

ROOT = Path(__file__).resolve().parents[2]
BASELINE_SECONDS = 6.0
SETTLE_SECONDS = 60.0
SAMPLE_SECONDS = 0.5
READY_SECONDS = 90.0
PATIENCE_SECONDS = 150.0
"""Beyond the attack's own end, an attacker is killed by its own process; this is for one that is stuck."""

BASIL_PROGRAM = ("token.create_program", {**PROGRAM, "program": "herbs", "brand": "basil", "symbol": "HRB"})
ORDINARY_TILL = 1
"""The node that a till speaks to where an attack does not choose another."""

TILL_SOURCE = "127.0.0.77"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses."""

    seconds: float = 20.0
    cases: int = 50_000
    frames: int = 2_000
    seed: int = 1
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Attacker:
    """A coroutine of one of this package's modules, and its arguments; `seconds` is added where it is not given."""

    module: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


class AttackNetwork(LocalNetwork):
    """Four validators, where asked for with few descriptors each."""

    def __init__(self, directory: Path, port: int | None, descriptors: int | None) -> None:
        super().__init__(directory, 4, [CREATE_PROGRAM, BASIL_PROGRAM], rpc_port=port)
        self._descriptors = descriptors

    def launch(self, index: int) -> subprocess.Popen[bytes]:
        """Start a validator as the product does, below a limit that it cannot raise."""
        if self._descriptors is None:
            return super().launch(index)
        home = self.home(index)
        command = [sys.executable, "-P", "-m", "node.cli.main", "node", "start", "--home", str(home)]
        with (home / LOG_FILE).open("ab") as log:
            return subprocess.Popen(
                ["/bin/sh", "-c", f'ulimit -n {self._descriptors} && exec "$@"', "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


class Watch:
    """Looks at the nodes again and again, on a thread; use as a context manager."""

    def __init__(self, seconds: float, look: Callable[[], None]) -> None:
        self._seconds = seconds
        self._look = look
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self._seconds):
            self._look()


class Sampler(Watch):
    """Notes the most memory that each node had, in MiB."""

    def __init__(self, network: LocalNetwork) -> None:
        self._network = network
        self.peak: list[int] = list(resident(network))
        super().__init__(SAMPLE_SECONDS, self._sample)

    def _sample(self) -> None:
        self.peak = [max(pair) for pair in zip(self.peak, resident(self._network), strict=True)]


class Scene:
    """The stage of one attack; use as a context manager."""

    def __init__(self, options: Options, descriptors: int | None = None) -> None:
        self.options = options
        self._folder = tempfile.TemporaryDirectory(prefix="entente-attack-")
        self.folder = Path(self._folder.name)
        self.network = AttackNetwork(self.folder / "net", options.port, descriptors)
        self._baselines: dict[int, Latency] = {}
        self._started: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Scene:
        try:
            self.network.__enter__()
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.network.__exit__()
        self._folder.cleanup()

    # -- processes ---------------------------------------------------------------------------------

    def start(self, attacker: Attacker) -> subprocess.Popen[str]:
        """Start an attacker and wait until it says that the attack is under way."""
        arguments = {"seconds": self.options.seconds, **attacker.arguments}
        command = ["tests.attack.attacker", attacker.module, attacker.function, str(self.network.directory)]
        process = self._python(*command, json.dumps(arguments))
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "ready\n", f"{attacker.function} did not begin: {line!r}"
        return process

    def result(self, process: subprocess.Popen[str], seconds: float | None = None) -> dict[str, Any]:
        """Wait for the counts of an attacker, or the figures of a till, that lasts as long as told or as all do."""
        output, _ = process.communicate(timeout=(seconds or self.options.seconds) + PATIENCE_SECONDS)
        assert process.returncode == 0, f"{process.args!r} ended with {process.returncode}"
        found: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
        return found

    def run(self, attacker: Attacker) -> dict[str, Any]:
        """Run an attacker to its end."""
        return self.result(self.start(attacker), attacker.arguments.get("seconds"))

    def till(self, index: int, seconds: float) -> subprocess.Popen[str]:
        """Start a till that speaks to one node."""
        options = ["--index", str(index), "--source", TILL_SOURCE, "--seconds", str(seconds)]
        return self._python("tests.attack.till", str(self.network.directory), *options)

    def _python(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._started.append(process)
        return process

    # -- measuring ---------------------------------------------------------------------------------

    def baseline(self, index: int) -> Latency:
        """Return what a till waits at one node without an attack; measured once."""
        if index not in self._baselines:
            self._latency(self.till(index, 1.0))  # Warms what the first calls of any node compile and cache.
            self._baselines[index] = self._latency(self.till(index, BASELINE_SECONDS))
        return self._baselines[index]

    def _latency(self, till: subprocess.Popen[str]) -> Latency:
        figures = self.result(till)
        return Latency.of(figures["latencies_ms"], figures["refused"])

    def measure(
        self,
        name: str,
        who: str,
        attackers: Sequence[Attacker],
        *,
        tills: Sequence[int] = (ORDINARY_TILL,),
        prepare: Sequence[Attacker] = (),
        slow_is_a_fault: bool = True,
        till_seconds: float | None = None,
        allowed_mib: int = MEMORY_MIB,
    ) -> list[Row]:
        """Attack while tills sell, and return a row for each till; nodes' figures are the same in all.

        Args:
            attackers: run at the same time as the tills.
            prepare: run to their ends before; memory and logs count from before them.
            till_seconds: where the tills are to sell for another time than the attack lasts.
            allowed_mib: what may be left of memory a minute after.
        """
        before = [self.baseline(index) for index in tills]
        memory, logs = resident(self.network), log_sizes(self.network)
        with Sampler(self.network) as sampler:
            done: dict[str, Any] = {}
            for attacker in prepare:
                done.update(self.run(attacker))
            attacking = [self.start(attacker) for attacker in attackers]
            selling = [self.till(index, till_seconds or self.options.seconds) for index in tills]
            during = [self._latency(till) for till in selling]
            for process in attacking:
                done.update(_added(done, self.result(process)))
            after = self.settled(memory, allowed_mib)
        grown = log_growth(self.network, logs)
        ended = self.ended()
        faults = () if ended else self.unusable()
        rows = []
        for index, first, second in zip(tills, before, during, strict=True):
            place = f"{name}, till at node {index}" if len(tills) > 1 else name
            figures = Memory(memory, tuple(sampler.peak), after, allowed_mib)
            rows.append(Row(place, who, done, first, second, slow_is_a_fault, figures, grown, tuple(ended), faults))
        return rows

    def settled(self, before: Sequence[int], allowed_mib: int = MEMORY_MIB) -> tuple[int, ...]:
        """Return the nodes' memory once it is back near the start, or after a minute."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            after = resident(self.network)
            back = all(now - then <= allowed_mib for now, then in zip(after, before, strict=True))
            if back or time.monotonic() > deadline:
                return after
            time.sleep(SAMPLE_SECONDS)

    def ended(self) -> list[str]:
        """Return which validators have ended, halted, or say that they are not alive."""
        found = []
        for index, process in self.network.processes.items():
            name = self.network.manifest.validators[index].brand
            if process.poll() is not None:
                found.append(f"{name} (exit code {process.returncode})")
            elif critical_lines(self.network, [index]):
                found.append(f"{name} ({critical_lines(self.network, [index])[0][-120:]})")
            elif self.page(index, "/health")[0] != 200:
                found.append(f"{name} (not live)")
        return found

    def unusable(self) -> tuple[str, ...]:
        """Return which validators do not bring a transaction into a block now that the attack is over."""
        found = []
        for index in range(len(self.network.manifest.validators)):
            figures = self.result(self.till(index, 0.2))
            if figures["refused"]:
                found.append(f"node {index} serves no till after the attack: {figures['refused']}")
        return tuple(found)

    def page(self, index: int, path: str) -> tuple[int, bytes]:
        """Return status and body of one of a node's pages; 0 where it does not answer."""
        try:
            with urllib.request.urlopen(self.network.url(index) + path, timeout=10) as response:
                return int(response.status), bytes(response.read())
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            return 0, str(error).encode()


def _added(total: Mapping[str, Any], counts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts, those of numbers added to what other attackers counted under the same name."""
    return {
        name: total[name] + count if name in total and isinstance(count, int | float) else count
        for name, count in counts.items()
    }


def resident(network: LocalNetwork) -> tuple[int, ...]:
    """Return the MiB that each validator's process holds; 0 for one that has ended."""
    found = []
    for index, process in sorted(network.processes.items()):
        try:
            found.append(network.resident_mib(index) if process.poll() is None else 0)
        except OSError:
            found.append(0)
    return tuple(found)


def log_growth(network: LocalNetwork, before: Sequence[int]) -> tuple[int, ...]:
    """Return by how many KiB each validator's log has grown."""
    return tuple([(now - then) // 1024 for then, now in zip(before, log_sizes(network), strict=True)])


def log_sizes(network: LocalNetwork) -> tuple[int, ...]:
    """Return the bytes of each validator's log."""
    return tuple([network.log_file(index).stat().st_size for index in sorted(network.processes)])
