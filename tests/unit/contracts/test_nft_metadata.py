"""Metadata: the document, its hash as JavaScript computes it, and where it is when it is elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from contracts_py.nft.metadata import address_of
from contracts_py.nft.records import TOKENS, AtUri
from tests.support.badges import ANN, badge_chain, history, mint, shown
from vm.primitives.canonical_json import canonical_json
from vm.primitives.codec import CodecError
from vm.primitives.hashing import sha256

NAMES = ['A "quoted" \\ name', "Ünïcödé 😀", "a\u0301 e\u0308", "</script><b>&amp;", "日本語", "x" * 128]
RECOMPUTE = """
const crypto = require("node:crypto");
const canonical = (value) =>
  value === null || typeof value !== "object" ? JSON.stringify(value)
  : Array.isArray(value) ? "[" + value.map(canonical).join(",") + "]"
  : "{" + Object.keys(value).sort().map((key) => JSON.stringify(key) + ":" + canonical(value[key])).join(",") + "}";
const documents = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const sha256 = (text) => crypto.createHash("sha256").update(text, "utf8").digest("hex");
const hash = ({metadata_hash, ...rest}) => sha256(canonical(rest));
console.log(JSON.stringify(documents.map(hash)));
"""
"""RFC 8785 in JavaScript, whose `sort` goes by UTF-16 code units."""


def in_javascript(documents: list[Any]) -> list[str]:
    """Return the hashes of documents without `metadata_hash`, as Node.js computes them."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    done = subprocess.run(
        [node, "-e", RECOMPUTE], input=json.dumps(documents), capture_output=True, text=True, check=True
    )
    found: list[str] = json.loads(done.stdout)
    return found


def hash_of(document: dict[str, Any]) -> str:
    rest = {name: value for name, value in document.items() if name != "metadata_hash"}
    return sha256(canonical_json(rest)).hex()


def metadata(chain: Any, token: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = chain.view("nft_metadata", collection="aurora-club", token=token)
    return found


def test_the_document_is_erc_721_metadata() -> None:
    chain = badge_chain(description="For guests.")
    mint(chain, visits=3)
    document = metadata(chain)
    assert {**document, "metadata_hash": ""} == {
        "name": "Aurora Club #1",
        "description": "For guests.",
        "image": "/nft/aurora-club/1.svg",
        "revision": 1,
        "attributes": [
            {"trait_type": "level", "value": "basic"},
            {"trait_type": "motto", "value": ""},
            {"trait_type": "vip", "value": False},
            {"trait_type": "Visits", "value": 3, "display_type": "number", "max_value": 100},
        ],
        "metadata_hash": "",
    }
    assert document["metadata_hash"] == hash_of(document) == shown(chain)["metadata_hash"]


def test_false_nothing_and_the_empty_text_are_values() -> None:
    chain = badge_chain(traits={"a": {"type": "bool", "default": False}, "b": {"type": "int", "default": 0}})
    mint(chain)
    assert [one["value"] for one in metadata(chain)["attributes"]] == [False, 0]
    assert shown(chain)["traits"] == {"a": False, "b": 0}


def test_a_collection_without_traits_has_no_attributes() -> None:
    chain = badge_chain(traits=None)
    mint(chain)
    assert metadata(chain)["attributes"] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_name_that_is_accepted_makes_valid_json(name: str) -> None:
    chain = badge_chain(name=name)
    mint(chain, motto=name)
    document = json.loads(json.dumps(metadata(chain)))
    assert document["name"] == f"{name} #1"
    assert document["metadata_hash"] == hash_of(document)


@pytest.mark.parametrize("name", ["a\u2028b", "a\x00b", "\ud800", "a\u202eb", " a", "\ufeffa", "a\u200db"])
def test_what_people_cannot_see_is_in_no_name(name: str) -> None:
    chain = badge_chain()
    args = {"collection": "two", "brand": "aurora", "name": name, "symbol": "T", "soulbound": False}
    assert chain.refused("aurora-admin", "nft.create_collection", **args) == "INVALID_ARGS"
    assert chain.refused(
        "aurora-issuer", "nft.mint", collection="aurora-club", token=1, to=ANN, traits={"motto": name}
    ) == ("INVALID_ARGS")


def test_javascript_computes_the_same_hash() -> None:
    documents = []
    for name in NAMES:
        chain = badge_chain(name=name, description=name)
        for token, motto in ((0, name), (2**53 - 1, "")):
            mint(chain, token, motto=motto, visits=token % 101)
            documents.append(metadata(chain, token))
    assert in_javascript(documents) == [one["metadata_hash"] for one in documents]


def test_keys_are_in_the_order_of_utf_16() -> None:
    values = [
        {"\uff20": 1, "😀": 2, "a": 3, "é": 4, "\ue000": 5, "": 6},
        {"b": [{"z": None, "y": True}, [], {}], "a": {"2": -1, "10": 2**53 - 1}},
        {"controls": "".join(map(chr, range(0x20))) + '"\\/\x7f\u2028\ufeff€😀'},
    ]
    assert canonical_json(values[0]).decode() == '{"":6,"a":3,"é":4,"😀":2,"\ue000":5,"\uff20":1}'
    assert canonical_json(values[1]) == b'{"a":{"10":9007199254740991,"2":-1},"b":[{"y":true,"z":null},[],{}]}'
    assert in_javascript(values) == [sha256(canonical_json(value)).hex() for value in values]


@pytest.mark.parametrize("value", [1.5, 2**53, {"a": b"x"}, {1: 2}, ["\ud800"], {"\udfff": 1}, {"a": {1, 2}}])
def test_what_canonical_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(CodecError):
        canonical_json(value)


def test_the_hash_is_a_part_of_the_tokens_state_and_of_its_history() -> None:
    chain = badge_chain()
    mint(chain)
    digest = metadata(chain)["metadata_hash"]
    stored = chain.state.get("nft/token/aurora-club/1", dict)
    assert stored is not None
    assert stored["hash"] == digest
    first = chain.state.get("nft/history/aurora-club/1/0", dict)
    assert first is not None
    assert first["hash"] == digest == history(chain)[0]["metadata_hash"]
    assert TOKENS.keys.key(("aurora-club", 1)) == "nft/token/aurora-club/1"


@pytest.mark.parametrize(
    ("base", "address"),
    [
        ("https://x.example/badges", "https://x.example/badges/7"),
        ("https://x.example/badges/", "https://x.example/badges/7"),
        ("https://x.example/badge?id=", "https://x.example/badge?id=7"),
        ("https://x.example/{id}.json", "https://x.example/7.json"),
        ("https://x.example/{id}?t={id}", "https://x.example/7?t=7"),
        ("ipfs://bafy", "ipfs://bafy/7"),
        ("https://x.example/#", "https://x.example/#7"),
    ],
)
def test_a_base_and_a_number_make_one_address(base: str, address: str) -> None:
    assert address_of(AtUri(base), 7, None) == address
    assert address_of(AtUri(base), 7, "ipfs://other") == "ipfs://other"
    chain = badge_chain(metadata={"mode": "uri", "base": base})
    mint(chain, 7)
    assert metadata(chain, 7) == {"name": "Aurora Club #7", "uri": address, "metadata_hash": None}


def test_what_is_elsewhere_has_the_hash_that_its_brand_says() -> None:
    chain = badge_chain(metadata={"mode": "uri", "base": "https://x.example/"})
    mint(chain)
    named = {"collection": "aurora-club", "token": 1, "uri": "ipfs://bafy/one.json", "hash": "ab" * 32}
    assert chain.refused("aurora-issuer", "nft.set_uri", **named) == "NOT_AUTHORISED"
    assert chain.refused("aurora-marketer", "nft.set_uri", **{**named, "uri": "one.json"}) == "INVALID_ARGS"
    answer = chain.send("aurora-marketer", "nft.set_uri", **named)
    assert (answer["metadata_hash"], answer["version"]) == ("ab" * 32, 2)
    assert [name for name, _ in chain.events] == ["nft.metadata_updated"]
    assert metadata(chain) == {"name": "Aurora Club #1", "uri": "ipfs://bafy/one.json", "metadata_hash": "ab" * 32}
    assert [one["metadata_hash"] for one in history(chain)] == [None, "ab" * 32]
    moved = {"collection": "aurora-club", "base": "https://y.example/"}
    chain.send("aurora-marketer", "nft.update_collection", **moved)
    chain.until(chain.time + 200)
    assert metadata(chain)["uri"] == "ipfs://bafy/one.json"
    chain.send("aurora-marketer", "nft.freeze_metadata", collection="aurora-club")
    assert chain.refused("aurora-marketer", "nft.set_uri", **named) == "FROZEN"


def test_each_mode_refuses_what_is_the_others() -> None:
    chain = badge_chain()
    mint(chain)
    named = {"collection": "aurora-club", "token": 1, "uri": "ipfs://bafy", "hash": "ab" * 32}
    assert chain.refused("aurora-marketer", "nft.set_uri", **named) == "NOT_ELIGIBLE"
    moved = {"collection": "aurora-club", "base": "https://y.example/"}
    assert chain.refused("aurora-marketer", "nft.update_collection", **moved) == "INVALID_ARGS"
