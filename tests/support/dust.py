"""Accounts that others have given points of many programs, or of many dates."""

from __future__ import annotations

from collections.abc import Sequence

from contracts_py.token.moves import MOVE_STEPS
from contracts_py.token.purse import Purse
from contracts_py.token.supply import Supply
from tests.contract_harness import START, Chain, Op, brand_ops, program_args
from vm.contract_api import Context, Params
from vm.tables.schedule import AGENDA

DAY = 86_400_000
FIRST_DATE = (START // DAY + 2) * DAY

LEAST = Params(
    max_block_cost=100_000, max_tx_cost=75_000, account_cost_per_window=10**9, brand_cost_per_window=10**9
)
"""The least that a chain may grant a block and a transaction."""


def programs(number: int) -> list[str]:
    """Return the names of so many programs."""
    return [f"p{place:03d}" for place in range(number)]


def dusty_chain(number: int, params: Params | None = None, watched: bool = True) -> Chain:
    """Return a chain of the brand aurora with so many programs, whose points may be pooled."""
    ops: list[Op] = [*brand_ops("aurora"), ("identity.update_brand", {"brand": "aurora", "pooling": True})]
    ops += [("token.create_program", program_args(program, "aurora")) for program in programs(number)]
    return Chain(ops, params=params, watched=watched)


def give_lots(chain: Chain, program: str, account: str, lots: int, amount: int = 1) -> None:
    """Give an account points of so many dates, as transfers or issues of others would."""
    parts = [(FIRST_DATE + place * DAY, amount) for place in range(lots)]

    def fill(ctx: Context) -> None:
        purse, supply = Purse.of(ctx, program, "aurora", account), Supply(ctx, program)
        for date, size in parts:
            supply.credit(date, size, "issued")
        purse.credit(supply, parts)
        purse.save()
        supply.save()

    chain.govern(fill)


def balance(chain: Chain, program: str, account: str) -> int:
    """Return what an account can spend."""
    return int(chain.view("token_balance", program=program, account=account)["available"])


def total(chain: Chain, names: Sequence[str], *accounts: str) -> list[int]:
    """Return what each of these accounts has of these programs together."""
    return [sum(balance(chain, program, account) for program in names) for account in accounts]


def is_moving(chain: Chain) -> bool:
    """Tell whether a move is on the agenda."""
    path = f"{MOVE_STEPS.keys.path}/"
    return any(key.startswith(path) for _, key in AGENDA.iterate(chain.state))


def settle(chain: Chain, blocks: int = 5_000) -> int:
    """Commit empty blocks until no move is under way; return how many."""
    for count in range(blocks):
        if not is_moving(chain):
            return count
        chain.block([])
    raise AssertionError(f"a move is not over after {blocks} blocks")
