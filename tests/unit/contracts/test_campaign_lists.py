"""Collections and value maps: what rules see of them, at which version, and who may change them how far."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts_py.campaign import collections, list_records
from contracts_py.campaign.lists import Lists
from contracts_py.campaign.paths import code_leaf, item_leaf, levels, path_of
from tests.contract_harness import Chain
from tests.support.draws import new_chain
from vm.contract_api import Refused

LISTS = Lists()


def change(chain: Chain, call: str, name: str = "dairy", **args: Any) -> Any:
    return chain.send("aurora-marketer", f"campaign.{call}", name=name, brand="aurora", **args)


def refused(chain: Chain, call: str, name: str = "dairy", **args: Any) -> str:
    return chain.refused("aurora-marketer", f"campaign.{call}", name=name, brand="aurora", **args)


def has(chain: Chain, item: Any, name: str = "dairy", **how: Any) -> bool:
    return LISTS.in_collection(chain.context(), "aurora", name, item, **how)


def value(chain: Chain, key: Any, name: str = "rates", default: Any = 1, **how: Any) -> Any:
    return LISTS.lookup(chain.context(), "aurora", name, key, default, **how)


def test_a_collection_has_what_it_was_given() -> None:
    chain = new_chain()
    shown = change(chain, "collection", items=["milk", "butter", "milk", "crème fraîche"])
    assert shown == {"brand": "aurora", "name": "dairy", "kind": "collection", "size": 3, "version": 1}
    assert chain.events == [
        (
            "campaign.list_defined",
            {"brand": "aurora", "name": "dairy", "kind": "collection", "size": 3, "version": 1},
        )
    ]
    assert has(chain, "milk")
    assert has(chain, "crème fraîche")
    assert not has(chain, "bread")
    assert chain.view("campaign_collection", brand="aurora", name_="dairy") == shown
    items = chain.view("campaign_list_items", brand="aurora", name_="dairy", limit=2)
    assert items["items"] == [{"item": "butter", "value": True}, {"item": "crème fraîche", "value": True}]
    rest = chain.view("campaign_list_items", brand="aurora", name_="dairy", cursor=items["next"])
    assert rest == {"items": [{"item": "milk", "value": True}], "next": None}


def test_what_is_no_text_or_too_long_is_in_no_collection_and_has_the_default() -> None:
    chain = new_chain()
    change(chain, "collection", items=["1", "milk"])
    change(chain, "value_map", "rates", entries={"1": 5})
    for odd in (1, True, None, "", "x" * 65, ("milk",), b"milk"):
        assert not has(chain, odd)
        assert value(chain, odd, default=7) == 7
    assert value(chain, "1") == 5


def test_a_list_that_is_not_there_is_an_error_and_not_just_false() -> None:
    chain = new_chain()
    change(chain, "value_map", "rates", entries={"a": 1})
    change(chain, "collection", "coming", items=["a"], draft=True)
    for name in ("dairy", "rates", "coming"):
        with pytest.raises(Refused, match="no such collection"):
            has(chain, "a", name)
    with pytest.raises(Refused, match="no such value map"):
        value(chain, "a", "coming")
    with pytest.raises(Refused, match="no such value map"):
        value(chain, "a", version=0)
    with pytest.raises(Refused, match="no such collection"):
        LISTS.in_collection(chain.context(), "basil", "dairy", "milk")
    ctx = chain.context()
    assert [LISTS.exists(ctx, "aurora", name, "value_map") for name in ("rates", "coming", "none")] == [
        True,
        False,
        False,
    ]


def test_a_record_of_an_earlier_version_sees_what_was_there_then() -> None:
    chain = new_chain()
    change(chain, "collection", items=["milk"])
    change(chain, "collection_add", items=["butter", "milk"])
    assert chain.events[0][1] == {
        "brand": "aurora",
        "name": "dairy",
        "put": 2,
        "removed": 0,
        "size": 2,
        "version": 2,
    }
    change(chain, "collection_remove", items=["milk", "honey"])
    change(chain, "collection", items=["honey"])
    change(chain, "collection_add", items=["milk"])
    seen = {v: [item for item in ("butter", "honey", "milk") if has(chain, item, version=v)] for v in range(1, 6)}
    assert seen == {1: ["milk"], 2: ["butter", "milk"], 3: ["butter"], 4: ["honey"], 5: ["honey", "milk"]}
    assert LISTS.version(chain.context(), "aurora") == 5
    assert [
        chain.view("campaign_list_value", brand="aurora", name_="dairy", item="milk", version=v)["value"]
        for v in (2, 3)
    ] == [True, None]
    assert chain.view("campaign_list_value", brand="aurora", name_="dairy", item="milk", version=0)["value"] is None
    assert chain.view("campaign_list_value", brand="aurora", name_="dairy", item="milk") == {
        "item": "milk",
        "version": 5,
        "value": True,
    }


def test_a_value_map_has_values_of_each_kind_and_their_versions() -> None:
    chain = new_chain()
    change(chain, "value_map", "rates", entries={"books": 2, "wine": False, "toys": "x"})
    change(chain, "value_map_set", "rates", entries={"books": 3, "wine": 0})
    change(chain, "value_map_remove", "rates", keys=["toys"])
    now = [value(chain, key) for key in ("books", "wine", "toys")]
    assert now == [3, 0, 1]
    assert type(now[1]) is int
    assert [value(chain, key, version=1) for key in ("books", "wine", "toys")] == [2, False, "x"]
    assert type(value(chain, "wine", version=1)) is bool
    shown = chain.view("campaign_value_map", brand="aurora", name_="rates")
    assert (shown["size"], shown["version"], shown["kind"]) == (2, 1, "value_map")


def test_a_draft_is_seen_at_once_or_not_at_all() -> None:
    chain = new_chain()
    change(chain, "collection", items=["milk"])
    change(chain, "collection", items=["a"], draft=True)
    assert "version" not in chain.events[0][1]
    shown = change(chain, "collection_add", items=["b", "c"])
    assert (shown["size"], shown["version"], shown["draft"]) == (1, 1, 3)
    change(chain, "collection_remove", items=["a"])
    assert has(chain, "milk")
    assert not has(chain, "b")
    drafted = chain.view("campaign_list_items", brand="aurora", name_="dairy", draft=True)["items"]
    assert [item["item"] for item in drafted] == ["b", "c"]
    shown = change(chain, "list_publish")
    assert shown == {"brand": "aurora", "name": "dairy", "kind": "collection", "size": 2, "version": 2}
    assert has(chain, "b")
    assert not has(chain, "milk")
    assert not has(chain, "a")
    assert refused(chain, "list_publish") == "NOT_FOUND"


def test_a_draft_that_is_given_up_or_defined_anew_leaves_nothing_behind() -> None:
    chain = new_chain()
    change(chain, "collection", items=["a"], draft=True)
    assert change(chain, "list_discard") == {"brand": "aurora", "name": "dairy", "kind": "collection", "size": 0}
    change(chain, "collection", items=["b"], draft=True)
    change(chain, "collection", items=["c"], draft=True)
    change(chain, "list_publish")
    assert [has(chain, item) for item in "abc"] == [False, False, True]
    assert refused(chain, "list_discard") == "NOT_FOUND"
    change(chain, "collection", "other", items=["x"], draft=True)
    with pytest.raises(Refused, match="nothing is there yet"):
        chain.view("campaign_list_items", brand="aurora", name_="other")


def test_of_a_rooted_collection_the_till_brings_the_path() -> None:
    chain = new_chain()
    tree = levels([item_leaf(f"sku-{n}") for n in range(5)])
    root = tree[-1][0].hex()
    assert change(chain, "collection", root=root)["root"] == root
    path = path_of(tree, 3)
    assert has(chain, "sku-3", proofs={"dairy": {"sku-3": path}})
    assert has(chain, "sku-3", proofs={"dairy": {"sku-3": tuple(path)}})
    # Each of these is brought by a till that errs, or by nobody.
    wrong: list[dict[str, Any]] = [
        {},
        {"dairy": {}},
        {"dairy": {"sku-3": path[:-1]}},
        {"dairy": {"sku-3": [*path, "00" * 32]}},
        {"dairy": {"sku-3": path_of(tree, 2)}},
        {"dairy": {"sku-3": [h.upper() for h in path]}},
        {"dairy": {"sku-3": [1]}},
        {"dairy": {"sku-3": ["00" * 32] * 33}},
        {"dairy": {"sku-3": path[0]}},
        {"dairy": path},
        {"other": {"sku-3": path}},
    ]
    for proofs in wrong:
        assert not has(chain, "sku-3", proofs=proofs)
    assert not has(chain, "sku-9", proofs={"dairy": {"sku-9": path}})
    assert refused(chain, "collection_add", items=["a"]) == "NOT_ELIGIBLE"


def test_a_code_is_no_item_of_a_rooted_collection() -> None:
    chain = new_chain()
    tree = levels([code_leaf("milk", bytes(32)), code_leaf("b", bytes(32))])
    change(chain, "collection", root=tree[-1][0].hex())
    assert not has(chain, "milk", proofs={"dairy": {"milk": path_of(tree, 0)}})


def test_who_may_and_what_cannot_be() -> None:
    chain = new_chain()
    change(chain, "collection", items=["milk"])
    for call, args in (
        ("collection", {"items": []}),
        ("value_map", {"entries": {}}),
        ("collection_add", {"items": ["a"]}),
        ("list_publish", {}),
    ):
        for other in ("aurora-admin", "aurora-issuer", "basil-marketer"):
            args_of: dict[str, Any] = {"name": "dairy", "brand": "aurora", **args}
            assert chain.refused(other, f"campaign.{call}", **args_of) == "NOT_AUTHORISED"
    assert refused(chain, "collection") == "INVALID_ARGS"
    assert refused(chain, "collection", items=["a"], root="00" * 32) == "INVALID_ARGS"
    assert refused(chain, "collection", root="00" * 32, draft=True) == "INVALID_ARGS"
    assert refused(chain, "collection", items=["a\u200b"]) == "INVALID_ARGS"
    assert refused(chain, "value_map", entries={}) == "ALREADY_EXISTS"
    assert refused(chain, "value_map_set", entries={"a": 1}) == "NOT_ELIGIBLE"
    assert refused(chain, "collection_add", "none", items=["a"]) == "NOT_FOUND"
    with pytest.raises(Refused, match="the list is a collection"):
        chain.view("campaign_value_map", brand="aurora", name_="dairy")
    chain.suspend("aurora")
    assert refused(chain, "collection", items=["a"]) == "SUSPENDED"


def test_lists_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = new_chain()
    change(chain, "collection", items=["a", "b"])
    monkeypatch.setattr(collections, "MAX_LISTS", 1)
    assert refused(chain, "collection", "second", items=["a"]) == "LIMIT_EXCEEDED"
    monkeypatch.setattr(collections, "MAX_LIST_SIZE", 3)
    change(chain, "collection_add", items=["c"])
    assert refused(chain, "collection_add", items=["d"]) == "LIMIT_EXCEEDED"
    monkeypatch.setattr(collections, "MAX_DEFINITIONS", 2)
    change(chain, "collection", items=["a"])
    assert refused(chain, "collection", items=["b"]) == "LIMIT_EXCEEDED"
    for _ in range(list_records.MAX_TURNS // 2 - 1):
        change(chain, "collection_remove", items=["a"])
        change(chain, "collection_add", items=["a"])
    change(chain, "collection_remove", items=["a"])
    assert refused(chain, "collection_add", items=["a"]) == "LIMIT_EXCEEDED"
    assert not has(chain, "a")


def test_a_full_call_fits_into_a_transaction() -> None:
    chain = new_chain(watched=False)
    items = [f"sku-{n:06}-{'x' * 50}" for n in range(list_records.MAX_ITEMS_PER_CALL)]
    op = ("campaign.collection", {"name": "dairy", "brand": "aurora", "items": items})
    receipt = chain.send_ops("aurora-marketer", [op])
    assert receipt.status == "ok"
    assert receipt.cost < chain.params.max_tx_cost * 3 // 4
    assert len(items) == chain.view("campaign_collection", brand="aurora", name_="dairy")["size"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "remove", "define", "draft", "publish", "discard"]),
            st.sets(st.sampled_from("abcdef"), min_size=1, max_size=4),
        ),
        max_size=12,
    )
)
def test_each_version_stays_what_it_was(steps: list[tuple[str, set[str]]]) -> None:
    chain = new_chain(watched=False)
    change(chain, "collection", items=["a"])
    now, draft, history = {"a"}, None, {1: {"a"}}
    for what, chosen in steps:
        items = sorted(chosen)
        if what in ("define", "draft"):
            change(chain, "collection", items=items, draft=what == "draft")
            draft = set(chosen) if what == "draft" else None
            now = now if what == "draft" else set(chosen)
        elif what in ("add", "remove"):
            change(chain, f"collection_{what}", items=items)
            target = now if draft is None else draft
            target = target | chosen if what == "add" else target - chosen
            now, draft = (target, None) if draft is None else (now, target)
        elif draft is not None:
            change(chain, f"list_{what}")
            now, draft = (draft if what == "publish" else now), None
        history[LISTS.version(chain.context(), "aurora")] = now
    assert len(history) == LISTS.version(chain.context(), "aurora")
    for version, items_then in history.items():
        assert {item for item in "abcdef" if has(chain, item, version=version)} == items_then
