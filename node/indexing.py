"""Which names a transaction is found under: `chain_transactions` by account, brand and call.

An account is the sender or any address in the receipt's events; a brand is any event's `brand` or
`at_brand`; a call is each `module.method` of the operations. Failed transactions have no events: they are found
by sender and call.
"""

from __future__ import annotations

from collections.abc import Sequence

from vm.primitives.address import ADDRESS_LENGTH, PREFIX
from vm.receipt import Receipt
from vm.transaction import Transaction

ACCOUNT = "account"
BRAND = "brand"
CALL = "call"

MAX_CALL_NAME = 64
"""A call that nobody knows fails, but is in the chain: its name is cut to this length."""

_ADDRESS_START = PREFIX + "1"
_BRAND_FIELDS = ("brand", "at_brand")

IndexEntries = dict[tuple[str, str], list[int]]
"""(kind, name) → indexes of a block's transactions, ascending."""


def index_entries(transactions: Sequence[Transaction], receipts: Sequence[Receipt]) -> IndexEntries:
    """Return the index entries of one block."""
    entries: IndexEntries = {}
    for index, tx in enumerate(transactions):
        names = {(ACCOUNT, tx.body.sender): None}
        for call, _ in tx.body.ops:
            if "\0" not in call:  # the store's separator; no call of ours has it
                names[CALL, call[:MAX_CALL_NAME]] = None
        for event in receipts[index].events:
            for field, value in event.data.items():
                if type(value) is not str:
                    continue
                if len(value) == ADDRESS_LENGTH and value.startswith(_ADDRESS_START):
                    names[ACCOUNT, value] = None
                elif field in _BRAND_FIELDS:
                    names[BRAND, value] = None
        for name in names:
            entries.setdefault(name, []).append(index)
    return entries
