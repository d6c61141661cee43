"""When a transaction that this node itself makes expires: a recovery marker, a report of evidence."""

from __future__ import annotations

from typing import Final

from node.chain.ledger import Ledger
from node.runtime.clock import BlockClock
from vm.expiry import expiry_from

LIFETIME_MS: Final = 60_000
"""In real time; at most half of what the chain allows."""


def expiry_of_own(ledger: Ledger, clock: BlockClock) -> int:
    """Return the block time at which a transaction that is made now expires."""
    now = max(ledger.head_time, clock.now_ms())
    return expiry_from(now, ledger.params.max_tx_ttl_ms, LIFETIME_MS * clock.rate)
