"""Reserves: what a brand is owed and was paid, less what it owes and has paid, since it began to count.

A program whose points are backed by what the members of an alliance owe (docs/ledger.md, "A unit of the alliance")
asks for it before more of them come to be. Every booking of the brand counts at once; a payment changes nothing, as
it was owed before, and neither does unwinding.
"""

from __future__ import annotations

from contracts_py.clearing.books import live_periods, position_in
from contracts_py.clearing.records import RESERVES
from vm.contract_api import Context


def open_reserve(ctx: Context, brand: str, currency: str) -> None:
    """Count a brand's reserve in a currency from now on, beginning with what it is owed now."""
    amount = sum(position_in(ctx, currency, period, brand) for period in live_periods(ctx, currency))
    RESERVES.put(ctx, amount, currency, brand)


def reserve_of(ctx: Context, brand: str, currency: str) -> int | None:
    """Return a brand's reserve, in minor units; None where none is counted."""
    return RESERVES.get(ctx, currency, brand)
