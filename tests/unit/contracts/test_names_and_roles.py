"""Names that a brand reserves, roles that a brand gives unasked, and what neither lets a stranger do.

The last part is a table of attempts to act without authority, which an attacker made against a running network.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract_harness import Chain, account_of, brand_ops, key_of, program_args
from vm.chain_records import ValidatorEntry
from vm.metering import READ
from vm.primitives.address import address_of_member

BRANDS = ("aurora", "basil", "comet", "dune")
ANN, BOB = account_of("ann"), account_of("bob")
REF = "ab" * 32
MEMBER = address_of_member("aurora", bytes.fromhex(REF))
ADD_NODE = {"action": "add_node", "key": key_of("node").hex()}


@pytest.fixture
def chain() -> Chain:
    ops = [op for brand in BRANDS for op in brand_ops(brand)]
    return Chain(ops, validators=[ValidatorEntry(key_of(brand), brand) for brand in BRANDS])


@pytest.fixture
def peopled(chain: Chain) -> Chain:
    """Return a chain with a program of aurora's and basil's, a custodial member of aurora's, and points."""
    for program, brand in (("sun", "aurora"), ("leaf", "basil")):
        chain.send(f"{brand}-admin", "token.create_program", **program_args(program, brand))
        for to in (ANN, BOB):
            chain.send(f"{brand}-issuer", "token.issue", program=program, to=to, amount=100)
    chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref=REF)
    chain.send("aurora-issuer", "token.issue", program="sun", to=MEMBER, amount=100)
    return chain


def grant(chain: Chain, brand: str, role: str, who: str) -> None:
    chain.send(f"{brand}-admin", "identity.grant_role", brand=brand, role=role, account=account_of(who))


def register(chain: Chain, brand: str) -> None:
    action = {"action": "register_brand", "brand": brand, "name": brand, "admins": [account_of(f"{brand}-admin")]}
    chain.send("comet-admin", "gov.propose", proposal=f"add-{brand}", title="x", actions=[action])
    for voter in ("aurora", "basil", "comet"):
        chain.send(f"{voter}-admin", "gov.vote", proposal=f"add-{brand}", choice="yes")


def frozen(chain: Chain, program: str, account: str = ANN) -> bool:
    told: bool = chain.view("token_balance", program=program, account=account)["frozen"]
    return told


# -- names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["aurora", "aurora-points", "aurora-", "aurora--", "aurora-points-2"])
def test_what_begins_with_a_brands_slug_is_that_brands(chain: Chain, name: str) -> None:
    error = chain.send_ops("basil-admin", [("token.create_program", program_args(name, "basil"))]).error
    assert error is not None
    assert (error.code, error.details) == ("NOT_AUTHORISED", {"name": name, "brand": "aurora"})
    propose = {"proposal": name, "title": "x", "actions": [ADD_NODE]}
    assert chain.refused("basil-admin", "gov.propose", **propose) == "NOT_AUTHORISED"
    chain.send("aurora-admin", "token.create_program", **program_args(name, "aurora"))
    assert chain.send("aurora-admin", "gov.propose", **propose)["proposal"] == name


@pytest.mark.parametrize("name", ["auroras", "auror", "points-aurora", "my-aurora-points", "echo-points"])
def test_other_names_are_first_come_first_served(chain: Chain, name: str) -> None:
    chain.send("basil-admin", "token.create_program", **program_args(name, "basil"))
    chain.send("basil-admin", "gov.propose", proposal=name, title="x", actions=[ADD_NODE])
    assert chain.refused("aurora-admin", "token.create_program", **program_args(name, "aurora")) == "ALREADY_EXISTS"


def test_a_brand_registered_later_evicts_nothing_and_reserves_what_is_free(chain: Chain) -> None:
    chain.send("basil-admin", "token.create_program", **program_args("echo-points", "basil"))
    register(chain, "echo")
    chain.send("basil-issuer", "token.issue", program="echo-points", to=ANN, amount=5)
    assert (
        chain.refused("basil-admin", "token.create_program", **program_args("echo-more", "basil"))
        == "NOT_AUTHORISED"
    )
    chain.send("echo-admin", "token.create_program", **program_args("echo-more", "echo"))
    assert (
        chain.refused("echo-admin", "token.create_program", **program_args("echo-points", "echo"))
        == "ALREADY_EXISTS"
    )


def test_the_longest_brand_that_fits_has_the_name(chain: Chain) -> None:
    register(chain, "comet-air")
    mine = program_args("comet-air-miles", "comet")
    assert chain.refused("comet-admin", "token.create_program", **mine) == "NOT_AUTHORISED"
    chain.send("comet-air-admin", "token.create_program", **program_args("comet-air-miles", "comet-air"))
    theirs = program_args("comet-rail", "comet-air")
    assert chain.refused("comet-air-admin", "token.create_program", **theirs) == "NOT_AUTHORISED"
    chain.send("comet-admin", "token.create_program", **program_args("comet-airline", "comet"))


def test_looking_for_the_owner_is_paid_for_and_bounded(chain: Chain) -> None:
    costs = []
    for name in ("zz", "z" + "-" * 31):
        op = ("token.create_program", program_args(name, "basil", name="x"))
        costs.append(chain.send_ops("basil-admin", [op]).cost)
    assert 30 * READ <= costs[1] - costs[0] <= 31 * READ + 60


def test_genesis_keeps_to_the_same_rule() -> None:
    with pytest.raises(Exception, match="reserved for the brand aurora"):
        Chain(
            [*brand_ops("aurora"), *brand_ops("basil"), ("token.create_program", program_args("aurora-x", "basil"))]
        )


# -- roles --------------------------------------------------------------------------------------------


def test_a_freeze_reaches_the_programs_of_one_brand_only(peopled: Chain) -> None:
    grant(peopled, "basil", "compliance", "aurora-compliance")
    for call in ("token.freeze", "token.unfreeze"):
        error = peopled.send_ops("aurora-compliance", [(call, {"account": ANN})]).error
        assert error is not None
        assert (error.code, error.details) == ("INVALID_ARGS", {"field": "brand"})
    peopled.send("aurora-compliance", "token.freeze", account=ANN, brand="aurora")
    assert (frozen(peopled, "sun"), frozen(peopled, "leaf")) == (True, False)
    peopled.send("aurora-compliance", "token.freeze", account=ANN, brand="basil")
    peopled.send("aurora-compliance", "token.unfreeze", account=ANN, brand="aurora")
    assert (frozen(peopled, "sun"), frozen(peopled, "leaf")) == (False, True)


def test_a_freeze_without_a_brand_is_for_the_only_one_of_the_signers(peopled: Chain) -> None:
    peopled.send("ann", "token.freeze", ["ann", "basil-compliance"], account=BOB)
    assert (frozen(peopled, "sun", BOB), frozen(peopled, "leaf", BOB)) == (False, True)
    both = ["aurora-compliance", "basil-compliance"]
    assert peopled.refused("aurora-compliance", "token.freeze", both, account=ANN) == "INVALID_ARGS"
    peopled.send("aurora-compliance", "token.freeze", both, account=ANN, brand="basil")
    assert (frozen(peopled, "sun"), frozen(peopled, "leaf")) == (False, True)


def test_a_freeze_names_a_brand_at_which_the_signers_do_compliance(peopled: Chain) -> None:
    freeze = {"account": ANN}
    assert peopled.refused("aurora-compliance", "token.freeze", **freeze, brand="basil") == "NOT_AUTHORISED"
    assert peopled.refused("aurora-compliance", "token.freeze", **freeze, brand="nobody") == "NOT_FOUND"
    wrong = {**freeze, "program": "sun", "brand": "basil"}
    assert peopled.refused("aurora-compliance", "token.freeze", **wrong) == "INVALID_ARGS"
    peopled.send("aurora-compliance", "token.freeze", account=ANN, program="sun", brand="aurora")
    assert frozen(peopled, "sun")


def test_a_freeze_emits_its_brand_once(peopled: Chain) -> None:
    receipt = peopled.send_ops("aurora-compliance", [("token.freeze", {"account": ANN, "brand": "aurora"})])
    assert peopled.told(receipt) == [("token.frozen", {"brand": "aurora", "account": ANN})]


def test_a_brand_wide_freeze_stops_burning_and_redeeming(peopled: Chain) -> None:
    peopled.send("aurora-compliance", "token.freeze", account=ANN)
    assert peopled.refused("ann", "token.burn", program="sun", amount=1) == "FROZEN"
    redeem = {"program": "sun", "from_": ANN, "amount": 1, "at_brand": "aurora", "ref": "r"}
    assert peopled.refused("ann", "token.redeem", ["ann", "aurora-cashier"], **redeem) == "FROZEN"


def test_an_account_gives_up_its_own_role(chain: Chain) -> None:
    grant(chain, "basil", "compliance", "aurora-compliance")
    role = {"brand": "basil", "role": "compliance", "account": account_of("aurora-compliance")}
    assert chain.refused("aurora-admin", "identity.revoke_role", **role) == "NOT_AUTHORISED"
    left = chain.send("aurora-compliance", "identity.revoke_role", **role)
    assert left["roles"] == []
    assert chain.view("identity_account", account=role["account"])["roles"] == {"aurora": ["compliance"]}
    assert chain.refused("aurora-compliance", "identity.revoke_role", **role) == "NOT_FOUND"


def test_a_co_signer_gives_up_its_role_but_not_by_a_key_that_is_rotated_away(chain: Chain) -> None:
    role = {"brand": "basil", "role": "issuer", "account": ANN}
    grant(chain, "basil", "issuer", "ann")
    chain.send("bob", "identity.revoke_role", ["bob", "ann"], **role)
    grant(chain, "basil", "issuer", "ann")
    chain.send("ann", "identity.set_auth", keys=[key_of("new").hex()], threshold=1)
    assert chain.refused("bob", "identity.revoke_role", ["bob", "ann"], **role) == "NOT_AUTHORISED"
    chain.send("ann", "identity.revoke_role", ["new"], **role)


def test_the_last_admin_cannot_give_up(chain: Chain) -> None:
    role = {"brand": "dune", "role": "admin", "account": account_of("dune-admin")}
    assert chain.refused("dune-admin", "identity.revoke_role", **role) == "NOT_ELIGIBLE"


def test_a_custodian_does_not_give_up_its_members_role(peopled: Chain) -> None:
    role = {"brand": "basil", "role": "oracle", "account": MEMBER}
    peopled.send("basil-admin", "identity.grant_role", **role)
    assert peopled.refused("aurora-issuer", "identity.revoke_role", **role) == "NOT_AUTHORISED"


# -- attempts that must fail --------------------------------------------------------------------------

Attempt = tuple[str, list[str], str, dict[str, Any], str]

ATTEMPTS: dict[str, Attempt] = {
    "a stranger enrols": (
        "eve",
        ["eve"],
        "identity.enroll",
        {"brand": "aurora", "ref": "cd" * 32},
        "NOT_AUTHORISED",
    ),
    "another brand's issuer enrols": (
        "basil-issuer",
        ["basil-issuer"],
        "identity.enroll",
        {"brand": "aurora", "ref": "cd" * 32},
        "NOT_AUTHORISED",
    ),
    "another brand's issuer issues": (
        "basil-issuer",
        ["basil-issuer"],
        "token.issue",
        {"program": "sun", "to": MEMBER, "amount": 1},
        "NOT_AUTHORISED",
    ),
    "another brand's cashier moves a member's points": (
        "basil-cashier",
        ["basil-cashier"],
        "token.transfer",
        {"program": "sun", "to": BOB, "amount": 1, "from": MEMBER},
        "NOT_AUTHORISED",
    ),
    "another brand redeems a member's points at its own till": (
        "basil-cashier",
        ["basil-cashier"],
        "token.redeem",
        {"program": "sun", "from": MEMBER, "amount": 1, "at_brand": "basil", "ref": "x"},
        "NOT_AUTHORISED",
    ),
    "another brand redeems at the issuer's till": (
        "basil-cashier",
        ["basil-cashier"],
        "token.redeem",
        {"program": "sun", "from": MEMBER, "amount": 1, "at_brand": "aurora", "ref": "x"},
        "NOT_AUTHORISED",
    ),
    "a stranger claims a member": (
        "eve",
        ["eve"],
        "identity.claim",
        {"member": MEMBER, "key": key_of("eve").hex()},
        "NOT_AUTHORISED",
    ),
    "another brand's issuer claims a member for a key": (
        "basil-issuer",
        ["basil-issuer", "eve"],
        "identity.claim",
        {"member": MEMBER, "key": key_of("eve").hex()},
        "NOT_AUTHORISED",
    ),
    "a cashier of the custodian claims for a key": (
        "aurora-cashier",
        ["aurora-cashier", "eve"],
        "identity.claim",
        {"member": MEMBER, "key": key_of("eve").hex()},
        "NOT_AUTHORISED",
    ),
    "the custodian claims for a key that has not signed": (
        "aurora-issuer",
        ["aurora-issuer"],
        "identity.claim",
        {"member": MEMBER, "key": key_of("eve").hex()},
        "NOT_AUTHORISED",
    ),
    "a stranger makes itself admin": (
        "eve",
        ["eve"],
        "identity.grant_role",
        {"brand": "aurora", "role": "admin", "account": account_of("eve")},
        "NOT_AUTHORISED",
    ),
    "another brand's admin makes itself admin": (
        "basil-admin",
        ["basil-admin"],
        "identity.grant_role",
        {"brand": "aurora", "role": "admin", "account": account_of("basil-admin")},
        "NOT_AUTHORISED",
    ),
    "an issuer makes itself admin": (
        "aurora-issuer",
        ["aurora-issuer"],
        "identity.grant_role",
        {"brand": "aurora", "role": "admin", "account": account_of("aurora-issuer")},
        "NOT_AUTHORISED",
    ),
    "a brand registers another": (
        "basil-admin",
        ["basil-admin"],
        "identity.register_brand",
        {"brand": "evil", "name": "e", "admins": [account_of("basil-admin")]},
        "NOT_AUTHORISED",
    ),
    "an action is called directly": (
        "basil-admin",
        ["basil-admin"],
        "gov.replace_admins",
        {"brand": "aurora", "admins": [account_of("basil-admin")]},
        "UNKNOWN_CALL",
    ),
    "another contract's function is called": (
        "basil-admin",
        ["basil-admin"],
        "identity.set_suspended",
        {"brand": "aurora", "suspended": True},
        "UNKNOWN_CALL",
    ),
    "a private function is called": (
        "basil-admin",
        ["basil-admin"],
        "identity._grant",
        {"brand": "aurora", "role": "admin", "account": account_of("basil-admin")},
        "UNKNOWN_CALL",
    ),
    "a system step is called": ("basil-admin", ["basil-admin"], "gov.on_block", {}, "UNKNOWN_CALL"),
    "a view is called as a call": ("basil-admin", ["basil-admin"], "identity.brands", {}, "UNKNOWN_CALL"),
    "another brand's validator key is rotated": (
        "basil-admin",
        ["basil-admin", "eve"],
        "gov.rotate_key",
        {"old": key_of("aurora").hex(), "new": key_of("eve").hex()},
        "NOT_AUTHORISED",
    ),
    "another brand's program is frozen": (
        "basil-compliance",
        ["basil-compliance"],
        "token.freeze",
        {"account": MEMBER, "program": "sun"},
        "NOT_AUTHORISED",
    ),
    "a stranger proposes": (
        "eve",
        ["eve"],
        "gov.propose",
        {"proposal": "p-0", "title": "x", "actions": [ADD_NODE]},
        "NOT_AUTHORISED",
    ),
    "a stranger votes": ("eve", ["eve"], "gov.vote", {"proposal": "routine", "choice": "yes"}, "NOT_AUTHORISED"),
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_an_attempt_without_authority_is_refused_and_changes_nothing(peopled: Chain, attempt: Attempt) -> None:
    who, signers, call, args, code = attempt
    peopled.send("dune-admin", "gov.propose", proposal="routine", title="x", actions=[ADD_NODE])
    before = dict(peopled.state.values)
    receipt = peopled.send_ops(who, [(call, args)], signers)
    assert receipt.error is not None
    assert receipt.error.code == code
    changed = {
        key
        for key in before.keys() | peopled.state.values.keys()
        if before.get(key) != peopled.state.values.get(key)
    }
    assert all(key.startswith(("chain/allowance/", "chain/replay/")) for key in changed), changed


def test_nobody_sends_as_a_member_whose_key_it_does_not_hold(peopled: Chain) -> None:
    take = ("token.transfer", {"program": "sun", "to": account_of("eve"), "amount": 1})
    rekey = ("identity.set_auth", {"keys": [key_of("eve").hex()], "threshold": 1})
    for op in (take, rekey):
        for signers in (["eve"], ["aurora-issuer"], ["aurora-admin", "aurora-issuer", "aurora-cashier"]):
            receipt = peopled.block([peopled.transaction(MEMBER, [op], signers)]).receipts[0]
            assert receipt.error is not None
            assert receipt.error.code == "NOT_AUTHORISED"
    assert f"chain/allowance/{MEMBER}" not in peopled.state.values, "a stranger uses up nobody's allowance"


def test_after_a_claim_the_custodian_has_no_more_to_say(peopled: Chain) -> None:
    peopled.send(
        "aurora-issuer", "identity.claim", ["aurora-issuer", "mia"], member=MEMBER, key=key_of("mia").hex()
    )
    claim = {"member": MEMBER, "key": key_of("eve").hex()}
    assert peopled.refused("aurora-issuer", "identity.claim", ["aurora-issuer", "eve"], **claim) == "ALREADY_EXISTS"
    assert peopled.refused("aurora-issuer", "identity.enroll", brand="aurora", ref=REF) == "ALREADY_EXISTS"
    for who in ("aurora-issuer", "aurora-cashier"):
        move = {"program": "sun", "to": BOB, "amount": 1, "from_": MEMBER}
        assert peopled.refused(who, "token.transfer", **move) == "NOT_AUTHORISED"
    redeem = {"program": "sun", "from_": MEMBER, "amount": 1, "at_brand": "aurora", "ref": "y"}
    assert peopled.refused("aurora-cashier", "token.redeem", **redeem) == "NOT_AUTHORISED"
    op = ("token.transfer", {"program": "sun", "to": BOB, "amount": 1})
    assert peopled.block([peopled.transaction(MEMBER, [op], ["mia"])]).receipts[0].status == "ok"


def test_a_brands_vote_counts_once_however_it_is_repeated(chain: Chain) -> None:
    take = {"action": "replace_admins", "brand": "aurora", "admins": [account_of("basil-admin")]}
    chain.send("basil-admin", "gov.propose", proposal="routine", title="routine", actions=[take])
    cast = ("gov.vote", {"proposal": "routine", "choice": "yes"})
    thrice = chain.send_ops("basil-admin", [cast, cast, cast])
    assert thrice.error is not None
    assert (thrice.error.code, thrice.error.op) == ("ALREADY_EXISTS", 1)
    assert chain.view("gov_proposal", proposal="routine")["votes"] == {}
    chain.send("basil-admin", "gov.vote", proposal="routine", choice="yes")
    grant(chain, "basil", "admin", "eve")
    assert chain.refused("eve", "gov.vote", proposal="routine", choice="yes") == "ALREADY_EXISTS"
    shown = chain.view("gov_proposal", proposal="routine")
    assert (shown["votes"], shown["status"]) == ({"basil": "yes"}, "open")


def test_one_brands_compliance_does_not_undo_anothers(peopled: Chain) -> None:
    peopled.send("aurora-compliance", "token.freeze", account=ANN)
    peopled.send("basil-compliance", "token.unfreeze", account=ANN)
    assert peopled.refused("ann", "token.transfer", program="sun", to=BOB, amount=1) == "FROZEN"
    peopled.send("aurora-compliance", "token.unfreeze", account=ANN)
    peopled.send("ann", "token.transfer", program="sun", to=BOB, amount=1)
