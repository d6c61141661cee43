"""Treaties about levels: what one brand's level gives at another brand, agreed on by both."""

from __future__ import annotations

from msgspec.structs import replace

from contracts_py.identity import Authority
from contracts_py.tier.answers import GrantDone, MatchShown, MatchState
from contracts_py.tier.courses import rank_named
from contracts_py.tier.events import MatchAccepted, Matched, MatchEnded, MatchProposed
from contracts_py.tier.grants import require_level
from contracts_py.tier.hooks import TierHooks
from contracts_py.tier.records import (
    MATCHED,
    MATCHES,
    MATCHES_OF,
    Given,
    Match,
    MatchStatus,
    Pair,
    Pairs,
    WindowDays,
)
from contracts_py.tier.seats import Place, Seat, default_ladder, seat_in
from vm.contract_api import (
    DEFAULT_PAGE,
    MS_PER_DAY,
    Address,
    Context,
    Contract,
    Cursor,
    Page,
    PageLimit,
    Refused,
    Slug,
    TimeMs,
    call,
    refuse,
    view,
)


class Matches(Contract):
    """The room for treaties about levels."""

    name = "tier"

    def __init__(self, authority: Authority, hooks: TierHooks) -> None:
        self._authority = authority
        self._hooks = hooks

    @call
    def propose_match(
        self,
        ctx: Context,
        match: Slug,
        from_brand: Slug,
        to_brand: Slug,
        pairs: Pairs,
        valid_from: TimeMs,
        valid_to: TimeMs,
        days: WindowDays | None = None,
        once: bool = False,
        from_ladder: Slug | None = None,
        to_ladder: Slug | None = None,
    ) -> MatchState:
        """Propose that levels of the from-brand give levels of the to-brand (an admin of one of them)."""
        MATCHES.require_absent(ctx, match)
        if from_brand == to_brand:
            raise Refused("NOT_ELIGIBLE", "a match is between two brands", brand=from_brand)
        if valid_to <= valid_from:
            refuse("valid_to", "a time after valid_from")
        if valid_to <= ctx.time:
            raise Refused("EXPIRED", "the match would be over already", valid_to=valid_to)
        for brand in (from_brand, to_brand):
            self._authority.require_active(ctx, brand)
        ladders = (from_ladder or default_ladder(ctx, from_brand), to_ladder or default_ladder(ctx, to_brand))
        by = self._side(ctx, from_brand, to_brand)
        self._authority.require_free_name(ctx, match, by)
        record = Match(from_brand, ladders[0], to_brand, ladders[1], pairs, valid_from, valid_to, by, days, once)
        self._require_levels(ctx, record)
        MATCHES.put(ctx, record, match)
        for brand in (from_brand, to_brand):
            MATCHES_OF.add(ctx, brand, item=match)
        ctx.emit(MatchProposed(match, by, _other(record, by), from_brand, to_brand))
        return MatchState(match, "proposed")

    def _require_levels(self, ctx: Context, match: Match) -> None:
        """Refuse pairs of levels that are not there, or of which a higher one gives less.

        Raises:
            Refused: NOT_FOUND, INVALID_ARGS.
        """
        sides = ((match.from_brand, match.from_ladder), (match.to_brand, match.to_ladder))
        giving, given = (Place(ctx, self._authority, *side).course_of_nobody() for side in sides)
        ranks = [(require_level(giving, pair.from_), require_level(given, pair.to)) for pair in match.pairs]
        for place in range(1, len(ranks)):
            if ranks[place][0] <= ranks[place - 1][0] or ranks[place][1] <= ranks[place - 1][1]:
                refuse(f"pairs[{place}]", "levels that are both above those of the pair before")

    @call
    def accept_match(self, ctx: Context, match: Slug) -> MatchState:
        """Accept a proposed match (an admin of the other brand)."""
        record = MATCHES.require(ctx, match)
        if record.accepted:
            raise Refused("NOT_ELIGIBLE", "the match is accepted", match=match)
        self._authority.require_role(ctx, _other(record, record.proposer), "admin")
        if record.ended is not None or ctx.time >= record.valid_to:
            raise Refused("EXPIRED", "the match is over", match=match)
        changed = replace(record, accepted=True)
        MATCHES.put(ctx, changed, match)
        sides = (record.from_brand, record.to_brand)
        ctx.emit(MatchAccepted(match, *sides, record.valid_from, record.valid_to))
        return MatchState(match, _status(changed, ctx.time))

    @call
    def end_match(self, ctx: Context, match: Slug) -> MatchState:
        """End a match, or take a proposal back, at once (an admin of either brand); what was given runs on."""
        record = MATCHES.require(ctx, match)
        by = self._side(ctx, record.from_brand, record.to_brand)
        if record.ended is not None or ctx.time >= record.valid_to:
            raise Refused("EXPIRED", "the match is over", match=match)
        MATCHES.put(ctx, replace(record, ended=ctx.time), match)
        ctx.emit(MatchEnded(match, by))
        return MatchState(match, "ended")

    @call
    def match(self, ctx: Context, match: Slug, member: Address, from_: Address | None = None) -> GrantDone:
        """Give a member the level that its level at the other brand is worth (the holder).

        `from` is the address that has the level there, linked to the member, if it is not the same.
        """
        record = MATCHES.require(ctx, match)
        self._require_in_force(ctx, match, record)
        self._authority.require_acts_for(ctx, member)
        source = from_ or member
        if not self._authority.linked(ctx, source, member):
            raise Refused("NOT_ELIGIBLE", "the addresses are not linked", member=member, account=source)
        shown = seat_in(ctx, self._authority, record.from_brand, record.from_ladder, source)
        pair, level = _best_pair(record, shown)
        self._use(ctx, match, record, member)
        until = record.valid_to
        if record.days is not None:
            until = min(until, ctx.time + record.days * MS_PER_DAY)
        seat = seat_in(ctx, self._authority, record.to_brand, record.to_ladder, member)
        require_level(seat.course(), pair.to)
        seat.tell(self._hooks)
        seat.give(Given(pair.to, until, "match", match))
        ctx.emit(Matched(match, record.from_brand, record.to_brand, source, member, level, pair.to, until))
        seat.tell(self._hooks, "given")
        seat.save()
        return GrantDone(record.to_brand, record.to_ladder, member, pair.to, until, seat.course().name)

    def _require_in_force(self, ctx: Context, match: str, record: Match) -> None:
        status = _status(record, ctx.time)
        if status == "ended":
            raise Refused("EXPIRED", "the match is over", match=match)
        if status != "active":
            raise Refused("NOT_ELIGIBLE", "the match is not in force yet", match=match, status=status)
        self._authority.require_present(ctx, record.from_brand)
        self._authority.require_active(ctx, record.to_brand)

    def _use(self, ctx: Context, match: str, record: Match, member: str) -> None:
        """Note that a shopper has used a match that is good once.

        Raises:
            Refused: NOT_ELIGIBLE, an address of the shopper has.
        """
        if not record.once:
            return
        for address in self._authority.linked_addresses(ctx, member):
            used = MATCHED.get(ctx, match, address)
            if used is not None:
                raise Refused("NOT_ELIGIBLE", "the match is good once", match=match, account=address, used=used)
        MATCHED.put(ctx, ctx.time, match, member)

    def _side(self, ctx: Context, from_brand: str, to_brand: str) -> str:
        """Return the side for which the signers act: the from-brand where they act for both.

        Raises:
            Refused: NOT_AUTHORISED.
        """
        for brand in (from_brand, to_brand):
            if self._authority.holds_role(ctx, brand, "admin"):
                return brand
        raise Refused("NOT_AUTHORISED", "needs the role admin at one side", sides=[from_brand, to_brand])

    # Views

    @view
    def match_treaty(self, ctx: Context, match: Slug) -> MatchShown:
        """Return a treaty about levels."""
        return _shown(ctx, match)

    @view
    def matches(
        self, ctx: Context, brand: Slug, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[MatchShown]:
        """Return a brand's treaties about levels, those that are over included, by name."""
        self._authority.brand_record(ctx, brand)
        return MATCHES_OF.page(ctx, brand, cursor=cursor, limit=limit, show=lambda match: _shown(ctx, match))


def _shown(ctx: Context, match: str) -> MatchShown:
    record = MATCHES.require(ctx, match)
    return MatchShown(
        match,
        _status(record, ctx.time),
        record.from_brand,
        record.from_ladder,
        record.to_brand,
        record.to_ladder,
        record.pairs,
        record.valid_from,
        record.valid_to,
        record.proposer,
        record.once,
        record.days,
        record.ended,
    )


def _best_pair(match: Match, shown: Seat) -> tuple[Pair, str]:
    """Return the highest pair that a shopper's level reaches, and that level; one that was matched does not count.

    Raises:
        Refused: NOT_ELIGIBLE.
    """
    course = shown.own_course()
    best: Pair | None = None
    for pair in match.pairs:
        rank = rank_named(course.terms, pair.from_)
        if rank is not None and rank <= course.rank:
            best = pair
    if best is None or course.name is None:
        raise Refused("NOT_ELIGIBLE", "no pair of the match begins with the member's level", tier=course.name)
    return best, course.name


def _status(match: Match, time: int) -> MatchStatus:
    if match.ended is not None or time >= match.valid_to:
        return "ended"
    if not match.accepted:
        return "proposed"
    return "active" if time >= match.valid_from else "future"


def _other(match: Match, brand: str) -> str:
    return match.to_brand if brand == match.from_brand else match.from_brand
