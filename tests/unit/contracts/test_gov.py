"""Proposals, votes, what they change, key rotation and reports, one block each, on a chain in memory."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.messages import round_change_payload, seal_payload, vote_payload
from consensus.types import MAX_VALIDATORS as CONSENSUS_MAX_VALIDATORS
from consensus.types import MIN_VALIDATORS as CONSENSUS_MIN_VALIDATORS
from consensus.types import Roots
from contracts_py.gov import actions as gov_actions
from contracts_py.gov import reports as gov_reports
from contracts_py.gov import voting
from contracts_py.gov.proposals import VOTING_DAYS, find_proposal
from contracts_py.gov.records import MAX_ACTIONS, PROPOSALS, ParamChanges
from tests.contract_harness import CHAIN, Chain, account_of, brand_ops, key_of, program_args
from tests.support.ledger import key_of as real_key
from vm.chain_records import VALIDATOR_RECORDS, ValidatorEntry, ValidatorRecord
from vm.membership import (
    change_count,
    current_nodes,
    current_params,
    current_validators,
    validators_deciding,
    version_at,
)
from vm.metering import SIGNATURE
from vm.params import Params
from vm.primitives.hashing import sha256
from vm.primitives.keys import Domain
from vm.primitives.units import MS_PER_DAY

BRANDS = ("aurora", "basil", "comet", "dune", "echo", "fjord", "garnet", "harbor", "indigo", "juniper", "koi")
NEW_KEY = key_of("newcomer").hex()


def alliance(validators: int = 4, brands: int = 6) -> Chain:
    """Return a chain of brands, the first of which have validators."""
    ops = [op for brand in BRANDS[: max(brands, validators)] for op in brand_ops(brand)]
    entries = [ValidatorEntry(real_key(f"{brand}-validator").public_key, brand) for brand in BRANDS[:validators]]
    return Chain(ops, validators=entries)


def propose(chain: Chain, *actions: dict[str, Any], proposal: str = "change") -> None:
    chain.send("aurora-admin", "gov.propose", proposal=proposal, title="A change", actions=list(actions))


def vote(chain: Chain, *brands: str, proposal: str = "change", choice: str = "yes") -> str:
    status = ""
    for brand in brands:
        status = chain.send(f"{brand}-admin", "gov.vote", proposal=proposal, choice=choice)["status"]
    return status


def decided(chain: Chain, *actions: dict[str, Any]) -> dict[str, Any]:
    """Propose, vote with three of four, and return the proposal as it is shown."""
    propose(chain, *actions)
    vote(chain, "aurora", "basil", "comet")
    shown: dict[str, Any] = chain.view("gov_proposal", proposal="change")
    return shown


def brands_of(chain: Chain) -> list[str]:
    return sorted(entry.brand for entry in current_validators(chain.state))


def add_validator(brand: str = "echo", key: str = NEW_KEY) -> dict[str, Any]:
    return {"action": "add_validator", "brand": brand, "key": key}


# -- voting -------------------------------------------------------------------------------------------


def test_a_proposal_passes_with_more_than_two_thirds_and_happens_in_that_block() -> None:
    chain = alliance()
    propose(chain, add_validator())
    assert vote(chain, "aurora", "basil") == "open"
    assert brands_of(chain) == ["aurora", "basil", "comet", "dune"]
    assert vote(chain, "dune") == "passed"
    assert brands_of(chain) == ["aurora", "basil", "comet", "dune", "echo"]
    shown = chain.view("gov_proposal", proposal="change")
    assert (shown["status"], shown["yes"], shown["closed"]) == ("passed", 3, chain.height)
    assert (shown["voters"], shown["needed"]) == (5, 4), "of the set as it is now"
    assert "actions" not in shown, "they are in the transaction that proposed them"
    assert chain.view("gov_proposals") == {"items": [shown], "next": None}


def test_events_tell_every_step() -> None:
    chain = alliance()
    propose(chain, add_validator())
    vote(chain, "aurora", "basil")
    receipt = chain.send_ops("comet-admin", [("gov.vote", {"proposal": "change", "choice": "yes"})])
    assert chain.told(receipt) == [
        ("gov.voted", {"proposal": "change", "brand": "comet", "choice": "yes"}),
        ("gov.validator_added", {"brand": "echo", "key": NEW_KEY}),
        ("gov.passed", {"proposal": "change"}),
    ]


def test_a_brand_votes_once() -> None:
    chain = alliance()
    propose(chain, add_validator())
    vote(chain, "aurora")
    assert chain.refused("aurora-admin", "gov.vote", proposal="change", choice="yes") == "ALREADY_EXISTS"
    assert chain.refused("aurora-admin", "gov.vote", proposal="change", choice="no") == "ALREADY_EXISTS"
    chain.send("aurora-admin", "identity.grant_role", brand="aurora", role="admin", account=account_of("second"))
    assert chain.refused("second", "gov.vote", proposal="change", choice="yes") == "ALREADY_EXISTS"


def test_one_transaction_may_vote_for_every_brand_whose_admin_signs() -> None:
    chain = alliance()
    propose(chain, add_validator())
    signers = ["aurora-admin", "basil-admin", "comet-admin"]
    assert chain.send("aurora-admin", "gov.vote", signers, proposal="change", choice="yes")["status"] == "passed"


@pytest.mark.parametrize("who", ["echo-admin", "aurora-issuer", "nobody"])
def test_only_admins_of_brands_with_a_validator_propose_and_vote(who: str) -> None:
    chain = alliance()
    propose(chain, add_validator())
    assert chain.refused(who, "gov.vote", proposal="change", choice="yes") == "NOT_AUTHORISED"
    refused = chain.refused(who, "gov.propose", proposal="other", title="x", actions=[add_validator()])
    assert refused == "NOT_AUTHORISED"


def test_a_proposal_that_cannot_pass_any_more_is_rejected() -> None:
    chain = alliance()
    propose(chain, add_validator())
    assert vote(chain, "aurora", choice="no") == "open"
    assert vote(chain, "basil", choice="no") == "rejected"
    assert chain.refused("comet-admin", "gov.vote", proposal="change", choice="yes") == "NOT_ELIGIBLE"


def test_a_proposal_expires() -> None:
    chain = alliance()
    propose(chain, add_validator())
    vote(chain, "aurora", "basil")
    chain.block([], after_ms=VOTING_DAYS * MS_PER_DAY)
    assert chain.view("gov_proposal", proposal="change")["status"] == "expired"
    assert chain.refused("comet-admin", "gov.vote", proposal="change", choice="yes") == "EXPIRED"


def test_a_passed_proposal_is_closed_and_its_name_is_taken() -> None:
    chain = alliance()
    decided(chain, add_validator())
    assert chain.refused("dune-admin", "gov.vote", proposal="change", choice="yes") == "NOT_ELIGIBLE"
    again = chain.refused("aurora-admin", "gov.propose", proposal="change", title="x", actions=[add_validator()])
    assert again == "ALREADY_EXISTS"
    assert chain.refused("aurora-admin", "gov.vote", proposal="nothing", choice="yes") == "NOT_FOUND"


def test_votes_of_brands_that_have_left_do_not_count_and_a_smaller_set_may_be_woken() -> None:
    chain = alliance(validators=7, brands=7)
    propose(chain, add_validator("harbor-x"), proposal="stuck")
    vote(chain, "aurora", "basil", "comet", "garnet", proposal="stuck")
    propose(chain, *({"action": "remove_validator", "brand": brand} for brand in ("echo", "fjord", "garnet")))
    assert vote(chain, "aurora", "basil", "comet", "dune", "echo") == "passed"
    shown = chain.view("gov_proposal", proposal="stuck")
    assert (shown["yes"], shown["voters"], shown["needed"], shown["status"]) == (3, 4, 3, "open")
    assert vote(chain, "aurora", proposal="stuck") == "failed", "there is no such brand"


def test_what_cannot_be_proposed() -> None:
    chain = alliance()
    many = [{"action": "add_node", "key": key_of(str(i)).hex()} for i in range(MAX_ACTIONS + 1)]
    for actions in ([], many, [{"action": "exit_brand", "brand": "dune"}], [{"action": "add_node"}]):
        code = chain.refused("aurora-admin", "gov.propose", proposal="bad", title="x", actions=actions)
        assert code == "INVALID_ARGS"


def test_genesis_cannot_vote() -> None:
    with pytest.raises(Exception, match="NOT_AUTHORISED"):
        Chain([("gov.propose", {"proposal": "early", "title": "x", "actions": [add_validator()]})])


# -- what passes but cannot be done -------------------------------------------------------------------


def test_a_proposal_that_cannot_be_executed_fails_as_data_and_changes_nothing() -> None:
    chain = alliance()
    before = dict(chain.state.values)
    shown = decided(chain, {"action": "suspend_brand", "brand": "dune"}, add_validator("nobody"))
    assert shown["status"] == "failed"
    assert shown["failure"] == {"action": 1, "code": "NOT_FOUND", "message": "no such brand"}
    changed = {key for key, value in chain.state.values.items() if before.get(key) != value}
    assert all(key.startswith(("gov/", "chain/allowance/", "chain/replay/")) for key in changed), changed
    receipt_types = chain.view("identity_brand", brand="dune")
    assert receipt_types["suspended"] is False


def test_events_of_undone_actions_are_taken_back() -> None:
    chain = alliance()
    propose(chain, {"action": "suspend_brand", "brand": "dune"}, add_validator("nobody"))
    vote(chain, "aurora", "basil")
    receipt = chain.send_ops("comet-admin", [("gov.vote", {"proposal": "change", "choice": "yes"})])
    assert [event.type for event in receipt.events] == ["gov.voted", "gov.failed"]


def test_actions_have_no_authority_left_over_for_later_operations() -> None:
    chain = alliance()
    propose(chain, add_validator())
    vote(chain, "aurora", "basil")
    register = {"brand": "rogue", "name": "Rogue", "admins": [account_of("rogue")]}
    ops = [("gov.vote", {"proposal": "change", "choice": "yes"}), ("identity.register_brand", register)]
    receipt = chain.send_ops("comet-admin", ops)
    assert receipt.error
    assert (receipt.error.code, receipt.error.op) == ("NOT_AUTHORISED", 1)
    assert len(brands_of(chain)) == 4, "the transaction failed as a whole"


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (add_validator("aurora"), "ALREADY_EXISTS"),
        (add_validator("echo", real_key("aurora-validator").public_key.hex()), "ALREADY_EXISTS"),
        ({"action": "remove_validator", "brand": "echo"}, "NOT_FOUND"),
        ({"action": "remove_validator", "brand": "dune"}, "NOT_ELIGIBLE"),
        ({"action": "add_node", "key": real_key("aurora-validator").public_key.hex()}, "ALREADY_EXISTS"),
        ({"action": "remove_node", "key": NEW_KEY}, "NOT_FOUND"),
        ({"action": "register_brand", "brand": "dune", "name": "D", "admins": [account_of("x")]}, "ALREADY_EXISTS"),
        ({"action": "resume_brand", "brand": "dune"}, "NOT_ELIGIBLE"),
        (
            {"action": "replace_admins", "brand": "dune", "admins": [account_of("x"), account_of("x")]},
            "INVALID_ARGS",
        ),
        ({"action": "set_params", "params": {"max_tx_cost": 9_000_000}}, "INVALID_ARGS"),
        ({"action": "set_params", "params": {"round_timeout_ms": 1_000}}, "INVALID_ARGS"),
        ({"action": "schedule_upgrade", "version": 2, "height": 1_000}, "NOT_ELIGIBLE"),
        ({"action": "schedule_upgrade", "version": 3, "height": 5}, "EXPIRED"),
    ],
)
def test_reasons_of_failure(action: dict[str, Any], code: str) -> None:
    chain = alliance()
    shown = decided(chain, action)
    assert (shown["status"], shown["failure"]["code"]) == ("failed", code)


# -- actions ------------------------------------------------------------------------------------------


def test_a_validator_may_be_exchanged_at_the_smallest_size() -> None:
    chain = alliance()
    shown = decided(chain, {"action": "remove_validator", "brand": "dune"}, add_validator())
    assert shown["status"] == "passed"
    assert brands_of(chain) == ["aurora", "basil", "comet", "echo"]


def test_a_change_decides_two_heights_later_and_every_set_stays_known() -> None:
    chain = alliance()
    first = current_validators(chain.state)
    decided(chain, add_validator())
    changed_at = chain.height
    second = current_validators(chain.state)
    propose(chain, {"action": "remove_validator", "brand": "dune"}, proposal="back")
    vote(chain, "aurora", "basil", "comet", "echo", proposal="back")
    third_at, third = chain.height, current_validators(chain.state)
    assert [len(entries) for entries in (first, second, third)] == [4, 5, 4]
    for height in range(third_at + 3):
        expected = first if height < changed_at + 2 else second if height < third_at + 2 else third
        assert validators_deciding(chain.state, height) == expected, height


def test_two_changes_in_one_block_are_one_change() -> None:
    chain = alliance()
    propose(chain, add_validator(), proposal="one")
    propose(chain, add_validator("fjord", key_of("other").hex()), proposal="two")
    for proposal in ("one", "two"):
        vote(chain, "aurora", "basil", proposal=proposal)
    first = current_validators(chain.state)
    last_votes = [
        chain.transaction(
            account_of("comet-admin"), [("gov.vote", {"proposal": "one", "choice": "yes"})], ["comet-admin"]
        ),
        chain.transaction(
            account_of("comet-admin"), [("gov.vote", {"proposal": "two", "choice": "yes"})], ["comet-admin"]
        ),
        chain.transaction(
            account_of("dune-admin"), [("gov.vote", {"proposal": "two", "choice": "yes"})], ["dune-admin"]
        ),
    ]
    receipts = chain.block(last_votes).receipts
    assert [receipt.status for receipt in receipts] == ["ok"] * 4
    assert len(brands_of(chain)) == 6
    assert validators_deciding(chain.state, chain.height + 1) == first
    assert len(validators_deciding(chain.state, chain.height + 2)) == 6


def test_a_leaving_validators_seal_record_goes_with_it() -> None:
    chain = alliance(validators=5)
    key = real_key("dune-validator").public_key
    chain.state.write({VALIDATOR_RECORDS.keys.key((key,)): b"\x82\xa4seal\x01\xa4skip\x00"})
    assert VALIDATOR_RECORDS.get(chain.state, key) == ValidatorRecord(1, 0)
    propose(chain, {"action": "remove_validator", "brand": "dune"})
    vote(chain, "aurora", "basil", "comet", "echo")
    assert VALIDATOR_RECORDS.get(chain.state, key) is None


def test_a_full_node_becomes_a_validator() -> None:
    chain = alliance()
    decided(chain, {"action": "add_node", "key": NEW_KEY})
    assert current_nodes(chain.state) == (bytes.fromhex(NEW_KEY),)
    propose(chain, add_validator(), proposal="join")
    assert vote(chain, "aurora", "basil", "comet", proposal="join") == "passed"
    assert current_nodes(chain.state) == ()


def test_a_node_is_added_and_removed() -> None:
    chain = alliance()
    decided(chain, {"action": "add_node", "key": NEW_KEY}, {"action": "add_node", "key": key_of("node").hex()})
    assert current_nodes(chain.state) == tuple(sorted((key_of("node"), bytes.fromhex(NEW_KEY))))
    propose(chain, {"action": "remove_node", "key": key_of("node").hex()}, proposal="less")
    vote(chain, "aurora", "basil", "comet", proposal="less")
    assert current_nodes(chain.state) == (bytes.fromhex(NEW_KEY),)


def test_a_brand_is_registered_and_gets_a_validator_in_one_proposal() -> None:
    chain = alliance()
    register = {"action": "register_brand", "brand": "koi", "name": "Koi", "admins": [account_of("koi-admin")]}
    assert decided(chain, register, add_validator("koi"))["status"] == "passed"
    assert chain.view("identity_brand", brand="koi")["name"] == "Koi"
    propose(chain, {"action": "add_node", "key": key_of("n").hex()}, proposal="next")
    assert vote(chain, "koi", proposal="next") == "open"


def test_suspended_brands_may_not_issue_until_they_are_resumed() -> None:
    chain = alliance()
    chain.send("dune-admin", "token.create_program", **program_args("sand", "dune"))
    decided(chain, {"action": "suspend_brand", "brand": "dune"})
    issue = {"program": "sand", "to": account_of("ann"), "amount": 5}
    assert chain.refused("dune-issuer", "token.issue", **issue) == "SUSPENDED"
    propose(chain, {"action": "resume_brand", "brand": "dune"}, proposal="resume")
    vote(chain, "aurora", "basil", "dune", proposal="resume")
    chain.send("dune-issuer", "token.issue", **issue)


def test_lost_admins_are_replaced() -> None:
    chain = alliance()
    chain.send("dune-admin", "identity.grant_role", brand="dune", role="admin", account=account_of("kept"))
    action = {"action": "replace_admins", "brand": "dune", "admins": [account_of("kept"), account_of("found")]}
    assert decided(chain, action)["status"] == "passed"
    page = chain.view("identity_roles", brand="dune")["items"]
    admins = {item["account"] for item in page if "admin" in item["roles"]}
    assert admins == {account_of("kept"), account_of("found")}
    assert chain.refused("dune-admin", "identity.update_brand", brand="dune", name="Mine") == "NOT_AUTHORISED"


def test_parameters_change() -> None:
    chain = alliance()
    changes = {"round_timeout_ms": 3_000, "max_tx_cost": 300_000}
    assert decided(chain, {"action": "set_params", "params": changes})["status"] == "passed"
    params = current_params(chain.state)
    assert params == Params(round_timeout_ms=3_000, max_tx_cost=300_000)
    assert chain.view("gov_params")["round_timeout_ms"] == 3_000


def test_every_parameter_but_one_can_change() -> None:
    assert set(Params.__struct_fields__) - set(ParamChanges.__struct_fields__) == {"replay_slot_ms"}
    assert ParamChanges.__struct_fields__ == tuple(f for f in Params.__struct_fields__ if f != "replay_slot_ms")


def test_an_upgrade_is_scheduled_and_moved() -> None:
    chain = alliance()
    decided(chain, {"action": "schedule_upgrade", "version": 3, "height": 20})
    assert [version_at(chain.state, height, 2) for height in (19, 20)] == [2, 3]
    propose(chain, {"action": "schedule_upgrade", "version": 4, "height": 30}, proposal="later")
    vote(chain, "aurora", "basil", "comet", proposal="later")
    assert [version_at(chain.state, height, 2) for height in (20, 29, 30)] == [2, 2, 4]
    while chain.height < 30:
        chain.block([])
    propose(chain, {"action": "schedule_upgrade", "version": 5, "height": 99}, proposal="next")
    vote(chain, "aurora", "basil", "comet", proposal="next")
    assert [version_at(chain.state, height, 2) for height in (40, 98, 99)] == [4, 4, 5]


# -- key rotation -------------------------------------------------------------------------------------


def test_a_brand_rotates_its_validators_key() -> None:
    chain = alliance()
    old = real_key("dune-validator").public_key.hex()
    result = chain.send("dune-admin", "gov.rotate_key", ["dune-admin", "newcomer"], old=old, new=NEW_KEY)
    assert result == {"brand": "dune", "old": old, "new": NEW_KEY, "decides": chain.height + 2}
    keys = {entry.brand: entry.public_key.hex() for entry in current_validators(chain.state)}
    assert keys["dune"] == NEW_KEY
    assert len(keys) == 4
    assert chain.refused("dune-admin", "gov.rotate_key", old=old, new=NEW_KEY) == "NOT_FOUND"


def test_a_rotation_needs_the_brands_admin_and_the_new_key() -> None:
    chain = alliance()
    old = real_key("dune-validator").public_key.hex()
    assert chain.refused("dune-admin", "gov.rotate_key", old=old, new=NEW_KEY) == "NOT_AUTHORISED"
    args = {"old": old, "new": NEW_KEY}
    assert chain.refused("aurora-admin", "gov.rotate_key", ["aurora-admin", "newcomer"], **args) == "NOT_AUTHORISED"


def test_a_rotation_to_another_validators_key_is_refused() -> None:
    chain = alliance()
    chain.send("dune-admin", "gov.rotate_key", ["dune-admin", "newcomer"], old=_key("dune"), new=NEW_KEY)
    args = {"old": _key("comet"), "new": NEW_KEY}
    assert chain.refused("comet-admin", "gov.rotate_key", ["comet-admin", "newcomer"], **args) == "ALREADY_EXISTS"


def rotate(chain: Chain, old: str, new: str) -> dict[str, Any]:
    args = {"old": old, "new": key_of(new).hex()}
    return chain.send("dune-admin", "gov.rotate_key", ["dune-admin", new], **args)


def test_a_key_rotated_twice_within_two_blocks_decides_one_height() -> None:
    chain = alliance()
    first = rotate(chain, _key("dune"), "newcomer")
    second = rotate(chain, NEW_KEY, "next")
    assert (first["decides"] + 1, second["decides"]) == (second["decides"], chain.height + 2)
    keys = [
        next(entry.public_key for entry in validators_deciding(chain.state, height) if entry.brand == "dune")
        for height in range(chain.height, chain.height + 3)
    ]
    assert keys == [real_key("dune-validator").public_key, key_of("newcomer"), key_of("next")]


def test_rotations_of_a_day_are_bounded_for_each_brand() -> None:
    chain = alliance()
    old = _key("dune")
    for number in range(gov_actions.MAX_ROTATIONS_PER_DAY):
        old = rotate(chain, old, f"dune-{number}")["new"]
    args = {"old": old, "new": key_of("one-more").hex()}
    assert chain.refused("dune-admin", "gov.rotate_key", ["dune-admin", "one-more"], **args) == "LIMIT_EXCEEDED"
    other = {"old": _key("comet"), "new": key_of("other").hex()}
    chain.send("comet-admin", "gov.rotate_key", ["comet-admin", "other"], **other)
    again = [{"action": "remove_validator", "brand": "dune"}, add_validator("dune", key_of("one-more").hex())]
    assert decided(chain, *again)["status"] == "passed", "the alliance itself is not bound"
    chain.block([], after_ms=MS_PER_DAY)
    rotate(chain, key_of("one-more").hex(), "tomorrow")


def test_a_refused_rotation_is_not_counted() -> None:
    chain = alliance()
    chain.send("comet-admin", "gov.rotate_key", ["comet-admin", "newcomer"], old=_key("comet"), new=NEW_KEY)
    args = {"old": _key("dune"), "new": NEW_KEY}
    for _ in range(gov_actions.MAX_ROTATIONS_PER_DAY):
        assert chain.refused("dune-admin", "gov.rotate_key", ["dune-admin", "newcomer"], **args) == "ALREADY_EXISTS"
    rotate(chain, _key("dune"), "next")


def test_a_full_nodes_key_may_replace_a_validators_and_the_old_key_may_follow_as_a_node() -> None:
    chain = alliance()
    decided(chain, {"action": "add_node", "key": NEW_KEY})
    rotate(chain, _key("dune"), "newcomer")
    assert current_nodes(chain.state) == ()
    propose(chain, {"action": "add_node", "key": _key("dune")}, proposal="old")
    assert vote(chain, "aurora", "basil", "comet", proposal="old") == "passed"
    propose(chain, {"action": "remove_validator", "brand": "dune"}, add_validator("echo"), proposal="swap")
    assert vote(chain, "aurora", "basil", "comet", proposal="swap") == "passed", "a former validator's key is free"
    assert brands_of(chain) == ["aurora", "basil", "comet", "echo"]


def test_removing_and_adding_the_same_key_is_no_change_of_the_set() -> None:
    chain = alliance()
    before = current_validators(chain.state)
    shown = decided(chain, {"action": "remove_validator", "brand": "dune"}, add_validator("dune", _key("dune")))
    assert (shown["status"], current_validators(chain.state)) == ("passed", before)
    assert change_count(chain.state) == 1, "the genesis set alone"
    assert validators_deciding(chain.state, chain.height + 2) == before


def _key(brand: str) -> str:
    return real_key(f"{brand}-validator").public_key.hex()


def test_the_bounds_are_those_of_consensus() -> None:
    assert gov_actions.MIN_VALIDATORS == CONSENSUS_MIN_VALIDATORS
    assert gov_actions.MAX_VALIDATORS == CONSENSUS_MAX_VALIDATORS


# -- reports ------------------------------------------------------------------------------------------

DIGESTS = [sha256(b"one"), sha256(b"two")]
ROOTS = [Roots(sha256(b"s1"), sha256(b"r1")), Roots(sha256(b"s2"), sha256(b"r2"))]


def statement(step: str, which: int, height: int = 3, round_: int = 1, brand: str = "dune") -> dict[str, Any]:
    """Return what a validator signed, as the consensus core makes payloads."""
    key, digest, roots = real_key(f"{brand}-validator"), DIGESTS[which], ROOTS[which]
    if step in ("proposal", "prepare"):
        domain = Domain.PROPOSAL if step == "proposal" else Domain.PREPARE
        signature = key.sign(domain, vote_payload(CHAIN, height, round_, digest))
        return {"digest": digest.hex(), "signature": signature.hex()}
    if step == "commit":
        signature = key.sign(Domain.COMMIT, seal_payload(CHAIN, height, round_, DIGESTS[0], roots))
        roots_hex = {"state_root": roots.state_root.hex(), "receipts_root": roots.receipts_root.hex()}
        return {"digest": DIGESTS[0].hex(), **roots_hex, "signature": signature.hex()}
    prepared = (None, None) if which == 0 else (0, digest)
    signature = key.sign(Domain.ROUND_CHANGE, round_change_payload(CHAIN, height, round_, *prepared))
    shown = {} if which == 0 else {"prepared_round": 0, "prepared_digest": digest.hex()}
    return {**shown, "signature": signature.hex()}


def report(step: str = "prepare", brand: str = "dune", **changes: Any) -> dict[str, Any]:
    return {
        "validator": _key(brand),
        "height": 3,
        "round": 1,
        "step": step,
        "first": statement(step, 0, brand=brand),
        "second": statement(step, 1, brand=brand),
        **changes,
    }


def grown() -> Chain:
    chain = alliance()
    for _ in range(4):
        chain.block([])
    return chain


@pytest.mark.parametrize("step", ["proposal", "prepare", "commit", "round_change"])
def test_anyone_reports_a_contradiction_once(step: str) -> None:
    chain = grown()
    told = {"validator": _key("dune"), "brand": "dune", "height": 3, "round": 1, "step": step}
    assert chain.send("nobody", "gov.report", **report(step)) == {**told, "kept": 1, "counted": 0}
    assert chain.refused("somebody", "gov.report", **report(step)) == "ALREADY_EXISTS"
    (item,) = chain.view("gov_reports")["items"]
    assert {name: item[name] for name in told} == told
    assert (item["reporter"], item["reported"]) == (account_of("nobody"), 5)
    assert item["second"] == report(step)["second"]


def test_what_proves_nothing_is_refused() -> None:
    chain = grown()
    same = statement("prepare", 0)
    foreign = statement("prepare", 1, brand="comet")
    wrong = [
        report(second=same),
        report(second=foreign),
        report(second=statement("prepare", 1, height=2)),
        report(second=statement("prepare", 1, round_=0)),
        report(second=statement("proposal", 1)),
        report(second={**same, "digest": DIGESTS[1].hex()}),
        report(second={**statement("prepare", 1), "state_root": "00" * 32}),
        report("commit", second={**statement("prepare", 1)}),
        report(height=9),
        report(height=0),
        report_of(chain.height + 100),
        report_of(0),
    ]
    for args in wrong:
        assert chain.refused("nobody", "gov.report", **args) == "INVALID_ARGS", args
    assert chain.view("gov_reports") == {"items": [], "next": None}


def test_only_validators_of_that_height_are_reported() -> None:
    chain = grown()
    assert chain.refused("nobody", "gov.report", **report(brand="echo")) == "NOT_FOUND"


def test_a_validator_that_has_left_is_still_reported_for_its_heights() -> None:
    chain = alliance(validators=5)
    propose(chain, {"action": "remove_validator", "brand": "dune"})
    vote(chain, "aurora", "basil", "comet", "echo")
    for _ in range(4):
        chain.block([])
    chain.send("nobody", "gov.report", **report())


def test_reports_of_one_validator_are_bounded_and_further_ones_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gov_reports, "MAX_REPORTS_PER_VALIDATOR", 2)
    monkeypatch.setattr(gov_reports, "HEIGHTS_BETWEEN_COUNTED", 10)
    chain = alliance()
    while chain.height < 60:
        chain.block([])
    for number, args in enumerate([report_of(15), report("commit")], start=1):
        result = chain.send("nobody", "gov.report", **args)
        assert (result["kept"], result["counted"]) == (number, 0)
    state_keys = set(chain.state.values)
    for too_soon in (3, 16, 24):
        assert chain.refused("nobody", "gov.report", **report_of(too_soon)) == "LIMIT_EXCEEDED"
    for count, height in enumerate([25, 35, 50], start=1):
        result = chain.send("nobody", "gov.report", **report_of(height))
        assert (result["kept"], result["counted"]) == (2, count)
        for again in (height, height + 9, height - 5):
            assert chain.refused("nobody", "gov.report", **report_of(again)) == "LIMIT_EXCEEDED"
    assert _told(set(chain.state.values) - state_keys) == set(), "what is only counted takes no room"
    assert len(chain.view("gov_reports")["items"]) == 2
    assert chain.view("gov_reported", validator=_key("dune")) == {"kept": 2, "counted": 3, "height": 50}
    chain.send("nobody", "gov.report", **report("commit", brand="comet"))
    assert chain.view("gov_reported", validator=_key("comet")) == {"kept": 1, "counted": 0, "height": 3}
    assert chain.view("gov_reported", validator=_key("basil")) == {"kept": 0, "counted": 0, "height": 0}


def report_of(height: int, step: str = "prepare") -> dict[str, Any]:
    return report(
        step, height=height, first=statement(step, 0, height=height), second=statement(step, 1, height=height)
    )


def _told(keys: set[str]) -> set[str]:
    return {key for key in keys if key.startswith("gov/")}


def test_what_is_only_counted_must_be_proved_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gov_reports, "MAX_REPORTS_PER_VALIDATOR", 0)
    monkeypatch.setattr(gov_reports, "HEIGHTS_BETWEEN_COUNTED", 1)
    chain = grown()
    forged = report(second={**statement("prepare", 0), "digest": DIGESTS[1].hex()})
    assert chain.refused("nobody", "gov.report", **forged) == "INVALID_ARGS"
    assert chain.view("gov_reported", validator=_key("dune"))["counted"] == 0
    assert chain.send("nobody", "gov.report", **report())["counted"] == 1


def test_heights_long_past_are_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gov_reports, "MAX_REPORT_AGE", 3)
    chain = grown()
    while chain.height < 5:
        chain.block([])
    chain.send("nobody", "gov.report", **report("prepare"))
    assert chain.height == 3 + gov_reports.MAX_REPORT_AGE
    assert chain.refused("nobody", "gov.report", **report("commit")) == "EXPIRED"


def test_a_forged_report_costs_its_sender_as_much_as_a_true_one() -> None:
    chain = grown()
    forged = report("commit", second={**statement("commit", 0), "state_root": "00" * 32})
    false = chain.send_ops("forger", [("gov.report", forged)])
    true = chain.send_ops("witness", [("gov.report", report("commit"))])
    assert (false.status, true.status) == ("failed", "ok")
    assert false.cost > 2 * SIGNATURE
    assert false.cost > true.cost // 2


def test_forgers_run_out_of_their_allowance() -> None:
    chain = Chain(
        [op for brand in BRANDS[:4] for op in brand_ops(brand)],
        Params(account_cost_per_window=10_000),
        [ValidatorEntry(real_key(f"{brand}-validator").public_key, brand) for brand in BRANDS[:4]],
    )
    for _ in range(4):
        chain.block([])
    forged = report("commit", second={**statement("commit", 0), "state_root": "00" * 32})
    ops = [("gov.report", forged)]
    sent = [chain.transaction(account_of("forger"), ops, ["forger"]) for _ in range(60)]
    codes = [receipt.error.code for receipt in chain.block(sent).receipts[:-1] if receipt.error]
    assert codes[0] == "INVALID_ARGS"
    assert codes[-1] == "OUT_OF_BUDGET"


def test_a_report_names_every_value_that_its_statements_sign() -> None:
    unsaid = {"signature": statement("prepare", 1)["signature"]}
    receipt = grown().send_ops("nobody", [("gov.report", report(second=unsaid))])
    assert receipt.error
    assert receipt.error.details == {"field": "second.digest"}


def test_exactly_two_thirds_are_not_enough_and_a_third_rejects() -> None:
    chain = alliance(6)
    for proposal in ("first", "second"):
        propose(chain, add_validator("garnet"), proposal=proposal)
    assert vote(chain, "aurora", "basil", "comet", "dune", proposal="first") == "open"
    assert vote(chain, "aurora", proposal="second", choice="no") == "open"
    assert vote(chain, "basil", proposal="second", choice="no") == "rejected"


def test_votes_stand_in_the_order_of_brands() -> None:
    chain = alliance(6)
    propose(chain, add_validator("garnet"))
    vote(chain, "comet", "aurora", "basil")
    record = PROPOSALS.require(chain.context(), "change")
    assert [cast.brand for cast in record.votes] == ["aurora", "basil", "comet"]


def test_voters_and_votes_are_paid_for_one_by_one() -> None:
    chain = alliance(6)
    propose(chain, add_validator("garnet"))
    vote(chain, "comet", "aurora", "basil")
    read, looked_up = chain.context(), chain.context()
    PROPOSALS.require(read, "change")
    find_proposal(looked_up, "change")
    assert looked_up.cost == read.cost + 3
    read, looked_up = chain.context(), chain.context()
    current_validators(read)
    assert len(voting._voters(looked_up)) == 6
    assert looked_up.cost == read.cost + 6


def test_the_set_and_the_nodes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gov_actions, "MAX_VALIDATORS", 4)
    monkeypatch.setattr(gov_actions, "MAX_NODES", 1)
    nodes = [{"action": "add_node", "key": key_of(name).hex()} for name in ("n1", "n2")]
    assert decided(alliance(), add_validator())["failure"]["code"] == "LIMIT_EXCEEDED"
    assert decided(alliance(), nodes[0])["status"] == "passed"
    assert decided(alliance(), *nodes)["failure"]["code"] == "LIMIT_EXCEEDED"


def test_a_full_nodes_key_is_listed_once() -> None:
    node = {"action": "add_node", "key": key_of("n1").hex()}
    failure = decided(alliance(), node, node)["failure"]
    assert (failure["action"], failure["code"]) == (1, "ALREADY_EXISTS")
