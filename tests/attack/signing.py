"""Attack 13: a validator whose log knows of later heights, whose data is lost, and whose peers are out of reach.

The votes of early heights have left the log by rotation. If the validator signed at one of them again, it would
contradict itself without a warning, and `gov.report` would take the proof. Whatever it signs, it writes to
its log first: a log that does not grow is a validator that did not sign.
"""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path
from typing import Any, Final

from tests.attack.scene import Options, Scene
from tests.attack.target import Target
from tests.attack.verdict import Row

VICTIM: Final = 0
MAX_ROUNDS: Final = 40
PER_ROUND: Final = 10
WATCH_SECONDS: Final = 12.0
"""Six times a round's timeout: a validator that would sign has signed by then."""

WARNINGS: Final = (" WARNING ", " ERROR ")


def play(options: Options) -> list[Row]:
    """Rotate the log, lose the data, and hand the validator a transaction."""
    with Scene(options) as scene:
        network = scene.network
        target = Target.load(network.directory)
        done: dict[str, Any] = {"blocks before": _rotate(scene, target)}
        for index in range(len(target.ports)):
            network.kill(index, signal.SIGTERM)
        home = network.home(VICTIM)
        shutil.rmtree(home / "data")
        told = len(network.log_file(VICTIM).read_bytes())
        network.start(VICTIM)
        network.wait_for(lambda: scene.page(VICTIM, "/health")[0] == 200, "the victim is alive")
        log = _vote_log(home)
        size = log.stat().st_size
        question = {"jsonrpc": "2.0", "id": 1, "method": "tx_submit", "params": {"tx": target.stuffed(100)}}
        answer = network.post(VICTIM, question)
        done["transaction"] = "taken" if "result" in answer else answer["error"]["data"]["reason"]
        grown = _growth(log, size)
        health = network.call(VICTIM, "node_health")
        text = network.log_file(VICTIM).read_bytes()[told:].decode(errors="replace")
        done |= {"bytes signed": grown, "reasons": health["reasons"]}
        return [_row(done, grown, health, text, scene)]


def _row(done: dict[str, Any], grown: int, health: dict[str, Any], text: str, scene: Scene) -> Row:
    faults = []
    if grown > 0:
        faults.append(f"the validator signed below what its log knows: its log grew by {grown} bytes")
    warned = any(level in line for line in text.splitlines() for level in WARNINGS)
    if not warned and not any("recover" in reason for reason in health["reasons"]):
        faults.append("neither the log nor node_health tells why the validator must not sign")
    return Row(
        "sign below the log", "an operator's mistake", done, ended=tuple(scene.ended()), faults=tuple(faults)
    )


def _rotate(scene: Scene, target: Target) -> int:
    """Send large transactions until the victim's vote log has begun a new file; return the height then."""
    network = scene.network
    log = _vote_log(network.home(VICTIM))
    first = log.stat().st_ino
    for _ in range(MAX_ROUNDS):
        for _ in range(PER_ROUND):
            network.call(1, "tx_submit", tx=target.stuffed())
        height = network.height(VICTIM)
        network.wait_for(lambda height=height: network.height(VICTIM) > height, "a further block")
        if log.stat().st_ino != first:
            return network.height(VICTIM)
    raise AssertionError("the vote log did not rotate")


def _vote_log(home: Path) -> Path:
    return home / "wal" / "consensus.wal"


def _growth(log: Path, size: int) -> int:
    """Return by how much the log exceeded its size at any moment of the watch."""
    deadline = time.monotonic() + WATCH_SECONDS
    largest = size
    while time.monotonic() < deadline:
        largest = max(largest, log.stat().st_size)
        time.sleep(0.1)
    return largest - size
