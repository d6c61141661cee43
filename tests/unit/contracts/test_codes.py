"""Code pools: each code once, for whom and until when the pool says, and for no one who merely saw it."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.campaign.code_records import COMMIT_BLOCKS, MAX_COMMITMENTS
from contracts_py.campaign.codes import commitment_of
from contracts_py.campaign.paths import code_leaf, levels, node, path_of
from contracts_py.campaign.recorder import Ran
from tests.contract_harness import START, Chain, account_of
from tests.support.codes import (
    CODES,
    EXPIRES,
    ROOT,
    TREE,
    commitment,
    leaf_of,
    open_pool,
    redemption,
    salt_of,
)
from tests.support.draws import Told, new_chain
from vm.contract_api import Refused

ANN, BOB, EVE = (account_of(name) for name in ("ann", "bob", "eve"))


def redeem(chain: Chain, who: str, n: int, **args: Any) -> Any:
    return chain.send(who, "campaign.redeem_code", **{**redemption(n), **args})


def refused(chain: Chain, who: str, n: int, **args: Any) -> str:
    return chain.refused(who, "campaign.redeem_code", **{**redemption(n), **args})


def redeemed(chain: Chain) -> int:
    found: int = chain.view("campaign_code_pool", root=ROOT)["redeemed"]
    return found


def wait(chain: Chain, blocks: int) -> None:
    for _ in range(blocks):
        chain.until(chain.time + 200)


def test_a_till_redeems_a_code_for_a_member_once() -> None:
    told = Told()
    chain = new_chain(told)
    shown = open_pool(chain)
    assert shown == chain.view("campaign_code_pools", campaign="lucky")["items"][0]
    assert (shown["count"], shown["redeemed"], shown["expires"]) == (9, 0, EXPIRES)
    done = redeem(chain, "aurora-cashier", 4, member=ANN)
    assert done == {
        "campaign": "lucky",
        "brand": "aurora",
        "event": "code",
        "ref": CODES[4],
        "member": ANN,
        "root": ROOT,
        "leaf": leaf_of(4),
    }
    assert told.runs == [("aurora", "code", ANN, CODES[4], {"campaign": "lucky", "pool": ROOT})]
    assert chain.view("campaign_code", root=ROOT, leaf=leaf_of(4)) == {
        "root": ROOT,
        "leaf": leaf_of(4),
        "state": "used",
        "member": ANN,
        "used": chain.time,
    }
    receipt = chain.send_ops("aurora-issuer", [("campaign.redeem_code", {**redemption(4), "member": BOB})])
    assert receipt.error
    assert receipt.error.code == "DUPLICATE_REF"
    assert receipt.error.details
    assert receipt.error.details["account"] == ANN
    assert redeemed(chain) == len(told.runs) == 1


def test_two_in_one_block_and_two_in_one_transaction_redeem_it_once() -> None:
    chain = new_chain()
    open_pool(chain)
    op = ("campaign.redeem_code", {**redemption(0), "member": ANN})
    till = account_of("aurora-cashier")
    result = chain.block([chain.transaction(till, [op], ["aurora-cashier"]) for _ in range(3)])
    assert [receipt.status for receipt in result.receipts[:3]] == ["ok", "failed", "failed"]
    other = ("campaign.redeem_code", {**redemption(1), "member": ANN})
    assert chain.send_ops("aurora-cashier", [other, other]).status == "failed"
    # All or nothing: the first of the two is undone as well.
    assert redeemed(chain) == 1
    assert chain.view("campaign_code", root=ROOT, leaf=leaf_of(1))["state"] == "free"


def test_what_is_not_in_the_pool_is_not_redeemed() -> None:
    told = Told()
    chain = new_chain(told)
    open_pool(chain)
    path = redemption(0)["path"]
    mistakes: list[dict[str, Any]] = [
        {"code": "SUMMER-999"},
        {"salt": "00" * 32},
        {"path": path[:-1]},
        {"path": path[::-1]},
        {"path": redemption(1)["path"]},
        {"path": [*path, "00" * 32]},
        {"path": []},
    ]
    for wrong in mistakes:
        assert refused(chain, "aurora-cashier", 0, member=ANN, **wrong) == "NOT_FOUND"
    assert refused(chain, "aurora-cashier", 0, member=ANN, path=["00" * 32] * 33) == "INVALID_ARGS"
    assert refused(chain, "aurora-cashier", 0, member=ANN, path=["00"]) == "INVALID_ARGS"
    assert refused(chain, "aurora-cashier", 0, member=ANN, salt="00" * 16) == "INVALID_ARGS"
    assert told.runs == []


def test_a_longer_path_than_the_pool_has_is_no_path_of_it() -> None:
    chain = new_chain()
    open_pool(chain, root=TREE[1][0].hex(), count=1)
    assert refused(chain, "aurora-cashier", 0, member=ANN, path=redemption(0)["path"][:1]) == "NOT_FOUND"


def test_codes_that_are_hidden_below_a_leaf_do_not_make_the_pool_larger() -> None:
    def below(n: int) -> list[bytes]:
        return [code_leaf(code, salt_of(code)) for code in (f"HIDDEN-{n}-0", f"HIDDEN-{n}-1")]

    deep = levels([node(*below(n)) for n in range(3)])
    chain = new_chain()
    # The tool says three leaves; under each are two codes, whose paths of three hashes a tree of five would have.
    open_pool(chain, root=deep[-1][0].hex(), count=5)

    def args(n: int, place: int) -> dict[str, Any]:
        code = f"HIDDEN-{n}-{place}"
        path = [below(n)[1 - place].hex(), *path_of(deep, n)]
        return {"code": code, "salt": salt_of(code).hex(), "path": path, "member": ANN}

    for n, place in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0)):
        chain.send("aurora-cashier", "campaign.redeem_code", **args(n, place))
    assert chain.refused("aurora-cashier", "campaign.redeem_code", **args(2, 1)) == "LIMIT_EXCEEDED"


def test_one_leaf_has_one_name_also_where_it_stands_twice() -> None:
    leaves = [TREE[0][0], TREE[0][1], TREE[0][0], TREE[0][2]]
    twice = levels(leaves)
    chain = new_chain()
    open_pool(chain, root=twice[-1][0].hex(), count=4)
    redeem(chain, "aurora-cashier", 0, member=ANN, path=path_of(twice, 0))
    assert refused(chain, "aurora-cashier", 0, member=BOB, path=path_of(twice, 2)) == "DUPLICATE_REF"


def test_who_only_saw_the_code_cannot_redeem_it() -> None:
    chain = new_chain()
    open_pool(chain)
    chain.send("ann", "campaign.commit_code", member=ANN, commitment=commitment("ann", 3))
    # Eve knows the leaf of a code that is secret, from its neighbour's path, and commits to that.
    forged = commitment_of(EVE, leaf_of(3), salt_of(CODES[3]))
    chain.send("eve", "campaign.commit_code", member=EVE, commitment=forged)
    chain.send("eve", "campaign.commit_code", member=EVE, commitment=commitment("ann", 3))
    wait(chain, COMMIT_BLOCKS)
    # Ann's transaction is seen before it is in a block.
    assert refused(chain, "eve", 3) == "NOT_ELIGIBLE"
    assert refused(chain, "eve", 3, member=ANN) == "NOT_AUTHORISED"
    chain.send("eve", "campaign.commit_code", member=EVE, commitment=commitment("eve", 3))
    assert refused(chain, "eve", 3) == "NOT_DUE"
    assert redeem(chain, "ann", 3)["member"] == ANN
    wait(chain, COMMIT_BLOCKS)
    assert refused(chain, "eve", 3) == "DUPLICATE_REF"


def test_a_commitment_counts_from_its_height_on_once_and_a_retry_keeps_its_age() -> None:
    chain = new_chain()
    open_pool(chain)
    answer = chain.send("ann", "campaign.commit_code", member=ANN, commitment=commitment("ann", 0))
    assert answer["from_height"] == chain.height + COMMIT_BLOCKS
    wait(chain, COMMIT_BLOCKS - 2)
    repeated = chain.send("ann", "campaign.commit_code", member=ANN, commitment=commitment("ann", 0))
    assert repeated == answer
    fork = chain.fork()
    assert refused(fork, "ann", 1) == "NOT_ELIGIBLE"
    assert redeem(chain, "ann", 0)["member"] == ANN
    early = new_chain()
    open_pool(early)
    early.send("ann", "campaign.commit_code", member=ANN, commitment=commitment("ann", 0))
    wait(early, COMMIT_BLOCKS - 2)
    assert refused(early, "ann", 0) == "NOT_DUE"
    for n in range(1, 1 + MAX_COMMITMENTS):
        early.send("ann", "campaign.commit_code", member=ANN, commitment=commitment("ann", n))
    wait(early, COMMIT_BLOCKS)
    assert refused(early, "ann", 0) == "NOT_ELIGIBLE"
    assert redeem(early, "ann", 1)["member"] == ANN
    assert refused(early, "eve", 2) == "NOT_ELIGIBLE"
    assert early.refused("eve", "campaign.commit_code", member=ANN, commitment=ROOT) == "NOT_AUTHORISED"


def test_a_reserved_code_is_for_one_member_who_needs_no_commitment() -> None:
    chain = new_chain()
    open_pool(chain)
    reservation = {"leaf": leaf_of(2), "path": redemption(2)["path"], "member": ANN}
    assert chain.refused("aurora-cashier", "campaign.reserve_code", **reservation) == "NOT_AUTHORISED"
    assert chain.refused("aurora-issuer", "campaign.reserve_code", **{**reservation, "path": []}) == "NOT_FOUND"
    told = chain.send("aurora-issuer", "campaign.reserve_code", **reservation)
    assert told == {"root": ROOT, "leaf": leaf_of(2), "member": ANN}
    assert chain.view("campaign_code", root=ROOT, leaf=leaf_of(2))["state"] == "reserved"
    assert refused(chain, "eve", 2) == "NOT_ELIGIBLE"
    assert refused(chain, "aurora-cashier", 2, member=BOB) == "NOT_ELIGIBLE"
    chain.send("ann", "identity.link", signers=["ann", "bob"], member=ANN, other=BOB)
    assert redeem(chain, "bob", 2)["member"] == BOB
    assert chain.refused("aurora-issuer", "campaign.reserve_code", **reservation) == "DUPLICATE_REF"
    chain.send(
        "aurora-issuer",
        "campaign.reserve_code",
        **{**reservation, "leaf": leaf_of(1), "path": redemption(1)["path"]},
    )
    moved = {"leaf": leaf_of(1), "path": redemption(1)["path"], "member": EVE}
    chain.send("aurora-issuer", "campaign.reserve_code", **moved)
    assert refused(chain, "ann", 1) == "NOT_ELIGIBLE"
    assert redeem(chain, "eve", 1)["member"] == EVE


def test_a_shopper_redeems_as_many_as_the_pool_says_under_all_his_addresses() -> None:
    chain = new_chain()
    open_pool(chain, per_member=2)
    chain.send("ann", "identity.link", signers=["ann", "bob"], member=ANN, other=BOB)
    redeem(chain, "aurora-cashier", 0, member=ANN)
    redeem(chain, "aurora-cashier", 1, member=BOB)
    assert refused(chain, "aurora-cashier", 2, member=BOB) == "LIMIT_EXCEEDED"
    assert redeem(chain, "aurora-cashier", 2, member=EVE)["member"] == EVE


def test_codes_end_when_the_pool_does() -> None:
    chain = new_chain()
    open_pool(chain)
    chain.until(EXPIRES - 201)
    redeem(chain, "aurora-cashier", 0, member=ANN)
    assert chain.time == EXPIRES - 1
    assert refused(chain, "aurora-cashier", 1, member=ANN) == "EXPIRED"
    assert chain.view("campaign_code", root=ROOT, leaf=leaf_of(1))["state"] == "expired"
    reservation = {"leaf": leaf_of(1), "path": redemption(1)["path"], "member": ANN}
    assert chain.refused("aurora-issuer", "campaign.reserve_code", **reservation) == "EXPIRED"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("BUDGET_EXHAUSTED", "BUDGET_EXHAUSTED"),
        ("MEMBER_LIMIT", "LIMIT_EXCEEDED"),
        ("ENDED", "EXPIRED"),
        ("CONDITION", "NOT_ELIGIBLE"),
    ],
)
def test_a_code_whose_campaign_gives_nothing_is_not_used_up(reason: str, code: str) -> None:
    told = Told()
    chain = new_chain(told)
    open_pool(chain)
    told.ran = Ran(("another",), {"lucky": reason})
    assert refused(chain, "aurora-cashier", 0, member=ANN) == code
    told.ran = Ran(("another",))
    assert refused(chain, "aurora-cashier", 0, member=ANN) == "EXPIRED"
    told.refuses = Refused("SUSPENDED", "not now")
    assert refused(chain, "aurora-cashier", 0, member=ANN) == "SUSPENDED"
    told.refuses, told.ran = None, Ran(("lucky",))
    assert redeem(chain, "aurora-cashier", 0, member=ANN)["member"] == ANN
    assert redeemed(chain) == 1


def test_what_pool_cannot_be_opened() -> None:
    chain = new_chain()
    args: dict[str, Any] = {"campaign": "lucky", "root": ROOT, "count": 9, "expires": EXPIRES}

    def refused_pool(who: str = "aurora-marketer", **changes: Any) -> str:
        return chain.refused(who, "campaign.codes", **{**args, **changes})

    assert refused_pool("aurora-issuer") == "NOT_AUTHORISED"
    assert refused_pool(campaign="other") == "NOT_FOUND"
    assert refused_pool(count=0) == "INVALID_ARGS"
    assert refused_pool(expires=START) == "EXPIRED"
    open_pool(chain)
    assert refused_pool() == "ALREADY_EXISTS"
    chain.suspend("aurora")
    assert refused_pool(root="00" * 32) == "SUSPENDED"


def test_a_pool_is_of_a_campaign_on_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    chain = new_chain(told)
    args: dict[str, Any] = {"campaign": "lucky", "root": ROOT, "count": 9, "expires": EXPIRES}
    for event, fits in (("purchase", False), ("codex", False), ("code-summer", True)):
        monkeypatch.setattr(told, "brand_and_event", lambda *_, event=event: ("aurora", event))
        fork = chain.fork()
        if fits:
            assert fork.send("aurora-marketer", "campaign.codes", **args)["root"] == ROOT
        else:
            assert fork.refused("aurora-marketer", "campaign.codes", **args) == "NOT_ELIGIBLE"
