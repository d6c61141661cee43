"""Household pools: who spends together. What is in a pool, and whose, is in the contracts that hold points.

A pool's address belongs to no key: it sends nothing, and is named as the holder from whom something is taken. It
stays after the last member has left, so that the opener may open it again and reach what has come in late.
"""

from __future__ import annotations

from typing import Annotated

from msgspec.structs import replace

from contracts_py.identity import groups
from contracts_py.identity.authority import Authority
from contracts_py.identity.hooks import IdentityHooks, PoolChange
from contracts_py.identity.person_answers import PoolParting, PoolShown
from contracts_py.identity.person_events import PoolJoined, PoolLeft, PoolOpened, PoolRulesSet
from contracts_py.identity.person_records import MAX_POOL_MEMBERS, POOL_OF, POOLS, Pool
from contracts_py.identity.records import ACCOUNTS, NO_ACCOUNT
from vm.contract_api import (
    DERIVATION,
    Address,
    BasisPoints,
    Context,
    Contract,
    Meta,
    Refused,
    Slug,
    address_of_pool,
    call,
    refuse,
    view,
)

Spenders = Annotated[tuple[Address, ...], Meta(min_length=1, max_length=MAX_POOL_MEMBERS)]


class Pools(Contract):
    """The room for household pools."""

    name = "identity"

    def __init__(self, authority: Authority, hooks: IdentityHooks) -> None:
        self._authority = authority
        self._hooks = hooks

    @call
    def pool_open(self, ctx: Context, member: Address, name: Slug, contribute_bps: BasisPoints = 0) -> PoolShown:
        """Open a pool with its opener as the only member (the holder)."""
        groups.require_person(ctx, member)
        self._authority.require_acts_for(ctx, member)
        ctx.charge(DERIVATION)
        address = address_of_pool(member, name)
        POOLS.require_absent(ctx, address)
        _require_in_no_pool(ctx, member)
        ACCOUNTS.put(ctx, replace(ACCOUNTS.get(ctx, address) or NO_ACCOUNT, pool=True), address)
        pool = Pool(member, name, ctx.time, (member,), contribute_bps=contribute_bps)
        POOLS.put(ctx, pool, address)
        POOL_OF.put(ctx, address, member)
        ctx.emit(PoolOpened(address, member, name))
        self._hooks.pool_joined.tell(ctx, PoolChange(address, member, 1))
        return _shown(address, pool)

    @call
    def pool_join(self, ctx: Context, pool: Address, member: Address) -> PoolShown:
        """Join a pool (the holder, and the pool's first member)."""
        record = POOLS.require(ctx, pool)
        groups.require_person(ctx, member)
        for account in (member, record.members[0]):
            self._authority.require_acts_for(ctx, account)
        _require_in_no_pool(ctx, member)
        if len(record.members) >= MAX_POOL_MEMBERS:
            raise Refused("LIMIT_EXCEEDED", "the pool is full", pool=pool, limit=MAX_POOL_MEMBERS)
        joined = replace(record, members=(*record.members, member))
        POOLS.put(ctx, joined, pool)
        POOL_OF.put(ctx, pool, member)
        ctx.emit(PoolJoined(pool, member))
        self._hooks.pool_joined.tell(ctx, PoolChange(pool, member, len(joined.members)))
        return _shown(pool, joined)

    @call
    def pool_leave(self, ctx: Context, member: Address, pool: Address | None = None) -> PoolParting:
        """Leave the pool that one is in (the holder); `pool`, if given, is which it must be."""
        self._authority.require_acts_for(ctx, member)
        address = POOL_OF.get(ctx, member)
        if address is None or pool not in (None, address):
            raise Refused("NOT_FOUND", "the member is not in the pool", member=member)
        return PoolParting(address, member, _leave(ctx, self._hooks, member, address))

    @call
    def pool_rules(
        self,
        ctx: Context,
        pool: Address,
        contribute_bps: BasisPoints | None = None,
        spenders: Spenders | None = None,
    ) -> PoolShown:
        """Change what members contribute, and who of them may spend (the holders of all members)."""
        record = POOLS.require(ctx, pool)
        for account in record.members:
            self._authority.require_acts_for(ctx, account)
        if spenders is not None and (
            len(set(spenders)) != len(spenders) or not set(spenders).issubset(record.members)
        ):
            refuse("spenders", "different members of the pool")
        changed = replace(
            record,
            contribute_bps=record.contribute_bps if contribute_bps is None else contribute_bps,
            spenders=record.spenders if spenders is None else spenders,
        )
        POOLS.put(ctx, changed, pool)
        ctx.emit(PoolRulesSet(pool, changed.contribute_bps, changed.spenders))
        return _shown(pool, changed)

    @view
    def pool(self, ctx: Context, pool: Address) -> PoolShown:
        """Return a pool."""
        return _shown(pool, POOLS.require(ctx, pool))


def leave_pool(ctx: Context, hooks: IdentityHooks, member: str) -> None:
    """Take a member out of the pool that it is in, if it is in one."""
    address = POOL_OF.get(ctx, member)
    if address is not None:
        _leave(ctx, hooks, member, address)


def _leave(ctx: Context, hooks: IdentityHooks, member: str, address: str) -> int:
    """Take a member out of its pool, and close that behind the last; tell how many are left.

    When the last of the pool's spenders leaves, no one spends until the members agree on new rules.
    """
    pool = POOLS.require(ctx, address)
    members = tuple([other for other in pool.members if other != member])
    spenders = pool.spenders and tuple([other for other in pool.spenders if other != member])
    if members:
        POOLS.put(ctx, replace(pool, members=members, spenders=spenders), address)
    else:
        POOLS.delete(ctx, address)
    POOL_OF.delete(ctx, member)
    ctx.emit(PoolLeft(address, member))
    hooks.pool_left.tell(ctx, PoolChange(address, member, len(members)))
    return len(members)


def _require_in_no_pool(ctx: Context, member: str) -> None:
    address = POOL_OF.get(ctx, member)
    if address is not None:
        raise Refused("ALREADY_EXISTS", "the member is in a pool", member=member, pool=address)


def _shown(address: str, pool: Pool) -> PoolShown:
    return PoolShown(
        address, pool.name, pool.opener, pool.opened, pool.members, pool.may_spend(), pool.contribute_bps
    )
