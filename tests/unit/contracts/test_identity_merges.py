"""Two members become one with all that is known of both, and for 30 days may become two again."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.identity import groups
from contracts_py.identity.hooks import Merge, PoolChange
from contracts_py.identity.merges import UNMERGE_MS
from tests.contract_harness import Chain, account_of, program_args
from tests.support.persons import (
    DAY,
    HASH,
    OTHER_HASH,
    Listener,
    acts_for,
    ask,
    begin_exit,
    claimed,
    enroll,
    listened_to,
)

ANN, BOB = account_of("ann"), account_of("bob")
BOTH = ["aurora-issuer", "basil-issuer"]


def merge(chain: Chain, source: str, into: str, *signers: str) -> Any:
    signing = [*BOTH, *signers]
    return chain.send(signing[0], "identity.merge", signing, from_=source, into=into, reason="two cards")


def unmerge(chain: Chain, source: str, *signers: str) -> Any:
    return chain.send(BOTH[0], "identity.unmerge", [*BOTH, *signers], from_=source)


def identity_state(chain: Chain) -> dict[str, bytes]:
    return {key: value for key, value in chain.state.values.items() if key.startswith("identity/")}


def test_a_merge_is_told_and_its_source_still_found(scene: tuple[Chain, Listener]) -> None:
    chain, listener = scene
    old, new = enroll(chain, "aurora", "old"), enroll(chain, "aurora", "new")
    shown = merge(chain, old, new)
    assert shown == {"from": old, "into": new, "until": chain.time + UNMERGE_MS}
    assert chain.events == [("identity.merged", {"from": old, "into": new, "reason": "two cards"})]
    assert chain.view("identity_member", member=old)["merged_into"] == new
    assert chain.view("identity_account", account=old)["merged_into"] == new
    assert chain.view("identity_member", member=new)["merged_from"] == [old]
    assert ask(chain, "current_account", old) == ask(chain, "current_account", new) == new
    assert ask(chain, "linked", old, new)
    assert unmerge(chain, old) == {"from": old, "into": new}
    assert chain.events == [("identity.unmerged", {"from": old, "into": new})]
    assert listener.told == [("merged", Merge(old, new)), ("unmerged", Merge(old, new))]


def test_all_that_is_known_of_the_source_is_known_of_the_target_and_goes_back(chain: Chain) -> None:
    old, new, friend = (
        enroll(chain, brand, name) for brand, name in (("aurora", "o"), ("basil", "n"), ("basil", "f"))
    )
    chain.send("aurora-admin", "identity.update_brand", brand="aurora", terms_hash=HASH)
    till = "aurora-cashier"
    level = {"level": 2, "provider": "Notary", "commitment": HASH, "expires": chain.time + 90 * DAY}
    chain.send("aurora-compliance", "identity.attest", member=old, **level)
    chain.send(till, "identity.accept_terms", member=old, brand="aurora", terms_hash=HASH)
    chain.send(till, "identity.refer", member=old, referrer=friend)
    chain.send(till, "identity.refer", member=enroll(chain, "aurora", "kid"), referrer=old)
    chain.send(till, "identity.card_add", member=old, commitment=HASH)
    chain.send(till, "identity.link", [till, "ann"], member=old, other=ANN)
    code = chain.send(till, "identity.referral_code", member=old)["code"]
    before = identity_state(chain)
    merge(chain, old, new)
    shown = chain.view("identity_member", member=new)
    assert (shown["level"], shown["provider"], shown["referrer"]) == (2, "Notary", friend)
    assert (shown["cards"], shown["referred"], shown["links"]) == (1, 1, sorted([old, ANN]))
    assert chain.view("identity_card", commitment=HASH)["member"] == new
    assert ask(chain, "is_member", new, "aurora")
    assert ask(chain, "is_member", new, "basil")
    assert ask(chain, "has_accepted_terms", new, "aurora")
    assert ask(chain, "attestation_of", new).level == 2
    assert chain.send("bob", "identity.refer", member=BOB, code=code)["referrer"] == new
    once = {"member": new, "referrer": ANN}
    assert chain.refused("basil-cashier", "identity.refer", **once) == "ALREADY_EXISTS"
    unmerge(chain, old)
    after = identity_state(chain)
    referral = {f"identity/referral/{BOB}", f"identity/referred/{new}"}
    assert {key: value for key, value in after.items() if key not in referral} == before
    assert not ask(chain, "is_member", new, "aurora")


def test_both_sides_brands_sign_and_who_has_been_claimed(chain: Chain) -> None:
    old, new = enroll(chain, "aurora", "old"), claimed(chain, "basil", "new")
    args = {"from_": old, "into": new, "reason": "same"}
    for signers in (
        ["aurora-issuer", "new"],
        ["basil-issuer", "new"],
        BOTH,
        ["aurora-cashier", "basil-issuer", "new"],
    ):
        assert chain.refused(signers[0], "identity.merge", signers, **args) == "NOT_AUTHORISED"
    assert chain.refused(BOTH[0], "identity.merge", BOTH, **{**args, "from_": new, "into": old}) == "NOT_AUTHORISED"
    merge(chain, old, new, "new")
    for signers in (["aurora-issuer", "new"], ["basil-issuer", "new"], BOTH):
        assert chain.refused(signers[0], "identity.unmerge", signers, from_=old) == "NOT_AUTHORISED"
    unmerge(chain, old, "new")


def test_who_acted_for_the_source_still_does(chain: Chain) -> None:
    """What comes in late for it is reached, and the card in use does not die."""
    old, new = enroll(chain, "aurora", "old"), enroll(chain, "basil", "new")
    merge(chain, old, new)
    assert acts_for(chain, old, "aurora-cashier")
    assert not acts_for(chain, old, "basil-cashier")
    chain.send("aurora-admin", "token.create_program", **program_args("stars", "aurora"))
    chain.send("aurora-issuer", "token.issue", program="stars", to=old, amount=5)
    chain.send("aurora-cashier", "token.transfer", program="stars", from_=old, to=new, amount=5)


def test_what_cannot_be_merged(chain: Chain) -> None:
    old, new, third = (enroll(chain, "aurora", name) for name in ("old", "new", "third"))
    refused = lambda source, into: chain.refused(  # noqa: E731
        BOTH[0], "identity.merge", [*BOTH, "ann"], from_=source, into=into, reason="same"
    )
    assert refused(old, old) == "INVALID_ARGS"
    assert refused(old, ANN) == refused(ANN, old) == "NOT_FOUND"
    pool = chain.send("ann", "identity.pool_open", member=ANN, name="home")["pool"]
    assert refused(pool, old) == refused(old, pool) == "NOT_ELIGIBLE"
    merge(chain, old, new)
    assert refused(old, third) == refused(third, old) == "NOT_ELIGIBLE"
    assert refused(new, old) == "NOT_ELIGIBLE"
    assert chain.refused(BOTH[0], "identity.unmerge", BOTH, from_=new) == "NOT_FOUND"
    assert chain.refused(BOTH[0], "identity.unmerge", BOTH, from_=old, into=third) == "INVALID_ARGS"
    chain.send(BOTH[0], "identity.unmerge", BOTH, from_=old, into=new, reason="another person")


@pytest.mark.parametrize(
    ("call", "args"),
    [
        ("attest", {"level": 1, "provider": "N", "commitment": HASH, "expires": 2**52, "brand": "aurora"}),
        ("consent", {"purpose": "email", "granted": True, "text_hash": HASH}),
        ("accept_terms", {"brand": "aurora", "terms_hash": HASH}),
        ("card_add", {"commitment": HASH}),
        ("link", {"other": ANN}),
        ("refer", {"referrer": BOB}),
        ("referral_code", {}),
        ("pool_open", {"name": "home"}),
        ("erase", {}),
    ],
)
def test_what_is_new_is_noted_of_the_target(chain: Chain, call: str, args: dict[str, Any]) -> None:
    old, new = enroll(chain, "aurora", "old"), enroll(chain, "aurora", "new")
    merge(chain, old, new)
    everyone = ["ann", "aurora-compliance", "aurora-cashier"]
    assert chain.refused("ann", f"identity.{call}", everyone, member=old, **args) == "NOT_ELIGIBLE"


def test_a_merge_is_undone_within_thirty_days(chain: Chain) -> None:
    old, new = enroll(chain, "aurora", "old"), enroll(chain, "aurora", "new")
    until = merge(chain, old, new)["until"]
    chain.until(until - 200)
    assert chain.refused(BOTH[0], "identity.unmerge", BOTH, from_=old) == "EXPIRED"
    chain, _ = listened_to()
    old, new = enroll(chain, "aurora", "old"), enroll(chain, "aurora", "new")
    until = merge(chain, old, new)["until"]
    chain.until(until - 201)
    unmerge(chain, old)


def test_merges_are_undone_from_the_last_on(chain: Chain) -> None:
    first, second, third = (enroll(chain, "aurora", name) for name in ("first", "second", "third"))
    merge(chain, first, second)
    merge(chain, second, third)
    assert ask(chain, "current_account", first) == third
    assert chain.view("identity_account", account=first)["merged_into"] == second
    assert chain.refused(BOTH[0], "identity.unmerge", BOTH, from_=first) == "NOT_ELIGIBLE"
    unmerge(chain, second)
    assert ask(chain, "current_account", first) == second
    unmerge(chain, first)


def test_the_link_of_a_merge_stays_and_one_from_before_outlives_it(chain: Chain) -> None:
    old, new = enroll(chain, "aurora", "old"), enroll(chain, "aurora", "new")
    till = "aurora-cashier"
    merge(chain, old, new)
    for a, b in ((old, new), (new, old)):
        assert chain.refused(till, "identity.unlink", member=a, other=b) == "NOT_ELIGIBLE"
    unmerge(chain, old)
    assert not ask(chain, "linked", old, new)
    chain.send(till, "identity.link", member=old, other=new)
    merge(chain, old, new)
    unmerge(chain, old)
    assert ask(chain, "linked", old, new)


def test_a_merge_keeps_groups_bounded(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MAX_GROUP", 2)
    old, new = enroll(chain, "aurora", "old"), enroll(chain, "aurora", "new")
    chain.send("ann", "identity.link", ["ann", "aurora-cashier"], member=old, other=ANN)
    args = {"from_": old, "into": new, "reason": "same"}
    assert chain.refused(BOTH[0], "identity.merge", BOTH, **args) == "LIMIT_EXCEEDED"


def test_two_that_had_been_wrongly_merged_refer_one_another_again(chain: Chain) -> None:
    old, new = enroll(chain, "aurora", "old"), enroll(chain, "aurora", "new")
    refer = {"member": old, "referrer": new}
    chain.send("aurora-cashier", "identity.refer", **refer)
    merge(chain, old, new)
    assert ask(chain, "referrer_of", old) is None
    unmerge(chain, old)
    assert ask(chain, "referrer_of", old) == new


def test_the_source_leaves_its_pool_first(scene: tuple[Chain, Listener]) -> None:
    chain, listener = scene
    old, new = enroll(chain, "aurora", "old"), enroll(chain, "aurora", "new")
    pool = chain.send("aurora-cashier", "identity.pool_open", member=old, name="home")["pool"]
    listener.told.clear()
    merge(chain, old, new)
    assert listener.told == [("pool_left", PoolChange(pool, old, 0)), ("merged", Merge(old, new))]
    assert ask(chain, "pool_of", old) is None


def test_cards_of_a_source_are_changed_by_who_acts_for_the_target(chain: Chain) -> None:
    old, new = enroll(chain, "aurora", "old"), enroll(chain, "basil", "new")
    chain.send("aurora-cashier", "identity.card_add", member=old, commitment=HASH)
    assert chain.refused("basil-cashier", "identity.card_block", commitment=HASH) == "NOT_AUTHORISED"
    merge(chain, old, new)
    change = {"commitment": HASH, "replacement": OTHER_HASH, "member": new}
    assert chain.send("basil-cashier", "identity.card_replace", **change)["member"] == new


@pytest.mark.parametrize("hook", ["merged", "unmerged"])
def test_what_a_contract_above_refuses_is_not_merged_or_unmerged(scene: tuple[Chain, Listener], hook: str) -> None:
    chain, listener = scene
    old, new = enroll(chain, "aurora", "old"), enroll(chain, "aurora", "new")
    if hook == "unmerged":
        merge(chain, old, new)
    before = identity_state(chain)
    listener.refuses = hook
    call = ("identity.merge", {"into": new, "reason": "same"}) if hook == "merged" else ("identity.unmerge", {})
    assert chain.refused(BOTH[0], call[0], BOTH, from_=old, **call[1]) == "FROZEN"
    assert identity_state(chain) == before


def test_after_an_exit_the_custodian_merges(chain: Chain) -> None:
    old, new = enroll(chain, "aurora", "old"), enroll(chain, "basil", "new")
    ends = chain.time + DAY
    begin_exit(chain, "aurora", ends, "basil")
    chain.until(ends)
    chain.send("basil-issuer", "identity.merge", from_=old, into=new, reason="same")
