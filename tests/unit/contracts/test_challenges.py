"""Challenges: several events within a window lead to a goal, whose progress is seen, and which is reached once."""

from __future__ import annotations

from typing import Any

from contracts_py.campaign.challenge_records import MAX_PER_EVENT
from tests.contract_harness import START, Chain, account_of, brand_ops, program_args
from vm.contract_api import MS_PER_DAY

ANN, BOB = account_of("ann"), account_of("bob")
DAY = MS_PER_DAY
FIVE: list[dict[str, Any]] = [{"event": "visit", "count": 3}, {"event": "visit", "count": 2, "at_brand": "basil"}]


def new_chain() -> Chain:
    ops = [*brand_ops("aurora"), *brand_ops("basil"), ("token.create_program", program_args("miles", "aurora"))]
    for brand in ("aurora", "basil"):
        account = account_of(f"{brand}-marketer")
        ops.append(("identity.grant_role", {"brand": brand, "role": "marketer", "account": account}))
    chain = Chain(ops)
    create(chain, "fivefold", "challenge")
    return chain


def create(chain: Chain, campaign: str, event: str, **changes: Any) -> None:
    terms: dict[str, Any] = {
        "campaign": campaign,
        "brand": "aurora",
        "event": event,
        "when": "true",
        "then": [{"issue": {"program": "miles", "amount": 100}}],
        "starts": 0,
        "ends": START + 60 * DAY,
        "budget": {"program": "miles", "amount": 10_000},
    }
    signers = ["aurora-marketer", "aurora-issuer"]
    chain.send("aurora-marketer", "campaign.create", signers, **{**terms, **changes})


def challenge(chain: Chain, **changes: Any) -> Any:
    args: dict[str, Any] = {"campaign": "fivefold", "steps": FIVE, "window_days": 30}
    return chain.send("aurora-marketer", "campaign.challenge", **{**args, **changes})


def visit(
    chain: Chain, ref: str, brand: str = "aurora", member: str = ANN, at: int | None = None, **attrs: Any
) -> None:
    made: dict[str, Any] = {"brand": brand, "event": "visit", "member": member, "ref": ref, "attrs": attrs}
    chain.send(f"{brand}-issuer", "campaign.record", **made, at=chain.time if at is None else at)


def done(chain: Chain, member: str = ANN) -> list[int]:
    (shown,) = chain.view("campaign_progress", member=member)["items"]
    return [step["done"] for step in shown["steps"]] + [shown["completed"]]


def miles(chain: Chain, member: str = ANN) -> int:
    found: int = chain.view("token_balance", program="miles", account=member)["available"]
    return found


def test_five_visits_two_of_them_at_a_partner() -> None:
    chain = new_chain()
    shown = challenge(chain)
    assert chain.view("campaign_challenge", campaign="fivefold") == shown
    assert [step["brand"] for step in shown["steps"]] == ["aurora", "basil"]
    for number in range(3):
        visit(chain, f"v{number}")
    assert done(chain) == [3, 0, 0]
    visit(chain, "v3")
    assert done(chain) == [3, 0, 0]
    visit(chain, "w0", "basil")
    told = next(data for name, data in chain.events if name == "campaign.challenge_progress")
    assert (told["step"], told["done"], told["count"]) == (1, 1, 2)
    assert miles(chain) == 0
    visit(chain, "w1", "basil")
    assert [name for name, _ in chain.events if "challenge" in name][-1] == "campaign.challenge_done"
    assert (miles(chain), done(chain)) == (100, [0, 0, 1])
    for number in range(4, 9):
        visit(chain, f"v{number}")
        visit(chain, f"w{number}", "basil")
    assert (miles(chain), done(chain)) == (100, [0, 0, 1])


def test_what_may_be_repeated_begins_anew() -> None:
    chain = new_chain()
    challenge(chain, steps=[{"event": "visit", "count": 2}], repeat=True)
    for number in range(5):
        visit(chain, f"v{number}")
    assert (miles(chain), done(chain)) == (200, [1, 2])


def test_only_what_is_within_one_window_counts_in_whatever_order_it_comes() -> None:
    chain = new_chain()
    challenge(chain, steps=[{"event": "visit", "count": 3}], window_days=5)
    begin = chain.time
    chain.until(begin + 20 * DAY)
    visit(chain, "v0", at=begin)
    visit(chain, "v1", at=begin + 5 * DAY)
    visit(chain, "v2", at=begin + 9 * DAY)
    assert miles(chain) == 0
    visit(chain, "v3", at=begin + 7 * DAY)
    assert miles(chain) == 100


def test_conditions_and_the_campaigns_own_time() -> None:
    chain = new_chain()
    challenge(chain, steps=[{"event": "visit", "count": 1, "when": 'event.shop == "old town"'}], repeat=True)
    visit(chain, "v0", shop="station")
    visit(chain, "v1")
    assert miles(chain) == 0
    visit(chain, "v2", shop="old town")
    assert miles(chain) == 100
    chain.until(START + 60 * DAY)
    visit(chain, "v3", shop="old town")
    assert miles(chain) == 100


def test_linked_addresses_go_together_and_reach_it_once() -> None:
    chain = new_chain()
    challenge(chain, steps=[{"event": "visit", "count": 2}])
    visit(chain, "v0")
    chain.send("ann", "identity.link", signers=["ann", "bob"], member=ANN, other=BOB)
    visit(chain, "v1", member=BOB)
    assert (miles(chain), miles(chain, BOB), done(chain)) == (0, 100, [0, 1])
    for number in range(2, 5):
        visit(chain, f"v{number}")
    assert (miles(chain), miles(chain, BOB)) == (0, 100)


def test_what_is_reversed_no_longer_counts() -> None:
    chain = new_chain()
    challenge(chain, steps=[{"event": "visit", "count": 2}])
    visit(chain, "v0")
    undo: dict[str, Any] = {"brand": "aurora", "event": "visit", "ref": "v0"}
    chain.send("aurora-issuer", "campaign.reverse", **undo, return_ref="r0", keep={})
    assert done(chain) == [1, 0]
    chain.send("aurora-issuer", "campaign.reverse", **undo, return_ref="r1")
    assert done(chain) == [0, 0]
    visit(chain, "v1")
    assert miles(chain) == 0
    visit(chain, "v2")
    assert miles(chain) == 100


def test_a_suspended_brand_counts_nothing() -> None:
    chain = new_chain()
    challenge(chain, steps=[{"event": "visit", "count": 1, "at_brand": "basil"}])
    chain.suspend("aurora")
    visit(chain, "w0", "basil")
    assert chain.view("campaign_progress", member=ANN)["items"] == []


def test_what_challenge_cannot_be() -> None:
    chain = new_chain()
    create(chain, "buys", "purchase")
    args: dict[str, Any] = {"campaign": "fivefold", "steps": FIVE, "window_days": 30}

    def refused(who: str = "aurora-marketer", **changes: Any) -> str:
        return chain.refused(who, "campaign.challenge", **{**args, **changes})

    assert refused("aurora-issuer") == "NOT_AUTHORISED"
    assert refused(campaign="moons") == "NOT_FOUND"
    assert refused(campaign="buys") == "NOT_ELIGIBLE"
    assert refused(steps=[{"event": "visit", "count": 1, "at_brand": "moons"}]) == "NOT_FOUND"
    assert refused(steps=[{"event": "visit", "count": 1, "when": "event."}]) == "INVALID_ARGS"
    # What it makes happen would move it on for ever.
    assert refused(steps=[{"event": "challenge", "count": 1}]) == "INVALID_ARGS"
    assert refused(steps=[]) == "INVALID_ARGS"
    challenge(chain)
    assert refused() == "ALREADY_EXISTS"
    for number in range(MAX_PER_EVENT - 1):
        create(chain, f"more-{number:02}", "challenge-x")
        challenge(chain, campaign=f"more-{number:02}")
    create(chain, "one-more", "challenge-x")
    assert refused(campaign="one-more") == "LIMIT_EXCEEDED"
    chain.suspend("aurora")
    assert refused(campaign="one-more") == "SUSPENDED"
