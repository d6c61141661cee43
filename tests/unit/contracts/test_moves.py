"""Accounts with points of many programs, or in many lots: what moves them, and what is said in the middle of it."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from contracts_py.token import deeds, lot_costs, moves, redemptions
from contracts_py.token.deeds import MOVES, RETURNING
from tests.contract_harness import Chain, Op, account_of
from tests.support.agenda import items_per_block
from tests.support.dust import (
    DAY,
    FIRST_DATE,
    LEAST,
    balance,
    dusty_chain,
    give_lots,
    is_moving,
    programs,
    settle,
    total,
)
from tests.support.persons import enroll
from vm.agenda import POSTPONING, agenda_budget
from vm.params import Params

ANN, BOB, EVE = (account_of(name) for name in ("ann", "bob", "eve"))
ISSUER, TILL = "aurora-issuer", "aurora-cashier"


def merge(chain: Chain, source: str, target: str) -> Any:
    return chain.send(ISSUER, "identity.merge", from_=source, into=target, reason="two cards")


def unmerge(chain: Chain, source: str) -> Any:
    return chain.send(ISSUER, "identity.unmerge", from_=source)


def two_members(chain: Chain) -> tuple[str, str]:
    return enroll(chain, "aurora", "old"), enroll(chain, "aurora", "new")


def household(chain: Chain, *members: str) -> str:
    opener = account_of(members[0])
    pool = str(chain.send(members[0], "identity.pool_open", member=opener, name="home")["pool"])
    for name in members[1:]:
        chain.send(name, "identity.pool_join", [name, members[0]], pool=pool, member=account_of(name))
    return pool


def bring(chain: Chain, who: str, program: str, pool: str, amount: int) -> None:
    chain.send(who, "token.transfer", program=program, to=pool, amount=amount)


def redeem(chain: Chain, who: str, program: str, holder: str, amount: int, ref: str) -> str:
    args = {"program": program, "from": holder, "amount": amount, "at_brand": "aurora", "ref": ref}
    receipt = chain.send_ops(who, [("token.redeem", args)], sorted({who, TILL}))
    return receipt.error.code if receipt.error else receipt.status


def told(chain: Chain, kind: str) -> int:
    return sum(data["amount"] for name, data in chain.events if name == kind)


def test_an_account_with_dust_of_many_programs_is_merged_and_nothing_is_lost() -> None:
    names = programs(150)
    chain = dusty_chain(len(names))
    old, new = two_members(chain)
    for program in names:
        chain.send(ISSUER, "token.issue", program=program, to=old, amount=3)
    give_lots(chain, names[7], old, 400)
    everything = total(chain, names, old)[0]
    merge(chain, old, new)
    moved = told(chain, "token.merged")
    (under_way,) = chain.view("token_moves", account=old)
    assert under_way == {"kind": "merge", "account": old, "to": new, "done": names[6]}
    while is_moving(chain):
        assert sum(total(chain, names, old, new)) == everything
        chain.block([])
        moved += told(chain, "token.merged")
    assert total(chain, names, old, new) == [0, everything]
    assert moved == everything, "the events tell all of it, once"
    assert chain.view("token_moves", account=old) == []


def test_a_few_programs_and_lots_move_at_once() -> None:
    chain = dusty_chain(3)
    old, new = two_members(chain)
    give_lots(chain, "p001", old, 30)
    merge(chain, old, new)
    assert not is_moving(chain)
    assert balance(chain, "p001", new) == 30


def test_what_has_not_moved_is_still_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 1)
    chain = dusty_chain(1)
    old, new = two_members(chain)
    give_lots(chain, "p000", old, 200)
    merge(chain, old, new)
    left, there = total(chain, ["p000"], old, new)
    assert (left + there, there) == (200, deeds.MAX_LOTS_OF_STEP - moves.LOTS_OF_PROGRAM)
    assert redeem(chain, TILL, "p000", old, 20, "a") == "ok"
    assert redeem(chain, TILL, "p000", new, 20, "b") == "ok"
    linked = chain.view("token_balances", account=new, linked=True)["items"]
    assert linked[0]["available"] == 160
    settle(chain)
    assert total(chain, ["p000"], old, new) == [0, 160]


def test_undoing_a_merge_in_the_middle_brings_everything_back(monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 1)
    names = programs(60)
    chain = dusty_chain(len(names))
    old, new = two_members(chain)
    for program in names:
        chain.send(ISSUER, "token.issue", program=program, to=old, amount=2)
    give_lots(chain, names[0], old, 150)
    chain.send(ISSUER, "token.issue", program=names[0], to=new, amount=7)
    merge(chain, old, new)
    unmerge(chain, old)
    (under_way,) = chain.view("token_moves", account=new)
    assert (under_way["kind"], under_way["to"]) == ("unmerge", old)
    assert chain.view("token_moves", account=old) == [], "the merge itself is over"
    assert redeem(chain, TILL, names[0], new, 1, "a") == "NOT_ELIGIBLE", "some of it is the other's"
    args = {"from_": old, "into": new, "reason": "again"}
    assert chain.refused(ISSUER, "identity.merge", **args) == "NOT_ELIGIBLE"
    assert chain.refused(ISSUER, "identity.merge", **{**args, "from_": new, "into": old}) == "NOT_ELIGIBLE"
    settle(chain)
    assert total(chain, names, old, new) == [150 + 120, 7]
    assert redeem(chain, TILL, names[0], new, 7, "b") == "ok"
    assert RETURNING.get(chain.context(), old) is None
    merge(chain, old, new)
    settle(chain)
    assert total(chain, names, old, new) == [0, 270]


def test_debt_moves_with_the_first_step_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 1)
    chain = dusty_chain(1)
    old, new = two_members(chain)
    chain.send(ISSUER, "token.issue", program="p000", to=old, amount=50, ref="r")
    assert redeem(chain, TILL, "p000", old, 50, "a") == "ok"
    chain.send(ISSUER, "token.reverse", program="p000", ref="r", amount=30)
    merge(chain, old, new)
    shown = [chain.view("token_balance", program="p000", account=one)["debt"] for one in (old, new)]
    assert shown == [0, 30]
    unmerge(chain, old)
    shown = [chain.view("token_balance", program="p000", account=one)["debt"] for one in (old, new)]
    assert shown == [30, 0]


def test_what_comes_late_goes_over_all_merges_and_back_again(monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 1)
    chain = dusty_chain(1)
    old, new = two_members(chain)
    last = enroll(chain, "aurora", "last")
    give_lots(chain, "p000", old, 300)
    merge(chain, old, new)
    merge(chain, new, last)
    settle(chain)
    assert total(chain, ["p000"], old, new, last) == [0, 0, 300]
    unmerge(chain, new)
    settle(chain)
    assert total(chain, ["p000"], old, new, last) == [0, 300, 0]
    unmerge(chain, old)
    settle(chain)
    assert total(chain, ["p000"], old, new, last) == [300, 0, 0]


def test_who_leaves_a_household_full_of_dust_gets_his_part_before_others_spend_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    items_per_block(monkeypatch, 1)
    names = programs(70)
    chain = dusty_chain(len(names))
    pool = household(chain, "ann", "bob")
    for program in names:
        chain.send(ISSUER, "token.issue", program=program, to=ANN, amount=5)
        bring(chain, "ann", program, pool, 5)
    last = names[-1]
    chain.send(ISSUER, "token.issue", program=last, to=BOB, amount=10)
    bring(chain, "bob", last, pool, 10)
    chain.send("ann", "identity.pool_leave", member=ANN)
    (under_way,) = chain.view("token_moves", account=pool)
    assert (under_way["kind"], under_way["to"]) == ("leave", ANN)
    assert redeem(chain, "bob", last, pool, 1, "a") == "NOT_ELIGIBLE", "a part of it is on its way to Ann"
    assert redeem(chain, "bob", names[0], pool, 1, "b") == "INSUFFICIENT_BALANCE", "here it has arrived"
    settle(chain)
    assert total(chain, names, ANN, pool) == [5 * len(names), 10]
    assert redeem(chain, "bob", last, pool, 10, "c") == "ok"


@pytest.mark.parametrize("spent", [0, 150])
def test_a_part_of_a_pool_with_many_lots_is_counted_and_paid_in_steps(spent: int) -> None:
    chain = dusty_chain(1, LEAST)
    pool = household(chain, "ann", "bob")
    for who, account in (("ann", ANN), ("bob", BOB)):
        give_lots(chain, "p000", account, 600)
        for _ in range(6):
            bring(chain, who, "p000", pool, 100)
    for place in range(spent // 50):
        assert redeem(chain, "bob", "p000", pool, 50, str(place)) == "ok"
    chain.send("ann", "identity.pool_leave", member=ANN)
    settle(chain)
    part = (1_200 - spent) // 2
    assert total(chain, ["p000"], ANN, pool) == [part, 1_200 - spent - part]
    chain.send("bob", "identity.pool_leave", member=BOB)
    assert chain.refused("ann", "identity.pool_open", member=ANN, name="home") == "NOT_ELIGIBLE"
    settle(chain)
    assert total(chain, ["p000"], ANN, BOB, pool) == [part, 1_200 - spent - part, 0]
    household(chain, "ann")


def test_what_is_brought_while_a_part_is_counted_takes_nothing_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 0)
    chain = dusty_chain(1)
    pool = household(chain, "ann", "bob")
    give_lots(chain, "p000", ANN, 400)
    bring(chain, "ann", "p000", pool, 400)
    chain.send("ann", "identity.pool_leave", member=ANN)
    assert (chain.view("token_moves", account=pool)[0], balance(chain, "p000", ANN)) == (
        {"kind": "leave", "account": pool, "to": ANN},
        0,
    ), "256 lots are counted"
    chain.send(ISSUER, "token.issue", program="p000", to=BOB, amount=100_000, expires=FIRST_DATE)
    bring(chain, "bob", "p000", pool, 100_000)
    items_per_block(monkeypatch, 1)
    settle(chain)
    assert total(chain, ["p000"], ANN, pool) == [400, 100_000]


def test_who_comes_back_leaves_the_rest_of_his_part_in_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 0)
    names = programs(60)
    chain = dusty_chain(len(names))
    pool = household(chain, "bob", "ann")
    for program in names:
        chain.send(ISSUER, "token.issue", program=program, to=ANN, amount=5)
        bring(chain, "ann", program, pool, 5)
    chain.send("ann", "identity.pool_leave", member=ANN)
    arrived = total(chain, names, ANN)[0]
    assert 0 < arrived < 5 * len(names)
    chain.send("ann", "identity.pool_join", ["ann", "bob"], pool=pool, member=ANN)
    assert chain.view("token_moves", account=pool) == []
    assert redeem(chain, "bob", names[-1], pool, 2, "a") == "ok"
    items_per_block(monkeypatch, 100)
    settle(chain)
    assert total(chain, names, ANN, pool) == [arrived, 5 * len(names) - arrived - 2]
    chain.send("ann", "identity.pool_leave", member=ANN)
    settle(chain)
    assert total(chain, names, ANN, pool) == [5 * len(names) - 2, 0]


def test_who_leaves_and_is_merged_gets_his_part_where_he_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 1)
    names = programs(60)
    chain = dusty_chain(len(names))
    old, new = two_members(chain)
    pool = household(chain, "bob")
    chain.send("bob", "identity.pool_join", ["bob", TILL], pool=pool, member=old)
    for program in names:
        chain.send(ISSUER, "token.issue", program=program, to=old, amount=5)
        chain.send(TILL, "token.transfer", program=program, from_=old, to=pool, amount=5)
    merge(chain, old, new)
    settle(chain)
    assert total(chain, names, pool, old, new) == [0, 0, 300]
    unmerge(chain, old)
    settle(chain)
    assert total(chain, names, old, new) == [300, 0]


def test_a_dusted_member_of_a_household_is_erased() -> None:
    names = programs(150)
    chain = dusty_chain(len(names), LEAST)
    pool = household(chain, "ann", "bob")
    for program in names:
        chain.send(ISSUER, "token.issue", program=program, to=ANN, amount=5)
        bring(chain, "ann", program, pool, 5)
    chain.send("ann", "identity.erase", member=ANN)
    settle(chain)
    assert total(chain, names, ANN, pool) == [5 * len(names), 0]


def test_who_leaves_later_is_paid_when_all_is_paid_to_who_left_before(monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 0)
    names = programs(60)
    chain = dusty_chain(len(names))
    pool = household(chain, "eve", "ann", "bob")
    for program in names:
        for who, account in (("ann", ANN), ("bob", BOB)):
            chain.send(ISSUER, "token.issue", program=program, to=account, amount=5)
            bring(chain, who, program, pool, 5)
    chain.send("ann", "identity.pool_leave", member=ANN)
    chain.send("bob", "identity.pool_leave", member=BOB)
    assert [move["to"] for move in chain.view("token_moves", account=pool)] == [ANN, BOB]
    assert total(chain, names, BOB) == [0]
    items_per_block(monkeypatch, 1)
    settle(chain)
    assert total(chain, names, ANN, BOB, pool) == [300, 300, 0]


@pytest.mark.parametrize("lots", [1, 400])
def test_a_frozen_pool_pays_nothing_to_who_leaves(lots: int, monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 1)
    chain = dusty_chain(1)
    pool = household(chain, "ann", "bob")
    give_lots(chain, "p000", ANN, lots)
    bring(chain, "ann", "p000", pool, lots)
    chain.send("aurora-compliance", "token.freeze", account=pool, program="p000")
    chain.send("ann", "identity.pool_leave", member=ANN)
    settle(chain)
    assert total(chain, ["p000"], ANN, pool) == [0, lots]


def test_the_last_pays_nothing_that_is_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 0)
    names = programs(60)
    chain = dusty_chain(len(names))
    pool = household(chain, "ann", "bob")
    for program in names:
        for who, account in (("ann", ANN), ("bob", BOB)):
            chain.send(ISSUER, "token.issue", program=program, to=account, amount=5)
            bring(chain, who, program, pool, 5)
    chain.send("ann", "identity.pool_leave", member=ANN)
    chain.send("bob", "identity.pool_leave", member=BOB)
    kinds = [move["kind"] for move in chain.view("token_moves", account=pool)]
    assert kinds == ["leave", "close"]
    items_per_block(monkeypatch, 1)
    settle(chain)
    assert total(chain, names, ANN, BOB, pool) == [300, 300, 0]


def test_a_freeze_keeps_a_move_from_nothing_but_its_program(monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 1)
    names = programs(60)
    chain = dusty_chain(len(names))
    old, new = two_members(chain)
    for program in names:
        chain.send(ISSUER, "token.issue", program=program, to=old, amount=1)
    merge(chain, old, new)
    chain.send("aurora-compliance", "token.freeze", account=old, program=names[-1])
    settle(chain)
    assert total(chain, names, old, new) == [1, 59]


def test_no_more_moves_are_under_way_at_once_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 0)
    monkeypatch.setattr(moves, "MAX_MOVES", 1)
    monkeypatch.setattr(moves, "MAX_LOTS_OF_STEP", 0)
    chain = dusty_chain(1)
    pool = household(chain, "eve", "ann", "bob")
    chain.send(ISSUER, "token.issue", program="p000", to=EVE, amount=1)
    bring(chain, "eve", "p000", pool, 1)
    chain.send("ann", "identity.pool_leave", member=ANN)
    assert chain.refused("bob", "identity.pool_leave", member=BOB) == "LIMIT_EXCEEDED"
    items_per_block(monkeypatch, 1)
    settle(chain)
    chain.send("bob", "identity.pool_leave", member=BOB)


# What it costs


def test_a_step_fits_the_least_agenda_and_the_operation_the_least_transaction() -> None:
    chain = dusty_chain(40, LEAST, watched=False)
    old, new = two_members(chain)
    for program in programs(40):
        give_lots(chain, program, old, 5)
    give_lots(chain, "p001", old, 300)
    args = {"from": old, "into": new, "reason": "two cards"}
    receipt = chain.send_ops(ISSUER, [("identity.merge", args)])
    assert receipt.status == "ok", receipt.error
    assert receipt.cost < 60_000
    costs = []
    while is_moving(chain):
        costs.append(cost_of_one_step(chain))
        chain.block([])
    assert max(costs) < agenda_budget(LEAST) - POSTPONING


def cost_of_one_step(chain: Chain) -> int:
    """Return what the next block's agenda costs more than nothing, divided by its steps at least."""
    other = chain.fork()
    with pytest.MonkeyPatch.context() as patch:
        items_per_block(patch, 1)
        return other.block([]).cost


# Spends and refunds


def test_a_spend_of_any_number_of_lots_goes_or_tells_how_much_would() -> None:
    chain = dusty_chain(1)
    give_lots(chain, "p000", ANN, 3_000)
    args = {"program": "p000", "from": ANN, "amount": 3_000, "at_brand": "aurora", "ref": "r"}
    deeds_of_ann: list[tuple[str, dict[str, Any]]] = [
        ("token.redeem", {}),
        ("token.transfer", {"program": "p000", "to": BOB, "amount": 3_000}),
        ("token.burn", {"program": "p000", "amount": 3_000}),
        ("token.hold", {**{k: v for k, v in args.items() if k != "ref"}, "hold": "h", "expires": chain.time + DAY}),
    ]
    for call, more in deeds_of_ann:
        receipt = chain.send_ops("ann", [(call, more or args)], ["ann", TILL])
        assert receipt.error
        assert receipt.error.code == "LIMIT_EXCEEDED"
        assert isinstance(receipt.error.details, dict)
        possible = receipt.error.details["possible"]
        again = chain.fork().send_ops("ann", [(call, {**(more or args), "amount": possible})], ["ann", TILL])
        assert (again.status, possible >= 250) == ("ok", True)


@pytest.mark.parametrize("params", [Params(), LEAST])
def test_a_refund_of_any_number_of_lots_goes_or_tells_how_much_would(params: Params) -> None:
    chain = dusty_chain(1, params)
    lots = lot_costs.most_lots(chain.context(), lot_costs.MOVED)
    give_lots(chain, "p000", ANN, lots)
    assert redeem(chain, "ann", "p000", ANN, lots, "r") == "ok"
    args = {"program": "p000", "redemption_ref": "r", "amount": lots, "at_brand": "aurora", "ref": "x"}
    receipt = chain.send_ops(TILL, [("token.refund", args)])
    assert receipt.status == "ok", receipt.error
    assert balance(chain, "p000", ANN) == lots


def test_a_refund_of_an_older_larger_redemption_tells_how_much_would_go(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = dusty_chain(1)
    give_lots(chain, "p000", ANN, 600)
    assert redeem(chain, "ann", "p000", ANN, 600, "r") == "ok"
    # As if the alliance had set max_tx_cost lower since.
    monkeypatch.setattr(redemptions, "MOVED", lot_costs.LotCost(1_000, 0))
    args: dict[str, Any] = {
        "program": "p000",
        "redemption_ref": "r",
        "amount": 600,
        "at_brand": "aurora",
        "ref": "x",
    }
    receipt = chain.send_ops(TILL, [("token.refund", args)])
    assert receipt.error
    assert receipt.error.details == {"possible": 400}
    for ref, amount in (("y", 400), ("z", 200)):
        chain.send(TILL, "token.refund", **{**args, "ref": ref, "amount": amount})
    assert balance(chain, "p000", ANN) == 600


def test_a_reversal_tells_how_much_would_go_of_all_that_it_takes() -> None:
    chain = dusty_chain(1)
    chain.send(ISSUER, "token.issue", program="p000", to=ANN, amount=1_000, ref="r")
    assert redeem(chain, "ann", "p000", ANN, 990, "a") == "ok"
    give_lots(chain, "p000", ANN, 990)
    receipt = chain.send_ops(ISSUER, [("token.reverse", {"program": "p000", "ref": "r", "amount": 1_000})])
    assert receipt.error
    assert isinstance(receipt.error.details, dict)
    possible = receipt.error.details["possible"]
    chain.send(ISSUER, "token.reverse", program="p000", ref="r", amount=possible)
    chain.send(ISSUER, "token.reverse", program="p000", ref="r", amount=1_000 - possible)
    assert balance(chain, "p000", ANN) == 0


# Against a chain that moves everything at once


def play(chain: Chain, random: Random, steps: int) -> None:
    """Let two members of one household and two accounts of a third do what they like; refusals count as nothing."""
    names = programs(6)
    people = [("ann", ANN), ("bob", BOB)]
    pool = household(chain, "ann", "bob")
    old, new = (enroll(chain, "aurora", name) for name in ("old", "new"))
    chain.send("ann", "identity.pool_join", ["ann", TILL], pool=pool, member=old)
    for _ in range(steps):
        program, amount = random.choice(names), random.randint(1, 9)
        expires = FIRST_DATE + random.randrange(12) * DAY
        to = random.choice([ANN, BOB, old, new, pool])
        who, account = random.choice(people)
        joined = {"pool": pool, "member": random.choice([ANN, BOB, old])}
        everybody = ["ann", "bob", TILL]
        choices: list[tuple[str, str, list[str], dict[str, Any]]] = [
            (ISSUER, "token.issue", [ISSUER], {"program": program, "to": to, "amount": amount, "expires": expires}),
            (who, "token.transfer", everybody, {"program": program, "from": account, "to": pool, "amount": amount}),
            (TILL, "token.transfer", everybody, {"program": program, "from": old, "to": pool, "amount": amount}),
            (who, "identity.pool_leave", everybody, {"member": joined["member"]}),
            (who, "identity.pool_join", everybody, joined),
            (ISSUER, "identity.merge", [ISSUER], {"from": old, "into": new, "reason": "same"}),
            (ISSUER, "identity.unmerge", [ISSUER], {"from": old}),
        ]
        who, call, signers, args = random.choice(choices)
        chain.send_ops(who, [(call, args)], signers)
        settle(chain)


@pytest.mark.parametrize("seed", range(8))
def test_small_steps_come_to_what_one_large_step_does(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for lots in (10_000, 0):
        monkeypatch.setattr(moves, "MAX_LOTS_OF_STEP", lots)
        monkeypatch.setattr(moves, "STEP_LOTS", 13)
        chain = dusty_chain(6, watched=False)
        play(chain, Random(seed), 120)
        found.append({key: value for key, value in chain.state.values.items() if key.startswith("token/balance")})
        assert not any(key.startswith("token/moves") for key in chain.state.values)
    assert found[0] == found[1]


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_lost_or_counted_twice_while_moves_are_under_way(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spends, holds, freezes and contributions come between the steps; a block does one step."""
    random = Random(seed)
    monkeypatch.setattr(moves, "MAX_LOTS_OF_STEP", 3)
    monkeypatch.setattr(moves, "STEP_LOTS", 3)
    monkeypatch.setattr("contracts_py.token.households.LOTS_COUNTED", 2)
    items_per_block(monkeypatch, 1)
    names = programs(4)
    chain = dusty_chain(len(names))
    pool = household(chain, "ann", "bob")
    old, new = two_members(chain)
    accounts = [ANN, BOB, old, new, pool]
    everybody = ["ann", "bob", TILL, ISSUER]
    seen = set()
    for place in range(250):
        program, amount = random.choice(names), random.randint(1, 30)
        account = random.choice(accounts)
        redeemed = {"program": program, "from": account, "amount": amount, "at_brand": "aurora"}
        member = random.choice([ANN, BOB, old])
        choices: list[Op] = [
            ("token.issue", {"program": program, "to": account, "amount": amount, "expires": _date(random)}),
            ("token.issue", {"program": program, "to": account, "amount": amount, "expires": _date(random)}),
            ("token.redeem", {**redeemed, "ref": f"r{place}"}),
            ("token.hold", {**redeemed, "hold": f"h{place}", "expires": chain.time + 2_000}),
            ("token.transfer", {"program": program, "from": member, "to": pool, "amount": amount}),
            ("identity.pool_leave", {"member": member}),
            ("identity.pool_join", {"pool": pool, "member": member}),
            ("identity.pool_open", {"member": member, "name": "home"}),
            ("identity.merge", {"from": old, "into": new, "reason": "same"}),
            ("identity.unmerge", {"from": old}),
        ]
        call, args = random.choice(choices)
        receipt = chain.send_ops("ann", [(call, args)], everybody)
        if receipt.status == "ok":
            seen.add(call)
        _require_sound(chain, names, accounts)
    assert {"identity.pool_leave", "identity.merge", "identity.unmerge", "token.redeem"} <= seen
    items_per_block(monkeypatch, 10_000)
    settle(chain)
    _require_sound(chain, names, accounts)
    assert all(MOVES.get(chain.context(), account) is None for account in accounts)


def _date(random: Random) -> int:
    return FIRST_DATE + random.randrange(20) * DAY


def _require_sound(chain: Chain, names: list[str], accounts: list[str]) -> None:
    """Make sure that the accounts hold what the programs' counters say, and each on the dates that it should."""

    for program in names:
        supply = chain.view("token_supply", program=program)
        shown = [chain.view("token_balance", program=program, account=account) for account in accounts]
        assert sum(one["available"] for one in shown) + supply["held"] + supply["pending"] == supply["outstanding"]
        came = supply["issued"]
        assert came == supply["outstanding"] + supply["redeemed"] + supply["expired"] + supply["reversed"]
