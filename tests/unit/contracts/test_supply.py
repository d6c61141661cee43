"""A program's counters and dates, straight: their bounds, who pays for long lists, which sweeps are queued."""

from __future__ import annotations

import pytest

from contracts_py import lots, supply
from contracts_py.token_records import NEVER, SWEEP, Supply, Sweep, get_program, supply_key
from tests.contract_harness import START, Chain, account_of, brand_ops, program_args
from vm.contract_api import MAX_INT, Context
from vm.errors import Refused

DAY = 86_400_000
MIDNIGHT = START - START % DAY + DAY
ANN = account_of("ann")


@pytest.fixture
def chain() -> Chain:
    return Chain([*brand_ops("aurora"), ("token.create_program", program_args("stars", "aurora"))])


def issue(chain: Chain, to: str, amount: int, expires: int) -> None:
    chain.send("aurora-issuer", "token.issue", program="stars", to=to, amount=amount, expires=expires)


def counted(chain: Chain, before: Supply, counter: str, amount: int) -> Supply:
    """Return the counters after points without a date have come into or gone out of the supply by a counter."""

    def count(ctx: Context) -> None:
        ctx.put(supply_key("stars"), before)
        if counter in ("issued", "refunded", "swapped_in"):
            supply.credit(ctx, "stars", get_program(ctx, "stars"), NEVER, amount, counter)
        else:
            supply.debit(ctx, "stars", [(NEVER, amount)], counter)

    chain.govern(count)
    after = chain.state.get(supply_key("stars"), Supply)
    assert after is not None
    return after


# Bounds


@pytest.mark.parametrize("counter", ["issued", "refunded", "swapped_in"])
@pytest.mark.parametrize("former", ["issued", "refunded", "swapped_in"])
def test_what_comes_in_is_countable_altogether(chain: Chain, counter: str, former: str) -> None:
    """All of it is gone again; so a bound on what is outstanding alone would let further points in."""
    full = Supply(**{former: MAX_INT - 2}, burned=MAX_INT - 2)
    after = counted(chain, full, counter, 2)
    assert (after.outstanding, after.issued + after.refunded + after.swapped_in) == (2, MAX_INT)
    with pytest.raises(Refused, match="LIMIT_EXCEEDED"):
        counted(chain, full, counter, 3)


@pytest.mark.parametrize("counter", ["redeemed", "burned", "reversed", "swapped_out"])
def test_what_goes_out_is_countable(chain: Chain, counter: str) -> None:
    full = Supply(outstanding=5, **{counter: MAX_INT - 2})
    after = counted(chain, full, counter, 2)
    assert (after.outstanding, getattr(after, counter)) == (3, MAX_INT)
    with pytest.raises(Refused, match="LIMIT_EXCEEDED"):
        counted(chain, full, counter, 3)
    assert chain.state.get(supply_key("stars"), Supply) == after


def test_a_program_has_a_bounded_number_of_dates(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supply, "MAX_DATES", 2)
    for day in (0, 1, 1):
        issue(chain, ANN, 1, MIDNIGHT + day * DAY)
    args = {"program": "stars", "to": ANN, "amount": 1}
    another = MIDNIGHT + 2 * DAY
    assert chain.refused("aurora-issuer", "token.issue", **args, expires=another) == "LIMIT_EXCEEDED"
    chain.send("aurora-issuer", "token.issue", **args)  # without a date
    chain.until(MIDNIGHT)
    issue(chain, ANN, 1, another)


def test_an_issue_settles_the_dates_that_the_system_step_has_not_come_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supply, "DATES_PER_BLOCK", 0)
    chain = Chain([*brand_ops("aurora"), ("token.create_program", program_args("stars", "aurora", cap=5))])
    issue(chain, ANN, 5, MIDNIGHT)
    chain.until(MIDNIGHT)
    assert chain.state.get(supply_key("stars"), Supply) == Supply(issued=5, outstanding=5, next_date=MIDNIGHT)
    issue(chain, ANN, 4, MIDNIGHT + DAY)
    settled = Supply(issued=9, outstanding=4, expired=5, next_date=MIDNIGHT + DAY)
    assert chain.state.get(supply_key("stars"), Supply) == settled


# Cost


@pytest.mark.parametrize(("holder", "lists"), [("ann", 2), ("bob", 1)])
def test_long_lists_of_dates_are_paid_for(chain: Chain, holder: str, lists: int) -> None:
    """One unit for each 16 dates in the program's calendar, and in the account's list of lots."""

    def cost_of_another_date(day: int) -> int:
        args = {"program": "stars", "to": ANN, "amount": 1, "expires": MIDNIGHT + day * DAY}
        return chain.send_ops("aurora-issuer", [("token.issue", args)]).cost

    issue(chain, ANN, 1, MIDNIGHT + 200 * DAY)
    few = cost_of_another_date(201)
    for day in range(32):
        issue(chain, account_of(holder), 1, MIDNIGHT + day * DAY)
    assert cost_of_another_date(202) == few + 2 * lists


# The sweep


def test_a_program_waits_for_the_sweep_once(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lots, "SWEEP_PER_BLOCK", 0)
    for day in range(3):
        issue(chain, ANN, 1, MIDNIGHT + day * DAY)
    for day in range(3):
        chain.until(MIDNIGHT + day * DAY)
    assert chain.state.get(SWEEP, Sweep) == Sweep(("stars",), 0)


def test_a_lot_is_swept_from_its_millisecond_on(chain: Chain) -> None:
    issue(chain, ANN, 1, MIDNIGHT)
    chain.until(MIDNIGHT - 1)
    assert f"token/balance/stars/{ANN}/{MIDNIGHT}" in chain.state.values
    chain.until(MIDNIGHT)
    assert f"token/balance/stars/{ANN}/{MIDNIGHT}" not in chain.state.values


def test_points_are_gone_at_their_millisecond_though_the_sweep_has_not_come(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lots, "SWEEP_PER_BLOCK", 0)
    issue(chain, ANN, 1, MIDNIGHT)
    chain.until(MIDNIGHT)
    assert f"token/balance/stars/{ANN}/{MIDNIGHT}" in chain.state.values
    assert chain.view("token_balance", program="stars", account=ANN)["available"] == 0
    assert chain.refused("ann", "token.burn", program="stars", amount=1) == "INSUFFICIENT_BALANCE"
