"""What linked addresses have together: each once, however they are linked, and of each program."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.contract_harness import START, Chain, account_of, brand_ops, program_args

NAMES = ("ann", "bob", "eve")
DAY = 86_400_000
MIDNIGHT = -(-START // DAY) * DAY


@pytest.fixture
def chain() -> Chain:
    ops = brand_ops("aurora")
    for program in ("suns", "moons", "stars"):
        ops.append(("token.create_program", program_args(program, "aurora")))
    for name, program, amount, date in (
        ("ann", "stars", 50, MIDNIGHT + DAY),
        ("bob", "stars", 100, MIDNIGHT + DAY),
        ("bob", "stars", 7, MIDNIGHT + 3 * DAY),
        ("bob", "moons", 3, MIDNIGHT + DAY),
        ("eve", "suns", 1, MIDNIGHT + DAY),
        ("eve", "stars", 1_000, MIDNIGHT + 2 * DAY),
    ):
        ops.append(("token.issue", {"program": program, "to": account_of(name), "amount": amount, "expires": date}))
    return Chain(ops)


def link(chain: Chain, *names: str) -> None:
    for one, other in pairwise(names):
        chain.send(one, "identity.link", [one, other], member=account_of(one), other=account_of(other))


def shown(chain: Chain, name: str, **args: Any) -> dict[str, int]:
    page = chain.view("token_balances", account=account_of(name), **args)
    return {item["program"]: item["available"] for item in page["items"]}


def test_linked_addresses_count_once_in_a_triangle_and_part_again(chain: Chain) -> None:
    link(chain, "ann", "bob")
    assert shown(chain, "ann", linked=True) == {"moons": 3, "stars": 157}
    link(chain, "bob", "eve", "ann")
    for name in NAMES:
        assert shown(chain, name, linked=True) == {"moons": 3, "stars": 1_157, "suns": 1}
    assert shown(chain, "ann") == shown(chain, "ann", linked=False) == {"stars": 50}
    for one, other in (("bob", "eve"), ("eve", "ann")):
        chain.send(one, "identity.unlink", [one, other], member=account_of(one), other=account_of(other))
    assert shown(chain, "ann", linked=True) == {"moons": 3, "stars": 157}
    assert shown(chain, "eve", linked=True) == {"stars": 1_000, "suns": 1}


def test_lots_of_one_date_are_one_and_each_is_gone_on_its_date(chain: Chain) -> None:
    link(chain, *NAMES)
    view = {"account": account_of("eve"), "linked": True}
    lots = chain.view("token_balances", **view)["items"][1]["lots"]
    assert [(lot["expires"], lot["amount"]) for lot in lots] == [
        (MIDNIGHT + DAY, 150),
        (MIDNIGHT + 2 * DAY, 1_000),
        (MIDNIGHT + 3 * DAY, 7),
    ]
    chain.until(MIDNIGHT + 2 * DAY)
    assert [item["available"] for item in chain.view("token_balances", **view)["items"]] == [0, 7, 0]


def test_what_is_held_owed_and_frozen_is_added_up_too(chain: Chain) -> None:
    link(chain, "ann", "bob")
    hold = {"program": "stars", "from": account_of("bob"), "amount": 60, "at_brand": "aurora", "hold": "h"}
    chain.send("bob", "token.hold", ["bob", "aurora-cashier"], **hold, expires=chain.time + DAY // 4)
    issue = {"program": "stars", "to": account_of("ann"), "amount": 10, "ref": "bought"}
    chain.send("aurora-issuer", "token.issue", **issue)
    chain.send("ann", "token.burn", program="stars", amount=60)
    chain.send("aurora-issuer", "token.reverse", program="stars", ref="bought", amount=10)
    chain.send("aurora-compliance", "token.freeze", account=account_of("ann"), program="stars")
    stars = chain.view("token_balances", account=account_of("bob"), linked=True)["items"][1]
    assert {name: stars[name] for name in ("available", "held", "debt", "frozen", "pending")} == {
        "available": 47,
        "held": 60,
        "debt": 10,
        "frozen": True,
        "pending": 0,
    }


def test_pages_name_each_program_once(chain: Chain) -> None:
    link(chain, *NAMES)
    found: list[str] = []
    cursor = None
    for _ in range(4):
        args = {"account": account_of("ann"), "linked": True, "limit": 1}
        page = chain.view("token_balances", **args, **({} if cursor is None else {"cursor": cursor}))
        found += [item["program"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == ["moons", "stars", "suns"]
