"""Four real validators and their client on this machine, under each load of the goals table.

    python -m tests.bench.bench_loads [--seconds 20] [--rounds 1] [--only transfer,issue] [--accounts N] [--json]

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
import re
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp
import orjson
from rich.console import Console
from rich.table import Table

from tests.bench.loads import Accounts, Load, Loads, Request, campaign_op, fund, rpc
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

JSON = {"content-type": "application/json"}
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


async def _post(session: aiohttp.ClientSession, url: str, body: bytes) -> object:
    async with session.post(url, data=body) as response:
        return orjson.loads(await response.read())


async def saturate(
    network: LocalNetwork, requests: Sequence[Request], seconds: float, clients: int
) -> list[tuple[float, int]]:
    """Keep all clients busy; return (ms until final, units) of each request that became final in the window."""
    done: list[tuple[float, int]] = []
    queue = iter(requests)
    end = time.monotonic() + seconds

    async def client(session: aiohttp.ClientSession, url: str) -> None:
        while time.monotonic() < end:
            request = next(queue, None)
            assert request is not None, "too few requests were signed: raise SIGNED_PER_SECOND"
            begun = time.monotonic()
            answers = await _post(session, url, request.body)
            refused = [answer["error"] for answer in _listed(answers) if "error" in answer]
            assert not refused, refused[0]
            wait = orjson.dumps(rpc("tx_wait", {"id": request.last_id, "timeout_ms": 60_000}))
            (answer,) = _listed(await _post(session, url, wait))
            assert answer.get("result", {}).get("status") in ("ok", "failed"), answer
            if time.monotonic() <= end and answer["result"]["status"] == "ok":
                done.append(((time.monotonic() - begun) * 1_000, request.units))

    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(headers=JSON, timeout=timeout, connector=connector) as session:
        await asyncio.gather(*(client(session, network.url(i % VALIDATORS)) for i in range(clients)))
    return done


def _listed(answers: object) -> list[dict]:  # type: ignore[type-arg]
    return answers if isinstance(answers, list) else [answers]  # type: ignore[list-item]


def measure(network: LocalNetwork, load: Load, seconds: float, first: int) -> tuple[Figures, int]:
    """Run one load; return its figures, and the number of the next request that has not been signed."""
    v_before = verification_us(network.manifest.chain)
    warm = [load.make(first + i) for i in range(IN_FLIGHT // 64)]
    count = int(seconds * SIGNED_PER_SECOND / warm[0].units)
    requests = [load.make(first + len(warm) + i) for i in range(count)]
    clients = IN_FLIGHT // requests[0].units
    asyncio.run(saturate(network, [*warm, *requests[:clients]], 1.0, clients))
    requests = requests[clients:]
    height, before, begun = network.height(0), Reading.of(network), time.monotonic()
    done = asyncio.run(saturate(network, requests, seconds, clients))
    elapsed = time.monotonic() - begun
    after, last = Reading.of(network), network.height(0)
    blocks = [network.call(0, "chain_block", height=at)["header"]["tx_count"] for at in range(height + 1, last + 1)]
    per_transaction = load.units_per_transaction
    units = sum(blocks) * per_transaction
    used = statistics.mean(late - early for early, late in zip(before.cpu, after.cpu, strict=True))
    pairs = list(zip(before.stages, after.stages, strict=True))
    stages = {name: statistics.mean(late[name] - early[name] for early, late in pairs) for name in before.stages[0]}
    stages["rest"] = used - sum(stages.values())
    cuts = statistics.quantiles([ms for ms, _ in done], n=100)
    full = [count for count in blocks if count]
    figures = Figures(
        load=load.name,
        rate=units / elapsed,
        v_us=(v_before + verification_us(network.manifest.chain)) / 2,
        cpu_us=used * 1e6 / units,
        latency_ms=(cuts[49], cuts[94], cuts[98]),
        blocks=len(full),
        units_per_block=units / len(full),
        stages_us={name: seconds * 1e6 / units for name, seconds in stages.items()},
    )
    return figures, first + len(warm) + count


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


async def light_load(network: LocalNetwork, load: Load, first: int) -> list[float]:
    """Send single transfers at LIGHT_RATE a second; return the ms until each was final."""
    latencies: list[float] = []
    singles = [
        orjson.dumps(rpc("tx_send", {**entry["params"], "timeout_ms": 30_000}))
        for number in range(first, first + int(LIGHT_RATE * LIGHT_SECONDS / 100))
        for entry in orjson.loads(load.make(number).body)
    ]

    async def one(session: aiohttp.ClientSession, url: str, body: bytes, due: float) -> None:
        (answer,) = _listed(await _post(session, url, body))
        assert answer.get("result", {}).get("status") == "ok", answer
        latencies.append((time.monotonic() - due) * 1_000)

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=JSON, connector=connector) as session, asyncio.TaskGroup() as group:
        start = time.monotonic()
        for index, body in enumerate(singles):
            due = start + index / LIGHT_RATE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(one(session, network.url(index % VALIDATORS), body, due))
    return latencies


def run(options: argparse.Namespace) -> tuple[list[Figures], list[float]]:
    """Run all loads that are wanted; return their figures and the latencies of the light load."""
    wanted = [name.strip() for name in options.only.split(",")] if options.only else []
    found: list[Figures] = []
    folder = tempfile.TemporaryDirectory(prefix="entente-bench-")
    with folder as path, LocalNetwork(Path(path) / "net", ops=[CREATE_PROGRAM]) as network:
        accounts = Accounts(options.accounts)
        network.send(0, "aurora-admin", campaign_op())
        fund(network, accounts)
        loads = [
            load
            for load in Loads(network, accounts).all()
            if not wanted or any(load.name.startswith(name) for name in wanted)
        ]
        following = dict.fromkeys((load.name for load in loads), 0)
        light: list[float] = []
        if not wanted or "light" in wanted:
            transfers = Loads(network, accounts).all()[0]
            light = asyncio.run(light_load(network, transfers, 10**6))
        for _ in range(options.rounds):
            for load in loads:
                figures, following[load.name] = measure(network, load, options.seconds, following[load.name])
                found.append(figures)
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
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found, light = run(options)
    cuts = statistics.quantiles(light, n=100) if light else []
    if options.json:
        document = {
            "loads": [_as_json(each) for each in found],
            "light_ms": [cuts[i] for i in (49, 94, 98) if cuts],
        }
        sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
        return 0
    console = Console(width=150)
    for table in tables(found) if found else ():
        console.print(table)
    if cuts:
        console.print(
            f"light load, {LIGHT_RATE} single transfers a second: final after "
            f"p50 {cuts[49]:.0f}, p95 {cuts[94]:.0f}, p99 {cuts[98]:.0f} ms"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
