"""Which names a transaction is found under: `chain_transactions` by account, brand and call.

An account is the sender, or who stands in one of ACCOUNT_FIELDS of an event; a brand is any event's `brand` or
`at_brand`. Other fields hold what clients make up (references, names, items): whoever writes another's address
there is not to appear in that account's list. A call is each `module.method` of the operations that a contract has.
Failed transactions have no events: they are found by sender and call. Calls that nobody knows are not indexed: a
single transaction may name a thousand of them, for next to no work units, and each would be a record.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from vm.primitives.address import ADDRESS_LENGTH, PREFIX
from vm.receipt import Receipt
from vm.transaction import Transaction

ACCOUNT = "account"
BRAND = "brand"
CALL = "call"

ACCOUNT_FIELDS = frozenset({"account", "member", "from", "to", "other", "owner", "referrer"})
"""Event fields in which contracts put accounts: a contract that names another one adds it here."""

_ADDRESS_START = PREFIX + "1"
_BRAND_FIELDS = ("brand", "at_brand")

IndexEntries = dict[tuple[str, str], list[int]]
"""(kind, name) → indexes of a block's transactions, ascending."""


def index_entries(
    transactions: Sequence[Transaction], receipts: Sequence[Receipt], known_calls: Container[str]
) -> IndexEntries:
    """Return the index entries of one block; `known_calls` are those that contracts have."""
    entries: IndexEntries = {}
    for index, tx in enumerate(transactions):
        names = {(ACCOUNT, tx.body.sender): None}
        for call, _ in tx.body.ops:
            if call in known_calls:
                names[CALL, call] = None
        for event in receipts[index].events:
            for field, value in event.data.items():
                if type(value) is not str:
                    continue
                if field in ACCOUNT_FIELDS:
                    if len(value) == ADDRESS_LENGTH and value.startswith(_ADDRESS_START):
                        names[ACCOUNT, value] = None
                elif field in _BRAND_FIELDS:
                    names[BRAND, value] = None
        for name in names:
            entries.setdefault(name, []).append(index)
    return entries
