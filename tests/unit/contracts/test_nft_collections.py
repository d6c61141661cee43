"""Collections: what may be declared, what may change later, and what is frozen for good."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.nft.collections import TOKENS_OF_STEP
from tests.contract_harness import Chain, account_of
from tests.support.badges import (
    ANN,
    DEFAULTS,
    TRAITS,
    badge_brand,
    badge_chain,
    collection_args,
    history,
    mint,
    shown,
)
from vm.params import Params

MARKETER = "aurora-marketer"


def made(chain: Chain, **changes: Any) -> str:
    """Return "ok" or the code with which a second collection is refused."""
    receipt = chain.send_ops(
        MARKETER, [("nft.create_collection", collection_args(**{"collection": "two", **changes}))]
    )
    return receipt.error.code if receipt.error else receipt.status


def update(chain: Chain, **changes: Any) -> int:
    answer = chain.send(MARKETER, "nft.update_collection", collection="aurora-club", **changes)
    return int(answer["revision"])


def update_refused(chain: Chain, **changes: Any) -> str:
    return chain.refused(MARKETER, "nft.update_collection", collection="aurora-club", **changes)


def view(chain: Chain) -> dict[str, Any]:
    found: dict[str, Any] = chain.view("nft_collection", collection="aurora-club")
    return found


def test_a_collection_is_shown_as_it_was_declared() -> None:
    art = {
        "palette": {"trait": "level", "map": {"silver": "silver", "gold": "gold"}, "default": "bronze"},
        "icon": "plane",
        "ring": "rope",
        "level": {"trait": "visits", "of": 3},
        "progress": {"trait": "visits", "from": 0, "to": 10},
        "title": "AURORA",
        "caption": "{level}: {visits}",
        "colours": {"metal": "#d4af37", "enamel": "#101820"},
    }
    chain = badge_chain(art=art, description="For guests.", max_supply=5, transfer="brand")
    found = view(chain)
    assert found["art"] == {**art, "progress": {"trait": "visits", "to": 10}}
    assert found["traits"] == dict(sorted(TRAITS.items()))
    assert (found["max_supply"], found["transfer"], found["description"]) == (5, "brand", "For guests.")
    assert (found["minted"], found["living"], found["revision"], found["frozen"]) == (0, 0, 1, False)
    assert [one["collection"] for one in chain.view("nft_collections", brand="aurora")["items"]] == ["aurora-club"]
    assert chain.view("nft_collections", brand="basil")["items"] == []


@pytest.mark.parametrize(
    ("name", "trait"),
    [
        ("😀", {"type": "int", "default": 0}),
        ("＠", {"type": "int", "default": 0}),
        ("1st", {"type": "int", "default": 0}),
        ("", {"type": "int", "default": 0}),
        ("a" * 33, {"type": "int", "default": 0}),
        ("t", {"type": "int", "default": True}),
        ("t", {"type": "bool", "default": 0}),
        ("t", {"type": "string", "default": 0}),
        ("t", {"type": "int", "default": 3, "max": 2}),
        ("t", {"type": "int", "default": 1, "min": 2}),
        ("t", {"type": "int", "default": 5, "min": 9, "max": 3}),
        ("t", {"type": "int", "default": 0, "values": ["a"]}),
        ("t", {"type": "bool", "default": False, "min": 0}),
        ("t", {"type": "enum", "default": "a"}),
        ("t", {"type": "enum", "default": "a", "values": []}),
        ("t", {"type": "enum", "default": "b", "values": ["a"]}),
        ("t", {"type": "enum", "default": "a", "values": ["a", "a"]}),
        ("t", {"type": "string", "default": "x\u2028y"}),
        ("t", {"type": "int"}),
        ("t", {"type": "float", "default": 0}),
        ("t", {"type": "int", "default": None}),
    ],
)
def test_a_trait_that_makes_no_sense_is_refused(name: str, trait: dict[str, Any]) -> None:
    assert made(badge_chain(), traits={name: trait}) == "INVALID_ARGS"


@pytest.mark.parametrize("name", ["a", "A", "member-since", "visits_2", "z" * 32, "in", "true"])
def test_ascii_names_are_names_of_traits(name: str) -> None:
    assert made(badge_chain(), traits={name: {"type": "string", "default": "", "values": ["", "x"]}}) == "ok"


@pytest.mark.parametrize(
    "art",
    [
        {"palette": "pink"},
        {"icon": "javascript:alert(1)"},
        {"icon": {"trait": "nothing"}},
        {"icon": {"trait": "level", "map": {"gold": "rocket"}}},
        {"icon": {"trait": "level", "default": "rocket"}},
        {"ring": {"trait": "level", "map": {"gold": "gold"}}},
        {"level": {"trait": "level"}},
        {"level": {"trait": "visits", "of": 8}},
        {"progress": {"trait": "vip", "to": 5}},
        {"progress": {"trait": "visits", "from": 5, "to": 5}},
        {"caption": "{nothing}"},
        {"title": "x" * 65},
        {"colours": {"metal": "#FF0000", "enamel": "#000000"}},
        {"colours": {"metal": "red", "enamel": "#000000"}},
        {"colours": {"metal": "#ff0000;fill:url(//x)", "enamel": "#000000"}},
        {"script": "x"},
    ],
)
def test_art_names_only_what_there_is(art: dict[str, Any]) -> None:
    assert made(badge_chain(), art=art) == "INVALID_ARGS"


@pytest.mark.parametrize(
    "base",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://plain.example/",
        "https://a b/",
        "https://ä.example/",
        'https://x/"',
        "https://",
        "https://" + "a" * 300,
        "https://x/{name}",
        "",
    ],
)
def test_a_base_is_an_address_that_can_stand_anywhere(base: str) -> None:
    assert made(badge_chain(), metadata={"mode": "uri", "base": base}) == "INVALID_ARGS"


def test_what_contradicts_itself_is_refused() -> None:
    chain = badge_chain()
    uri = {"mode": "uri", "base": "https://x.example/"}
    assert made(chain, soulbound=True, transfer="brand") == "INVALID_ARGS"
    assert made(chain, metadata=uri, art={"icon": "star"}) == "INVALID_ARGS"
    assert made(chain, metadata={"mode": "cloud"}) == "INVALID_ARGS"
    assert made(chain, max_supply=0) == "INVALID_ARGS"
    assert made(chain, collection="basil-two") == "NOT_AUTHORISED"
    assert made(chain, collection="aurora-club") == "ALREADY_EXISTS"
    chain.suspend("aurora")
    assert made(chain) == "SUSPENDED"


def test_tokens_come_to_a_new_revision_with_the_new_traits_default() -> None:
    chain = badge_chain()
    for token in range(TOKENS_OF_STEP + 1):
        mint(chain, token, visits=token)
    before = shown(chain, 2)
    assert update(chain, traits={"stars": {"type": "int", "default": 7}}, description="New.") == 2
    assert shown(chain, 2) == before  # Views show what is stored, until the chain has come to it.
    assert view(chain)["refreshing"]
    chain.until(chain.time + 200)
    assert not view(chain)["refreshing"]
    for token in range(TOKENS_OF_STEP + 1):
        now = shown(chain, token)
        assert now["traits"] == {**DEFAULTS, "visits": token, "stars": 7}
        assert (now["revision"], now["version"]) == (2, 2)
        assert [one["cause"]["kind"] for one in history(chain, token)] == ["mint", "update"]
    assert {told[0] for told in chain.events} == {"nft.metadata_updated"}
    assert now["metadata_hash"] != before["metadata_hash"]


def test_a_picture_that_changes_changes_the_hash() -> None:
    chain = badge_chain(art={"icon": "star"})
    before = mint(chain)["metadata_hash"]
    update(chain, art={"icon": "plane"})
    chain.until(chain.time + 200)
    assert shown(chain)["metadata_hash"] != before
    assert shown(chain)["traits"] == DEFAULTS


def test_many_tokens_are_brought_on_over_several_blocks_and_none_is_lost() -> None:
    chain = Chain(
        [*badge_brand("aurora"), ("nft.create_collection", collection_args())],
        Params(max_block_cost=100_000, max_tx_cost=75_000),
    )
    for token in range(120):
        mint(chain, token)
    chain.send("aurora-admin", "nft.update_collection", collection="aurora-club", description="New.")
    blocks = 0
    while view(chain)["refreshing"]:
        chain.until(chain.time + 200)
        blocks += 1
        mint(chain, 200 + blocks)
        assert blocks < 60
    assert blocks > 1
    assert all(shown(chain, token)["revision"] == 2 for token in range(120))
    assert {len(history(chain, token)) for token in range(120)} == {2}
    assert len(history(chain, 201)) == 1


def test_an_update_during_a_refresh_begins_it_anew() -> None:
    chain = badge_chain()
    for token in range(3):
        mint(chain, token)
    update(chain, description="First.")
    update(chain, description="Second.")
    chain.until(chain.time + 200)
    assert {shown(chain, token)["revision"] for token in range(3)} == {3}
    assert chain.view("nft_metadata", collection="aurora-club", token=1)["description"] == "Second."


def test_a_trait_can_take_more_and_never_less() -> None:
    chain = badge_chain()
    wider = {"type": "int", "default": 0, "min": -5, "max": 200}
    assert update(chain, traits={"visits": wider}) == 2
    values = ["basic", "silver", "gold", "jade"]
    assert update(chain, traits={"level": {"type": "enum", "default": "basic", "values": values}}) == 3
    assert update_refused(chain, traits={"visits": {**wider, "max": 199}}) == "NOT_ELIGIBLE"
    assert update_refused(chain, traits={"visits": {**wider, "min": -4}}) == "NOT_ELIGIBLE"
    assert update_refused(chain, traits={"visits": {"type": "string", "default": ""}}) == "NOT_ELIGIBLE"
    fewer = {"type": "enum", "default": "basic", "values": values[:3]}
    assert update_refused(chain, traits={"level": fewer}) == "NOT_ELIGIBLE"
    assert (
        update_refused(chain, traits={"motto": {"type": "string", "default": "", "values": [""]}}) == "NOT_ELIGIBLE"
    )
    more = {f"t{n}": {"type": "int", "default": 0} for n in range(29)}
    assert update_refused(chain, traits=more) == "LIMIT_EXCEEDED"
    assert view(chain)["revision"] == 3


def test_max_supply_only_falls_and_not_below_what_is_minted() -> None:
    chain = badge_chain(max_supply=5)
    mint(chain, 1)
    mint(chain, 2)
    assert update_refused(chain, max_supply=6) == "NOT_ELIGIBLE"
    assert update_refused(chain, max_supply=1) == "LIMIT_EXCEEDED"
    update(chain, max_supply=2)
    assert chain.refused("aurora-issuer", "nft.mint", collection="aurora-club", token=3, to=ANN) == "CAP_EXCEEDED"


def test_frozen_metadata_stay_for_good() -> None:
    chain = badge_chain()
    mint(chain)
    freeze = {"collection": "aurora-club"}
    change = ("nft.update_collection", {**freeze, "description": "Last words."})
    too_early = chain.send_ops(MARKETER, [change, ("nft.freeze_metadata", freeze)]).error
    assert too_early
    assert (too_early.code, too_early.op) == ("NOT_ELIGIBLE", 1)
    update(chain, description="Last words.")
    chain.until(chain.time + 200)
    before = shown(chain)
    assert chain.send(MARKETER, "nft.freeze_metadata", **freeze) == {**freeze, "frozen": True}
    assert chain.events == [("nft.metadata_frozen", {"collection": "aurora-club", "brand": "aurora"})]
    assert update_refused(chain, description="Once more.") == "FROZEN"
    assert chain.refused(MARKETER, "nft.freeze_metadata", **freeze) == "FROZEN"
    assert shown(chain) == before
    mint(chain, 2)  # It can still grow, and change hands.
    chain.send("ann", "nft.transfer", collection="aurora-club", token=1, to=account_of("bob"))


def test_only_the_brands_own_people_change_it() -> None:
    chain = badge_chain()
    change = {"collection": "aurora-club", "description": "Mine."}
    for person in ("basil-marketer", "aurora-issuer", "aurora-cashier", "ann"):
        assert chain.refused(person, "nft.update_collection", **change) == "NOT_AUTHORISED"
        assert chain.refused(person, "nft.freeze_metadata", collection="aurora-club") == "NOT_AUTHORISED"
    chain.suspend("aurora")
    assert chain.refused(MARKETER, "nft.update_collection", **change) == "SUSPENDED"
