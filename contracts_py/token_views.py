"""What the token contract shows: plain values for its views, as of the block's time, without writing."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from contracts_py import lots, supply
from contracts_py.sequences import list_page, tuple_page
from contracts_py.token_records import (
    NEVER,
    PROGRAMS,
    Allowance,
    Holding,
    Holdings,
    IssueRef,
    allowance_key,
    brand_programs_key,
    get_program,
    holding_key,
    holdings_key,
    issue_ref_key,
    lot_name,
)
from vm.contract_api import Context, Refused


def show_program(ctx: Context, program: str) -> dict[str, Any]:
    """Return a program's rules; `cap` is left out where there is none."""
    rules = get_program(ctx, program)
    shown = {
        "program": program,
        "brand": rules.brand,
        "name": rules.name,
        "symbol": rules.symbol,
        "decimals": rules.decimals,
        "transfer": rules.transfer,
        "expiry": to_builtins(rules.expiry),
        "transfer_burn_bps": rules.transfer_burn_bps,
        "notice_ms": rules.notice_ms,
        "price": to_builtins(rules.price),
        "version": rules.version,
    }
    if rules.cap is not None:
        shown["cap"] = rules.cap
    return shown


def list_programs(ctx: Context, brand: str | None, cursor: str | None, limit: int) -> dict[str, Any]:
    """Return a page of all programs, or of one brand's."""
    prefix = PROGRAMS if brand is None else brand_programs_key(brand)
    return list_page(ctx, prefix, cursor, limit, lambda program: show_program(ctx, program))


def show_balance(ctx: Context, program: str, account: str) -> dict[str, Any]:
    """Return an account's balance in one program; zeros where it has never had points."""
    holding = ctx.get(holding_key(program, account), Holding) or Holding()
    parts = lots.read(ctx, program, account)
    return {
        "available": sum(amount for _, amount in parts),
        "held": holding.held,
        "pending": holding.pending,
        "debt": holding.debt,
        "frozen": holding.frozen != 0,
        "lots": [
            {"lot": lot_name(date), "amount": amount, "expires": None if date == NEVER else date}
            for date, amount in parts
        ],
    }


def list_balances(ctx: Context, account: str, cursor: str | None, limit: int) -> dict[str, Any]:
    """Return a page of an account's balances, by program."""
    programs = (ctx.get(holdings_key(account), Holdings) or Holdings()).programs
    return tuple_page(
        programs, cursor, limit, lambda program: {"program": program, **show_balance(ctx, program, account)}
    )


def show_supply(ctx: Context, program: str) -> dict[str, Any]:
    """Return a program's counters."""
    current = supply.peek(ctx, program)
    return {
        "issued": current.issued,
        "outstanding": current.outstanding,
        "available": current.outstanding - current.held - current.pending,
        "held": current.held,
        "pending": current.pending,
        "debt": current.debt,
        "redeemed": current.redeemed,
        "burned": current.burned,
        "expired": current.expired,
        "reversed": current.reversed,
        "refunded": current.refunded,
        "swapped_in": current.swapped_in,
        "swapped_out": current.swapped_out,
    }


def show_ref(ctx: Context, program: str, ref: str) -> dict[str, Any]:
    """Return what an issue with a ref did."""
    record = ctx.get(issue_ref_key(program, ref), IssueRef)
    if record is None:
        raise Refused("NOT_FOUND", "no issue has this reference", ref=ref)
    return {
        "tx": record.tx,
        "account": record.account,
        "lot": record.lot,
        "issued": record.issued,
        "reversed": record.reversed,
    }


def show_allowance(ctx: Context, program: str, account: str, spender: str) -> dict[str, Any]:
    """Return what is left of an allowance that has not expired."""
    record = ctx.get(allowance_key(program, account, spender), Allowance)
    if record is None or record.expires <= ctx.time:
        raise Refused("NOT_FOUND", "there is no allowance", account=account, spender=spender)
    return {"remaining": record.remaining, "expires": record.expires}


def deferral(sale: int, points: int, unit_price: int, expected_bps: int, redeemed: int) -> dict[str, Any]:
    """Divide a sale's price between goods and points, and the points' part by what has been redeemed.

    The price is divided in proportion to stand-alone prices: `sale` for the goods, points × unit_price ×
    expected_bps / 10,000 for the points. What falls to the points is deferred, and becomes revenue as
    the points expected to be redeemed are. Floors are taken of the goods' part and of the liability, which
    reproduces the rounded figures of the standard's own example.

    Args:
        sale, unit_price: in one unit of money.
        redeemed: how many of the points have been redeemed.

    Source: IFRS 15, paragraphs B39 to B43 and Illustrative Example 52.
    """
    stand_alone = points * unit_price * expected_bps
    goods = sale * sale * 10_000 // (sale * 10_000 + stand_alone)
    deferred = sale - goods
    expected = points * expected_bps
    unredeemed = max(0, expected - redeemed * 10_000)
    liability = deferred * unredeemed // expected if expected else 0
    return {"goods": goods, "deferred": deferred, "recognised": deferred - liability, "liability": liability}
