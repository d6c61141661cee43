"""Four Entente validators, four neo-go validators and one anvil node, one after the other, round after round.

    python -m tests.bench.bench_peers [--rounds 3] [--seconds 15] [--in-flight 4800] [--only neo-go] [--json]

Each takes its turn alone on this machine, as a network that is made anew: signed single transfers, so many on
their way all the time, WARM_S before the window opens. The machine's speed drifts, so that only ratios within a
round tell something: the table has each round, and below it the ratios with the worst round. Latency counts from
when a transfer was posted to when the client knew that it was final, at that depth. CPU is of all processes of a
chain, and of the client beside it, in cores.

What is compared: Entente and neo-go are four validators that sync what they agree on; anvil is one node that keeps
its chain in memory and agrees with none. What cannot be had here is left out, and told (`rivals.environment`).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from node.load.running import closed_loop
from node.load.sending import Sender
from node.load.tally import Latencies, Tally
from tests.bench.bench_loads import VALIDATORS, connected
from tests.bench.loads import LOADS, Ground
from tests.bench.rivals.driving import WARM_S
from tests.bench.rivals.environment import RIVALS, ROOT, Rival, Unavailable
from tests.support.network import LocalNetwork, end_on_sigterm
from tests.support.ports import free_ports
from tests.support.programs import CREATE_PROGRAM

OURS = "entente"
ACCOUNTS = 20_000
"""More than the forty senders and two hundred receivers of the others; `make bench-scale` has millions."""

SIGNED_PER_SECOND = 6_000
PREPARE_S = 240.0
"""A rival's network, funding and signing before its window, at most; then it is ended and left out of the round."""

END_S = 20.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What one network showed in one round.

    Attributes:
        depth: how many transfers were on their way: wanted, or found where posting did not keep up.
        cpu, client_cpu: cores.
    """

    rate: float
    latency_ms: tuple[float, float, float]
    depth: float
    cpu: float
    client_cpu: float
    errors: int = 0


class RunFailed(Exception):
    """A network did not get through its window; the message says why."""


Contender = Callable[[argparse.Namespace], Figures]


def entente(options: argparse.Namespace) -> Figures:
    """Measure four validators of ours."""
    with (
        tempfile.TemporaryDirectory(prefix="entente-peers-") as folder,
        LocalNetwork(Path(folder) / "net", ops=[CREATE_PROGRAM]) as network,
    ):
        maker = Ground(network, ACCOUNTS).requests(LOADS[0].shape)
        count = options.in_flight + int((WARM_S + options.seconds) * SIGNED_PER_SECOND)
        requests = [maker.make(number) for number in range(count // maker.shape.units)]

        async def run() -> Figures:
            tally = Tally()
            async with connected(network) as clients:
                senders = [Sender(client, tally, sampled=True) for client in clients]
                flying = options.in_flight // maker.shape.units
                load = asyncio.ensure_future(closed_loop(senders, iter(requests), flying, 10 * options.seconds))
                await _sleep_beside(load, WARM_S)
                tally.latencies = Latencies()
                first = _marks(network, tally)
                await _sleep_beside(load, options.seconds)
                last = _marks(network, tally)
                load.cancel()
                await asyncio.wait({load})
            elapsed, final, cpu, own = (late - early for early, late in zip(first, last, strict=True))
            p50, p95, p99 = (tally.latencies.quantile_ms(share) for share in (0.5, 0.95, 0.99))
            errors = tally.refused.total() + tally.failed.total()
            depth = flying * maker.shape.units
            return Figures(final / elapsed, (p50, p95, p99), depth, cpu / elapsed, own / elapsed, errors)

        return asyncio.run(run())


async def _sleep_beside(load: asyncio.Future[None], seconds: float) -> None:
    """Wait so long, unless the load ends, which it must not."""
    done, _ = await asyncio.wait({load}, timeout=seconds)
    if done:
        load.result()
        raise RunFailed("the load ended before its window closed")


def _marks(network: LocalNetwork, tally: Tally) -> tuple[float, float, float, float]:
    cpu = sum(network.cpu_seconds(index) for index in range(VALIDATORS))
    return time.monotonic(), tally.final, cpu, time.process_time()


def rival(found: Rival) -> Contender:
    """Return what measures a rival: its driver, a program of its own that is ended with all that it has started."""

    def run(options: argparse.Namespace) -> Figures:
        count = options.in_flight + int((WARM_S + options.seconds) * found.signed_per_second)
        told = {"--seconds": options.seconds, "--in-flight": options.in_flight, "--count": count}
        with tempfile.TemporaryDirectory(prefix="entente-rival-") as home:
            told |= {"--home": home, "--binary": found.binary, "--port": free_ports(10)}
            command = [
                str(found.python),
                "-m",
                found.module,
                *(str(part) for pair in told.items() for part in pair),
            ]
            answer = _answer(command, PREPARE_S + options.seconds)
        told_back = (answer[name] for name in ("depth", "cpu", "client_cpu", "errors"))
        return Figures(answer["rate"], tuple(answer["latency_ms"]), *told_back)

    return run


def _answer(command: Sequence[str], timeout_s: float) -> dict[str, Any]:
    """Run a driver and return the line that it prints; nothing of its process group is left."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Files, not pipes: what a driver has started and left would keep a pipe open.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, stdout=output, stderr=errors, cwd=ROOT, env=environment, start_new_session=True
        )
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise RunFailed(f"not done after {timeout_s:.0f} s") from None
        finally:
            _end_group(process)
        output.seek(0)
        errors.seek(0)
        if code:
            raise RunFailed((errors.read().decode(errors="replace").strip().splitlines() or ["no word"])[-1])
        answer: dict[str, Any] = orjson.loads(output.read())
        return answer


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a driver by its own means, and what is left of its process group by force."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def contenders(options: argparse.Namespace) -> tuple[dict[str, Contender], dict[str, str]]:
    """Return what takes part, and why the others do not."""
    wanted = options.only.split(",") if options.only else list(RIVALS)
    found: dict[str, Contender] = {OURS: entente}
    missing: dict[str, str] = {}
    for name in wanted:
        try:
            found[name] = rival(RIVALS[name](options.python))
        except Unavailable as error:
            missing[name] = str(error)
    return found, missing


def run(
    taking_part: dict[str, Contender], options: argparse.Namespace, tell: Callable[[str], None]
) -> list[dict[str, Figures]]:
    """Let each take its turn in each round."""
    rounds: list[dict[str, Figures]] = []
    for number in range(1, options.rounds + 1):
        rounds.append({})
        for name, contender in taking_part.items():
            try:
                rounds[-1][name] = figures = contender(options)
                tell(f"round {number}: {name} {figures.rate:,.0f}/s")
            except RunFailed as error:
                tell(f"round {number}: {name} failed: {error}")
    return rounds


def ratios(rounds: Sequence[dict[str, Figures]]) -> dict[str, list[float]]:
    """Return our rate by each rival's, for each round in which both got through."""
    names = [name for name in dict.fromkeys(name for each in rounds for name in each) if name != OURS]
    return {
        name: [each[OURS].rate / each[name].rate for each in rounds if OURS in each and name in each]
        for name in names
    }


def tables(rounds: Sequence[dict[str, Figures]]) -> list[Table]:
    """Return the figures of each round, and the ratios."""
    columns = (
        "round",
        "network",
        "transfers/s",
        "p50 ms",
        "p95",
        "p99",
        "on their way",
        "CPU cores",
        "client",
        "errors",
    )
    figures = Table(*columns)
    for number, each in enumerate(rounds, 1):
        for name, found in each.items():
            latency = [f"{ms:,.0f}" for ms in found.latency_ms]
            cpu = [f"{found.cpu:.2f}", f"{found.client_cpu:.2f}"]
            figures.add_row(
                str(number), name, f"{found.rate:,.0f}", *latency, f"{found.depth:,.0f}", *cpu, str(found.errors)
            )
    compared = Table(f"{OURS} by", "each round", "worst")
    for name, found_ratios in ratios(rounds).items():
        if found_ratios:
            each_round = "  ".join(f"{ratio:.2f}" for ratio in found_ratios)
            compared.add_row(name, each_round, f"{min(found_ratios):.2f}")
    return [figures, compared]


def main() -> int:
    """Run and print."""
    end_on_sigterm()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--in-flight", type=int, default=4_800)
    parser.add_argument("--only", default="", help=f"rivals, separated by commas: {', '.join(RIVALS)}")
    parser.add_argument("--python", default=None, help="an interpreter of 3.13 or newer for the rivals' clients")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    taking_part, missing = contenders(options)
    for name, reason in missing.items():
        sys.stderr.write(f"{name} is left out: {reason}\n")
    rounds = run(taking_part, options, lambda line: sys.stderr.write(line + "\n") and None)
    if options.json:
        found = [{name: asdict(figures) for name, figures in each.items()} for each in rounds]
        document = {"rounds": found, "ratios": ratios(rounds), "missing": missing}
        sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        console = Console(width=140)
        for table in tables(rounds):
            console.print(table)
    return 0 if all(OURS in each for each in rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
