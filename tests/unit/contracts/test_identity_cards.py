"""Cards: a commitment finds its member, until it is blocked or replaced."""

from __future__ import annotations

import pytest

from contracts_py.identity import cards
from tests.contract_harness import Chain, account_of, brand_ops, key_of
from tests.support.persons import HASH, OTHER_HASH, claimed, enroll

ANN = account_of("ann")


@pytest.fixture
def chain() -> Chain:
    return Chain([*brand_ops("aurora"), *brand_ops("basil")])


def test_a_card_finds_its_member(chain: Chain) -> None:
    member = enroll(chain, "aurora", "mia")
    shown = chain.send("aurora-cashier", "identity.card_add", member=member, commitment=HASH)
    assert shown == {"commitment": HASH, "member": member, "status": "active", "added": chain.time}
    assert chain.events == [("identity.card_added", {"member": member, "commitment": HASH})]
    assert chain.view("identity_card", commitment=HASH) == shown
    assert chain.view("identity_cards", member=member) == {"items": [shown], "next": None}
    assert chain.view("identity_member", member=member)["cards"] == 1
    again = {"member": ANN, "commitment": HASH}
    assert chain.refused("ann", "identity.card_add", **again) == "ALREADY_EXISTS"


@pytest.mark.parametrize("role", ["cashier", "issuer"])
def test_the_till_of_a_members_brand_or_the_member_itself(chain: Chain, role: str) -> None:
    member = claimed(chain, "aurora", "mia")
    add = {"member": member, "commitment": HASH}
    for stranger in ("ann", f"basil-{role}", "aurora-compliance"):
        assert chain.refused(stranger, "identity.card_add", **add) == "NOT_AUTHORISED"
    chain.send(f"aurora-{role}", "identity.card_add", **add)
    for stranger in ("ann", f"basil-{role}"):
        assert chain.refused(stranger, "identity.card_block", commitment=HASH) == "NOT_AUTHORISED"
        change = {"commitment": HASH, "replacement": OTHER_HASH}
        assert chain.refused(stranger, "identity.card_replace", **change) == "NOT_AUTHORISED"
    chain.send("mia", "identity.card_block", commitment=HASH, member=member)
    chain.send("mia", "identity.card_add", member=member, commitment=OTHER_HASH)


def test_a_plain_accounts_cards_are_its_own(chain: Chain) -> None:
    assert chain.refused("aurora-cashier", "identity.card_add", member=ANN, commitment=HASH) == "NOT_AUTHORISED"
    chain.send("ann", "identity.card_add", member=ANN, commitment=HASH)


def test_a_blocked_card_still_tells_whose_it_was(chain: Chain) -> None:
    chain.send("ann", "identity.card_add", member=ANN, commitment=HASH)
    assert chain.refused("ann", "identity.card_block", commitment=OTHER_HASH) == "NOT_FOUND"
    other = {"commitment": HASH, "member": account_of("bob")}
    assert chain.refused("ann", "identity.card_block", **other) == "INVALID_ARGS"
    shown = chain.send("ann", "identity.card_block", commitment=HASH)
    assert (shown["member"], shown["status"]) == (ANN, "blocked")
    assert chain.events == [("identity.card_blocked", {"member": ANN, "commitment": HASH})]
    assert chain.refused("ann", "identity.card_block", commitment=HASH) == "NOT_ELIGIBLE"
    assert chain.refused("ann", "identity.card_add", member=ANN, commitment=HASH) == "ALREADY_EXISTS"


@pytest.mark.parametrize("blocked", [False, True])
def test_a_replaced_card_names_the_one_in_its_place(chain: Chain, blocked: bool) -> None:
    chain.send("ann", "identity.card_add", member=ANN, commitment=HASH)
    if blocked:
        chain.send("ann", "identity.card_block", commitment=HASH)
    change = {"commitment": HASH, "replacement": OTHER_HASH}
    assert chain.refused("ann", "identity.card_replace", **{**change, "replacement": HASH}) == "ALREADY_EXISTS"
    shown = chain.send("ann", "identity.card_replace", **change, member=ANN)
    assert shown == {"commitment": OTHER_HASH, "member": ANN, "status": "active", "added": chain.time}
    assert chain.events == [("identity.card_replaced", {"member": ANN, **change})]
    former = chain.view("identity_card", commitment=HASH)
    assert (former["status"], former["replacement"]) == ("replaced", OTHER_HASH)
    for call, args in (("card_block", {}), ("card_replace", {"replacement": "ef" * 32})):
        assert chain.refused("ann", f"identity.{call}", commitment=HASH, **args) == "NOT_ELIGIBLE"


def test_a_members_cards_are_bounded_and_shown_in_pages(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "MAX_CARDS", 3)
    commitments = sorted(key_of(f"card-{number}").hex() for number in range(4))
    for commitment in commitments[:3]:
        chain.send("ann", "identity.card_add", member=ANN, commitment=commitment)
    beyond = commitments[3]
    assert chain.refused("ann", "identity.card_add", member=ANN, commitment=beyond) == "LIMIT_EXCEEDED"
    change = {"commitment": commitments[0], "replacement": beyond}
    assert chain.refused("ann", "identity.card_replace", **change) == "LIMIT_EXCEEDED"
    first = chain.view("identity_cards", member=ANN, limit=2)
    second = chain.view("identity_cards", member=ANN, cursor=first["next"])
    assert [item["commitment"] for item in first["items"] + second["items"]] == commitments[:3]
