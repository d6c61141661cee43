"""Vouchers at the till."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from contracts_py.campaign import vouchers
from contracts_py.campaign.answers import VoucherShown
from contracts_py.campaign.deeds import (
    VOUCHER_ENDS,
    VOUCHER_USES,
    VOUCHERS,
    VOUCHERS_OF,
    Voucher,
    VoucherUse,
)
from contracts_py.campaign.effect_types import VoucherId
from contracts_py.campaign.events import VoucherRedeemed
from contracts_py.identity import Authority
from vm.contract_api import (
    DEFAULT_PAGE,
    Address,
    Context,
    Contract,
    Cursor,
    Page,
    PageLimit,
    Ref,
    Refused,
    as_cursor,
    call,
    due,
    from_cursor,
    paged,
    view,
)


class Vouchers(Contract):
    """The room for vouchers."""

    name = "campaign"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @call
    def redeem_voucher(self, ctx: Context, voucher: VoucherId, ref: Ref) -> VoucherShown:
        """Redeem a voucher, once (cashier of its brand): from `starts` until before `expires`."""
        record = VOUCHERS.require(ctx, voucher)
        self._authority.require_present(ctx, record.brand)
        self._authority.require_role(ctx, record.brand, "cashier")
        used = VOUCHER_USES.get(ctx, record.brand, ref)
        if used is not None:
            raise Refused("DUPLICATE_REF", "the reference has been used", tx=used.tx, voucher=used.voucher)
        if record.used is not None:
            raise Refused("ALREADY_EXISTS", "the voucher was used", used=record.used, ref=record.used_ref)
        if ctx.time < record.starts:
            raise Refused("NOT_ELIGIBLE", "the voucher is not good yet", starts=record.starts)
        if ctx.time >= record.expires:
            raise Refused("EXPIRED", "the voucher has expired", expires=record.expires)
        record = replace(record, used=ctx.time, used_ref=ref)
        VOUCHERS.put(ctx, record, voucher)
        VOUCHER_ENDS.cancel(ctx, record.expires, voucher)
        VOUCHER_USES.put(ctx, VoucherUse(ctx.tx_id or None, voucher), record.brand, ref)
        ctx.emit(VoucherRedeemed(voucher, record.brand, record.member, record.kind, record.value, ref))
        return _shown(ctx, voucher, record)

    @due(VOUCHER_ENDS)
    def expire(self, ctx: Context, at: int, voucher: str) -> bool:
        """Let a voucher that was not used leave the state."""
        del at
        record = VOUCHERS.get(ctx, voucher)
        if record is not None and record.used is None:
            vouchers.end(ctx, voucher, record, expired=True)
        return False

    @view
    def voucher(self, ctx: Context, voucher: VoucherId) -> VoucherShown:
        """Return a voucher."""
        return _shown(ctx, voucher, VOUCHERS.require(ctx, voucher))

    @view
    def vouchers(
        self, ctx: Context, member: Address, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[VoucherShown]:
        """Return a member's vouchers by id, used ones included, and those of accounts merged into it."""
        after = None if cursor is None else from_cursor(VOUCHERS_OF.item, cursor)
        found: set[str] = set()
        for account in self._authority.accounts_of(ctx, member):
            found.update(_first(VOUCHERS_OF.iterate(ctx, account, after=after), limit + 1))

        def show(voucher: str) -> VoucherShown:
            return _shown(ctx, voucher, VOUCHERS.require(ctx, voucher))

        return paged(iter(sorted(found)), limit, show, lambda _, last: as_cursor(last))


def _first(items: Iterator[str], most: int) -> list[str]:
    return [item for item, _ in zip(items, range(most), strict=False)]


def _shown(ctx: Context, voucher: str, record: Voucher) -> VoucherShown:
    return VoucherShown(
        voucher,
        record.brand,
        record.campaign,
        record.member,
        record.kind,
        record.value,
        record.starts,
        record.expires,
        vouchers.state_of(record, ctx.time),
        record.used_ref,
    )
