"""What the rooms for points share: whose points an operation moves, taking them, and showing what was taken."""

from __future__ import annotations

from contracts_py.calendar import Offsets
from contracts_py.identity import Authority
from contracts_py.token import dates
from contracts_py.token.answers import LotPart, LotShown
from contracts_py.token.deeds import MOVES, POOL_PARTS
from contracts_py.token.lot_costs import SPENT
from contracts_py.token.merges import is_owed
from contracts_py.token.purse import Purse
from contracts_py.token.records import NEVER, InactivityExpiry, Parts, Program, lot_name
from contracts_py.token.supply import Supply
from vm.contract_api import Context, Refused, refuse


def require_holder(ctx: Context, authority: Authority, from_: str | None) -> str:
    """Return the account whose points an operation moves, after checking that it may.

    Raises:
        Refused: NOT_AUTHORISED; INVALID_ARGS, nobody sends this and no account is named.
    """
    if from_ is None:
        if not ctx.sender:
            refuse("from", "an account, as nobody sends this")
        return ctx.sender
    if not authority.acts_for(ctx, from_):
        raise Refused("NOT_AUTHORISED", "the signers may not act for the holder", account=from_)
    return from_


def require_open_brands(ctx: Context, authority: Authority, brand: str, at_brand: str) -> None:
    """Refuse redemption at, and of the points of, a brand that has left the alliance; a suspended one goes on.

    Raises:
        Refused: NOT_FOUND; SUSPENDED.
    """
    for name in (brand, at_brand) if at_brand != brand else (brand,):
        if authority.has_left(ctx, name):
            raise Refused("SUSPENDED", "the brand has left the alliance", brand=name)


def purse_with_points(ctx: Context, program: str, account: str, amount: int) -> Purse:
    """Return the purse of an account that is to give `amount` points.

    Raises:
        Refused: INSUFFICIENT_BALANCE, it never had any; NOT_ELIGIBLE, some of them are on their way to another.
    """
    purse = Purse.existing(ctx, program, account)
    if purse is None:
        raise Refused("INSUFFICIENT_BALANCE", "the account has no points", available=0, needed=amount)
    if purse.holding.shared:
        _require_paid_out(ctx, program, account)
    return purse


def _require_paid_out(ctx: Context, program: str, account: str) -> None:
    """Refuse to take points of an account of which a part is another's, and on its way there (`moves`)."""
    for move in MOVES.get(ctx, account) or ():
        if move.done is not None and move.done >= program:
            continue
        if move.kind == "leave":
            is_under_way = bool(POOL_PARTS.get(ctx, program, account, item=move.to))
        else:
            is_under_way = move.kind == "unmerge" and is_owed(ctx, program, move.to)
        if is_under_way:
            words = "points of the account are on their way to another, which takes some blocks; try again then"
            raise Refused("NOT_ELIGIBLE", words, account=account, to=move.to)


def receiver_of(ctx: Context, authority: Authority, brand: str, purse: Purse) -> Purse:
    """Return the purse to which what comes back to an account goes: its own, or that of whom it was merged into."""
    account = authority.current_account(ctx, purse.account)
    return purse if account == purse.account else Purse.of(ctx, purse.program, brand, account)


def save(*changed: Purse | Supply) -> None:
    """Write purses and supplies back, one that is named twice once."""
    seen: list[Purse | Supply] = []
    for one in changed:
        if not any(one is other for other in seen):
            one.save()
            seen.append(one)


def spend(purse: Purse, supply: Supply, amount: int, counter: str) -> Parts:
    """Take points out of a purse and the supply; return them by date. `counter` as of `Supply.debit`.

    Raises:
        Refused: FROZEN, INSUFFICIENT_BALANCE, LIMIT_EXCEEDED.
    """
    purse.require_unfrozen()
    parts = purse.take(amount, SPENT)
    supply.debit(parts, counter)
    return parts


def note_activity(ctx: Context, offsets: Offsets, rules: Program, purse: Purse, supply: Supply) -> None:
    """Where inactivity ends points: put the account's on the date that its activity gives them; none comes earlier.

    Args:
        offsets: of the program's brand, wherever the points are redeemed.
    """
    if type(rules.expiry) is InactivityExpiry:
        date = dates.rule_date(ctx, offsets, rules.expiry)
        supply.move(purse.re_date(date), date)


def duplicate_ref(tx: str, account: str, amount: int) -> Refused:
    """Return the refusal of a reference that has been used, with what it was used for."""
    return Refused("DUPLICATE_REF", "the reference has been used", tx=tx, account=account, amount=amount)


def shown_parts(parts: Parts) -> tuple[LotPart, ...]:
    """Return parts as answers name them."""
    return tuple([LotPart(lot_name(date), amount) for date, amount in parts])


def shown_lot(date: int, amount: int) -> LotShown:
    """Return a lot as answers show it."""
    return LotShown(lot_name(date), amount, None if date == NEVER else date)
