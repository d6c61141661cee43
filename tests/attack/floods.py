"""Attack 5: a bad brand admin, or a stranger with many keys, sends transactions that each take most of a block."""

from __future__ import annotations

import asyncio
import collections
import time
from typing import Any, Final

from node.store import StoreOptions
from tests.attack.scene import ORDINARY_TILL, Attacker, Options, Scene
from tests.attack.target import Target, fresh_address, fresh_key
from tests.attack.verdict import Row
from tests.attack.wire import Wire, calls, reasons

TRANSACTIONS: Final = 150
ISSUES: Final = 450
AUTHS: Final = 600
PER_BATCH: Final = 4
PAUSE_SECONDS: Final = 0.3
OTHER_NODE: Final = 2
CACHES_MIB: Final = (
    sum(
        (
            StoreOptions().page_cache_bytes,
            StoreOptions().value_cache_bytes,
            StoreOptions().block_cache_bytes,
            2 * StoreOptions().write_buffer_bytes,
        )
    )
    >> 20
)
"""What these floods write is state, 60,000 accounts of it, and stays in the store's caches up to their bounds."""

SOURCE: Final = "127.0.0.140"


def heavy(target: Target, kind: str) -> str:
    """Return a transaction of as much work as one may hold."""
    if kind == "brand":
        ops = [("token.issue", {"program": "herbs", "to": fresh_address(), "amount": 1}) for _ in range(ISSUES)]
        return target.sign(target.keys["basil"], ops)
    key = fresh_key()
    ops = [("identity.set_auth", {"keys": [key.public_key.hex()], "threshold": 1})] * AUTHS
    return target.sign(key, ops)


async def attack(target: Target, ready: asyncio.Event, *, seconds: float, kind: str) -> dict[str, Any]:
    """Submit through one node, some four batches a second."""
    counts: collections.Counter[str] = collections.Counter()
    pool = [heavy(target, kind) for _ in range(TRANSACTIONS)]
    wire = await Wire.open(target.ports[ORDINARY_TILL], SOURCE)
    ready.set()
    end = time.monotonic() + seconds
    while pool and time.monotonic() < end:
        part, pool = pool[:PER_BATCH], pool[PER_BATCH:]
        try:
            outcomes = reasons(await wire.post(calls([("tx_submit", {"tx": raw}) for raw in part])))
            counts.update("submitted" if outcome == "ok" else outcome for outcome in outcomes)
        except OSError:
            counts["batches without an answer"] += 1
            wire.close()
            wire = await Wire.open(target.ports[ORDINARY_TILL], SOURCE)
        await asyncio.sleep(PAUSE_SECONDS)
    wire.close()
    return dict(counts)


def play(options: Options) -> list[Row]:
    """Run both floods, each on a network of its own, beside tills of the flooded node and of another."""
    rows = []
    for kind, who in (("brand", "another brand's admin"), ("anonymous", "anonymous, many keys")):
        with Scene(options) as scene:
            attackers = [Attacker("floods", "attack", {"kind": kind})]
            rows += scene.measure(
                f"flood: {kind}", who, attackers, tills=(ORDINARY_TILL, OTHER_NODE), allowed_mib=CACHES_MIB
            )
    return rows
