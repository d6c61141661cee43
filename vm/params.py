"""The chain's parameters: set in genesis, changed by `gov`, in force from the next height (SPEC section 3)."""

from __future__ import annotations

import msgspec

PARAMS_KEY = "chain/params"

_UPPER_LIMITS = {
    "block_interval_ms": 60_000,
    "round_timeout_max_ms": 600_000,
    "empty_block_interval_ms": 86_400_000,
    # What network.kinds lets one frame hold, less the block's certificate and framing.
    "max_block_bytes": 6 * 1024 * 1024,
}
"""Beyond these a chain would stand still for a slip of the pen, and no vote could put it right."""


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits and times that every validator must agree on.

    Units: `_ms` real milliseconds, except `max_tx_ttl_ms` and `replay_slot_ms`, which are block time; `_cost` work
    units (vm.metering); `_bytes` bytes; `window_blocks` blocks.
    """

    block_interval_ms: int = 200
    round_timeout_ms: int = 2_000
    round_timeout_max_ms: int = 30_000
    empty_block_interval_ms: int = 60_000
    max_block_bytes: int = 4 * 1024 * 1024
    # 3,000,000 units are some 6,000 single transfers: 0.1–0.2 s on an idle core of the testbed, below the
    # quarter of round_timeout_ms that SPEC allows where four validators share two cores.
    max_block_cost: int = 3_000_000
    max_tx_cost: int = 500_000
    account_cost_per_window: int = 1_000_000
    window_blocks: int = 100
    max_tx_ttl_ms: int = 600_000
    replay_slot_ms: int = 60_000

    def problems(self) -> list[str]:
        """Say what is wrong with these values, one sentence each; none for a usable set."""
        found = [f"{name} must be at least 1" for name in self.__struct_fields__ if getattr(self, name) < 1]
        if self.max_tx_cost > self.max_block_cost:
            found.append("max_tx_cost must not exceed max_block_cost")
        if self.round_timeout_ms > self.round_timeout_max_ms:
            found.append("round_timeout_ms must not exceed round_timeout_max_ms")
        if self.max_block_bytes < 256 * 1024:
            found.append("max_block_bytes must hold at least the largest transaction, 262144")
        for name, limit in _UPPER_LIMITS.items():
            if getattr(self, name) > limit:
                found.append(f"{name} must not exceed {limit}")
        if self.max_tx_ttl_ms > 1_000 * self.replay_slot_ms:
            found.append("max_tx_ttl_ms must not exceed 1,000 replay slots")
        return found
