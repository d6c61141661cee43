"""Household pools: who is in, who spends, who agrees to what, and what contracts above are told."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.identity.hooks import PoolChange
from contracts_py.identity.person_records import MAX_POOL_MEMBERS
from tests.contract_harness import Chain, account_of, brand_ops, key_of, program_args
from tests.support.persons import acts_for, ask, claimed, enroll, listened_to
from vm.errors import Refused
from vm.primitives.address import address_of_pool

ANN, BOB, CAT = (account_of(name) for name in ("ann", "bob", "cat"))
ALL = ["ann", "bob", "cat"]
HOME = address_of_pool(ANN, "home")


@pytest.fixture
def chain() -> Chain:
    return Chain([*brand_ops("aurora"), *brand_ops("basil")])


def opened(chain: Chain, *joining: str) -> None:
    chain.send("ann", "identity.pool_open", member=ANN, name="home")
    for name in joining:
        chain.send("ann", "identity.pool_join", ["ann", name], pool=HOME, member=account_of(name))


def shown(chain: Chain) -> dict[str, Any]:
    pool: dict[str, Any] = chain.view("identity_pool", pool=HOME)
    return pool


def test_a_pool_is_opened_joined_and_left(chain: Chain) -> None:
    chain, listener = listened_to()
    made = chain.send("ann", "identity.pool_open", member=ANN, name="home", contribute_bps=500)
    assert made == {
        "pool": HOME,
        "name": "home",
        "opener": ANN,
        "opened": chain.time,
        "members": [ANN],
        "spenders": [ANN],
        "contribute_bps": 500,
    }
    assert chain.events == [("identity.pool_opened", {"pool": HOME, "member": ANN, "name": "home"})]
    joined = chain.send("bob", "identity.pool_join", ["ann", "bob"], pool=HOME, member=BOB)
    assert joined == shown(chain) == {**made, "members": [ANN, BOB], "spenders": [ANN, BOB]}
    assert chain.events == [("identity.pool_joined", {"pool": HOME, "member": BOB})]
    left = chain.send("ann", "identity.pool_leave", member=ANN)
    assert left == {"pool": HOME, "member": ANN, "members": 1}
    assert chain.events == [("identity.pool_left", {"pool": HOME, "member": ANN})]
    assert shown(chain)["members"] == [BOB]
    chain.send("bob", "identity.pool_leave", member=BOB, pool=HOME)
    with pytest.raises(Refused, match="NOT_FOUND"):
        shown(chain)
    assert listener.told == [
        ("pool_joined", PoolChange(HOME, ANN, 1)),
        ("pool_joined", PoolChange(HOME, BOB, 2)),
        ("pool_left", PoolChange(HOME, ANN, 1)),
        ("pool_left", PoolChange(HOME, BOB, 0)),
    ]


def test_who_opens_and_who_joins_has_signed(chain: Chain) -> None:
    assert chain.refused("bob", "identity.pool_open", member=ANN, name="home") == "NOT_AUTHORISED"
    opened(chain)
    join = {"pool": HOME, "member": BOB}
    assert chain.refused("bob", "identity.pool_join", **join) == "NOT_AUTHORISED"
    assert chain.refused("ann", "identity.pool_join", **join) == "NOT_AUTHORISED"
    chain.send("bob", "identity.pool_join", ["bob", "ann"], **join)
    into = {"pool": HOME, "member": CAT}
    assert chain.refused("cat", "identity.pool_join", ["cat", "bob"], **into) == "NOT_AUTHORISED"
    assert chain.refused("ann", "identity.pool_leave", member=BOB) == "NOT_AUTHORISED"
    chain.send("ann", "identity.pool_leave", member=ANN)
    chain.send("cat", "identity.pool_join", ["cat", "bob"], **into)


def test_a_member_is_in_one_pool(chain: Chain) -> None:
    opened(chain, "bob")
    for name, pool in (("ann", "home"), ("ann", "second"), ("bob", "second")):
        args = {"member": account_of(name), "name": pool}
        assert chain.refused(name, "identity.pool_open", **args) == "ALREADY_EXISTS"
    assert chain.refused("ann", "identity.pool_join", ALL, pool=HOME, member=BOB) == "ALREADY_EXISTS"
    assert ask(chain, "pool_of", BOB)[0] == HOME
    assert ask(chain, "pool_of", CAT) is None


def test_an_open_pool_keeps_its_name(chain: Chain) -> None:
    opened(chain, "bob")
    chain.send("ann", "identity.pool_leave", member=ANN)
    assert chain.refused("ann", "identity.pool_open", member=ANN, name="home") == "ALREADY_EXISTS"


def test_what_is_no_pool_or_not_ones_own(chain: Chain) -> None:
    absent = {"pool": BOB, "member": ANN}
    assert chain.refused("ann", "identity.pool_join", **absent) == "NOT_FOUND"
    assert chain.refused("ann", "identity.pool_rules", pool=BOB, contribute_bps=1) == "NOT_FOUND"
    assert chain.refused("ann", "identity.pool_leave", member=ANN) == "NOT_FOUND"
    opened(chain)
    assert chain.refused("ann", "identity.pool_leave", member=ANN, pool=BOB) == "NOT_FOUND"
    second = chain.send("bob", "identity.pool_open", member=BOB, name="home")["pool"]
    join = {"pool": HOME, "member": second}
    assert chain.refused("ann", "identity.pool_join", ALL, **join) == "NOT_ELIGIBLE"


def test_a_pool_has_up_to_eight_members(chain: Chain) -> None:
    opened(chain, *[f"m{number}" for number in range(1, MAX_POOL_MEMBERS)])
    assert len(shown(chain)["members"]) == MAX_POOL_MEMBERS == 8
    ninth = {"pool": HOME, "member": CAT}
    assert chain.refused("ann", "identity.pool_join", ["ann", "cat"], **ninth) == "LIMIT_EXCEEDED"


def test_rules_are_agreed_by_all(chain: Chain) -> None:
    opened(chain, "bob", "cat")
    rules = {"pool": HOME, "contribute_bps": 10_000, "spenders": [BOB, CAT]}
    for two in (["ann", "bob"], ["ann", "cat"], ["bob", "cat"]):
        assert chain.refused(two[0], "identity.pool_rules", two, **rules) == "NOT_AUTHORISED"
    told = chain.send("ann", "identity.pool_rules", ALL, **rules)
    assert (told["contribute_bps"], told["spenders"]) == (10_000, [BOB, CAT])
    assert told == shown(chain)
    assert chain.events == [("identity.pool_rules_set", rules)]
    chain.send("ann", "identity.pool_rules", ALL, pool=HOME, contribute_bps=0)
    assert shown(chain)["spenders"] == [BOB, CAT]
    chain.send("ann", "identity.pool_rules", ALL, pool=HOME, spenders=[ANN])
    assert (shown(chain)["contribute_bps"], shown(chain)["spenders"]) == (0, [ANN])


@pytest.mark.parametrize("spenders", [[], [ANN, ANN], [CAT], [ANN, CAT]])
def test_spenders_are_different_members(chain: Chain, spenders: list[str]) -> None:
    opened(chain, "bob")
    args = {"pool": HOME, "spenders": spenders}
    assert chain.refused("ann", "identity.pool_rules", ALL, **args) == "INVALID_ARGS"


def test_a_spender_acts_for_the_pool_and_no_one_else_does(chain: Chain) -> None:
    opened(chain, "bob")
    assert [acts_for(chain, HOME, name) for name in ALL] == [True, True, False]
    chain.send("ann", "identity.pool_rules", ALL, pool=HOME, spenders=[BOB])
    assert [acts_for(chain, HOME, name) for name in ALL] == [False, True, False]
    assert acts_for(chain, HOME, "cat", "bob")


def test_who_has_left_spends_no_more(chain: Chain) -> None:
    opened(chain, "bob")
    chain.send("ann", "identity.pool_rules", ALL, pool=HOME, spenders=[BOB])
    chain.send("bob", "identity.pool_leave", member=BOB)
    assert shown(chain)["spenders"] == []
    assert not any(acts_for(chain, HOME, name) for name in ALL)
    chain.send("ann", "identity.pool_rules", pool=HOME, spenders=[ANN])
    chain.send("ann", "identity.pool_join", ["ann", "cat"], pool=HOME, member=CAT)
    assert [acts_for(chain, HOME, name) for name in ALL] == [True, False, False]


def test_a_closed_pool_is_no_ones_until_its_opener_opens_it_again(chain: Chain) -> None:
    opened(chain)
    chain.send("ann", "identity.pool_leave", member=ANN)
    assert not acts_for(chain, HOME, "ann")
    opened(chain)
    assert acts_for(chain, HOME, "ann")


def test_a_pool_sends_nothing_and_roles_make_it_no_plain_account(chain: Chain) -> None:
    """A brand can give a role to any address, which makes or changes the account's record."""
    grant = {"brand": "aurora", "account": HOME}
    chain.send("aurora-admin", "identity.grant_role", **grant, role="oracle")
    opened(chain)
    chain.send("aurora-admin", "identity.grant_role", **grant, role="issuer")
    for role in ("oracle", "issuer"):
        chain.send("aurora-admin", "identity.revoke_role", **grant, role=role)
    assert chain.view("identity_account", account=HOME) == {"account": HOME, "roles": {}, "pool": True}
    assert acts_for(chain, HOME, "ann")
    keys = ("identity.set_auth", {"keys": [key_of("ann").hex()], "threshold": 1})
    receipt = chain.block([chain.transaction(HOME, [keys], ["ann"])]).receipts[0]
    assert receipt.error is not None
    assert receipt.error.code == "NOT_AUTHORISED"


def test_custodial_members_pool_at_the_till(chain: Chain) -> None:
    mia, max_ = enroll(chain, "aurora", "mia"), claimed(chain, "basil", "max")
    pool = chain.send("aurora-cashier", "identity.pool_open", member=mia, name="home")["pool"]
    join = {"pool": pool, "member": max_}
    assert chain.refused("max", "identity.pool_join", ["max", "basil-cashier"], **join) == "NOT_AUTHORISED"
    chain.send("max", "identity.pool_join", ["max", "aurora-cashier"], **join)
    assert acts_for(chain, pool, "aurora-cashier")
    assert acts_for(chain, pool, "max")
    assert not acts_for(chain, pool, "basil-cashier")


def test_points_of_a_pool_are_moved_by_its_spenders(chain: Chain) -> None:
    stars = program_args("stars", "aurora")
    chain.send("aurora-admin", "token.create_program", **stars)
    opened(chain, "bob")
    chain.send("aurora-issuer", "token.issue", program="stars", to=HOME, amount=9)
    move = {"program": "stars", "from_": HOME, "to": CAT, "amount": 4}
    assert chain.refused("cat", "token.transfer", **move) == "NOT_AUTHORISED"
    chain.send("bob", "token.transfer", **move)
    assert chain.view("token_balance", program="stars", account=HOME)["available"] == 5


@pytest.mark.parametrize("hook", ["pool_joined", "pool_left"])
def test_what_a_contract_above_refuses_does_not_happen(hook: str) -> None:
    chain, listener = listened_to()
    opened(chain)
    before = shown(chain)
    listener.refuses = hook
    if hook == "pool_joined":
        join = {"pool": HOME, "member": BOB}
        assert chain.refused("ann", "identity.pool_join", ALL, **join) == "FROZEN"
    else:
        assert chain.refused("ann", "identity.pool_leave", member=ANN) == "FROZEN"
    assert shown(chain) == before


def test_a_brand_decides_whether_its_points_are_pooled(chain: Chain) -> None:
    assert "pooling" not in chain.view("identity_brand", brand="aurora")
    args = {"brand": "aurora", "pooling": True}
    assert chain.refused("aurora-issuer", "identity.update_brand", **args) == "NOT_AUTHORISED"
    chain.send("aurora-admin", "identity.update_brand", **args)
    chain.send("aurora-admin", "identity.update_brand", brand="aurora", name="Aurora Air")
    assert ask(chain, "brand_record", "aurora").pooling
    assert chain.view("identity_brand", brand="aurora")["pooling"] is True
    chain.send("aurora-admin", "identity.update_brand", brand="aurora", pooling=False)
    assert not ask(chain, "brand_record", "aurora").pooling
