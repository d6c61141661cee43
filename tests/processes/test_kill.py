"""Real nodes killed with SIGKILL under load, again and again: nothing final is lost, nothing is executed twice.

`make nightly` kills 50 times; ENTENTE_KILLS names another number. Every fifth kill takes two validators at once, so
that the others have no quorum.
The engine that a new home does not take is killed less often; ENTENTE_ENGINE=rocksdb kills that one as often.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from node.store import EngineName
from tests.support.closed_load import Load
from tests.support.engines import on_each_engine
from tests.support.network import LocalNetwork
from tests.support.programs import PROGRAM
from tests.support.same_chain import wait_same_head

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("ENTENTE_KILLS", "12"))
OTHER_KILLS = 3
SEED = 20_170_101


@pytest.mark.parametrize(("engine", "kills_wanted"), on_each_engine(KILLS, OTHER_KILLS))
def test_kills_lose_nothing_final_and_execute_nothing_twice(
    engine: EngineName | None, kills_wanted: int, tmp_path: Path
) -> None:
    choice = random.Random(SEED)
    with LocalNetwork(tmp_path / "testnet", engine=engine) as network:
        network.send(0, "aurora-admin", ("token.create_program", PROGRAM))
        brands = ("aurora", "basil", "comet")
        for brand in brands:
            to, _ = network.account(f"{brand}-admin")
            issue = {"program": "miles", "to": to, "amount": 1_000_000, "ref": f"float-{brand}"}
            network.send(0, "aurora-admin", ("token.issue", issue))
        loads = [Load(network, f"{brand}-admin", "dune-admin") for brand in brands]
        for load in loads:
            load.start()
        started = time.monotonic()
        kills = 0
        while kills < kills_wanted:
            victims = choice.sample(range(4), 2 if kills % 5 == 4 else 1)
            time.sleep(choice.random() * 0.6)
            for victim in victims:
                network.kill(victim)
                kills += 1
            for victim in victims:
                network.start(victim)
            network.wait_ready(victims)
        elapsed = time.monotonic() - started
        for load in loads:
            load.finish()
        _wait_until_quiet(network)
        wait_same_head(network, [0, 1, 2, 3])
        _check_everything(network, loads)
        finals = sum(len(load.receipts) for load in loads)
        print(f"\n{kills} kills in {elapsed:.0f} s, {finals} final receipts, height {network.height(0)}")
        assert finals >= kills_wanted


def _wait_until_quiet(network: LocalNetwork) -> None:
    """Wait until what clients gave up waiting for is in a block: no new block for far longer than one takes."""
    height = -1
    while (now := max(network.height(index) for index in range(4))) != height:
        height = now
        time.sleep(3.0)


def _check_everything(network: LocalNetwork, loads: list[Load]) -> None:
    height = network.height(0)
    committed: list[str] = []
    for number in range(1, height + 1):
        committed += network.call(0, "chain_block", height=number)["transactions"]
    assert len(committed) == len(set(committed)), "an id is in the chain twice"
    for load in loads:
        for tx_id, receipt in load.receipts.items():
            assert receipt["status"] == "ok", receipt
            for index in range(4):
                found = network.call(index, "chain_transaction", id=tx_id)
                assert found["receipt"] == receipt, "a final receipt has changed"
    dune, _ = network.account("dune-admin")
    transfers = len(committed) - 1 - len(loads)  # beside the program and the issues
    for index in range(4):
        moved = network.call(index, "token_balance", program="miles", account=dune)["available"]
        assert moved == transfers, "points moved do not equal final transfers"
        supply = network.call(index, "token_supply", program="miles")
        assert supply["outstanding"] == supply["issued"] == 3_000_000
    for index in range(4):
        assert " CRITICAL " not in (network.home(index) / "node.log").read_text()
