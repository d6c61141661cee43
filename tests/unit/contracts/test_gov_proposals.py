"""What a brand may have open, what becomes of a closed proposal, and what a vote names."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgpack
import pytest

from contracts_py.calendar import MAX_OFFSETS
from contracts_py.gov import proposals as gov_proposals
from contracts_py.gov.proposals import MAX_OPEN_PER_BRAND, VOTING_DAYS
from contracts_py.identity.brands import MAX_ADMINS_AT_START
from tests.contract_harness import Chain, account_of, as_read, brand_ops, key_of
from tests.support.agenda import items_per_block
from vm.chain_records import ValidatorEntry
from vm.primitives.units import MS_PER_DAY
from vm.receipt import Receipt

BRANDS = ("aurora", "basil", "comet", "dune")
ADD_NODE = {"action": "add_node", "key": key_of("node").hex()}
OFFSETS = [{"from": 1_700_000_000_000 + i, "minutes": -840} for i in range(MAX_OFFSETS)]


@pytest.fixture
def chain() -> Chain:
    ops = [op for brand in (*BRANDS, "echo") for op in brand_ops(brand)]
    return Chain(ops, validators=[ValidatorEntry(key_of(brand), brand) for brand in BRANDS])


def arguments(proposal: str = "change", *actions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"proposal": proposal, "title": "A change", "actions": list(actions or [ADD_NODE]), **more}


def propose(chain: Chain, who: str = "aurora-admin", proposal: str = "change", *actions: dict[str, Any]) -> Any:
    return chain.send(who, "gov.propose", **arguments(proposal, *actions))


def vote(chain: Chain, *brands: str, proposal: str = "change", choice: str = "yes", **more: Any) -> str:
    status = ""
    for brand in brands:
        status = chain.send(f"{brand}-admin", "gov.vote", proposal=proposal, choice=choice, **more)["status"]
    return status


def refusal(chain: Chain, who: str, call: str, signers: list[str] | None = None, **args: Any) -> Any:
    error = chain.send_ops(who, [(call, args)], signers).error
    assert error is not None
    return error


def registration(number: int, admins: int = MAX_ADMINS_AT_START, offsets: int = MAX_OFFSETS) -> dict[str, Any]:
    """Return the longest action there is."""
    return {
        "action": "register_brand",
        "brand": f"a-brand-with-a-long-name-{number:07}",
        "name": "N" * 128,
        "admins": [account_of(f"{number}-{i}") for i in range(admins)],
        "terms_hash": "ab" * 32,
        "offsets": OFFSETS[:offsets],
    }


def canonical(actions: list[dict[str, Any]]) -> bytes:
    """Return canonical bytes as another implementation makes them."""

    def ordered(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: ordered(value[key]) for key in sorted(value)}
        return [ordered(item) for item in value] if isinstance(value, list) else value

    packed: bytes = msgpack.packb(ordered(actions))
    return packed


def use_of(chain: Chain, brand: str) -> dict[str, Any]:
    use: dict[str, Any] = msgpack.unpackb(chain.state.values[f"gov/brand/{brand}"])
    return use


def actions_in(chain: Chain) -> list[str]:
    return sorted(key for key in chain.state.values if key.startswith("gov/actions/"))


# -- bounds -------------------------------------------------------------------------------------------


def test_a_brand_has_a_bounded_number_of_open_proposals(chain: Chain) -> None:
    for number in range(MAX_OPEN_PER_BRAND):
        propose(chain, "aurora-admin", f"p-{number}")
    error = refusal(chain, "aurora-admin", "gov.propose", **arguments("one-more"))
    assert (error.code, error.details["limit"]) == ("LIMIT_EXCEEDED", MAX_OPEN_PER_BRAND)
    chain.send("aurora-admin", "identity.grant_role", brand="aurora", role="admin", account=account_of("second"))
    assert chain.refused("second", "gov.propose", **arguments("one-more")) == "LIMIT_EXCEEDED"
    propose(chain, "basil-admin", "of-another-brand")
    vote(chain, "aurora", "basil", "comet", proposal="p-3")
    propose(chain, "aurora-admin", "one-more")
    assert chain.refused("aurora-admin", "gov.propose", **arguments("yet-one-more")) == "LIMIT_EXCEEDED"


def test_one_proposals_actions_are_bounded_and_real_ones_fit(chain: Chain) -> None:
    longest = [registration(0)]
    assert len(canonical(longest)) < gov_proposals.MAX_ACTIONS_BYTES // 4
    propose(chain, "aurora-admin", "four-brands", *(registration(number) for number in range(4)))
    too_long = [registration(number) for number in range(6)]
    error = refusal(chain, "basil-admin", "gov.propose", **arguments("six-brands", *too_long))
    assert (error.code, error.details) == (
        "LIMIT_EXCEEDED",
        {"bytes": len(canonical(too_long)), "limit": gov_proposals.MAX_ACTIONS_BYTES},
    )


def test_the_bound_of_one_proposals_bytes_is_exact(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(canonical([ADD_NODE, ADD_NODE]))
    monkeypatch.setattr(gov_proposals, "MAX_ACTIONS_BYTES", size)
    propose(chain, "aurora-admin", "as-long-as-may-be", ADD_NODE, ADD_NODE)
    monkeypatch.setattr(gov_proposals, "MAX_ACTIONS_BYTES", size - 1)
    assert chain.refused("aurora-admin", "gov.propose", **arguments("x1", ADD_NODE, ADD_NODE)) == "LIMIT_EXCEEDED"


def test_a_brands_open_bytes_are_bounded_and_come_back(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(canonical([ADD_NODE]))
    monkeypatch.setattr(gov_proposals, "MAX_OPEN_BYTES_PER_BRAND", 2 * size)
    propose(chain, "aurora-admin", "one-1")
    propose(chain, "aurora-admin", "two-2")
    error = refusal(chain, "aurora-admin", "gov.propose", **arguments("three"))
    assert (error.code, error.details["bytes"], error.details["limit"]) == ("LIMIT_EXCEEDED", 3 * size, 2 * size)
    propose(chain, "basil-admin", "of-another-brand")
    chain.send("aurora-admin", "gov.withdraw", proposal="one-1")
    propose(chain, "aurora-admin", "three")
    assert use_of(chain, "aurora")["bytes"] == 2 * size


@pytest.mark.parametrize(
    "action",
    [
        registration(0) | {"admins": [account_of(str(i)) for i in range(MAX_ADMINS_AT_START + 1)]},
        registration(0) | {"offsets": [*OFFSETS, {"from": 2_000_000_000_000, "minutes": 0}]},
        {"action": "replace_admins", "brand": "dune", "admins": [account_of(str(i)) for i in range(17)]},
        {"action": "replace_admins", "brand": "dune", "admins": []},
    ],
)
def test_lists_in_actions_are_bounded_before_their_items_cost_anything(
    chain: Chain, action: dict[str, Any]
) -> None:
    for field in ("admins", "offsets"):
        if len(action.get(field, [])) in (17, MAX_OFFSETS + 1):
            action = action | {field: [*action[field][:-1], "not an item at all"]}
    error = refusal(chain, "aurora-admin", "gov.propose", **arguments("long", action))
    assert (error.code, "expected a list of" in error.message) == ("INVALID_ARGS", True)


# -- closing ------------------------------------------------------------------------------------------


def outcomes(chain: Chain) -> dict[str, str]:
    """Bring a proposal to each end; return status by id."""
    no_such = {"action": "remove_node", "key": key_of("no such").hex()}
    for name, action in (("passes", ADD_NODE), ("fails", no_such), ("falls", ADD_NODE)):
        propose(chain, "aurora-admin", name, action)
    propose(chain, "basil-admin", "goes")
    propose(chain, "basil-admin", "lapses")
    ended = {
        "passes": vote(chain, "aurora", "basil", "comet", proposal="passes"),
        "fails": vote(chain, "aurora", "basil", "comet", proposal="fails"),
        "falls": vote(chain, "dune", "comet", proposal="falls", choice="no"),
        "goes": chain.send("basil-admin", "gov.withdraw", proposal="goes")["status"],
    }
    chain.block([], after_ms=VOTING_DAYS * MS_PER_DAY)
    return ended | {"lapses": chain.view("gov_proposal", proposal="lapses")["status"]}


def test_a_closed_proposal_keeps_its_outcome_and_loses_its_actions(chain: Chain) -> None:
    ended = outcomes(chain)
    assert ended == {
        "passes": "passed",
        "fails": "failed",
        "falls": "rejected",
        "goes": "withdrawn",
        "lapses": "expired",
    }
    assert actions_in(chain) == []
    for proposal, status in ended.items():
        shown = chain.view("gov_proposal", proposal=proposal)
        assert shown["status"] == status
        assert "actions" not in shown
        assert ("closed" in shown) == (status != "expired")
        assert len(shown["actions_hash"]) == 64
        assert (shown["title"], len(shown["tx"])) == ("A change", 64)
    assert chain.view("gov_proposal", proposal="falls")["votes"] == {"comet": "no", "dune": "no"}
    assert chain.view("gov_proposal", proposal="fails")["failure"]["code"] == "NOT_FOUND"
    for brand in ("aurora", "basil"):
        assert (use_of(chain, brand)["open"], use_of(chain, brand)["bytes"]) == (0, 0)


def test_a_closed_proposal_is_closed_once(chain: Chain) -> None:
    for proposal, status in outcomes(chain).items():
        code = "EXPIRED" if status == "expired" else "NOT_ELIGIBLE"
        assert chain.refused("dune-admin", "gov.vote", proposal=proposal, choice="yes") == code
        assert chain.refused("aurora-admin", "gov.withdraw", proposal=proposal) == code
        assert chain.refused("aurora-admin", "gov.propose", **arguments(proposal)) == "ALREADY_EXISTS"


def test_an_open_proposal_tells_its_actions(chain: Chain) -> None:
    actions = [ADD_NODE, registration(7, admins=2, offsets=2)]
    propose(chain, "aurora-admin", "change", *actions)
    shown = chain.view("gov_proposal", proposal="change")
    assert json.loads(json.dumps(shown["actions"])) == actions
    assert (shown["brand"], shown["proposer"], shown["height"]) == ("aurora", account_of("aurora-admin"), 1)
    assert "closed" not in shown


def system_events(chain: Chain, after_ms: int = 200) -> list[str]:
    receipt: Receipt = chain.block([], after_ms=after_ms).receipts[-1]
    return [event.data.proposal for event in receipt.events if event.type == "gov.expired"]


def test_expired_proposals_leave_the_state_in_bounded_steps(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 2)
    names = [f"p-{number}" for number in range(5)]
    for name in names:
        propose(chain, "aurora-admin", name)
    chain.send("aurora-admin", "gov.withdraw", proposal="p-1")
    lifetime = VOTING_DAYS * MS_PER_DAY
    assert system_events(chain, lifetime - 2_000) == []
    assert len(actions_in(chain)) == 4
    assert system_events(chain, 2_000) == ["p-0", "p-2"]
    assert system_events(chain) == ["p-3", "p-4"]
    assert system_events(chain) == []
    assert actions_in(chain) == []


def test_a_proposal_expires_at_its_millisecond(chain: Chain) -> None:
    expires = propose(chain)["expires"]
    chain.block([], after_ms=expires - chain.time - 201)
    assert vote(chain, "aurora") == "open"
    assert chain.time == expires - 1
    cast = ("gov.vote", {"proposal": "change", "choice": "yes"})
    late = chain.block([chain.transaction(account_of("basil-admin"), [cast], ["basil-admin"])], after_ms=1)
    assert late.receipts[0].error
    assert late.receipts[0].error.code == "EXPIRED"


def test_a_proposal_that_the_agenda_has_not_come_to_expires_at_its_millisecond(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    items_per_block(monkeypatch, 0)
    expires = propose(chain)["expires"]
    chain.block([], after_ms=expires - chain.time - 200)
    assert chain.refused("basil-admin", "gov.vote", proposal="change", choice="yes") == "EXPIRED"
    assert chain.time == expires


def test_how_far_the_cleaning_has_come_changes_no_answer(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 0)
    propose(chain)
    vote(chain, "aurora")
    chain.block([], after_ms=VOTING_DAYS * MS_PER_DAY)
    before = chain.view("gov_proposal", proposal="change")
    assert chain.refused("basil-admin", "gov.vote", proposal="change", choice="yes") == "EXPIRED"
    assert actions_in(chain), "nothing has been cleaned"
    monkeypatch.undo()
    chain.block([])
    assert actions_in(chain) == []
    assert chain.view("gov_proposal", proposal="change") == before


def test_later_proposals_expire_as_well(chain: Chain) -> None:
    for number in range(3):
        propose(chain, "aurora-admin", f"p-{number}")
        assert system_events(chain, VOTING_DAYS * MS_PER_DAY) == [f"p-{number}"]


def test_withdrawing_is_for_the_brand_that_proposed(chain: Chain) -> None:
    propose(chain)
    vote(chain, "basil")
    for who in ("basil-admin", "aurora-issuer", "nobody"):
        assert chain.refused(who, "gov.withdraw", proposal="change") == "NOT_AUTHORISED"
    assert chain.refused("aurora-admin", "gov.withdraw", proposal="another") == "NOT_FOUND"
    receipt = chain.send_ops("aurora-admin", [("gov.withdraw", {"proposal": "change"})])
    assert chain.told(receipt) == [("gov.withdrawn", {"proposal": "change", "brand": "aurora"})]


def test_withdrawals_of_a_day_are_bounded(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gov_proposals, "MAX_WITHDRAWALS_PER_DAY", 2)
    for number in range(3):
        propose(chain, "aurora-admin", f"p-{number}")
    for number in range(2):
        chain.send("aurora-admin", "gov.withdraw", proposal=f"p-{number}")
    error = refusal(chain, "aurora-admin", "gov.withdraw", proposal="p-2")
    assert (error.code, error.details["until"] > chain.time) == ("LIMIT_EXCEEDED", True)
    propose(chain, "basil-admin", "of-another")
    chain.send("basil-admin", "gov.withdraw", proposal="of-another")
    chain.block([], after_ms=MS_PER_DAY)
    chain.send("aurora-admin", "gov.withdraw", proposal="p-2")


# -- what a vote names --------------------------------------------------------------------------------


def test_the_hash_is_that_of_the_actions_as_they_were_sent(chain: Chain) -> None:
    actions = [
        registration(1, admins=2, offsets=2),
        {"action": "set_params", "params": {"window_blocks": 50, "block_interval_ms": 300}},
        {"action": "schedule_upgrade", "version": 2, "height": 2**40},
        {"action": "register_brand", "offsets": [], "name": "É", "brand": "kappa", "admins": [account_of("k")]},
    ]
    expected = hashlib.sha256(canonical(actions)).hexdigest()
    receipt = chain.send_ops("aurora-admin", [("gov.propose", arguments("change", *actions))])
    assert receipt.results[0].actions_hash == expected
    assert chain.told(receipt)[0][1] == {**as_read(receipt.results[0]), "title": "A change"}
    assert chain.view("gov_proposal", proposal="change")["actions_hash"] == expected
    assert chain.view("gov_proposals")["items"][0]["actions_hash"] == expected
    assert hashlib.sha256(chain.state.values["gov/actions/change"]).hexdigest() == expected


def test_a_vote_that_names_other_actions_is_refused(chain: Chain) -> None:
    announced = hashlib.sha256(canonical([ADD_NODE])).hexdigest()
    takeover = {"action": "replace_admins", "brand": "aurora", "admins": [account_of("basil-admin")]}
    found = propose(chain, "basil-admin", "add-node", takeover)["actions_hash"]
    args = {"proposal": "add-node", "choice": "yes", "actions_hash": announced}
    error = refusal(chain, "comet-admin", "gov.vote", **args)
    assert (error.code, error.details) == ("CHANGED", {"proposal": "add-node", "actions_hash": found})
    assert chain.refused("comet-admin", "gov.vote", **args | {"actions_hash": announced[:-1]}) == "INVALID_ARGS"
    assert chain.view("gov_proposal", proposal="add-node")["votes"] == {}
    assert vote(chain, "comet", proposal="add-node", choice="no", actions_hash=found) == "open"


def test_a_vote_costs_little_however_long_the_actions_are(chain: Chain) -> None:
    propose(chain, "aurora-admin", "long", *(registration(number) for number in range(5)))
    propose(chain, "aurora-admin", "short")
    cast = [
        chain.send_ops("basil-admin", [("gov.vote", {"proposal": name, "choice": "yes"})]).cost
        for name in ("long", "short")
    ]
    assert abs(cast[0] - cast[1]) <= 1
    written = chain.block(
        [
            chain.transaction(
                account_of("dune-admin"), [("gov.vote", {"proposal": "long", "choice": "yes"})], ["dune-admin"]
            )
        ]
    ).changes
    assert sorted(key for key in written if key.startswith("gov/")) == ["gov/proposal/long"]
    assert len(written["gov/proposal/long"] or b"") < 1_000


def test_long_actions_are_paid_for_when_they_are_written_and_when_they_are_read(chain: Chain) -> None:
    costs = {}
    for name, offsets in (("long", 200), ("short", 1)):
        action = registration(0, admins=1, offsets=offsets) | {"brand": "dune"}
        costs[name] = [chain.send_ops("aurora-admin", [("gov.propose", arguments(name, action))]).cost]
        vote(chain, "aurora", "basil", proposal=name)
        last = chain.send_ops("comet-admin", [("gov.vote", {"proposal": name, "choice": "yes"})])
        assert last.results[0].status == "failed"
        costs[name].append(last.cost)
    more = 199 * 24 // 16
    assert costs["long"][0] - costs["short"][0] > more
    assert costs["long"][1] - costs["short"][1] > more


# -- for which brand ----------------------------------------------------------------------------------


def make_admin(chain: Chain, brand: str, who: str) -> None:
    chain.send(f"{brand}-admin", "identity.grant_role", brand=brand, role="admin", account=account_of(who))


def test_an_admin_of_several_voting_brands_names_the_one_that_votes(chain: Chain) -> None:
    propose(chain)
    make_admin(chain, "basil", "aurora-admin")
    error = refusal(chain, "aurora-admin", "gov.vote", proposal="change", choice="no")
    assert (error.code, error.details) == ("INVALID_ARGS", {"field": "brand"})
    chain.send("aurora-admin", "gov.vote", proposal="change", choice="no", brand="aurora")
    assert chain.view("gov_proposal", proposal="change")["votes"] == {"aurora": "no"}
    assert (
        chain.refused("aurora-admin", "gov.vote", proposal="change", choice="no", brand="comet") == "NOT_AUTHORISED"
    )
    assert (
        chain.refused("aurora-admin", "gov.vote", proposal="change", choice="no", brand="echo") == "NOT_AUTHORISED"
    )
    chain.send(
        "aurora-admin", "identity.revoke_role", brand="basil", role="admin", account=account_of("aurora-admin")
    )
    assert chain.refused("aurora-admin", "gov.vote", proposal="change", choice="no") == "ALREADY_EXISTS"


def test_a_named_brand_votes_alone_whoever_else_signs(chain: Chain) -> None:
    propose(chain)
    signers = ["aurora-admin", "basil-admin"]
    chain.send("aurora-admin", "gov.vote", signers, proposal="change", choice="yes", brand="basil")
    assert chain.view("gov_proposal", proposal="change")["votes"] == {"basil": "yes"}


def test_a_role_at_a_brand_without_a_validator_makes_nothing_ambiguous(chain: Chain) -> None:
    make_admin(chain, "echo", "aurora-admin")
    assert propose(chain)["brand"] == "aurora"
    assert vote(chain, "aurora") == "open"


def test_a_proposal_is_the_senders_brands_or_the_one_that_is_named(chain: Chain) -> None:
    both = ["aurora-admin", "basil-admin"]
    assert chain.send("basil-admin", "gov.propose", both, **arguments("p-1"))["brand"] == "basil"
    assert chain.send("basil-admin", "gov.propose", both, **arguments("p-2", brand="aurora"))["brand"] == "aurora"
    assert chain.refused("ann", "gov.propose", ["ann", *both], **arguments("p-3")) == "INVALID_ARGS"
    assert chain.send("ann", "gov.propose", ["ann", "dune-admin"], **arguments("p-4"))["brand"] == "dune"
    assert chain.refused("aurora-admin", "gov.propose", **arguments("p-5", brand="basil")) == "NOT_AUTHORISED"
    assert chain.refused("echo-admin", "gov.propose", **arguments("p-5", brand="echo")) == "NOT_AUTHORISED"
    make_admin(chain, "basil", "aurora-admin")
    assert chain.refused("aurora-admin", "gov.propose", **arguments("p-5")) == "INVALID_ARGS"


def test_genesis_proposes_nothing_for_a_named_brand_either() -> None:
    ops = [op for brand in BRANDS for op in brand_ops(brand)]
    entries = [ValidatorEntry(key_of(brand), brand) for brand in BRANDS]
    with pytest.raises(Exception, match="no account has sent this"):
        Chain([*ops, ("gov.propose", arguments("early", brand="aurora"))], validators=entries)
