"""Attack 14: malformed input in great number: a node answers with reasons, never INTERNAL, and keeps nothing."""

from __future__ import annotations

import asyncio
import collections
from typing import Any, Final

import orjson

from tests.attack.malformed_cases import Cases
from tests.attack.scene import Attacker, Options, Scene
from tests.attack.target import Target, fresh_key
from tests.attack.verdict import Row
from tests.attack.wire import Answer, Wire, calls, request

HTTP_CASES: Final = 8
JSON_CASES: Final = 42
ENTRIES: Final = 150
TRANSACTIONS: Final = 200
PER_ROUND: Final = HTTP_CASES + JSON_CASES + ENTRIES + TRANSACTIONS
HTTP_SECONDS: Final = 0.3
"""An unfinished request gets no answer; the connection is closed then."""

ROUNDS_AT_ONCE: Final = 6
CASES_PER_SECOND: Final = 250
"""Far below what the slowest machine takes; it bounds the run in time."""

INTERNAL: Final = -32603
WRONG_VERSION: Final = 505
SAMPLES: Final = 5


class _Faults:
    """What nodes must never answer, with the first few cases that they answered so."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.samples: list[str] = []

    def check(self, level: str, case: Any, answer: Answer) -> None:
        """Count an answer, and keep its case where it is a fault."""
        self.counts[f"HTTP {answer.status}"] += 1
        document = answer.document()
        entries = document if isinstance(document, list) else [document]
        codes = [e["error"]["code"] for e in entries if isinstance(e, dict) and isinstance(e.get("error"), dict)]
        self.counts["limited"] += answer.status == 429
        # 505 is the right word for another version of HTTP; what else begins with 5 is the node's own fault.
        if (answer.status >= 500 and answer.status != WRONG_VERSION) or INTERNAL in codes:
            self.note(f"{level}: {answer.body[:200]!r} for {str(case)[:400]}")

    def note(self, what: str) -> None:
        """Count a fault."""
        self.counts["faults"] += 1
        if len(self.samples) < SAMPLES:
            self.samples.append(what)


async def attack(target: Target, ready: asyncio.Event, *, seconds: float, cases: int, seed: int) -> dict[str, Any]:
    """Send so many cases, some rounds at once, to all nodes in turn."""
    faults = _Faults()
    methods = await _methods(target)
    key = fresh_key()
    ops = [("token.burn", {"program": "miles", "amount": 1})]
    body, raw = target.body(key, ops), bytes.fromhex(target.sign(key, ops))
    rounds = iter(range(-(-cases // PER_ROUND)))
    ready.set()

    async def work() -> None:
        for number in rounds:
            stream = Cases(f"{seed}/{number}", methods, raw, body)
            port = target.ports[number % len(target.ports)]
            await _round(port, f"127.0.14.{number % 200 + 1}", stream, faults)
            faults.counts["cases"] += PER_ROUND

    await asyncio.gather(*[work() for _ in range(ROUNDS_AT_ONCE)])
    return {**faults.counts, "samples": faults.samples}


async def _methods(target: Target) -> dict[str, list[str]]:
    wire = await Wire.open(target.ports[0], "127.0.14.250")
    answer = await wire.post(calls([("rpc.discover", {})]))
    wire.close()
    described = answer.document()["result"]["methods"]
    return {method["name"]: [param["name"] for param in method["params"]] for method in described}


async def _round(port: int, source: str, stream: Cases, faults: _Faults) -> None:
    await asyncio.gather(
        _posts(port, source, stream, faults),
        *[_http(port, source, stream.http(), faults) for _ in range(HTTP_CASES)],
    )


async def _posts(port: int, source: str, stream: Cases, faults: _Faults) -> None:
    wire = await Wire.open(port, source)
    bodies = [stream.json() for _ in range(JSON_CASES)]
    batches = [[stream.entry() for _ in range(ENTRIES)], [stream.transaction() for _ in range(TRANSACTIONS)]]
    try:
        for body in bodies:
            wire.write(request(body))
        for body in bodies:
            faults.check("JSON", body, await asyncio.wait_for(wire.answer(), 60.0))
        for level, batch in zip(("JSON-RPC", "transaction"), batches, strict=True):
            faults.check(level, batch, await wire.post(orjson.dumps(batch)))
    except (OSError, TimeoutError) as error:
        faults.note(f"a node hung up, or did not answer well-formed HTTP: {error}")
    finally:
        wire.close()


async def _http(port: int, source: str, raw: bytes, faults: _Faults) -> None:
    wire = await Wire.open(port, source)
    try:
        wire.write(raw)
        answer = await asyncio.wait_for(wire.answer(), HTTP_SECONDS)
        faults.check("HTTP", raw, answer)
    except (OSError, TimeoutError):
        faults.counts["hung up or waiting for more"] += 1
    finally:
        wire.close()


def play(options: Options) -> list[Row]:
    """Send the cases; the till that sells afterwards shows that nothing was kept."""
    seconds = options.cases / CASES_PER_SECOND + 30.0
    with Scene(options) as scene:
        attacker = Attacker(
            "malformed", "attack", {"cases": options.cases, "seed": options.seed, "seconds": seconds}
        )
        rows = scene.measure("malformed", "anonymous", [], prepare=[attacker], till_seconds=5.0)
        return [judged(row) for row in rows]


def judged(row: Row) -> Row:
    """Return the row with the faults that the attacker saw."""
    done = dict(row.done)
    samples = done.pop("samples")
    return row.with_faults(done, tuple(samples))
