"""Real validators under load and in trouble: killed, paused, cut off, out of disk, restarted, one of them a liar.

    python -m tests.chaos [--minutes 10] [--validators 7] [--rate 200] [--seed 1] [--report FILE]

Each validator has a network namespace and a file system of its own (tests/support/isolated.py). What happens to
whom is drawn from the seed; clients send transfers on a fixed schedule and retry with the same bytes. Afterwards
all honest validators must hold the same chain, every receipt that a client got must be in it as it was told,
and no point may have been made or lost. The report tells what it cost.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.schedule import DISCONNECT, DISK_FULL, KILL, ONE_WAY, PAUSE, RESTART, Trouble, draw
from tests.support import sandbox
from tests.support.isolated import IsolatedNetwork
from tests.support.open_load import Accounts, OpenLoad, quantiles
from tests.support.programs import CREATE_PROGRAM
from tests.support.same_chain import check_receipts, check_same_chain, check_supply, critical_lines

DISK_MIB = 1_500
OUTAGE_SECONDS = 1.0
RECOVERY_SECONDS = 90.0
AFTERMATH_SECONDS = 5.0
"""What began so soon after a trouble was over is put down to it: connections and rounds are still being mended."""
DISK_EXIT = 74
DISK_SECONDS = 60.0


class Happened(NamedTuple):
    """A trouble that was, in seconds since the load began."""

    trouble: Trouble
    begun_s: float
    healed_s: float
    recovered_s: float


class Chaos:
    """One run."""

    def __init__(self, network: IsolatedNetwork, honest: Sequence[int], load: OpenLoad) -> None:
        self.network = network
        self.honest = list(honest)
        self.load = load
        self.happened: list[Happened] = []

    def run(self, troubles: Sequence[Trouble], seconds: float) -> None:
        """Make trouble until the time is over."""
        for trouble in troubles:
            if self._now() + trouble.hold_s > seconds:
                break
            begun = self._now()
            self._begin(trouble)
            time.sleep(trouble.hold_s)
            self._heal(trouble)
            healed = self._now()
            self._wait_recovered(trouble.victims)
            self.happened.append(Happened(trouble, begun, healed, self._now()))
            print(
                f"{begun:6.1f} s  {trouble.kind:10} of {trouble.victims} for {healed - begun:4.1f} s, "
                f"recovered {self._now() - healed:4.1f} s later",
                flush=True,
            )
            time.sleep(trouble.rest_s)
        time.sleep(max(0.0, seconds - self._now()))

    def _now(self) -> float:
        return time.monotonic() - self.load.started_s

    def _begin(self, trouble: Trouble) -> None:
        network = self.network
        if trouble.kind in (DISCONNECT, ONE_WAY):
            everyone = range(len(network.addresses))
            out = [(v, other) for v in trouble.victims for other in everyone if other != v]
            back = [(other, v) for v, other in out] if trouble.kind == DISCONNECT else []
            network.cut([*out, *back])
        for victim in trouble.victims:
            if trouble.kind == KILL:
                network.kill(victim)
            elif trouble.kind == RESTART:
                network.kill(victim, signal.SIGTERM)
            elif trouble.kind == PAUSE:
                network.pause(victim)
            elif trouble.kind == DISK_FULL:
                network.fill_disk(victim)

    def _heal(self, trouble: Trouble) -> None:
        network = self.network
        if trouble.kind in (DISCONNECT, ONE_WAY):
            network.cut([])
        for victim in trouble.victims:
            if trouble.kind == PAUSE:
                network.resume(victim)
            elif trouble.kind == DISK_FULL:
                code = network.processes.pop(victim).wait(timeout=DISK_SECONDS)
                assert code == DISK_EXIT, f"validator {victim} ended with {code} on a full disk, not {DISK_EXIT}"
                network.free_disk(victim)
            if trouble.kind in (KILL, RESTART, DISK_FULL):
                network.start(victim)

    def _wait_recovered(self, victims: Sequence[int]) -> None:
        """Wait until the victims have caught up with where the others are now."""
        target = max(self._height(i) for i in self.honest)
        for victim in victims:
            self.network.wait_for(
                lambda victim=victim: self._height(victim) >= target + 1,
                f"validator {victim} beyond height {target}",
                RECOVERY_SECONDS,
            )

    def _height(self, index: int) -> int:
        process = self.network.processes.get(index)
        assert process is None or process.poll() is None, f"validator {index} ended with {process.returncode}"
        try:
            return self.network.height(index)
        except OSError:
            return -1
        except AssertionError as refused:
            # A victim's clients wait in more connections than it serves: it cannot be asked before they are done.
            if "TOO_MANY_CONNECTIONS" not in str(refused):
                raise
            return -1

    # -- figures -----------------------------------------------------------------------------------

    def report(self, seconds: float) -> dict[str, Any]:
        """Return what it cost."""
        load = self.load
        outages = [
            {"at_s": round(at, 1), "seconds": round(length, 1), "cause": self._cause(at, length)}
            for at, length in load.outages(OUTAGE_SECONDS)
        ]
        recoveries: dict[str, list[float]] = {}
        for event in self.happened:
            recoveries.setdefault(event.trouble.kind, []).append(event.recovered_s - event.healed_s)
        return {
            "seconds": round(seconds),
            "sent": load.sent,
            "final": len(load.samples),
            "transactions/s": round(len(load.samples) / seconds, 1),
            "latency_ms": load.latencies(),
            "latency_ms_undisturbed": quantiles(
                [s.latency_ms for s in load.samples if not self._troubles(s.due_s - load.started_s, 0.0)]
            ),
            "outages": outages,
            "outage_seconds": round(sum(outage["seconds"] for outage in outages), 1),
            "troubles": Counter(event.trouble.kind for event in self.happened),
            "recovery_s": {
                kind: {
                    "count": len(values),
                    "median": round(sorted(values)[len(values) // 2], 1),
                    "max": round(max(values), 1),
                }
                for kind, values in sorted(recoveries.items())
            },
            "not_answered_at_once": dict(load.refusals.most_common(8)),
        }

    def _troubles(self, at_s: float, length_s: float) -> list[Happened]:
        return [
            event
            for event in self.happened
            if event.begun_s <= at_s + length_s and at_s <= event.recovered_s + AFTERMATH_SECONDS
        ]

    def _cause(self, at_s: float, length_s: float) -> str:
        causes = [f"{e.trouble.kind} of {list(e.trouble.victims)}" for e in self._troubles(at_s, length_s)]
        lies = [name for start, end, name in self._lies() if start <= at_s + length_s and at_s <= end]
        return "; ".join([*causes, *(f"liar: {name}" for name in lies)]) or "unknown"

    def _lies(self) -> list[tuple[float, float, str]]:
        """Return (from, to, name) of what the liar did."""
        found = []
        for index in self.network.liars:
            text = self.network.log_file(index).read_text(errors="replace")
            told = [(float(at), name) for at, name in re.findall(r"^lying from ([\d.]+): (.+)$", text, re.M)]
            ends = [at for at, _ in told[1:]] + [float("inf")]
            started = self.load.started_s
            found += [(at - started, end - started, name) for (at, name), end in zip(told, ends, strict=True)]
        return found


class ChaosNetwork(IsolatedNetwork):
    """Validators of which the last may lie; every second one keeps no reserve of disk, so that writes fail."""

    def __init__(self, directory: Path, validators: int, seed: int, lie: str | None) -> None:
        self.liars = [validators - 1] if lie else []
        command = ("-m", "tests.byzantine.node", "--lie", lie or "", "--seed", str(seed))
        super().__init__(
            directory,
            validators,
            [CREATE_PROGRAM],
            seed=seed,
            disk_mib=DISK_MIB,
            commands=dict.fromkeys(self.liars, command),
        )
        for index in range(0, validators, 2):
            config = self.home(index) / "node.toml"
            config.write_text("min_free_disk_mib = 0\n" + config.read_text())


def play(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run, check, and return the report."""
    seconds = options.minutes * 60
    network = ChaosNetwork(folder / "net", options.validators, options.seed, options.lie)
    honest = [i for i in range(options.validators) if i not in network.liars]
    with network:
        accounts = Accounts(network)
        accounts.fund()
        load = OpenLoad(network, accounts, options.rate, honest)
        load.start()
        chaos = Chaos(network, honest, load)
        try:
            chaos.run(draw(options.seed, options.validators, network.liars), seconds)
            load.finish(drain_s=120)
            report = {
                "validators": options.validators,
                "lie": options.lie,
                "seed": options.seed,
                **chaos.report(seconds),
            }
            check(network, honest, load, accounts, report)
        except BaseException:
            tell(network)
            raise
    return report


def check(
    network: ChaosNetwork, honest: Sequence[int], load: OpenLoad, accounts: Accounts, report: dict[str, Any]
) -> None:
    """Check what must hold, and add to the report what the validators tell."""
    assert load.unanswered == 0, f"{load.unanswered} transfers without a receipt: {load.refusals}"
    report["height"] = check_same_chain(network, honest)
    check_receipts(network, honest, load.receipts)
    check_supply(network, honest, accounts)
    halted = [line for line in critical_lines(network, honest) if "disk" not in line]
    assert not halted, halted
    report["receipts_checked"] = len(load.receipts)
    consensus = network.call(honest[0], "node_consensus")
    report["evidence"] = Counter(found["step"] for found in consensus["evidence"])
    report["faults_seen"] = {v["brand"]: v["faults"] for v in consensus["validators"] if v["faults"]}
    report["resident_mib"] = [network.resident_mib(i) for i in honest]


def tell(network: ChaosNetwork) -> None:
    """Print the ends of the logs of a run that failed."""
    for index in range(len(network.addresses)):
        lines = network.log_file(index).read_text(errors="replace").splitlines()[-60:]
        print(f"--- validator {index}", *lines, sep="\n", file=sys.stderr)


def main() -> None:
    """Run and print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--validators", type=int, default=7)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lie", default="all", help="what the liar does; empty for no liar")
    parser.add_argument("--report", type=Path, help="write the report to this file, as JSON")
    options = parser.parse_args()
    sandbox.enter("tests.chaos", sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="entente-chaos-") as folder:
        report = play(options, Path(folder))
    text = json.dumps(report, indent=2)
    print(text)
    if options.report:
        options.report.write_text(text + "\n")


if __name__ == "__main__":
    main()
