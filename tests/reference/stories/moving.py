"""Deeds: points of an account are on their way to another, as after a merge of accounts with thousands of lots."""

from __future__ import annotations

from msgspec.structs import replace

from contracts_py.token.deeds import MAX_MOVES, MERGED_DEBT, MOVES, Move
from contracts_py.token.records import HOLDINGS
from tests.contract_harness import account_of
from tests.reference.story import Deed, Refusal, no
from vm.contract_api import Context

OTHER = account_of("dan")


def on_its_way(program: str, account: str) -> Refusal:
    """Return the refusal to spend of an account of which some points are on their way to another."""

    def begin(ctx: Context) -> None:
        holding = HOLDINGS.require(ctx, program, account)
        HOLDINGS.put(ctx, replace(holding, shared=True), program, account)
        MOVES.put(ctx, (Move("unmerge", OTHER),), account)
        MERGED_DEBT.put(ctx, 1, program, OTHER)

    words = "Points of the account are on their way to another."
    return no("NOT_ELIGIBLE", words, lambda chain: chain.govern(begin))


def many_moves(account: str) -> Deed:
    """Return a deed: as many moves out of an account are under way as may be."""
    return _moving(account, (Move("leave", OTHER),) * MAX_MOVES)


def closing(pool: str) -> Deed:
    """Return a deed: all points of a pool are on their way to its last member."""
    return _moving(pool, (Move("close", OTHER),))


def _moving(account: str, moves: tuple[Move, ...]) -> Deed:
    return lambda chain: chain.govern(lambda ctx: MOVES.put(ctx, moves, account))
