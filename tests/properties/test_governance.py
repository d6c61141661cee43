"""Votes against a naive count: thresholds for 4 to 13 brands, duplicates, lateness, and sizes of the set."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts_py.gov.proposals import VOTING_DAYS
from contracts_py.gov.records import BRAND_USES, BrandUse
from tests.contract_harness import Chain, brand_ops, key_of
from vm.chain_records import ValidatorEntry
from vm.membership import change_count, current_validators, membership_change, validators_deciding
from vm.primitives.units import MS_PER_DAY

BRANDS = [f"brand-{i:02}" for i in range(16)]


def alliance(validators: int) -> Chain:
    ops = [op for brand in BRANDS for op in brand_ops(brand)]
    return Chain(ops, validators=[ValidatorEntry(key_of(brand), brand) for brand in BRANDS[:validators]])


def propose(chain: Chain, proposal: str, *actions: dict[str, Any]) -> None:
    chain.send(f"{BRANDS[0]}-admin", "gov.propose", proposal=proposal, title="x", actions=list(actions))


@pytest.mark.parametrize("n", range(4, 14))
def test_exactly_more_than_two_thirds_pass(n: int) -> None:
    chain = alliance(n)
    propose(chain, "change", {"action": "add_node", "key": key_of("node").hex()})
    needed = next(votes for votes in range(n + 1) if votes * 3 > n * 2)
    for count, brand in enumerate(BRANDS[:needed], start=1):
        status = chain.send(f"{brand}-admin", "gov.vote", proposal="change", choice="yes")["status"]
        assert status == ("passed" if count == needed else "open")


@pytest.mark.parametrize("n", range(4, 14))
def test_a_third_of_noes_rejects(n: int) -> None:
    chain = alliance(n)
    propose(chain, "change", {"action": "add_node", "key": key_of("node").hex()})
    blocking = next(votes for votes in range(n + 1) if (n - votes) * 3 <= n * 2)
    for count, brand in enumerate(BRANDS[:blocking], start=1):
        status = chain.send(f"{brand}-admin", "gov.vote", proposal="change", choice="no")["status"]
        assert status == ("rejected" if count == blocking else "open")


ballots = st.lists(st.tuples(st.integers(0, 15), st.sampled_from(["yes", "no"]), st.booleans()), max_size=30)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(4, 13), cast=ballots)
def test_any_order_of_ballots_ends_as_a_naive_count_says(n: int, cast: list[tuple[int, str, bool]]) -> None:
    chain = alliance(n)
    propose(chain, "change", {"action": "add_node", "key": key_of("node").hex()})
    counted: dict[int, str] = {}
    status = "open"
    for voter, choice, late in cast:
        if late and len(counted) == len(cast) // 2:
            chain.block([], after_ms=VOTING_DAYS * MS_PER_DAY)
            status = "expired" if status == "open" else status
        receipt = chain.send_ops(f"{BRANDS[voter]}-admin", [("gov.vote", {"proposal": "change", "choice": choice})])
        valid = status == "open" and voter < n and voter not in counted
        assert (receipt.status == "ok") == valid
        if valid:
            counted[voter] = choice
            yes, no = (list(counted.values()).count(word) for word in ("yes", "no"))
            status = "passed" if 3 * yes > 2 * n else "rejected" if 3 * (n - no) <= 2 * n else "open"
    shown = chain.view("gov_proposal", proposal="change")
    assert shown["status"] == status
    assert shown["votes"] == {BRANDS[voter]: choice for voter, choice in counted.items()}


changes = st.lists(st.lists(st.tuples(st.booleans(), st.integers(0, 15)), min_size=1, max_size=5), max_size=12)


@settings(max_examples=40, deadline=None)
@given(proposals=changes)
def test_whatever_passes_the_set_has_four_members_of_different_brands_and_its_history_is_whole(
    proposals: list[list[tuple[bool, int]]],
) -> None:
    chain = alliance(5)
    sets_after = {height: current_validators(chain.state) for height in (-2, -1, 0)}
    for number, actions in enumerate(proposals):
        voters = [entry.brand for entry in current_validators(chain.state)]
        signers = [f"{brand}-admin" for brand in voters][:8]
        listed = [
            {"action": "add_validator", "brand": BRANDS[i], "key": key_of(f"{number}-{i}").hex()}
            if add
            else {"action": "remove_validator", "brand": BRANDS[i]}
            for add, i in actions
        ]
        chain.send(signers[0], "gov.propose", proposal=f"p-{number}", title="x", actions=listed)
        sets_after[chain.height] = current_validators(chain.state)
        for signer in signers:
            receipt = chain.send_ops(signer, [("gov.vote", {"proposal": f"p-{number}", "choice": "yes"})])
            sets_after[chain.height] = current_validators(chain.state)
            if receipt.status == "ok" and receipt.results[0].status != "open":
                break
        entries = current_validators(chain.state)
        brands = [entry.brand for entry in entries]
        assert len(set(brands)) == len(brands) >= 4
        assert [entry.public_key for entry in entries] == sorted(entry.public_key for entry in entries)
    for height in range(1, chain.height + 3):
        assert validators_deciding(chain.state, height) == sets_after[height - 2]
    heights = [membership_change(chain.state, i).height for i in range(change_count(chain.state))]
    assert heights == sorted(set(heights))


steps = st.lists(
    st.tuples(st.sampled_from(["propose", "withdraw", "vote", "wait"]), st.integers(0, 2)), max_size=40
)


@settings(max_examples=40, deadline=None)
@given(taken=steps)
def test_what_a_brand_has_open_is_counted_as_a_naive_list_counts_it(taken: list[tuple[str, int]]) -> None:
    chain = alliance(4)
    for number, (what, brand) in enumerate(taken):
        name = f"p-{number // 3}"
        node = {"action": "add_node", "key": key_of(f"{number}").hex()}
        args = {"proposal": name, "title": "x", "actions": [node] * (brand + 1)}
        if what == "wait":
            chain.block([], after_ms=VOTING_DAYS * MS_PER_DAY // 2)
        else:
            choice = {"vote": {"proposal": name, "choice": "no"}, "propose": args, "withdraw": {"proposal": name}}
            chain.send_ops(f"{BRANDS[brand]}-admin", [(f"gov.{what}", choice[what])])
    chain.block([])
    items = chain.view("gov_proposals")["items"]
    for brand_name in BRANDS[:3]:
        sizes = [
            len(chain.state.values[f"gov/actions/{item['proposal']}"])
            for item in items
            if item["brand"] == brand_name and item["status"] == "open"
        ]
        use = BRAND_USES.get(chain.context(), brand_name) or BrandUse()
        assert (use.open, use.bytes) == (len(sizes), sum(sizes))
    held = {key for key in chain.state.values if key.startswith("gov/actions/")}
    assert held == {f"gov/actions/{item['proposal']}" for item in items if item["status"] == "open"}
