"""Household pools: what each member has brought into a pool's points, and what he takes along when he leaves.

A pool is an account whose points its spenders spend. What a member transfers to it, or contributes of what is
issued to him, is *his part*. Before points are added, parts are scaled down to what is still there: so what others
spent before he came is not taken from him. Who leaves takes his part of what is there, by cumulative floors; the
last takes all. What is frozen stays in the pool, and so does his part of it, until he joins and leaves again: a
freeze in one program keeps nobody in a household.

Invariants:
    1. The parts of a pool in a program are never more than its members brought, nor, after a contribution, than it
       has, what it holds set aside included.
    2. Only members of the pool have parts, and who left it while it was frozen in the program.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from contracts_py.identity import Authority
from contracts_py.token.deeds import MOVES, POOL_PARTS, Move
from contracts_py.token.events import PoolContributed, PoolPaidOut
from contracts_py.token.merges import Merges
from contracts_py.token.purse import Purse, sum_of
from contracts_py.token.records import Parts, Program
from contracts_py.token.supply import Supply
from contracts_py.token.terms import rules_of
from vm.contract_api import Context, Refused

LOTS_COUNTED: Final = 256
"""Lots of a pool that one step counts: some 4,500 units."""


class Households:
    """Token's side of pools; `contracts_py.token.moves` calls the steps by which a member is paid out."""

    def __init__(self, authority: Authority, merges: Merges) -> None:
        self._authority = authority
        self._merges = merges

    def purse_of_pool(self, ctx: Context, program: str, rules: Program, source: str, pool: Purse) -> bool:
        """Tell whether points that `source` sends to this purse are a contribution to its own pool.

        Raises:
            Refused: NOT_TRANSFERABLE, it is a pool, and the issuer does not let the program's points be pooled, or
                the source is not a member of it.
        """
        # Asked of identity each time: points may have come to the address in other ways, even before it was a pool.
        if not self._authority.is_pool(ctx, pool.account):
            return False
        if not self._authority.brand_record(ctx, rules.brand).pooling:
            raise Refused("NOT_TRANSFERABLE", "the issuer does not let these points be pooled", program=program)
        own = self._authority.pool_of(ctx, source)
        if own is None or own[0] != pool.account:
            raise Refused("NOT_TRANSFERABLE", "only members bring points into a pool", pool=pool.account)
        return True

    def contribute(
        self, ctx: Context, rules: Program, pool: Purse, supply: Supply, member: str, parts: Parts
    ) -> None:
        """Add points that a member brings to his pool; the caller saves purse and supply."""
        amount = sum_of(parts)
        shares = dict(POOL_PARTS.entries(ctx, pool.program, pool.account))
        _scale_down(ctx, pool, shares, pool.available() + pool.holding.held)
        if shares:
            _note_shared_out(ctx, pool)
        POOL_PARTS.put(ctx, shares.get(member, 0) + amount, pool.program, pool.account, item=member)
        pool.credit(supply, parts)
        pool.share()
        ctx.emit(PoolContributed(pool.program, rules.brand, pool.account, member, amount))

    def contribute_of_issue(
        self, ctx: Context, rules: Program, purse: Purse, supply: Supply, date: int, amount: int
    ) -> None:
        """Move what a member contributes of points that were just issued to him into his pool; nothing of a frozen
        account, or into one.
        """
        own = self._authority.pool_of(ctx, purse.account)
        if own is None:
            return
        part = amount * own[1].contribute_bps // 10_000
        if not part:
            return
        pool = Purse.of(ctx, purse.program, rules.brand, own[0])
        if purse.holding.frozen or pool.holding.frozen:
            return
        self.contribute(ctx, rules, pool, supply, purse.account, purse.take_from(date, part))
        pool.save()

    def pay_part(
        self, ctx: Context, program: str, pool: str, move: Move, most_lots: int, more_next: bool
    ) -> tuple[Move, int, bool]:
        """Give a member who has left its part of what a pool has in a program; return how far the move has come,
        how many lots went, and whether that was all.

        Where the pool is frozen nothing moves. Where it has more lots than are looked at in one step, they are
        counted first, step by step, and all members' parts scaled down to what is there.

        Args:
            more_next: the next step may carry more lots than this one.
        """
        shares = dict(POOL_PARTS.entries(ctx, program, pool))
        own = shares.get(move.to, 0)
        purse = Purse.existing(ctx, program, pool) if own else None
        if purse is None or purse.holding.frozen:
            return move, 0, True
        if move.shared_out:
            parts = purse.take_first(most_lots, own)
            is_all = sum_of(parts) == own or not purse.has_more_lots_than(len(parts))
        elif not purse.has_more_lots_than(most_lots):
            there, total = purse.available(), sum(shares.values())
            amount = min(there, min(there + purse.holding.held, total) * own // total)
            parts, is_all = purse.take_first(most_lots, amount), True
        elif more_next:
            return move, 0, False
        else:
            return _counted(ctx, purse, shares, move), most_lots, False
        left = None if is_all else own - sum_of(parts)
        POOL_PARTS.change(ctx, [(move.to, left)], program, pool)
        self._pay_out(ctx, purse, move.to, parts)
        return move, len(parts), is_all

    def pay_all(self, ctx: Context, program: str, pool: str, move: Move, most_lots: int) -> tuple[int, bool]:
        """Give the last member who has left all that a pool has in a program; return how many lots went, and
        whether that was all. Where the pool is frozen nothing moves.
        """
        purse = Purse.existing(ctx, program, pool)
        if purse is None or purse.holding.frozen:
            return 0, True
        gone = [who for who, _ in POOL_PARTS.entries(ctx, program, pool)]
        if gone:
            POOL_PARTS.change(ctx, [(who, None) for who in gone], program, pool)
        parts = purse.take_first(most_lots)
        is_all = not purse.has_more_lots_than(len(parts))
        self._pay_out(ctx, purse, move.to, parts)
        return len(parts), is_all

    def _pay_out(self, ctx: Context, pool: Purse, member: str, parts: Parts) -> None:
        if not parts:
            return
        program = pool.program
        rules, supply = rules_of(ctx, program), Supply(ctx, program)
        pool.save()
        debt_paid = self._merges.bring(ctx, rules, program, member, supply, parts)
        supply.save()
        ctx.emit(PoolPaidOut(program, rules.brand, pool.account, member, sum_of(parts), debt_paid))


def _counted(ctx: Context, pool: Purse, shares: dict[str, int], move: Move) -> Move:
    """Count some more of a pool's lots; behind the last, scale its members' parts down to what is there."""
    found, following = pool.count_from(move.upto, LOTS_COUNTED)
    counted = move.counted + found
    if following is not None:
        return replace(move, at=pool.program, counted=counted, upto=following)
    _scale_down(ctx, pool, shares, counted + pool.holding.held)
    return replace(move, at=pool.program, shared_out=True)


def _note_shared_out(ctx: Context, pool: Purse) -> None:
    """Spare a member's leaving the counting, as all has been counted: it would miss what has come in meanwhile."""
    moves = MOVES.get(ctx, pool.account)
    if moves and moves[0].at == pool.program:
        MOVES.put(ctx, (replace(moves[0], shared_out=True), *moves[1:]), pool.account)


def _scale_down(ctx: Context, pool: Purse, shares: dict[str, int], there: int) -> None:
    """Let each member's part shrink with what was spent, or has expired."""
    total = sum(shares.values())
    if total > there:
        for who, part in scaled(list(shares.items()), there, total):
            shares[who] = part
            POOL_PARTS.put(ctx, part, pool.program, pool.account, item=who)


def scaled(shares: list[tuple[str, int]], there: int, total: int) -> list[tuple[str, int]]:
    """Divide what is there in proportion to shares, by cumulative floors in their order."""
    found = []
    seen = given = 0
    for who, part in shares:
        seen += part
        upto = there * seen // total
        found.append((who, upto - given))
        given = upto
    return found
