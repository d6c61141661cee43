"""Loyalty programs: points that brands issue, held as dated lots.

    records      what is in the state, and under which keys
    events       what the calls tell
    answers      what calls and views answer
    dates        on which date points expire
    purse        one account's points in one program: taken, added, written back once
    supply       a program's counters, and the dates on which points go out of them by themselves
    programs     the calls and views about programs
    points       issuing, moving, burning, redeeming points
    compliance   freezing

Expiry needs no transaction: a lot whose date has come is worth nothing, in every view, spend and supply figure of
that block, and is removed from storage later.

Not yet here: holds, pending points, reversals and refunds, redemption at another brand. Their fields in views are
0, and what is not there is refused: `redeem` at another brand than the program's own is NOT_AUTHORISED,
as no brand can have opened its door yet.

Invariants, at every block:
    1. issued + swapped_in + refunded = outstanding + redeemed + burned + expired + reversed + swapped_out.
    2. outstanding = available + held + pending = the sum of live lots.
"""

from __future__ import annotations

from contracts_py.identity import Authority
from contracts_py.token.compliance import Compliance
from contracts_py.token.points import Points
from contracts_py.token.programs import Programs
from vm.contract_api import Contract


def token_contract(authority: Authority) -> list[Contract]:
    """Return the rooms of the token contract."""
    return [Programs(authority), Points(authority), Compliance(authority)]
