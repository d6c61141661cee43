"""Lists, codes and draws with the campaigns themselves: what a marketer writes, and what shoppers get."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.campaign import draw_entries
from contracts_py.campaign.draw_check import problems
from contracts_py.campaign.paths import item_leaf, levels, path_of
from tests.contract_harness import START, Chain, account_of, brand_ops, key_of, program_args
from tests.support.codes import ROOT, open_pool, redemption
from tests.support.draws import BRANDS, CLOSES, blocks, commit, reveal, to_secrets
from vm.chain_records import ValidatorEntry
from vm.contract_api import MS_PER_DAY

ANN, BOB, CAT = (account_of(name) for name in ("ann", "bob", "cat"))
TILL = "aurora-issuer"


def new_chain() -> Chain:
    ops = [op for brand in BRANDS for op in brand_ops(brand)]
    ops.append(
        ("identity.grant_role", {"brand": "aurora", "role": "marketer", "account": account_of("aurora-marketer")})
    )
    ops.append(("token.create_program", program_args("miles", "aurora")))
    return Chain(ops, validators=[ValidatorEntry(key_of(brand), brand) for brand in BRANDS])


def marketing(chain: Chain, call: str, **args: Any) -> Any:
    return chain.send("aurora-marketer", f"campaign.{call}", ["aurora-marketer", TILL], **args)


def create(chain: Chain, campaign: str, event: str, when: str, *then: dict[str, Any], **changes: Any) -> None:
    args: dict[str, Any] = {
        "campaign": campaign,
        "brand": "aurora",
        "event": event,
        "when": when,
        "then": list(then),
        "starts": 0,
        "ends": START + 1_000 * MS_PER_DAY,
        "budget": {"program": "miles", "amount": 10_000},
        **changes,
    }
    marketing(chain, "create", **{name: value for name, value in args.items() if value is not None})


def points(amount: int | str) -> dict[str, Any]:
    return {"issue": {"program": "miles", "amount": amount}}


def buy(chain: Chain, ref: str, who: str = ANN, event: str = "purchase", **attrs: Any) -> dict[str, Any]:
    """Record something; return what became of each campaign."""
    args: dict[str, Any] = {
        "brand": "aurora",
        "event": event,
        "member": who,
        "ref": ref,
        "at": chain.time,
        "attrs": attrs,
    }
    chain.send(TILL, "campaign.record", **args)
    told = next(data for name, data in chain.events if name == "campaign.recorded")
    return {rule["campaign"]: rule for rule in told["rules"]}


def give_back(chain: Chain, ref: str, return_ref: str, **args: Any) -> None:
    chain.send(TILL, "campaign.reverse", brand="aurora", event="purchase", ref=ref, return_ref=return_ref, **args)


def miles(chain: Chain, who: str = ANN) -> int:
    found: int = chain.view("token_balance", program="miles", account=who)["available"]
    return found


def test_a_rule_pays_for_what_stands_in_a_collection_by_what_a_value_map_says() -> None:
    chain = new_chain()
    marketing(chain, "collection", name="dairy", brand="aurora", items=["milk", "butter"])
    marketing(chain, "value_map", name="factors", brand="aurora", entries={"milk": 3})
    lines = 'event.lines.filter(l, in_collection("dairy", l.sku)).map(l, l.n * lookup("factors", l.sku, 1))'
    create(chain, "fresh", "purchase", "has(event.lines)", points(f"sum({lines})"))
    basket = [{"sku": "milk", "n": 2}, {"sku": "butter", "n": 5}, {"sku": "bread", "n": 100}]
    buy(chain, "o1", lines=basket)
    assert miles(chain) == 2 * 3 + 5
    marketing(chain, "collection_remove", name="dairy", brand="aurora", items=["butter"])
    marketing(chain, "value_map_set", name="factors", brand="aurora", entries={"milk": 10})
    buy(chain, "o2", who=BOB, lines=basket)
    assert miles(chain, BOB) == 20


def test_what_comes_back_is_judged_by_the_lists_of_its_purchase() -> None:
    chain = new_chain()
    marketing(chain, "collection", name="dairy", brand="aurora", items=["milk", "butter"])
    create(chain, "fresh", "purchase", 'in_collection("dairy", event.sku)', points("event.n"))
    buy(chain, "o1", sku="butter", n=5)
    marketing(chain, "collection", name="dairy", brand="aurora", items=["milk"])
    give_back(chain, "o1", "r1", keep={"sku": "butter", "n": 2})
    assert miles(chain) == 2
    assert buy(chain, "o2", sku="butter", n=5)["fresh"]["outcome"] == "CONDITION"


def test_a_replay_asks_the_lists_of_each_record() -> None:
    chain = new_chain()
    marketing(chain, "collection", name="dairy", brand="aurora", items=["milk"])
    create(chain, "fresh", "purchase", 'in_collection("dairy", event.sku)', points("event.n"))
    buy(chain, "o1", sku="milk", n=5)
    marketing(chain, "collection", name="dairy", brand="aurora", items=["bread"])
    buy(chain, "o2", sku="bread", n=7)
    replay = chain.view("campaign_replay", campaign="fresh", from_=0, to=chain.time + 1)
    assert (replay["records"], replay["fires"], replay["would_issue"], replay["assumed"]) == (2, 2, 12, 0)


def test_a_list_that_is_missing_is_an_error_of_the_rule() -> None:
    chain = new_chain()
    create(chain, "fresh", "purchase", 'in_collection("dairy", event.sku)', points(1))
    told = buy(chain, "o1", sku="milk")["fresh"]
    assert told["outcome"] == "RULE_ERROR"
    assert "no such collection" in told["why"]


def test_the_till_brings_the_path_of_a_rooted_collections_item() -> None:
    chain = new_chain()
    tree = levels([item_leaf(f"sku-{n}") for n in range(20)])
    marketing(chain, "collection", name="all", brand="aurora", root=tree[-1][0].hex())
    create(chain, "fresh", "purchase", 'in_collection("all", event.sku)', points(7))
    proofs = {"all": {"sku-7": path_of(tree, 7)}}
    assert buy(chain, "o1", sku="sku-7", proofs=proofs)["fresh"]["outcome"] == "FIRED"
    assert buy(chain, "o2", sku="sku-8", proofs=proofs)["fresh"]["outcome"] == "CONDITION"
    assert buy(chain, "o3", sku="sku-7")["fresh"]["outcome"] == "CONDITION"
    assert buy(chain, "o4", sku="sku-7", proofs="no map")["fresh"]["outcome"] == "CONDITION"
    assert miles(chain) == 7


def test_a_code_gives_what_its_campaign_says_once() -> None:
    chain = new_chain()
    create(chain, "lucky", "code", 'event.campaign == "lucky"', points(500), per_member={"count": 2})
    create(chain, "other", "code", 'event.campaign == "other"', points(9_000))
    open_pool(chain)
    done = chain.send("aurora-cashier", "campaign.redeem_code", **redemption(0), member=ANN)
    assert miles(chain) == 500
    record = chain.view("campaign_record", brand="aurora", event="code", ref=done["ref"])
    assert [rule["campaign"] for rule in record["fired"]] == ["lucky"]
    # What a campaign refuses leaves the code as it was.
    chain.send("aurora-cashier", "campaign.redeem_code", **redemption(1), member=ANN)
    again = {**redemption(2), "member": ANN}
    assert chain.refused("aurora-cashier", "campaign.redeem_code", **again) == "LIMIT_EXCEEDED"
    marketing(chain, "pause", campaign="lucky")
    assert chain.refused("aurora-cashier", "campaign.redeem_code", **{**again, "member": BOB}) == "NOT_ELIGIBLE"
    marketing(chain, "resume", campaign="lucky")
    chain.send("aurora-cashier", "campaign.redeem_code", **{**again, "member": BOB})
    assert (miles(chain), miles(chain, BOB)) == (1_000, 500)
    assert chain.view("campaign_code_pool", root=ROOT)["redeemed"] == 3


def test_a_budget_that_is_used_up_leaves_the_code_unused() -> None:
    chain = new_chain()
    create(chain, "lucky", "code", "true", points(500), budget={"program": "miles", "amount": 700})
    open_pool(chain)
    chain.send("aurora-cashier", "campaign.redeem_code", **redemption(0), member=ANN)
    second = {**redemption(1), "member": BOB}
    assert chain.refused("aurora-cashier", "campaign.redeem_code", **second) == "BUDGET_EXHAUSTED"
    assert chain.view("campaign_code_pool", root=ROOT)["redeemed"] == 1
    marketing(chain, "update", campaign="lucky", budget={"program": "miles", "amount": 1_000})
    chain.send("aurora-cashier", "campaign.redeem_code", **second)
    assert miles(chain, BOB) == 500


def test_a_client_that_records_the_code_itself_takes_it() -> None:
    chain = new_chain()
    create(chain, "lucky", "code", "true", points(500))
    open_pool(chain)
    code = redemption(0)["code"]
    buy(chain, code, event="code")
    again = {**redemption(0), "member": BOB}
    assert chain.refused("aurora-cashier", "campaign.redeem_code", **again) == "DUPLICATE_REF"


def giveaway(chain: Chain) -> None:
    create(chain, "summer-buys", "purchase", "true", {"entry": {"draw": "summer", "count": "event.n"}}, budget=None)
    prizes = [{"name": "500 miles", "count": 1}, {"name": "A bicycle"}]
    marketing(chain, "draw", draw="summer", campaign="summer-buys", prizes=prizes, closes=CLOSES)
    create(chain, "prizes", "draw-won", 'event.draw == "summer" && event.prize == "500 miles"', points(500))


def test_purchases_enter_a_draw_and_a_winner_gets_what_a_campaign_gives() -> None:
    chain = new_chain()
    giveaway(chain)
    told = buy(chain, "o1", n=3)["summer-buys"]
    assert told["gave"] == [{"entry": {"draw": "summer", "count": 3}}]
    buy(chain, "o2", who=BOB, n=1)
    assert buy(chain, "o3", who=CAT, n=0)["summer-buys"]["outcome"] == "FIRED"
    assert buy(chain, "o4", who=CAT, n=-1)["summer-buys"]["outcome"] == "RULE_ERROR"
    assert buy(chain, "o5", who=CAT, n=10_001)["summer-buys"]["outcome"] == "LIMIT_EXCEEDED"
    commit(chain, "basil", "dune")
    to_secrets(chain)
    assert buy(chain, "o6", n=3)["summer-buys"]["outcome"] == "EXPIRED"
    reveal(chain, "basil", "dune")
    blocks(chain, 3)
    winners = chain.view("campaign_draw_winners", draw="summer")
    assert {winner["member"] for winner in winners} == {ANN, BOB}
    first, second = (winner["member"] for winner in winners)
    assert (miles(chain, first), miles(chain, second)) == (500, 0)
    record = chain.view("campaign_record", brand="aurora", event="draw-won", ref="draw:summer:0")
    assert (record["member"], [rule["campaign"] for rule in record["fired"]]) == (first, ["prizes"])
    entries = chain.view("campaign_draw_entries", draw="summer")["items"]
    rows = [(entry["account"], entry["tickets"]) for entry in entries]
    assert rows == [(ANN, 3), (BOB, 1)]
    assert list(problems(chain.view("campaign_draw_proof", draw="summer"), rows)) == []


def test_entries_go_back_with_the_goods_while_the_draw_is_open() -> None:
    chain = new_chain()
    giveaway(chain)

    def tickets() -> int:
        found: int = chain.view("campaign_draw", draw="summer")["tickets"]
        return found

    buy(chain, "o1", n=3)
    buy(chain, "o2", n=5)
    give_back(chain, "o1", "r1")
    assert tickets() == 5
    give_back(chain, "o2", "r2", keep={"n": 2})
    assert tickets() == 2
    buy(chain, "o3", who=BOB, n=4)
    chain.until(CLOSES)
    give_back(chain, "o3", "r3", keep={"n": 1})
    told = next(data for name, data in chain.events if name == "campaign.reversed")
    assert "closed" in str(told)
    give_back(chain, "o2", "r4")
    assert tickets() == 6


def test_an_entry_is_for_a_draw_of_its_own_campaign() -> None:
    chain = new_chain()
    giveaway(chain)
    create(chain, "second", "purchase", "true", {"entry": {"draw": "summer"}}, budget=None)
    told = buy(chain, "o1", n=1)
    assert (told["second"]["outcome"], told["summer-buys"]["outcome"]) == ("NOT_ELIGIBLE", "FIRED")
    create(chain, "third", "visit", "true", {"entry": {"draw": "winter"}}, budget=None)
    assert buy(chain, "v1", event="visit")["third"]["outcome"] == "NOT_FOUND"
    marketing(chain, "draw", draw="winter", campaign="third", prizes=[{"name": "A pen"}], closes=CLOSES)
    assert buy(chain, "v2", event="visit")["third"]["outcome"] == "FIRED"
    grant = {"brand": "basil", "role": "marketer", "account": account_of("basil-marketer")}
    chain.send("basil-admin", "identity.grant_role", **grant)
    stolen: dict[str, Any] = {
        "campaign": "basil-c",
        "brand": "basil",
        "event": "visit",
        "when": "true",
        "then": [{"entry": {"draw": "winter"}}],
        "starts": 0,
        "ends": CLOSES,
    }
    assert chain.refused("basil-marketer", "campaign.create", **stolen) == "NOT_AUTHORISED"


def test_a_draw_has_no_more_tickets_than_sums_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = new_chain()
    giveaway(chain)
    buy(chain, "o1", n=3)
    monkeypatch.setattr(draw_entries, "MAX_TICKETS", 5)
    assert buy(chain, "o2", n=3)["summer-buys"]["outcome"] == "LIMIT_EXCEEDED"
    assert buy(chain, "o3", n=2)["summer-buys"]["outcome"] == "FIRED"
