"""A real validator that signs two of everything: the others go on, hold one chain, and have the proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.byzantine.network import HONEST, LyingNetwork
from tests.support.open_load import Accounts
from tests.support.programs import CREATE_PROGRAM
from tests.support.same_chain import check_receipts, check_same_chain, check_supply, critical_lines

pytestmark = pytest.mark.integration

PAYMENTS = 12


@pytest.mark.parametrize(
    ("lie", "steps"),
    [("equivocating-proposer", {"proposal"}), ("equivocating-voter", {"prepare", "commit"})],
)
def test_a_validator_that_equivocates_is_found_out_and_stops_nobody(
    tmp_path: Path, lie: str, steps: set[str]
) -> None:
    with LyingNetwork(tmp_path / "testnet", lie, [CREATE_PROGRAM]) as network:
        accounts = Accounts(network, count=4)
        accounts.fund()
        receipts = {}
        for i in range(PAYMENTS):
            _, raw = accounts.transfer()
            receipt = network.call(HONEST[i % 3], "tx_send", tx=raw, timeout_ms=30_000)
            receipts[receipt["id"]] = receipt
        network.wait_for(
            lambda: steps <= set.union(*(network.evidence_steps(i) for i in HONEST)), f"evidence of {steps}"
        )
        check_same_chain(network, HONEST)
        check_receipts(network, HONEST, receipts)
        check_supply(network, HONEST, accounts)
        assert not critical_lines(network, HONEST)
