"""Who holds which tickets of a draw: sums over pages of 64, so that each change and each search costs its depth.

Each account that takes part has a slot, in the order of coming. Level 0 holds the tickets by slot, each level above
the sums of the pages below; the highest is one page.

Invariants:
    1. Each sum equals that of the page below it; so the top page's sum is `total`.
    2. `find(ticket)` returns the slot s with tickets(0) + … + tickets(s-1) <= ticket < that + tickets(s).
"""

from __future__ import annotations

from contracts_py.campaign.draw_records import ENTRANTS, FANOUT, SLOTS, TICKETS
from vm.contract_api import Context, InvariantBroken


def tickets_of(ctx: Context, draw: str, slot: int) -> int:
    """Return how many tickets a slot has."""
    page = TICKETS.get(ctx, draw, 0, slot // FANOUT) or ()
    return page[slot % FANOUT] if slot % FANOUT < len(page) else 0


def total(ctx: Context, draw: str) -> int:
    """Return how many tickets a draw has."""
    return sum(TICKETS.get(ctx, draw, top_level(ctx, draw), 0) or ())


def top_level(ctx: Context, draw: str) -> int:
    """Return the level that is one page."""
    return _top_of(ENTRANTS.length(ctx, draw))


def _top_of(slots: int) -> int:
    level, held = 0, FANOUT
    while held < slots:
        level, held = level + 1, held * FANOUT
    return level


def add(ctx: Context, draw: str, account: str, count: int) -> int:
    """Give an account tickets; return its slot."""
    slot = SLOTS.get(ctx, draw, account)
    if slot is None:
        slots = ENTRANTS.length(ctx, draw)
        if slots and _top_of(slots + 1) > _top_of(slots):
            # One level more: its first sum is that of what has been the top page.
            TICKETS.put(ctx, (total(ctx, draw),), draw, _top_of(slots + 1), 0)
        slot = ENTRANTS.append(ctx, account, draw)
        SLOTS.put(ctx, slot, draw, account)
    change(ctx, draw, slot, count)
    return slot


def change(ctx: Context, draw: str, slot: int, by: int) -> None:
    """Change a slot's tickets, and the sums above it."""
    place = slot
    for level in range(top_level(ctx, draw) + 1):
        page, at = divmod(place, FANOUT)
        sums = list(TICKETS.get(ctx, draw, level, page) or ())
        sums += [0] * (at + 1 - len(sums))
        sums[at] += by
        TICKETS.put(ctx, tuple(sums), draw, level, page)
        place = page


def find(ctx: Context, draw: str, ticket: int) -> int:
    """Return the slot that holds a ticket below the total."""
    page = 0
    for level in range(top_level(ctx, draw), -1, -1):
        for at, sum_ in enumerate(TICKETS.require(ctx, draw, level, page)):
            if ticket < sum_:
                page = page * FANOUT + at
                break
            ticket -= sum_
        else:
            raise InvariantBroken(f"the draw {draw} has no such ticket: its sums do not add up")
        ctx.charge(FANOUT // 8)
    return page
