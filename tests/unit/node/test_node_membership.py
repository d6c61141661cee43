"""What a node takes from the set of the moment: whether it votes, and whom it believes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from node.config import NodeConfig
from node.node import Node
from node.sync_driver import believable_height
from node.write_ahead_log import WriteAheadLog
from tests.support.ledger import START_MS, LocalChain, ManualClock, key_of


@pytest.mark.parametrize(
    ("claims", "expected"),
    [([], 0), ([7], 7), ([9, 7], 7), ([2**50, 7, 7], 7), ([2**50, 5, 7], 7), ([3, 3, 3], 3)],
)
def test_one_liar_does_not_make_a_height_believable(claims: list[int], expected: int) -> None:
    assert believable_height(claims, 1) == expected


async def test_a_full_node_may_sign_as_soon_as_a_height_names_it(tmp_path: Path) -> None:
    chain = LocalChain(tmp_path / "data")
    wal = WriteAheadLog(tmp_path / "wal")
    node = Node(chain.genesis, chain.runtime, chain.store, wal, FullNode())  # type: ignore[arg-type]
    assert not node._is_validator
    assert node._driver.state.sign is not None  # whether it signs, each height's context says
    node._driver.start()
    assert node._driver.state.here.own_index is None
    node._driver.work_available()
    assert node._driver.halted is None
    joined = msgspec.structs.replace(chain.ledger.height_context(), own_index=0)
    assert node._proposer.propose(joined, None, required=True) is not None
    node._driver.stop()
    wal.close()
    chain.close()


class FullNode:
    """Settings of a node whose key is in no validator set."""

    config = NodeConfig()
    key = key_of("newcomer")
    clock = ManualClock(START_MS)
    disk = None
