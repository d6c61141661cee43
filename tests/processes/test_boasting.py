"""A real validator that claims to be far ahead and proves nothing: others go on, catch up and recover beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.boasting_node import CLAIM
from tests.support.network import LocalNetwork
from tests.support.programs import PROGRAM, balance, issue
from tests.support.same_chain import wait_same_head

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
BOASTER, LATE, RECOVERING = 3, 2, 1


class BoastingNetwork(LocalNetwork):
    """Validators 0 to 2 are honest."""

    def launch(self, index: int) -> subprocess.Popen[bytes]:
        """Start a validator, or the one that boasts."""
        if index != BOASTER:
            return super().launch(index)
        command = [sys.executable, "-m", "tests.support.boasting_node", str(self.home(index))]
        with self.log_file(index).open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNetwork]:
    with BoastingNetwork(tmp_path_factory.mktemp("net") / "testnet") as running:
        running.send(0, "aurora-admin", ("token.create_program", PROGRAM))
        yield running


def test_a_validator_that_was_away_catches_up_beside_it(network: LocalNetwork) -> None:
    basil, _ = network.account("basil-admin")
    network.kill(LATE)
    for number in range(10):
        issue(network, number % 2, basil, 1, f"away-{number}")
    network.start(LATE)
    network.wait_ready([LATE])
    wait_same_head(network, [0, 1, LATE])
    assert balance(network, LATE, basil) == 10


def test_a_recovering_validator_signs_again_beside_it(network: LocalNetwork) -> None:
    basil, _ = network.account("basil-admin")
    network.kill(RECOVERING)
    shutil.rmtree(network.home(RECOVERING) / "wal")
    network.start(RECOVERING)
    log = network.log_file(RECOVERING)
    network.wait_for(lambda: "recovered: this validator signs" in log.read_text(), "it signs again")
    assert network.height(RECOVERING) < CLAIM
    network.wait_ready([RECOVERING])
    network.kill(LATE)  # now it is needed
    issue(network, RECOVERING, basil, 1, "needed")
    assert network.call(0, "node_consensus")["evidence"] == []
