"""The views of draws."""

from __future__ import annotations

from contracts_py.campaign import draw_tickets
from contracts_py.campaign.draw_answers import DrawProof, DrawShown, Entry, NumberShown, Winner
from contracts_py.campaign.draw_records import DRAWS, DRAWS_OF, ENTRANTS, RESULTS, Draw
from contracts_py.campaign.draw_seed import number_below
from contracts_py.campaign.draws import shown
from vm.contract_api import DEFAULT_PAGE, Context, Contract, Cursor, Page, PageLimit, Slug, refuse, view


class DrawViews(Contract):
    """The room in which draws are read."""

    name = "campaign"

    @view
    def draw(self, ctx: Context, draw: Slug) -> DrawShown:
        """Return a draw."""
        return shown(ctx, draw)

    @view
    def draws(
        self, ctx: Context, brand: Slug, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[DrawShown]:
        """Return a brand's draws by name."""
        return DRAWS_OF.page(ctx, brand, cursor=cursor, limit=limit, show=lambda draw: shown(ctx, draw))

    @view
    def draw_winners(self, ctx: Context, draw: Slug) -> list[Winner]:
        """Return who has won, by place; at most 1,000."""
        record = DRAWS.require(ctx, draw)
        return [
            Winner(result.place, record.prize_at(result.place).name, result.winner)
            for result in RESULTS.iterate(ctx, draw)
            if result.place is not None and result.winner is not None
        ]

    @view
    def draw_entries(
        self, ctx: Context, draw: Slug, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[Entry]:
        """Return who takes part, by slot, with the tickets that counted when entries closed."""
        DRAWS.require(ctx, draw)
        taken = _taken(ctx, draw)
        start = 0 if cursor is None else _slot_of(cursor)
        stop = min(start + limit, ENTRANTS.length(ctx, draw))
        items = [
            Entry(
                slot,
                ENTRANTS.at(ctx, draw, place=slot),
                draw_tickets.tickets_of(ctx, draw, slot) + taken.get(slot, 0),
            )
            for slot in range(start, stop)
        ]
        return Page(items, str(stop) if stop < ENTRANTS.length(ctx, draw) else None)

    @view
    def draw_proof(self, ctx: Context, draw: Slug) -> DrawProof:
        """Return all that a draw's outcome follows from, besides its entries."""
        record = DRAWS.require(ctx, draw)
        total = draw_tickets.total(ctx, draw) + sum(_taken(ctx, draw).values())
        return DrawProof(
            ctx.chain,
            draw,
            record.brand,
            record.once,
            record.status,
            record.prizes,
            "all committing brands together" if record.needed else "one proposer",
            record.witnesses,
            total,
            _numbers(ctx, draw, record, total),
            record.entropy,
            record.seed,
        )


def _taken(ctx: Context, draw: str) -> dict[int, int]:
    """Return how many tickets of each slot have left the draw."""
    taken: dict[int, int] = {}
    for result in RESULTS.iterate(ctx, draw):
        taken[result.slot] = taken.get(result.slot, 0) + result.taken
    return taken


def _numbers(ctx: Context, draw: str, record: Draw, total: int) -> list[NumberShown]:
    shown_numbers = []
    for number, result in enumerate(RESULTS.iterate(ctx, draw)):
        ticket = 0 if record.seed is None else number_below(bytes.fromhex(record.seed), number, total)
        shown_numbers.append(
            NumberShown(
                number,
                ticket,
                total,
                result.slot,
                ENTRANTS.at(ctx, draw, place=result.slot),
                result.tickets,
                result.taken,
                result.place,
                result.winner,
                None if result.place is None else record.prize_at(result.place).name,
                result.reason,
            )
        )
        total -= result.taken
    return shown_numbers


def _slot_of(cursor: str) -> int:
    if len(cursor) > 15 or not cursor.isascii() or not cursor.isdigit() or str(int(cursor)) != cursor:
        refuse("cursor", "a cursor that an earlier page has answered")
    return int(cursor)
