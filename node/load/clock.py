"""Block time as the network's nodes tell it: a testnet's clock may run faster than the wall."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vm.expiry import expiry_from


@dataclass(frozen=True, slots=True)
class ChainClock:
    """A chain's name, and its block time as of a moment.

    Attributes:
        lifetime_ms: of the transactions that are made.
        fetched_at: monotonic seconds at which block time was `time_ms`.
    """

    chain: str
    lifetime_ms: int
    time_ms: int
    rate: int
    fetched_at: float

    @classmethod
    def of(cls, info: Mapping[str, Any], lifetime_ms: int | None = None) -> ChainClock:
        """Return the clock that `node_info` tells; transactions live half of the longest time unless it is said."""
        lifetime = expiry_from(0, info["max_tx_ttl_ms"]) if lifetime_ms is None else lifetime_ms
        return cls(info["chain"], lifetime, max(info["clock"], info["time"]), info["clock_rate"], time.monotonic())

    def now_ms(self) -> int:
        """Return the block time now."""
        return self.time_ms + int((time.monotonic() - self.fetched_at) * 1_000) * self.rate

    def expires(self) -> int:
        """Return the `expires` of a transaction that is made now."""
        return self.now_ms() + self.lifetime_ms
