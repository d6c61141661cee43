"""Vouchers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts_py.campaign import vouchers
from contracts_py.campaign.deeds import VOUCHERS
from contracts_py.campaign.effect_types import VoucherArg, VoucherEffect, VoucherGiven
from contracts_py.campaign.effects.numbers import amount_from
from contracts_py.campaign.facts import Sight
from contracts_py.campaign.kinds import Draft, Run, Value
from contracts_py.campaign.types import source_of
from contracts_py.campaign.vouchers import PlannedVoucher
from vm.contract_api import Context, refuse

_MAX_STARTS_DAYS: Final = 366


class VoucherKind:
    """Effects `voucher`."""

    issues = True
    """It binds the brand as points do, so an issuer signs for it."""

    def check(self, ctx: Context, draft: Draft, arg: VoucherArg, field: str) -> VoucherEffect:
        """See `Kind`."""
        if not arg.starts_days < arg.expires_days or arg.starts_days > _MAX_STARTS_DAYS:
            refuse(f"{field}.starts_days", "fewer days than expires_days, and at most 366")
        return VoucherEffect(arg.kind, source_of(arg.value), arg.expires_days, arg.starts_days)

    def expressions(self, effect: VoucherEffect) -> Sequence[str]:
        """See `Kind`."""
        return (effect.value,)

    def plan(self, ctx: Context, sight: Sight, effect: VoucherEffect, values: Sequence[Value]) -> PlannedVoucher:
        """See `Kind`."""
        value = amount_from(values[0], "voucher.value")
        return PlannedVoucher(effect.of, value, effect.starts_days, effect.expires_days)

    def worth(self, ctx: Context, planned: PlannedVoucher) -> int:
        """See `Kind`: what a value means is the brand's own."""
        return 0

    def apply(self, ctx: Context, run: Run, planned: PlannedVoucher) -> VoucherGiven | None:
        """See `Kind`."""
        voucher = vouchers.give(ctx, run.cause, run.campaign, run.place, planned)
        return None if voucher is None else VoucherGiven(voucher)

    def undo(self, ctx: Context, run: Run, given: VoucherGiven) -> str | None:
        """See `Kind`: a used one stays used, and is reported."""
        voucher = VOUCHERS.get(ctx, given.voucher)
        if voucher is None:
            return None
        if voucher.used is not None:
            return f"the voucher {given.voucher} was used"
        vouchers.remove(ctx, given.voucher, voucher)
        return None
