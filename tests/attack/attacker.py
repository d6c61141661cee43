"""The process of one attacker: `python -m tests.attack.attacker MODULE FUNCTION TESTNET ARGUMENTS` (JSON).

The function is a coroutine that takes the target, an event to set once the attack is under way, and its arguments,
and returns counts of what it did. The process prints `ready` when the event is set, and the counts, as JSON, at the
end. It ends by itself after `seconds` and a minute, whatever happens: a suite that is killed leaves no attacker
behind.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import resource
import sys
from pathlib import Path
from typing import Any

from tests.attack.target import Target

GRACE_SECONDS = 60.0
OPEN_FILES = 16_384
"""Above what any attack opens (6,000 connections); the product's limits are to hold, not ours."""


async def attack(module: str, function: str, directory: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run one attack and return its counts."""
    ready = asyncio.Event()
    telling = asyncio.create_task(_tell(ready))
    coroutine = getattr(importlib.import_module(f"tests.attack.{module}"), function)
    try:
        async with asyncio.timeout(float(arguments["seconds"]) + GRACE_SECONDS):
            counts: dict[str, Any] = await coroutine(Target.load(directory), ready, **arguments)
    finally:
        telling.cancel()
    return counts


async def _tell(ready: asyncio.Event) -> None:
    await ready.wait()
    print("ready", flush=True)


def main() -> None:
    """Run the attack that the command line names."""
    module, function, directory, arguments = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    counts = asyncio.run(attack(module, function, Path(directory), json.loads(arguments)))
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
