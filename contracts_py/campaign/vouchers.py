"""Vouchers: given by campaigns, good in a half-open interval, redeemed once.

Invariants:
    1. A voucher stands in VOUCHERS_OF of the address to which it was given, until it has expired or was taken back.
    2. A voucher that is not used is on the agenda at its `expires`.
    3. A voucher's id is made of its campaign, event, ref and place: so no two records make the same.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from contracts_py.calendar import next_day_start
from contracts_py.campaign.deeds import VOUCHER_ENDS, VOUCHERS, VOUCHERS_OF, Voucher, VoucherState
from contracts_py.campaign.events import VoucherEnded, VoucherGranted
from contracts_py.campaign.kinds import Cause
from vm.contract_api import MAX_INT, MS_PER_DAY, Context, sha256

_ID_CHARACTERS: Final = 32
"""128 bits of the hash, as hex."""


class PlannedVoucher(NamedTuple):
    """A voucher that is to be given."""

    kind: str
    value: int
    starts_days: int
    expires_days: int


def id_of(campaign: str, event: str, ref: str, place: int) -> str:
    """Return a voucher's id; a campaign is one brand's, so the ref need not say whose it is."""
    return sha256(f"voucher\0{campaign}\0{event}\0{ref}\0{place}".encode()).hex()[:_ID_CHARACTERS]


def give(ctx: Context, cause: Cause, campaign: str, place: int, planned: PlannedVoucher) -> str | None:
    """Give a voucher to the member, and return its id; None where it would have expired by now.

    A used one of this id stays as it is: a part of its purchase came back, which gives no second one.
    """
    voucher = id_of(campaign, cause.event, cause.ref, place)
    if VOUCHERS.get(ctx, voucher) is not None:
        return voucher
    starts, expires = _interval(cause, planned)
    if expires <= ctx.time:
        return None
    record = Voucher(cause.brand, campaign, cause.member, planned.kind, planned.value, starts, expires)
    VOUCHERS.put(ctx, record, voucher)
    VOUCHERS_OF.add(ctx, cause.member, item=voucher)
    VOUCHER_ENDS.put(ctx, expires, voucher)
    ctx.emit(VoucherGranted(voucher, cause.brand, cause.member, campaign, planned.kind, planned.value, expires))
    return voucher


def _interval(cause: Cause, planned: PlannedVoucher) -> tuple[int, int]:
    """Return from when and until when a voucher is good: whole local days, but for one that is good at once."""
    starts = cause.made
    if planned.starts_days:
        starts = next_day_start(cause.offsets, cause.made + planned.starts_days * MS_PER_DAY)
    return starts, min(next_day_start(cause.offsets, cause.made + planned.expires_days * MS_PER_DAY), MAX_INT)


def remove(ctx: Context, voucher: str, record: Voucher) -> None:
    """Take back a voucher that was not used; one whose time is over is left to the agenda."""
    if record.expires > ctx.time:
        VOUCHER_ENDS.cancel(ctx, record.expires, voucher)
        end(ctx, voucher, record, expired=False)


def end(ctx: Context, voucher: str, record: Voucher, *, expired: bool) -> None:
    """Let a voucher leave the state."""
    VOUCHERS.delete(ctx, voucher)
    VOUCHERS_OF.discard(ctx, record.member, item=voucher)
    ctx.emit(VoucherEnded(voucher, record.brand, record.member, expired))


def state_of(record: Voucher, time: int) -> VoucherState:
    """Return what a voucher is good for at a time."""
    if record.used is not None:
        return "used"
    if time < record.starts:
        return "waiting"
    return "open" if time < record.expires else "expired"
