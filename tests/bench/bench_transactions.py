"""Final transactions per second and latency of four real validators with their client on this machine.

    python -m tests.bench.bench_transactions [--seconds 60] [--json]

Load: single-operation signed transfers between many accounts, in JSON-RPC batches of 100 `tx_submit`, spread
over the four validators. Saturation is closed-loop: each of a fixed number of clients sends its next batch
when the former has become final. The light load is open-loop: 200 single `tx_send` a second on a fixed schedule,
so that a slow answer delays nobody.

Figures depend on the machine and the minute; the ratio to the bound, both measured in this run, is what to compare:

    bound = cores / (validators · (non-signature cost + PyNaCl verify))        docs/performance.md
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from tests.bench.node_cost import measure_node_cost
from tests.support.network import LocalNetwork, Op
from tests.support.programs import CREATE_PROGRAM
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey
from vm.transaction import encode_body, parse_transaction, sign_body

VALIDATORS = 4
ACCOUNTS = 2_000
BATCH = 100
CLIENTS_PER_VALIDATOR = 3
LIGHT_RATE = 200
JSON = {"content-type": "application/json"}


class Signer:
    """Makes signed transfers between the benchmark's accounts."""

    def __init__(self, chain: str) -> None:
        self._chain = chain
        self._keys = [SigningKey(index.to_bytes(32, "big")) for index in range(1, ACCOUNTS + 1)]
        self.addresses = [address_of_key(key.public_key) for key in self._keys]
        self._next = 0

    def transfer(self) -> tuple[str, str]:
        """Return the id and the hex of the next signed transfer."""
        index = self._next
        self._next += 1
        sender = index % ACCOUNTS
        to = self.addresses[(index * 7 + 1) % ACCOUNTS]
        if to == self.addresses[sender]:
            to = self.addresses[(sender + 1) % ACCOUNTS]
        expires = time.time_ns() // 1_000_000 + 590_000
        args = {"program": "miles", "to": to, "amount": 1}
        body = encode_body(self._chain, self.addresses[sender], index, expires, [("token.transfer", args)])
        raw = sign_body(body, [self._keys[sender]])
        return parse_transaction(raw).id.hex(), raw.hex()


def request(method: str, params: dict[str, Any], id_: int = 1) -> dict[str, Any]:
    """Return one JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


async def post(session: aiohttp.ClientSession, url: str, document: Any) -> Any:
    """Post a JSON-RPC document."""
    async with session.post(url, data=orjson.dumps(document)) as response:
        return orjson.loads(await response.read())


def fund(network: LocalNetwork, signer: Signer) -> None:
    """Give every account of the benchmark points to transfer."""
    for start in range(0, ACCOUNTS, 250):
        ops: list[Op] = [
            ("token.issue", {"program": "miles", "to": address, "amount": 1_000_000, "ref": f"bench-{start + i}"})
            for i, address in enumerate(signer.addresses[start : start + 250])
        ]
        network.send(0, "aurora-admin", *ops)


async def saturate(
    network: LocalNetwork, batches: Sequence[tuple[list[str], bytes]], seconds: float
) -> tuple[float, list[float]]:
    """Keep every client busy for `seconds`; return (transactions/s final, latencies of whole batches in ms).

    The rate counts transactions in blocks that became final within the window, as the chain itself tells.
    """
    latencies: list[float] = []
    queue = iter(batches)
    end = time.monotonic() + seconds

    async def client(session: aiohttp.ClientSession, url: str) -> None:
        while time.monotonic() < end and (batch := next(queue, None)) is not None:
            ids, document = batch
            begun = time.monotonic()
            async with session.post(url, data=document) as response:
                answers = orjson.loads(await response.read())
            refused = [answer["error"] for answer in answers if "error" in answer]
            assert not refused, refused[0]
            # Blocks take transactions in order of arrival: when the last is final, all of the batch are.
            answer = await post(session, url, request("tx_wait", {"id": ids[-1], "timeout_ms": 60_000}))
            assert "error" not in answer, answer
            latencies.append((time.monotonic() - begun) * 1_000)

    before, begun = network.height(0), time.monotonic()
    async with aiohttp.ClientSession(headers=JSON, timeout=aiohttp.ClientTimeout(total=120)) as session:
        await asyncio.gather(
            *(client(session, network.url(i)) for i in range(VALIDATORS) for _ in range(CLIENTS_PER_VALIDATOR))
        )
    elapsed = time.monotonic() - begun
    final = sum(
        network.call(0, "chain_block", height=height)["header"]["tx_count"]
        for height in range(before + 1, network.height(0) + 1)
    )
    return final / elapsed, latencies


async def light_load(network: LocalNetwork, signer: Signer, seconds: float) -> list[float]:
    """Send LIGHT_RATE single transfers a second; return the latencies until final, ms."""
    latencies: list[float] = []

    async def one(session: aiohttp.ClientSession, url: str, raw: str, due: float) -> None:
        answer = await post(session, url, request("tx_send", {"tx": raw, "timeout_ms": 30_000}))
        assert answer.get("result", {}).get("status") == "ok", answer
        latencies.append((time.monotonic() - due) * 1_000)

    raws = [signer.transfer()[1] for _ in range(int(seconds * LIGHT_RATE))]
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=JSON, connector=connector) as session, asyncio.TaskGroup() as group:
        start = time.monotonic()
        for index, raw in enumerate(raws):
            due = start + index / LIGHT_RATE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(one(session, network.url(index % VALIDATORS), raw, due))
    return latencies


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Return p50, p95 and p99, rounded to ms."""
    cuts = statistics.quantiles(values, n=100)
    return {"p50": round(cuts[49]), "p95": round(cuts[94]), "p99": round(cuts[98])}


def run(seconds: float) -> dict[str, Any]:
    """Run the whole benchmark; return its figures."""
    with tempfile.TemporaryDirectory(prefix="entente-bench-") as folder:
        cost_us, verify_us = measure_node_cost(Path(folder) / "cost")
        cores = len(os.sched_getaffinity(0))
        bound = cores * 1e6 / (VALIDATORS * (cost_us + verify_us))
        with LocalNetwork(Path(folder) / "net", ops=[CREATE_PROGRAM]) as network:
            signer = Signer(network.manifest.chain)
            fund(network, signer)
            light = asyncio.run(light_load(network, signer, max(5.0, seconds / 4)))
            # More than the machine can take in the time: the window must never run dry.
            count = int(seconds * bound * 1.2) // BATCH
            batches = [_batch(signer) for _ in range(count)]
            cpu = [network.cpu_seconds(i) for i in range(VALIDATORS)]
            begun = time.monotonic()
            rate, latencies = asyncio.run(saturate(network, batches, seconds))
            elapsed = time.monotonic() - begun
            used = [(network.cpu_seconds(i) - cpu[i]) / elapsed for i in range(VALIDATORS)]
    return {
        "transactions_per_second": round(rate),
        "latency_ms_at_saturation": quantiles(latencies),
        f"latency_ms_at_{LIGHT_RATE}_per_second": quantiles(light),
        "cpu_per_node": [round(share, 2) for share in used],
        "non_signature_cost_us": round(cost_us, 1),
        "verify_us": round(verify_us, 1),
        "cores": cores,
        "bound_transactions_per_second": round(bound),
        "fraction_of_bound": round(rate / bound, 2),
        "seconds": seconds,
    }


def _batch(signer: Signer) -> tuple[list[str], bytes]:
    pairs = [signer.transfer() for _ in range(BATCH)]
    document = [request("tx_submit", {"tx": raw}, i) for i, (_, raw) in enumerate(pairs)]
    return [tx_id for tx_id, _ in pairs], orjson.dumps(document)


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = run(options.seconds)
    if options.json:
        sys.stdout.write(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        for name, value in figures.items():
            sys.stdout.write(f"{name.replace('_', ' '):40} {value}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
