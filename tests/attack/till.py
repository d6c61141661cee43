"""A till beside the attack: a process of its own, from its own address, that issues points five times a second.

    python -m tests.attack.till TESTNET --index 1 --source 127.0.0.77 --seconds 20

Each transaction is sent at its time on a connection of its own, whatever became of the ones before, as tills of
many shops would do it. It prints, as JSON, how long each receipt took and why others did not come.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import time
from pathlib import Path

from tests.attack.target import Target, fresh_address
from tests.attack.wire import Wire, calls, reasons

RATE = 5.0
WAIT_MS = 30_000
"""A shopper has left long before; what takes longer counts as refused."""


class Till:
    """Sends on a fixed schedule.

    Attributes:
        latencies_ms: of the receipts that came, in the order of their coming.
        refused: why the others did not.
    """

    def __init__(self, target: Target, index: int, source: str) -> None:
        self._target = target
        self._port = target.ports[index]
        self._source = source
        self._to = fresh_address()
        self.latencies_ms: list[float] = []
        self.refused: collections.Counter[str] = collections.Counter()

    async def run(self, count: int, rate: float) -> None:
        """Send `count` transactions, and wait for what becomes of them."""
        started = time.monotonic()
        tasks = []
        for number in range(count):
            await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
            tasks.append(asyncio.create_task(self._one()))
        await asyncio.gather(*tasks)

    async def _one(self) -> None:
        issue = ("token.issue", {"program": "miles", "to": self._to, "amount": 1})
        raw = self._target.sign(self._target.keys["aurora"], [issue])
        began = time.monotonic()
        try:
            wire = await Wire.open(self._port, self._source, timeout_s=WAIT_MS / 1_000)
            try:
                answer = await wire.post(
                    calls([("tx_send", {"tx": raw, "timeout_ms": WAIT_MS})]), timeout_s=WAIT_MS / 1_000 + 5
                )
            finally:
                wire.close()
        except OSError as error:
            self.refused[str(error)[:60] or type(error).__name__] += 1
            return
        outcome = reasons(answer)[0]
        if outcome == "ok":
            self.latencies_ms.append((time.monotonic() - began) * 1_000)
        else:
            self.refused[outcome] += 1


def main() -> None:
    """Run and print what the till saw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("testnet", type=Path)
    parser.add_argument("--index", type=int, default=1)
    parser.add_argument("--source", default="127.0.0.77")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=RATE)
    options = parser.parse_args()
    till = Till(Target.load(options.testnet), options.index, options.source)
    asyncio.run(till.run(max(1, round(options.seconds * options.rate)), options.rate))
    print(json.dumps({"latencies_ms": till.latencies_ms, "refused": till.refused}))


if __name__ == "__main__":
    main()
