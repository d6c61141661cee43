"""Executing one transaction: authority, allowance, operations, receipt (SPEC section 2).

Total: whatever a transaction contains, the outcome is a receipt. A failed one leaves the state as
it was, but for its sender's allowance record. An exception other than Refused is our own fault and
halts the node.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from vm import metering
from vm.arguments.types import Count
from vm.contract_api import Context
from vm.errors import Refused
from vm.params import Params
from vm.primitives.codec import encode
from vm.receipt import STATUS_FAILED, STATUS_OK, Receipt, ReceiptError
from vm.runtime import Runtime
from vm.state_view import BlockOverlay
from vm.tables.parts import ADDRESS
from vm.tables.table import Table
from vm.transaction import Transaction


class Allowance(msgspec.Struct, frozen=True, gc=False):
    """Work units that a sender used in one window of blocks."""

    used: Count
    window: Count


ALLOWANCES: Final[Table[Allowance]] = Table(
    "chain/allowance", (("address", ADDRESS),), Allowance, "what a sender has used of its allowance"
)


def apply_transaction(
    runtime: Runtime,
    overlay: BlockOverlay,
    params: Params,
    tx: Transaction,
    height: int,
    time: int,
    index: int,
) -> Receipt:
    """Execute a transaction on the overlay and return its receipt."""
    overlay.begin()
    body = tx.body
    sender = body.sender
    tx_id = tx.id.hex()
    window = height // params.window_blocks
    record = ALLOWANCES.get(overlay, sender)
    used = record.used if record is not None and record.window == window else 0
    ctx = Context(
        overlay,
        body.chain,
        height,
        time,
        params.max_tx_cost,
        sender=sender,
        signers=tx.signer_addresses,
        tx_id=tx_id,
    )
    results: list[Any] = []
    error: ReceiptError | None = None
    ctx.op = -1
    authorised = False
    try:
        ctx.charge(base_cost(tx))
        authorised = runtime.authority.may_act(ctx, sender, ctx.signers)
        if not authorised:
            raise Refused("NOT_AUTHORISED", "the signers may not act for the sender", sender=sender)
        _limit_to_allowance(runtime, params, ctx, used)
        for op, (call, args) in enumerate(body.ops):
            ctx.op = op
            results.append(runtime.invoke_call(ctx, call, args))
        ctx.op = -1
        ctx.charge(len(encode([results, ctx.events])) // metering.BYTES_PER_UNIT)
    except Refused as refusal:
        overlay.rollback()
        error = _receipt_error(refusal, ctx.op)
    cost = min(ctx.cost, params.max_tx_cost)
    if authorised:  # else a stranger could use up the allowance of whom he names as sender
        ALLOWANCES.put(overlay, Allowance(used=used + cost, window=window), sender)
    if error is None:
        return Receipt(tx_id, height, index, STATUS_OK, results, ctx.events, cost)
    return Receipt(tx_id, height, index, STATUS_FAILED, [], [], cost, error)


def failed_for_want_of_block_cost(tx: Transaction, height: int, index: int) -> Receipt:
    """Return the receipt of a transaction that its block had no work units left for."""
    error = ReceiptError("OUT_OF_BUDGET", "the block has no work units left", -1)
    return Receipt(tx.id.hex(), height, index, STATUS_FAILED, [], [], 0, error)


def base_cost(tx: Transaction) -> int:
    """Return what a transaction costs before its first operation."""
    return metering.TRANSACTION + metering.SIGNATURE * len(tx.sigs) + len(tx.raw) // metering.BYTES_PER_UNIT


def _limit_to_allowance(runtime: Runtime, params: Params, ctx: Context, used: int) -> None:
    """Lower the cost limit to what the sender has left; brand accounts may fill whole blocks."""
    remaining = params.account_cost_per_window - used
    if remaining >= params.max_tx_cost or runtime.authority.has_brand_role(ctx, ctx.sender):
        return
    if remaining <= 0:
        raise Refused("OUT_OF_BUDGET", "the sender's allowance for this window is used up", used=used)
    ctx.cost_limit = remaining


def _receipt_error(refusal: Refused, op: int) -> ReceiptError:
    details = refusal.details or msgspec.UNSET
    return ReceiptError(refusal.code, refusal.message, op, details)
