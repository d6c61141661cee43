"""Claimed purchases: by the member, once, decided by the brand, recorded at the time of the purchase."""

from __future__ import annotations

from typing import Any

from contracts_py.campaign.claim_records import CLAIM_ENDS, MAX_CLAIMS
from tests.contract_harness import Chain, account_of
from tests.unit.contracts.test_campaign_schedules import DAY, MEMBER, create, new_chain
from vm.contract_api import MS_PER_HOUR

RECEIPT = "cd" * 32
BACKDATE = 30 * DAY
"""The default of max_backdate_ms."""


def claim(chain: Chain, **changes: Any) -> Any:
    args: dict[str, Any] = {"brand": "aurora", "commitment": RECEIPT, "at": chain.time, "member": MEMBER}
    return chain.send("aurora-cashier", "campaign.claim_purchase", **{**args, **changes})


def claim_refused(chain: Chain, who: str = "aurora-cashier", **changes: Any) -> str:
    args: dict[str, Any] = {"brand": "aurora", "commitment": RECEIPT, "at": chain.time, "member": MEMBER}
    return chain.refused(who, "campaign.claim_purchase", **{**args, **changes})


DECISION: dict[str, Any] = {"brand": "aurora", "commitment": RECEIPT}
ACCEPTED: dict[str, Any] = {**DECISION, "accepted": True, "ref": "order-1", "attrs": {"amount": 500}}


def test_an_accepted_claim_is_recorded_at_its_time() -> None:
    chain = new_chain()
    create(chain, "base", "purchase")
    bought = chain.time
    chain.until(bought + 3 * DAY)
    shown = claim(chain, at=bought)
    assert shown == {**DECISION, "member": MEMBER, "at": bought, "lapses": bought + BACKDATE}
    assert chain.view("campaign_claims", brand="aurora")["items"] == [shown]
    done = chain.send("aurora-issuer", "campaign.decide_claim", **ACCEPTED)
    assert done == {**DECISION, "member": MEMBER, "outcome": "accepted", "ref": "order-1"}
    assert chain.view("token_balance", program="miles", account=MEMBER)["available"] == 100
    record = chain.view("campaign_record", brand="aurora", event="purchase", ref="order-1")
    assert (record["at"], record["member"]) == (bought, MEMBER)
    assert chain.view("campaign_claims", brand="aurora")["items"] == []
    assert claim_refused(chain) == "ALREADY_EXISTS"
    assert chain.refused("aurora-issuer", "campaign.decide_claim", **ACCEPTED) == "NOT_FOUND"


def test_a_purchase_that_was_recorded_is_not_recorded_by_a_claim() -> None:
    chain = new_chain()
    create(chain, "base", "purchase")
    known: dict[str, Any] = {
        "brand": "aurora",
        "event": "purchase",
        "member": MEMBER,
        "ref": "order-1",
        "at": chain.time,
    }
    chain.send("aurora-issuer", "campaign.record", attrs={}, **known)
    claim(chain)
    assert chain.refused("aurora-issuer", "campaign.decide_claim", **ACCEPTED) == "DUPLICATE_REF"
    refused: dict[str, Any] = {**DECISION, "accepted": False, "reason": "It was recorded"}
    chain.send("aurora-issuer", "campaign.decide_claim", **refused)
    assert chain.events[0][1]["reason"] == "It was recorded"
    assert chain.view("campaign_claim", **DECISION)["outcome"] == "refused"
    assert claim_refused(chain) == "ALREADY_EXISTS"


def test_a_claim_lapses_when_nothing_of_its_time_can_be_recorded() -> None:
    chain = new_chain()
    lapses = claim(chain)["lapses"]
    fork = chain.fork()
    fork.until(lapses - 201)
    fork.send("aurora-issuer", "campaign.decide_claim", **ACCEPTED)
    chain.until(lapses)
    assert chain.events[0][0] == "campaign.claim_decided"
    assert chain.view("campaign_claim", **DECISION)["outcome"] == "lapsed"
    late = new_chain()
    claim(late)
    late.until(lapses, postponing=CLAIM_ENDS)
    assert late.refused("aurora-issuer", "campaign.decide_claim", **ACCEPTED) == "EXPIRED"
    late.until(lapses + MS_PER_HOUR)
    assert late.view("campaign_claim", **DECISION)["outcome"] == "lapsed"


def test_who_may_claim_and_decide_what() -> None:
    chain = new_chain()
    chain.until(chain.time + 40 * DAY)
    assert claim_refused(chain, "ann") == "NOT_AUTHORISED"
    assert claim_refused(chain, "ann", member=account_of("ann")) == "NOT_ELIGIBLE"
    assert claim_refused(chain, at=chain.time + DAY) == "INVALID_ARGS"
    assert claim_refused(chain, at=chain.time - 31 * DAY) == "EXPIRED"
    claim(chain)
    assert claim_refused(chain) == "ALREADY_EXISTS"
    for number in range(1, MAX_CLAIMS):
        claim(chain, commitment=f"{number:064x}")
    assert claim_refused(chain, commitment="ff" * 32) == "LIMIT_EXCEEDED"

    def refused(who: str = "aurora-issuer", **changes: Any) -> str:
        return chain.refused(who, "campaign.decide_claim", **{**DECISION, **changes})

    assert refused("aurora-cashier", accepted=False) == "NOT_AUTHORISED"
    assert refused("basil-issuer", accepted=False) == "NOT_AUTHORISED"
    assert refused(accepted=True) == "INVALID_ARGS"
    assert refused(accepted=True, ref="x") == "INVALID_ARGS"
    assert refused(accepted=False, ref="x") == "INVALID_ARGS"
    assert refused(accepted=False, commitment="ff" * 32) == "NOT_FOUND"
    assert chain.send("aurora-issuer", "campaign.decide_claim", **DECISION, accepted=False)["outcome"] == "refused"
    claim(chain, commitment="ff" * 32)
    chain.suspend("aurora")
    assert claim_refused(chain, commitment="ee" * 32) == "SUSPENDED"
    assert refused(accepted=True, ref="x", attrs={}, commitment="ff" * 32) == "SUSPENDED"
