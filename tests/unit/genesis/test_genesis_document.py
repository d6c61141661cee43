"""Genesis documents: everything wrong is listed, and only values make the chain's name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest

from consensus.types import MAX_VALIDATORS as CONSENSUS_MAX_VALIDATORS
from consensus.types import MIN_VALIDATORS as CONSENSUS_MIN_VALIDATORS
from genesis.document import MAX_VALIDATORS, MIN_VALIDATORS, Genesis
from genesis.errors import GenesisDocumentError
from genesis.protocol import build_runtime
from genesis.testnet import create_testnet
from vm.errors import GenesisError
from vm.params import BOUNDS, bound_problem
from vm.primitives.hashing import sha256


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    """A valid document as plain JSON."""
    manifest = create_testnet(tmp_path / "net", seed=b"genesis", now_ms=1_770_000_000_000)
    value: dict[str, Any] = json.loads(Path(manifest.genesis).read_text())
    return value


def read(value: Any) -> Genesis:
    return Genesis.from_json(json.dumps(value))


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(list(value))}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


def test_key_order_and_space_do_not_change_the_chain(document: dict[str, Any]) -> None:
    chain = read(document).chain
    assert Genesis.from_json(json.dumps(document, indent=7)).chain == chain
    assert Genesis.from_json(json.dumps(document, separators=(",", ":")).encode()).chain == chain
    assert Genesis.from_json(json.dumps(reversed_keys(document))).chain == chain
    assert Genesis.from_json(read(document).to_json()).chain == chain


def test_the_name_is_the_hash_of_the_document_as_written(document: dict[str, Any]) -> None:
    whole = read(document)
    for name in ("version", "state_depth", "nodes", "params"):
        assert document.pop(name) is not None
    short = read(document)
    assert short.document == whole.document
    # A client that knows no defaults, and another library, compute the same name.
    ordered = {key: document[key] for key in sorted(document)}
    ordered["validators"] = [{k: v[k] for k in sorted(v)} for v in document["validators"]]
    ordered["ops"] = [[call, {k: args[k] for k in sorted(args)}] for call, args in document["ops"]]
    assert short.chain == f"testnet-{sha256(msgpack.packb(ordered)).hex()[:16]}"


def test_the_name_commits_to_the_canonical_bytes(document: dict[str, Any]) -> None:
    genesis = read(document)
    assert genesis.digest == sha256(genesis.canonical)
    assert genesis.chain == f"testnet-{genesis.digest.hex()[:16]}"
    again = Genesis.from_canonical(genesis.canonical)
    assert (again.chain, again.document) == (genesis.chain, genesis.document)


def change_op(document: dict[str, Any]) -> None:
    document["ops"][0][1]["name"] = "Other"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(name="other"),
        lambda d: d.update(time=d["time"] + 1),
        lambda d: d.update(state_depth=5),
        lambda d: d.update(nodes=["ab" * 32]),
        lambda d: d["params"].update(block_interval_ms=201),
        lambda d: d["validators"][0].update(brand="other"),
        lambda d: d["ops"].pop(),
        change_op,
    ],
)
def test_any_other_value_is_another_chain(document: dict[str, Any], change: Callable[[Any], Any]) -> None:
    chain = read(document).chain
    change(document)
    assert read(document).chain != chain


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d.update(name="Not A Slug"), "name must be a slug"),
        (lambda d: d.update(time=-1), "time must be milliseconds"),
        (lambda d: d.update(time=2**53), "time must be milliseconds"),
        (lambda d: d.update(version=9), "version must be"),
        (lambda d: d.update(state_depth=0), "state_depth must be"),
        (lambda d: d.update(validators=d["validators"][:3]), "at least 4, not 3"),
        (lambda d: d["validators"][0].update(public_key="AB" * 32), "is not a public key"),
        (lambda d: d["validators"][0].update(public_key="ab"), "is not a public key"),
        (
            lambda d: d["validators"][0].update(public_key=d["validators"][1]["public_key"]),
            "stands twice among validators and nodes: validator of aurora, validator of basil",
        ),
        (
            lambda d: d.update(nodes=[d["validators"][1]["public_key"]]),
            "stands twice among validators and nodes: validator of basil, full node",
        ),
        (lambda d: d.update(nodes=["ab" * 32, "ab" * 32]), "stands twice among validators and nodes: full node"),
        (lambda d: d["validators"][0].update(public_key="00" * 32), "(validator of aurora) is not a public key"),
        (lambda d: d.update(nodes=["ee" + "ff" * 30 + "7f"]), "(full node) is not a public key"),
        (lambda d: d["validators"][0].update(brand="A B"), "is not a slug"),
        (lambda d: d.update(validators=d["validators"] * 65), "at most 256, not 260"),
        (lambda d: d["params"].update(round_timeout_ms=0), "round_timeout_ms must be at least 200"),
        (lambda d: d["params"].update(max_block_bytes=8 * 1024 * 1024), "max_block_bytes must not exceed 6291456"),
        (lambda d: d["params"].update(max_tx_cost=1), "max_tx_cost must be at least 75000"),
        (lambda d: d["params"].update(max_tx_ttl_ms=1_000), "max_tx_ttl_ms must be at least replay_slot_ms"),
        (lambda d: d["ops"][0][1].update(name=2**53), "ops:"),
        (lambda d: d["ops"][0][1].update(name=0.5), "ops:"),
    ],
)
def test_each_problem_is_named(document: dict[str, Any], change: Callable[[Any], Any], problem: str) -> None:
    change(document)
    with pytest.raises(GenesisDocumentError) as caught:
        read(document)
    assert any(problem in found for found in caught.value.problems), caught.value.problems


@pytest.mark.parametrize("name", BOUNDS)
def test_every_parameter_is_held_within_the_bounds_that_hold_for_votes(document: dict[str, Any], name: str) -> None:
    document["params"][name] = BOUNDS[name][0] - 1
    with pytest.raises(GenesisDocumentError) as caught:
        read(document)
    assert f"params: {bound_problem(name, BOUNDS[name][0] - 1)}" in caught.value.problems


def test_the_bounds_on_validators_are_those_of_consensus() -> None:
    assert (MIN_VALIDATORS, MAX_VALIDATORS) == (CONSENSUS_MIN_VALIDATORS, CONSENSUS_MAX_VALIDATORS)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("name"),
        lambda d: d.update(time="now"),
        lambda d: d.update(time=1.5),
        lambda d: d.update(unknown=1),
        lambda d: d["params"].update(unknown=1),
        lambda d: d["validators"][0].update(unknown=1),
        lambda d: d.update(validators=None),
        lambda d: d.update(ops=[["only.call"]]),
    ],
)
def test_wrong_shapes_are_refused(document: dict[str, Any], change: Callable[[Any], Any]) -> None:
    change(document)
    with pytest.raises(GenesisDocumentError):
        read(document)


def test_all_problems_are_told_at_once(document: dict[str, Any]) -> None:
    document.update(name="", time=-1, state_depth=9)
    with pytest.raises(GenesisDocumentError) as caught:
        read(document)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\ufeff{}"])
def test_what_is_no_document(text: str) -> None:
    with pytest.raises(GenesisDocumentError):
        Genesis.from_json(text)


def test_a_name_that_stands_twice_in_one_object_is_refused(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    brand = json.dumps(document["validators"][0]["brand"])
    twice = text.replace(f'"brand": {brand}', f'"brand": "other", "brand": {brand}', 1)
    assert json.loads(twice) == document, "a parser that takes the last value sees nothing"
    with pytest.raises(GenesisDocumentError, match="the name 'brand' stands twice in one object"):
        Genesis.from_json(twice)
    with pytest.raises(GenesisDocumentError, match="the name 'brand' stands twice in one object"):
        Genesis.from_json(twice.encode())


def test_an_admin_who_stands_twice_is_refused(document: dict[str, Any]) -> None:
    place, (_, args) = next((i, op) for i, op in enumerate(document["ops"]) if op[0] == "identity.register_brand")
    args["admins"] = args["admins"] * 2
    with pytest.raises(GenesisError, match=rf"operation {place}, identity\.register_brand: .*different accounts"):
        read(document).genesis_state(build_runtime())


def test_validators_are_sorted_by_key(document: dict[str, Any]) -> None:
    document["validators"].reverse()
    keys = [entry.public_key for entry in read(document).validators]
    assert keys == sorted(keys)


def test_a_refused_operation_names_itself(document: dict[str, Any]) -> None:
    document["ops"].append(["nobody.knows", {}])
    index = len(document["ops"]) - 1
    with pytest.raises(GenesisError, match=rf"operation {index}, nobody\.knows: UNKNOWN_CALL"):
        read(document).genesis_state(build_runtime())


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(GenesisDocumentError, match="cannot be read"):
        Genesis.load(tmp_path / "none.json")


def test_a_document_nested_without_end_is_refused():
    deep = b'{"name": "ab", "time": 1, "validators": [], "ops": [["a.b", {"x": ' + b"[" * 100_000
    with pytest.raises(GenesisDocumentError):
        Genesis.from_json(deep)
