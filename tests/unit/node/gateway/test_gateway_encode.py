"""`tx_encode`: what `chain_transaction` shows of a transaction makes its bytes again, batch signatures included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from node.gateway import Gateway
from node.gateway.errors import RpcFault
from node.gateway.method_table import Method
from node.gateway.presentation import dumps
from node.gateway.results import shown_transaction
from node.runtime.config import NodeConfig
from tests.support.ledger import LocalChain, LocalNode, address_of, key_of, program_op
from vm.batch_signatures import MAX_BATCH, paths_of
from vm.primitives.hashing import sha256
from vm.primitives.keys import Domain
from vm.transaction import encode_body, parse_transaction, sign_batch, signatures_valid

SIZE = 5
KEY = key_of("aurora-admin")


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    chain = LocalChain(tmp_path / "data", [program_op("miles", "aurora")])
    yield chain
    chain.close()


@pytest.fixture
def encode(chain: LocalChain) -> Callable[..., Any]:
    method: Method = Gateway(LocalNode(chain), NodeConfig()).table["tx_encode"]
    assert method.answer is not None
    answer = method.answer
    return lambda **params: answer(method.arguments(params))


@pytest.fixture
def batch(chain: LocalChain) -> list[bytes]:
    ops = [("token.issue", {"program": "miles", "to": address_of("ann"), "amount": 4})]
    expires = chain.ledger.head_time + 1_000
    bodies = [encode_body(chain.genesis.chain, address_of("aurora-admin"), n, expires, ops) for n in range(SIZE)]
    return sign_batch(bodies, KEY)


def shown(raw: bytes) -> dict[str, Any]:
    """Return what `chain_transaction` shows of a transaction, as JSON has it."""
    answer: dict[str, Any] = orjson.loads(dumps(shown_transaction(parse_transaction(raw))))
    return answer


def test_what_is_shown_of_a_batch_makes_the_same_bytes(encode: Callable[..., Any], batch: list[bytes]) -> None:
    for raw in batch:
        form = shown(raw)
        assert len(form["sigs"][0]) == 5
        assert encode(body=form["body"], sigs=form["sigs"]) == form["raw"] == raw.hex()


VECTORS = orjson.loads((Path(__file__).parents[3] / "vectors" / "vectors.json").read_bytes())


@pytest.mark.parametrize("case", VECTORS["batch_signatures"], ids=lambda case: str(case["count"]))
def test_the_frozen_batches_are_made_again_from_what_is_shown(
    encode: Callable[..., Any], case: dict[str, Any]
) -> None:
    assert case["transactions"]
    for raw in case["transactions"].values():
        form = shown(bytes.fromhex(raw))
        assert encode(body=form["body"], sigs=form["sigs"]) == raw


def test_a_client_without_messagepack_signs_a_batch(encode: Callable[..., Any], batch: list[bytes]) -> None:
    bodies = [shown(raw)["body"] for raw in batch]
    root, paths = paths_of([sha256(bytes.fromhex(encode(body=body))) for body in bodies])
    signature = KEY.sign(Domain.BATCH, root).hex()
    for body, path in zip(bodies, paths, strict=True):
        entry = [KEY.public_key.hex(), signature, path.index, path.size, [each.hex() for each in path.hashes]]
        raw = bytes.fromhex(encode(body=body, sigs=[entry]))
        assert signatures_valid(parse_transaction(raw))


def test_an_entry_of_each_kind_may_stand_beside_the_other(encode: Callable[..., Any], chain: LocalChain) -> None:
    keys = sorted((KEY, key_of("ann")), key=lambda key: key.public_key)
    body = {
        "chain": chain.genesis.chain,
        "sender": address_of("aurora-admin"),
        "nonce": 1,
        "expires": chain.ledger.head_time + 1_000,
        "ops": [["token.issue", {"program": "miles", "to": address_of("ann"), "amount": 4}]],
        "signers": [key.public_key.hex() for key in keys],
    }
    canonical = bytes.fromhex(encode(body=body))
    root, (path,) = paths_of([sha256(canonical)])
    entries: list[list[Any]] = [
        [keys[0].public_key.hex(), keys[0].sign(Domain.TRANSACTION, canonical).hex()],
        [keys[1].public_key.hex(), keys[1].sign(Domain.BATCH, root).hex(), path.index, path.size, []],
    ]
    assert signatures_valid(parse_transaction(bytes.fromhex(encode(body=body, sigs=entries))))


HASH = "ab" * 32


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda entry: entry[:1], "sigs[0]"),
        (lambda entry: entry[:3], "sigs[0]"),
        (lambda entry: [*entry, 1], "sigs[0]"),
        (lambda entry: {"key": entry[0]}, "sigs[0]"),
        (lambda entry: ["AB", *entry[1:]], "sigs[0][0]"),
        (lambda entry: [entry[0], 7, *entry[2:]], "sigs[0][1]"),
        (lambda entry: [*entry[:2], -1, *entry[3:]], "sigs[0][2]"),
        (lambda entry: [*entry[:2], SIZE, *entry[3:]], "sigs[0][2]"),
        (lambda entry: [*entry[:2], True, *entry[3:]], "sigs[0][2]"),
        (lambda entry: [*entry[:3], 0, entry[4]], "sigs[0][3]"),
        (lambda entry: [*entry[:3], MAX_BATCH + 1, entry[4]], "sigs[0][3]"),
        (lambda entry: [*entry[:3], 5.0, entry[4]], "sigs[0][3]"),
        (lambda entry: [*entry[:4], entry[4][:-1]], "sigs[0][4]"),
        (lambda entry: [*entry[:4], [*entry[4], HASH]], "sigs[0][4]"),
        (lambda entry: [*entry[:4], HASH], "sigs[0][4]"),
        (lambda entry: [*entry[:4], [HASH[:-2], *entry[4][1:]]], "sigs[0][4][0]"),
        (lambda entry: [*entry[:4], [[HASH], *entry[4][1:]]], "sigs[0][4][0]"),
    ],
)
def test_a_malformed_entry_is_refused_by_its_part(
    encode: Callable[..., Any], batch: list[bytes], change: Callable[[list[Any]], Any], field: str
) -> None:
    form = shown(batch[2])
    with pytest.raises(RpcFault) as refused:
        encode(body=form["body"], sigs=[change(form["sigs"][0])])
    assert (refused.value.data["reason"], refused.value.data["param"]) == ("INVALID_PARAMS", field)


def test_entries_are_one_to_eight(encode: Callable[..., Any], batch: list[bytes]) -> None:
    form = shown(batch[0])
    for entries in ([], form["sigs"] * 9, None, "sigs"):
        with pytest.raises(RpcFault) as refused:
            encode(body=form["body"], sigs=entries)
        assert refused.value.data["param"] == "sigs"


def test_an_entry_of_another_key_is_a_bad_signature(encode: Callable[..., Any], batch: list[bytes]) -> None:
    form = shown(batch[0])
    entry = [key_of("ann").public_key.hex(), *form["sigs"][0][1:]]
    with pytest.raises(RpcFault) as refused:
        encode(body=form["body"], sigs=[entry])
    assert refused.value.data["reason"] == "BAD_SIGNATURE"


def test_a_signature_of_a_wrong_length_is_malformed(encode: Callable[..., Any], batch: list[bytes]) -> None:
    form = shown(batch[0])
    entry = [form["sigs"][0][0], "ab", *form["sigs"][0][2:]]
    with pytest.raises(RpcFault) as refused:
        encode(body=form["body"], sigs=[entry])
    assert refused.value.data["reason"] == "MALFORMED"
