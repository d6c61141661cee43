"""Treaties and exchanges: who agrees, what is given and taken, what is refused."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from contracts_py.swap.exchanges import planned
from contracts_py.swap.records import Limits, Terms, Treaty
from tests.contract_harness import START, Chain, account_of, brand_ops, credit_ops, program_args
from tests.reference.story import leaving, waited
from tests.support.persons import begin_exit

ANN, BOB = account_of("ann"), account_of("bob")
DAY = 86_400_000
MIDNIGHT = -(-START // DAY) * DAY
BRANDS = {"stars": "aurora", "moons": "basil", "suns": "comet"}
FOREVER = 2**50


def terms(num: int = 1, den: int = 1, fee_bps: int = 0, **limits: int) -> dict[str, Any]:
    return {"rate": [num, den], "fee_bps": fee_bps, "limits": limits, "valid_from": 0, "valid_to": FOREVER}


@pytest.fixture
def chain() -> Chain:
    ops = []
    for program, brand in BRANDS.items():
        ops += brand_ops(brand)
        ops.append(("token.create_program", program_args(program, brand)))
        ops.append(("token.issue", {"program": program, "to": ANN, "amount": 10_000}))
    return Chain([*ops, *credit_ops(*BRANDS.values())])


def propose(chain: Chain, source: str, target: str, treaty: str = "", **more: Any) -> str:
    name = treaty or f"{BRANDS[source]}-{source}-{target}"
    args = {"treaty": name, "from_program": source, "to_program": target, **terms(), **more}
    answer = chain.send(f"{BRANDS[source]}-admin", "swap.propose", **args)
    assert answer == {"treaty": name, "status": "proposed"}
    return name


def agree(chain: Chain, source: str, target: str, **more: Any) -> str:
    name = propose(chain, source, target, **more)
    chain.send(f"{BRANDS[target]}-admin", "swap.accept", treaty=name)
    return name


def exchange(chain: Chain, treaty: str, amount: int, min_out: int = 0, who: str = "ann") -> tuple[int, int]:
    answer = chain.send(who, "swap.exchange", treaty=treaty, amount=amount, min_out=min_out)
    return answer["taken"], answer["out"]


def available(chain: Chain, program: str, account: str = ANN) -> int:
    return int(chain.view("token_balance", program=program, account=account)["available"])


# Treaties


def test_a_treaty_is_in_force_once_both_sides_have_agreed(chain: Chain) -> None:
    name = propose(chain, "stars", "moons")
    assert chain.refused("ann", "swap.exchange", treaty=name, amount=1, min_out=0) == "NOT_ELIGIBLE"
    assert chain.refused("aurora-admin", "swap.accept", treaty=name) == "NOT_AUTHORISED"
    assert chain.refused("comet-admin", "swap.accept", treaty=name) == "NOT_AUTHORISED"
    assert chain.send("basil-admin", "swap.accept", treaty=name) == {"treaty": name, "status": "active"}
    assert chain.refused("basil-admin", "swap.accept", treaty=name) == "NOT_ELIGIBLE"
    shown = chain.view("swap_treaty", treaty=name)
    assert (shown["from_brand"], shown["to_brand"], shown["proposer"]) == ("aurora", "basil", "aurora")
    for brand in ("aurora", "basil"):
        assert [entry["treaty"] for entry in chain.view("swap_treaties", brand=brand)["items"]] == [name]


def test_the_other_side_may_propose_as_well(chain: Chain) -> None:
    args = {"treaty": "basil-offer", "from_program": "stars", "to_program": "moons", **terms()}
    chain.send("basil-admin", "swap.propose", **args)
    assert chain.refused("basil-admin", "swap.accept", treaty="basil-offer") == "NOT_AUTHORISED"
    chain.send("aurora-admin", "swap.accept", treaty="basil-offer")


def test_what_cannot_be_proposed(chain: Chain) -> None:
    args = {"treaty": "aurora-x", "from_program": "stars", "to_program": "moons", **terms()}
    assert chain.refused("comet-admin", "swap.propose", **args) == "NOT_AUTHORISED"
    assert chain.refused("aurora-admin", "swap.propose", **{**args, "treaty": "basil-x"}) == "NOT_AUTHORISED"
    assert chain.refused("aurora-admin", "swap.propose", **{**args, "to_program": "stars"}) == "NOT_ELIGIBLE"
    assert chain.refused("aurora-admin", "swap.propose", **{**args, "to_program": "none"}) == "NOT_FOUND"
    assert chain.refused("aurora-admin", "swap.propose", **{**args, "valid_to": 0}) == "INVALID_ARGS"
    assert chain.refused("aurora-admin", "swap.propose", **{**args, "valid_to": chain.time}) == "EXPIRED"
    assert chain.refused("aurora-admin", "swap.propose", **{**args, "fee_bps": 10_000}) == "INVALID_ARGS"
    assert chain.refused("aurora-admin", "swap.propose", **{**args, "rate": [1, 0]}) == "INVALID_ARGS"
    chain.send("aurora-admin", "swap.propose", **args)
    assert chain.refused("aurora-admin", "swap.propose", **args) == "ALREADY_EXISTS"


def test_an_amendment_is_in_force_once_the_other_side_has_agreed(chain: Chain) -> None:
    name = agree(chain, "stars", "moons")
    chain.send("basil-admin", "swap.amend", treaty=name, **terms(1, 2))
    assert exchange(chain, name, 10) == (10, 10)
    assert chain.refused("basil-admin", "swap.accept", treaty=name) == "NOT_AUTHORISED"
    chain.send("aurora-admin", "swap.accept", treaty=name)
    assert exchange(chain, name, 10) == (10, 5)
    assert "amendment" not in chain.view("swap_treaty", treaty=name)


def test_each_side_suspends_and_resumes_for_itself(chain: Chain) -> None:
    name = agree(chain, "stars", "moons")
    for brand in ("aurora", "basil"):
        chain.send(f"{brand}-admin", "swap.suspend", treaty=name)
    chain.send("aurora-admin", "swap.resume", treaty=name)
    assert chain.refused("ann", "swap.exchange", treaty=name, amount=1, min_out=0) == "SUSPENDED"
    assert chain.refused("aurora-admin", "swap.resume", treaty=name) == "NOT_ELIGIBLE"
    assert chain.send("basil-admin", "swap.resume", treaty=name)["status"] == "active"
    assert exchange(chain, name, 1) == (1, 1)


def test_a_terminated_treaty_runs_on_for_its_notice(chain: Chain) -> None:
    name = agree(chain, "stars", "moons")
    ends = chain.send("basil-admin", "swap.terminate", treaty=name, notice_ms=DAY)["ends"]
    assert ends == chain.time + DAY
    assert chain.refused("aurora-admin", "swap.terminate", treaty=name, notice_ms=2 * DAY) == "NOT_ELIGIBLE"
    chain.until(ends - 201)
    assert exchange(chain, name, 1) == (1, 1)
    assert chain.refused("ann", "swap.exchange", treaty=name, amount=1, min_out=0) == "EXPIRED"
    assert chain.refused("aurora-admin", "swap.amend", treaty=name, **terms()) == "EXPIRED"


@pytest.mark.parametrize(("at", "outcome"), [(-1, "NOT_ELIGIBLE"), (0, "ok"), (DAY - 1, "ok"), (DAY, "EXPIRED")])
def test_a_treaty_is_valid_from_a_millisecond_to_another(chain: Chain, at: int, outcome: str) -> None:
    name = agree(chain, "stars", "moons", valid_from=MIDNIGHT, valid_to=MIDNIGHT + DAY)
    chain.until(MIDNIGHT + at - 200)
    receipt = chain.send_ops("ann", [("swap.exchange", {"treaty": name, "amount": 1, "min_out": 0})])
    assert (receipt.error.code if receipt.error else receipt.status) == outcome


@pytest.mark.parametrize("role", ["issuer", "cashier", "compliance"])
def test_only_admins_make_treaties(chain: Chain, role: str) -> None:
    new = {"treaty": "aurora-new", "from_program": "stars", "to_program": "moons", **terms()}
    open_, held = propose(chain, "moons", "stars"), agree(chain, "stars", "suns")
    chain.send("comet-admin", "swap.suspend", treaty=held)
    waiting = agree(chain, "stars", "moons")
    chain.send("basil-admin", "swap.amend", treaty=waiting, **terms(1, 2))
    calls: list[tuple[str, dict[str, Any]]] = [
        ("propose", new),
        ("accept", {"treaty": open_}),
        ("accept", {"treaty": waiting}),
        ("amend", {"treaty": held, **terms()}),
        ("suspend", {"treaty": waiting}),
        ("resume", {"treaty": held}),
        ("terminate", {"treaty": held, "notice_ms": 0}),
    ]
    for call, args in calls:
        signers = [f"{brand}-{role}" for brand in BRANDS.values()]
        assert chain.refused("ann", f"swap.{call}", ["ann", *signers], **args) == "NOT_AUTHORISED", call


# Exchanges


@pytest.mark.parametrize(
    ("num", "den", "fee_bps", "amount", "taken", "out"),
    [
        (3, 100, 1, 3_030, 3_001, 90),
        (3, 100, 1, 34, 34, 1),
        (2, 1, 0, 5, 5, 10),
        (1, 3, 0, 11, 9, 3),
        (1, 1, 9_999, 10_000, 10_000, 1),
    ],
)
def test_one_floor_gives_and_the_least_is_taken(
    chain: Chain, num: int, den: int, fee_bps: int, amount: int, taken: int, out: int
) -> None:
    name = agree(chain, "stars", "moons", **terms(num, den, fee_bps))
    assert exchange(chain, name, amount) == (taken, out)
    assert (available(chain, "stars"), available(chain, "moons")) == (10_000 - taken, 10_000 + out)
    stars, moons = chain.view("token_supply", program="stars"), chain.view("token_supply", program="moons")
    assert (stars["swapped_out"], moons["swapped_in"]) == (taken, out)
    assert (stars["outstanding"], moons["outstanding"]) == (10_000 - taken, 10_000 + out)


def test_an_exchange_gives_min_out_at_least_and_never_nothing(chain: Chain) -> None:
    name = agree(chain, "stars", "moons", **terms(1, 3))
    error = chain.send_ops("ann", [("swap.exchange", {"treaty": name, "amount": 11, "min_out": 4})]).error
    assert error
    assert (error.code, error.details) == ("SLIPPAGE", {"min_out": 4, "out": 3})
    assert chain.refused("ann", "swap.exchange", treaty=name, amount=2, min_out=0) == "SLIPPAGE"
    assert chain.refused("bob", "swap.exchange", treaty=name, amount=3, min_out=0) == "INSUFFICIENT_BALANCE"
    assert chain.refused("bob", "swap.exchange", treaty=name, amount=3, min_out=0, from_=ANN) == "NOT_AUTHORISED"


def test_points_come_with_the_earlier_date_divided_over_their_lots(chain: Chain) -> None:
    name = agree(chain, "stars", "moons", **terms(1, 3))
    days = program_args("days", "basil", expiry={"kind": "days", "days": 5})
    chain.send("basil-admin", "token.create_program", **days)
    for amount, day in ((4, 1), (4, 9)):
        args = {"program": "stars", "to": BOB, "amount": amount, "expires": MIDNIGHT + day * DAY}
        chain.send("aurora-issuer", "token.issue", **args)
    answer = chain.send("bob", "swap.exchange", treaty=name, amount=8, min_out=2)
    assert answer["lots"] == [
        {"amount": 1, "expires": MIDNIGHT + DAY},
        {"amount": 1, "expires": MIDNIGHT + 9 * DAY},
    ]
    left = chain.view("token_balance", program="stars", account=BOB)["lots"]
    assert [(lot["amount"], lot["expires"]) for lot in left] == [(2, MIDNIGHT + 9 * DAY)]
    args = {"treaty": "basil-days", "from_program": "moons", "to_program": "days", **terms(3, 1)}
    assert chain.refused("basil-admin", "swap.propose", **args) == "NOT_ELIGIBLE"


def test_a_programs_own_rule_ends_points_that_came_with_a_later_date(chain: Chain) -> None:
    days = program_args("days", "basil", expiry={"kind": "days", "days": 5})
    chain.send("basil-admin", "token.create_program", **days)
    args = {"treaty": "aurora-days", "from_program": "stars", "to_program": "days", **terms()}
    chain.send("aurora-admin", "swap.propose", **args)
    chain.send("basil-admin", "swap.accept", treaty="aurora-days")
    answer = chain.send("ann", "swap.exchange", treaty="aurora-days", amount=3, min_out=3)
    assert answer["lots"] == [{"amount": 3, "expires": MIDNIGHT + 5 * DAY}]


@pytest.mark.parametrize("limit", ["member_day", "total_day", "inventory"])
def test_limits_of_a_treaty(chain: Chain, limit: str) -> None:
    name = agree(chain, "stars", "moons", **terms(1, 1, 0, **{limit: 10}))
    assert exchange(chain, name, 8) == (8, 8)
    assert chain.refused("ann", "swap.exchange", treaty=name, amount=3, min_out=0) == "LIMIT_EXCEEDED"
    assert exchange(chain, name, 2) == (2, 2)
    chain.until(MIDNIGHT)
    again = chain.send_ops("ann", [("swap.exchange", {"treaty": name, "amount": 1, "min_out": 0})])
    assert (again.error.code if again.error else "ok") == ("LIMIT_EXCEEDED" if limit == "inventory" else "ok")


def test_nothing_is_exchanged_into_a_suspended_brands_program_or_by_a_frozen_account(chain: Chain) -> None:
    there, back = agree(chain, "stars", "moons"), agree(chain, "moons", "stars")
    chain.suspend("basil")
    assert chain.refused("ann", "swap.exchange", treaty=there, amount=1, min_out=0) == "SUSPENDED"
    assert exchange(chain, back, 1) == (1, 1)
    chain.send("aurora-compliance", "token.freeze", program="stars", account=ANN)
    assert chain.refused("ann", "swap.exchange", treaty=back, amount=1, min_out=0) == "FROZEN"


# Cycles


def test_a_cycle_that_gains_is_refused_with_its_treaties(chain: Chain) -> None:
    first = agree(chain, "stars", "moons", **terms(3, 2))
    second = agree(chain, "moons", "suns", **terms(2, 3))
    third = propose(chain, "suns", "stars", **terms(1_000_001, 1_000_000))
    error = chain.send_ops("aurora-admin", [("swap.accept", {"treaty": third})]).error
    assert error
    assert (error.code, error.details) == ("ARBITRAGE", {"cycle": [third, first, second]})
    chain.send("comet-admin", "swap.amend", treaty=third, **terms(1, 1))
    chain.send("aurora-admin", "swap.accept", treaty=third)


def test_a_fee_counts_in_a_cycle_and_a_rate_change_is_looked_at(chain: Chain) -> None:
    there = agree(chain, "stars", "moons", **terms(2, 1, 5_000))
    agree(chain, "moons", "stars", **terms(1, 1))
    chain.send("aurora-admin", "swap.amend", treaty=there, **terms(2, 1, 4_999))
    error = chain.send_ops("basil-admin", [("swap.accept", {"treaty": there})]).error
    assert error
    assert error.code == "ARBITRAGE"
    assert chain.view("swap_treaty", treaty=there)["terms"]["fee_bps"] == 5_000


def test_future_and_suspended_treaties_count_in_a_cycle_those_that_are_over_do_not(chain: Chain) -> None:
    agree(chain, "stars", "moons", **{**terms(2, 1), "valid_from": FOREVER - 1})
    suspended = agree(chain, "stars", "moons", treaty="aurora-second", **terms(3, 1))
    chain.send("basil-admin", "swap.suspend", treaty=suspended)
    back = propose(chain, "moons", "stars", **terms(2, 5))
    assert chain.refused("aurora-admin", "swap.accept", treaty=back) == "ARBITRAGE"
    chain.send("aurora-admin", "swap.terminate", treaty=suspended, notice_ms=0)
    chain.send("aurora-admin", "swap.accept", treaty=back)


# Routes


def test_a_route_is_all_or_nothing(chain: Chain) -> None:
    first = agree(chain, "stars", "moons", **terms(3, 1))
    second = agree(chain, "moons", "suns", **terms(1, 7))
    route = {"treaties": [first, second], "amount": 10}
    assert chain.refused("ann", "swap.exchange_route", **route, min_out=5) == "SLIPPAGE"
    answer = chain.send("ann", "swap.exchange_route", **route, min_out=4)
    assert answer["hops"] == [
        {"treaty": first, "taken": 10, "out": 30},
        {"treaty": second, "taken": 28, "out": 4},
    ]
    assert (answer["taken"], answer["out"]) == (10, 4)
    assert [available(chain, program) for program in BRANDS] == [9_990, 10_002, 10_004]
    moons = chain.view("token_supply", program="moons")
    assert (moons["swapped_in"], moons["swapped_out"], moons["outstanding"]) == (30, 28, 10_002)
    chain.send("comet-admin", "swap.suspend", treaty=second)
    assert chain.refused("ann", "swap.exchange_route", **route, min_out=0) == "SUSPENDED"
    backwards = {"treaties": [second, first], "amount": 10, "min_out": 0}
    assert chain.refused("ann", "swap.exchange_route", **backwards) in ("SUSPENDED", "INVALID_ARGS")


@pytest.mark.parametrize("amount", [10, 7])
def test_a_route_does_not_lead_through_a_program_in_which_the_account_is_frozen(chain: Chain, amount: int) -> None:
    """Whether a unit is left over there, or none."""
    first = agree(chain, "stars", "moons", **terms(3, 1))
    second = agree(chain, "moons", "suns", **terms(1, 7))
    chain.send("basil-compliance", "token.freeze", program="moons", account=ANN)
    args = {"treaties": [first, second], "amount": amount, "min_out": 0}
    assert chain.refused("ann", "swap.exchange_route", **args) == "FROZEN"


def test_a_route_whose_ends_do_not_meet_is_refused(chain: Chain) -> None:
    first, other = agree(chain, "stars", "moons"), agree(chain, "stars", "suns")
    args = {"treaties": [first, other], "amount": 10, "min_out": 0}
    assert chain.refused("ann", "swap.exchange_route", **args) == "INVALID_ARGS"
    assert chain.refused("ann", "swap.exchange_route", **{**args, "treaties": []}) == "INVALID_ARGS"
    assert chain.refused("ann", "swap.exchange_route", **{**args, "treaties": [first] * 5}) == "INVALID_ARGS"


def test_a_quote_is_the_best_route_and_what_it_gives_comes(chain: Chain) -> None:
    agree(chain, "stars", "suns", **terms(1, 10))
    first, second = agree(chain, "stars", "moons", **terms(3, 1)), agree(chain, "moons", "suns", **terms(1, 7))
    quote = chain.view("swap_quote", from_program="stars", to_program="suns", amount=100)
    assert [hop["treaty"] for hop in quote["hops"]] == [first, second]
    assert (quote["taken"], quote["out"]) == (98, 42)
    route = {"treaties": [hop["treaty"] for hop in quote["hops"]], "amount": 100, "min_out": quote["out"]}
    answer = chain.send("ann", "swap.exchange_route", **route)
    assert (answer["taken"], answer["out"], answer["hops"]) == (98, 42, quote["hops"])
    none = chain.view("swap_quote", from_program="suns", to_program="stars", amount=100)
    assert (none["out"], none["hops"]) == (0, [])


def test_a_quote_leaves_out_what_is_closed_or_used_up(chain: Chain) -> None:
    direct = agree(chain, "stars", "suns", **terms(1, 1, 0, total_day=50))
    first, second = agree(chain, "stars", "moons", **terms(1, 2)), agree(chain, "moons", "suns", **terms(1, 1))

    def route(amount: int) -> list[str]:
        quote = chain.view("swap_quote", from_program="stars", to_program="suns", amount=amount)
        return [hop["treaty"] for hop in quote["hops"]]

    assert route(50) == [direct]
    assert route(51) == [first, second]
    exchange(chain, direct, 1)
    assert route(50) == [first, second]
    chain.send("aurora-admin", "swap.suspend", treaty=first)
    assert route(51) == []
    begin_exit(chain, "comet", chain.time + DAY, "basil")
    assert route(49) == [], "nothing is exchanged into a program of a brand that leaves"


def test_what_a_route_takes_is_the_least_that_gives_as_much() -> None:
    def treaty(num: int, den: int) -> Treaty:
        return Treaty("a", "b", "a", "b", "a", Terms(num, den, 0, Limits(), 0, FOREVER), accepted=True)

    treaties = [treaty(3, 2), treaty(5, 7), treaty(4, 3)]
    names = ("x", "y", "z")
    for amount in range(1, 300):
        hops = planned(names, treaties, amount)
        if not hops:
            continue
        assert hops[0].taken <= amount
        assert all(before.out >= after.taken for before, after in pairwise(hops))
        fewer = planned(names, treaties, hops[0].taken - 1) if hops[0].taken > 1 else []
        assert not fewer or fewer[-1].out < hops[-1].out
        assert planned(names, treaties, hops[0].taken)[-1].out == hops[-1].out


def test_what_a_brand_leaves_behind_is_neither_quoted_nor_exchanged(chain: Chain) -> None:
    out, into = agree(chain, "stars", "moons"), agree(chain, "moons", "stars")
    leaving("aurora", "comet")(chain)
    assert exchange(chain, out, 10) == (10, 10), "its points are good until the run-off ends"
    assert chain.refused("ann", "swap.exchange", treaty=into, amount=10, min_out=0) == "SUSPENDED"
    assert chain.view("swap_quote", from_program="stars", to_program="moons", amount=10)["out"] == 10
    assert chain.view("swap_quote", from_program="moons", to_program="stars", amount=10)["out"] == 0
    waited(DAY)(chain)
    assert chain.refused("ann", "swap.exchange", treaty=out, amount=10, min_out=0) == "SUSPENDED"
    assert chain.view("swap_quote", from_program="stars", to_program="moons", amount=10)["out"] == 0
