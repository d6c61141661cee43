"""The chain's parameters: set in genesis, changed by `gov`, in force from the next height (SPEC section 3).

Every parameter has a lower and an upper bound. Within them, and with the relations that `Params.problems` checks, a
chain goes on making blocks in which the alliance can vote: so a vote can always put right what a vote has done.
`docs/decisions/membership.md` argues each figure.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from vm.primitives.units import MAX_INT, MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE
from vm.tables.table import Table

COST_PER_MS: Final = 2_500
"""Work units per millisecond of one core of the testbed where values are cold (vm.metering)."""

MAX_REPLAY_SLOTS: Final = 1_000

_MAX_TIMEOUT_MS: Final = 600_000
_MAX_COST: Final = _MAX_TIMEOUT_MS * COST_PER_MS // 4

BOUNDS: Final[dict[str, tuple[int, int]]] = {
    "block_interval_ms": (10, 60_000),
    "round_timeout_ms": (200, _MAX_TIMEOUT_MS),
    # Below it no round might ever be long enough for three messages across the world and a full block.
    "round_timeout_max_ms": (5_000, _MAX_TIMEOUT_MS),
    "empty_block_interval_ms": (1_000, 86_400_000),
    # From two of the largest transactions to what network.kinds lets one frame hold, less certificate and framing.
    "max_block_bytes": (256 * 1024, 6 * 1024 * 1024),
    "max_block_cost": (100_000, _MAX_COST),
    # Some seven times what the vote that sets parameters costs in an alliance of 256; a quarter of a block is for
    # what is due (vm.agenda).
    "max_tx_cost": (75_000, _MAX_COST // 4 * 3),
    "account_cost_per_window": (10_000, 10**12),
    # Not less than a sender without a brand may have at least.
    "brand_cost_per_window": (10_000, 10**12),
    # With the greatest block cost, what one account uses in a window stays an exact integer in JSON.
    "window_blocks": (1, 1_000_000),
    "due_ms": (MS_PER_HOUR, 366 * MS_PER_DAY),
    # The shortest is what a till needs between the guest's nod and its receipt.
    "max_hold_ms": (MS_PER_MINUTE, 90 * MS_PER_DAY),
    # A till is off line for a while; a purchase older than a year is no campaign's business any more.
    "max_backdate_ms": (MS_PER_MINUTE, 366 * MS_PER_DAY),
    "max_tx_ttl_ms": (1_000, MAX_INT),
    "replay_slot_ms": (1_000, MAX_INT),
}
"""From and to, inclusive. Beyond them a chain would stand still for a slip of the pen, and no vote could help."""


def bound_problem(name: str, value: int) -> str | None:
    """Say why a parameter can never have this value; None where it may."""
    lowest, highest = BOUNDS[name]
    if value < lowest:
        return f"{name} must be at least {lowest}"
    if value > highest:
        return f"{name} must not exceed {highest}"
    return None


_Setting = Annotated[int, Meta(ge=0, le=MAX_INT)]


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits and times that every validator must agree on.

    Units: `_ms` real milliseconds, except `due_ms`, `max_hold_ms`, `max_backdate_ms`, `max_tx_ttl_ms` and
    `replay_slot_ms`, which are block time; `_cost` work units (vm.metering); `_bytes` bytes; `window_blocks`
    blocks. Payments are due `due_ms` after a period's close (clearing); a hold lasts at most `max_hold_ms` (token);
    what is recorded happened at most `max_backdate_ms` ago (campaign).
    """

    block_interval_ms: _Setting = 200
    round_timeout_ms: _Setting = 2_000
    round_timeout_max_ms: _Setting = 30_000
    empty_block_interval_ms: _Setting = 60_000
    max_block_bytes: _Setting = 4 * 1024 * 1024
    # 1,250,000 units are 0.5 s of a core of the testbed at worst, the quarter of round_timeout_ms that SPEC allows.
    # They hold 2,000 single transfers, which take a quarter of that (docs/decisions/block-budget.md).
    max_block_cost: _Setting = 1_250_000
    max_tx_cost: _Setting = 400_000
    account_cost_per_window: _Setting = 1_000_000
    # Half of what all blocks of a window can hold: a brand that runs wild does not take everything for long.
    brand_cost_per_window: _Setting = 62_500_000
    window_blocks: _Setting = 100
    due_ms: _Setting = 30 * MS_PER_DAY
    max_hold_ms: _Setting = 7 * MS_PER_DAY
    # A missing purchase is claimed with the month's receipts.
    max_backdate_ms: _Setting = 30 * MS_PER_DAY
    max_tx_ttl_ms: _Setting = 600_000
    replay_slot_ms: _Setting = 60_000

    def problems(self) -> list[str]:
        """Say what is wrong with these values, one sentence each; none for a usable set."""
        checked = (bound_problem(name, getattr(self, name)) for name in self.__struct_fields__)
        return [problem for problem in checked if problem is not None] + self._relations()

    def _relations(self) -> list[str]:
        found = []
        if self.max_tx_cost > self.max_block_cost:
            found.append("max_tx_cost must not exceed max_block_cost")
        elif 4 * self.max_tx_cost > 3 * self.max_block_cost:
            # Else a block that works off the agenda (vm.agenda) would have no room for any transaction.
            found.append("max_tx_cost must not exceed three quarters of max_block_cost")
        if self.round_timeout_ms > self.round_timeout_max_ms:
            found.append("round_timeout_ms must not exceed round_timeout_max_ms")
        if self.block_interval_ms > self.empty_block_interval_ms:
            found.append("block_interval_ms must not exceed empty_block_interval_ms")
        # A full block executes within a quarter of the timeout (SPEC section 3, Before PREPARE).
        affordable = self.round_timeout_ms * COST_PER_MS // 4
        if self.max_block_cost > affordable:
            found.append(
                f"max_block_cost must not exceed {affordable}: a quarter of round_timeout_ms, {COST_PER_MS} per ms"
            )
        if self.brand_cost_per_window < self.account_cost_per_window:
            found.append("brand_cost_per_window must be at least account_cost_per_window")
        if self.max_tx_ttl_ms < self.replay_slot_ms:
            found.append("max_tx_ttl_ms must be at least replay_slot_ms")
        if self.max_tx_ttl_ms > MAX_REPLAY_SLOTS * self.replay_slot_ms:
            found.append(f"max_tx_ttl_ms must not exceed {MAX_REPLAY_SLOTS} times replay_slot_ms")
        return found


PARAMS: Final[Table[Params]] = Table("chain/params", (), Params, "the parameters, in force from the next height")
