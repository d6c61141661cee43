"""An open-loop load of transfers: so many a second on a fixed schedule, whatever becomes of the former ones.

Each transfer is signed once. Where a validator does not answer, refuses, or does not finish in time, the same
bytes go to the next one, as a till would do it, until a receipt has come. Latency counts from when the
transfer was due, so that a client that is kept waiting is not counted as fast.
"""

from __future__ import annotations

import asyncio
import collections
import statistics
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import aiohttp
import orjson

from tests.support.network import LocalNetwork, Op
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey

FUNDS = 1_000_000
ATTEMPT_MS = 4_000
PAUSE_SECONDS = 0.1
CONNECTIONS = 200
"""To one validator, which allows 256 from one address; the others are for whoever looks on."""


class Sample(NamedTuple):
    """One transfer that became final."""

    due_s: float
    done_s: float
    sender: int

    @property
    def latency_ms(self) -> float:
        """Return how long its client waited."""
        return (self.done_s - self.due_s) * 1_000


class Accounts:
    """Accounts that pay each other."""

    def __init__(self, network: LocalNetwork, count: int = 50, first_seed: int = 1) -> None:
        self._keys = [SigningKey((first_seed + i).to_bytes(32, "big")) for i in range(count)]
        self.addresses = [address_of_key(key.public_key) for key in self._keys]
        self._network = network
        self._next = 0

    def fund(self, index: int = 0) -> None:
        """Issue points to all of them, through one validator."""
        ops: list[Op] = [
            ("token.issue", {"program": "miles", "to": address, "amount": FUNDS, "ref": f"float-{address}"})
            for address in self.addresses
        ]
        self._network.send(index, "aurora-admin", *ops)

    def transfer(self) -> tuple[int, str]:
        """Return the sender's number and the next signed transfer in hex."""
        count = len(self.addresses)
        sender = self._next % count
        to = self.addresses[(sender + 1 + self._next // count % (count - 1)) % count]
        self._next += 1
        op = ("token.transfer", {"program": "miles", "to": to, "amount": 1})
        return sender, self._network.sign(self.addresses[sender], self._keys[sender], [op], ttl_ms=500_000)


class OpenLoad:
    """The load, on a thread of its own.

    Args:
        targets: the validators to which clients speak; one that is down is tried and passed over.
    """

    def __init__(self, network: LocalNetwork, accounts: Accounts, rate: float, targets: Sequence[int]) -> None:
        self._network = network
        self._accounts = accounts
        self._rate = rate
        self._targets = list(targets)
        self._stop = threading.Event()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load", daemon=True)
        self.started_s = 0.0
        self.sent = 0
        self.samples: list[Sample] = []
        self.receipts: dict[str, dict[str, Any]] = {}
        self.unanswered = 0
        self.refusals: collections.Counter[str] = collections.Counter()

    def start(self) -> None:
        """Begin."""
        self.started_s = time.monotonic()
        self._thread.start()

    def finish(self, drain_s: float = 60.0) -> None:
        """Send no more; wait for the receipts of what was sent, for so long at most."""
        self._deadline = time.monotonic() + drain_s
        self._stop.set()
        self._thread.join(timeout=drain_s + 30)
        assert not self._thread.is_alive(), "a client hangs"

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS)
        timeout = aiohttp.ClientTimeout(total=ATTEMPT_MS / 1_000 + 2, sock_connect=1.0)
        headers = {"content-type": "application/json"}
        tasks: set[asyncio.Task[None]] = set()
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
            while not self._stop.is_set():
                due_s = self.started_s + self.sent / self._rate
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                sender, raw = self._accounts.transfer()
                task = asyncio.create_task(self._one(session, self.sent, sender, raw, due_s))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                self.sent += 1
            await asyncio.gather(*tasks)

    async def _one(self, session: aiohttp.ClientSession, number: int, sender: int, raw: str, due_s: float) -> None:
        attempt = 0
        while time.monotonic() < self._deadline:
            target = self._targets[(number + attempt) % len(self._targets)]
            receipt = await self._try(session, self._network.url(target), raw)
            if receipt is not None:
                self.samples.append(Sample(due_s, time.monotonic(), sender))
                self.receipts[str(receipt["id"])] = receipt
                return
            attempt += 1
            await asyncio.sleep(PAUSE_SECONDS)
        self.unanswered += 1

    async def _try(self, session: aiohttp.ClientSession, url: str, raw: str) -> dict[str, Any] | None:
        params = {"tx": raw, "timeout_ms": ATTEMPT_MS}
        document = {"jsonrpc": "2.0", "id": 1, "method": "tx_send", "params": params}
        try:
            async with session.post(url, data=orjson.dumps(document)) as response:
                answer = orjson.loads(await response.read())
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            self.refusals[type(error).__name__] += 1
            return None
        if "error" in answer:
            self.refusals[str(answer["error"]["message"]).split(":")[0][:60]] += 1
            return None
        receipt: dict[str, Any] = answer["result"]
        return receipt

    # -- figures -----------------------------------------------------------------------------------

    def latencies(self, first_s: float = 0.0, last_s: float = float("inf")) -> dict[str, int]:
        """Return quantiles of the latency of what was due in a span of time, in ms."""
        return quantiles([sample.latency_ms for sample in self.samples if first_s <= sample.due_s < last_s])

    def outages(self, longer_than_s: float) -> list[tuple[float, float]]:
        """Return (beginning, length) of spans without any receipt, in seconds since the start."""
        moments = sorted(sample.done_s - self.started_s for sample in self.samples)
        spans = zip([0.0, *moments], moments, strict=False)
        return [(first, second - first) for first, second in spans if second - first > longer_than_s]


def quantiles(values: Sequence[float]) -> dict[str, int]:
    """Return p50, p95, p99 and the greatest, rounded."""
    if len(values) < 2:
        return {"count": len(values)}
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {
        "count": len(values),
        "p50": round(cuts[49]),
        "p95": round(cuts[94]),
        "p99": round(cuts[98]),
        "max": round(max(values)),
    }
