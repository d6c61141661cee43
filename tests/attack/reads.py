"""Attack 4: one address asks for what costs most, on as many connections as it may have, without a pause."""

from __future__ import annotations

import asyncio
import collections
import secrets
import time
from typing import Any, Final

from tests.attack.scene import ORDINARY_TILL, Attacker, Options, Scene
from tests.attack.target import Target, address, fresh_address
from tests.attack.verdict import Row
from tests.attack.wire import Wire, calls, reasons

CONNECTIONS: Final = 250
SOURCE: Final = "127.0.0.66"
OPS: Final = 900
KINDS: Final = ("simulate", "simulate-past", "simulate-batch", "proofs", "transactions", "discover")


def request_of(target: Target, kind: str) -> bytes:
    """Return the body of one expensive request."""
    key = target.keys["aurora"]
    if kind.startswith("simulate"):
        ops = [("token.issue", {"program": "miles", "to": fresh_address(), "amount": 1}) for _ in range(OPS)]
        params: dict[str, Any] = {"body": target.body(key, ops).hex()}
        if kind == "simulate-past":
            params["height"] = 1
        return calls([("tx_simulate", params)] * (10 if kind == "simulate-batch" else 1))
    if kind == "proofs":
        return calls([("state_proof", {"key": f"identity/account/{fresh_address()}"}) for _ in range(100)])
    if kind == "transactions":
        filters = {"limit": 1_000, "account": address(key), "brand": "aurora", "call": "token.issue"}
        return calls([("chain_transactions", filters)])
    return calls([("rpc.discover", {})] * 50)


async def attack(target: Target, ready: asyncio.Event, *, seconds: float, kind: str) -> dict[str, Any]:
    """Ask on all connections until the time is over."""
    counts: collections.Counter[str] = collections.Counter()
    end = time.monotonic() + seconds
    bodies = [request_of(target, kind) for _ in range(8)]
    port = target.ports[ORDINARY_TILL]
    tasks = [asyncio.create_task(_ask(port, bodies, end, counts)) for _ in range(CONNECTIONS)]
    ready.set()
    _, late = await asyncio.wait(tasks, timeout=max(0.1, end - time.monotonic()))
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    return dict(counts)


async def _ask(port: int, bodies: list[bytes], end: float, counts: collections.Counter[str]) -> None:
    while time.monotonic() < end:
        wire = None
        try:
            wire = await Wire.open(port, SOURCE)
            counts["connections"] += 1
            while time.monotonic() < end:
                counts["requests"] += 1
                outcomes = reasons(await wire.post(secrets.choice(bodies), timeout_s=120.0))
                counts["answers"] += 1
                counts.update(outcome for outcome in set(outcomes) if outcome != "ok")
        except OSError:
            counts["connections lost"] += 1
            await asyncio.sleep(0.1)
        finally:
            if wire is not None:
                wire.close()


def play(options: Options) -> list[Row]:
    """Run each kind of read beside a till of the same node, on a network that no other kind has filled."""
    rows = []
    for kind in KINDS:
        with Scene(options) as scene:
            attackers = [Attacker("reads", "attack", {"kind": kind})]
            rows += scene.measure(f"reads: {kind}", "anonymous, 1 address", attackers)
    return rows
