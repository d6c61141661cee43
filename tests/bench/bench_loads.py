"""Four real validators and their client on this machine, under each load of the goals table.

    python -m tests.bench.bench_loads [--seconds 20] [--rounds 1] [--only transfer,issue] [--accounts N]
        [--index none] [--json]

Each load runs alone, closed-loop: a fixed number of clients, spread over the validators, send the next request
when the former has become final. The light load is open-loop: single transfers on a fixed schedule, so that a
slow answer delays no other. What is printed for each load:

    rate        units in blocks that became final within the window, a second
    a node's CPU for one unit, in µs and in V, where V is one PyNaCl verification, measured before and after
    latency     from sending a request to its being final: p50, p95, p99
    blocks      how many, and units in each
    stages      where that CPU went, from the validators' own counters (network/stages.py); "rest" is what no stage
                covers: event loop, TLS, HTTP

V makes figures of machines of different speed comparable; still, compare within one run where you can.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from node.client import RpcClient
from node.load.running import closed_loop, open_loop, watched
from node.load.sending import Sender
from node.load.tally import Tally
from node.load.units import Request
from tests.bench.loads import LOADS, SINGLE, Ground, Load
from tests.support.network import LocalNetwork
from tests.support.programs import CREATE_PROGRAM
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey
from vm.transaction import encode_body, parse_transaction, sign_body, signatures_valid

VALIDATORS = 4
IN_FLIGHT = 4_800
"""Units on their way at once: enough that no validator waits for the client."""

LIGHT_RATE = 100
LIGHT_SECONDS = 10.0
SIGNED_PER_SECOND = 9_000
"""Units a second that are signed before the window opens; more than four validators on two cores take."""

SIGNED_TOGETHER_PER_SECOND = 24_000
"""The same of units that share a signature, which cost the validators less."""

STAGE = re.compile(rb'^entente_stage_cpu_seconds\{stage="(\w+)"\} (\S+)$', re.M)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one load showed.

    Attributes:
        v_us: one PyNaCl verification, µs of CPU.
        cpu_us: of one validator, for one unit, µs.
        latency_ms: p50, p95, p99 of requests.
        stages_us: of one validator, for one unit, by stage, µs.
    """

    load: str
    rate: float
    v_us: float
    cpu_us: float
    latency_ms: tuple[float, float, float]
    blocks: int
    units_per_block: float
    stages_us: dict[str, float]

    @property
    def cost_in_v(self) -> float:
        """CPU of one validator for one unit, in verifications."""
        return self.cpu_us / self.v_us


@dataclass(frozen=True, slots=True)
class Reading:
    """CPU seconds that each validator has used, in all and by stage."""

    cpu: list[float]
    stages: list[dict[str, float]]

    @classmethod
    def of(cls, network: LocalNetwork) -> Reading:
        """Read all validators."""
        return cls(
            [network.cpu_seconds(index) for index in range(VALIDATORS)],
            [_stages(network.url(index)) for index in range(VALIDATORS)],
        )


def _stages(url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as response:
        return {name.decode(): float(value) for name, value in STAGE.findall(response.read())}


async def saturated(network: LocalNetwork, requests: Sequence[Request], seconds: float, in_flight: int) -> Tally:
    """Keep so many units on their way; return what became of them. The blocks are counted, so one receipt tells."""
    tally = Tally()
    async with connected(network) as clients:
        senders = [Sender(client, tally, sampled=True) for client in clients]
        load = closed_loop(senders, iter(requests), in_flight // requests[0].units, seconds)
        await watched(load, seconds, tally, lambda _: None)
    assert not tally.refused, tally.refused
    assert not tally.failed, tally.failed
    return tally


@asynccontextmanager
async def connected(network: LocalNetwork) -> AsyncIterator[list[RpcClient]]:
    """Give a client of each validator."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(RpcClient(network.url(index))) for index in range(VALIDATORS)]


def measure(ground: Ground, load: Load, seconds: float) -> Figures:
    """Run one load and return its figures."""
    network, shape = ground.network, load.shape
    v_before = verification_us(network.manifest.chain)
    maker = ground.requests(shape)
    spare = 2 * IN_FLIGHT // shape.units
    alone = shape.operations == shape.signed_together == 1
    each_second = SIGNED_PER_SECOND if alone else SIGNED_TOGETHER_PER_SECOND
    warm = spare + each_second // shape.units
    requests = [maker.make(n) for n in range(warm + spare + int(seconds * each_second / shape.units))]
    asyncio.run(saturated(network, requests[:warm], 1.0, IN_FLIGHT))
    height, before, begun = network.height(0), Reading.of(network), time.monotonic()
    tally = asyncio.run(saturated(network, requests[warm:], seconds, IN_FLIGHT))
    elapsed = time.monotonic() - begun
    after, last = Reading.of(network), network.height(0)
    blocks = [network.call(0, "chain_block", height=at)["header"]["tx_count"] for at in range(height + 1, last + 1)]
    units = sum(blocks) * shape.operations
    used = statistics.mean(late - early for early, late in zip(before.cpu, after.cpu, strict=True))
    pairs = list(zip(before.stages, after.stages, strict=True))
    stages = {name: statistics.mean(late[name] - early[name] for early, late in pairs) for name in before.stages[0]}
    stages["rest"] = used - sum(stages.values())
    full = [count for count in blocks if count]
    return Figures(
        load=load.name,
        rate=units / elapsed,
        v_us=(v_before + verification_us(network.manifest.chain)) / 2,
        cpu_us=used * 1e6 / units,
        latency_ms=_quantiles(tally),
        blocks=len(full),
        units_per_block=units / len(full),
        stages_us={name: seconds * 1e6 / units for name, seconds in stages.items()},
    )


def _quantiles(tally: Tally) -> tuple[float, float, float]:
    p50, p95, p99 = (tally.latencies.quantile_ms(share) for share in (0.5, 0.95, 0.99))
    return p50, p95, p99


def verification_us(chain: str) -> float:
    """Return what one PyNaCl verification takes, µs of CPU; the best of five, as the machine may be busy."""
    key = SigningKey(bytes(32))
    own = address_of_key(key.public_key)
    ops = [("token.transfer", {"program": "miles", "to": own, "amount": 1})]
    bodies = [encode_body(chain, own, index, 10**12, ops) for index in range(100)]
    signed = [parse_transaction(sign_body(body, [key])) for body in bodies]
    best = float("inf")
    for _ in range(5):
        begun = time.thread_time()
        assert all(signatures_valid(transaction) for transaction in signed)
        best = min(best, time.thread_time() - begun)
    return best * 1e4


async def light_load(ground: Ground) -> Tally:
    """Send single transfers at LIGHT_RATE a second; latency counts from when each was due."""
    tally = Tally()
    made = map(ground.requests(SINGLE).make, itertools.count())
    async with connected(ground.network) as clients:
        senders = [Sender(client, tally) for client in clients]
        load = open_loop(senders, made, LIGHT_RATE, LIGHT_SECONDS, tally)
        await watched(load, LIGHT_SECONDS, tally, lambda _: None)
    assert tally.final == tally.sent, tally.as_json()
    return tally


def _network(path: str, index: str) -> LocalNetwork:
    """Return the network to be measured."""
    return LocalNetwork(Path(path) / "net", ops=[CREATE_PROGRAM], index=index)


def run(options: argparse.Namespace) -> tuple[list[Figures], Tally | None]:
    """Run all loads that are wanted; return their figures, and what became of the light load."""
    wanted = [name.strip() for name in options.only.split(",")] if options.only else []
    found: list[Figures] = []
    folder = tempfile.TemporaryDirectory(prefix="entente-bench-")
    with folder as path, _network(path, options.index) as network:
        ground = Ground(network, options.accounts)
        loads = [load for load in LOADS if not wanted or any(load.name.startswith(name) for name in wanted)]
        light = asyncio.run(light_load(ground)) if not wanted or "light" in wanted else None
        for _ in range(options.rounds):
            found += [measure(ground, load, options.seconds) for load in loads]
    return found, light


def tables(found: Sequence[Figures]) -> tuple[Table, Table]:
    """Return the loads, and where their CPU went."""
    loads = Table(
        "load", "units/s", "V µs", "CPU of a node µs", "in V", "p50 ms", "p95", "p99", "blocks", "units each"
    )
    for each in found:
        p50, p95, p99 = each.latency_ms
        loads.add_row(
            each.load,
            f"{each.rate:,.0f}",
            f"{each.v_us:.0f}",
            f"{each.cpu_us:.0f}",
            f"{each.cost_in_v:.2f}",
            f"{p50:,.0f}",
            f"{p95:,.0f}",
            f"{p99:,.0f}",
            str(each.blocks),
            f"{each.units_per_block:,.0f}",
        )
    stages = Table("CPU of a node for a unit, in V", *(each.load for each in found))
    for name in found[0].stages_us:
        stages.add_row(name, *(f"{each.stages_us[name] / each.v_us:.3f}" for each in found))
    return loads, stages


def _as_json(figures: Figures) -> Mapping[str, object]:
    return {**asdict(figures), "cost_in_v": figures.cost_in_v}


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="loads whose names begin so, and `light`, separated by commas")
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument(
        "--index", default="full", choices=("full", "basic", "none"), help="what the validators index"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found, light = run(options)
    cuts = _quantiles(light) if light else ()
    if options.json:
        document = {"loads": [_as_json(each) for each in found], "light_ms": list(cuts)}
        sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
        return 0
    console = Console(width=150)
    for table in tables(found) if found else ():
        console.print(table)
    if cuts:
        console.print(
            f"light load, {LIGHT_RATE} single transfers a second: final after "
            f"p50 {cuts[0]:.0f}, p95 {cuts[1]:.0f}, p99 {cuts[2]:.0f} ms"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
