"""The command line against four real validators: the README's tour, and what Ctrl-C leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genesis.testnet import BRANDS, load_manifest
from node.testnet.processes import running_pid, stop_nodes
from tests.support.ports import free_ports

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
ENTENTE = [sys.executable, "-m", "node.cli.main"]
TIMEOUT_S = 120


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "net"
    if (tmp_path / "net" / "testnet.json").exists():
        stop_nodes(load_manifest(tmp_path / "net").validators)


def up(directory: Path) -> list[str]:
    port = free_ports(8)
    return [
        *ENTENTE,
        "testnet",
        "up",
        "--dir",
        str(directory),
        "--rpc-port",
        str(port),
        "--p2p-port",
        str(port + 4),
    ]


def run(directory: Path, *arguments: str, code: int = 0) -> Any:
    command = [*ENTENTE, *arguments, "--dir", str(directory), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def rpc(url: str, method: str, **params: Any) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        answer: bytes = response.read()
    return answer


def verified(directory: Path, kind: str, document: bytes) -> subprocess.CompletedProcess[bytes]:
    genesis = str(directory / "genesis.json")
    command = [*ENTENTE, "verify", kind, "-", "--genesis", genesis]
    return subprocess.run(command, input=document, capture_output=True, timeout=TIMEOUT_S, check=False)


def documented_commands() -> str:
    """Return what docs/operations-docker.md tells a newcomer to do with a fresh testnet."""
    text = (ROOT / "docs" / "operations-docker.md").read_text()
    block = text[text.index("    as_aurora=") : text.index("`entente` on the host")]
    return textwrap.dedent(block).replace("--dir testnet", "--dir net")


def test_a_load_is_measured_and_an_interrupt_tells_what_was_measured_so_far(directory: Path) -> None:
    subprocess.run([*up(directory), "--detach"], check=True, timeout=TIMEOUT_S)
    batched = run(directory, "load", "transfer", "--seconds", "1", "--in-flight", "128", "--accounts", "20")
    assert batched["final"] == batched["sent"] > 0
    assert (batched["failed"], batched["refused"], batched["unanswered"]) == ({}, {}, 0)
    assert 0 < batched["latency_ms"]["p50"] <= batched["latency_ms"]["p99"]
    single = ("--rate", "20", "--batch-signatures", "1", "--accounts", "20")
    recorded = run(directory, "load", "record", "--seconds", "2", *single)
    assert recorded["final"] == recorded["sent"] == 40
    supply = run(directory, "view", "token", "supply", "program=aurora-load")
    assert supply["issued"] == 21 * 10**9 + 40 * 25

    command = [*ENTENTE, "load", "issue", "--seconds", "600", "--accounts", "20", "--dir", str(directory), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    url = load_manifest(directory).validators[0].rpc
    deadline = time.monotonic() + TIMEOUT_S
    # A thousand are on their way at once: when twice as many are final, some have been answered.
    enough = supply["issued"] + 2_000 * 25
    while json.loads(rpc(url, "token_supply", program="aurora-load"))["result"]["issued"] < enough:
        assert time.monotonic() < deadline, "nothing was issued"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=TIMEOUT_S)
    told = json.loads(output)
    assert process.returncode == 0, errors
    assert told["interrupted"]
    assert 0 < told["final"] <= told["sent"]
    assert "what was measured so far" in errors


def test_the_tour(directory: Path) -> None:
    subprocess.run([*up(directory), "--detach"], check=True, timeout=TIMEOUT_S)
    url = load_manifest(directory).validators[1].rpc
    assert all(v["ready"] for v in run(directory, "testnet", "status")["validators"])

    enrol = ("call", "identity.enroll", "brand=aurora", f"ref={'ab' * 32}", "--account", "aurora-admin")
    receipt = run(directory, *enrol)
    member = receipt["results"][0]
    assert run(directory, *enrol, code=1)["error"]["code"] == "ALREADY_EXISTS"
    assert run(directory, "view", "identity", "member", f"member={member}")["brand"] == "aurora"

    document = rpc(url, "chain_receipt", id=receipt["id"], proof=True)
    assert verified(directory, "receipt", document).returncode == 0
    altered = verified(directory, "receipt", document.replace(b'"leaf":"8', b'"leaf":"9'))
    assert altered.returncode == 1
    assert altered.stderr.startswith(b"Error: not proved")
    assert verified(directory, "state", rpc(url, "state_proof", key="chain/params")).returncode == 0

    paid = subprocess.run(
        ["bash", "-e", "-c", documented_commands()],
        cwd=directory.parent,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert paid.returncode == 0, paid.stderr
    assert '"amount": 100' in paid.stdout

    last = load_manifest(directory).validators[3]
    stop_nodes([last])
    status = run(directory, "testnet", "status")["validators"]
    assert [v["ready"] for v in status[:3]] == [True] * 3
    assert status[3]["reason"] == "stopped"
    assert run(
        directory, "call", "identity.enroll", "brand=aurora", f"ref={'cd' * 32}", "--account", "aurora-admin"
    )

    subprocess.run([*ENTENTE, "testnet", "up", "--dir", str(directory), "--detach"], check=True, timeout=TIMEOUT_S)
    assert load_manifest(directory).validators[3].pid != last.pid
    assert run(directory, "testnet", "down") == {"stopped": list(BRANDS[:4])}
    assert all(v["reason"] == "stopped" for v in run(directory, "testnet", "status")["validators"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_all_validators(directory: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(up(directory), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        assert "is running" in process.stdout.readline()
        before = load_manifest(directory)
        assert all(running_pid(validator) for validator in before.validators)
        process.send_signal(number)
        assert process.wait(TIMEOUT_S) == 0
    assert not any(running_pid(validator) for validator in before.validators)
    assert all(validator.pid is None for validator in load_manifest(directory).validators)
