"""Erasure: what is known of a person goes; the address, who acts for it, and what it holds stay."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.identity.hooks import Erasure, PoolChange, Regrouped
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
)

ANN, BOB = account_of("ann"), account_of("bob")
TILL = "aurora-cashier"


def known(chain: Chain, member: str) -> str:
    """Let everything be known of a custodial member of aurora; return its pool."""
    for brand in ("aurora", "basil"):
        chain.send(f"{brand}-admin", "identity.update_brand", brand=brand, terms_hash=HASH)
        chain.send(TILL, "identity.accept_terms", member=member, brand=brand, terms_hash=HASH)
    level = {"level": 2, "provider": "Notary", "commitment": HASH, "expires": chain.time + 90 * DAY}
    chain.send("aurora-compliance", "identity.attest", member=member, **level)
    for purpose in ("email", "post"):
        chain.send(TILL, "identity.consent", member=member, purpose=purpose, granted=True, text_hash=HASH)
    for commitment in (HASH, OTHER_HASH):
        chain.send(TILL, "identity.card_add", member=member, commitment=commitment)
    chain.send(TILL, "identity.referral_code", member=member)
    chain.send(TILL, "identity.refer", member=member, referrer=BOB)
    chain.send("cat", "identity.refer", member=account_of("cat"), referrer=member)
    for call, other in (("link", "ann"), ("link", "dan"), ("unlink", "dan")):
        chain.send(TILL, f"identity.{call}", [TILL, other], member=member, other=account_of(other))
    pool: str = chain.send(TILL, "identity.pool_open", member=member, name="home")["pool"]
    return pool


def test_all_goes_but_the_address_and_its_custody(scene: tuple[Chain, Listener]) -> None:
    chain, listener = scene
    member = enroll(chain, "aurora", "mia")
    enrolled = chain.view("identity_member", member=member)
    pool = known(chain, member)
    listener.told.clear()
    done = chain.send("aurora-compliance", "identity.erase", member=member)
    assert done == {"member": member, "accounts": [member]}
    assert chain.events == [
        ("identity.pool_left", {"pool": pool, "member": member}),
        ("identity.erased", {"member": member}),
    ]
    assert listener.told == [
        ("pool_left", PoolChange(pool, member, 0)),
        ("erased", Erasure(member)),
        ("regrouped", Regrouped((ANN,))),
    ]
    assert chain.view("identity_member", member=member) == {**enrolled, "erased": chain.time}
    naming = {key.rsplit("/", 1)[0] for key in chain.state.values if member in key}
    assert naming == {"identity/account", "identity/erased"}
    said = {key.split("/")[1] for key, value in chain.state.values.items() if member.encode() in value}
    assert said == {"referral"}, "who was referred by it names the address, as the ledger does"
    assert acts_for(chain, member, TILL)


def test_points_stay(chain: Chain) -> None:
    member = enroll(chain, "aurora", "mia")
    chain.send("aurora-admin", "token.create_program", **program_args("stars", "aurora"))
    chain.send("aurora-issuer", "token.issue", program="stars", to=member, amount=5)
    chain.send("aurora-compliance", "identity.erase", member=member)
    chain.send(TILL, "token.transfer", program="stars", from_=member, to=ANN, amount=5)


def test_compliance_of_the_members_brand_or_the_member_itself(chain: Chain) -> None:
    custodial, own = enroll(chain, "aurora", "mia"), claimed(chain, "aurora", "max")
    for stranger in ("basil-compliance", "aurora-issuer", TILL, "ann"):
        assert chain.refused(stranger, "identity.erase", member=custodial) == "NOT_AUTHORISED"
    chain.send("aurora-compliance", "identity.erase", member=custodial)
    chain.send("max", "identity.erase", member=own)
    assert chain.refused("aurora-compliance", "identity.erase", member=ANN) == "NOT_AUTHORISED"
    chain.send("ann", "identity.erase", member=ANN)


def test_after_an_exit_the_custodians_compliance_erases(chain: Chain) -> None:
    member, ends = enroll(chain, "aurora", "mia"), chain.time + DAY
    begin_exit(chain, "aurora", ends, "basil")
    chain.until(ends)
    assert chain.refused("aurora-compliance", "identity.erase", member=member) == "NOT_AUTHORISED"
    chain.send("basil-compliance", "identity.erase", member=member)


@pytest.mark.parametrize(
    ("call", "args"),
    [
        ("attest", {"level": 1, "provider": "N", "commitment": HASH, "expires": 2**52}),
        ("consent", {"purpose": "email", "granted": True, "text_hash": HASH}),
        ("accept_terms", {"brand": "aurora", "terms_hash": HASH}),
        ("card_add", {"commitment": HASH}),
        ("link", {"other": BOB}),
        ("refer", {"referrer": BOB}),
        ("referral_code", {}),
        ("pool_open", {"name": "home"}),
        ("erase", {}),
    ],
)
def test_nothing_more_is_noted_of_who_was_erased(chain: Chain, call: str, args: dict[str, Any]) -> None:
    chain.send("ann", "identity.erase", member=ANN)
    signers = ["ann", "bob", "aurora-compliance"]
    assert chain.refused("ann", f"identity.{call}", signers, member=ANN, **args) == "NOT_ELIGIBLE"


def test_who_was_erased_refers_nobody(chain: Chain) -> None:
    chain.send("ann", "identity.erase", member=ANN)
    assert chain.refused("bob", "identity.refer", member=BOB, referrer=ANN) == "NOT_ELIGIBLE"


def test_what_only_the_erased_held_together_is_one_shopper_still_for_referrals(chain: Chain) -> None:
    for other in ("ann", "bob"):
        args = {"member": account_of("cat"), "other": account_of(other)}
        chain.send("cat", "identity.link", ["cat", other], **args)
    chain.send("cat", "identity.erase", member=account_of("cat"))
    assert ask(chain, "linked_addresses", ANN) == (ANN,)
    assert chain.refused("ann", "identity.refer", member=ANN, referrer=BOB) == "NOT_ELIGIBLE"


def test_what_was_merged_into_it_goes_with_it_and_nothing_is_undone_then(scene: tuple[Chain, Listener]) -> None:
    chain, listener = scene
    old, new = enroll(chain, "aurora", "old"), enroll(chain, "aurora", "new")
    known(chain, old)
    chain.send("aurora-issuer", "identity.merge", from_=old, into=new, reason="same")
    listener.told.clear()
    assert chain.send("aurora-compliance", "identity.erase", member=new)["accounts"] == [new, old]
    assert listener.told == [
        ("erased", Erasure(new)),
        ("regrouped", Regrouped(tuple(sorted((ANN, old))))),
        ("erased", Erasure(old)),
        ("regrouped", Regrouped((ANN,))),
    ]
    assert ask(chain, "current_account", old) == new
    assert "level" not in chain.view("identity_member", member=new)
    assert chain.refused("aurora-issuer", "identity.unmerge", from_=old) == "NOT_ELIGIBLE"


def test_what_a_contract_above_refuses_is_not_erased(scene: tuple[Chain, Listener]) -> None:
    chain, listener = scene
    member = enroll(chain, "aurora", "mia")
    known(chain, member)
    before = chain.view("identity_member", member=member)
    listener.refuses = "erased"
    assert chain.refused("aurora-compliance", "identity.erase", member=member) == "FROZEN"
    assert chain.view("identity_member", member=member) == before


def test_why_an_account_was_merged_is_told_no_more_and_into_whom_is(chain: Chain) -> None:
    source, target = enroll(chain, "aurora", "mia"), enroll(chain, "aurora", "max")
    chain.send("aurora-issuer", "identity.merge", from_=source, into=target, reason="Mia Maier moved to Bonn")
    assert [key for key, value in chain.state.values.items() if b"Maier" in value] == [f"identity/merge/{source}"]
    chain.send("aurora-compliance", "identity.erase", member=target)
    assert not [key for key, value in chain.state.values.items() if b"Maier" in value]
    assert chain.view("identity_member", member=source)["merged_into"] == target


def test_a_card_of_who_was_erased_may_find_another_member(chain: Chain) -> None:
    """A shopper who has been erased may come again, with the same phone number."""
    first, second = enroll(chain, "aurora", "mia"), enroll(chain, "aurora", "max")
    chain.send(TILL, "identity.card_add", member=first, commitment=HASH)
    assert chain.refused(TILL, "identity.card_add", member=second, commitment=HASH) == "ALREADY_EXISTS"
    chain.send("aurora-compliance", "identity.erase", member=first)
    assert chain.send(TILL, "identity.card_add", member=second, commitment=HASH)["member"] == second
