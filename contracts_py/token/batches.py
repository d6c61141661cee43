"""Many balances in one answer, as ERC-1155's `balanceOfBatch` gives them."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import structs

from contracts_py.token.answers import PairBalance
from contracts_py.token.points import Points
from vm.contract_api import Address, Context, Contract, Meta, Slug, view

MAX_PAIRS: Final = 100
"""As many as a page has by default."""


class Pair(msgspec.Struct, frozen=True, gc=False):
    """An account, and a program in which its points are asked for."""

    account: Address
    program: Slug


Pairs = Annotated[tuple[Pair, ...], Meta(min_length=1, max_length=MAX_PAIRS)]


class Batches(Contract):
    """The room for views of many balances."""

    name = "token"

    def __init__(self, points: Points) -> None:
        self._points = points

    @view
    def balance_batch(self, ctx: Context, pairs: Pairs) -> list[PairBalance]:
        """Return the points of each account in the program beside it, in the order asked for."""
        return [
            PairBalance(
                **structs.asdict(self._points.balance(ctx, pair.program, pair.account)),
                account=pair.account,
                program=pair.program,
            )
            for pair in pairs
        ]
