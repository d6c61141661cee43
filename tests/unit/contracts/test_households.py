"""Household pools: what members bring, spend together, and take along. And accounts that become one."""

from __future__ import annotations

import pytest

from tests.contract_harness import START, Chain, account_of, brand_ops, key_of, program_args

PEOPLE = ("ann", "bob", "eve")
ANN, BOB, EVE = (account_of(name) for name in PEOPLE)
DAY = 86_400_000
MIDNIGHT = -(-START // DAY) * DAY


@pytest.fixture
def chain() -> Chain:
    ops = [
        *brand_ops("aurora"),
        ("identity.update_brand", {"brand": "aurora", "pooling": True}),
        ("token.create_program", program_args("stars", "aurora", transfer="none", transfer_burn_bps=100)),
    ]
    ops += [("token.issue", {"program": "stars", "to": account, "amount": 100}) for account in (ANN, BOB, EVE)]
    return Chain(ops)


def pool_of(chain: Chain, *members: str, contribute_bps: int = 0) -> str:
    opener = account_of(members[0])
    args = {"member": opener, "name": "home", "contribute_bps": contribute_bps}
    address = str(chain.send(members[0], "identity.pool_open", **args)["pool"])
    for name in members[1:]:
        signers = [name, members[0]]
        chain.send(name, "identity.pool_join", signers, pool=address, member=account_of(name))
    return address


def bring(chain: Chain, who: str, pool: str, amount: int) -> None:
    answer = chain.send(who, "token.transfer", program="stars", to=pool, amount=amount)
    assert answer == {"amount": amount, "burned": 0, "received": amount, "debt_paid": 0}


def has(chain: Chain, account: str) -> int:
    return int(chain.view("token_balance", program="stars", account=account)["available"])


def spend(chain: Chain, who: str, pool: str, amount: int, ref: str = "r") -> str:
    args = {"program": "stars", "from": pool, "amount": amount, "at_brand": "aurora", "ref": ref}
    receipt = chain.send_ops(who, [("token.redeem", args)], [who, "aurora-cashier"])
    return receipt.error.code if receipt.error else receipt.status


def test_members_bring_points_and_each_spends_them(chain: Chain) -> None:
    pool = pool_of(chain, "ann", "bob")
    bring(chain, "ann", pool, 60)
    bring(chain, "bob", pool, 30)
    assert spend(chain, "bob", pool, 80) == "ok"
    assert spend(chain, "eve", pool, 1, "s") == "NOT_AUTHORISED"
    assert (has(chain, pool), has(chain, ANN), has(chain, BOB)) == (10, 40, 70)


def test_only_members_bring_points_and_only_where_the_issuer_lets_them(chain: Chain) -> None:
    pool = pool_of(chain, "ann", "bob")
    args = {"program": "stars", "to": pool, "amount": 1}
    assert chain.refused("eve", "token.transfer", **args) == "NOT_TRANSFERABLE"
    bring(chain, "ann", pool, 1)
    assert chain.refused("eve", "token.transfer", **args) == "NOT_TRANSFERABLE"
    chain.send("aurora-admin", "identity.update_brand", brand="aurora", pooling=False)
    assert chain.refused("ann", "token.transfer", **args) == "NOT_TRANSFERABLE"
    assert chain.refused("ann", "token.transfer", **args, from_=pool) == "INVALID_ARGS"
    assert (
        chain.refused("ann", "token.transfer", program="stars", from_=pool, to=EVE, amount=1) == "NOT_TRANSFERABLE"
    )


@pytest.mark.parametrize("before", [True, False])
def test_a_pool_is_one_however_points_came_to_it(chain: Chain, before: bool) -> None:
    address = pool_of(chain, "ann")
    if before:
        chain.send("ann", "identity.pool_leave", member=ANN)
    chain.send("aurora-issuer", "token.issue", program="stars", to=address, amount=5)
    if before:
        assert pool_of(chain, "ann") == address
    assert chain.refused("eve", "token.transfer", program="stars", to=address, amount=1) == "NOT_TRANSFERABLE"
    bring(chain, "ann", address, 50)
    chain.send("ann", "identity.pool_leave", member=ANN)
    assert (has(chain, ANN), has(chain, address)) == (105, 0)


def test_who_leaves_takes_what_he_brought_and_has_not_been_spent(chain: Chain) -> None:
    pool = pool_of(chain, "ann", "bob", "eve")
    for who, amount in (("ann", 50), ("bob", 30), ("eve", 20)):
        bring(chain, who, pool, amount)
    assert spend(chain, "ann", pool, 33) == "ok"
    chain.send("bob", "identity.pool_leave", member=BOB)
    assert (has(chain, BOB), has(chain, pool)) == (70 + 20, 47), "floor(67 · 30 / 100)"
    chain.send("ann", "identity.pool_leave", member=ANN)
    assert (has(chain, ANN), has(chain, pool)) == (50 + 33, 14), "floor(47 · 50 / 70)"
    chain.send("eve", "identity.pool_leave", member=EVE)
    assert (has(chain, EVE), has(chain, pool)) == (80 + 14, 0), "the last takes all"


def test_what_was_spent_before_somebody_came_is_not_taken_from_him(chain: Chain) -> None:
    pool = pool_of(chain, "ann", "bob")
    bring(chain, "ann", pool, 100)
    assert spend(chain, "ann", pool, 50) == "ok"
    bring(chain, "bob", pool, 50)
    chain.send("bob", "identity.pool_leave", member=BOB)
    assert has(chain, BOB) == 100


def test_a_share_of_what_is_issued_goes_to_the_pool(chain: Chain) -> None:
    pool = pool_of(chain, "ann", "bob", contribute_bps=2_500)
    args = {"program": "stars", "to": ANN}
    chain.send("aurora-issuer", "token.issue", **args, amount=7, expires=MIDNIGHT, ref="order")
    assert (has(chain, ANN), has(chain, pool)) == (106, 1)
    chain.send("aurora-issuer", "token.reverse", program="stars", ref="order", amount=7)
    assert has(chain, ANN) == 100 - 1, "a return is taken from the member, whose purchase it was"
    chain.send("aurora-admin", "identity.update_brand", brand="aurora", pooling=False)
    chain.send("aurora-issuer", "token.issue", **args, amount=8)
    assert has(chain, pool) == 1


def test_points_keep_their_dates_in_a_pool(chain: Chain) -> None:
    pool = pool_of(chain, "ann", "bob")
    chain.send("aurora-issuer", "token.issue", program="stars", to=ANN, amount=5, expires=MIDNIGHT)
    bring(chain, "ann", pool, 8)
    lots = chain.view("token_balance", program="stars", account=pool)["lots"]
    assert [(lot["amount"], lot["expires"]) for lot in lots] == [(5, MIDNIGHT), (3, None)]
    chain.until(MIDNIGHT)
    bring(chain, "bob", pool, 3)
    chain.send("ann", "identity.pool_leave", member=ANN)
    assert (has(chain, ANN), has(chain, pool)) == (97 + 3, 3)


def test_what_a_pool_has_set_aside_counts_to_its_parts(chain: Chain) -> None:
    pool = pool_of(chain, "ann", "bob")
    bring(chain, "ann", pool, 40)
    args = {"program": "stars", "from": pool, "amount": 40, "at_brand": "aurora", "hold": "h"}
    both = ["ann", "aurora-cashier"]
    assert chain.send_ops("ann", [("token.hold", {**args, "expires": chain.time + DAY})], both).status == "ok"
    bring(chain, "bob", pool, 40)
    chain.send("aurora-cashier", "token.release", at_brand="aurora", hold="h")
    chain.send("ann", "identity.pool_leave", member=ANN)
    assert (has(chain, ANN), has(chain, pool)) == (100, 40)


def freeze(chain: Chain, account: str, program: str = "stars", call: str = "freeze") -> None:
    chain.send("aurora-compliance", f"token.{call}", program=program, account=account)


@pytest.mark.parametrize("call", ["pool_leave", "erase"])
def test_what_is_frozen_in_a_pool_stays_there_and_keeps_nobody(chain: Chain, call: str) -> None:
    chain.send("aurora-admin", "token.create_program", **program_args("dust", "aurora"))
    pool = pool_of(chain, "ann", "bob")
    bring(chain, "ann", pool, 40)
    chain.send("aurora-issuer", "token.issue", program="dust", to=pool, amount=1)
    freeze(chain, pool, "dust")
    chain.send("bob", f"identity.{call}", member=BOB)
    chain.send("ann", f"identity.{call}", member=ANN)
    assert (has(chain, ANN), has(chain, pool)) == (100, 0)
    assert chain.view("token_balance", program="dust", account=pool)["available"] == 1


def test_who_leaves_a_frozen_pool_keeps_his_part_in_it(chain: Chain) -> None:
    pool = pool_of(chain, "ann", "bob", "eve")
    for who, amount in (("ann", 40), ("bob", 20), ("eve", 10)):
        bring(chain, who, pool, amount)
    freeze(chain, pool)
    chain.send("bob", "identity.pool_leave", member=BOB)
    assert (has(chain, BOB), has(chain, pool)) == (80, 70)
    freeze(chain, pool, call="unfreeze")
    chain.send("eve", "identity.pool_leave", member=EVE)
    assert (has(chain, EVE), has(chain, pool)) == (100, 60)
    chain.send("bob", "identity.pool_join", ["bob", "ann"], pool=pool, member=BOB)
    chain.send("bob", "identity.pool_leave", member=BOB)
    assert (has(chain, BOB), has(chain, pool)) == (100, 40)


def test_who_left_a_frozen_pool_has_no_part_of_what_comes_after_the_last_has_left(chain: Chain) -> None:
    pool = pool_of(chain, "ann", "bob")
    bring(chain, "bob", pool, 20)
    freeze(chain, pool)
    chain.send("bob", "identity.pool_leave", member=BOB)
    freeze(chain, pool, call="unfreeze")
    chain.send("ann", "identity.pool_leave", member=ANN)
    assert pool_of(chain, "ann", "bob") == pool
    chain.send("aurora-issuer", "token.issue", program="stars", to=pool, amount=20)
    chain.send("bob", "identity.pool_leave", member=BOB)
    assert (has(chain, ANN), has(chain, BOB), has(chain, pool)) == (120, 80, 20)


@pytest.mark.parametrize("frozen", ["member", "pool"])
def test_what_is_issued_is_not_shared_where_member_or_pool_is_frozen(chain: Chain, frozen: str) -> None:
    pool = pool_of(chain, "ann", "bob", contribute_bps=5_000)
    freeze(chain, ANN if frozen == "member" else pool)
    chain.send("aurora-issuer", "token.issue", program="stars", to=ANN, amount=10)
    assert (has(chain, ANN), has(chain, pool)) == (110, 0)


def test_a_pool_gives_no_allowance(chain: Chain) -> None:
    pool = pool_of(chain, "ann", "bob")
    args = {"program": "stars", "spender": "aurora", "limit": 1, "expires": chain.time + DAY}
    assert chain.refused("ann", "token.allow", **args, from_=pool) == "NOT_ELIGIBLE"


# Merges


@pytest.fixture
def members(chain: Chain) -> tuple[str, str]:
    """Two members of the brand, in self-custody of Ann and of Bob, with 100 points each."""
    found = []
    for who, ref in (("ann", "aa" * 32), ("bob", "bb" * 32)):
        member = str(chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref=ref))
        args = {"member": member, "key": key_of(who).hex()}
        chain.send("aurora-issuer", "identity.claim", ["aurora-issuer", who], **args)
        chain.send("aurora-issuer", "token.issue", program="stars", to=member, amount=100)
        found.append(member)
    return found[0], found[1]


def merge(chain: Chain, members: tuple[str, str], call: str = "merge") -> str:
    args = {"from": members[0], "into": members[1], "reason": "one person"}
    receipt = chain.send_ops("ann", [(f"identity.{call}", args)], ["ann", "bob", "aurora-issuer"])
    return receipt.error.code if receipt.error else receipt.status


def test_points_move_with_a_merge_and_back(chain: Chain, members: tuple[str, str]) -> None:
    one, other = members
    args = {"program": "stars", "to": one, "amount": 5, "expires": MIDNIGHT + DAY}
    chain.send("aurora-issuer", "token.issue", **args)
    assert merge(chain, members) == "ok"
    assert (has(chain, one), has(chain, other)) == (0, 205)
    lots = chain.view("token_balance", program="stars", account=other)["lots"]
    assert [(lot["amount"], lot["expires"]) for lot in lots] == [(5, MIDNIGHT + DAY), (200, None)]
    chain.send("bob", "token.burn", program="stars", amount=6, from_=other)
    assert merge(chain, members, "unmerge") == "ok"
    assert (has(chain, one), has(chain, other)) == (100, 99), "what was spent meanwhile was spent"
    assert chain.view("token_supply", program="stars")["outstanding"] == 499


def test_debt_goes_along_and_what_comes_pays_it(chain: Chain, members: tuple[str, str]) -> None:
    one, other = members
    chain.send("aurora-issuer", "token.issue", program="stars", to=one, amount=5, ref="order")
    chain.send("ann", "token.burn", program="stars", amount=105, from_=one)
    chain.send("aurora-issuer", "token.reverse", program="stars", ref="order", amount=5)
    assert merge(chain, members) == "ok"
    shown = chain.view("token_balance", program="stars", account=other)
    assert (shown["available"], shown["debt"]) == (100, 5)
    answer = chain.send("aurora-issuer", "token.issue", program="stars", to=other, amount=2)
    assert answer["debt_paid"] == 2
    assert merge(chain, members, "unmerge") == "ok"
    first, second = (chain.view("token_balance", program="stars", account=account) for account in members)
    assert (first["debt"], second["debt"], second["available"]) == (3, 0, 100)


@pytest.mark.parametrize("side", [0, 1])
def test_what_is_frozen_stays_where_it_is_in_a_merge(chain: Chain, members: tuple[str, str], side: int) -> None:
    chain.send("aurora-admin", "token.create_program", **program_args("dust", "aurora"))
    chain.send("aurora-issuer", "token.issue", program="dust", to=members[0], amount=1)
    freeze(chain, members[side], "dust")
    assert merge(chain, members) == "ok"
    freeze(chain, members[side], "dust", "unfreeze")
    dust = [chain.view("token_balance", program="dust", account=account)["available"] for account in members]
    assert (has(chain, members[0]), has(chain, members[1]), dust) == (0, 200, [1, 0])
    assert merge(chain, members, "unmerge") == "ok"
    assert (has(chain, members[0]), has(chain, members[1])) == (100, 100)


@pytest.mark.parametrize("side", [0, 1])
def test_what_is_frozen_stays_with_the_target_when_a_merge_is_undone(
    chain: Chain, members: tuple[str, str], side: int
) -> None:
    assert merge(chain, members) == "ok"
    freeze(chain, members[side])
    assert merge(chain, members, "unmerge") == "ok"
    assert (has(chain, members[0]), has(chain, members[1])) == (0, 200)


def test_what_comes_back_after_a_merge_comes_to_the_target(chain: Chain, members: tuple[str, str]) -> None:
    one, other = members
    args = {"program": "stars", "from": one, "amount": 60, "at_brand": "aurora"}
    both = ["ann", "aurora-cashier"]
    held = ("token.hold", {**args, "hold": "h", "expires": chain.time + DAY})
    sold = ("token.redeem", {**args, "amount": 10, "ref": "sold"})
    assert chain.send_ops("ann", [held, sold], both).status == "ok"
    until = chain.time + DAY
    issue = {"program": "stars", "to": one, "pending_until": until}
    chain.send("aurora-issuer", "token.issue", **issue, amount=7, ref="order")
    assert merge(chain, members) == "ok"
    assert has(chain, other) == 130
    chain.send("aurora-cashier", "token.capture", at_brand="aurora", hold="h", amount=20, ref="captured")
    assert has(chain, other) == 170
    refund = {"program": "stars", "redemption_ref": "sold", "amount": 10, "ref": "back"}
    chain.send("aurora-cashier", "token.refund", **refund)
    assert has(chain, other) == 180
    chain.send("aurora-issuer", "token.reverse", program="stars", ref="order", amount=2)
    chain.until(until)
    assert has(chain, other) == 185
    chain.send("aurora-issuer", "token.reverse", program="stars", ref="order", amount=5)
    assert (has(chain, one), has(chain, other)) == (0, 180)
    for account in members:
        shown = chain.view("token_balance", program="stars", account=account)
        assert (shown["held"], shown["pending"]) == (0, 0)
