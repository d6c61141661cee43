"""Which addresses are one shopper's: groups of linked accounts, and accounts merged into others.

A group is a component of the graph whose edges are LINKS. It is found by following the edges, and stored nowhere. A
merge adds an edge, so what was merged is in its target's group.

Invariants:
    1. An edge stands with both its ends; a group has at most MAX_GROUP addresses.
    2. FORMER is symmetric, too. Of more than MAX_FORMER others, an address and the earliest forget each other; from
       then on the own name of each is in its row.
    3. The way from an account over MERGES ends, as a source becomes nobody's target any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from contracts_py.identity.person_records import (
    ERASED,
    FORMER,
    LINKS,
    MAX_FORMER,
    MAX_GROUP,
    MERGED_FROM,
    MERGES,
)
from contracts_py.identity.records import ACCOUNTS
from vm.contract_api import Context, Refused, Table


def require_person(ctx: Context, account: str) -> None:
    """Refuse accounts about which nothing more is to be noted.

    Raises:
        Refused: NOT_ELIGIBLE, it is a pool, was merged into another account, or was erased.
    """
    record = ACCOUNTS.get(ctx, account)
    if record is not None and record.pool:
        raise Refused("NOT_ELIGIBLE", "the account is a household pool", account=account)
    merger = MERGES.get(ctx, account)
    if merger is not None:
        raise Refused("NOT_ELIGIBLE", "the account was merged into another", account=account, into=merger.into)
    require_not_erased(ctx, account)


def require_not_erased(ctx: Context, account: str) -> None:
    """Refuse accounts whose facts were erased.

    Raises:
        Refused: NOT_ELIGIBLE.
    """
    if ERASED.get(ctx, account) is not None:
        raise Refused("NOT_ELIGIBLE", "the account was erased", account=account)


def group_of(ctx: Context, account: str) -> tuple[str, ...]:
    """Return the addresses linked to an account over any number of links, itself included; sorted."""
    found, waiting = {account}, [account]
    while waiting:
        for other in LINKS.get(ctx, waiting.pop()) or ():
            if other not in found:
                found.add(other)
                waiting.append(other)
    return tuple(sorted(found))


def are_linked(ctx: Context, a: str, b: str) -> bool:
    """Tell whether two addresses are in one group; an address is in its own."""
    return a == b or b in (LINKS.get(ctx, a) or ()) or b in group_of(ctx, a)


def are_or_were_one(ctx: Context, a: str, b: str) -> bool:
    """Tell whether two addresses' groups are one, or hold addresses that were in one.

    What one side has forgotten the other may know; where both have forgotten some, they may have been one.
    """
    first, second = group_of(ctx, a), group_of(ctx, b)
    if b in first:
        return True
    return _may_have_left(ctx, first, second) and _may_have_left(ctx, second, first)


def _may_have_left(ctx: Context, group: Sequence[str], others: Sequence[str]) -> bool:
    """Tell whether an address of a group remembers that it left one of the others, or has forgotten some."""
    for address in group:
        former = FORMER.get(ctx, address) or ()
        if address in former or not set(others).isdisjoint(former):
            return True
    return False


def add_edge(ctx: Context, a: str, b: str) -> None:
    """Link two accounts that are not linked directly.

    Raises:
        Refused: LIMIT_EXCEEDED, the group would be too large.
    """
    if len({*group_of(ctx, a), *group_of(ctx, b)}) > MAX_GROUP:
        raise Refused("LIMIT_EXCEEDED", f"at most {MAX_GROUP} addresses are linked", limit=MAX_GROUP)
    for one, other in ((a, b), (b, a)):
        LINKS.put(ctx, tuple(sorted((*(LINKS.get(ctx, one) or ()), other))), one)


def remove_edge(ctx: Context, a: str, b: str) -> None:
    """End the direct link of two accounts, without remembering it."""
    for one, other in ((a, b), (b, a)):
        put_or_delete(ctx, LINKS, tuple([linked for linked in LINKS.get(ctx, one) or () if linked != other]), one)


def remember_parted(ctx: Context, group: Sequence[str]) -> None:
    """Note for the addresses of what was one group which of the others are no longer in theirs."""
    for address in group:
        now = group_of(ctx, address)
        lost = [other for other in group if other not in now]
        if lost:
            former = [other for other in FORMER.get(ctx, address) or () if other not in lost]
            kept = _last([*former, *lost], address)
            FORMER.put(ctx, kept, address)
            for other in [*former, *lost]:
                if other not in kept:
                    _forget_in_turn(ctx, other, address)


def _forget_in_turn(ctx: Context, account: str, address: str) -> None:
    """Let an account forget an address that has forgotten it: an erasure of that finds only who it remembers."""
    former = FORMER.get(ctx, account) or ()
    if address in former:
        others = [other for other in former if other not in (address, account)]
        FORMER.put(ctx, (account, *others), account)


def _last(former: list[str], address: str) -> tuple[str, ...]:
    """Return as many of those that an address has left as its row holds; its own name tells of more."""
    if len(former) <= MAX_FORMER:
        return tuple(former)
    others = [other for other in former if other != address]
    return (address, *others[1 - MAX_FORMER :])


def forget_links(ctx: Context, account: str) -> None:
    """Take an account out of its group; what only it held together is remembered as parted."""
    others = [address for address in group_of(ctx, account) if address != account]
    for neighbour in LINKS.get(ctx, account) or ():
        remove_edge(ctx, account, neighbour)
    remember_parted(ctx, others)
    for other in FORMER.get(ctx, account) or ():
        left = tuple([address for address in FORMER.get(ctx, other) or () if address != account])
        put_or_delete(ctx, FORMER, left, other)
    FORMER.delete(ctx, account)


def way_to_current(ctx: Context, account: str) -> tuple[str, ...]:
    """Return an account, the one that it was merged into, and so on, up to the one that its owner has now."""
    way, merger = [account], MERGES.get(ctx, account)
    while merger is not None:
        way.append(merger.into)
        merger = MERGES.get(ctx, merger.into)
    return tuple(way)


def current_account(ctx: Context, account: str) -> str:
    """Return the account into which this one was merged, directly or over others; itself where it was not."""
    return way_to_current(ctx, account)[-1]


def accounts_of(ctx: Context, account: str) -> Iterable[str]:
    """Yield an account, and those merged into it, directly or over others."""
    waiting = [account]
    while waiting:
        account = waiting.pop(0)
        yield account
        waiting += MERGED_FROM.get(ctx, account) or ()


def put_or_delete(ctx: Context, table: Table[tuple[str, ...]], addresses: tuple[str, ...], account: str) -> None:
    """Store the addresses that an account's row holds; without any there is no row."""
    if addresses:
        table.put(ctx, addresses, account)
    else:
        table.delete(ctx, account)
