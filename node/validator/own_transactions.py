"""When a transaction that this node itself makes expires: a recovery marker, a report of evidence."""

from __future__ import annotations

from typing import Final

from node.chain.ledger import Ledger
from node.runtime.clock import BlockClock

LIFETIME_MS: Final = 60_000
"""In real time; at most half of what the chain allows."""


def expiry_of_own(ledger: Ledger, clock: BlockClock) -> int:
    """Return the block time at which a transaction that is made now expires.

    At the whole of the chain's `max_tx_ttl_ms`, every node whose clock is behind this one's would refuse it with
    EXPIRES_TOO_FAR, and so would a block: where that is every other node, it would never be executed.
    """
    now = max(ledger.head_time, clock.now_ms())
    return now + min(LIFETIME_MS * clock.rate, ledger.params.max_tx_ttl_ms // 2)
