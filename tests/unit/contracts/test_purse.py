"""What a purse leaves in the state: what has changed, and of an emptied one what a new one has."""

from __future__ import annotations

import pytest

from contracts_py.token.purse import Purse
from contracts_py.token.records import HOLDINGS, Holding
from tests.contract_harness import CHAIN, START, Chain, account_of, brand_ops, program_args
from vm.contract_api import Context, Refused
from vm.primitives.codec import encode
from vm.state_view import BlockOverlay

DAY = 86_400_000
MIDNIGHT = START - START % DAY + DAY
ANN = account_of("ann")


@pytest.fixture
def chain() -> Chain:
    """A chain on which Ann has five points of each of two dates."""
    chain = Chain([*brand_ops("aurora"), ("token.create_program", program_args("stars", "aurora"))])
    for date in (MIDNIGHT, MIDNIGHT + DAY):
        chain.send("aurora-issuer", "token.issue", program="stars", to=ANN, amount=5, expires=date)
    return chain


def opened(chain: Chain) -> tuple[Purse, BlockOverlay]:
    overlay = BlockOverlay(chain.state)
    ctx = Context(overlay, CHAIN, chain.height, chain.time, 10**9)
    return Purse.of(ctx, "stars", "aurora", ANN), overlay


def test_lots_that_were_looked_at_and_stay_are_not_written(chain: Chain) -> None:
    purse, overlay = opened(chain)
    assert list(purse.lots()) == [(MIDNIGHT, 5), (MIDNIGHT + DAY, 5)]
    purse.save()
    assert overlay.changes == {}


def test_what_was_taken_and_given_back_is_not_written(chain: Chain) -> None:
    purse, overlay = opened(chain)
    purse.receive(purse.take(7))
    purse.save()
    assert overlay.changes == {}


def test_an_emptied_purse_is_stored_like_one_that_never_held_a_lot(chain: Chain) -> None:
    purse, overlay = opened(chain)
    assert purse.take(10) == [(MIDNIGHT, 5), (MIDNIGHT + DAY, 5)]
    purse.save()
    stored = overlay.changes[HOLDINGS.key("stars", ANN)]
    assert stored is not None
    assert stored[1] == encode(Holding()) == encode({})


def test_a_spend_that_is_refused_names_what_there_is(chain: Chain) -> None:
    purse, _ = opened(chain)
    with pytest.raises(Refused, match="INSUFFICIENT_BALANCE") as caught:
        purse.take(11)
    assert caught.value.details == {"available": 10, "needed": 11}
