"""Real validators whose gateway is a process of its own: either side is killed, and an operator stops a node."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from tests.support.network import LocalNetwork
from tests.support.programs import CREATE_PROGRAM, balance, issue

pytestmark = pytest.mark.integration

VICTIM = 1


def gateway_of(network: LocalNetwork, index: int) -> psutil.Process:
    """Return the gateway's process of a validator."""
    children = psutil.Process(network.processes[index].pid).children()
    (child,) = [each for each in children if "node.gateway_process.child" in each.cmdline()]
    return child


def metric(network: LocalNetwork, index: int, name: str) -> float:
    """Return one metric of a validator."""
    lines = network.page(index, "/metrics").decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(name + " ")))


def test_either_side_may_be_killed_and_nothing_final_is_lost(tmp_path: Path) -> None:
    network = LocalNetwork(tmp_path / "testnet", ops=[CREATE_PROGRAM])
    network.set_gateways_apart()
    with network:
        to, _ = network.account("basil-admin")
        issue(network, VICTIM, to, 5, "first")
        assert balance(network, VICTIM, to) == 5

        gateway = gateway_of(network, VICTIM)
        gateway.kill()
        gateway.wait(30)
        issue(network, VICTIM, to, 6, "second")
        assert balance(network, VICTIM, to) == 11
        assert metric(network, VICTIM, "entente_gateway_restarts") == 1
        assert metric(network, VICTIM, "entente_gateway_up") == 1
        assert network.call(VICTIM, "node_health")["ready"]

        gateway = gateway_of(network, VICTIM)
        network.kill(VICTIM)
        gateway.wait(30)
        issue(network, 0, to, 7, "third")
        network.start(VICTIM)
        network.wait_ready([VICTIM])
        network.wait_for(lambda: balance(network, VICTIM, to) == 18, "the victim has caught up")

        gateway, process = gateway_of(network, VICTIM), network.processes[VICTIM]
        network.kill(VICTIM, signal.SIGTERM)
        assert process.returncode == 0
        assert not gateway.is_running()
        assert "has ended" not in network.log_file(VICTIM).read_text().partition("stopping")[2]
