"""The life of a proposal in the state: opened within its brand's bounds, closed once, its actions gone with it.

A proposal is two values. The actions, which may be long, stand by themselves while it is open; what a vote reads
and writes is a short record. When it is closed, in whatever way, the actions leave the state: their hash stays, and
they themselves stay in the transaction that proposed them.

When the time to vote is over, the agenda closes it; it counts as expired from that very block on, whether or
not the agenda has come to it.

Invariants:
    1. `gov/actions/<proposal>` exists exactly for proposals whose status in the state is open.
    2. A brand's BrandUse tells how many open proposals it has, and the bytes of their actions; both are bounded.
    3. Each open proposal is on the agenda at the time at which it expires.
    4. Nothing but a brand's free places depends on how far the agenda has come.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from contracts_py.gov.answers import ProposalShown
from contracts_py.gov.events import Expired
from contracts_py.gov.records import (
    ACTIONS,
    ALL_PROPOSALS,
    BRAND_USES,
    EXPIRIES,
    PROPOSALS,
    Action,
    BrandUse,
    Failure,
    Proposal,
    Status,
)
from vm.contract_api import MAX_INT, MS_PER_DAY, Context, InvariantBroken, Refused, encode, sha256

VOTING_DAYS: Final = 14
"""Brands decide in meetings; what has found no majority in two weeks is proposed again."""

MAX_OPEN_PER_BRAND: Final = 16
"""More than an alliance can discuss in the two weeks that a proposal is open."""

MAX_ACTIONS_BYTES: Final = 32 * 1024
"""Of canonical bytes. A brand with 16 admins and a century of summer times takes 6 KiB: five of them fit."""

MAX_OPEN_BYTES_PER_BRAND: Final = 128 * 1024
"""Four of the longest proposals, or sixteen of a brand's registration and some; 32 MiB in an alliance of 256."""

MAX_WITHDRAWALS_PER_DAY: Final = 16
"""A closed proposal leaves half a KiB for ever; without a bound, proposing and withdrawing would fill the state."""


def open_proposal(
    ctx: Context, proposal: str, brand: str, title: str, actions: tuple[Action, ...], text_hash: str | None
) -> Proposal:
    """Put a new proposal into the state.

    Raises:
        Refused: ALREADY_EXISTS, LIMIT_EXCEEDED.
    """
    PROPOSALS.require_absent(ctx, proposal)
    canonical = encode(actions)
    size = len(canonical)
    if size > MAX_ACTIONS_BYTES:
        raise Refused("LIMIT_EXCEEDED", "the actions are too long", bytes=size, limit=MAX_ACTIONS_BYTES)
    _occupy(ctx, brand, size)
    record = Proposal(
        title=title,
        brand=brand,
        proposer=ctx.sender,
        tx=ctx.tx_id,
        height=ctx.height,
        created=ctx.time,
        expires=_expiry_of(ctx),
        actions_hash=sha256(canonical).hex(),
        actions_bytes=size,
        text_hash=text_hash,
    )
    PROPOSALS.put(ctx, record, proposal)
    ACTIONS.put(ctx, actions, proposal)
    ALL_PROPOSALS.append(ctx, proposal)
    EXPIRIES.put(ctx, record.expires, proposal)
    return record


def close_proposal(
    ctx: Context, proposal: str, record: Proposal, status: Status, failure: Failure | None = None
) -> Proposal:
    """End an open proposal: its actions leave the state, its brand's place is free."""
    use = _brand_use(ctx, record.brand)
    freed = replace(use, open=use.open - 1, bytes=use.bytes - record.actions_bytes)
    BRAND_USES.put(ctx, freed, record.brand)
    ACTIONS.delete(ctx, proposal)
    if status != "expired":
        EXPIRIES.cancel(ctx, record.expires, proposal)
    closed = replace(record, status=status, closed=ctx.height, failure=failure)
    PROPOSALS.put(ctx, closed, proposal)
    return closed


def find_proposal(ctx: Context, proposal: str) -> Proposal:
    """Return a proposal's record, at the price of its votes.

    Raises:
        Refused: NOT_FOUND.
    """
    record = PROPOSALS.require(ctx, proposal)
    ctx.charge(len(record.votes))
    return record


def require_open(ctx: Context, proposal: str, record: Proposal) -> None:
    """Refuse a proposal that is closed.

    Raises:
        Refused: EXPIRED, NOT_ELIGIBLE.
    """
    if status_of(ctx, record) == "expired":
        raise Refused("EXPIRED", "the time to vote is over", proposal=proposal, expires=record.expires)
    if record.status != "open":
        raise Refused("NOT_ELIGIBLE", f"the proposal is {record.status}", proposal=proposal)


def read_actions(ctx: Context, proposal: str, record: Proposal) -> tuple[Action, ...]:
    """Return the actions of an open proposal, at the price of their bytes."""
    ctx.charge_bytes(record.actions_bytes)
    actions = ACTIONS.get(ctx, proposal)
    if actions is None:
        raise InvariantBroken(f"the open proposal {proposal} has no actions")
    return actions


def status_of(ctx: Context, record: Proposal) -> Status:
    """Return a proposal's status at the block's time, whether or not the agenda has come to it."""
    return "expired" if record.status == "open" and ctx.time >= record.expires else record.status


def count_withdrawal(ctx: Context, brand: str) -> None:
    """Note that a brand withdraws a proposal.

    Raises:
        Refused: LIMIT_EXCEEDED.
    """
    use, today = _brand_use(ctx, brand), ctx.time // MS_PER_DAY
    withdrawn = use.withdrawn if use.day == today else 0
    if withdrawn >= MAX_WITHDRAWALS_PER_DAY:
        raise Refused(
            "LIMIT_EXCEEDED",
            f"a brand withdraws {MAX_WITHDRAWALS_PER_DAY} proposals a day",
            limit=MAX_WITHDRAWALS_PER_DAY,
            until=(today + 1) * MS_PER_DAY,
        )
    BRAND_USES.put(ctx, replace(use, day=today, withdrawn=withdrawn + 1), brand)


def expire_proposal(ctx: Context, proposal: str) -> None:
    """Close a proposal whose time is over."""
    record = PROPOSALS.require(ctx, proposal)
    close_proposal(ctx, proposal, record, "expired")
    ctx.emit(Expired(proposal, record.brand))


def show_proposal(ctx: Context, proposal: str, voters: frozenset[str]) -> ProposalShown:
    """Return a proposal as the views tell it; the actions only while it is open."""
    record = find_proposal(ctx, proposal)
    yes, no = count_votes(record, voters)
    status = status_of(ctx, record)
    return ProposalShown(
        proposal=proposal,
        title=record.title,
        brand=record.brand,
        proposer=record.proposer,
        tx=record.tx,
        height=record.height,
        created=record.created,
        expires=record.expires,
        actions_hash=record.actions_hash,
        votes={cast.brand: cast.choice for cast in record.votes},
        yes=yes,
        no=no,
        voters=len(voters),
        needed=2 * len(voters) // 3 + 1,
        status=status,
        actions=read_actions(ctx, proposal, record) if status == "open" else None,
        closed=None if status in ("open", "expired") else record.closed,
        text_hash=record.text_hash,
        failure=record.failure,
    )


def count_votes(record: Proposal, voters: frozenset[str]) -> tuple[int, int]:
    """Return how many of the voters said yes and no; votes of brands that have left do not count."""
    choices = [cast.choice for cast in record.votes if cast.brand in voters]
    return choices.count("yes"), choices.count("no")


def _expiry_of(ctx: Context) -> int:
    """Return when a proposal of this block expires."""
    return min(ctx.time + VOTING_DAYS * MS_PER_DAY, MAX_INT)


def _occupy(ctx: Context, brand: str, size: int) -> None:
    use = _brand_use(ctx, brand)
    if use.open >= MAX_OPEN_PER_BRAND:
        words = "the brand has too many open proposals; it may withdraw one"
        raise Refused("LIMIT_EXCEEDED", words, brand=brand, open=use.open, limit=MAX_OPEN_PER_BRAND)
    if use.bytes + size > MAX_OPEN_BYTES_PER_BRAND:
        raise Refused(
            "LIMIT_EXCEEDED",
            "the actions of the brand's open proposals are too long; it may withdraw one",
            brand=brand,
            bytes=use.bytes + size,
            limit=MAX_OPEN_BYTES_PER_BRAND,
        )
    BRAND_USES.put(ctx, replace(use, open=use.open + 1, bytes=use.bytes + size), brand)


def _brand_use(ctx: Context, brand: str) -> BrandUse:
    return BRAND_USES.get(ctx, brand) or BrandUse()
