"""Allowances: how much work an account, or a brand, may ask for in a window of blocks (SPEC section 2).

Who pays is the sender; for one with roles at one brand, that brand, unless the sender has more left by itself. A
sender with roles at several brands pays for itself. Both because a brand gives roles without asking: it must
neither be able to let its own work be paid for by another brand, nor silence an account by giving it a role and
then using up what would pay for it.

A payer has a *free share* of each block, its allowance divided by the blocks of a window. What it uses within
that is written nowhere, so that ordinary senders cost the state no record. What it uses beyond, in any block,
is taken from the allowance proper, which a record keeps until its window is over. So in any window of blocks a
payer uses at most twice its allowance.

Invariants:
    1. A record's window begins with its first use and is over `window_blocks` later, whatever `window_blocks`
       was then.
    2. Nobody's record changes by what others send or sign.
    3. Each record has an entry in ENDS, at a height up to which its window may last; soon after its window is
       over, the record is deleted, at most ENDED_PER_BLOCK in a block.
"""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from vm.arguments.types import Count
from vm.params import Params
from vm.primitives.address import ADDRESS_LENGTH
from vm.state_view import BlockOverlay
from vm.tables.ordered_set import OrderedSet
from vm.tables.parts import ADDRESS, SLUG
from vm.tables.table import Table


class Allowance(msgspec.Struct, frozen=True, gc=False):
    """Work units used beyond free shares since a height."""

    used: Count
    since: Count


ALLOWANCES: Final[Table[Allowance]] = Table(
    "chain/allowance", (("address", ADDRESS),), Allowance, "what an account has used of its allowance"
)
BRAND_ALLOWANCES: Final[Table[Allowance]] = Table(
    "chain/brand-allowance", (("brand", SLUG),), Allowance, "what a brand has used of its allowance"
)


ENDED_PER_BLOCK: Final = 64
"""Two writes each: some milliseconds in a block of a chain where 64 payers per block exceed their free shares."""

Kind = Literal["account", "brand"]
_Name = Annotated[str, Meta(max_length=ADDRESS_LENGTH)]

ENDS: Final[OrderedSet[tuple[int, Kind, str]]] = OrderedSet(
    "chain/allowance-ends",
    (),
    tuple[Count, Kind, _Name],
    "from which height on a record of an allowance may be over: height, kind, address or slug",
)
_TABLES: Final[dict[Kind, Table[Allowance]]] = {"account": ALLOWANCES, "brand": BRAND_ALLOWANCES}


def forget_ended(overlay: BlockOverlay, params: Params, height: int) -> None:
    """Delete records whose window is over, the oldest first."""
    ended = [item for item in islice(ENDS.iterate(overlay), ENDED_PER_BLOCK) if item[0] <= height]
    for item in ended:
        ENDS.discard(overlay, item=item)
        _, kind, name = item
        record = _TABLES[kind].get(overlay, name)
        if record is None:
            continue
        end = record.since + params.window_blocks
        if height >= end:
            _TABLES[kind].delete(overlay, name)
        else:
            # Another window has begun since, or windows have become longer.
            ENDS.add(overlay, item=(end, kind, name))


class Payer(NamedTuple):
    """Who pays: what kind of payer, under which name, and the work units per window."""

    kind: Kind
    name: str
    limit: int


class BlockAllowances:
    """What payers use in one block."""

    def __init__(self, overlay: BlockOverlay, params: Params, height: int) -> None:
        self._overlay = overlay
        self._params = params
        self._height = height
        self._spent: dict[str, int] = {}
        self._records: dict[str, Allowance] = {}
        """Those that have been looked at; nothing else writes them while the block executes."""

    def payer(self, sender: str, brands: tuple[str, ...]) -> Payer:
        """Return who pays for a sender with roles at these brands."""
        params = self._params
        if len(brands) > 1:
            return Payer("account", sender, params.brand_cost_per_window)
        own = Payer("account", sender, params.account_cost_per_window)
        if not brands:
            return own
        brand = Payer("brand", brands[0], params.brand_cost_per_window)
        left = self.free(brand) + self.remaining(brand)
        if left >= self._share(own) + own.limit or left >= self.free(own) + self.remaining(own):
            return brand
        return own

    def free(self, payer: Payer) -> int:
        """Return what is left of a payer's free share of this block."""
        return max(0, self._share(payer) - self._spent.get(payer.name, 0))

    def remaining(self, payer: Payer) -> int:
        """Return what is left of a payer's allowance beyond free shares."""
        return max(0, payer.limit - self._record(payer).used)

    def spend(self, payer: Payer, cost: int) -> None:
        """Count what a transaction has used, and keep what of it is beyond the free share."""
        share = self._share(payer)
        before = self._spent.get(payer.name, 0)
        after = self._spent[payer.name] = before + cost
        beyond = max(after - share, 0) - max(before - share, 0)
        if beyond:
            before_record = self._record(payer)
            record = self._records[payer.name] = Allowance(before_record.used + beyond, before_record.since)
            _TABLES[payer.kind].put(self._overlay, record, payer.name)
            if not before_record.used:
                ENDS.add(self._overlay, item=(record.since + self._params.window_blocks, payer.kind, payer.name))

    def _share(self, payer: Payer) -> int:
        return payer.limit // self._params.window_blocks

    def _record(self, payer: Payer) -> Allowance:
        record = self._records.get(payer.name)
        if record is None:
            record = _TABLES[payer.kind].get(self._overlay, payer.name)
            if record is None or self._height >= record.since + self._params.window_blocks:
                record = Allowance(0, self._height)
            self._records[payer.name] = record
        return record
