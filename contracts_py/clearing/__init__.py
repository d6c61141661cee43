"""Who owes whom: what brands book as owed to each other, the credit they give, and how it is paid.

    records      what is in the state, and under which keys
    events       what the calls tell
    answers      what calls and views answer
    periods      months and their names
    netting      from positions to payments
    books        lines, pairs, positions, exposure
    clearing     what contracts above ask: book, reserve, book_reserved, release, counter
    credit       credit limits
    settlement   closing, confirming, unwinding
    disputes     disputes and their counter-entries
    statements   views

It knows no program: what a unit of one costs, the contract above says. docs/ledger.md has the design and the
invariants.
"""

from __future__ import annotations

from contracts_py.clearing.clearing import Clearing
from contracts_py.clearing.credit import CreditLimits
from contracts_py.clearing.disputes import Disputes
from contracts_py.clearing.settlement import Settlement
from contracts_py.clearing.statements import Statements
from contracts_py.identity import Authority
from vm.contract_api import Contract

__all__ = ["Clearing", "clearing_contract"]


def clearing_contract(authority: Authority, clearing: Clearing) -> list[Contract]:
    """Return the rooms of the clearing contract."""
    return [
        CreditLimits(authority),
        Settlement(authority),
        Disputes(authority, clearing),
        Statements(authority),
    ]
