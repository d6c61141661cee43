"""When a block can hold a transaction: `time < expires <= time + max_tx_ttl_ms` (SPEC section 2).

The pool, the proposer, the check of a proposed block, pruning and clients all ask here. The upper end keeps what a
node must remember to refuse a transaction that comes a second time small: ids are kept until they expire. All
times are block times in ms.
"""

from __future__ import annotations

from enum import Enum


class Expiry(Enum):
    """How a transaction's `expires` relates to a block time; the values are the reasons that clients are told."""

    VALID = "VALID"
    EXPIRED = "EXPIRED"
    """Final: block times ascend."""
    TOO_FAR = "EXPIRES_TOO_FAR"
    """A later block may take it."""


def has_expired(expires: int, time: int) -> bool:
    """Tell whether no block of this time or a later one can hold the transaction."""
    return expires <= time


def is_valid_at(expires: int, time: int, max_tx_ttl_ms: int) -> bool:
    """Tell whether a block of this time can hold the transaction."""
    return time < expires <= time + max_tx_ttl_ms


def expiry_at(expires: int, time: int, max_tx_ttl_ms: int) -> Expiry:
    """Return whether a block of this time can hold the transaction, and if not, at which end it lies outside."""
    if is_valid_at(expires, time, max_tx_ttl_ms):
        return Expiry.VALID
    return Expiry.EXPIRED if has_expired(expires, time) else Expiry.TOO_FAR


def earliest_block_time(expires: int, max_tx_ttl_ms: int) -> int:
    """Return the first block time at which a transaction is valid; a block before it cannot hold it."""
    return expires - max_tx_ttl_ms


def expiry_from(now: int, max_tx_ttl_ms: int, wanted_ms: int | None = None) -> int:
    """Return the `expires` of a transaction that is made at a block time, `wanted_ms` ahead where that is prudent.

    At most half of what is allowed: with all of it, every node whose clock is behind the maker's would refuse the
    transaction with EXPIRES_TOO_FAR, and so would a block. Where that is every other node, it is never executed.
    """
    half = max_tx_ttl_ms // 2
    return now + (half if wanted_ms is None else min(wanted_ms, half))
