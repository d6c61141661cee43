"""Attestations, accepted terms and consents: who gives them, how long they hold, how they are shown."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.identity import profiles
from tests.contract_harness import Chain, account_of, brand_ops, key_of
from tests.support.persons import DAY, HASH, OTHER_HASH, acts_for, ask, begin_exit, claimed, enroll

ANN = account_of("ann")
LEVEL_2 = {"level": 2, "provider": "Notary", "commitment": HASH}


@pytest.fixture
def chain() -> Chain:
    return Chain([*brand_ops("aurora"), *brand_ops("basil")])


def attest(chain: Chain, member: str, by: str = "aurora-compliance", **changes: Any) -> None:
    chain.send(by, "identity.attest", **{"member": member, **LEVEL_2, "expires": chain.time + DAY, **changes})


def shown_level(chain: Chain, member: str) -> Any:
    shown = chain.view("identity_member", member=member)
    return [shown.get(name) for name in ("level", "provider", "expires")]


# -- attestations


def test_an_attestation_is_shown_until_it_expires(chain: Chain) -> None:
    member, expires = enroll(chain, "aurora", "mia"), chain.time + DAY
    shown = chain.send("aurora-compliance", "identity.attest", member=member, **LEVEL_2, expires=expires)
    assert shown == {"member": member, "brand": "aurora", **LEVEL_2, "expires": expires}
    told = {"brand": "aurora", "member": member, "level": 2, "provider": "Notary", "expires": expires}
    assert chain.events == [("identity.attested", told)]
    assert chain.view("identity_attestations", member=member) == [shown]
    chain.until(expires - 1)
    assert shown_level(chain, member) == [2, "Notary", expires]
    assert ask(chain, "attestation_of", member).level == 2
    chain.until(expires)
    assert shown_level(chain, member) == [None, None, None]
    assert ask(chain, "attestation_of", member) is None


def test_an_attestation_is_refused(chain: Chain) -> None:
    args = {"member": ANN, **LEVEL_2, "expires": chain.time + DAY}
    assert chain.refused("aurora-issuer", "identity.attest", **args) == "NOT_AUTHORISED"
    assert chain.refused("aurora-compliance", "identity.attest", **{**args, "level": 10}) == "INVALID_ARGS"
    assert chain.refused("aurora-compliance", "identity.attest", **{**args, "level": -1}) == "INVALID_ARGS"
    now = chain.time + 200
    assert chain.refused("aurora-compliance", "identity.attest", **{**args, "expires": now}) == "EXPIRED"
    both = ["aurora-compliance", "basil-compliance"]
    assert chain.refused(both[0], "identity.attest", both, **args) == "INVALID_ARGS"
    assert chain.refused(both[0], "identity.attest", both, **args, brand="comet") == "NOT_FOUND"
    assert chain.refused("aurora-compliance", "identity.attest", **args, brand="basil") == "NOT_AUTHORISED"
    chain.send(both[0], "identity.attest", both, **args, brand="basil")
    pool = chain.send("cat", "identity.pool_open", member=account_of("cat"), name="home")["pool"]
    assert chain.refused("aurora-compliance", "identity.attest", **{**args, "member": pool}) == "NOT_ELIGIBLE"
    chain.suspend("aurora")
    assert chain.refused("aurora-compliance", "identity.attest", **args) == "SUSPENDED"


def test_a_brand_replaces_and_takes_back_its_own_word_only(chain: Chain) -> None:
    member = enroll(chain, "aurora", "mia")
    attest(chain, member, level=1)
    attest(chain, member, by="basil-compliance", level=3)
    assert shown_level(chain, member)[0] == 3
    attest(chain, member, level=2)
    assert [found["level"] for found in chain.view("identity_attestations", member=member)] == [2, 3]
    attest(chain, member, by="basil-compliance", level=0, expires=0)
    assert shown_level(chain, member)[0] == 2
    attest(chain, member, level=0)
    assert chain.view("identity_attestations", member=member) == []
    assert f"identity/attestations/{member}" not in chain.state.values


def test_of_equal_levels_the_one_that_lasts_longest_is_shown(chain: Chain) -> None:
    member, later = enroll(chain, "aurora", "mia"), chain.time + 2 * DAY
    attest(chain, member, expires=later)
    attest(chain, member, by="basil-compliance")
    assert shown_level(chain, member)[2] == later


def test_so_many_brands_attest_a_member(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "MAX_ATTESTATIONS", 1)
    attest(chain, ANN)
    attest(chain, ANN)
    args = {"member": ANN, **LEVEL_2, "expires": chain.time + DAY}
    assert chain.refused("basil-compliance", "identity.attest", **args) == "LIMIT_EXCEEDED"


def test_a_brand_attests_until_its_run_off_is_over(chain: Chain) -> None:
    ends = chain.time + DAY
    begin_exit(chain, "aurora", ends, "basil")
    attest(chain, ANN)
    chain.until(ends)
    args = {"member": ANN, **LEVEL_2, "expires": chain.time + DAY}
    assert chain.refused("aurora-compliance", "identity.attest", **args) == "SUSPENDED"


# -- terms


def test_terms_are_accepted_as_they_are_at_present(chain: Chain) -> None:
    member = claimed(chain, "aurora", "mia")
    args = {"member": member, "brand": "aurora", "terms_hash": HASH}
    assert chain.refused("mia", "identity.accept_terms", **args) == "NOT_FOUND"
    chain.send("aurora-admin", "identity.update_brand", brand="aurora", terms_hash=HASH)
    assert chain.refused("mia", "identity.accept_terms", **{**args, "terms_hash": OTHER_HASH}) == "CHANGED"
    assert chain.refused("mia", "identity.accept_terms", **{**args, "brand": "comet"}) == "NOT_FOUND"
    assert chain.refused("aurora-issuer", "identity.accept_terms", **args) == "NOT_AUTHORISED"
    assert not ask(chain, "has_accepted_terms", member, "aurora")
    shown = chain.send("mia", "identity.accept_terms", **args)
    assert shown == {"brand": "aurora", "terms_hash": HASH, "accepted": chain.time, "current": True}
    assert chain.events == [("identity.terms_accepted", {"brand": "aurora", "member": member, "terms_hash": HASH})]
    assert chain.view("identity_member", member=member)["terms"] == shown
    assert ask(chain, "has_accepted_terms", member, "aurora")
    chain.send("aurora-admin", "identity.update_brand", brand="aurora", terms_hash=OTHER_HASH)
    assert chain.view("identity_member", member=member)["terms"] == {**shown, "current": False}
    assert not ask(chain, "has_accepted_terms", member, "aurora")


def test_terms_of_a_brand_without_any_are_not_accepted_by_all(chain: Chain) -> None:
    assert not ask(chain, "has_accepted_terms", ANN, "aurora")


def test_terms_are_accepted_for_a_custodial_member_at_the_till_and_shown_in_pages(chain: Chain) -> None:
    member = enroll(chain, "aurora", "mia")
    for brand in ("aurora", "basil"):
        chain.send(f"{brand}-admin", "identity.update_brand", brand=brand, terms_hash=HASH)
        chain.send("aurora-cashier", "identity.accept_terms", member=member, brand=brand, terms_hash=HASH)
    first = chain.view("identity_terms", member=member, limit=1)
    second = chain.view("identity_terms", member=member, cursor=first["next"])
    assert [item["brand"] for item in first["items"] + second["items"]] == ["aurora", "basil"]


def test_terms_of_a_suspended_brand_are_not_accepted(chain: Chain) -> None:
    chain.send("aurora-admin", "identity.update_brand", brand="aurora", terms_hash=HASH)
    chain.suspend("aurora")
    args = {"member": ANN, "brand": "aurora", "terms_hash": HASH}
    assert chain.refused("ann", "identity.accept_terms", **args) == "SUSPENDED"


# -- consents


def test_consent_is_granted_and_withdrawn_with_its_time(chain: Chain) -> None:
    args = {"member": ANN, "purpose": "email", "text_hash": HASH}
    shown = chain.send("ann", "identity.consent", **args, granted=True)
    assert shown == {"purpose": "email", "granted": True, "text_hash": HASH, "given": chain.time}
    assert chain.events == [("identity.consented", {**args, "granted": True})]
    chain.send("ann", "identity.consent", **{**args, "text_hash": OTHER_HASH}, granted=False)
    (item,) = chain.view("identity_consents", member=ANN)["items"]
    assert item == {"purpose": "email", "granted": False, "text_hash": OTHER_HASH, "given": chain.time}


def test_consent_is_the_holders(chain: Chain) -> None:
    args = {"member": enroll(chain, "aurora", "mia"), "purpose": "email", "granted": True, "text_hash": HASH}
    for stranger in ("ann", "basil-cashier", "aurora-compliance"):
        assert chain.refused(stranger, "identity.consent", **args) == "NOT_AUTHORISED"
    chain.send("aurora-cashier", "identity.consent", **args)


def test_a_member_is_asked_about_so_many_purposes(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "MAX_CONSENTS", 2)
    args = {"member": ANN, "granted": True, "text_hash": HASH}
    for purpose in ("email", "post"):
        chain.send("ann", "identity.consent", **args, purpose=purpose)
    assert chain.refused("ann", "identity.consent", **args, purpose="phone") == "LIMIT_EXCEEDED"
    chain.send("ann", "identity.consent", **{**args, "granted": False}, purpose="post")
    first = chain.view("identity_consents", member=ANN, limit=1)
    second = chain.view("identity_consents", member=ANN, cursor=first["next"])
    assert [(item["purpose"], item["granted"]) for item in first["items"] + second["items"]] == [
        ("email", True),
        ("post", False),
    ]


@pytest.mark.parametrize(
    ("call", "args"),
    [
        ("accept_terms", {"brand": "aurora", "terms_hash": HASH}),
        ("consent", {"purpose": "email", "granted": True, "text_hash": HASH}),
        ("referral_code", {}),
        ("refer", {"referrer": account_of("dan")}),
        ("card_add", {"commitment": HASH}),
        ("pool_open", {"name": "inner"}),
    ],
)
def test_a_pool_is_no_person(chain: Chain, call: str, args: dict[str, Any]) -> None:
    """Who spends from a pool acts for it, and would otherwise act as a person of its name."""
    chain.send("aurora-admin", "identity.update_brand", brand="aurora", terms_hash=HASH)
    pool = chain.send("ann", "identity.pool_open", member=ANN, name="home")["pool"]
    assert chain.refused("ann", f"identity.{call}", member=pool, **args) == "NOT_ELIGIBLE"


def test_a_claim_and_new_keys_leave_all_that_is_known(chain: Chain) -> None:
    member = enroll(chain, "aurora", "mia")
    till = "aurora-cashier"
    attest(chain, member)
    chain.send(till, "identity.card_add", member=member, commitment=HASH)
    chain.send(till, "identity.link", [till, "ann"], member=member, other=ANN)
    chain.send(till, "identity.pool_open", member=member, name="home")
    known = chain.view("identity_member", member=member)
    chain.send("mia", "identity.claim", ["aurora-issuer", "mia"], member=member, key=key_of("mia").hex())
    keys = sorted(key_of(name).hex() for name in ("new", "spare"))
    rotate = chain.transaction(member, [("identity.set_auth", {"keys": keys, "threshold": 2})], ["mia"])
    assert chain.block([rotate]).receipts[0].status == "ok"
    assert chain.view("identity_member", member=member) == {**known, "custodial": False}
    assert [acts_for(chain, known["pool"], *names) for names in (["mia"], ["new"], ["new", "spare"])] == [
        False,
        False,
        True,
    ]
