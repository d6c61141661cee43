"""Which names a transaction is found under: `chain_transactions` by account, brand and call.

An account is the sender, or whom an event's declaration says that it concerns (`vm.events`); so is a brand. What
clients make up (references, names, items) is never taken for either. A call is each `module.method` of the
operations that a contract has. Failed transactions have no events: they are found by sender and call. Calls that
nobody knows are not indexed: a single transaction may name a thousand of them, for next to no work units, and each
would be a record.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from vm.events import ACCOUNT_NAMES, BRAND_NAMES, EVENTS
from vm.receipt import Receipt
from vm.transaction import Transaction

ACCOUNT = ACCOUNT_NAMES
BRAND = BRAND_NAMES
CALL = "call"

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
            names.update(dict.fromkeys(EVENTS[event.type].names_in(event.data)))
        for name in names:
            entries.setdefault(name, []).append(index)
    return entries
