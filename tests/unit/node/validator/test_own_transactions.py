"""A node's own transactions are taken by nodes with other clocks, also where lifetimes are short."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.pool.mempool import check_admissible
from node.validator.own_transactions import LIFETIME_MS, expiry_of_own
from tests.support.ledger import START_MS, LocalChain, ManualClock, key_of
from vm.params import Params
from vm.transaction import parse_transaction


@pytest.mark.parametrize(
    ("ttl_ms", "rate", "lifetime_ms"), [(20_000, 1, 10_000), (600_000, 1, LIFETIME_MS), (600_000, 9, 300_000)]
)
def test_nodes_whose_clocks_are_behind_take_it(tmp_path: Path, ttl_ms: int, rate: int, lifetime_ms: int) -> None:
    chain = LocalChain(tmp_path / "data", params=Params(max_tx_ttl_ms=ttl_ms, replay_slot_ms=2_000))
    clock = ManualClock(START_MS + 5_000)
    clock.rate = rate
    expires = expiry_of_own(chain.ledger, clock)
    assert expires == START_MS + 5_000 + lifetime_ms
    raw = chain.sign(key_of("aurora-validator"), [("recovery.mark", {})], expires=expires)
    check_admissible(parse_transaction(raw), chain.ledger, START_MS + 5_000 - 1_500)
    chain.close()
