"""What the alliance cannot do to its own parameters: neither by proposing nor by voting may it stop the chain."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.gov.records import MAX_ACTIONS, ParamChanges
from tests.contract_harness import Chain, brand_ops, key_of
from vm.chain_records import ValidatorEntry
from vm.membership import current_params
from vm.params import BOUNDS, COST_PER_MS, Params

LEAST_COST = Params(max_block_cost=BOUNDS["max_block_cost"][0], max_tx_cost=BOUNDS["max_tx_cost"][0])


def alliance(validators: int = 4, params: Params | None = None) -> tuple[Chain, list[str]]:
    brands = [f"brand-{i:03}" for i in range(validators)]
    ops = [op for brand in brands for op in brand_ops(brand)[:1]]
    entries = [ValidatorEntry(key_of(brand), brand) for brand in brands]
    return Chain(ops, params, validators=entries), brands


def set_params(**params: int) -> dict[str, Any]:
    return {"action": "set_params", "params": params}


def propose(chain: Chain, *actions: dict[str, Any]) -> Any:
    args = {"proposal": "change", "title": "A change", "actions": list(actions)}
    return chain.send_ops("brand-000-admin", [("gov.propose", args)])


def decide(chain: Chain, brands: list[str], *actions: dict[str, Any]) -> int:
    """Pass a proposal; return what the dearest vote cost."""
    assert propose(chain, *actions).status == "ok"
    dearest = 0
    for brand in brands:
        receipt = chain.send_ops(f"{brand}-admin", [("gov.vote", {"proposal": "change", "choice": "yes"})])
        assert receipt.status == "ok", receipt.error
        dearest = max(dearest, receipt.cost)
        if receipt.results[0].status != "open":
            break
    shown = chain.view("gov_proposal", proposal="change")
    assert shown["status"] == "passed", shown
    return dearest


@pytest.mark.parametrize("name", ParamChanges.__struct_fields__)
def test_a_value_that_no_vote_may_set_cannot_even_be_proposed(name: str) -> None:
    chain, _ = alliance()
    lowest, highest = BOUNDS[name]
    too_small = propose(chain, set_params(**{name: lowest - 1})).error
    assert too_small.code == "INVALID_ARGS"
    if lowest > 1:  # less than 1 is no amount at all
        assert (too_small.message, too_small.details) == (
            f"{name} must be at least {lowest}",
            {"field": f"params.{name}"},
        )
    node = {"action": "add_node", "key": key_of("node").hex()}
    too_large = propose(chain, node, set_params(**{name: highest + 1})).error
    assert too_large.code == "INVALID_ARGS"
    assert chain.view("gov_proposals")["items"] == []


def test_a_change_of_nothing_cannot_be_proposed() -> None:
    chain, _ = alliance()
    assert propose(chain, set_params()).error.message == "set_params names no parameter"


def test_a_proposal_that_breaks_a_relation_fails_with_every_reason_and_changes_nothing() -> None:
    chain, brands = alliance()
    beyond = Params().max_block_cost + 1
    assert propose(chain, set_params(round_timeout_ms=1_000, max_tx_cost=beyond)).status == "ok"
    for brand in brands[:3]:
        chain.send(f"{brand}-admin", "gov.vote", proposal="change", choice="yes")
    assert chain.view("gov_proposal", proposal="change")["failure"] == {
        "action": 0,
        "code": "INVALID_ARGS",
        "message": "max_tx_cost must not exceed max_block_cost; "
        f"max_block_cost must not exceed {250 * COST_PER_MS}: a quarter of round_timeout_ms, {COST_PER_MS} per ms",
    }
    assert current_params(chain.state) == Params()


def test_at_the_lowest_budget_an_alliance_of_256_can_vote_the_old_one_back() -> None:
    chain, brands = alliance(256, LEAST_COST)
    dearest = decide(
        chain, brands, set_params(max_block_cost=Params().max_block_cost, max_tx_cost=Params().max_tx_cost)
    )
    assert current_params(chain.state) == Params()
    assert 4 * dearest < LEAST_COST.max_tx_cost


def test_at_the_lowest_budget_full_proposals_to_change_validators_pass() -> None:
    chain, brands = alliance(24, LEAST_COST)
    added = [{"action": "remove_validator", "brand": brand} for brand in brands[-MAX_ACTIONS:]]
    assert decide(chain, brands, *added) < LEAST_COST.max_tx_cost
