"""Points that expire by themselves, the counters that follow, and the sweep of what is left in storage."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract_harness import START, Chain, Op, account_of, brand_ops, credit_ops, program_args
from tests.support.agenda import items_per_block
from vm.contract_api import Context
from vm.state_view import BlockOverlay

DAY = 86_400_000
MIDNIGHT = START - START % DAY + DAY
ANN, BOB = account_of("ann"), account_of("bob")


@pytest.fixture
def chain() -> Chain:
    program = ("token.create_program", program_args("stars", "aurora", expiry={"kind": "days", "days": 1}))
    return Chain([*brand_ops("aurora"), program])


def issue(chain: Chain, to: str, amount: int, expires: int | None = None, program: str = "stars") -> None:
    more = {} if expires is None else {"expires": expires}
    chain.send("aurora-issuer", "token.issue", program=program, to=to, amount=amount, **more)


def issues(count: int, expires: int | None = None) -> list[Op]:
    more = {} if expires is None else {"expires": expires}
    return [
        ("token.issue", {"program": "stars", "to": account_of(f"p{i}"), "amount": 1, **more}) for i in range(count)
    ]


def until(chain: Chain, time: int) -> None:
    chain.block([], time - chain.time)


def lots_stored(chain: Chain) -> int:
    return sum(key.startswith("token/balance/") for key in chain.state.values)


def test_the_last_millisecond_counts(chain: Chain) -> None:
    issue(chain, ANN, 5, expires=MIDNIGHT)
    until(chain, MIDNIGHT - 1)
    assert chain.view("token_balance", program="stars", account=ANN)["available"] == 5
    until(chain, MIDNIGHT)
    shown = chain.view("token_balance", program="stars", account=ANN)
    assert (shown["available"], shown["lots"]) == (0, [])


def test_spending_in_the_block_of_expiry_skips_what_has_expired(chain: Chain) -> None:
    issue(chain, ANN, 5, expires=MIDNIGHT)
    issue(chain, ANN, 5, expires=MIDNIGHT + DAY)
    ops: list[Op] = [("token.transfer", {"program": "stars", "to": BOB, "amount": 6})]
    tx = chain.transaction(ANN, ops, ["ann"])
    receipt = chain.block([tx], MIDNIGHT - chain.time).receipts[0]
    assert receipt.error
    assert receipt.error.details == {"available": 5, "needed": 6}
    chain.send("ann", "token.transfer", program="stars", to=BOB, amount=5)
    supply = chain.view("token_supply", program="stars")
    assert (supply["outstanding"], supply["expired"]) == (5, 5)


def test_views_count_what_the_agenda_has_not_come_to(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 4)
    for day in range(14):
        issue(chain, ANN, 1, expires=MIDNIGHT + day * DAY)
    until(chain, MIDNIGHT + 1_000 * DAY)
    stored = sum(key.startswith("token/expiring/") for key in chain.state.values)
    assert stored == 10
    supply = chain.view("token_supply", program="stars")
    assert (supply["outstanding"], supply["expired"]) == (0, 14)
    issue(chain, ANN, 1)  # settles the rest
    supply = chain.view("token_supply", program="stars")
    assert (supply["issued"], supply["outstanding"], supply["expired"]) == (15, 1, 14)
    for _ in range(4):
        chain.block([])
    assert sum(key.startswith("token/expiring/") for key in chain.state.values) == 1
    assert lots_stored(chain) == 1


def test_a_cap_has_room_again_once_points_expired() -> None:
    program = ("token.create_program", program_args("stars", "aurora", cap=5))
    chain = Chain([*brand_ops("aurora"), program])
    issue(chain, ANN, 5, expires=MIDNIGHT)
    args = {"program": "stars", "to": BOB, "amount": 5}
    assert chain.refused("aurora-issuer", "token.issue", **args) == "CAP_EXCEEDED"
    until(chain, MIDNIGHT)
    chain.send("aurora-issuer", "token.issue", **args)


def test_the_sweep_is_silent_complete_and_done_once(chain: Chain) -> None:
    chain.send_ops("aurora-issuer", issues(130))
    issue(chain, ANN, 1, expires=MIDNIGHT + 9 * DAY)
    result = chain.block([], 3 * DAY)
    assert result.receipts[-1].events == []
    assert result.receipts[-1].cost > 0
    assert lots_stored(chain) == 1
    assert not [key for key in chain.state.values if key.startswith("token/lots-on/") and str(MIDNIGHT) in key]
    idle = chain.block([])
    assert (idle.receipts[-1].cost, dict(idle.changes)) == (0, {})


def test_a_date_of_many_lots_is_swept_a_page_at_a_time(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    chain.send_ops("aurora-issuer", issues(100))
    items_per_block(monkeypatch, 1)
    until(chain, chain.time + 3 * DAY)
    left = [lots_stored(chain)]
    while left[-1]:
        chain.block([])
        left.append(lots_stored(chain))
    steps = [before - after for before, after in zip([100, *left], left, strict=False)]
    assert len(set(steps[:-1])) == 1
    assert 1 < steps[0] < 100


def test_lots_that_expire_while_the_sweep_is_under_way_are_found(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    items_per_block(monkeypatch, 2)
    chain.send_ops("aurora-issuer", issues(100, MIDNIGHT))
    chain.send_ops("aurora-issuer", issues(100, MIDNIGHT + DAY))
    until(chain, MIDNIGHT)
    until(chain, MIDNIGHT + DAY)
    for _ in range(8):
        chain.block([])
    assert lots_stored(chain) == 0


def test_an_account_with_many_lots_of_passed_dates_is_swept_whole(chain: Chain) -> None:
    for day in range(70):
        issue(chain, ANN, 1, expires=MIDNIGHT + day * DAY)
    until(chain, MIDNIGHT + 1_000 * DAY)
    assert lots_stored(chain) == 0


def test_activity_moves_all_points_to_one_date() -> None:
    program = ("token.create_program", program_args("stars", "aurora", expiry={"kind": "inactivity", "days": 10}))
    chain = Chain([*brand_ops("aurora"), program])
    issue(chain, ANN, 5)
    issue(chain, BOB, 7)
    until(chain, MIDNIGHT + 5 * DAY)
    chain.send("bob", "token.transfer", program="stars", to=ANN, amount=2)
    shown = chain.view("token_balance", program="stars", account=ANN)["lots"]
    assert shown == [{"lot": str(MIDNIGHT + 10 * DAY), "amount": 7, "expires": MIDNIGHT + 10 * DAY}]
    redeem = {"program": "stars", "from_": ANN, "amount": 3, "at_brand": "aurora", "ref": "r"}
    chain.send("ann", "token.redeem", ["ann", "aurora-cashier"], **redeem)
    later = MIDNIGHT + 16 * DAY
    shown = chain.view("token_balance", program="stars", account=ANN)["lots"]
    assert shown == [{"lot": str(later), "amount": 4, "expires": later}]
    until(chain, MIDNIGHT + 10 * DAY)
    assert chain.view("token_balance", program="stars", account=BOB)["available"] == 0
    supply = chain.view("token_supply", program="stars")
    assert (supply["outstanding"], supply["redeemed"], supply["expired"]) == (4, 3, 5)


def test_activity_merges_into_a_lot_that_has_the_new_date_already() -> None:
    program = ("token.create_program", program_args("stars", "aurora", expiry={"kind": "inactivity", "days": 10}))
    chain = Chain([*brand_ops("aurora"), program])
    issue(chain, BOB, 7)
    until(chain, MIDNIGHT + DAY)
    issue(chain, ANN, 5)
    chain.send("bob", "token.transfer", program="stars", to=ANN, amount=7)
    issue(chain, ANN, 1, expires=MIDNIGHT + 40 * DAY)
    shown = chain.view("token_balance", program="stars", account=ANN)["lots"]
    assert [(lot["expires"], lot["amount"]) for lot in shown] == [
        (MIDNIGHT + 12 * DAY, 12),
        (MIDNIGHT + 40 * DAY, 1),
    ]
    until(chain, MIDNIGHT + 12 * DAY)
    assert chain.view("token_supply", program="stars")["outstanding"] == 1


def test_activity_never_brings_a_date_nearer() -> None:
    program = ("token.create_program", program_args("stars", "aurora", expiry={"kind": "inactivity", "days": 10}))
    chain = Chain([*brand_ops("aurora"), program])
    issue(chain, ANN, 5, expires=MIDNIGHT + 40 * DAY)
    issue(chain, ANN, 5, expires=MIDNIGHT + 2 * DAY)
    issue(chain, ANN, 5)
    shown = chain.view("token_balance", program="stars", account=ANN)["lots"]
    assert [(lot["expires"], lot["amount"]) for lot in shown] == [
        (MIDNIGHT + 10 * DAY, 10),
        (MIDNIGHT + 40 * DAY, 5),
    ]


def test_activity_does_not_bring_back_what_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 0)
    program = ("token.create_program", program_args("stars", "aurora", expiry={"kind": "inactivity", "days": 10}))
    chain = Chain([*brand_ops("aurora"), program])
    issue(chain, ANN, 5)
    until(chain, MIDNIGHT + 10 * DAY)
    issue(chain, ANN, 1)
    assert chain.view("token_balance", program="stars", account=ANN)["available"] == 1


# Local time

EAST = [{"from": 0, "minutes": 60}]
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("expiry", "expected"),
    [
        ({"kind": "days", "days": 1}, MIDNIGHT + DAY - HOUR),
        ({"kind": "inactivity", "days": 1}, MIDNIGHT + DAY - HOUR),
        ({"kind": "month_end", "months": 0}, 1_701_388_800_000 - HOUR),  # 1 December 2023, 00:00 local time
    ],
)
def test_points_expire_at_the_brands_midnight(expiry: dict[str, Any], expected: int) -> None:
    program = ("token.create_program", program_args("stars", "aurora", expiry=expiry))
    chain = Chain([*brand_ops("aurora", EAST), program])
    issue(chain, ANN, 1)
    (lot,) = chain.view("token_balance", program="stars", account=ANN)["lots"]
    assert lot["expires"] == expected


def test_a_redemption_at_a_partner_dates_by_the_programs_own_brand() -> None:
    program = ("token.create_program", program_args("stars", "aurora", expiry={"kind": "inactivity", "days": 10}))
    chain = Chain(
        [
            *brand_ops("aurora", EAST),
            *brand_ops("basil", [{"from": 0, "minutes": -300}]),
            program,
            *credit_ops("aurora", "basil"),
        ]
    )
    chain.send("aurora-admin", "token.partner", program="stars", at_brand="basil")
    issue(chain, ANN, 5)
    until(chain, MIDNIGHT + DAY)
    redeem = {"program": "stars", "from_": ANN, "amount": 3, "at_brand": "basil", "ref": "r"}
    chain.send("ann", "token.redeem", ["ann", "basil-cashier"], **redeem)
    (lot,) = chain.view("token_balance", program="stars", account=ANN)["lots"]
    assert lot["expires"] == MIDNIGHT + 12 * DAY - HOUR


def test_an_explicit_date_is_after_the_blocks_time(chain: Chain) -> None:
    args = {"program": "stars", "to": ANN, "amount": 1}
    chain.block([], MIDNIGHT - 200 - chain.time)
    assert chain.refused("aurora-issuer", "token.issue", **args, expires=MIDNIGHT) == "EXPIRED"
    assert chain.time == MIDNIGHT
    chain.send("aurora-issuer", "token.issue", **args, expires=chain.time + 201)


def test_a_view_never_writes(chain: Chain) -> None:
    issue(chain, ANN, 5)
    overlay = BlockOverlay(chain.state)
    ctx = Context(overlay, "test", chain.height, chain.time + 30 * DAY, 10**9, read_only=True)
    assert chain.runtime.invoke_view(ctx, "token_supply", {"program": "stars"}).expired == 5
    assert chain.runtime.invoke_view(ctx, "token_balance", {"program": "stars", "account": ANN}).available == 0
    assert overlay.changes == {}
