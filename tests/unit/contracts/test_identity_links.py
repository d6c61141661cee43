"""Linked addresses: who signs, how groups grow and fall apart, and what contracts above are answered."""

from __future__ import annotations

import pytest

from contracts_py.identity import Regrouped, groups
from contracts_py.identity.person_records import FORMER, LINKS, MAX_FORMER, MAX_GROUP
from tests.contract_harness import Chain, account_of, brand_ops, key_of
from tests.support.persons import ask, claimed, enroll, listened_to

ANN, BOB, CAT, DAN = (account_of(name) for name in ("ann", "bob", "cat", "dan"))
PEOPLE = ["ann", "bob", "cat", "dan"]


@pytest.fixture
def chain() -> Chain:
    return Chain([*brand_ops("aurora"), *brand_ops("basil")])


def link(chain: Chain, a: str, b: str) -> None:
    chain.send("ann", "identity.link", PEOPLE, member=a, other=b)


def unlink(chain: Chain, a: str, b: str) -> None:
    chain.send("ann", "identity.unlink", PEOPLE, member=a, other=b)


def group(chain: Chain, account: str) -> list[str]:
    found: list[str] = chain.view("identity_links", account=account)["group"]
    assert tuple(found) == ask(chain, "linked_addresses", account)
    return found


def test_a_link_is_told_and_shown_on_both_sides(chain: Chain) -> None:
    shown = chain.send("ann", "identity.link", ["ann", "bob"], member=ANN, other=BOB)
    assert shown == {"account": ANN, "direct": [BOB], "group": sorted([ANN, BOB])}
    assert chain.events == [("identity.linked", {"member": ANN, "other": BOB})]
    assert chain.view("identity_links", account=BOB) == {**shown, "account": BOB, "direct": [ANN]}
    assert ask(chain, "linked", ANN, BOB)
    assert ask(chain, "linked", ANN, ANN)
    assert not ask(chain, "linked", ANN, CAT)


def test_contracts_above_are_told_of_links_made_and_ended() -> None:
    chain, listener = listened_to()
    ann, bob = account_of("ann"), account_of("bob")
    for call in ("link", "unlink"):
        chain.send("ann", f"identity.{call}", ["ann", "bob"], member=ann, other=bob)
    assert listener.told == [("regrouped", Regrouped((ann, bob)))] * 2


def test_both_sides_sign(chain: Chain) -> None:
    args = {"member": ANN, "other": BOB}
    assert chain.refused("ann", "identity.link", **args) == "NOT_AUTHORISED"
    assert chain.refused("bob", "identity.link", **args) == "NOT_AUTHORISED"
    link(chain, ANN, BOB)
    assert chain.refused("ann", "identity.unlink", **args) == "NOT_AUTHORISED"
    assert chain.refused("bob", "identity.unlink", **args) == "NOT_AUTHORISED"


@pytest.mark.parametrize("role", ["cashier", "issuer"])
def test_a_custodians_till_signs_for_its_own_members_only(chain: Chain, role: str) -> None:
    at_aurora, at_basil = enroll(chain, "aurora", "mia"), enroll(chain, "basil", "mia")
    args = {"member": at_aurora, "other": at_basil}
    assert chain.refused(f"aurora-{role}", "identity.link", **args) == "NOT_AUTHORISED"
    chain.send(f"aurora-{role}", "identity.link", [f"aurora-{role}", f"basil-{role}"], **args)
    assert ask(chain, "linked", at_aurora, at_basil)


def test_what_cannot_be_linked(chain: Chain) -> None:
    assert chain.refused("ann", "identity.link", member=ANN, other=ANN) == "INVALID_ARGS"
    link(chain, ANN, BOB)
    for a, b in ((ANN, BOB), (BOB, ANN)):
        assert chain.refused("ann", "identity.link", PEOPLE, member=a, other=b) == "ALREADY_EXISTS"
    assert chain.refused("ann", "identity.unlink", PEOPLE, member=ANN, other=CAT) == "NOT_FOUND"
    pool = chain.send("cat", "identity.pool_open", member=CAT, name="home")["pool"]
    for args in ({"member": ANN, "other": pool}, {"member": pool, "other": ANN}):
        assert chain.refused("ann", "identity.link", PEOPLE, **args) == "NOT_ELIGIBLE"


def test_a_triangle_counts_each_once_and_holds_together_without_one_side(chain: Chain) -> None:
    for a, b in ((ANN, BOB), (BOB, CAT), (CAT, ANN)):
        link(chain, a, b)
    everyone = sorted([ANN, BOB, CAT])
    assert [group(chain, account) for account in (ANN, BOB, CAT)] == [everyone] * 3
    unlink(chain, ANN, BOB)
    assert chain.events == [("identity.unlinked", {"member": ANN, "other": BOB})]
    assert group(chain, ANN) == everyone
    unlink(chain, CAT, ANN)
    assert group(chain, ANN) == [ANN]
    assert group(chain, BOB) == sorted([BOB, CAT])
    assert chain.view("identity_links", account=ANN) == {"account": ANN, "direct": [], "group": [ANN]}


def test_unlinking_leaves_no_row_of_a_link(chain: Chain) -> None:
    link(chain, ANN, BOB)
    unlink(chain, ANN, BOB)
    assert not [key for key in chain.state.values if key.startswith("identity/links/")]


def test_a_group_is_bounded_however_it_grows(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MAX_GROUP", 3)
    link(chain, ANN, BOB)
    link(chain, CAT, DAN)
    args = {"member": BOB, "other": CAT}
    assert chain.refused("ann", "identity.link", PEOPLE, **args) == "LIMIT_EXCEEDED"
    unlink(chain, CAT, DAN)
    link(chain, BOB, CAT)
    link(chain, ANN, CAT)


def test_the_largest_group_is_shown_whole(chain: Chain) -> None:
    people = [f"p{number}" for number in range(MAX_GROUP + 1)]
    hub = account_of(people[0])
    for name in people[1:MAX_GROUP]:
        chain.send(name, "identity.link", [name, people[0]], member=hub, other=account_of(name))
    last = people[MAX_GROUP]
    beyond = {"member": hub, "other": account_of(last)}
    assert chain.refused(last, "identity.link", [last, people[0]], **beyond) == "LIMIT_EXCEEDED"
    assert len(group(chain, account_of("p7"))) == MAX_GROUP
    assert len(LINKS.get(chain.context(), hub) or ()) == MAX_GROUP - 1


def test_the_last_that_parted_are_remembered(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MAX_FORMER", 2)
    assert MAX_FORMER == 2 * MAX_GROUP
    for other in (BOB, CAT, BOB, DAN):
        link(chain, ANN, other)
        unlink(chain, ANN, other)
    assert FORMER.get(chain.context(), ANN) == (ANN, DAN), "itself, as some are missing"
    assert FORMER.get(chain.context(), DAN) == (ANN,)


def test_no_row_names_an_address_that_was_erased_after_it_had_forgotten_whom_it_left(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MAX_FORMER", 2)
    for other in (BOB, CAT, DAN):
        link(chain, ANN, other)
        unlink(chain, ANN, other)
    assert FORMER.get(chain.context(), BOB) == (BOB,), "it has forgotten some, too"
    chain.send("ann", "identity.erase", member=ANN)
    rows = [FORMER.get(chain.context(), account) or () for account in (ANN, BOB, CAT, DAN)]
    assert not any(ANN in row for row in rows)


def test_a_rotated_key_no_longer_links(chain: Chain) -> None:
    member = claimed(chain, "aurora", "mia")
    keys = [key_of(name).hex() for name in ("new", "spare")]
    tx = chain.transaction(member, [("identity.set_auth", {"keys": keys, "threshold": 2})], ["mia"])
    assert chain.block([tx]).receipts[0].status == "ok"
    args = {"member": member, "other": ANN}
    for signers in (["ann", "mia"], ["ann", "new"]):
        assert chain.refused("ann", "identity.link", signers, **args) == "NOT_AUTHORISED"
    chain.send("ann", "identity.link", ["ann", "new", "spare"], **args)
