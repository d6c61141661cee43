"""Executing one transaction: authority, allowance, operations, receipt (SPEC section 2).

Total: whatever a transaction contains, the outcome is a receipt. A failed one leaves the state as
it was, but for what its sender has used of its allowance. An exception other than Refused is our own fault and
halts the node.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, NamedTuple

import msgspec

from vm.allowance import BlockAllowances, Payer
from vm.contract_api import Context
from vm.errors import Refused
from vm.metering import BYTES_PER_UNIT, PARSED, SIGNATURE, TRANSACTION
from vm.params import Params
from vm.primitives.codec import UNENCODABLE, CodecError, check_value, encode
from vm.receipt import STATUS_FAILED, STATUS_OK, Receipt, ReceiptError, ok_receipt_bytes
from vm.runtime import Runtime
from vm.state_view import BlockOverlay
from vm.transaction import Transaction


class Outcome(NamedTuple):
    """What became of a transaction, and the canonical bytes of its receipt."""

    receipt: Receipt
    receipt_bytes: bytes


_BLOCK_IS_FULL: Final = ReceiptError("OUT_OF_BUDGET", "the block has no work units left", -1)

Steps = Generator[int, None, Outcome]
"""A transaction in execution: yields the work units used so far between two operations, and returns the outcome."""


def transaction_steps(
    runtime: Runtime,
    overlay: BlockOverlay,
    params: Params,
    allowances: BlockAllowances,
    tx: Transaction,
    height: int,
    time: int,
    index: int,
    left: int,
) -> Steps:
    """Execute a transaction on the overlay, which nothing else may touch meanwhile; return what became of it.

    Args:
        left: work units that the block has left; a transaction that needs more fails.
    """
    base = base_cost(tx)
    if base > left:
        return _failed_for_want_of_block_cost(tx, height, index)
    overlay.begin()
    body = tx.body
    sender = body.sender
    tx_id = tx.id.hex()
    limit = min(params.max_tx_cost, left)
    ctx = Context(
        overlay,
        body.chain,
        height,
        time,
        limit,
        sender=sender,
        signers=tx.signer_addresses,
        tx_id=tx_id,
    )
    results: list[Any] = []
    encoded = b"", b""
    error: ReceiptError | None = None
    ctx.op = -1
    payer: Payer | None = None
    try:
        ctx.charge(base)
        brands = runtime.authority.brands_of_sender(ctx, sender, ctx.signers)
        if brands is None:
            raise Refused("NOT_AUTHORISED", "the signers may not act for the sender", sender=sender)
        payer = allowances.payer(sender, brands)
        ctx.limit_to(allowances.free(payer), lambda: allowances.remaining(payer))
        for op, (call, args) in enumerate(body.ops):
            if op:
                yield ctx.cost
            ctx.op = op
            results.append(runtime.invoke_call(ctx, call, args))
        ctx.op = -1
        # Encoded here, where they are paid for, and nowhere else: the receipt takes the bytes over.
        try:
            encoded = encode(results), encode(ctx.events)
        except UNENCODABLE as unfit:
            raise Refused("LIMIT_EXCEEDED", "a result or an event is beyond what a receipt may hold") from unfit
        ctx.charge((len(encoded[0]) + len(encoded[1])) // BYTES_PER_UNIT)
    except Refused as refusal:
        overlay.rollback()
        if refusal.code == "OUT_OF_BUDGET" and ctx.cost > ctx.cost_limit == limit < params.max_tx_cost:
            error = _BLOCK_IS_FULL  # not what it asked for was too much, but what others had before it
        else:
            error = _receipt_error(refusal, ctx.op)
    cost = min(ctx.cost, limit)
    if payer is not None:  # else a stranger could use up the allowance of whom he names as sender
        allowances.spend(payer, cost)
    if error is None:
        receipt = Receipt(tx_id, height, index, STATUS_OK, results, ctx.events, cost)
        return Outcome(receipt, ok_receipt_bytes(tx_id, height, index, *encoded, cost))
    receipt = Receipt(tx_id, height, index, STATUS_FAILED, [], [], cost, error)
    return Outcome(receipt, encode(receipt))


def _failed_for_want_of_block_cost(tx: Transaction, height: int, index: int) -> Outcome:
    """Return the outcome of a transaction that its block had no work units left to begin with."""
    receipt = Receipt(tx.id.hex(), height, index, STATUS_FAILED, [], [], 0, _BLOCK_IS_FULL)
    return Outcome(receipt, encode(receipt))


def base_cost(tx: Transaction) -> int:
    """Return what a transaction costs before its first operation."""
    return TRANSACTION + SIGNATURE * len(tx.sigs) + PARSED * len(tx.body.ops) + len(tx.raw) // BYTES_PER_UNIT


def _receipt_error(refusal: Refused, op: int) -> ReceiptError:
    """Return a refusal as data. Details that no receipt may hold are a defect, which must not halt the chain."""
    try:
        check_value(refusal.details)
        encode(refusal.details)
    except (CodecError, *UNENCODABLE):
        return ReceiptError(refusal.code, refusal.message, op)
    return ReceiptError(refusal.code, refusal.message, op, refusal.details or msgspec.UNSET)
