"""A program's counters and dates, straight: their bounds, what many dates cost, when lots are swept."""

from __future__ import annotations

import pytest

from contracts_py.calendar import Offset
from contracts_py.token.dates import explicit_date
from contracts_py.token.records import NEVER, SUPPLIES, SupplyRecord
from contracts_py.token.supply import Supply
from tests.contract_harness import CHAIN, START, Chain, account_of, brand_ops, program_args
from tests.support.agenda import items_per_block
from vm.contract_api import MAX_INT, Context
from vm.errors import InvariantBroken, Refused
from vm.state_view import BlockOverlay

DAY = 86_400_000
MIDNIGHT = START - START % DAY + DAY
ANN = account_of("ann")


@pytest.fixture
def chain() -> Chain:
    return Chain([*brand_ops("aurora"), ("token.create_program", program_args("stars", "aurora"))])


def issue(chain: Chain, to: str, amount: int, expires: int) -> None:
    chain.send("aurora-issuer", "token.issue", program="stars", to=to, amount=amount, expires=expires)


def stored(chain: Chain) -> SupplyRecord:
    record = SUPPLIES.get(chain.context(), "stars")
    assert record is not None
    return record


def counted(chain: Chain, before: SupplyRecord, counter: str, amount: int) -> SupplyRecord:
    """Return the counters after points without a date have come into or gone out of the supply by a counter."""

    def count(ctx: Context) -> None:
        SUPPLIES.put(ctx, before, "stars")
        supply = Supply(ctx, "stars")
        if counter in ("issued", "refunded", "swapped_in"):
            supply.credit(NEVER, amount, counter, None)
        else:
            supply.debit([(NEVER, amount)], counter)
        supply.save()

    chain.govern(count)
    return stored(chain)


# Bounds


@pytest.mark.parametrize("counter", ["issued", "refunded", "swapped_in"])
@pytest.mark.parametrize("former", ["issued", "refunded", "swapped_in"])
def test_what_comes_in_is_countable_altogether(chain: Chain, counter: str, former: str) -> None:
    """All of it is gone again; so a bound on what is outstanding alone would let further points in."""
    full = SupplyRecord(**{former: MAX_INT - 2}, burned=MAX_INT - 2)
    after = counted(chain, full, counter, 2)
    assert (after.outstanding, after.issued + after.refunded + after.swapped_in) == (2, MAX_INT)
    with pytest.raises(Refused, match="LIMIT_EXCEEDED"):
        counted(chain, full, counter, 3)


@pytest.mark.parametrize("counter", ["redeemed", "burned", "reversed", "swapped_out"])
def test_what_goes_out_is_countable(chain: Chain, counter: str) -> None:
    full = SupplyRecord(outstanding=5, **{counter: MAX_INT - 2})
    after = counted(chain, full, counter, 2)
    assert (after.outstanding, getattr(after, counter)) == (3, MAX_INT)
    with pytest.raises(Refused, match="LIMIT_EXCEEDED") as caught:
        counted(chain, full, counter, 3)
    assert caught.value.details == {"limit": MAX_INT}
    assert stored(chain) == after


def test_an_issue_settles_the_dates_that_the_agenda_has_not_come_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    items_per_block(monkeypatch, 0)
    chain = Chain([*brand_ops("aurora"), ("token.create_program", program_args("stars", "aurora", cap=5))])
    issue(chain, ANN, 5, MIDNIGHT)
    chain.until(MIDNIGHT)
    assert stored(chain) == SupplyRecord(issued=5, outstanding=5, next_date=MIDNIGHT)
    issue(chain, ANN, 4, MIDNIGHT + DAY)
    settled = SupplyRecord(issued=9, outstanding=4, expired=5, next_date=MIDNIGHT + DAY)
    assert stored(chain) == settled


def test_the_next_date_is_the_first_that_still_has_points(chain: Chain) -> None:
    for day in (0, 1, 2):
        issue(chain, ANN, 5, MIDNIGHT + day * DAY)
    for amount, day in ((4, 0), (1, 1), (5, 2)):
        chain.send("ann", "token.burn", program="stars", amount=amount)
        assert stored(chain).next_date == MIDNIGHT + day * DAY
    chain.send("ann", "token.burn", program="stars", amount=5)
    assert stored(chain).next_date == NEVER


# Cost


def test_an_issue_costs_no_more_where_there_are_many_dates(chain: Chain) -> None:
    """One careless issuer with a date for every sale slows nobody down, and shuts nobody out."""

    def cost_of_another_date(day: int) -> int:
        args = {"program": "stars", "to": ANN, "amount": 1, "expires": MIDNIGHT + day * DAY}
        receipt = chain.send_ops("aurora-issuer", [("token.issue", args)])
        assert receipt.status == "ok"
        return receipt.cost

    few = cost_of_another_date(20_000)
    for start in range(0, 5_000, 500):
        ops = [
            (
                "token.issue",
                {"program": "stars", "to": account_of("bob"), "amount": 1, "expires": MIDNIGHT + day * DAY},
            )
            for day in range(start, start + 500)
        ]
        chain.send_ops("aurora-issuer", ops)
    assert cost_of_another_date(20_001) < few + 200


# The sweep


def test_a_lot_is_swept_from_its_millisecond_on(chain: Chain) -> None:
    issue(chain, ANN, 1, MIDNIGHT)
    chain.until(MIDNIGHT - 1)
    assert f"token/balance/stars/{ANN}/{MIDNIGHT}" in chain.state.values
    chain.until(MIDNIGHT)
    assert f"token/balance/stars/{ANN}/{MIDNIGHT}" not in chain.state.values


def test_points_are_gone_at_their_millisecond_though_the_sweep_has_not_come(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    items_per_block(monkeypatch, 0)
    issue(chain, ANN, 1, MIDNIGHT)
    chain.until(MIDNIGHT)
    assert f"token/balance/stars/{ANN}/{MIDNIGHT}" in chain.state.values
    assert chain.view("token_balance", program="stars", account=ANN)["available"] == 0
    assert chain.refused("ann", "token.burn", program="stars", amount=1) == "INSUFFICIENT_BALANCE"


def test_points_are_not_spent_in_the_very_block_of_their_millisecond(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    items_per_block(monkeypatch, 0)
    issue(chain, ANN, 1, MIDNIGHT)
    tx = chain.transaction(ANN, [("token.burn", {"program": "stars", "amount": 1})], ["ann"])
    error = chain.block([tx], MIDNIGHT - chain.time).receipts[0].error
    assert error
    assert error.code == "INSUFFICIENT_BALANCE"


# Straight


def test_a_supply_that_nothing_changed_is_not_written(chain: Chain) -> None:
    overlay = BlockOverlay(chain.state)
    Supply(Context(overlay, CHAIN, chain.height, chain.time, 10**9), "stars").save()
    assert overlay.changes == {}


def test_no_date_has_fewer_points_than_its_lots(chain: Chain) -> None:
    issue(chain, ANN, 5, MIDNIGHT)

    def take_too_many(ctx: Context) -> None:
        supply = Supply(ctx, "stars")
        supply.debit([(MIDNIGHT, 6)], "burned")
        supply.save()

    with pytest.raises(InvariantBroken, match="fewer points"):
        chain.govern(take_too_many)


def test_a_cap_that_is_passed_already_has_room_for_nothing(chain: Chain) -> None:
    issue(chain, ANN, 5, MIDNIGHT)
    with pytest.raises(Refused, match="CAP_EXCEEDED") as caught:
        Supply(chain.context(), "stars").credit(MIDNIGHT, 1, "issued", 3)
    assert caught.value.details == {"cap": 3, "available": 0}


def test_no_explicit_date_stands_for_never(chain: Chain) -> None:
    """A clock that is set forward at the last instant of all begins a day there."""
    clock = (Offset(0, -840), Offset(MAX_INT, 840))
    with pytest.raises(Refused, match="LIMIT_EXCEEDED"):
        explicit_date(chain.context(), clock, MAX_INT - 1)
