"""What the gateway asks of a running node: the seam between JSON-RPC and the ledger.

The gateway reads blocks and state through `queries` (synchronous, point reads), asks contracts through
`runtime`, and hands transactions to `submit`. It knows nothing of the store, consensus or peers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from node.chain.queries import ChainQueries
from node.pool.admission import Admission
from node.runtime.clock import BlockClock
from node.runtime.errors import TransactionRefused
from vm.runtime import Runtime


class Backend(Protocol):
    """A node, as the gateway sees it."""

    queries: ChainQueries
    runtime: Runtime
    clock: BlockClock

    async def submit(self, raws: Sequence[bytes], client: str = "") -> list[Admission | TransactionRefused]:
        """Admit signed transactions, in order; one outcome each. Verifies signatures in slices.

        `client` is who shares a part of the pool (`node.gateway.limits.client_of`).

        A well-formed transaction whose id is committed is `Admission(committed=True)` before anything else is
        judged, also after its expiry.

        Raises:
            NotReady: the node takes no transactions now.
        """
        ...

    async def wait_committed(self, tx_ids: Sequence[bytes], timeout_ms: int) -> list[bool]:
        """Wait until every transaction is in a final block, or the time has run out; tell of each whether it is.

        One call waits for a whole JSON-RPC batch, so that the node needs no task per transaction. An id that
        the node has never seen is waited for like any other: it may come from a peer.

        Raises:
            NotReady: the node has halted, so that those which are not final yet will not be so here.
        """
        ...

    def is_pending(self, tx_id: bytes) -> bool:
        """Tell whether the mempool holds a transaction with this id."""
        ...

    def pending_transaction(self, tx_id: bytes) -> bytes | None:
        """Return the canonical transaction with this id from the mempool."""
        ...

    def node_info(self) -> dict[str, Any]:
        """Return chain, version, address, role, syncing, uptime_ms; the gateway adds the head and the clock."""
        ...

    def node_health(self) -> dict[str, Any]:
        """Return {live, ready, reasons}."""
        ...

    def node_peers(self) -> list[dict[str, Any]]:
        """Return each peer's address, key, direction, height, round, rtt_ms, score."""
        ...

    def node_consensus(self) -> dict[str, Any]:
        """Return height, round, step, each validator's last seen height and round, evidence."""
        ...

    def metrics(self) -> bytes:
        """Return the Prometheus text of all metrics."""
        ...
