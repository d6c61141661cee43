"""Attack 3: a bad brand admin fills the list of proposals; then one stranger per node reads all of it."""

from __future__ import annotations

import asyncio
import collections
import secrets
import time
from typing import Any, Final

from tests.attack.scene import Attacker, Options, Scene
from tests.attack.target import Target, fresh_address
from tests.attack.verdict import Row
from tests.attack.wire import Wire, calls, reasons

PROPOSALS: Final = 1_000
PER_BATCH: Final = 20
FILL_SECONDS: Final = 90.0
PAGE: Final = 1_000


def _fat_actions() -> list[dict[str, Any]]:
    """Return 75 KB of actions, each of them possible."""
    admins = [fresh_address() for _ in range(16)]
    offsets = [{"from": step * 1_000 + 1, "minutes": 60} for step in range(200)]
    return [
        {"action": "register_brand", "brand": f"zz-{i}", "name": "n" * 64, "admins": admins, "offsets": offsets}
        for i in range(16)
    ]


async def fill(target: Target, ready: asyncio.Event, *, seconds: float) -> dict[str, Any]:
    """Propose until there are enough, the time is over, or a whole batch is refused."""
    counts: collections.Counter[str] = collections.Counter()
    actions, key = _fat_actions(), target.keys["basil"]
    ready.set()
    end = time.monotonic() + seconds
    wire = await Wire.open(target.ports[1], "127.0.0.33")
    while counts["proposals"] < PROPOSALS and time.monotonic() < end:
        names = [f"g{secrets.token_hex(6)}" for _ in range(PER_BATCH)]
        ops = [("gov.propose", {"proposal": name, "title": "t", "actions": actions}) for name in names]
        raws = [target.sign(key, [op]) for op in ops]
        answer = await wire.post(calls([("tx_send", {"tx": raw, "timeout_ms": 30_000}) for raw in raws]))
        document = answer.document()
        entries = document if isinstance(document, list) else []
        made = sum(entry.get("result", {}).get("status") == "ok" for entry in entries)
        counts["proposals"] += made
        counts["refused proposals"] += PER_BATCH - made
        if made == 0:
            break
    wire.close()
    return dict(counts)


async def read(target: Target, ready: asyncio.Event, *, seconds: float) -> dict[str, Any]:
    """Read whole lists from every node, one reader each; follow the cursors."""
    counts: collections.Counter[str] = collections.Counter()
    end = time.monotonic() + seconds
    ready.set()
    await asyncio.gather(*[_read_node(port, end, counts) for port in target.ports])
    return dict(counts)


async def _read_node(port: int, end: float, counts: collections.Counter[str]) -> None:
    cursor = None
    while time.monotonic() < end:
        try:
            wire = await Wire.open(port, "127.0.0.35")
            while time.monotonic() < end:
                params = {"limit": PAGE} | ({} if cursor is None else {"cursor": cursor})
                answer = await wire.post(calls([("gov_proposals", params)]))
                outcome = reasons(answer)[0]
                counts["lists read" if outcome == "ok" else outcome] += 1
                cursor = answer.document()["result"]["next"] if outcome == "ok" else None
        except OSError:
            counts["lists not answered"] += 1
            await asyncio.sleep(0.1)


def play(options: Options) -> list[Row]:
    """Fill the list, then read it beside a till."""
    with Scene(options) as scene:
        return scene.measure(
            "proposals",
            "a brand's admin, then anonymous",
            [Attacker("proposals", "read")],
            prepare=[Attacker("proposals", "fill", {"seconds": FILL_SECONDS})],
        )
