"""Giveaways: entries by an effect, winners by a seed that no single party can choose (docs/decisions/draws.md).

    open        takes entries, until `closes`
    committing  waits for commitments, 7 days at most; left out where there are enough
    sealed      waits for the second block after the one in which entries were closed and commitments complete
    revealing   waits for secrets, 24 hours; one is missing: its brand is struck, back to committing
    drawing     one number after the other
    done, void

Invariants:
    1. From the closing on no ticket comes or goes but by a number that was drawn.
    2. The seed is fixed once, from a block after the closing and after the last commitment.
    3. An item of the agenda that does not stand at the record's `due` does nothing.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec.structs import replace

from contracts_py.campaign import draw_tickets
from contracts_py.campaign.draw_answers import DrawShown, WitnessNow
from contracts_py.campaign.draw_events import (
    DrawClosed,
    DrawCommitted,
    DrawEnded,
    DrawOpened,
    DrawPassed,
    DrawRevealed,
    DrawSealed,
    DrawSeeded,
    DrawVoid,
    DrawWithheld,
    DrawWon,
)
from contracts_py.campaign.draw_records import (
    AWARDS,
    COMMIT_MS,
    DRAWS,
    DRAWS_OF,
    ENTRANTS,
    MAX_OPEN_MS,
    MAX_PASSED,
    MAX_PRIZES,
    MAX_ROUNDS,
    MAX_WITNESSES,
    RESULTS,
    REVEAL_MS,
    STEPS,
    WINNERS,
    Draw,
    Drawn,
    Entropy,
    Prizes,
    Reason,
    Witness,
)
from contracts_py.campaign.draw_seed import commitment_of, number_below, seed_of
from contracts_py.campaign.recorder import Recorder
from contracts_py.identity import Authority
from vm.contract_api import (
    Context,
    Contract,
    Hash,
    InvariantBroken,
    Meta,
    Refused,
    Slug,
    TimeMs,
    call,
    current_validators,
    due,
    refuse,
)

SECOND_BLOCK_AFTER: Final = 2
"""SPEC-2 section 10: the digest of the second block after the closing; the block after that reads it."""

WON: Final = "draw-won"
"""The event with which a brand's campaigns are run for a winner."""

Commits = Annotated[int, Meta(ge=0, le=MAX_WITNESSES)]


class Draws(Contract):
    """The room for draws."""

    name = "campaign"

    def __init__(self, authority: Authority, recorder: Recorder) -> None:
        self._authority = authority
        self._recorder = recorder

    @call
    def draw(
        self,
        ctx: Context,
        draw: Slug,
        campaign: Slug,
        prizes: Prizes,
        closes: TimeMs,
        once: bool = True,
        commits: Commits | None = None,
    ) -> DrawShown:
        """Open a draw for what a campaign's `entry` effects give (marketer).

        With `once` a shopper wins at most one prize, else a ticket does. `commits` is how many validators' brands
        must commit to a secret: by default so many that one of them is honest.
        """
        brand, _ = self._recorder.brand_and_event(ctx, campaign)
        self._authority.require_active(ctx, brand)
        self._authority.require_role(ctx, brand, "marketer")
        self._authority.require_free_name(ctx, draw, brand)
        DRAWS.require_absent(ctx, draw)
        if closes <= ctx.time:
            raise Refused("EXPIRED", "the draw would be closed already", closes=closes)
        if closes > ctx.time + MAX_OPEN_MS:
            raise Refused("LIMIT_EXCEEDED", "too far ahead", closes=closes, limit=ctx.time + MAX_OPEN_MS)
        needed = _needed(ctx, commits)
        record = Draw(brand, campaign, prizes, closes, needed, once, "open", closes)
        if record.total_prizes() > MAX_PRIZES:
            raise Refused("LIMIT_EXCEEDED", "too many prizes", limit=MAX_PRIZES)
        DRAWS.put(ctx, record, draw)
        DRAWS_OF.add(ctx, brand, item=draw)
        STEPS.put(ctx, closes, draw)
        ctx.emit(DrawOpened(draw, brand, campaign, closes, needed))
        return shown(ctx, draw)

    @call
    def draw_commit(self, ctx: Context, draw: Slug, brand: Slug, commitment: Hash) -> WitnessNow:
        """Commit a validator's brand to a secret that it will show (admin)."""
        self._authority.require_present(ctx, brand)
        self._authority.require_role(ctx, brand, "admin")
        record = DRAWS.require(ctx, draw)
        waiting = record.status == "committing" and record.due > ctx.time
        if not waiting and (record.status != "open" or record.closes <= ctx.time):
            raise Refused("NOT_ELIGIBLE", f"the draw is {record.status}", draw=draw)
        if brand in record.struck or brand not in _validators(ctx):
            raise Refused("NOT_ELIGIBLE", "the brand takes no part: it withheld a secret, or has no validator")
        if any(witness.brand == brand for witness in record.witnesses):
            raise Refused("ALREADY_EXISTS", "the brand has committed", draw=draw, brand=brand)
        if len(record.witnesses) >= MAX_WITNESSES:
            raise Refused("LIMIT_EXCEEDED", "enough brands have committed", limit=MAX_WITNESSES)
        witnesses = (*record.witnesses, Witness(brand, commitment))
        record = replace(record, witnesses=tuple(sorted(witnesses, key=_brand_of)))
        ctx.emit(DrawCommitted(draw, brand, commitment, record.round))
        if record.status == "committing" and len(witnesses) >= record.needed:
            record = replace(record, status="sealed", base=ctx.height)
            self._next(ctx, draw, record, ctx.time + 1)
        else:
            DRAWS.put(ctx, record, draw)
        return WitnessNow(draw, brand, record.status, len(witnesses), record.needed)

    @call
    def draw_reveal(self, ctx: Context, draw: Slug, brand: Slug, secret: Hash) -> WitnessNow:
        """Show the secret to which a brand has committed; whoever knows it may."""
        record = DRAWS.require(ctx, draw)
        if record.status != "revealing" or record.due <= ctx.time:
            raise Refused("NOT_DUE", f"the draw is {record.status}", draw=draw)
        own = next((witness for witness in record.witnesses if witness.brand == brand), None)
        if own is None:
            raise Refused("NOT_FOUND", "the brand has not committed", draw=draw, brand=brand)
        if own.secret is not None:
            raise Refused("ALREADY_EXISTS", "the secret is known", draw=draw, brand=brand)
        if commitment_of(ctx.chain, draw, brand, bytes.fromhex(secret)) != own.commitment:
            raise Refused("NOT_ELIGIBLE", "the brand has committed to another secret", draw=draw, brand=brand)
        witnesses = tuple([replace(w, secret=secret) if w is own else w for w in record.witnesses])
        record = replace(record, witnesses=witnesses)
        ctx.emit(DrawRevealed(draw, brand, secret))
        known = sum(witness.secret is not None for witness in witnesses)
        if known == len(witnesses):
            record = self._seed(ctx, draw, record)
        else:
            DRAWS.put(ctx, record, draw)
        return WitnessNow(draw, brand, record.status, known, len(witnesses))

    @due(STEPS)
    def proceed(self, ctx: Context, at: int, draw: str) -> bool:
        """Do what a draw does next."""
        del at
        record = DRAWS.require(ctx, draw)
        if record.due > ctx.time or record.status in ("done", "void"):
            return False
        if record.status == "open":
            self._close(ctx, draw, record)
        elif record.status == "sealed":
            self._take_entropy(ctx, draw, record)
        elif record.status == "revealing":
            self._strike(ctx, draw, record)
        elif record.status == "committing":
            self._void(ctx, draw, record)
        else:
            return self._draw_number(ctx, draw, record)
        return False

    @due(AWARDS)
    def award(self, ctx: Context, at: int, draw: str, number: int) -> bool:
        """Run the brand's campaigns on `draw-won` for a winner."""
        del at
        record, result = DRAWS.require(ctx, draw), RESULTS.at(ctx, draw, place=number)
        # The programs of a brand that has left issue nothing any more: trying again would never end.
        left = self._authority.has_left(ctx, record.brand)
        if result.place is not None and result.winner is not None and not left:
            prize = record.prize_at(result.place).name
            attrs = {"draw": draw, "prize": prize, "place": result.place}
            self._recorder.run(ctx, record.brand, WON, result.winner, f"draw:{draw}:{result.place}", attrs)
        return False

    def _next(self, ctx: Context, draw: str, record: Draw, at: int) -> None:
        """Store a draw, and when it goes on; what the agenda holds for the former time goes, or is stale."""
        before = DRAWS.require(ctx, draw).due
        if before > ctx.time:
            STEPS.cancel(ctx, before, draw)
        STEPS.put(ctx, at, draw)
        DRAWS.put(ctx, replace(record, due=at), draw)

    def _close(self, ctx: Context, draw: str, record: Draw) -> None:
        tickets = draw_tickets.total(ctx, draw)
        ctx.emit(DrawClosed(draw, record.brand, ENTRANTS.length(ctx, draw), tickets))
        if not tickets:
            self._end(ctx, draw, record)
        elif len(record.witnesses) >= record.needed:
            self._next(ctx, draw, replace(record, status="sealed", base=ctx.height), ctx.time + 1)
        else:
            self._next(ctx, draw, replace(record, status="committing"), ctx.time + COMMIT_MS)

    def _take_entropy(self, ctx: Context, draw: str, record: Draw) -> None:
        """Take the digest of the second block after; a step that was put off takes that of a later one."""
        if record.base is None or ctx.height <= record.base + SECOND_BLOCK_AFTER:
            self._next(ctx, draw, record, ctx.time + 1)
            return
        entropy = Entropy(ctx.height - 1, ctx.parent.hex())
        until = ctx.time + REVEAL_MS
        record = replace(record, status="revealing", entropy=entropy)
        ctx.emit(DrawSealed(draw, record.brand, entropy.height, entropy.digest, until))
        if record.witnesses:
            self._next(ctx, draw, record, until)
        else:
            self._seed(ctx, draw, record)

    def _seed(self, ctx: Context, draw: str, record: Draw) -> Draw:
        if record.entropy is None:
            raise InvariantBroken(f"the draw {draw} has secrets, and no block")
        secrets = [(w.brand, w.secret) for w in record.witnesses if w.secret is not None]
        digest = bytes.fromhex(record.entropy.digest)
        seed = seed_of(ctx.chain, draw, record.entropy.height, digest, secrets).hex()
        ctx.emit(DrawSeeded(draw, record.brand, seed))
        record = replace(record, status="drawing", seed=seed)
        self._next(ctx, draw, record, ctx.time + 1)
        return record

    def _strike(self, ctx: Context, draw: str, record: Draw) -> None:
        """End a round in which a secret was not shown."""
        missing = tuple([witness.brand for witness in record.witnesses if witness.secret is None])
        for brand in missing:
            ctx.emit(DrawWithheld(draw, brand, record.round))
        struck = (*record.struck, *missing)
        if record.round >= MAX_ROUNDS or len(struck) > MAX_WITNESSES:
            self._void(ctx, draw, record)
            return
        record = replace(
            record,
            status="committing",
            round=record.round + 1,
            witnesses=(),
            struck=struck,
            entropy=None,
            base=None,
        )
        self._next(ctx, draw, record, ctx.time + COMMIT_MS)

    def _void(self, ctx: Context, draw: str, record: Draw) -> None:
        DRAWS.put(ctx, replace(record, status="void"), draw)
        ctx.emit(DrawVoid(draw, record.brand, record.round))

    def _end(self, ctx: Context, draw: str, record: Draw) -> None:
        DRAWS.put(ctx, replace(record, status="done"), draw)
        ctx.emit(DrawEnded(draw, record.brand, record.won, record.total_prizes() - record.won))

    def _draw_number(self, ctx: Context, draw: str, record: Draw) -> bool:
        """Draw one number; tell whether there are more."""
        total = draw_tickets.total(ctx, draw)
        over = record.won == record.total_prizes() or record.drawn - record.won >= MAX_PASSED
        if over or not total or record.seed is None:
            self._end(ctx, draw, record)
            return False
        slot = draw_tickets.find(ctx, draw, number_below(bytes.fromhex(record.seed), record.drawn, total))
        account = ENTRANTS.at(ctx, draw, place=slot)
        winner = self._authority.current_account(ctx, account)
        tickets = draw_tickets.tickets_of(ctx, draw, slot)
        reason = self._reason_against(ctx, draw, record, winner)
        taken = tickets if record.once or reason is not None else 1
        draw_tickets.change(ctx, draw, slot, -taken)
        if reason is None:
            self._win(ctx, draw, record, winner, Drawn(slot, tickets, taken, record.won, winner))
            record = replace(record, won=record.won + 1)
        else:
            RESULTS.append(ctx, Drawn(slot, tickets, taken, reason=reason), draw)
            ctx.emit(DrawPassed(draw, record.brand, account, reason))
        DRAWS.put(ctx, replace(record, drawn=record.drawn + 1), draw)
        return True

    def _reason_against(self, ctx: Context, draw: str, record: Draw, winner: str) -> Reason | None:
        if self._authority.is_erased(ctx, winner):
            return "erased"
        if record.once:
            linked = self._authority.linked_addresses(ctx, winner)
            if any(WINNERS.get(ctx, draw, address) is not None for address in linked):
                return "linked"
        return None

    def _win(self, ctx: Context, draw: str, record: Draw, winner: str, result: Drawn) -> None:
        number = RESULTS.append(ctx, result, draw)
        WINNERS.put(ctx, (WINNERS.get(ctx, draw, winner) or 0) + 1, draw, winner)
        AWARDS.put(ctx, ctx.time + 1, draw, number)
        ctx.emit(DrawWon(draw, record.brand, winner, record.prize_at(record.won).name, record.won))


def _brand_of(witness: Witness) -> str:
    return witness.brand


def _validators(ctx: Context) -> tuple[str, ...]:
    return tuple([entry.brand for entry in current_validators(ctx)])


def _needed(ctx: Context, commits: int | None) -> int:
    """Return how many brands must commit; by default f + 1, of which one is honest where the chain is safe."""
    brands = len(set(_validators(ctx)))
    if commits is None:
        validators = len(current_validators(ctx))
        return min((validators - 1) // 3 + 1 if validators else 0, brands, MAX_WITNESSES)
    if commits > brands:
        refuse("commits", f"at most the number of brands with a validator, which is {brands}")
    return commits


def shown(ctx: Context, draw: str) -> DrawShown:
    """Return a draw as it is at the head."""
    record = DRAWS.require(ctx, draw)
    return DrawShown(
        draw,
        record.brand,
        record.campaign,
        record.prizes,
        record.closes,
        record.once,
        record.status,
        ENTRANTS.length(ctx, draw),
        draw_tickets.total(ctx, draw),
        record.needed,
        len(record.witnesses),
        record.round,
        record.won,
        record.struck,
    )
