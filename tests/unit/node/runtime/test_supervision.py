"""What runs in the background runs under supervision: who starts a task or a timer says what its failure ends."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
ROOMS = ("network", "node")
STARTERS = {"create_task", "ensure_future", "call_later", "call_at", "call_soon", "call_soon_threadsafe"}
COMMANDS = tuple(f"node/{room}/" for room in ("cli", "demo", "moving", "client", "statements", "testnet"))
"""Commands run once and end; an exception in them is told by the command."""

ALLOWED = {
    "network/tasks.py": "the supervised ways",
    "node/runtime/supervisor.py": "the supervised way of what lasts as long as the node",
    "network/transport.py": "timers of one connection",
    "network/listener.py": "timers of one guest before its handshake is over",
    "node/gateway/connections.py": "a timer of one client's connection",
    "node/gateway/read_turns.py": "a callback for one client's read",
    "node/gateway_process/call_server.py": "a callback that begins the tasks of calls",
    "node/gateway/transaction_methods.py": "awaited at once by the request that started it",
    "node/validator/block_tasks.py": "its done callback hands every exception to the supervisor",
    "node/validator/block_processor.py": "awaited by the task that asks for transactions",
    "node/sync/block_sync_driver.py": "requests, awaited by the driver's own task",
    "node/sync/snapshot_driver.py": "parts of a snapshot, awaited by the driver's own task",
    "node/assembly/node.py": "hands damage that a thread has found to the loop, and there to the supervisor",
    "node/load/running.py": "clients of a load, awaited by the command that puts it on",
    "node/assembly/process.py": "waits for the first of the process's own events",
}


def sources() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def starts(path: Path) -> set[str]:
    calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return {func.attr for func in calls if isinstance(func, ast.Attribute)} & STARTERS


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_started_without_supervision(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    if name.startswith(COMMANDS):
        return
    assert not starts(path) or name in ALLOWED, f"{name}: use network.tasks, or say here why not"


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_is_needed(name: str) -> None:
    assert starts(ROOT / name)
