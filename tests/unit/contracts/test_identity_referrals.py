"""Who has referred whom: never oneself, no circles, once for each member."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.identity import groups, referral_graph, referrals
from contracts_py.identity.person_records import CODE_LENGTH, FORMER
from contracts_py.identity.referrals import code_of
from tests.contract_harness import Chain, account_of, brand_ops
from tests.support.persons import ask, claimed, enroll

PEOPLE = ["ann", "bob", "cat", "dan", "eve", "fay"]
ANN, BOB, CAT, DAN, EVE, FAY = (account_of(name) for name in PEOPLE)


@pytest.fixture
def chain() -> Chain:
    return Chain([*brand_ops("aurora"), *brand_ops("basil")])


def refer(chain: Chain, member: str, referrer: str) -> Any:
    return chain.send("ann", "identity.refer", PEOPLE, member=member, referrer=referrer)


def refused(chain: Chain, member: str, referrer: str) -> str:
    return chain.refused("ann", "identity.refer", PEOPLE, member=member, referrer=referrer)


def link(chain: Chain, a: str, b: str, call: str = "link") -> None:
    chain.send("ann", f"identity.{call}", PEOPLE, member=a, other=b)


def test_a_referral_is_told_and_shown_on_both_sides(chain: Chain) -> None:
    mia, max_ = claimed(chain, "aurora", "mia"), claimed(chain, "basil", "max")
    assert chain.send("mia", "identity.refer", member=mia, referrer=max_) == {"member": mia, "referrer": max_}
    assert chain.events == [("identity.referred", {"member": mia, "referrer": max_})]
    assert chain.view("identity_member", member=mia)["referrer"] == max_
    assert chain.view("identity_member", member=max_)["referred"] == 1
    assert ask(chain, "referrer_of", mia) == max_
    assert ask(chain, "referrer_of", max_) is None


def test_the_member_signs_or_its_custodian(chain: Chain) -> None:
    member = enroll(chain, "aurora", "mia")
    args = {"member": member, "referrer": BOB}
    assert chain.refused("bob", "identity.refer", **args) == "NOT_AUTHORISED"
    assert chain.refused("basil-issuer", "identity.refer", **args) == "NOT_AUTHORISED"
    chain.send("aurora-issuer", "identity.refer", **args)


def test_a_member_is_referred_once(chain: Chain) -> None:
    refer(chain, ANN, BOB)
    assert refused(chain, ANN, CAT) == "ALREADY_EXISTS"
    assert refused(chain, ANN, BOB) == "ALREADY_EXISTS"


def test_a_code_names_its_member(chain: Chain) -> None:
    member = claimed(chain, "aurora", "mia")
    assert chain.refused("ann", "identity.referral_code", member=member) == "NOT_AUTHORISED"
    code = code_of(member)
    assert chain.refused("ann", "identity.refer", member=ANN, code=code) == "NOT_FOUND"
    made = chain.send("mia", "identity.referral_code", member=member)
    assert made == {"member": member, "code": code}
    assert len(code) == CODE_LENGTH
    assert chain.events == [("identity.referral_code_given", made)]
    assert chain.send("mia", "identity.referral_code", member=member) == made
    assert chain.events == []
    assert chain.view("identity_member", member=member)["referral_code"] == code
    assert chain.send("ann", "identity.refer", member=ANN, code=code)["referrer"] == member


def test_a_code_that_is_another_accounts_is_not_given(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(referrals, "code_of", lambda _: "same")
    chain.send("ann", "identity.referral_code", member=ANN)
    assert chain.refused("bob", "identity.referral_code", member=BOB) == "ALREADY_EXISTS"
    assert chain.send("cat", "identity.refer", member=CAT, code="same")["referrer"] == ANN


def test_either_a_referrer_or_a_code(chain: Chain) -> None:
    assert chain.refused("ann", "identity.refer", member=ANN) == "INVALID_ARGS"
    assert chain.refused("ann", "identity.refer", member=ANN, referrer=BOB, code="x") == "INVALID_ARGS"
    assert chain.refused("ann", "identity.refer", member=ANN, code="0123456789abcdefg") == "INVALID_ARGS"


def test_a_pool_refers_nobody(chain: Chain) -> None:
    pool = chain.send("bob", "identity.pool_open", member=BOB, name="home")["pool"]
    assert refused(chain, ANN, pool) == "NOT_ELIGIBLE"


def test_oneself_and_what_is_linked_refer_nobody(chain: Chain) -> None:
    assert refused(chain, ANN, ANN) == "NOT_ELIGIBLE"
    link(chain, ANN, BOB)
    link(chain, BOB, CAT)
    for referrer in (BOB, CAT):
        assert refused(chain, ANN, referrer) == "NOT_ELIGIBLE"
    refer(chain, ANN, DAN)


def test_what_was_linked_once_is_oneself_still(chain: Chain) -> None:
    """Else one would part from a second account to refer it."""
    link(chain, ANN, BOB)
    link(chain, BOB, CAT)
    link(chain, ANN, BOB, "unlink")
    for referrer in (BOB, CAT):
        assert refused(chain, ANN, referrer) == "NOT_ELIGIBLE"
    link(chain, DAN, CAT)
    assert refused(chain, ANN, DAN) == "NOT_ELIGIBLE"
    link(chain, EVE, ANN)
    assert refused(chain, EVE, CAT) == "NOT_ELIGIBLE"


def test_an_address_that_has_forgotten_whom_it_left_is_asked_of_the_other(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MAX_FORMER", 2)
    for account, others in ((ANN, (BOB, CAT, DAN)), (EVE, (BOB, CAT, DAN))):
        for other in others:
            link(chain, account, other)
            link(chain, account, other, "unlink")
    assert [len(FORMER.require(chain.context(), account)) for account in (ANN, BOB, EVE)] == [2, 1, 2]
    assert refused(chain, ANN, BOB) == "NOT_ELIGIBLE", "Ann and Bob have forgotten each other, and that they have"
    assert refused(chain, BOB, ANN) == "NOT_ELIGIBLE"
    chain.send("dan", "identity.erase", member=DAN)
    assert refused(chain, ANN, EVE) == "NOT_ELIGIBLE", "both have forgotten some, and so perhaps each other"
    refer(chain, ANN, FAY)
    refer(chain, CAT, FAY)


def test_a_referral_between_accounts_that_are_linked_later_is_none(chain: Chain) -> None:
    refer(chain, ANN, BOB)
    refer(chain, CAT, BOB)
    link(chain, BOB, ANN)
    assert ask(chain, "referrer_of", ANN) is None
    assert ask(chain, "referrer_of", CAT) == BOB
    link(chain, BOB, ANN, "unlink")
    assert ask(chain, "referrer_of", ANN) is None
    assert refused(chain, ANN, DAN) == "ALREADY_EXISTS"


def test_no_circles(chain: Chain) -> None:
    refer(chain, ANN, BOB)
    assert refused(chain, BOB, ANN) == "NOT_ELIGIBLE"
    refer(chain, BOB, CAT)
    assert refused(chain, CAT, ANN) == "NOT_ELIGIBLE"
    assert refused(chain, CAT, BOB) == "NOT_ELIGIBLE"
    refer(chain, CAT, DAN)


def test_a_circle_over_linked_accounts_is_one(chain: Chain) -> None:
    refer(chain, ANN, BOB)
    link(chain, BOB, CAT)
    link(chain, ANN, DAN)
    assert refused(chain, CAT, ANN) == "NOT_ELIGIBLE"
    assert refused(chain, CAT, DAN) == "NOT_ELIGIBLE"
    assert refused(chain, BOB, DAN) == "NOT_ELIGIBLE"


def test_of_a_circle_that_a_link_closes_the_latest_referral_counts_no_more(chain: Chain) -> None:
    refer(chain, BOB, ANN)
    refer(chain, CAT, BOB)
    refer(chain, DAN, CAT)
    link(chain, ANN, DAN)
    assert [ask(chain, "referrer_of", account) for account in (BOB, CAT, DAN, ANN)] == [ANN, BOB, None, None]
    link(chain, ANN, DAN, "unlink")
    assert ask(chain, "referrer_of", DAN) == CAT


def test_the_way_upwards_is_bounded_for_who_has_referred_others(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(referral_graph, "MAX_WALK", 2)
    refer(chain, ANN, BOB)
    refer(chain, BOB, CAT)
    refer(chain, FAY, DAN)
    assert refused(chain, DAN, ANN) == "LIMIT_EXCEEDED"
    refer(chain, EVE, ANN)


def test_a_circle_too_long_to_be_seen_counts_as_one(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    for member, referrer in ((BOB, ANN), (CAT, BOB), (DAN, CAT), (EVE, DAN)):
        refer(chain, member, referrer)
    link(chain, ANN, EVE)
    monkeypatch.setattr(referral_graph, "MAX_WALK", 2)
    assert [ask(chain, "referrer_of", account) for account in (BOB, EVE)] == [ANN, None]
