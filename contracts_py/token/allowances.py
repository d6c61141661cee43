"""Allowances: how a holder lets a brand spend his points without his signature."""

from __future__ import annotations

from msgspec.structs import replace

from contracts_py.identity import Authority
from contracts_py.token.deeds import ALLOWANCES
from vm.contract_api import Context, Refused


def require_consent(
    ctx: Context, authority: Authority, program: str, account: str, spender: str, amount: int
) -> int:
    """Make sure that the holder signs, or use his allowance; return the serial of that, 0 where he signs.

    Raises:
        Refused: NOT_AUTHORISED; LIMIT_EXCEEDED, the allowance is smaller.
    """
    if authority.acts_for(ctx, account):
        return 0
    allowance = ALLOWANCES.get(ctx, program, account, spender)
    if allowance is None or allowance.expires <= ctx.time:
        raise Refused("NOT_AUTHORISED", "neither the holder nor an allowance permits this", account=account)
    if allowance.remaining < amount:
        raise Refused("LIMIT_EXCEEDED", "the allowance is smaller", remaining=allowance.remaining, needed=amount)
    ALLOWANCES.put(ctx, replace(allowance, remaining=allowance.remaining - amount), program, account, spender)
    return allowance.serial


def restore(ctx: Context, program: str, account: str, spender: str, serial: int, amount: int) -> None:
    """Give an allowance back what was not spent after all, unless another has replaced it."""
    allowance = ALLOWANCES.get(ctx, program, account, spender) if serial else None
    if allowance is not None and allowance.serial == serial:
        remaining = min(allowance.limit, allowance.remaining + amount)
        ALLOWANCES.put(ctx, replace(allowance, remaining=remaining), program, account, spender)
