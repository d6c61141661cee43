"""Tickets of a draw, as the effect `entry` gives them and a reversal takes them back."""

from __future__ import annotations

from contracts_py.campaign import draw_tickets
from contracts_py.campaign.draw_records import DRAWS, MAX_ENTRIES_PER_EVENT, MAX_TICKETS, SLOTS, Draw
from vm.contract_api import Context, Refused


def require_open(ctx: Context, draw: str, campaign: str) -> Draw:
    """Return a draw that takes a campaign's entries.

    Raises:
        Refused: NOT_FOUND; NOT_ELIGIBLE, it belongs to another campaign; EXPIRED, its entries are closed.
    """
    record = DRAWS.require(ctx, draw)
    if record.campaign != campaign:
        raise Refused("NOT_ELIGIBLE", "the draw is another campaign's", draw=draw, campaign=record.campaign)
    if record.status != "open" or record.closes <= ctx.time:
        raise Refused("EXPIRED", "the draw takes no more entries", draw=draw, closes=record.closes)
    return record


def enter(ctx: Context, draw: str, campaign: str, account: str, count: int) -> int:
    """Give an account tickets; return its slot.

    Raises:
        Refused: as `require_open`; LIMIT_EXCEEDED, too many tickets at once, or altogether.
    """
    require_open(ctx, draw, campaign)
    if not 0 < count <= MAX_ENTRIES_PER_EVENT:
        raise Refused("LIMIT_EXCEEDED", "too many entries at once", count=count, limit=MAX_ENTRIES_PER_EVENT)
    if draw_tickets.total(ctx, draw) + count > MAX_TICKETS:
        raise Refused("LIMIT_EXCEEDED", "the draw has too many entries", limit=MAX_TICKETS)
    return draw_tickets.add(ctx, draw, account, count)


def withdraw(ctx: Context, draw: str, account: str, count: int) -> bool:
    """Take tickets back, as many as there are; False where entries are closed and all stay."""
    record, slot = DRAWS.require(ctx, draw), SLOTS.get(ctx, draw, account)
    if record.status != "open" or record.closes <= ctx.time or slot is None:
        return False
    taken = min(count, draw_tickets.tickets_of(ctx, draw, slot))
    if taken:
        draw_tickets.change(ctx, draw, slot, -taken)
    return True
