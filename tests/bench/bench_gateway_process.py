"""What a flood of reads does to the node behind it, with the gateway inside and as a process of its own.

    python -m tests.bench.bench_gateway_process [--seconds 6] [--rounds 3] [--connections 8] [--kind batch]
    python -m tests.bench.bench_gateway_process --network [--seconds 20] [--rate 10]

The first measures one node: how late its event loop wakes up (what a vote would wait), its CPU, and how many
requests are answered, for each kind of read; both gateways in turn. The second runs four validators, floods two of
them with all kinds, and tells the latency of final transfers through a flooded one and through another. The clients
that flood are processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.support.gateway import Web, running_gateway, running_gateway_process
from tests.support.ledger import LocalChain, LocalNode, address_of, program_op
from tests.support.network import LocalNetwork
from tests.support.open_load import Accounts, OpenLoad, quantiles
from tests.support.programs import CREATE_PROGRAM

BLOCKS: Final = 12
PER_BLOCK: Final = 600
ACCOUNTS: Final = 500
PROBE_S: Final = 0.002


# -- the clients ----------------------------------------------------------------------------------


async def flood(url: str, requests: Sequence[Any], seconds: float, connections: int) -> int:
    """Ask again as soon as there is an answer; return how many there were."""
    bodies = [json.dumps(request).encode() for request in requests]
    end = time.monotonic() + seconds
    answered = 0

    async def one(session: aiohttp.ClientSession, first: int) -> None:
        nonlocal answered
        for body in itertools.islice(itertools.cycle(bodies), first, None):
            if time.monotonic() >= end:
                return
            with contextlib.suppress(aiohttp.ClientError):
                async with session.post(url, data=body) as response:
                    await response.read()
                    answered += response.status == 200

    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:
        await asyncio.gather(*(one(session, place) for place in range(connections)))
    return answered


def flooding(url: str, requests: Sequence[Any], seconds: float, connections: int) -> subprocess.Popen[bytes]:
    """Begin to flood from another process."""
    command = [sys.executable, "-m", __spec__.name, "--flood", url]
    command += ["--seconds", str(seconds), "--connections", str(connections)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(json.dumps(requests).encode())
    process.stdin.close()
    return process


def wait_until_flooding(process: subprocess.Popen[bytes]) -> None:
    """Wait until a flood has begun: what it imports takes seconds."""
    assert process.stdout is not None
    assert process.stdout.readline() == b"begins\n"


def answers_of(process: subprocess.Popen[bytes]) -> int:
    """Wait for a flood to end; return how many answers it had."""
    assert process.stdout is not None
    told = process.stdout.read()
    if process.wait() != 0:
        raise SystemExit("a client that floods has failed")
    return int(told)


def call(method: str, params: Any) -> dict[str, Any]:
    """Return a request."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


# -- one node -------------------------------------------------------------------------------------


def built(chain: LocalChain) -> None:
    """Commit blocks of issues."""
    for height in range(BLOCKS):
        ops = [
            (
                "token.issue",
                {"program": "sun", "to": address_of(f"shopper-{(height + place) % ACCOUNTS}"), "amount": 5},
            )
            for place in range(PER_BLOCK)
        ]
        chain.commit([chain.sign("aurora-admin", [op]) for op in ops])


def kinds() -> dict[str, list[Any]]:
    """Return requests by kind."""
    accounts = [address_of(f"shopper-{place}") for place in range(ACCOUNTS)]
    balances = [call("token_balance", ["sun", account]) for account in accounts]
    past = [
        call("state_view", {"view": "token_balance", "args": {"program": "sun", "account": each}, "height": 3})
        for each in accounts[:50]
    ]
    return {
        "nothing": [],
        "token_balance": balances,
        "500 of them in a batch": [balances],
        "state_view, past height": past,
        "chain_block, full": [call("chain_block", [1 + place % BLOCKS, True]) for place in range(BLOCKS)],
        "chain_transactions": [call("chain_transactions", {"brand": "aurora", "limit": 500})],
    }


async def lags(seconds: float) -> list[float]:
    """Return how late the event loop woke up, in ms, again and again."""
    found = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        due = time.monotonic() + PROBE_S
        await asyncio.sleep(PROBE_S)
        found.append(max(0.0, time.monotonic() - due) * 1_000)
    return found


async def measured(web: Web[Any], requests: Sequence[Any], seconds: float, connections: int) -> str:
    """Flood a gateway, and return what became of the node's event loop."""
    process = flooding(web.gateway.url, requests, seconds + 0.2, connections) if requests else None
    if process is not None:
        await asyncio.to_thread(wait_until_flooding, process)
    cpu = time.process_time()
    found = await lags(seconds)
    cpu = (time.process_time() - cpu) / seconds
    answered = 0
    if process is not None:
        answered = await asyncio.to_thread(answers_of, process)
    cuts = sorted(found)
    p50, p99 = cuts[len(cuts) // 2], cuts[len(cuts) * 99 // 100]
    return f"lag p50 {p50:6.1f}  p99 {p99:6.1f}  max {cuts[-1]:6.1f} ms   CPU {cpu:4.2f}   {answered:6} answered"


@contextlib.asynccontextmanager
async def gateway(node: LocalNode, *, process: bool) -> AsyncIterator[Web[Any]]:
    """Run one of the two gateways."""
    running = running_gateway_process if process else running_gateway
    async with running(node, max_requests_per_second=10_000_000) as web:
        yield web


async def one_node(options: argparse.Namespace) -> None:
    """Measure one node."""
    with tempfile.TemporaryDirectory() as folder:
        chain = LocalChain(Path(folder) / "data", [program_op("sun", "aurora")])
        built(chain)
        node = LocalNode(chain)
        chosen = {kind: requests for kind, requests in kinds().items() if options.kind in kind}
        for kind, requests in chosen.items():
            for _ in range(options.rounds):
                for process in (False, True):
                    async with gateway(node, process=process) as web:
                        told = await measured(web, requests, options.seconds, options.connections)
                        print(f"{kind:<26}{'process' if process else 'inside':<9}{told}", flush=True)
        chain.close()


# -- four validators ------------------------------------------------------------------------------


@contextlib.contextmanager
def network_of(folder: Path, *, process: bool) -> Iterator[LocalNetwork]:
    """Run four validators."""
    network = LocalNetwork(folder, ops=[CREATE_PROGRAM], rpc_port=25_400)
    if process:
        network.set_gateways_apart()
    with network:
        yield network


def of_network(network: LocalNetwork, accounts: Accounts) -> list[Any]:
    """Return heavy requests to a validator."""
    height = network.height(0)
    balances = [call("token_balance", ["miles", account]) for account in accounts.addresses]
    past = {"view": "token_balance", "args": balances[0]["params"], "height": height}
    past["args"] = dict(zip(("program", "account"), balances[0]["params"], strict=True))
    return [
        balances * 10,
        call("state_view", past),
        call("chain_transactions", {"brand": "aurora", "limit": 500}),
        call("rpc.discover", {}),
    ]


def network_round(options: argparse.Namespace, *, process: bool, flooded: bool) -> None:
    """Measure one network."""
    with tempfile.TemporaryDirectory() as folder, network_of(Path(folder) / "net", process=process) as network:
        accounts = Accounts(network)
        accounts.fund()
        requests = of_network(network, accounts)
        floods = (
            [flooding(network.url(index), requests, options.seconds, options.connections) for index in (0, 1)]
            if flooded
            else []
        )
        for each in floods:
            wait_until_flooding(each)
        loads = [OpenLoad(network, accounts, options.rate / 2, [index]) for index in (0, 3)]
        for load in loads:
            load.start()
        time.sleep(options.seconds)
        for load in loads:
            load.finish()
        answered = [answers_of(each) for each in floods]
        name = f"{'process' if process else 'inside':<9}{'flooded' if flooded else 'quiet':<9}"
        for who, load in zip(("a flooded validator", "another"), loads, strict=True):
            latencies = quantiles([sample.latency_ms for sample in load.samples[5:]])
            print(f"{name}through {who:<20} {latencies} refused {sum(load.refusals.values())}", flush=True)
        stages = [cpu_of(network, index) for index in range(4)]
        print(f"{name}answers {answered}; CPU of nodes {stages}", flush=True)


def cpu_of(network: LocalNetwork, index: int) -> float:
    """Return CPU seconds of a validator's own process."""
    with urllib.request.urlopen(network.url(index) + "/metrics") as response:
        assert response.status == 200
    return round(network.cpu_seconds(index), 1)


def main() -> None:
    """Measure, or be the client of a measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--kind", default="", help="only kinds of reads that have this in their name")
    parser.add_argument("--network", action="store_true")
    parser.add_argument("--flood", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.flood is not None:
        print("begins", flush=True)
        answered = asyncio.run(flood(options.flood, json.load(sys.stdin), options.seconds, options.connections))
        print(answered)
    elif options.network:
        for flooded in (False, True):
            for process in (False, True):
                network_round(options, process=process, flooded=flooded)
    else:
        asyncio.run(one_node(options))


if __name__ == "__main__":
    main()
