"""Treaties: proposed by one brand, accepted by the other, amended, suspended, terminated."""

from __future__ import annotations

from typing import Annotated

from msgspec.structs import replace

from contracts_py.identity import Authority
from contracts_py.swap.answers import TermsShown, TreatyShown, TreatyState
from contracts_py.swap.arbitrage import require_no_profit
from contracts_py.swap.events import Accepted, Proposed, Resumed, Suspended, Terminated
from contracts_py.swap.records import (
    LEADING_FROM,
    MAX_TREATIES_OF_PROGRAM,
    TREATIES,
    TREATIES_OF,
    USES,
    Limits,
    Rate,
    Terms,
    Treaty,
    Use,
    is_over,
    status_of,
)
from contracts_py.token import Ledger
from vm.contract_api import (
    DEFAULT_PAGE,
    MAX_INT,
    MS_PER_DAY,
    Context,
    Contract,
    Count,
    Cursor,
    Meta,
    Page,
    PageLimit,
    Refused,
    Slug,
    TimeMs,
    call,
    refuse,
    view,
)

Fee = Annotated[int, Meta(ge=0, le=9_999)]


class Treaties(Contract):
    """The room for treaties."""

    name = "swap"

    def __init__(self, authority: Authority, ledger: Ledger) -> None:
        self._authority = authority
        self._ledger = ledger

    @call
    def propose(
        self,
        ctx: Context,
        treaty: Slug,
        from_program: Slug,
        to_program: Slug,
        rate: Rate,
        fee_bps: Fee,
        limits: Limits,
        valid_from: TimeMs,
        valid_to: TimeMs,
    ) -> TreatyState:
        """Propose a treaty to the other program's brand (admin of one side)."""
        TREATIES.require_absent(ctx, treaty)
        giving, receiving = self._ledger.rules(ctx, from_program), self._ledger.rules(ctx, to_program)
        from_brand, to_brand = giving.brand, receiving.brand
        if from_brand == to_brand:
            raise Refused("NOT_ELIGIBLE", "a treaty is between two brands", brand=from_brand)
        if giving.backed and giving.price.currency != receiving.price.currency:
            # What leaves would be owed in another currency than that in which it is backed.
            raise Refused("NOT_ELIGIBLE", "points of a backed program become such of its own currency only")
        terms = _terms(ctx, rate, fee_bps, limits, valid_from, valid_to)
        by = self._side(ctx, from_brand, to_brand)
        self._authority.require_free_name(ctx, treaty, by)
        record = Treaty(from_program, to_program, from_brand, to_brand, by, terms)
        TREATIES.put(ctx, record, treaty)
        for brand in (from_brand, to_brand):
            TREATIES_OF.add(ctx, brand, item=treaty)
        ctx.emit(Proposed(treaty, by, _other(record, by)))
        return TreatyState(treaty, "proposed")

    @call
    def accept(self, ctx: Context, treaty: Slug, revision: Count | None = None) -> TreatyState:
        """Accept a proposed treaty, or the amendment that waits (admin of the other side).

        With the `revision` that was read nothing is accepted that came after it. It is refused where points could
        be multiplied along any cycle of treaties that are not over.
        """
        record = self._require_alive(ctx, treaty)
        if revision is not None and revision != record.revision:
            raise Refused("CHANGED", "other terms have been proposed since", revision=record.revision)
        if not record.accepted:
            self._authority.require_role(ctx, _other(record, record.proposer), "admin")
            changed = replace(record, accepted=True)
        elif record.amendment is not None and record.amender is not None:
            self._authority.require_role(ctx, _other(record, record.amender), "admin")
            changed = replace(record, terms=record.amendment, amendment=None, amender=None)
        else:
            raise Refused("NOT_ELIGIBLE", "nothing waits for an acceptance", treaty=treaty)
        if ctx.time >= changed.terms.valid_to:
            raise Refused("EXPIRED", "the terms are over", valid_to=changed.terms.valid_to)
        require_no_profit(ctx, treaty, changed)
        if not record.accepted:
            self._lead(ctx, treaty, record.from_program)
        TREATIES.put(ctx, changed, treaty)
        terms = changed.terms
        sides = (record.from_program, record.to_program, record.from_brand, record.to_brand)
        ctx.emit(Accepted(treaty, *sides, terms.num, terms.den, terms.fee_bps))
        return TreatyState(treaty, status_of(changed, ctx.time), changed.ends)

    def _lead(self, ctx: Context, treaty: str, program: str) -> None:
        """List a treaty among those that lead out of a program, in the place of such that are over."""
        leading = list(LEADING_FROM.iterate(ctx, program))
        over = [name for name in leading if is_over(TREATIES.require(ctx, name), ctx.time)]
        if len(leading) - len(over) >= MAX_TREATIES_OF_PROGRAM:
            words = "the program has too many treaties"
            raise Refused("LIMIT_EXCEEDED", words, limit=MAX_TREATIES_OF_PROGRAM)
        LEADING_FROM.discard_all(ctx, over, program)
        LEADING_FROM.add(ctx, program, item=treaty)

    @call
    def amend(
        self,
        ctx: Context,
        treaty: Slug,
        rate: Rate,
        fee_bps: Fee,
        limits: Limits,
        valid_from: TimeMs,
        valid_to: TimeMs,
    ) -> TreatyState:
        """Propose other terms to the other side (admin of one side); they replace what waits already."""
        record = self._require_alive(ctx, treaty)
        by = self._side(ctx, record.from_brand, record.to_brand)
        terms = _terms(ctx, rate, fee_bps, limits, valid_from, valid_to)
        if not record.accepted:
            if by != record.proposer:
                raise Refused(
                    "NOT_ELIGIBLE", "the other side proposed it: accept it, or propose another", treaty=treaty
                )
            changed = replace(record, terms=terms, revision=record.revision + 1)
        else:
            changed = replace(record, amendment=terms, amender=by, revision=record.revision + 1)
        TREATIES.put(ctx, changed, treaty)
        ctx.emit(Proposed(treaty, by, _other(record, by), amendment=True))
        return TreatyState(treaty, status_of(changed, ctx.time), changed.ends)

    @call
    def suspend(self, ctx: Context, treaty: Slug) -> TreatyState:
        """Let nothing be exchanged under a treaty until this side resumes it (admin of one side)."""
        record = self._require_alive(ctx, treaty)
        by = self._side(ctx, record.from_brand, record.to_brand)
        if by in record.suspended_by:
            raise Refused("NOT_ELIGIBLE", "this side has suspended it", treaty=treaty, brand=by)
        changed = replace(record, suspended_by=tuple(sorted((*record.suspended_by, by))))
        TREATIES.put(ctx, changed, treaty)
        ctx.emit(Suspended(treaty, by))
        return TreatyState(treaty, status_of(changed, ctx.time), changed.ends)

    @call
    def resume(self, ctx: Context, treaty: Slug) -> TreatyState:
        """End this side's suspension (its admin)."""
        record = self._require_alive(ctx, treaty)
        by = self._side(ctx, record.from_brand, record.to_brand, among=record.suspended_by)
        changed = replace(record, suspended_by=tuple([brand for brand in record.suspended_by if brand != by]))
        TREATIES.put(ctx, changed, treaty)
        ctx.emit(Resumed(treaty, by))
        return TreatyState(treaty, status_of(changed, ctx.time), changed.ends)

    @call
    def terminate(self, ctx: Context, treaty: Slug, notice_ms: Count) -> TreatyState:
        """End a treaty after a notice, in which it runs on (admin of one side).

        One that is not accepted yet ends at once.
        """
        record = self._require_alive(ctx, treaty)
        by = self._side(ctx, record.from_brand, record.to_brand)
        ends = min(ctx.time + notice_ms, MAX_INT) if record.accepted else ctx.time
        if record.ends is not None and record.ends <= ends:
            raise Refused("NOT_ELIGIBLE", "it ends earlier already", treaty=treaty, ends=record.ends)
        changed = replace(record, ends=ends)
        TREATIES.put(ctx, changed, treaty)
        ctx.emit(Terminated(treaty, by, ends))
        return TreatyState(treaty, status_of(changed, ctx.time), ends)

    def _require_alive(self, ctx: Context, treaty: str) -> Treaty:
        """Return a treaty that is not over; one that is does not come back, since it is listed nowhere any more.

        Raises:
            Refused: NOT_FOUND, EXPIRED.
        """
        record = TREATIES.require(ctx, treaty)
        ends = record.terms.valid_to if record.ends is None else record.ends
        if is_over(record, ctx.time) if record.accepted else record.ends is not None:
            raise Refused("EXPIRED", "the treaty is over", treaty=treaty, ends=ends)
        return record

    def _side(self, ctx: Context, from_brand: str, to_brand: str, among: tuple[str, ...] | None = None) -> str:
        """Return the side for which the signers act: the from-brand where they act for both.

        Raises:
            Refused: NOT_AUTHORISED; NOT_ELIGIBLE, that side is not `among` those that come into question.
        """
        sides = [brand for brand in (from_brand, to_brand) if self._authority.holds_role(ctx, brand, "admin")]
        if not sides:
            raise Refused("NOT_AUTHORISED", "needs the role admin at one side", sides=[from_brand, to_brand])
        if among is not None:
            sides = [brand for brand in sides if brand in among]
            if not sides:
                raise Refused("NOT_ELIGIBLE", "this side has not suspended it", suspended_by=list(among))
        return sides[0]

    # Views

    @view
    def treaty(self, ctx: Context, treaty: Slug) -> TreatyShown:
        """Return a treaty."""
        record = TREATIES.require(ctx, treaty)
        use = USES.get(ctx, treaty) or Use(0, 0)
        amendment = None if record.amendment is None else _shown(record.amendment)
        return TreatyShown(
            treaty,
            status_of(record, ctx.time),
            record.from_program,
            record.to_program,
            record.from_brand,
            record.to_brand,
            record.proposer,
            _shown(record.terms),
            use.used if use.day == ctx.time // MS_PER_DAY else 0,
            use.given,
            amendment,
            record.amender,
            record.suspended_by,
            record.ends,
            record.revision,
        )

    @view
    def treaties(
        self, ctx: Context, brand: Slug, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[TreatyShown]:
        """Return a brand's treaties, those that are over included, by name."""
        self._authority.brand_record(ctx, brand)
        return TREATIES_OF.page(ctx, brand, cursor=cursor, limit=limit, show=lambda name: self.treaty(ctx, name))


def _terms(
    ctx: Context, rate: tuple[int, int], fee_bps: int, limits: Limits, valid_from: int, valid_to: int
) -> Terms:
    if valid_to <= valid_from:
        refuse("valid_to", "a time after valid_from")
    if valid_to <= ctx.time:
        raise Refused("EXPIRED", "the terms would be over already", valid_to=valid_to)
    return Terms(rate[0], rate[1], fee_bps, limits, valid_from, valid_to)


def _shown(terms: Terms) -> TermsShown:
    rate = (terms.num, terms.den)
    return TermsShown(rate, terms.fee_bps, terms.limits, terms.valid_from, terms.valid_to)


def _other(record: Treaty, brand: str) -> str:
    return record.to_brand if brand == record.from_brand else record.from_brand
