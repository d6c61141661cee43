"""Purchases final per second at four real validators, a hundred in a transaction: recorded, and issued by hand.

    python -m tests.bench.bench_purchases [--seconds 20] [--rounds 2]

The two loads run in turn on one network, so that a slow minute of the machine hits both: `campaign.record` with one
firing rule that issues, and `token.issue` with a reference. Each client sends its next transaction to its
validator when the former is final. CPU is all four validators', in PyNaCl verifications of the same run (V).
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.bench_transactions import JSON, VALIDATORS, post, request
from tests.support.network import LocalNetwork, Op
from tests.support.programs import CREATE_PROGRAM
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey
from vm.transaction import encode_body, parse_transaction, sign_body, signatures_valid

MEMBERS = 2_000
OPS = 100
CLIENTS_PER_VALIDATOR = 4
DAY_MS = 86_400_000
VERIFIED = 200


class Till:
    """Signs purchases of the benchmark's members."""

    def __init__(self, network: LocalNetwork) -> None:
        self._chain = network.manifest.chain
        self._sender, self._key = network.account("aurora-admin")
        keys = [SigningKey(index.to_bytes(32, "big")) for index in range(1, MEMBERS + 1)]
        self._members = [address_of_key(key.public_key) for key in keys]
        self._numbers = count()
        self._nonces = count(10**6)

    def _signed(self, op: Callable[[int, str], Op]) -> str:
        ops = []
        for _ in range(OPS):
            number = next(self._numbers)
            ops.append(op(number, self._members[number * 7 % MEMBERS]))
        expires = time.time_ns() // 1_000_000 + 590_000
        return sign_body(
            encode_body(self._chain, self._sender, next(self._nonces), expires, ops), [self._key]
        ).hex()

    def records(self) -> str:
        """Return a transaction that records purchases."""
        at = time.time_ns() // 1_000_000 - 60_000
        return self._signed(lambda number, member: ("campaign.record", _record(number, member, at)))

    def issues(self) -> str:
        """Return a transaction that issues points for purchases."""
        return self._signed(
            lambda number, member: (
                "token.issue",
                {"program": "miles", "to": member, "amount": 25, "ref": f"purchase-{number}"},
            )
        )


def _record(number: int, member: str, at: int) -> dict[str, Any]:
    purchase = {"brand": "aurora", "event": "purchase", "member": member, "ref": f"purchase-{number}"}
    return {**purchase, "at": at, "attrs": {"amount": 2_550, "channel": "store"}}


def campaign_op() -> Op:
    """Return a campaign whose one rule fires for each purchase."""
    now = time.time_ns() // 1_000_000
    campaign = {"campaign": "bench", "brand": "aurora", "event": "purchase", "when": "event.amount >= 100"}
    then = [{"issue": {"program": "miles", "amount": "event.amount / 100"}}]
    budget = {"program": "miles", "amount": 10**12}
    times = {"starts": now - DAY_MS, "ends": now + DAY_MS}
    return "campaign.create", {**campaign, "then": then, **times, "budget": budget, "priority": 0}


async def saturate(network: LocalNetwork, make: Callable[[], str], seconds: float) -> tuple[int, list[float]]:
    """Keep all clients busy; return how many operations became final, and the times of their transactions, ms."""
    end = time.monotonic() + seconds
    latencies: list[float] = []

    async def client(session: aiohttp.ClientSession, url: str) -> None:
        while time.monotonic() < end:
            begun = time.monotonic()
            answer = await post(session, url, request("tx_send", {"tx": make(), "timeout_ms": 60_000}))
            receipt = answer["result"]
            if receipt["status"] == "failed" and receipt["error"]["op"] == -1:
                continue  # Its block had no work units left; nothing of it happened.
            assert receipt["status"] == "ok", receipt
            latencies.append((time.monotonic() - begun) * 1_000)

    async with aiohttp.ClientSession(headers=JSON, timeout=aiohttp.ClientTimeout(total=120)) as session:
        clients = range(VALIDATORS * CLIENTS_PER_VALIDATOR)
        await asyncio.gather(*(client(session, network.url(index % VALIDATORS)) for index in clients))
    return len(latencies) * OPS, latencies


def verification_us(till: Till) -> float:
    """Return what one PyNaCl verification takes, µs of CPU."""
    signed = [parse_transaction(bytes.fromhex(till.issues())) for _ in range(VERIFIED)]
    begun = time.process_time()
    assert all(signatures_valid(transaction) for transaction in signed)
    return (time.process_time() - begun) * 1e6 / VERIFIED


def run(seconds: float, rounds: int) -> None:
    """Run both loads in turn, and print each run."""
    folder = tempfile.TemporaryDirectory(prefix="entente-bench-")
    with folder as path, LocalNetwork(Path(path) / "net", ops=[CREATE_PROGRAM]) as network:
        network.send(0, "aurora-admin", campaign_op())
        till = Till(network)
        verify_us = verification_us(till)
        sys.stdout.write(f"one PyNaCl verification (V): {verify_us:.0f} µs\n")
        for _ in range(rounds):
            for name, make in (("campaign.record", till.records), ("token.issue", till.issues)):
                _measure(network, name, make, seconds, verify_us)


def _measure(network: LocalNetwork, name: str, make: Callable[[], str], seconds: float, verify_us: float) -> None:
    cpu = [network.cpu_seconds(index) for index in range(VALIDATORS)]
    begun = time.monotonic()
    ops, latencies = asyncio.run(saturate(network, make, seconds))
    elapsed = time.monotonic() - begun
    used = [network.cpu_seconds(index) - before for index, before in enumerate(cpu)]
    per_op_us = statistics.mean(used) * 1e6 / ops
    median = statistics.median(latencies)
    sys.stdout.write(
        f"{name:16} {ops / elapsed:7,.0f} final a second, transactions p50 {median:5,.0f} ms; "
        f"CPU of a node {per_op_us:4.0f} µs an operation = {per_op_us / verify_us:.2f} V\n"
    )
    sys.stdout.flush()


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    run(options.seconds, options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
