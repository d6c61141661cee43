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

from contracts_py.identity import Authority, PoolChange
from contracts_py.token.deeds import POOL_PARTS
from contracts_py.token.events import PoolContributed, PoolPaidOut
from contracts_py.token.purse import Purse, sum_of
from contracts_py.token.records import PROGRAMS_OF, Parts, Program
from contracts_py.token.supply import Supply
from contracts_py.token.terms import rules_of
from vm.contract_api import Context, Refused


class Households:
    """Token's side of pools; `left` is told by identity."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

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
        before = pool.available() + pool.holding.held
        shares = dict(POOL_PARTS.entries(ctx, pool.program, pool.account))
        total = sum(shares.values())
        if total > before:
            # Some of it was spent, or has expired: each member's part shrinks with it.
            for who, part in scaled(list(shares.items()), before, total):
                shares[who] = part
                POOL_PARTS.put(ctx, part, pool.program, pool.account, item=who)
        POOL_PARTS.put(ctx, shares.get(member, 0) + amount, pool.program, pool.account, item=member)
        pool.credit(supply, parts)
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

    def left(self, ctx: Context, change: PoolChange) -> None:
        """Give a member who leaves his part of the pool's points, in every program; the last takes all.

        Where the pool is frozen nothing moves.
        """
        for program in list(PROGRAMS_OF.iterate(ctx, change.pool)):
            self._pay_out(ctx, program, change)

    def _pay_out(self, ctx: Context, program: str, change: PoolChange) -> None:
        shares = dict(POOL_PARTS.entries(ctx, program, change.pool))
        own = shares.get(change.member, 0)
        pool = Purse.existing(ctx, program, change.pool)
        if pool is None or pool.holding.frozen:
            return
        there = pool.available()
        amount = there
        if change.members:
            total = sum(shares.values())
            part = min(there + pool.holding.held, total) * own // total if own else 0
            amount = min(there, part)
        gone = [change.member] if change.members else list(shares)
        POOL_PARTS.change(ctx, [(who, None) for who in gone if who in shares], program, change.pool)
        if not amount:
            return
        rules, supply = rules_of(ctx, program), Supply(ctx, program)
        purse = Purse.of(ctx, program, rules.brand, change.member)
        debt_paid = purse.credit(supply, pool.take(amount))
        for changed in (pool, purse, supply):
            changed.save()
        ctx.emit(PoolPaidOut(program, rules.brand, change.pool, change.member, amount, debt_paid))


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
