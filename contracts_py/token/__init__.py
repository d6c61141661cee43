"""Loyalty programs: points that brands issue, held as dated lots.

    records      what is in the state of programs and lots, and under which keys
    deeds        what is in the state of what was done: references, allowances, holds, doors
    events       what the calls tell
    answers      what calls and views answer
    terms        which rules of a program are in force, and what waits for its notice to end
    dates        on which date points expire, also when they come back
    purse        one account's points in one program: taken, credited, written back once
    lot_costs    how many lots one operation may take
    supply       a program's counters, and the dates on which points go out of them by themselves
    asides       points that are set aside
    pending      points that are issued, but cannot be spent yet
    backing      programs that are worth no more than what their brand is owed
    allowances, limits, liability, expiring, spending    what several rooms share
    programs     the calls and views about programs
    issuing      the one way in which points come into being
    points       issuing, moving, burning points
    redemptions  redeeming points, here and elsewhere, and refunds
    holds        reserving points for a redemption
    corrections  returned purchases, adjustments, later dates
    compliance   freezing
    households   what each member of a household has in its pool
    merges       points move with an account that is merged into another
    moves        how far such moves have come, and their next steps
    ledger       what contracts above do with points: `Ledger`

Expiry needs no transaction: a lot whose date has come is worth nothing, in every view, spend and supply figure of
that block, and is removed from storage later.

Invariants, at every block: docs/ledger.md, Token.
"""

from __future__ import annotations

from contracts_py.clearing import Clearing
from contracts_py.identity import Authority
from contracts_py.token.batches import Batches
from contracts_py.token.compliance import Compliance
from contracts_py.token.corrections import Corrections
from contracts_py.token.holds import Holds
from contracts_py.token.households import Households
from contracts_py.token.ledger import Ledger
from contracts_py.token.merges import Merges
from contracts_py.token.moves import Moves
from contracts_py.token.points import Points
from contracts_py.token.programs import Programs
from contracts_py.token.records import NEVER, Parts, Program
from contracts_py.token.redemptions import Redemptions
from vm.contract_api import Contract

__all__ = ["NEVER", "Households", "Ledger", "Merges", "Moves", "Parts", "Program", "token_contract"]


def token_contract(
    authority: Authority, clearing: Clearing, households: Households, moves: Moves
) -> list[Contract]:
    """Return the rooms of the token contract."""
    points = Points(authority, households)
    return [
        Programs(authority),
        points,
        Batches(points),
        Redemptions(authority, clearing),
        Holds(authority, clearing),
        Corrections(authority),
        Compliance(authority),
        moves,
    ]
