"""Four real processes: payments, one validator killed and back, a mass restart, retries that charge once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.network import LocalNetwork
from tests.support.programs import PROGRAM, balance, issue
from tests.support.same_chain import wait_same_head

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNetwork]:
    """A running network with one program."""
    with LocalNetwork(tmp_path_factory.mktemp("net") / "testnet") as running:
        running.send(0, "aurora-admin", ("token.create_program", PROGRAM))
        wait_same_head(running, [0, 1, 2, 3])
        yield running


def test_a_payment_through_one_validator_is_read_from_every_other(network: LocalNetwork) -> None:
    basil, _ = network.account("basil-admin")
    before = balance(network, 1, basil)
    issue(network, 0, basil, 70, "first")
    wait_same_head(network, [0, 1, 2, 3])
    assert [balance(network, i, basil) - before for i in range(4)] == [70] * 4


def test_sending_the_same_bytes_again_answers_the_same_receipt_and_charges_once(network: LocalNetwork) -> None:
    basil, _ = network.account("basil-admin")
    sender, key = network.account("aurora-admin")
    before = balance(network, 0, basil)
    raw = network.sign(
        sender, key, [("token.issue", {"program": "miles", "to": basil, "amount": 5, "ref": "retry"})]
    )
    receipts = [network.call(i % 4, "tx_send", tx=raw) for i in range(6)]
    assert all(receipt == receipts[0] for receipt in receipts)
    wait_same_head(network, [0, 1, 2, 3])
    assert balance(network, 3, basil) - before == 5


@pytest.mark.parametrize("victim", range(4))
def test_killing_any_one_does_not_stop_the_chain_and_it_catches_up(network: LocalNetwork, victim: int) -> None:
    comet, _ = network.account("comet-admin")
    others = [i for i in range(4) if i != victim]
    before = balance(network, others[0], comet)
    network.kill(victim)
    for i in range(8):
        issue(network, others[i % 3], comet, 10, f"without-{victim}-{i}")
    network.start(victim)
    network.wait_ready([victim])
    wait_same_head(network, [0, 1, 2, 3])
    assert balance(network, victim, comet) - before == 80


def test_a_mass_kill_loses_nothing_final(network: LocalNetwork) -> None:
    dune, _ = network.account("dune-admin")
    before = balance(network, 0, dune)
    receipt = issue(network, 0, dune, 33, "before-the-blackout")
    for i in range(4):
        network.kill(i, signal.SIGKILL)
    for i in range(4):
        network.start(i)
    network.wait_ready()
    wait_same_head(network, [0, 1, 2, 3])
    for i in range(4):
        assert network.call(i, "chain_receipt", id=receipt["id"]) == receipt or (
            network.call(i, "chain_receipt", id=receipt["id"])["receipt"] == receipt
        )
    issue(network, 2, dune, 1, "after-the-blackout")
    wait_same_head(network, [0, 1, 2, 3])
    assert balance(network, 3, dune) - before == 34


def test_a_stopped_node_ends_with_code_zero(network: LocalNetwork) -> None:
    process = network.processes[1]
    network.kill(1, signal.SIGTERM)
    assert process.returncode == 0
    network.start(1)
    network.wait_ready([1])


def test_the_log_of_a_healthy_run_holds_no_error(network: LocalNetwork) -> None:
    for i in range(4):
        log = Path(network.home(i) / "node.log").read_text()
        assert "Traceback" not in log
        assert " CRITICAL " not in log
