"""Receipts: what a transaction did, or why it did nothing (SPEC section 2)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from vm.primitives.codec import encode

STATUS_OK = "ok"
STATUS_FAILED = "failed"


class ReceiptError(msgspec.Struct, frozen=True, gc=False):
    """Why a transaction failed.

    Attributes:
        code: a stable upper-case code, such as INSUFFICIENT_BALANCE.
        message: one English sentence for a developer.
        op: the index of the operation that failed; −1 for the transaction as a whole.
        details: what a program needs to react, by name.
    """

    code: str
    message: str
    op: int
    details: dict[str, Any] | UnsetType = UNSET


class Event(msgspec.Struct, frozen=True, gc=False):
    """Something that happened, for indexers and listeners.

    Attributes:
        op: the operation's index; −1 in a system receipt.
        type: as declared, see `vm.events`.
        data: a struct of that type; in receipts that were read back, its fields by name.
    """

    op: int
    type: str
    data: Any


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one transaction; failed ones have no results and no events.

    Attributes:
        id: the transaction's id, 64 hex digits; a system receipt's is that of its height.
        index: the place in the block; a system receipt's is the block's tx_count.
        cost: work units, as metered.
    """

    id: str
    height: int
    index: int
    status: str
    results: list[Any]
    events: list[Event]
    cost: int
    error: ReceiptError | UnsetType = UNSET

    def to_bytes(self) -> bytes:
        """Return the canonical bytes, the leaf of receipts_root."""
        return encode(self)


class _Encoded(msgspec.Struct, frozen=True, gc=False):
    """A receipt of which the long parts are encoded already; its fields are those of `Receipt`."""

    id: str
    height: int
    index: int
    status: str
    results: msgspec.Raw
    events: msgspec.Raw
    cost: int


def ok_receipt_bytes(tx_id: str, height: int, index: int, results: bytes, events: bytes, cost: int) -> bytes:
    """Return the canonical bytes of the receipt of a transaction that succeeded, from those of its long parts."""
    long_parts = msgspec.Raw(results), msgspec.Raw(events)
    return encode(_Encoded(tx_id, height, index, STATUS_OK, *long_parts, cost))


_decoder = msgspec.msgpack.Decoder(Receipt)


def decode_receipt(data: bytes) -> Receipt:
    """Read back a receipt that this node stored itself; no strictness is needed."""
    return _decoder.decode(data)
