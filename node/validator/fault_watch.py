"""Compares what validators do with what this node has seen, at the moments when both are known.

work begins       what waits here, and which seals: a proposer has about the same
a block is final  its rounds, the seals of the block before it, what it left out
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from consensus.state import State
from consensus.types import Certificate
from network.peers import PeerManager
from node.chain.ledger import Executed, Ledger
from node.pool.mempool import Mempool
from node.validator.fault_counts import FaultCounts

SETTLED_MS: Final = 50
"""Beyond the way to the farthest peer and back, so long after a height began others have what was here then."""


class FaultWatch:
    """Tells `FaultCounts` of blocks.

    Args:
        state: the consensus core's state now.
    """

    def __init__(
        self,
        counts: FaultCounts,
        ledger: Ledger,
        mempool: Mempool,
        manager: PeerManager,
        state: Callable[[], State],
    ) -> None:
        self._counts = counts
        self._ledger = ledger
        self._mempool = mempool
        self._manager = manager
        self._state = state
        self._height_began = 0.0

    def work_began(self) -> None:
        """There is something to propose."""
        elapsed = asyncio.get_running_loop().time() - self._height_began
        slowest_ms = max((peer.rtt_ms or 0 for peer in self._manager.connected()), default=0)
        self._counts.work_began(self._state(), settled=elapsed * 1_000 >= slowest_ms + SETTLED_MS)

    def block_final(self, executed: Executed, certificate: Certificate) -> None:
        """A block is final, and the core is still at its height."""
        self._counts.height_decided(self._state(), certificate)
        self._counts.block_decided(self._state(), executed, self._ledger.params)

    def height_began(self) -> None:
        """The pool holds no longer what the last block took."""
        self._height_began = asyncio.get_running_loop().time()
        self._counts.height_began(self._mempool.in_order())
