"""`entente vote`: what it shows, what it signs, and when it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from node.cli.vote_command import hash_of_actions
from tests.support.fake_node import RECEIPT, FakeNode, run
from vm.primitives.codec import encode
from vm.primitives.hashing import sha256
from vm.transaction import parse_transaction

ACTIONS = [{"action": "replace_admins", "brand": "aurora", "admins": ["ent1basil"]}]
HASH = sha256(encode(ACTIONS)).hex()


@pytest.fixture
def voting(node: FakeNode) -> FakeNode:
    node.answers |= {
        "tx_send": RECEIPT,
        "gov_proposal": {
            "proposal": "routine",
            "brand": "basil",
            "title": "Nothing \x1b[8mspecial",
            "actions": ACTIONS,
            "actions_hash": HASH,
            "status": "open",
            "yes": 1,
            "no": 0,
            "needed": 3,
            "voters": 4,
        },
    }
    return node


def sent(node: FakeNode) -> list[Any]:
    raws = [params["tx"] for method, params, _ in node.asked if method == "tx_send"]
    return [parse_transaction(bytes.fromhex(raw)).body.ops for raw in raws]


def test_it_shows_the_actions_asks_and_signs_their_hash(voting: FakeNode, key_file: Path) -> None:
    result = run("vote", "routine", "no", "--key", key_file, "--rpc", voting.url, "--json", stdin="y\n")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == RECEIPT
    assert "replace_admins" in result.stderr
    assert HASH in result.stderr
    assert sent(voting) == [[("gov.vote", {"proposal": "routine", "choice": "no", "actions_hash": HASH})]]


def test_a_title_cannot_write_over_what_is_shown(voting: FakeNode, key_file: Path) -> None:
    result = run("vote", "routine", "no", "--key", key_file, "--rpc", voting.url, "--assume-yes")
    assert "Nothing \\u001b[8mspecial" in result.stderr
    assert "\x1b[8m" not in result.stderr


def test_nothing_is_sent_without_a_yes(voting: FakeNode, key_file: Path) -> None:
    for answer in ("n\n", ""):
        result = run("vote", "routine", "yes", "--key", key_file, "--rpc", voting.url, stdin=answer)
        assert result.exit_code == 1
    assert sent(voting) == []


def test_a_hash_that_is_named_is_not_asked_about_and_must_be_the_proposals(
    voting: FakeNode, key_file: Path
) -> None:
    signed = ("--key", key_file, "--rpc", voting.url, "--brand", "aurora")
    assert run("vote", "routine", "yes", *signed, "--actions-hash", HASH).exit_code == 0
    expected = {"proposal": "routine", "choice": "yes", "actions_hash": HASH, "brand": "aurora"}
    assert sent(voting) == [[("gov.vote", expected)]]
    result = run("vote", "routine", "yes", *signed, "--actions-hash", "00" * 32)
    assert (result.exit_code, HASH in result.stderr) == (1, True)
    assert len(sent(voting)) == 1


def test_a_node_that_shows_other_actions_than_it_hashes_is_not_believed(voting: FakeNode, key_file: Path) -> None:
    voting.answers["gov_proposal"]["actions"] = [{"action": "add_node", "key": "ab" * 32}]
    result = run("vote", "routine", "yes", "--key", key_file, "--rpc", voting.url, "--assume-yes")
    assert (result.exit_code, "ask another node" in result.stderr) == (1, True)
    assert sent(voting) == []


def test_a_closed_proposal_takes_no_vote(voting: FakeNode, key_file: Path) -> None:
    shown = voting.answers["gov_proposal"]
    del shown["actions"]
    shown["status"] = "passed"
    result = run("vote", "routine", "yes", "--key", key_file, "--rpc", voting.url, "--assume-yes")
    assert (result.exit_code, "routine is passed" in result.stderr) == (1, True)


def test_actions_that_no_chain_can_hold_are_told_as_such(voting: FakeNode) -> None:
    with pytest.raises(Exception, match="no proposal can hold"):
        hash_of_actions({**voting.answers["gov_proposal"], "actions": [{"action": 0.5}]})
