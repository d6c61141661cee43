"""Exchanges of points across brands, under treaties that both sides have accepted.

    records     what is in the state
    events      what the calls tell
    answers     what calls and views answer
    rates       what an exchange gives and takes, in exact integers
    arbitrage   no cycle of treaties makes points out of nothing
    limits      what of a treaty's limits is left
    treaties    the calls and views about treaties
    exchanges   exchanging, along one treaty or several, and quotes

Invariants, at every block: docs/ledger.md, Swap.
"""

from __future__ import annotations

from contracts_py.clearing import Clearing
from contracts_py.identity import Authority
from contracts_py.swap.exchanges import Exchanges
from contracts_py.swap.treaties import Treaties
from contracts_py.token import Ledger
from vm.contract_api import Contract


def swap_contract(authority: Authority, clearing: Clearing, ledger: Ledger) -> list[Contract]:
    """Return the rooms of the swap contract."""
    return [Treaties(authority, ledger), Exchanges(authority, clearing, ledger)]
