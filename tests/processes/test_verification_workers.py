"""A real node with a verification worker: its worker dies, is stopped, and never outlives it."""

from __future__ import annotations

import re
import signal
import sys
import urllib.request
from pathlib import Path

import msgspec
import psutil
import pytest

from node.runtime.config import Workers, config_to_toml, load_config
from tests.support.network import LocalNetwork
from tests.support.programs import PROGRAM
from tests.support.workers import has_ended, wait_ended

pytestmark = pytest.mark.integration

TRANSACTIONS = 64


def network_with_worker(directory: Path) -> LocalNetwork:
    """Return a network whose first validator has a worker; it is not started."""
    network = LocalNetwork(directory)
    config = msgspec.structs.replace(load_config(network.home(0)), workers=Workers(verify=1))
    (network.home(0) / "node.toml").write_text(config_to_toml(config))
    return network


def workers_of(network: LocalNetwork) -> list[psutil.Process]:
    """Return the verification workers of the node."""
    children = psutil.Process(network.processes[0].pid).children(recursive=True)
    return [child for child in children if not has_ended(child) and "node.verification.process" in child.cmdline()]


def metric(network: LocalNetwork, name: str) -> float:
    """Return a metric of the node."""
    with urllib.request.urlopen(f"{network.url(0)}/metrics", timeout=30) as response:
        (value,) = re.findall(rf"^{re.escape(name)} (\S+)$", response.read().decode(), re.M)
    return float(value)


def send_many(network: LocalNetwork, first: int) -> None:
    """Send issues in one batch, and see that each becomes final."""
    to, key = network.account("aurora-admin")
    calls = []
    for number in range(first, first + TRANSACTIONS):
        issue = {"program": "miles", "to": to, "amount": 1, "ref": f"order-{number}"}
        params = {"tx": network.sign(to, key, [("token.issue", issue)]), "timeout_ms": 30_000}
        calls.append({"jsonrpc": "2.0", "id": number, "method": "tx_send", "params": params})
    answers = network.post(0, calls)
    assert [answer["result"]["status"] for answer in answers] == ["ok"] * TRANSACTIONS


def test_a_node_works_with_its_worker_without_it_and_leaves_none_behind(tmp_path: Path) -> None:
    with network_with_worker(tmp_path / "testnet") as network:
        network.send(0, "aurora-admin", ("token.create_program", PROGRAM))
        network.wait_for(lambda: metric(network, "entente_verification_workers") == 1, "a worker works")
        send_many(network, 0)
        assert metric(network, 'entente_verified_transactions{by="workers"}') >= TRANSACTIONS // 2

        (worker,) = workers_of(network)
        worker.kill()
        send_many(network, TRANSACTIONS)
        network.wait_for(lambda: metric(network, "entente_verification_restarts") == 1, "the node notices")
        network.wait_for(lambda: metric(network, "entente_verification_workers") == 1, "another works")

        (worker,) = workers_of(network)
        worker.suspend()
        send_many(network, 2 * TRANSACTIONS)
        if sys.platform != "linux":
            worker.resume()  # nothing kills a stopped process with its parent there
        network.kill(0)
        wait_ended(worker)

        network.start(0)
        network.wait_ready([0])
        network.wait_for(lambda: metric(network, "entente_verification_workers") == 1, "a worker works")
        (worker,) = workers_of(network)
        process = network.processes.pop(0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert has_ended(worker)
